# SPDX-License-Identifier: Apache-2.0
# What tests drive: bundles made by scripts/mkbundle, and QEMU with Atoll in it behind its serial line.
import collections
import ctypes
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import pexpect

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUESTS = ROOT / 'build/guests'
LOGS = ROOT / 'build/test-logs'
sys.path.insert(0, str(ROOT / 'scripts'))
import run_qemu  # noqa: E402

# A slower machine than the limits were chosen on: multiply them all.
SCALE = float(os.environ.get('ATOLL_TIME_SCALE', '1'))
SGR = re.compile(r'\x1b\[[0-9;]*m')

STDIO = ('-serial', 'stdio', '-monitor', 'none')
Outcome = collections.namedtuple('Outcome', 'text status stopped crashed')


class Config(collections.namedtuple('Config', 'compiler gic smp debug')):
    """One way to build and start Atoll."""
    __slots__ = ()

    def __str__(self):
        return f'{self.compiler}{"-debug" if self.debug else ""}-v{self.gic}-smp{self.smp}'

    @property
    def directory(self):
        return ROOT / f'build/qemu-virt-{self.compiler}{"-debug" if self.debug else ""}'

    @property
    def image(self):
        return self.directory / 'atoll.bin'


def require(path):
    """A built file; a test that needs it fails in words when it is not there."""
    path = pathlib.Path(path)
    assert path.exists(), f'{path} is not built (make el2-gcc el2-clang guests)'
    return path


def guest(name):
    """The built guest build/guests/NAME."""
    return require(GUESTS / name)


def manifest_text(manifest, when_idle='poweroff'):
    """A whole manifest source from a path, a whole source, or only the VM nodes."""
    if isinstance(manifest, pathlib.Path):
        return manifest.read_text()
    if '/dts-v1/' in manifest:
        return manifest
    idle = f'when-idle = "{when_idle}";' if when_idle else ''
    return ('/dts-v1/;\n/ { chosen { hypervisor {\ncompatible = "atoll,manifest-v1";\n' + idle + '\n' + manifest +
            '\n}; }; };\n')


def vm(name, image, memory=16384, cpus=1, **properties):
    """A VM node: text values become strings, numbers cells, lists cells, True a flag; _ in names stands for -."""
    lines = [f'compatible = "atoll,vm"; image = "{image}"; memory = <0 {memory}>; cpus = <{cpus}>;']
    for key, value in properties.items():
        key = key.replace('_', '-')
        if value is True:
            lines.append(f'{key};')
        elif isinstance(value, str):
            lines.append(f'{key} = "{value}";')
        elif isinstance(value, (list, tuple)):
            lines.append(f'{key} = <{" ".join(map(str, value))}>;')
        elif value is not None and value is not False:
            lines.append(f'{key} = <{value}>;')
    return f'{name} {{ ' + ' '.join(lines) + ' };\n'


def vm_output(text, name):
    """What VM NAME printed, without line ends: on a busy machine the console shows a line in pieces among other VMs' lines."""
    return ''.join(re.findall(rf'^\[{re.escape(name)}\] (.*)$', text, re.M))


def stray_lines(text):
    """Lines after the start that are neither a VM's, nor the log's, nor the console's own: there must be none."""
    after = text.replace('\r', '').partition('\nready in ')[2].split('\n')[1:]
    known = re.compile(r'\[[A-Za-z][\w-]*\] |\[\d+\.\d{6} cpu\d+\] |-- |atoll: \d+ VMs stopped, \d+ crashed$|$')
    return [line for line in after if not known.match(line)]


def act_lines(n, pad=0):
    """What the guest act.elf prints for `pad=PAD lines=N`, without line ends."""
    return ''.join(f'line {i:05} of {n:05} ' + ''.join(chr(97 + (i + k) % 26) for k in range(pad)) + ' end'
                   for i in range(1, n + 1))


def mkbundle(directory, manifest, files=None, lint=True, when_idle='poweroff', ram='1G', guests=GUESTS, name='bundle.img'):
    """Run scripts/mkbundle in DIRECTORY: (CompletedProcess, path of the bundle). files: {name: bytes or path} beside it."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for file, content in (files or {}).items():
        target = directory / file
        target.write_bytes(content if isinstance(content, bytes) else pathlib.Path(content).read_bytes())
    source = directory / 'manifest.dts'
    source.write_text(manifest_text(manifest, when_idle))
    ram = str(ram)
    size = int(ram.rstrip('MG')) << {'M': 20, 'G': 30}.get(ram[-1], 0)
    command = [str(ROOT / 'scripts/mkbundle'), str(source), '-o', str(directory / name), '--guests', str(guests),
               '--board-ram', str(size)] + ([] if lint else ['--no-lint'])
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=60 * SCALE)
    return run, directory / name


def die_with_parent():
    """In the child: a killed test run leaves no QEMU behind (PR_SET_PDEATHSIG = 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Serial(pexpect.spawn):
    """A spawn that logs what it reads as it is, and hands it on without colours and carriage returns (raw: as it is)."""

    def __init__(self, command, log, raw):
        self.serial_log = open(log, 'w', encoding='utf-8', errors='replace', buffering=1)
        self.raw = raw
        self.rest = ''
        self.text = ''
        super().__init__(command[0], command[1:], encoding='utf-8', codec_errors='replace', echo=False, timeout=None,
                         preexec_fn=die_with_parent, dimensions=(50, 250))
        self.delaybeforesend = None

    def read_nonblocking(self, size=1, timeout=None):
        chunk = super().read_nonblocking(size, timeout)
        self.serial_log.write(chunk)
        if not self.raw:
            chunk = self.rest + chunk
            # An escape sequence may be cut by the end of what came: keep its beginning for the next time.
            cut = re.search(r'\x1b(\[[0-9;]*)?$', chunk)
            self.rest = chunk[cut.start():] if cut else ''
            chunk = SGR.sub('', chunk[:cut.start()] if cut else chunk).replace('\r', '')
        self.text += chunk
        return chunk


class Machine:
    """QEMU with Atoll: expect() and send() on its serial line, finish() for its end. Killed by close() at the latest."""

    def __init__(self, command, log, limit, raw=False, serial=STDIO):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.command = command
        self.log = pathlib.Path(log)
        self.deadline = time.monotonic() + limit * SCALE
        self.serial = Serial(command + list(serial), log, raw)

    @property
    def text(self):
        """All that came so far."""
        return self.serial.text

    def left(self, timeout):
        return max(0.1, min(timeout * SCALE, self.deadline - time.monotonic()))

    def fail(self, what):
        state = 'QEMU has ended' if not self.serial.isalive() else 'QEMU still runs'
        raise AssertionError(f'{what}; {state}; the log: {self.log}\n--- last lines ---\n{self.tail()}')

    def tail(self, lines=40):
        return '\n'.join(self.text.replace('\r', '').split('\n')[-lines:])

    def expect(self, pattern, timeout=30):
        """Wait for a regular expression (or the first of several): its match. Lines end in \\n."""
        patterns = list(pattern) if isinstance(pattern, (list, tuple)) else [pattern]
        index = self.serial.expect([re.compile(p, re.M) for p in patterns] + [pexpect.TIMEOUT, pexpect.EOF],
                                   timeout=self.left(timeout))
        if index >= len(patterns):
            self.fail(f'did not see {patterns} within {timeout} s' if index == len(patterns) else
                      f'QEMU ended before {patterns} was seen')
        return self.serial.match

    def expect_not(self, pattern, seconds):
        """Watch for SECONDS that a regular expression does not come (the end of QEMU ends the watch as well)."""
        if self.serial.expect([re.compile(pattern, re.M), pexpect.TIMEOUT, pexpect.EOF], timeout=self.left(seconds)) == 0:
            self.fail(f'saw {pattern!r}')

    def send(self, text):
        """Type on the serial line (a control character as itself: '\\x1d' is Ctrl-])."""
        self.serial.send(text)

    def wait_end(self, timeout=90):
        """Wait until the program has ended by itself: its exit status (negative: the signal)."""
        if self.serial.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=self.left(timeout)):
            self.fail(f'did not end within {timeout} s')
        self.serial.wait()
        return self.serial.exitstatus if self.serial.signalstatus is None else -self.serial.signalstatus

    def finish(self, timeout=90, crashed=0):
        """Wait until Atoll has ended by itself; check QEMU's status and the number of crashed VMs (None: any)."""
        status = self.wait_end(timeout)
        # QEMU's own warnings are on the same terminal here.
        end = run_qemu.verdict(re.sub(r'^qemu-system-aarch64: warning: .*\n?', '', self.text, flags=re.M))
        if end is None or status != 0:
            self.fail(f'no proper end (QEMU status {status}, the last line must be "atoll: N VMs stopped, N crashed")')
        if crashed is not None and end[1] != crashed:
            self.fail(f'{end[1]} VMs crashed, expected {crashed}')
        return Outcome(self.text, status, *end)

    def wait_quiet(self, seconds=1.0):
        """Read until nothing has come for SECONDS."""
        while self.serial.expect([r'(?s).+', pexpect.TIMEOUT, pexpect.EOF], timeout=self.left(seconds)) == 0:
            pass

    def close(self):
        self.serial.close(force=True)
        self.serial.serial_log.close()
        with open(self.log, 'a', encoding='utf-8') as f:
            f.write('\n# ' + shlex.join(self.command) + '\n')
