#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Checks the linked EL2 image (rule 31): a speculation barrier after every eret, no FP/SIMD register outside .text.fpsimd, no
# segment both writable and executable, no undefined symbol, relative relocations only, the Image header; prints the sizes.
# Of the management guest: no FP/SIMD register and no eret at all, no relocation; the rest as of the image.
#
# usage: check_elf.py atoll.elf atoll.bin [OBJECT...]    (GNU ld drops undefined weak symbols: the objects still have them)
#        check_elf.py management.elf --guest [OBJECT...]
import re
import struct
import subprocess
import sys

CROSS = 'aarch64-linux-gnu-'
R_AARCH64_RELATIVE = 1027
PT_LOAD, PF_X, PF_W = 1, 1, 2
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHT_RELA, SHT_REL, SHT_RELR, SHT_NOBITS = 4, 9, 19, 8
# Every section that may take memory: another one would be placed where the linker likes (atoll.lds, management.lds).
KNOWN = {'.text', '.rodata', '.dynsym', '.dynstr', '.hash', '.gnu.hash', '.rela.dyn', '.data.rel.ro', '.dynamic', '.got',
         '.rodata.ksyms', '.data', '.bss'}
KNOWN_GUEST = {'.text', '.rodata', '.data', '.bss'}
FP_REGISTER = re.compile(r'(?<![\w.#])(?:v|q|d|s|h|b)(?:[12]?[0-9]|3[01])(?:\.[0-9]*[bhsdq])?(?![\w.])')
FP_STATE = re.compile(r'\b(fpcr|fpsr)\b', re.I)


class Elf:
    def __init__(self, path):
        with open(path, 'rb') as f:
            self.data = f.read()
        if self.data[:6] != b'\x7fELF\x02\x01':
            raise SystemExit(f'{path}: not a 64-bit little-endian ELF')
        phoff, shoff = struct.unpack_from('<QQ', self.data, 32)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from('<HHHHH', self.data, 54)
        self.segments = [struct.unpack_from('<IIQQQQQQ', self.data, phoff + i * phentsize) for i in range(phnum)]
        raw = [struct.unpack_from('<IIQQQQIIQQ', self.data, shoff + i * shentsize) for i in range(shnum)]
        names = raw[shstrndx][4]
        self.sections = []
        for section in raw:
            start = names + section[0]
            name = self.data[start:self.data.index(b'\0', start)].decode()
            self.sections.append((name,) + section[1:])

    def section_data(self, section):
        return self.data[section[4]:section[4] + section[5]]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_segments(elf, known):
    for kind, flags, _, address, *_ in elf.segments:
        if kind == PT_LOAD and flags & PF_X and flags & PF_W:
            yield f'segment at {address:#x} is writable and executable'
    for name, _, flags, address, _, size, *_ in elf.sections:
        if flags & SHF_ALLOC and size and name not in known:
            yield f'section {name} takes memory but has no place in the linker script'
        if flags & SHF_ALLOC and flags & SHF_WRITE and flags & SHF_EXECINSTR:
            yield f'section {name} is writable and executable'


def check_relocations(elf):
    for section in elf.sections:
        if section[1] in (SHT_REL, SHT_RELR) and section[2] & SHF_ALLOC:
            yield f'section {section[0]}: only RELA relocations are applied at start'
        if section[1] == SHT_RELA and section[2] & SHF_ALLOC:
            for offset, info, _ in struct.iter_unpack('<QQq', elf.section_data(section)):
                if info & 0xffffffff != R_AARCH64_RELATIVE:
                    yield f'relocation of type {info & 0xffffffff} at {offset:#x}: only R_AARCH64_RELATIVE is applied at start'


def check_symbols(path, objects):
    for line in run(CROSS + 'nm', path).splitlines():
        fields = line.split()
        if len(fields) == 2 and fields[0] in 'Uwv':
            yield f'symbol {fields[1]} is undefined'
    for line in run(CROSS + 'nm', '-A', *objects).splitlines() if objects else []:
        name, kind, symbol_name = line.rsplit(None, 2)
        if kind in 'wv':
            yield f'{name} refers to the weak symbol {symbol_name}'


def instructions(path):
    """(address, mnemonic, operands, function) of all code; data in code (literal pools) is left out."""
    function = '?'
    for line in run(CROSS + 'objdump', '-d', '--no-show-raw-insn', path).splitlines():
        match = re.match(r'^[0-9a-f]+ <(.+)>:$', line)
        if match:
            function = match[1]
            continue
        match = re.match(r'^\s*([0-9a-f]+):\t(\S+)\s*(.*)$', line)
        if match and not match[2].startswith('.'):
            yield int(match[1], 16), match[2], re.sub(r'\b[0-9a-f]+ <[^>]*>|<[^>]*>|//.*', '', match[3]).strip(), function


def symbol(path, name):
    match = re.search(rf'^([0-9a-f]+) \w {name}$', run(CROSS + 'nm', path), re.M)
    return int(match[1], 16) if match else None


def check_code(path):
    start, end = symbol(path, 'text_fpsimd_start'), symbol(path, 'text_fpsimd_end')
    if start is None or end is None:
        yield 'no text_fpsimd_start, text_fpsimd_end: not linked with arch/arm64/atoll.lds'
        return
    code = list(instructions(path))
    if not code:
        yield 'no code'
    for i, (address, mnemonic, operands, function) in enumerate(code):
        if mnemonic == 'eret':
            after = [' '.join(c[1:3]).strip() for c in code[i + 1:i + 3]]
            if after != ['dsb nsh', 'isb'] and after[:1] != ['sb']:
                yield f'{address:#x} {function}: eret without "dsb nsh; isb" after it'
        if not start <= address < end and (FP_REGISTER.search(operands) or FP_STATE.search(operands)):
            yield f'{address:#x} {function}: {mnemonic} {operands}: FP/SIMD outside .text.fpsimd'


def check_guest_code(path):
    code = list(instructions(path))
    if not code:
        yield 'no code'
    for address, mnemonic, operands, function in code:
        if mnemonic == 'eret':
            yield f'{address:#x} {function}: eret, but there is nothing below it'
        if FP_REGISTER.search(operands) or FP_STATE.search(operands):
            yield f'{address:#x} {function}: {mnemonic} {operands}: FP/SIMD'


def check_header(elf_path, image):
    """The arm64 Image header (Linux, Documentation/arch/arm64/booting.rst)."""
    with open(image, 'rb') as f:
        data = f.read()
    size = symbol(elf_path, '_image_size')
    if data[0x38:0x3c] != b'ARM\x64':
        yield 'no arm64 Image header: the magic number at 0x38 is missing'
        return
    text_offset, image_size = struct.unpack_from('<QQ', data, 8)
    if text_offset != 0:
        yield f'Image header: text_offset is {text_offset:#x}, not 0'
    if image_size != size:
        yield f'Image header: image_size is {image_size:#x}, the image takes {size or 0:#x}'
    if len(data) > image_size:
        yield f'the file has {len(data)} bytes, more than image_size {image_size}'


def main():
    elf = Elf(sys.argv[1])
    guest = sys.argv[2] == '--guest'
    errors = list(check_segments(elf, KNOWN_GUEST if guest else KNOWN))
    errors += list(check_relocations(elf)) + list(check_symbols(sys.argv[1], sys.argv[3:]))
    if guest:
        errors += list(check_guest_code(sys.argv[1]))
    else:
        errors += list(check_code(sys.argv[1])) + list(check_header(sys.argv[1], sys.argv[2]))
    for error in errors:
        print(f'{sys.argv[1]}: {error}')
    sizes = {name: size for name, kind, flags, _, _, size, *_ in elf.sections if flags & SHF_ALLOC}
    rodata = sum(size for name, size in sizes.items() if name not in ('.text', '.data', '.bss'))
    print(f'size: {"management guest: " if guest else ""}text {sizes.get(".text", 0)}, rodata {rodata}, data {sizes.get(".data", 0)}, bss {sizes.get(".bss", 0)}')
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
