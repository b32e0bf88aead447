# SPDX-License-Identifier: Apache-2.0
# A loader of our own on both boards: a few instructions that enter Atoll with any x0, tree and bundle, wherever they lie. QEMU's own
# loader corrects much of what a test wants to be wrong (memory nodes, the initrd's address), and strips the bundle's uImage header.
import collections
import struct
import subprocess

import harness
import run_qemu

# The last ones: paths of the nodes that tests take away.
Board = collections.namedtuple('Board', 'name ram stub image tree bundle uart gic memory')
VIRT = Board('virt', (0x40000000, 0x20000000), 0x41000000, 0x40200000, 0x48000000, 0x49000000, '/pl011@9000000', '/intc@8000000',
             '/memory@40000000')
RPI4 = Board('rpi4', (0, 0x3b400000), 0x1000000, 0x400000, 0x8000000, 0x9000000, '/soc/serial@7e201000',
             '/soc/interrupt-controller@40041000', '/memory@0')
BOARDS = {b.name: b for b in (VIRT, RPI4)}
QUIET = 'console=plain when-idle=poweroff panic=poweroff'


def move(reg, value):
    """movz, movk, movk, movk xREG."""
    return [0xd2800000 | part << 21 | (value >> 16 * part & 0xffff) << 5 | reg if part == 0 else
            0xf2800000 | part << 21 | (value >> 16 * part & 0xffff) << 5 | reg for part in range(4)]


def stub(x0, entry, pokes, offset):
    """An arm64 Image for OFFSET from the start of RAM: each (address, value) of POKES stored as a word, then ENTRY with X0."""
    code = []
    for address, value in pokes:
        code += move(2, address) + move(3, value) + [0xb9000043]    # str w3, [x2]
    code += move(0, x0) + move(1, entry) + [0xd61f0020]             # br x1
    head = struct.pack('<2I4Q', 0x14000010, 0, offset, 4096, 0xa, 0) + bytes(16) + b'ARM\x64' + bytes(4)
    return head + struct.pack(f'<{len(code)}I', *code)


def fdtput(path, *edits):
    """Each edit: fdtput's arguments without the file, which goes before the node."""
    for edit in edits:
        words = edit.split(' ')
        words.insert(next(i for i, w in enumerate(words) if w.startswith('/')), str(path))
        subprocess.run(['fdtput', *words], check=True)


def cells(*values):
    return ' '.join(f'{v >> 32:x} {v & 0xffffffff:x}' for v in values)


def tree(board, place, *edits, bundle=None, append=QUIET, gic=3, smp=2, ram=None, file=None):
    """The board's tree as its firmware would hand it over: RAM, command line, the bundle's place; then the edits. Bytes."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / 'host.dtb'
    banks = ram or [board.ram]
    if board.name == 'virt':
        command = run_qemu.qemu_command('', gic=gic, smp=smp, extra=['-machine', f'dumpdtb={path}'])
        del command[command.index('-kernel'):command.index('-kernel') + 2]
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=60)
        reg = cells(*(v for bank in banks for v in bank))
    else:
        path.write_bytes(harness.require(file or harness.ROOT / 'build/rpi4/parts/bcm2711-rpi-4-b.dtb').read_bytes())
        reg = ' '.join(f'{cells(base)} {size:x}' for base, size in banks)   # #size-cells is 1
    fdtput(path, f'-t x {board.memory} reg {reg}')
    subprocess.run(['fdtput', '-t', 's', str(path), '/chosen', 'bootargs', append], check=True)
    if bundle:
        fdtput(path, f'-t x /chosen linux,initrd-start {cells(board.bundle)}',
               f'-t x /chosen linux,initrd-end {cells(board.bundle + len(bundle))}')
    fdtput(path, *edits)
    # Packed as a boot loader does it: QEMU's has a megabyte of room.
    subprocess.run(['dtc', '-q', '-I', 'dtb', '-O', 'dtb', '-o', path, path], check=True)
    return path.read_bytes()


def command(board, image, place, tree=None, bundle=None, x0=None, pokes=(), mem='1G', gic=3, smp=2, at=None, firmware=None, extra=()):
    """QEMU's command line without the serial lines; at: where the image goes; x0: where the tree lies unless told; firmware: at EL3 (virt)."""
    place.mkdir(parents=True, exist_ok=True)
    at = at or board.image
    (place / 'stub.bin').write_bytes(stub(board.tree if x0 is None else x0, at, pokes, board.stub - board.ram[0]))
    parts = [('atoll', image.read_bytes(), at), ('tree', tree, board.tree), ('bundle', bundle, board.bundle)]
    if board.name == 'virt':
        line = ['qemu-system-aarch64', '-M', f'virt,gic-version={gic},virtualization=on' + (',secure=on' if firmware else ''), '-cpu',
                'cortex-a72', '-smp', str(smp), '-m', mem, '-nic', 'none']
        line += (['-bios', str(firmware)] if firmware else
                 ['-device', f'loader,file={place}/stub.bin,addr={board.stub:#x},cpu-num=0,force-raw=on'])
    else:
        line = ['qemu-system-aarch64', '-M', 'raspi4b', '-kernel', f'{place}/stub.bin']
    for name, content, address in parts:
        if content:
            (place / name).write_bytes(content)
            line += ['-device', f'loader,file={place / name},addr={address:#x},force-raw=on']
    return line + ['-display', 'none', *extra]


# Both serial lines of the Pi on one: what comes before the tree is read goes to the first, the rest to the second.
BOTH = ('-chardev', 'stdio,id=c,mux=on,signal=off', '-serial', 'chardev:c', '-serial', 'chardev:c', '-monitor', 'none')
