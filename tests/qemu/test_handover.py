# SPDX-License-Identifier: Apache-2.0
# What a loader may hand over, on both boards: RAM in pieces and above 4 GiB, either UART; and wrong trees, addresses and bundles,
# each of which gets one sentence that says what to do.
import mmap
import random
import re
import subprocess

import handover
import harness
import pytest
from handover import BOARDS, RPI4, VIRT
from harness import vm

IMAGE = harness.Config('gcc', 3, 2, False).image
GUEST = vm('good', 'act.elf', memory=8192, bootargs='say=fine')
boards = pytest.mark.parametrize('board', BOARDS.values(), ids=BOARDS)


@pytest.fixture
def enter(tmp_path, log_name, request):
    """enter(board, tree=, bundle=, ...): arguments of handover.command(); a started harness.Machine."""
    machines = []

    def start(board, serial=handover.BOTH, **kw):
        place = tmp_path / f'run{len(machines)}'
        command = handover.command(board, harness.require(IMAGE), place, **kw)
        serial = serial if board.name == 'rpi4' else harness.STDIO
        machines.append(harness.Machine([str(c) for c in command], harness.LOGS / f'{log_name}.{len(machines)}.log', 120, serial=serial))
        return machines[-1]

    request.node.machines = machines
    yield start
    for machine in machines:
        machine.close()


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    """The whole file, uImage header and all, as the Pi's firmware hands it over."""
    run, path = harness.mkbundle(tmp_path_factory.mktemp('bundle'), GUEST)
    assert run.returncode == 0, run.stdout
    return path.read_bytes()


def refused(machine, words):
    """One sentence and no other, with what to do in it; then the machine is off, or stays as it is."""
    machine.expect(rf'^atoll: cannot start: [^\n]*{words}[^\n]*\n', 30)
    line = machine.serial.match[0]
    assert re.search(r'; (pass|load|make|put)|\(QEMU: ', line), f'it does not say what to do: {line}'
    machine.expect_not('cannot start', 0.2)
    assert machine.text.count('cannot start') == 1
    assert 'hypervisor fault' not in machine.text and 'panic' not in machine.text


# --- RAM and UART -----------------------------------------------------------------------------

MARK = b'\xa5not yours'.ljust(16, b'\x5a')


def view(memory, at, size):
    """The pages that the management guest can look at, found in the machine's memory by its stage 2's leaves: normal memory, read-only,
    not executable, in pages or blocks of 2 MiB."""
    leaf = re.compile(rb'(?=([\x7d\x7f][\x07\x17\x27\x37\x47\x57\x67\x77\x87\x97\xa7\xb7\xc7\xd7\xe7\xf7].{3}\x00\x40\x00))', re.S)
    entries = {int.from_bytes(m[1], 'little') & (1 << 48) - 1 for m in leaf.finditer(memory, at, at + size) if m.start() % 8 == 0}
    return {page for e in entries for page in range(e & ~0xfff, (e & ~0xfff) + (0x1000 if e & 2 else 2 << 20), 0x1000)}


@pytest.mark.parametrize('board,high', [(VIRT, 0x140000000), (RPI4, 0x40000000)], ids=['virt', 'rpi4'])
def test_ram_in_pieces(enter, tmp_path, board, high):
    """A guest bigger than the low bank lies in the other one, above 4 GiB on virt. What is reserved, and what no bank names, stays
    as it was, and out of the management guest's sight: a file is the machine's memory, looked at from outside."""
    base, mib = board.ram[0], 1 << 20
    board = board._replace(tree=base + 17 * mib, bundle=base + 18 * mib, image=base + 4 * mib)
    banks = [(high, 48 * mib + 0x800), (base, 32 * mib), (high + 64 * mib + 0x800, 16 * mib)]
    reserved = [(high + 5 * mib, 3 * mib), (high + 7 * mib, 2 * mib), (base + 30 * mib, 0x1000), (high + 80 * mib, mib)]
    kept = [at for start, size in reserved for at in range(start, start + size, 0x1000)]
    kept += [base + 32 * mib, high + 48 * mib, high + 48 * mib + 0x800, high + 64 * mib, high + 64 * mib + 0x800, high + 80 * mib + 0x800]
    run, path = harness.mkbundle(tmp_path, vm('big', 'act.elf', memory=40 << 10, bootargs='fill=34 hang'))
    assert run.returncode == 0, run.stdout
    cells = handover.cells
    size = cells if board.name == 'virt' else lambda v: f'{v:x}'
    nodes = [f'-p -t x /reserved-memory/r{i} reg {cells(at)} {size(n)}' for i, (at, n) in enumerate(reserved)]
    if board.name == 'virt':
        nodes = ['-p -t x /reserved-memory #address-cells 2', '-t x /reserved-memory #size-cells 2', '-t x /reserved-memory ranges'] + nodes
    tree = handover.tree(board, tmp_path, *nodes, bundle=path.read_bytes(), append='console=plain', ram=banks)
    memory = tmp_path / 'memory'
    bottom, whole = (0x40000000, 6 << 30) if board.name == 'virt' else (0, 2 << 30)
    with open(memory, 'wb') as f:
        f.truncate(whole)
        for at in kept:
            f.seek(at - bottom)
            f.write(MARK)
    machine = enter(board, tree=tree, bundle=path.read_bytes(), mem='6G', extra=[
        '-object', f'memory-backend-file,id=ram,share=on,size={whole},mem-path={memory}', '-machine', 'memory-backend=ram'])
    machine.expect(r'^  RAM    9[56] MiB in 3 banks', 60)
    machine.expect(r'^\[big\] filled 34 MiB, 0 wrong', 60)
    with open(memory, 'rb') as f, mmap.mmap(f.fileno(), whole, prot=mmap.PROT_READ) as m:
        inside = {at for at in range(high, high + 80 * mib, 0x1000) if m[at - bottom + 5:at - bottom + 8] == b'\xed\x11\xf1'}
        assert len(inside) > 4 * mib // 0x1000, 'the guest does not lie in the high bank'
        assert not [hex(at) for at in inside if any(start <= at < start + n for start, n in reserved)]
        assert not [hex(at) for at in kept if m[at - bottom:at - bottom + len(MARK)] != MARK]
        seen = set().union(*(view(m, at - bottom, size) for at, size in banks))
        assert not [hex(at) for at in kept if at & ~0xfff in seen]
        assert not [hex(at) for at in range(high, high + 48 * mib, 0x1000) if at not in kept and at not in seen]


@pytest.mark.parametrize('path,line', [('serial0:115200n8', 0), ('/soc/serial@7e201000', 0), ('serial1:115200n8', 1), ('serial1', 1)])
def test_console_of_the_tree(enter, tmp_path, bundle, path, line):
    """stdout-path as alias or path, with options or without: PL011 on QEMU's first line, mini-UART on the second. Nothing on the other."""
    tree = handover.tree(RPI4, tmp_path, f'-t s /chosen stdout-path {path}', bundle=bundle)
    other = tmp_path / 'other'
    serial = ['-serial', 'stdio', '-serial', f'file:{other}']
    machine = enter(RPI4, tree=tree, bundle=bundle, serial=(serial if line == 0 else serial[2:] + serial[:2]) + ['-monitor', 'none'])
    assert machine.finish(60).stopped == 1
    assert harness.vm_output(machine.text, 'good') == 'fine'
    assert other.read_text() == ''


@pytest.mark.parametrize('pin,line', [(4, 0), (2, 1), (0, 0)])
def test_console_before_the_tree(enter, tmp_path, pin, line):
    """Without a tree: by the function of GPIO 14, which the firmware has set. ALT0 is the PL011, ALT5 the mini-UART."""
    other = tmp_path / 'other'
    serial = ['-serial', 'stdio', '-serial', f'file:{other}']
    machine = enter(RPI4, x0=0, pokes=[(0xfe200004, pin << 12)], serial=(serial if line == 0 else serial[2:] + serial[:2]) + ['-monitor', 'none'])
    refused(machine, r'the loader passed no device tree \(x0\), or a broken one')
    assert other.read_text() == ''


# --- firmware underneath ------------------------------------------------------------------------


def test_branch_prediction_is_cleared(enter, tmp_path, bundle):
    """Firmware at EL3 that has SMCCC_ARCH_WORKAROUND_1 (docs/errata.md): it is asked for at start, and called first thing in every
    exit of a guest. Without such firmware: test_smc_where_the_tree_says_so."""
    elf, log = tmp_path / 'el3.elf', tmp_path / 'exceptions'
    subprocess.run(['aarch64-linux-gnu-gcc', '-nostdlib', '-static', '-Wl,-Ttext=0,--build-id=none', '-o', elf, harness.ROOT / 'tests/qemu/progs/el3.S'],
                   check=True)
    subprocess.run(['aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', elf, tmp_path / 'el3.bin'], check=True)
    tree = handover.tree(VIRT, tmp_path, bundle=bundle, smp=1)
    machine = enter(VIRT, tree=tree, bundle=bundle, smp=1, firmware=tmp_path / 'el3.bin', extra=['-semihosting', '-d', 'int', '-D', str(log)])
    assert machine.finish(60).stopped == 1
    assert harness.vm_output(machine.text, 'good') == 'fine'
    events = re.findall(r'^Taking exception \d+ \[(.*?)\] on CPU 0\n\.\.\.from (EL\d) to (EL\d)', log.read_text(), re.M)
    exits = [i for i, (_, source, target) in enumerate(events) if source in ('EL0', 'EL1') and target == 'EL2']
    assert len(exits) > 30
    assert all(events[i + 1] == ('Secure Monitor Call', 'EL2', 'EL3') for i in exits)
    assert [target for _, source, target in events if source == 'EL2'] == ['EL3'] * (len(exits) + 4)    # three questions, SYSTEM_OFF


# --- wrong trees --------------------------------------------------------------------------------


@boards
def test_nothing_wrong(enter, tmp_path, board, bundle):
    """What the cases below fail for is what each of them breaks."""
    assert enter(board, tree=handover.tree(board, tmp_path, bundle=bundle), bundle=bundle).finish(60).stopped == 1


@boards
@pytest.mark.parametrize('edit,words', [
    ('-r {memory}', r'names no RAM \(no usable memory node\)'),
    ('-r {gic}', 'no interrupt controller that Atoll can use'),
    ('-d {gic} reg', "the interrupt controller's registers"),
    ('-r /cpus', 'has no /cpus'),
    ('-r /timer', 'has no generic timer'),
    ('-t x {memory} reg 7 0 {size} 8000000', 'Atoll lies outside all RAM that the device tree names'),
    ('-t x /chosen linux,initrd-start {past}', 'linux,initrd-start and -end make no range'),
    ('initrd 7e000000 7e100000', 'the bundle is said to lie where there is no RAM'),
    ('initrd {end} 100', 'the bundle is said to lie where there is no RAM'),
    ('initrd {image} 100', 'the bundle lies over Atoll or the device tree'),
    ('initrd {tree} 100', 'the bundle lies over Atoll or the device tree'),
])
def test_wrong_tree(enter, tmp_path, board, bundle, edit, words):
    values = dict(board._asdict(), end=f'{sum(board.ram) - 0x80:x}', image=f'{board.image + 0x1000:x}', tree=f'{board.tree:x}',
                  past=f'{board.bundle + 0x800000:x}', size='0' if board.name == 'virt' else '')
    edit = edit.format(**values)
    if edit.startswith('initrd '):
        start, end = (int(v, 16) for v in edit.split()[1:])
        end = start + end if end < start else end
        edit = [f'-t x /chosen linux,initrd-start {handover.cells(start)}', f'-t x /chosen linux,initrd-end {handover.cells(end)}']
    else:
        edit = [edit.replace('  ', ' ')]
    refused(enter(board, tree=handover.tree(board, tmp_path, *edit, bundle=bundle), bundle=bundle), words)


@boards
@pytest.mark.parametrize('same_ram', [False, True])
def test_tree_of_the_other_board(enter, tmp_path, board, bundle, same_ram):
    """Also when its RAM happens to be right (QEMU's -dtb sees to that): then it is the console that is not there, or is RAM."""
    other = RPI4 if board.name == 'virt' else VIRT
    tree = handover.tree(other._replace(bundle=board.bundle), tmp_path, bundle=bundle, ram=[board.ram] if same_ram else None)
    refused(enter(board, tree=tree, bundle=bundle), 'Atoll lies outside all RAM' if not same_ram else
            r'nothing answers at 0xfe2\w+, where x0 or the device tree led' if board.name == 'virt' else 'the console of the device tree lies in its RAM')


@boards
def test_no_uart(enter, tmp_path, board, bundle):
    """Said on the UART that can be guessed; the guests run, unheard."""
    uarts = [f'-r {board.uart}', '-d /chosen stdout-path']
    if board.name == 'rpi4':
        uarts += [f'-r /soc/serial@7e201{n}00' for n in '468a']
    machine = enter(board, tree=handover.tree(board, tmp_path, *uarts, bundle=bundle), bundle=bundle)
    assert machine.wait_end(60) == 0
    assert re.fullmatch(r'\n?atoll: the device tree names no UART that Atoll can use[^\n]*\n', machine.text), machine.text


@boards
@pytest.mark.parametrize('x0,content', [(0, None), (0x12344, None), ('tree', None), ('tree', 'random'), ('tree', 'cut'), (0x2000000000, None),
                                        ((1 << 60) + 8, None)], ids=['zero', 'unaligned', 'nothing', 'random', 'cut', 'no-ram', 'no-address'])
def test_no_tree(enter, tmp_path, board, x0, content):
    tree = None
    if content:
        tree = handover.tree(board, tmp_path)
        tree = random.Random(1).randbytes(5000) if content == 'random' else tree[:1500] + bytes(len(tree) - 1500)
    machine = enter(board, tree=tree, x0=None if x0 == 'tree' else x0)
    refused(machine, f'nothing answers at {x0:#x}, where x0' if isinstance(x0, int) and x0 > 1 << 32 else 'device tree')


# --- the bundle ---------------------------------------------------------------------------------


@boards
@pytest.mark.parametrize('damage,words', [
    (None, 'no bundle: the loader passed no initrd'),
    (lambda b: b[:30], 'the initrd is no bundle; make one with scripts/mkbundle'),
    (lambda b: b[:700], 'the bundle is cut off: less was loaded than its uImage header says; load it again'),
    (lambda b: b[:len(b) // 2], 'the bundle is cut off: less was loaded than its uImage header says; load it again'),
    (lambda b: b[:-1], 'the bundle is cut off: less was loaded than its uImage header says; load it again'),
    (lambda b: b[64:700], "the bundle's tree is broken; load it again"),
    (lambda b: random.Random(2).randbytes(70000), 'the initrd is no bundle; make one'),
    (lambda b: b[:-5000] + bytes(5000), 'error: good: .*does not match its hash; load the bundle again'),
], ids=['none', 'header', 'tree', 'half', 'last-byte', 'bare-tree', 'random', 'zeroes'])
def test_wrong_bundle(enter, tmp_path, board, bundle, damage, words):
    given = damage(bundle) if damage else None
    machine = enter(board, tree=handover.tree(board, tmp_path, bundle=given), bundle=given)
    if words.startswith('error'):
        assert machine.finish(60, crashed=1) and re.search(words, machine.text)
    else:
        refused(machine, words)
        assert machine.wait_end(30) == 0


@boards
def test_more_ram_than_there_is(enter, tmp_path, board):
    """The VM that does not fit is refused, the others run."""
    run, path = harness.mkbundle(tmp_path, vm('huge', 'act.elf', memory=2 << 20) + GUEST, lint=False)
    assert run.returncode == 0, run.stdout
    data = path.read_bytes()
    machine = enter(board, tree=handover.tree(board, tmp_path, bundle=data), bundle=data)
    machine.finish(60, crashed=1)
    assert re.search(r"error: huge: .*RAM.*; (give it less|give less)", machine.text)
    assert harness.vm_output(machine.text, 'good') == 'fine'
