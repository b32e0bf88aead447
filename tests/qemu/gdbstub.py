# SPDX-License-Identifier: Apache-2.0
# QEMU's gdbserver, as much as tests need to lay hands on Atoll's own guest (guests/management), which has no way in from outside.
import re
import socket
import struct
import subprocess
import time

import harness

SP, PC = 31, 32


def symbols(elf):
    """{name: address} of a linked file; of a name that is there more than once, one of them."""
    text = subprocess.run(['aarch64-linux-gnu-nm', str(harness.require(elf))], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: int(at, 16) for at, name in re.findall(r'^([0-9a-f]+) \w (\S+)$', text, re.M)}


class Gdb:
    """The machine started with the arguments of qemu(PATH). It stands from here on, until go()."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + 30 * harness.SCALE
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                assert time.monotonic() < end, 'QEMU does not listen for gdb'
                time.sleep(0.05)
        self.rest = b''
        # It takes no single register before it was asked for their description.
        self.ask('qXfer:features:read:target.xml:0,ffb')

    def send(self, text):
        self.socket.sendall(b'$%s#%02x' % (text.encode(), sum(text.encode()) & 0xff))

    def answer(self, timeout=30):
        self.socket.settimeout(timeout * harness.SCALE)
        while not (match := re.match(rb'\+*\$([^#]*)#..', self.rest, re.S)):
            more = self.socket.recv(65536)
            assert more, 'QEMU has ended'
            self.rest += more
        self.rest = self.rest[match.end():]
        self.socket.sendall(b'+')
        return match[1].decode('latin-1')

    def ask(self, text):
        self.send(text)
        return self.answer()

    def do(self, text):
        assert (said := self.ask(text)) == 'OK', f'{text}: {said}'

    def go(self):
        self.send('c')

    def stop(self):
        self.socket.sendall(b'\x03')
        assert (said := self.answer()).startswith('T02'), said

    def until(self, at, act=None, timeout=30):
        """Run until some CPU is to execute the instruction AT; act, if any, brings that about."""
        self.do(f'Z1,{at:x},4')
        self.go()
        if act:
            act()
        stop = self.answer(timeout)
        thread = re.match(r'T05thread:([^;]+);', stop)
        assert thread, stop
        self.do(f'Hg{thread[1]}')
        self.do(f'z1,{at:x},4')
        assert self.register(PC) == at

    def register(self, n):
        return struct.unpack('<Q', bytes.fromhex(self.ask(f'p{n:x}')))[0]

    def set_register(self, n, value):
        self.do(f'P{n:x}=' + struct.pack('<Q', value).hex())

    def read(self, at, fmt='<Q'):
        """One value where the chosen CPU sees it."""
        return struct.unpack(fmt, bytes.fromhex(self.ask(f'm{at:x},{struct.calcsize(fmt):x}')))[0]

    def write(self, at, data):
        """Past the page's rights."""
        self.do(f'M{at:x},{len(data):x}:' + data.hex())

    def close(self):
        self.socket.close()


def qemu(path):
    return ['-gdb', f'unix:path={path},server=on,wait=off']
