# SPDX-License-Identifier: Apache-2.0
# The unikernel runtime and its apps on bare QEMU virt, without Atoll: what goes wrong here is the runtime's, not EL2's.
import os
import re
import subprocess

import harness
import pytest

MACHINES = [(gic, smp) for gic in (2, 3) for smp in (1, 4)]
each_machine = pytest.mark.parametrize('gic,smp', MACHINES, ids=[f'v{g}-smp{s}' for g, s in MACHINES])
each_gic = pytest.mark.parametrize('gic', [2, 3], ids=['v2', 'v3'])

# One program, many endings: the first argument chooses.
FAULTS = r'''
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uk.h>

static int (*volatile call)(void);
static const int constant = 5;
static uint32_t code[] = {0xd65f03c0}; /* ret */

static int deeper(volatile int *p)
{
	volatile int big[64];

	big[0] = *p + 1;
	return big[0] > 0 ? deeper(big) + big[1] : 0;
}

static void handler(void *arg)
{
	*(volatile int *)arg = 1;
}

static void smp_fault(void *arg)
{
	*(volatile int *)arg = 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int zero = 0;

	printf("first %s\n", what);
	printf("no newline");
	if (!strcmp(what, "abort")) { fflush(stdout); abort(); }
	if (!strcmp(what, "assert")) { assert(!what); }
	if (!strcmp(what, "exit")) { exit(atoi(argv[2])); }
	printf("\n");
	if (!strcmp(what, "null")) { *(volatile int *)(uintptr_t)8 = 1; }
	if (!strcmp(what, "null-call")) { call = NULL; call(); }
	if (!strcmp(what, "text")) { *(volatile int *)(uintptr_t)main = 1; }
	if (!strcmp(what, "rodata")) { *(volatile int *)(uintptr_t)&constant = 1; }
	if (!strcmp(what, "data-exec")) { call = (int (*)(void))(uintptr_t)code; call(); }
	if (!strcmp(what, "heap-exec")) { call = (int (*)(void))(uintptr_t)malloc(64); call(); }
	if (!strcmp(what, "stack")) { return deeper(&zero); }
	if (!strcmp(what, "undefined")) { __asm__ volatile("udf #0"); }
	if (!strcmp(what, "past-ram")) {
		*(volatile int *)(uk_machine()->ram_base + uk_machine()->ram_size) = 1;
	}
	if (!strcmp(what, "in-handler")) {
		uk_timer_start(UK_TIMER_VIRT, 1000, false, handler, (void *)8);
		for (;;) { uk_cpu_relax(); }
	}
	if (!strcmp(what, "on-cpu1")) {
		uk_cpu_start(1, smp_fault, (void *)8);
		for (;;) { uk_cpu_relax(); }
	}
	return 0;
}
'''

MAKEFILE = '''
include {root}/guests/unikernel/unikernel.mk
$(eval $(call unikernel,faults,faults.c))
'''


@pytest.fixture
def native(log_name):
    """native(elf, gic, smp, args='') starts a unikernel on the bare machine: a harness.Machine."""
    machines = []

    def start(elf, gic, smp, args='', mem='32M', icount=False, limit=60, qemu=()):
        path = elf if os.path.isabs(str(elf)) else harness.guest(elf)
        command = harness.run_qemu.qemu_command(path, gic=gic, smp=smp, mem=mem, append=args, virtualization=False, icount=icount,
                                                extra=qemu)
        log = harness.LOGS / (log_name + (f'.{len(machines)}' if machines else '') + '.log')
        machines.append(harness.Machine(command, log, limit))
        return machines[-1]

    yield start
    for machine in machines:
        machine.close()


def lines_to_end(machine):
    """All lines of a program that ends by itself."""
    machine.expect(r'(exit status -?\d+|crashed)\n', 60)
    assert machine.serial.expect([harness.pexpect.EOF, harness.pexpect.TIMEOUT], timeout=machine.left(10)) == 0, \
        'QEMU goes on after the end'
    return machine.text.strip().split('\n')


@pytest.fixture(scope='session')
def faults_elf(tmp_path_factory):
    """FAULTS built as a user would: one C file, one line in a makefile of the user's own."""
    place = tmp_path_factory.mktemp('faults')
    (place / 'faults.c').write_text(FAULTS)
    (place / 'Makefile').write_text(MAKEFILE.format(root=harness.ROOT))
    env = {k: v for k, v in os.environ.items() if not k.startswith(('MAKE', 'MFLAGS'))}
    run = subprocess.run(['make', '-C', str(place), 'UK_WARN=-Wall -Wno-infinite-recursion'], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    assert run.returncode == 0, run.stdout
    return place / 'build/guests/faults.elf'


@each_machine
def test_hello(native, gic, smp):
    lines = lines_to_end(native('hello.elf', gic, smp, 'one "two words" three', mem='48M'))
    assert lines == ['Hello from a unikernel', 'cpu: implementer 0x41 part 0xd08 r0p3', f'cpus: {smp}',
                     'ram: 49152 KiB at 0x40000000', 'argv[0] = hello', 'argv[1] = one', 'argv[2] = two words',
                     'argv[3] = three', 'exit status 0']


@each_gic
@pytest.mark.parametrize('smp,mem', [(1, '4M'), (8, '4M'), (1, '4100K'), (2, '3G'), (1, '1030M')])
def test_memory_sizes(native, gic, smp, mem):
    lines = lines_to_end(native('hello.elf', gic, smp, mem=mem))
    assert lines[-1] == 'exit status 0' and f'cpus: {smp}' in lines


@each_machine
def test_libc(native, gic, smp):
    lines = lines_to_end(native('libc.elf', gic, smp))
    match = re.fullmatch(r'libc: (\d+) checks, 0 failed', lines[-2])
    assert match and int(match[1]) >= 100 and lines[-1] == 'exit status 0', lines


def test_libc_in_four_megabytes(native):
    assert lines_to_end(native('libc.elf', 3, 1, mem='4M'))[-1] == 'exit status 0'


@each_machine
@pytest.mark.parametrize('timer', ['virt', 'phys'])
def test_clock(native, gic, smp, timer):
    lines = lines_to_end(native('clock.elf', gic, smp, f'ticks=7 period_us=20000 timer={timer}'))
    assert lines[1:8] == [f'tick {n}' for n in range(1, 8)]
    assert lines[8:] == ['clock: 7 interrupts for 7 ticks, 0 early: ok', 'exit status 0']


def test_clock_fast(native):
    lines = lines_to_end(native('clock.elf', 3, 1, 'ticks=3000 period_us=100'))
    assert lines[-2:] == ['clock: 3000 interrupts for 3000 ticks, 0 early: ok', 'exit status 0']


def trial_division(limit):
    """The algorithm of primes.c: (divisions, primes) below LIMIT."""
    loops, primes = 0, 1
    for n in range(3, limit, 2):
        d = 3
        while d * d <= n:
            loops += 1
            if n % d == 0:
                break
            d += 2
        else:
            primes += 1
    return loops, primes


@each_gic
def test_primes(native, gic):
    lines = lines_to_end(native('primes.elf', gic, 1, 'limit=50000'))
    loops, primes = trial_division(50000)
    assert lines == [f'primes: below 50000: loops={loops} primes={primes}', 'exit status 0']


def test_primes_seconds_repeats_under_icount(native):
    """One instruction per tick: the loop count of a second is the same in every run."""
    runs = [lines_to_end(native('primes.elf', 3, 1, 'seconds=1', icount=True)) for _ in range(2)]
    loops = [int(re.fullmatch(r'primes: 1 s: loops=(\d+) primes=\d+', r[0])[1]) for r in runs]
    assert loops[0] == loops[1] and loops[0] > 1000000


@each_gic
@pytest.mark.parametrize('smp', [1, 2, 4, 8])
def test_smp(native, gic, smp):
    pairs = smp * (smp - 1)
    assert lines_to_end(native('smp.elf', gic, smp, 'increments=10000 rounds=50 restarts=3')) == [
        f'smp: {smp} cpus on', f'smp: counter {10000 * smp} of {10000 * smp}', 'smp: 20 barriers, 0 out of step', f'smp: libc on {smp} cpus, 0 wrong',
        f'smp: {pairs} pairs, {pairs * 100} of {pairs * 100} interrupts', f'smp: {3 * (smp - 1)} of {3 * (smp - 1)} restarts',
        'smp: ok', 'exit status 0']


@each_gic
def test_shell(native, gic):
    m = native('shell.elf', gic, 1)
    m.expect('^> ')
    m.send('ecko\b\x7fho one   two\r')
    m.expect(r'^one two\n> ')
    m.send('mem\rinfo\ruptime\r')
    m.expect(r'ram 32768 KiB at 0x40000000, \d+ KiB')
    m.expect(rf'1 cpus, GICv{gic}, .* on the bare machine')
    m.expect(r'up \d+\.\d{6} s\n> ')
    m.send('time\rcpus\rcpu 1 on\r')
    m.expect(r'virtual \d+ us, physical \d+ us\n')
    m.expect(r'cpu 0 on, it runs this\n> ')
    m.expect(r'cpu N on, or cpu N off, N from 1 to 0\n')
    m.send('junk\x15nonsense\r')
    m.expect('^nonsense: unknown; try help\n> ')
    m.send('help\r')
    m.expect(r'^crash +write where nothing is\n> ')
    # Much faster than it is read: the ring fills, and nothing is lost.
    m.send('sleep 1\r')
    for n in range(60):
        m.send(f'echo a rather long line, number {n}.\r')
    for n in range(60):
        m.expect(rf'^a rather long line, number {n}\.\n')
    m.send('exit 7\r')
    assert lines_to_end(m)[-1] == 'exit status 7'


@each_gic
def test_shell_switches_cpus(native, gic):
    m = native('shell.elf', gic, 3)
    m.expect('^> ')
    m.send('cpus\r')
    m.expect(r'cpu 0 on, it runs this\ncpu 1 off, 0 beats\ncpu 2 off, 0 beats\n> ')
    m.send('cpu 2 on\rcpu 2 on\rsleep 1\r')
    m.expect(r'cpu 2 is on\n')
    m.expect(r'cpu 2: PSCI error -4\n')
    m.expect(r'slept \d+ us\n> ')
    m.send('cpus\r')
    assert int(m.expect(r'cpu 1 off, 0 beats\ncpu 2 on, (\d+) beats\n> ')[1]) > 10
    m.send('cpu 2 off\rcpus\rcpu 2 on\r')
    m.expect(r'cpu 2 is off\n')
    m.expect(r'cpu 2 off, \d+ beats\n')
    m.expect(r'cpu 2 is on\n')
    m.send('scan\rfill\rscan\r')
    assert m.expect(r'scan: (\d+) KiB, 0 words as fill writes them, 0 others not zero\n')[1] == m.expect(r'fill: (\d+) KiB\n')[1]
    m.expect(r'scan: \d+ KiB, [1-9]\d+ words as fill writes them, 0 others not zero\n')


def test_shell_end_of_file_and_reset(native):
    m = native('shell.elf', 3, 1)
    m.expect('^> ')
    m.send('reset\r')
    m.expect(r'reset\nshell: type help\n> ')
    m.send('\x04')
    assert lines_to_end(m)[-1] == 'exit status 0'


@pytest.mark.parametrize('what,words', [
    ('null', 'data abort, write: nothing mapped on cpu 0'), ('null-call', 'instruction abort: nothing mapped'),
    ('text', 'data abort, write: permission'), ('rodata', 'data abort, write: permission'),
    ('data-exec', 'instruction abort: permission'), ('heap-exec', 'instruction abort: permission'),
    ('stack', r'data abort, write: nothing mapped \(stack overflow\)'), ('undefined', 'undefined instruction'),
    ('past-ram', 'data abort, write: nothing mapped'), ('in-handler', 'data abort, write: nothing mapped on cpu 0, within'),
    ('on-cpu1', 'data abort, write: nothing mapped on cpu 1')])
def test_fault_is_reported(native, faults_elf, what, words):
    m = native(faults_elf, 3, 2, what)
    lines = lines_to_end(m)
    assert lines[0] == f'first {what}' and lines[-1] == 'crashed'
    assert re.search(rf'^\*\*\* {words}', m.text, re.M), m.text
    for register in ['pc', 'sp', 'esr', 'far', 'pstate'] + [f'x{n}' for n in range(31)]:
        assert re.search(rf'\b{register} [0-9a-f]{{16}}', m.text), register
    if what in ('null', 'on-cpu1'):
        assert 'far 0000000000000008' in m.text and 'esr 0000000096000046' in m.text


@pytest.mark.parametrize('args,end', [
    ('abort', 'no newlinecrash: abort\ncrashed\n'), ('assert', r'assertion.*"!what" failed.*\n(.*\n)*crash: abort\ncrashed\n'),
    ('exit 0', 'no newlineexit status 0\n'), ('exit 255', 'no newlineexit status 255\n'),
    ('exit -3', 'no newlineexit status -3\n')])
def test_ending(native, faults_elf, args, end):
    m = native(faults_elf, 2, 1, args)
    m.expect(end)


def test_bad_argument_is_refused(native):
    lines = lines_to_end(native('clock.elf', 3, 1, 'ticks=five'))
    assert lines == ['clock: not a number: ticks=five', 'exit status 2']


def hypercalls(native, log, elf, args, qemu=()):
    """The number of HVCs a program made; its output."""
    m = native(elf, 3, 1, args, qemu=['-d', 'int', '-D', str(log), *qemu])
    text = '\n'.join(lines_to_end(m))
    return len(re.findall(r'^Taking exception \d+ \[Hypervisor Call\]', log.read_text(), re.M)), text


@pytest.mark.parametrize('args,end', [('exit 5', 'exit status 5'), ('exit -1', 'exit status -1'), ('abort', 'crashed')])
def test_hypercalls_only_on_atoll(native, faults_elf, tmp_path, args, end):
    """Bare: SYSTEM_OFF and no other call. With a tree that claims Atoll: its call first, and PSCI when that is refused."""
    count, text = hypercalls(native, tmp_path / 'bare.log', faults_elf, args)
    assert count == 1 and text.endswith(end)
    dump = harness.run_qemu.qemu_command(faults_elf, gic=3, smp=1, mem='32M', append=args, virtualization=False,
                                         extra=['-machine', f'dumpdtb={tmp_path}/bare.dtb'])
    subprocess.run(dump, stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=30)
    subprocess.run(['dtc', '-q', '-o', tmp_path / 'bare.dts', tmp_path / 'bare.dtb'], check=True, timeout=30)
    with open(tmp_path / 'bare.dts', 'a') as f:
        f.write('/ { hypervisor { compatible = "atoll,hypervisor-v1"; }; };\n')
    subprocess.run(['dtc', '-q', '-O', 'dtb', '-o', tmp_path / 'atoll.dtb', tmp_path / 'bare.dts'], check=True, timeout=30)
    count, text = hypercalls(native, tmp_path / 'atoll.log', faults_elf, args, ['-dtb', str(tmp_path / 'atoll.dtb')])
    assert count == 2 and text.endswith(end)
