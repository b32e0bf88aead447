# SPDX-License-Identifier: Apache-2.0
# Wrong input from the loader, the board and the bundle: one clear sentence, neighbours run, and a headless machine ends by itself.
import random
import re
import struct
import subprocess

import harness
import pytest
from harness import vm

GOOD = vm('good', 'act.elf', memory=8192, bootargs='say=fine sleep=100 say=still')
BOARD = pytest.mark.matrix(compiler=['gcc'], gic=[3], smp=[2])
IMAGE = harness.Config('gcc', 3, 2, False).image
HEADLESS = 'console=plain when-idle=poweroff panic=poweroff'


def cannot_start(machine, words, ends=True):
    """Exactly one sentence says why it cannot start, with WORDS in it; the machine is switched off (else it waits for its user)."""
    machine.expect(rf'^atoll: cannot start: .*{words}.*\n', timeout=60)
    if ends:
        assert machine.wait_end(30) == 0
    else:
        machine.expect_not(r'.', 2)
        assert machine.serial.isalive()
    assert machine.text.count('cannot start') == 1
    assert 'hypervisor fault' not in machine.text and 'panic' not in machine.text


def good_runs(outcome, name='good'):
    assert harness.vm_output(outcome.text, name) == 'finestill'
    assert re.search(rf'\] {name}: exit\(0\)$', outcome.text, re.M)


# --- the bundle -------------------------------------------------------------------------------


@pytest.fixture
def bundle(tmp_path):
    """bundle(nodes, **kw): the bytes of a bundle; act.elf in it is the file of that name."""
    def make(nodes, **kw):
        run, path = harness.mkbundle(tmp_path / 'bundle', nodes, **kw)
        assert run.returncode == 0, run.stdout
        return path.read_bytes()
    return make


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1:]


def test_no_bundle(cfg, boot):
    cannot_start(boot(bundle=None, append=HEADLESS), r'no bundle: the loader passed no initrd \(QEMU: -initrd bundle.img; Raspberry Pi: initramfs')


def test_without_headless_it_waits(cfg, boot):
    """Not told to power off, the sentence stays on the screen."""
    cannot_start(boot(bundle=None, append=''), 'no bundle', ends=False)


@BOARD
@pytest.mark.parametrize('size', [1, 64, 5000, 3000000])
def test_random_bytes(cfg, boot, size):
    data = random.Random(size).randbytes(size)
    cannot_start(boot(bundle=data, append=HEADLESS), 'the initrd is no bundle; make one with scripts/mkbundle')


@BOARD
def test_text_and_trees_that_are_no_bundle(cfg, boot, tmp_path):
    (tmp_path / 't.dts').write_text('/dts-v1/; / { images { }; };')
    subprocess.run(['dtc', '-q', '-o', tmp_path / 't.dtb', tmp_path / 't.dts'], check=True)
    cannot_start(boot(bundle=b'#!/bin/sh\n' * 500, append=HEADLESS), 'the initrd is no bundle')
    cannot_start(boot(bundle=(tmp_path / 't.dtb').read_bytes(), append=HEADLESS), 'the bundle has no manifest')
    cannot_start(boot(bundle=b'\xd0\x0d\xfe\xed' + b'\xff' * 4000, append=HEADLESS), 'the bundle|the initrd')


@BOARD
@pytest.mark.parametrize('keep', [30, 64, 200, 3000, 0.5, 0.999])
def test_truncated_bundle(cfg, boot, bundle, keep):
    whole = bundle(GOOD)
    cut = whole[:keep if keep > 1 else int(len(whole) * keep)]
    cannot_start(boot(bundle=cut, append=HEADLESS), 'the bundle is cut off' if keep >= 64 or keep < 1 else 'no bundle')


@BOARD
def test_truncated_bare_fit(cfg, boot, bundle):
    """Without the uImage header, as the Pi's firmware passes it, the data's end is only known by their hash and bounds."""
    fit = bundle(GOOD)[64:]
    good_runs(boot(bundle=fit).finish())
    machine = boot(bundle=fit[:len(fit) // 2], append=HEADLESS)
    outcome = machine.finish(crashed=1)
    assert re.search(r'good: image = "act.elf": its data lie outside the bundle; ', outcome.text)
    cannot_start(boot(bundle=fit[:700], append=HEADLESS), 'bundle')


@pytest.mark.parametrize('verify', ['crc32', 'sha256'])
def test_corrupt_image(cfg, boot, bundle, verify):
    """One flipped bit in an image: its VM is refused in words, counted as crashed, and the neighbour runs."""
    data = bundle(vm('bad', 'bad.elf', memory=8192, bootargs='say=ran', verify=verify) + GOOD,
                  files={'bad.elf': harness.guest('hello.elf')})
    image = harness.guest('hello.elf').read_bytes()
    at = data.index(image) + len(image) // 2
    outcome = boot(bundle=flip(data, at)).finish(crashed=1)
    assert re.search(r'error: bad: .*bad\.elf.*its content does not match its hash; load the bundle again', outcome.text)
    assert harness.vm_output(outcome.text, 'bad') == ''
    good_runs(outcome)


@BOARD
def test_corrupt_ramdisk(cfg, boot, bundle):
    ramdisk = random.Random(5).randbytes(200000)
    data = bundle(vm('bad', 'hello.elf', memory=8192, ramdisk='rd.bin') + GOOD, files={'rd.bin': ramdisk})
    outcome = boot(bundle=flip(data, data.index(ramdisk) + len(ramdisk) - 1)).finish(crashed=1)
    assert re.search(r'error: bad: .*rd\.bin.*its content does not match its hash', outcome.text)
    assert harness.vm_output(outcome.text, 'bad') == ''
    good_runs(outcome)


@BOARD
def test_corrupt_image_of_a_background_vm(cfg, boot, bundle):
    """Refused before it ran: nobody waits for it."""
    data = bundle(vm('bad', 'bad.elf', memory=8192, background=True) + GOOD, files={'bad.elf': harness.guest('hello.elf')})
    outcome = boot(bundle=flip(data, data.index(harness.guest('hello.elf').read_bytes()) + 4096)).finish(crashed=1)
    good_runs(outcome)


def test_corrupt_manifest(cfg, boot, bundle):
    data = bundle(GOOD)
    cannot_start(boot(bundle=flip(data, data.rindex(b'atoll,manifest-v1')), append=HEADLESS),
                 "the bundle's manifest does not match its hash; load the bundle again")


@BOARD
def test_flipped_bits_of_the_bundle_tree(cfg, boot, bundle):
    """Wherever a bit flips in the bundle's own tree: a sentence, or a run that ends; no fault, no silence, no hang."""
    data = bundle(GOOD + vm('two', 'act.elf', memory=8192, bootargs='say=two'))
    size = struct.unpack('>I', data[68:72])[0]
    rng = random.Random(7)
    for at in [64 + 4 * n for n in range(10)] + [64 + rng.randrange(size) for _ in range(14)]:
        machine = boot(bundle=flip(data, at), append=HEADLESS)
        assert machine.wait_end(60) == 0, f'byte {at}'
        assert re.search(r'^atoll: (cannot start: .+|\d VMs stopped, \d crashed)\n\Z', machine.text, re.M), f'byte {at}'
        assert 'hypervisor' not in machine.text, f'byte {at}'
        machine.close()


# --- the manifest -----------------------------------------------------------------------------


def test_faulty_vms_are_refused_and_the_others_run(cfg, boot):
    """What the linter would have refused: a line for each fault with node, property, value and remedy, as mkbundle says it."""
    other = 'v2' if cfg.gic == 3 else 'v3'
    nodes = {
        'a': (dict(wieght=3), r'wieght = <3>: unknown property; did you mean weight\?'),
        'b': (dict(weight=20000), r'weight = <20000>: out of range; give 1 to 10000'),
        'c': (dict(affinity=[9]), r'affinity = <9>: there is no CPU 9; give CPUs from 0 to'),
        'd': (dict(on_crash='explode'), r'on-crash = "explode": not known; give one of stop\|restart\|panic'),
        'e': (dict(gic=other), rf'gic = "{other}": the host has a GICv{cfg.gic}; '),
        'f': (dict(budget=10), r'budget = <10>: needs period as well; give both or neither'),
        'g': (dict(memory=4098), r'memory = <0 4098>: not a multiple of 4 KiB; give 4096 or 4100'),
        'h': (dict(memory=16), r'image = "act.elf": an ELF segment lies outside the VM\'s RAM; give more memory'),
    }
    text = ''.join(vm(name, 'act.elf', **{'memory': 8192, **kw}) for name, (kw, _) in nodes.items())
    outcome = boot(text + GOOD, lint=False).finish(crashed=len(nodes))
    for name, (_, words) in nodes.items():
        assert re.search(rf'^\[.*\] error: {name}: {words}', outcome.text, re.M), name
        assert harness.vm_output(outcome.text, name) == ''
    good_runs(outcome)
    assert outcome.stopped == 1


@BOARD
@pytest.mark.parametrize('manifest,words', [
    ('/dts-v1/; / { };', '/chosen/hypervisor: missing; '),
    ('/dts-v1/; / { chosen { hypervisor { compatible = "atoll,manifest-v9"; }; }; };', 'not of this version; give compatible = '),
    ('/dts-v1/; / { chosen { hypervisor { compatible = "atoll,manifest-v1"; }; }; };', 'no VM in it; add a node'),
])
def test_refused_manifest(cfg, boot, manifest, words):
    machine = boot(manifest, lint=False, append=HEADLESS)
    machine.expect(rf'error: .*{words}', timeout=60)
    cannot_start(machine, 'the manifest was refused')


def test_refused_manifest_starts_again(cfg, boot):
    """panic=reboot: the loader gets the board back, as after a panic."""
    machine = boot('/dts-v1/; / { };', lint=False, append='console=plain panic=reboot when-idle=poweroff')
    for _ in range(2):
        machine.expect(r'^Atoll \S+ on QEMU virt', timeout=60)
        machine.expect(r'^atoll: cannot start: the manifest was refused', timeout=60)


@BOARD
def test_missing_image(cfg, boot):
    outcome = boot(vm('bad', 'nowhere.elf', memory=8192) + GOOD, lint=False).finish(crashed=1)
    assert re.search(r'error: bad: image = "nowhere.elf": no such file in the bundle; ', outcome.text)
    good_runs(outcome)


@BOARD
def test_image_that_is_no_program(cfg, boot):
    """Random bytes are raw code: the guest crashes or hangs in itself, its neighbour does not notice."""
    junk = random.Random(3).randbytes(100000)
    outcome = boot(vm('junk', 'junk.bin', memory=8192, background=True) + vm('zero', 'zero.bin', memory=8192, background=True) +
                   GOOD, files={'junk.bin': junk, 'zero.bin': bytes(4096)}).finish(crashed=None)
    good_runs(outcome)


def test_overlays(cfg, boot):
    """Who has an overlay that cannot be applied is refused, as with any fault of the manifest; where it can, the guest sees it."""
    def overlay(path):
        source = f'/dts-v1/; /plugin/; / {{ fragment@0 {{ target-path = "{path}"; __overlay__ {{ bootargs = "say=overlaid"; }}; }}; }};'
        return subprocess.run(['dtc', '-q', '-@'], input=source.encode(), stdout=subprocess.PIPE, check=True).stdout

    text = ''.join(vm(name, 'act.elf', memory=8192, bootargs='say=fine', fdt_overlay=f'{name}.dtbo', **kw)
                   for name, kw in (('lost', {}), ('junk', {}), ('later', dict(autostart=0)), ('ok', {})))
    outcome = boot(text + GOOD, lint=False, files={'lost.dtbo': overlay('/nowhere'), 'later.dtbo': overlay('/nowhere'), 'junk.dtbo': bytes(64),
                                                   'ok.dtbo': overlay('/chosen')}).finish(crashed=3)
    for name in ('lost', 'later'):
        assert re.search(rf'^\[.*\] error: {name}: cannot be loaded: {name}.dtbo: the device tree overlay changes a node that is not there; '
                         'see its target-path$', outcome.text, re.M)
    assert re.search(r'^\[.*\] error: junk: fdt-overlay = "junk.dtbo": not a compiled device tree; ', outcome.text, re.M)
    assert harness.vm_output(outcome.text, 'ok') == 'overlaid'
    good_runs(outcome)
    assert outcome.stopped == 2


@pytest.mark.parametrize('when', ['first', 'main'])
@BOARD
def test_management_guest_that_fails(cfg, boot, bundle, tmp_path, when):
    """Whatever a bundle does to the parsers, a start that comes to nothing ends as any other: the management guest's first
    instruction, or the first of its C code, reports a crash instead."""
    names = subprocess.run(['nm', harness.require(IMAGE.parent / 'management.elf')], stdout=subprocess.PIPE, text=True, check=True).stdout
    at = {name: int(value, 16) for value, _, name in map(str.split, names.splitlines())}
    image = bytearray(harness.require(IMAGE).read_bytes())
    start = image.index(harness.require(IMAGE.parent / 'gen/management.bin').read_bytes())
    start += at['management_main'] - at['_start'] if when == 'main' else 0
    # movz x0, #0xc600, lsl #16; movk x0, #2; hvc #0: ATOLL_HVC_CRASH
    image[start:start + 12] = struct.pack('<3I', 0xd2b8c000, 0xf2800040, 0xd4000002)
    (tmp_path / 'atoll.bin').write_bytes(image)
    machine = boot(bundle=bundle(GOOD), image=False, qemu=['-kernel', str(tmp_path / 'atoll.bin')], append=HEADLESS)
    cannot_start(machine, 'the management guest failed while it made the VMs')
    assert "Atoll's own guest management, on-crash = " in machine.text


# --- the board --------------------------------------------------------------------------------


@BOARD
@pytest.mark.parametrize('mem,fits', [('16M', 1), ('24M', 2), ('32M', 3), ('48M', 4)])
def test_vms_bigger_than_the_board(cfg, boot, mem, fits):
    """In the manifest's order: who fits runs, the others are refused with the remedy."""
    names = 'abcd'
    nodes = ''.join(vm(n, 'act.elf', memory=8192, bootargs='say=fine sleep=100 say=still') for n in names)
    machine = boot(nodes, mem=mem, lint=False, append=HEADLESS)
    outcome = machine.finish(crashed=None)
    assert outcome.stopped + outcome.crashed == 4
    assert outcome.stopped == fits
    for n in names[:outcome.stopped]:
        good_runs(outcome, n)
    for n in names[outcome.stopped:]:
        assert re.search(rf'error: {n}: .*(not enough RAM left on this board; give it less memory|'
                         r"KiB of the board's RAM are left for it; give less, or take a board with more)", outcome.text), n


@BOARD
def test_one_vm_bigger_than_the_board(cfg, boot):
    outcome = boot(vm('huge', 'act.elf', memory=4 << 20) + GOOD, mem='256M', lint=False, append=HEADLESS).finish(crashed=1)
    assert re.search(r'error: huge: .*RAM', outcome.text)
    good_runs(outcome)


@BOARD
@pytest.mark.parametrize('mem', ['4M', '5M', '6M', '8M', '10M'])
def test_too_little_ram_for_itself(cfg, boot, mem):
    machine = boot(GOOD, mem=mem, lint=False, append=HEADLESS)
    status = machine.wait_end(60)
    if 'qemu-system-aarch64:' in machine.text and status != 0:
        return  # QEMU itself could not place image, initrd and device tree
    assert re.search(r'^atoll: cannot start: .*(RAM|memory).*\n\Z|error: good: .*RAM(.*\n)+atoll: 0 VMs stopped, 1 crashed\n\Z',
                     machine.text, re.M), machine.text


@pytest.mark.matrix(compiler=['gcc', 'clang'], gic=[3, 2], smp=[1])
def test_el1(cfg, boot):
    machine = boot(GOOD, virtualization=False, append=HEADLESS)
    cannot_start(machine, r'entered at EL1; Atoll needs EL2 \(QEMU: -machine virt,virtualization=on\)')


@pytest.fixture
def host_tree(tmp_path):
    """host_tree(gic, edit...): QEMU's tree for that machine after those fdtput arguments, as a file."""
    def make(gic, *edits):
        path = tmp_path / 'host.dtb'
        command = harness.run_qemu.qemu_command(harness.require(IMAGE), gic=gic, smp=2,
                                                extra=['-machine', f'dumpdtb={path}'])
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=60)
        for edit in edits:
            words = edit.split()
            words.insert(next(i for i, w in enumerate(words) if w.startswith('/')), str(path))
            subprocess.run(['fdtput', *words], check=True)
        return path
    return make


INTC = '/intc@8000000'


@BOARD
@pytest.mark.parametrize('gic,edits,words', [
    (3, [f'-r {INTC}'], 'has no interrupt controller that Atoll can use'),
    (2, [f'-t s {INTC} compatible arm,cortex-a9-gic'], 'has no interrupt controller that Atoll can use'),
    (3, [f'-t s {INTC} status disabled'], 'has no interrupt controller that Atoll can use'),
    (2, [f'-t x {INTC} reg 0 8000000 0 10000 0 8010000 0 10000'], r'the GICv2 has no virtualization extensions \(GICH and GICV'),
    (2, [f'-d {INTC} interrupts'], 'the interrupt controller has no maintenance interrupt in the device tree'),
    (3, [f'-d {INTC} interrupts'], 'the interrupt controller has no maintenance interrupt in the device tree'),
    (3, [f'-d {INTC} reg'], "the interrupt controller's registers in the device tree are broken"),
    (3, ['-r /timer'], 'the device tree has no generic timer'),
    (3, ['-d /timer interrupts'], 'does not give the virtual and hypervisor timer interrupts'),
    (3, ['-r /cpus'], 'the device tree has no /cpus'),
], ids=lambda v: None if isinstance(v, (int, list)) else re.sub(r'\W+', '-', v)[:40])
def test_host_tree_lacks_something(cfg, boot, host_tree, gic, edits, words):
    machine = boot(GOOD, gic=gic, append=HEADLESS, qemu=['-dtb', str(host_tree(gic, *edits))])
    cannot_start(machine, words)


@BOARD
@pytest.mark.parametrize('gic,words', [(3, 'the device tree says v2, the distributor says v'), (2, 'the device tree says v3, the CPUs')])
def test_host_tree_of_another_machine(cfg, boot, host_tree, gic, words):
    """A tree that tells of a GICv2 on a machine with a GICv3, and the other way round."""
    machine = boot(GOOD, gic=gic, append=HEADLESS, qemu=['-dtb', str(host_tree(5 - gic))])
    cannot_start(machine, 'the interrupt controller cannot be used')
    assert words in machine.text


@BOARD
def test_no_uart_in_the_tree(cfg, boot, host_tree):
    """One sentence on the UART that can be guessed; the guests run, unheard."""
    tree = host_tree(3, '-r /pl011@9000000', '-d /chosen stdout-path')
    machine = boot(GOOD, gic=3, append=HEADLESS, qemu=['-dtb', str(tree)])
    assert machine.wait_end(60) == 0
    assert re.fullmatch(r'\n?atoll: the device tree names no UART .*\n', machine.text), machine.text


def passing(x0, tree, tmp_path):
    """QEMU's arguments for a loader that enters Atoll with x0, and the bytes TREE at 0x48000000."""
    code = [0xd2800000 | (x0 & 0xffff) << 5, 0xf2a00000 | (x0 >> 16 & 0xffff) << 5, 0xf2c00000 | (x0 >> 32 & 0xffff) << 5,
            0xd2a80401, 0xd61f0020]  # movz, movk, movk x0; movz x1, #0x4020, lsl #16; br x1
    (tmp_path / 'stub.bin').write_bytes(struct.pack('<5I', *code))
    args = ['-device', f'loader,file={tmp_path}/stub.bin,addr=0x40100000,cpu-num=0,force-raw=on',
            '-device', f'loader,file={harness.require(IMAGE)},addr=0x40200000,force-raw=on']
    if tree:
        (tmp_path / 'tree.dtb').write_bytes(tree)
        args += ['-device', f'loader,file={tmp_path}/tree.dtb,addr=0x48000000,force-raw=on']
    return args


def header(tree, **fields):
    """The tree with fields of its header replaced."""
    names = ['magic', 'totalsize', 'off_struct', 'off_strings', 'off_rsv', 'version', 'compatible', 'cpu', 'size_strings',
             'size_struct']
    values = list(struct.unpack('>10I', tree[:40]))
    for name, value in fields.items():
        values[names.index(name)] = value
    return struct.pack('>10I', *values) + tree[40:]


BROKEN = {
    'none': (0, None), 'not-there': (0x48000000, None), 'unaligned': (0x48000004, lambda t: b'\0\0\0\0' + t),
    'random': (0x48000000, lambda t: random.Random(1).randbytes(5000)),
    'magic': (0x48000000, lambda t: header(t, magic=0xedfe0dd0)), 'size-zero': (0x48000000, lambda t: header(t, totalsize=0)),
    'size-huge': (0x48000000, lambda t: header(t, totalsize=0xffffffff)),
    'size-small': (0x48000000, lambda t: header(t, totalsize=64)),
    'struct-outside': (0x48000000, lambda t: header(t, off_struct=0xfffffff0)),
    'struct-unaligned': (0x48000000, lambda t: header(t, off_struct=0x3b)),
    'struct-empty': (0x48000000, lambda t: header(t, size_struct=0)),
    'strings-outside': (0x48000000, lambda t: header(t, off_strings=0x7fffffff)),
    'strings-empty': (0x48000000, lambda t: header(t, size_strings=0)),
    'reservations-outside': (0x48000000, lambda t: header(t, off_rsv=0xfffffff8)),
    'version': (0x48000000, lambda t: header(t, version=3, compatible=2)),
    'cut': (0x48000000, lambda t: t[:1500] + bytes(len(t) - 1500)),
}


@BOARD
@pytest.mark.parametrize('what', BROKEN)
def test_broken_tree(cfg, boot, host_tree, tmp_path, what):
    """x0 leads to nothing or to something broken: said on the UART that can be guessed. Nothing more is known, so it stops there."""
    x0, damage = BROKEN[what]
    whole = host_tree(3)
    subprocess.run(['dtc', '-q', '-I', 'dtb', '-O', 'dtb', '-o', tmp_path / 'small.dtb', whole], check=True)
    tree = damage((tmp_path / 'small.dtb').read_bytes()) if damage else None
    machine = boot(bundle=None, image=False, qemu=passing(x0, tree, tmp_path))
    cannot_start(machine, 'device tree', ends=False)


@BOARD
def test_sound_tree_from_that_loader(cfg, boot, host_tree, tmp_path):
    """The same with nothing broken gets past the device tree: what the cases above fail for is the damage."""
    machine = boot(bundle=None, image=False, qemu=passing(0x48000000, host_tree(3).read_bytes(), tmp_path))
    machine.expect(r'Atoll \S+ on QEMU virt', timeout=60)
    cannot_start(machine, 'no bundle', ends=False)
