# SPDX-License-Identifier: Apache-2.0
# The two slots on a card of scripts/mkdisk: its FAT32 file system, whose files are overwritten where they lie so that nothing
# else on the card changes, and the three files of one sector that say which slot is booted (docs/raspberry-pi-4.md).
import os
import re
import struct

SECTOR = 512
# What each file says twice, so that half of one is seen: board/rpi4/boot/disk.cmd checks the same.
CHECKS = {'slots': '{want}{serial}', 'state': '{good}{confirmed}', 'tries': '{tried}.{tries}'}
SLOTS = ('a', 'b')


class Fault(Exception):
    pass


def record(kind, **fields):
    """The sector of KIND.txt: lines for U-Boot's `env import -t`. Atoll knows its own by the first line."""
    fields['check'] = CHECKS[kind].format(**fields)
    text = f'atoll={kind}\n' + ''.join(f'atoll_{name}={fields[name]}\n' for name in sorted(fields))
    return text.encode().ljust(SECTOR, b'\0')


def fields_of(kind, sector):
    """The fields of such a sector, or None if it is damaged."""
    fields = dict(re.findall(r'^atoll_(\w+)=(.*)$', sector[:SECTOR].split(b'\0')[0].decode('latin-1'), re.M))
    try:
        good = sector.startswith(b'atoll=' + kind.encode() + b'\n') and fields.pop('check') == CHECKS[kind].format(**fields)
    except KeyError:
        good = False
    return fields if good else None


class Card:
    """cut: (number of a write, bytes of it after which the power fails), for tests."""

    def __init__(self, path, write=False, cut=None):
        self.path, self.cut, self.writes = path, cut, 0
        self.file = open(path, 'r+b' if write else 'rb', buffering=0)
        mbr = self.at(0, SECTOR)
        self.start = int.from_bytes(mbr[454:458], 'little') * SECTOR
        boot = self.at(self.start, SECTOR)
        if mbr[510:512] != b'\x55\xaa' or boot[82:87] != b'FAT32' or boot[11:13] != b'\0\2':
            raise Fault(f'{path} has no first partition with a FAT32 file system: make sdcard BOARD=rpi4 makes such a card')
        reserved, fats = struct.unpack_from('<HB', boot, 14)
        fat_sectors, = struct.unpack_from('<I', boot, 36)
        self.cluster = boot[13] * SECTOR
        self.data = self.start + (reserved + fats * fat_sectors) * SECTOR
        self.fat = self.at(self.start + reserved * SECTOR, fat_sectors * SECTOR)
        self.files = {}
        root, = struct.unpack_from('<I', boot, 44)
        for offset, length in self.extents(root):
            entries = self.at(offset, length)
            for at in range(0, length, 32):
                name, attributes = entries[at:at + 11], entries[at + 11]
                if name[0] not in (0, 0xe5) and not attributes & 0x18:
                    high, low, size = (struct.unpack_from('<H', entries, at + 20)[0], *struct.unpack_from('<HI', entries, at + 26))
                    short = name[:8].decode('latin-1').rstrip() + '.' + name[8:].decode('latin-1').rstrip()
                    self.files[short.lower().rstrip('.')] = (high << 16 | low, size)

    def at(self, offset, length):
        data = b''
        self.file.seek(offset)
        while len(data) < length and (more := self.file.read(length - len(data))):
            data += more
        return data

    def extents(self, cluster):
        """[(offset on the card, length)] of a chain of clusters."""
        out = []
        while 2 <= cluster < len(self.fat) // 4 and len(out) <= len(self.fat) // 4:
            offset = self.data + (cluster - 2) * self.cluster
            if out and sum(out[-1]) == offset:
                out[-1] = (out[-1][0], out[-1][1] + self.cluster)
            else:
                out.append((offset, self.cluster))
            cluster = struct.unpack_from('<I', self.fat, 4 * cluster)[0] & 0xfffffff
        return out

    def size(self, name):
        if name not in self.files:
            raise Fault(f'{self.path} has no {name} in its first partition: it was not made by make sdcard BOARD=rpi4')
        return self.files[name][1]

    def sector(self, name):
        self.size(name)
        return self.extents(self.files[name][0])[0][0] // SECTOR

    def read(self, name, length=None):
        length = self.size(name) if length is None else length
        return b''.join(self.at(*extent) for extent in self.extents(self.files[name][0]))[:length]

    def fields(self, kind):
        return fields_of(kind, self.read(f'{kind}.txt', SECTOR)) if f'{kind}.txt' in self.files else None

    def write(self, name, data):
        """Over the beginning of a file, where it lies; it is on the card when this returns, and was read back."""
        left = memoryview(data)
        if len(data) > self.size(name):
            raise Fault(f'{name} has room for {self.size(name)} bytes, not for {len(data)}')
        self.writes += 1
        if self.cut and self.cut[0] == self.writes:
            left = left[:self.cut[1]]
        for offset, length in self.extents(self.files[name][0]):
            self.file.seek(offset)
            if left and self.file.write(left[:length]) != len(left[:length]):
                raise Fault(f'{self.path} took less than it was given')
            left = left[length:]
        os.fsync(self.file.fileno())
        if self.cut and self.cut[0] == self.writes:
            raise Fault('the power is cut')
        os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the card, not from the page cache
        if self.read(name, len(data)) != bytes(data):
            raise Fault(f'what {self.path} gives back of {name} is not what was written: a bad card')
