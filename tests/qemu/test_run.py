# SPDX-License-Identifier: Apache-2.0
# The demonstration and `make run`: all four machines end by themselves with status 0 and the same results of the guests.
import os
import re
import subprocess

import harness
import pytest
from harness import vm

DEMO = harness.ROOT / 'configs/demo.dts'
# What each finite guest prints, all of it, its lines put together. The loops of primes are the divisions its algorithm takes.
PRIMES = r'primes: below 200000: loops=3529200 primes=17984'
RESULTS = {
    'hello': r'Hello from a unikernel on Atollcpu: implementer 0x41 part 0xd08 r0p3cpus: 1ram: 16384 KiB at 0x40000000'
             r'argv\[0\] = hello',
    'clock': r'clock: 5 ticks of 400000 us, virtual timertick 1tick 2tick 3tick 4tick 5'
             r'clock: 5 interrupts for 5 ticks, 0 early: ok',
    'primes-a': PRIMES,
    'primes-b': PRIMES,
    'libc': r'libc: [1-9]\d\d checks, 0 failed',
    'smp': r'smp: 4 cpus onsmp: counter 8000 of 8000smp: 20 barriers, 0 out of stepsmp: libc on 4 cpus, 0 wrong'
           r'smp: 12 pairs, 480 of 480 interruptssmp: 6 of 6 restartssmp: ok',
}


def check_demo(text):
    """The output of a whole run of the demonstration; what the finite guests printed."""
    printed = {name: harness.vm_output(text, name) for name in RESULTS}
    for name, pattern in RESULTS.items():
        assert re.fullmatch(pattern, printed[name]), f'{name} printed {printed[name]!r}'
        assert re.search(rf'^\[\d+\.\d+ cpu\d+\] {name}: exit\(0\)$', text, re.M), f'{name} did not exit with status 0'
    assert 'shell: type help' in harness.vm_output(text, 'shell')
    assert 'U-Boot 20' in harness.vm_output(text, 'uboot')
    assert harness.stray_lines(text) == []
    assert text.rstrip('\n').rpartition('\n')[2] == 'atoll: 8 VMs stopped, 0 crashed'
    return printed


def make(*words, **kw):
    """`make WORDS` as a user calls it, whatever make this test was started by."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(('MAKE', 'MFLAGS'))}
    return subprocess.run(['make', '-C', str(harness.ROOT), '--no-print-directory', *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, timeout=120 * harness.SCALE, **kw)


def own_manifest(directory, name, nodes, when_idle=None):
    """A manifest file whose bundle no other test makes at the same time."""
    path = directory / f'{name}-{os.getpid()}.dts'
    path.write_text(harness.manifest_text(nodes, when_idle))
    return path


def test_demo(cfg, boot):
    machine = boot(DEMO, append='console=plain when-idle=poweroff', limit=120)
    outcome = machine.finish(timeout=90)
    check_demo(outcome.text)


def test_make_run_is_the_same_on_all_machines(tmp_path):
    """`make run </dev/null`: status 0, plain text, and what the finite guests print on {GICv2,GICv3} x {1,4 CPUs} is one."""
    results = {}
    for gic in (3, 2):
        for smp in (4, 1):
            run = make('run', f'GIC={gic}', f'SMP={smp}')
            output = run.stdout.decode()
            harness.LOGS.mkdir(parents=True, exist_ok=True)
            (harness.LOGS / f'test_run.make-v{gic}-smp{smp}.log').write_text(output)
            assert run.returncode == 0, output
            assert '\x1b[' not in output, 'colours without a terminal'
            text = output.replace('\r', '')
            assert f'CPUs   {smp} x ' in text and f'GIC    v{gic}, ' in text
            results[gic, smp] = check_demo(text)
    assert len({tuple(sorted(r.items())) for r in results.values()}) == 1, results


@pytest.mark.parametrize('args,crashed', [('exit=3', 1), ('fault', 1), ('exit=0', 0), ('off', 0)])
def test_make_run_status(tmp_path, args, crashed):
    """A failed VM makes the run fail, and the others end all the same."""
    manifest = own_manifest(tmp_path, f'status-{args.replace("=", "")}', vm('good', 'act.elf', bootargs='say=fine') +
                            vm('other', 'act.elf', bootargs=args))
    run = make('run', f'MANIFEST={manifest}', 'SMP=2')
    text = run.stdout.decode().replace('\r', '')
    (harness.ROOT / f'build/bundle-{manifest.stem}.img').unlink(missing_ok=True)
    assert '[good] fine\n' in text
    assert f'atoll: 2 VMs stopped, {crashed} crashed\n' in text
    assert (run.returncode != 0) == (crashed != 0), text
    assert ('run: 1 VM crashed' in text) == (crashed != 0)


def test_make_run_refuses_a_bad_manifest(tmp_path):
    manifest = own_manifest(tmp_path, 'refused', vm('web', 'act.elf', wieght=3))
    run = make('run', f'MANIFEST={manifest}')
    text = run.stdout.decode()
    assert run.returncode != 0
    assert 'web: wieght = <3>: unknown property; did you mean weight?' in text
    assert 'Atoll' not in text, 'started all the same'


def test_make_run_on_a_terminal(tmp_path, request, log_name):
    """Colours, U-Boot takes commands, QEMU's monitor escape works, and nothing is switched off behind the user's back."""
    manifest = own_manifest(tmp_path, 'terminal', DEMO.read_text())
    env = [f'{k}={v}' for k, v in os.environ.items() if not k.startswith(('MAKE', 'MFLAGS'))]
    machine = harness.Machine(['env', '-i', *env, 'make', '-C', str(harness.ROOT), 'run', f'MANIFEST={manifest}',
                               'APPEND=when-idle=wait'], harness.LOGS / (log_name + '.log'), 120, raw=True, serial=())
    request.node.machines = [machine]
    try:
        machine.expect('\x1b\\[36m\\[hello\\]\x1b\\[0m Hello from a unikernel on Atoll\r+\n', timeout=90)
        machine.expect('Hit any key to stop autoboot', timeout=60)
        machine.send('\r')
        machine.expect('=> ', timeout=30)
        machine.send('version\r')
        machine.expect(r'U-Boot 20\d\d\.\d\d', timeout=30)
        machine.send('\x01x')  # Ctrl-a x
        assert machine.wait_end(20) == 0
    finally:
        machine.close()
        (harness.ROOT / f'build/bundle-{manifest.stem}.img').unlink(missing_ok=True)


def test_colours(cfg, boot):
    """Each VM's prefix in a colour of its own, and nothing else coloured."""
    names = ['a', 'b', 'c', 'd', 'e', 'f']
    machine = boot(''.join(vm(n, 'act.elf', bootargs=f'say=hello-{n}', memory=4096) for n in names), raw=True)
    outcome = machine.finish()
    colours = {}
    for name in names:
        # On a busy machine a line comes in pieces.
        pieces = re.findall(rf'^\x1b\[(\d+)m\[{name}\]\x1b\[0m (.*?)\r*$', outcome.text, re.M)
        assert ''.join(text for _, text in pieces) == f'hello-{name}', f'{name}: no coloured line'
        colours[name], = {colour for colour, _ in pieces}
    assert len(set(colours.values())) == 6
    # The hypervisor's own lines begin by switching colours off, in case a guest left one on.
    rest = re.sub(r'^(\x1b\[\d+m\[[a-f]\]\x1b\[0m |\x1b\[0m)', '', outcome.text, flags=re.M)
    assert '\x1b' not in rest
