# SPDX-License-Identifier: Apache-2.0
# Small images, right and wrong in one way each, for the manifests below tests/manifests.
import struct

RAM = 0x40000000
CODE = b'\x00\x00\x00\x14' * 16     # b .


def elf(segments=((0x100, RAM + 0x100000, RAM + 0x100000, 64, 0x1000),), entry=RAM + 0x100000, ident=b'\2\1\1', kind=2,
        machine=183, table=64, entry_size=56):
    """segments: (offset, virtual, physical, size in the file, size in memory)."""
    head = struct.pack('<4s3s9xHHIQQQI6H', b'\x7fELF', ident, kind, machine, 1, entry, table, 0, 0, 64, entry_size,
                       len(segments), 0, 0, 0)
    rows = b''.join(struct.pack('<2I6Q', 1, 5, o, v, p, f, m, 0x1000) for o, v, p, f, m in segments)
    return (head + rows).ljust(0x1000, b'\0') + CODE * 64


def image(offset=0, size=0x10000):
    return struct.pack('<2I3Q24x4sI', 0x14000010, 0, offset, size, 0xa, b'ARM\x64', 0) + CODE


def segment(physical, memory=0x1000, offset=0x100, in_file=64):
    return offset, physical, physical, in_file, memory


FILES = {
    'ok.elf': elf(),
    'ok.Image': image(),
    'ok.bin': CODE,
    'ok-large.bin': bytes(16 << 20),
    'full.bin': bytes((16 << 20) - 4096),
    'empty.bin': b'',
    'image-offset.Image': image(offset=0x80002),
    'image-large.Image': image(size=1 << 40),
    'image-far.Image': image(offset=1 << 63),
    'elf-32.elf': elf(ident=b'\1\1\1'),
    'elf-x86.elf': elf(machine=62),
    'elf-short.elf': elf()[:40],
    'elf-object.elf': elf(kind=1),
    'elf-table.elf': elf(table=1 << 40),
    'elf-none.elf': elf(segments=()),
    'elf-many.elf': elf(segments=[segment(RAM + 0x100000 + n * 0x1000) for n in range(15)]),
    'elf-cut.elf': elf(segments=[segment(RAM + 0x100000, offset=0x1ff0, in_file=0x1000)]),
    'elf-sizes.elf': elf(segments=[segment(RAM + 0x100000, memory=32)]),
    'elf-low.elf': elf(segments=[segment(0x80000)], entry=0x80000),
    'elf-high.elf': elf(segments=[segment(RAM + (16 << 20) - 0x800)], entry=RAM + (16 << 20) - 0x800),
    'elf-wrap.elf': elf(segments=[segment(RAM + 0x100000, memory=(1 << 64) - RAM)]),
    'elf-overlap.elf': elf(segments=[segment(RAM + 0x100000), segment(RAM + 0x100fff)]),
    'elf-entry.elf': elf(entry=RAM + 0x200000),
    'elf-entry-bss.elf': elf(entry=RAM + 0x100800),
    'pie.elf': elf(kind=3, segments=[(0, 0, 0, 0x1040, 0x2000)], entry=0x1000),
    'virtual.elf': elf(segments=[(0x1000, 0xffff000000080000, RAM + 0x80000, 64, 0x1000)], entry=0xffff000000080020),
}


def write(directory):
    for name, content in FILES.items():
        (directory / name).write_bytes(content)
