#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# `make bench`: the rows of tests/bench/bench.c on GICv2 and GICv3 beside their ceilings. tests/qemu/test_bench.py holds them to it.
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'scripts'))
import run_qemu  # noqa: E402

MANIFEST = '''/dts-v1/;
/ { chosen { hypervisor { compatible = "atoll,manifest-v1"; when-idle = "poweroff";
bench { compatible = "atoll,vm"; image = "bench.elf"; memory = <0 16384>; };
}; }; };
'''
# Instructions, one vCPU alone on one CPU: (GICv3, GICv2), None: not held. The last group takes no exit: what it takes natively.
CEILINGS = {
    'psci_version_hvc': (120, 120),
    'mmio_read_gicd_typer': (180, 185),
    'mmio_write_gicd_isenabler1_bit1': (250, 250),
    'mmio_read_uart_fr': (180, 180),
    'sysreg_id_aa64pfr0': (120, 120),
    'sgi_self_to_vector': (300, 350),
    'timer_to_vector': (180, None),
    'timer_wfi_to_vector': (200, None),
    'irq_ack': (6, 9),
    'irq_eoi': (6, 6),
    'sysreg_midr': (1, 1),
    'sysreg_clidr': (1, 1),
    'sysreg_cntv_ctl': (1, 1),
    'sysreg_cntpct': (1, 1),
    'stolen': (0, 0),
}


def ceiling(name, gic):
    return CEILINGS.get(name, (None, None))[0 if gic == 3 else 1]


def rows(text):
    """{row: instructions} of a console's text, empty unless the guest came to its end."""
    text = re.sub(r'^\[bench\] ', '', text.replace('\r', ''), flags=re.M)
    found = {m[1]: int(m[2]) for m in re.finditer(r'^bench: (\w+) (\d+) max \d+$', text, re.M)}
    return found if re.search(r'^bench: end$', text, re.M) else {}


def measure(image, gic):
    with tempfile.TemporaryDirectory() as place:
        manifest, bundle = os.path.join(place, 'bench.dts'), os.path.join(place, 'bench.img')
        with open(manifest, 'w', encoding='utf-8') as f:
            f.write(MANIFEST)
        subprocess.run([os.path.join(ROOT, 'scripts/mkbundle'), manifest, '-o', bundle, '--guests', os.path.join(ROOT, 'build/guests')],
                       check=True, stdout=subprocess.DEVNULL)
        command = run_qemu.qemu_command(image, bundle, gic=gic, smp=1, icount=True, append='console=plain')
        done = subprocess.run(command + ['-serial', 'stdio', '-monitor', 'none'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, errors='replace', timeout=300, check=False)
    found = rows(done.stdout)
    if not found:
        sys.exit(f'bench: the guest did not come to its end on GICv{gic}:\n{done.stdout}')
    return found


def main():
    v3, v2 = measure(sys.argv[1], 3), measure(sys.argv[1], 2)
    over = 0
    print(f'{"instructions":32} {"GICv3":>8} {"ceiling":>8} {"GICv2":>8} {"ceiling":>8}')
    for name in v3:
        line = f'{name:32}'
        for found, gic in ((v3, 3), (v2, 2)):
            top = ceiling(name, gic)
            above = top is not None and found[name] > top
            over += above
            line += f' {found[name]:7}{"!" if above else " "} {"-" if top is None else top:>8}'
        print(line)
    return 1 if over else 0


if __name__ == '__main__':
    sys.exit(main())
