# SPDX-License-Identifier: Apache-2.0
# Hostile guests (tests/guest/hostile) beside a heartbeat: what they saw is compared line by line with a committed list, and neither the
# heartbeat nor the hypervisor may have noticed them. Storms are measured with ICOUNT=1 on one CPU: a tick is an instruction.
#
# tests/guest/hostile/expected/NAME.txt: a line for each probe, after "= " (both GICs), "2 " (GICv2 only) or "3 " (GICv3 only).
# ATOLL_UPDATE_EXPECTED=1 writes the lists anew from what was seen on both: then read the difference, line by line.
import difflib
import itertools
import json
import os
import re

import harness
import pytest

EXPECTED = harness.ROOT / 'tests/guest/hostile/expected'
UPDATE = os.environ.get('ATOLL_UPDATE_EXPECTED') == '1'
each_gic = pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[2])
one_cpu = pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[1])

# What a fault of the hypervisor itself prints (hyp/panic.c).
FAULTS = re.compile(r'\*\*\* (hypervisor|halted)|panic')

# Guests of probes: VM name: (program, arguments, vCPUs).
PROBES = {
    'memory': ('memory', '', 2),
    'device': ('device', '', 2),
    'gicregs': ('gicregs', '', 2),
    'calls': ('calls', '', 4),
    'translate': ('translate', '', 1),
    'cpu': ('cpu', '', 1),
    'sysreg-el1': ('sysreg', 'el1', 1),
    'sysreg-el0': ('sysreg', 'el0', 1),
    'sysreg-a32': ('sysreg', 'a32', 1),
    'sysreg-garbage': ('sysreg', 'garbage', 1),
}
ENDLESS = ['vectors-hole', 'vectors-device', 'vectors-zero-page', 'tables-hole', 'tables-device', 'masked', 'trapping']
# Exceptions at EL1 that cause the next one there: no instruction is ever executed, so that with ICOUNT=1 time would stand still.
ENDLESS_NATIVE = ['vectors-native', 'tables-native']


def probe_vm(name, **properties):
    program, args, cpus = PROBES[name]
    return harness.vm(name, f'h-{program}.elf', cpus=cpus, bootargs=args, **properties)


def heartbeat(beats=0, period_us=1000, window_us=1000, **properties):
    return harness.vm('heart', 'heartbeat.elf', memory=8192, bootargs=f'period_us={period_us} beats={beats} window_us={window_us}',
                      **properties)


def lines_of(text, name):
    """The lines that VM NAME printed after '@' (the console may have shown one in pieces)."""
    return [line.partition(' ')[2] for line in harness.vm_output(text, name).split('@')[1:]]


def expected_lines(name, gic):
    return [line[2:] for line in (EXPECTED / f'{name}.txt').read_text().splitlines() if line[0] in f'={gic}']


def merged(v2, v3):
    """One list of two, with the prefixes of the files."""
    out = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, v2, v3, autojunk=False).get_opcodes():
        if tag == 'equal':
            out += ['= ' + line for line in v2[a:b]]
        else:
            out += ['2 ' + line for line in v2[a:b]] + ['3 ' + line for line in v3[c:d]]
    return out


def update(name, gic, lines):
    """Keeps what one GIC gave; when both are there, writes the list."""
    kept = harness.LOGS / 'expected.json'
    all_of = json.loads(kept.read_text()) if kept.exists() else {}
    all_of.setdefault(name, {})[str(gic)] = lines
    kept.write_text(json.dumps(all_of))
    if len(all_of[name]) == 2:
        EXPECTED.mkdir(exist_ok=True)
        (EXPECTED / f'{name}.txt').write_text('\n'.join(merged(all_of[name]['2'], all_of[name]['3'])) + '\n')


def differences(name, gic, seen):
    """What is not as in the list, in words; empty when all is."""
    if UPDATE:
        update(name, gic, seen)
        return ''
    wanted = expected_lines(name, gic)
    if seen == wanted:
        return ''
    diff = list(difflib.unified_diff(wanted, seen, 'expected', 'seen', n=0, lineterm=''))
    return f'{name}: {len(diff)} lines differ:\n' + '\n'.join(diff[:40])


def check_quiet(text):
    """No fault of the hypervisor, no line of unknown origin, no end but by the book."""
    own = [line for line in text.split('\n') if not re.match(r'\[[A-Za-z][\w-]*\] ', line)]
    assert not [line for line in own if FAULTS.search(line)], [line for line in own if FAULTS.search(line)]
    stray = harness.stray_lines('\n'.join(line for line in own if not line.startswith('qemu-system-aarch64: warning')))
    assert not stray, stray


def check_heart(text, beats=1):
    """The heartbeat ended by itself with right results; its beats, its largest gap, and gaps by window."""
    printed = harness.vm_output(text, 'heart')
    end = re.search(r'heartbeat: (\d+) beats, largest gap (\d+) ticks at (\d+)heartbeat: (\d+) rounds, (\d+) wrong results', printed)
    assert end, f'the heartbeat did not end: {printed[-300:]!r}'
    assert end[5] == '0' and int(end[1]) >= beats
    assert re.search(r'\] heart: exit\(0\)', text)
    return int(end[2]), [(int(at), int(gap)) for at, gap in re.findall(r'window at (\d+) gap (\d+)', printed)]


def run_probes(boot, names, gic, **boot_args):
    """The probes beside a heartbeat; all have to see what their list says."""
    vms = heartbeat(window_us=1000000, console=True) + ''.join(probe_vm(name) for name in names)
    machine = boot(vms, append='console=plain', limit=200, **boot_args)
    for _ in names:
        machine.expect(r'\] (?!heart)[\w-]+: (exit\(\d+\)|off|crash|reset)$', timeout=120)
    machine.send('q')
    outcome = machine.finish(timeout=60, crashed=None)
    check_quiet(outcome.text)
    check_heart(outcome.text, beats=100)
    wrong = [w for name in names if (w := differences(name, gic, lines_of(outcome.text, name)))]
    assert not wrong, '\n'.join(wrong)
    assert [outcome.stopped, outcome.crashed] == [len(names) + 1, 0]
    for name in names:
        assert re.search(rf'\] {name}: exit\(0\)', outcome.text), name


@each_gic
def test_probes(cfg, boot):
    """Memory, devices, GIC registers, calls, tables, CPU, and every system register at EL1, at once."""
    run_probes(boot, [name for name in PROBES if name != 'sysreg-garbage'], cfg.gic)


@pytest.mark.slow
@each_gic
def test_sysreg_garbage(cfg, boot):
    """Every register that can be written, with garbage."""
    run_probes(boot, ['sysreg-garbage', 'gicregs'], cfg.gic)


def ranges(lines, what):
    """{encoding: outcome} of the runs of `what` in a sysreg list."""
    out = {}
    for line in lines:
        match = re.fullmatch(rf'{what} ([0-9a-f]+)(?:-([0-9a-f]+))?: (.*)', line)
        if match:
            out.update(dict.fromkeys(range(int(match[1], 16), int(match[2] or match[1], 16) + 1), match[3]))
    return out


def policy():
    """docs/sysregs.md: {encoding: (read, write)} of what traps and is emulated."""
    rows = {}
    text = (harness.ROOT / 'docs/sysregs.md').read_text()
    for s, read, write in re.findall(r'^\|[^|]*\| S(\S+) \| ([^|]*) \| ([^|]*) \|$', text, re.M):
        fields = [re.fullmatch(r'C?(?:(\d+)|<(\d+)\.\.(\d+)>)', field).groups() for field in s.split('_')]
        for op0, op1, crn, crm, op2 in itertools.product(*(range(int(n or first), int(n or last) + 1) for n, first, last in fields)):
            rows[op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2] = (read, write)
    return rows


# Undefined in QEMU before anything could trap: DBGPRCR_EL1, DBGAUTHSTATUS_EL1, DBGDTR_EL0.
NOT_IN_QEMU = {2 << 14 | 1 << 7 | 4 << 3 | 4, 2 << 14 | 7 << 7 | 14 << 3 | 6, 2 << 14 | 3 << 11 | 4 << 3}
# Zero until the debug registers are the guest's, which the sweep has made them by then; from then on the CPU's own.
DBGCLAIMSET = 2 << 14 | 7 << 7 | 8 << 3 | 6


def is_breakpoint(enc):
    """DBGB*R<n>, DBGW*R<n>: the CPU has fewer than the 16 that the table names."""
    return enc >> 7 == 2 << 7 and enc & 7 >= 4


@pytest.mark.parametrize('gic', [2, 3])
def test_lists_agree_with_the_policy(gic):
    """The committed list of EL1's registers is what docs/sysregs.md says of those that trap."""
    lines = expected_lines('sysreg-el1', gic)
    read, write = ranges(lines, 'EL1 read'), ranges(lines, 'EL1 write')
    assert len(read) == len(write) == 1 << 16
    rows = policy()
    assert len(rows) > 90
    for enc, (on_read, on_write) in rows.items():
        if enc in NOT_IN_QEMU or is_breakpoint(enc) or ('GICv3' in on_write and gic == 2):
            continue
        absent = ('-', 'undefined')
        assert (read[enc] == 'UNDEF') == (on_read in absent), f'{enc:#x} reads {read[enc]}, policy: {on_read}'
        assert (write[enc] == 'UNDEF') == (on_write in absent), f'{enc:#x} write: {write[enc]}, policy: {on_write}'
        if on_read == 'zero' and read[enc] != 'reads' and enc != DBGCLAIMSET:
            assert read[enc] == 'reads 0', f'{enc:#x} {read[enc]}'
    # All of the ID space reads; EL2's and EL3's registers, PMU, trace, implementation-defined ones do not exist.
    for enc in range(3 << 14, 4 << 14):
        op1, crn, crm = enc >> 11 & 7, enc >> 7 & 15, enc >> 3 & 15
        if op1 == 0 and crn == 0 and 1 <= crm <= 7:
            assert read[enc].startswith('reads ') and write[enc] == 'UNDEF', hex(enc)
        if op1 >= 4 or crn in (11, 15) or (crn == 9 and op1 in (0, 3)):
            assert read[enc] == write[enc] == 'UNDEF', hex(enc)
    for enc in range(2 << 14 | 1 << 11, 2 << 14 | 2 << 11):
        assert read[enc] == write[enc] == 'UNDEF', hex(enc)


# What a CPU with all of QEMU's extensions lets EL1 read beyond cortex-a72: PAN, UAO, ALLINT, DIT, SSBS, TCO (PSTATE, in SPSR_EL2), DISR
# (switched), ICC_NMIAR1 (the virtual CPU interface), SMIDR (0), RNDR and RNDRRS, the self-synchronised counters (offset as the others).
MORE_ON_MAX = {'S3_0_4_2_3', 'S3_0_4_2_4', 'S3_0_4_3_0', 'S3_3_4_2_5', 'S3_3_4_2_6', 'S3_3_4_2_7', 'S3_0_12_1_1', 'S3_0_12_9_5',
               'S3_1_0_0_6', 'S3_3_2_4_0', 'S3_3_2_4_1', 'S3_3_14_0_5', 'S3_3_14_0_6'}


@pytest.mark.matrix(compiler=['gcc'], gic=[3], smp=[2])
def test_hidden_extensions(cfg, boot):
    """On a CPU with everything, only registers with a known reason are there beyond those of a cortex-a72; no SVE, SME, MTE, PMU, keys."""
    vms = heartbeat(window_us=1000000, console=True) + probe_vm('sysreg-el1')
    machine = boot(vms, append='console=plain', limit=120, cpu='max')
    machine.expect(r'\] sysreg-el1: exit\(0\)$', timeout=110)
    machine.send('q')
    outcome = machine.finish(timeout=30)
    check_quiet(outcome.text)
    check_heart(outcome.text)
    seen = ranges(lines_of(outcome.text, 'sysreg-el1'), 'EL1 read')
    usual = ranges(expected_lines('sysreg-el1', 3), 'EL1 read')
    more = {f'S{enc >> 14}_{enc >> 11 & 7}_{enc >> 7 & 15}_{enc >> 3 & 15}_{enc & 7}' for enc in seen
            if seen[enc].startswith('reads') and not usual[enc].startswith('reads')}
    assert more <= MORE_ON_MAX, sorted(more - MORE_ON_MAX)
    for enc, what in seen.items():
        # Else undefined, or trapped to EL1 by the guest's own controls: EC 0x18, 0x19 (SVE), 0x1d (SME).
        assert what.startswith('reads') or what == 'UNDEF' or re.fullmatch(r'ESR (6[0-3]|66|76)[0-9a-f]{6}', what), f'{enc:#x}: {what}'


def test_expected_lists_are_used():
    assert {path.stem for path in EXPECTED.glob('*.txt')} == set(PROBES)


# ---- storms: how long the heartbeat was held up --------------------------------------------------------------------------------------

PERIOD = 250_000        # ticks of a beat: a tick is a nanosecond of virtual time and an instruction
SLICE = 2_000_000       # SCHED_SLICE_US
BUDGET, BUDGET_PERIOD = 1000, 5000  # us
STORM_MS = 6
SLEEPERS = {'wfi-short', 'setway', 'console-lines', 'console-empty', 'console-escape', 'console-endless'}
NR_STORMS = 30

# Scenario: (properties of the heartbeat, of the storming VM, ticks that the class guarantees between two beats).
#   fixed, the highest priority: the next period; EL2 itself runs for less than a beat at a time
#   fair: the period, and a slice for each vCPU or job (one: the flush of set/way) that competes
#   fixed beneath a hog with a budget: the period and one budget; two where the hog sleeps now and then, since what it has left at the
#   end of a period of its own comes right before the next budget (deferrable server); two where it starts, since the job that loads
#   it has a budget of its own
SCENARIOS = {
    'fixed-8': ({'sched': 'fixed', 'priority': 31}, {'cpus': 8}, PERIOD),
    'fair-1': ({}, {'cpus': 1}, PERIOD + 2 * SLICE),
    'fair-8': ({}, {'cpus': 8}, PERIOD + 9 * SLICE),
    'budget-1': ({'sched': 'fixed', 'priority': 5}, {'cpus': 1, 'sched': 'fixed', 'priority': 20, 'budget': BUDGET, 'period': BUDGET_PERIOD},
                 PERIOD + BUDGET * 1000),
}


@one_cpu
@pytest.mark.parametrize('scenario', SCENARIOS)
def test_storms(cfg, boot, scenario):
    """Each storm, one after the other: no gap beyond what the class guarantees and two periods."""
    heart, storm, guarantee = SCENARIOS[scenario]
    vms = heartbeat(beats=1500, period_us=PERIOD // 1000, **heart) + harness.vm('storm', 'h-storm.elf', bootargs=f'ms={STORM_MS}', **storm)
    outcome = boot(vms, icount=True, limit=240, append='console=plain').finish(timeout=230)
    check_quiet(outcome.text)
    largest, windows = check_heart(outcome.text, beats=1500)
    storms = re.findall(r'@storm (\S+) from (\d+) to (\d+)', harness.vm_output(outcome.text, 'storm'))
    assert len(storms) == NR_STORMS
    worst, late, before = {}, {}, ''
    for name, begin, end in storms:
        gaps = [gap for at, gap in windows if at + 1_000_000 > int(begin) and at < int(end)]
        assert gaps, f'{name}: the heartbeat had ended before'
        worst[name] = max(gaps)
        # The last gap of a storm may end in the next one's time.
        more = storm.get('budget', 0) * 1000 if {name, before} & SLEEPERS or not before else 0
        before = name
        if worst[name] > guarantee + more + 2 * PERIOD:
            late[name] = worst[name]
    print(f'largest gap {largest}; guaranteed {guarantee}; ' + ' '.join(f'{name}={gap}' for name, gap in worst.items()))
    assert not late, f'gaps beyond {guarantee} + 2 * {PERIOD}: {late}'
    assert largest == max(gap for _, gap in windows)
    assert outcome.crashed == 0


@one_cpu
def test_start_of_eight(cfg, boot):
    """A VM of 8 vCPUs is planned, loaded and started in steps that a neighbour of the highest priority does not notice."""
    vms = heartbeat(beats=100, period_us=PERIOD // 1000, sched='fixed', priority=31)
    vms += harness.vm('storm', 'h-storm.elf', cpus=8, bootargs='ms=1 spin')
    outcome = boot(vms, icount=True, limit=60, append='console=plain').finish(timeout=50)
    largest, _ = check_heart(outcome.text, beats=100)
    print(f'largest gap {largest}')
    assert largest <= 3 * PERIOD


@one_cpu
@pytest.mark.parametrize('heart,guarantee', [({'sched': 'fixed', 'priority': 31}, PERIOD), ({}, PERIOD + (len(ENDLESS) + 6) * SLICE)],
                         ids=['fixed', 'fair'])
def test_endless_and_restarting(cfg, boot, heart, guarantee):
    """Guests that loop in exceptions, without interrupts, in traps; one that resets and one that crashes over and over."""
    vms = heartbeat(beats=1200, period_us=PERIOD // 1000, **heart)
    vms += ''.join(harness.vm(name, 'h-endless.elf', memory=4096, bootargs=name, background=True) for name in ENDLESS)
    vms += harness.vm('resets', 't-ending.elf', memory=4096, bootargs='reset', restart_limit=20, background=True)
    vms += harness.vm('crashes', 't-ending.elf', memory=4096, bootargs='abort', on_crash='restart', restart_limit=20, background=True)
    outcome = boot(vms, icount=True, limit=240, append='console=plain').finish(timeout=230, crashed=None)
    check_quiet(outcome.text)
    largest, _ = check_heart(outcome.text, beats=1200)
    print(f'largest gap {largest}; guaranteed {guarantee}')
    for name in ENDLESS:
        assert f'endless: {name} begins' in harness.vm_output(outcome.text, name)
    assert harness.vm_output(outcome.text, 'resets').count('ending: reset') >= 5
    assert largest <= guarantee + 2 * PERIOD, f'{largest} is beyond {guarantee} + 2 * {PERIOD}'


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[2])
def test_highest_priority_without_budget_on_another_cpu(cfg, boot):
    """Loops at priority 31 that never stop have CPU 0; the heartbeat on CPU 1 goes on, and so do loading and the console."""
    vms = heartbeat(beats=1000, affinity=[1])
    for name in ['masked', 'trapping'] + ENDLESS_NATIVE:
        vms += harness.vm(name, 'h-endless.elf', memory=4096, bootargs=name, background=True, sched='fixed', priority=31, affinity=[0])
    outcome = boot(vms, limit=60, append='console=plain').finish(timeout=50)
    check_quiet(outcome.text)
    check_heart(outcome.text, beats=1000)
    for name in ['masked', 'trapping'] + ENDLESS_NATIVE:
        assert f'endless: {name} begins' in harness.vm_output(outcome.text, name)
