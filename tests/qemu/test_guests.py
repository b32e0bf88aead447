# SPDX-License-Identifier: Apache-2.0
# The guest test programs of tests/guest: many VMs a start, on both GICs, with one host CPU and with four.
import re

import harness
import pytest

PROGRAMS = ['timers', 'gic', 'psci', 'mmio', 'sysregs', 'fp', 'context', 'sharedtimer', 'wfi', 'rtc']
each_gic = pytest.mark.matrix(compiler=['gcc'], gic=[2, 3], smp=[4])
each_machine = pytest.mark.matrix(compiler=['gcc'], gic=[2, 3], smp=[1, 4])


def program(name, test, cpus=1, args='', **properties):
    return harness.vm(name, f't-{test}.elf', cpus=cpus, bootargs=args, **properties)


def stop_reason(text, name):
    """The last stop reason that Atoll printed for a VM."""
    reasons = re.findall(rf'^\[[^]]*\] {re.escape(name)}: (off|reset|exit\(-?\d+\)|crash\b.*)', text, re.M)
    return reasons[-1] if reasons else None


def verdict(outcome, name, test):
    """What is wrong with a VM's run, in words; empty when all of its checks are ok."""
    printed = harness.vm_output(outcome.text, name)
    end = re.search(rf'{test}: (\d+) checks, (\d+) failed', printed)
    failures = re.findall(rf'{test}: (?:(?!{test}: ).)*?\.\.\. FAIL(?: \([^)]*\))?', printed)
    if end and end[1] != '0' and end[2] == '0' and not failures and stop_reason(outcome.text, name) == 'exit(0)':
        return ''
    return f'{name}: {end[0] if end else "no result"}; ended by {stop_reason(outcome.text, name)}; {failures}'


def run(boot, manifest, tests, timeout=60, **boot_args):
    """Start VMs, wait for Atoll's end; tests: {VM name: program}. All have to pass."""
    machine = boot(manifest, append='console=plain', limit=timeout + 10, **boot_args)
    outcome = machine.finish(timeout=timeout, crashed=None)
    wrong = [w for name, test in tests.items() if (w := verdict(outcome, name, test))]
    assert not wrong, '\n'.join(wrong)
    assert outcome.crashed == 0 and outcome.stopped >= len(tests)
    return outcome


@each_machine
@pytest.mark.parametrize('test,cpus', [('timers', 1), ('gic', 1), ('gic', 2), ('gic', 4), ('psci', 1), ('psci', 4), ('mmio', 2),
                                       ('sysregs', 1), ('wfi', 2), ('rtc', 1)])
def test_program(cfg, boot, test, cpus):
    """One VM with the machine to itself."""
    run(boot, program('vm', test, cpus), {'vm': test})


@each_machine
def test_all_at_once(cfg, boot):
    """Every program, several times over, as VMs that share the CPUs."""
    vms = {'timers-a': ('timers', 1), 'timers-b': ('timers', 1), 'gic-1': ('gic', 1), 'gic-4': ('gic', 4), 'psci-3': ('psci', 3),
           'psci-8': ('psci', 8), 'mmio': ('mmio', 1), 'sysregs': ('sysregs', 1), 'fp': ('fp', 1), 'context': ('context', 1),
           'shared': ('sharedtimer', 2), 'wfi': ('wfi', 2), 'rtc': ('rtc', 1)}
    # gic takes the names of its sections as arguments: none means all.
    run(boot, ''.join(program(name, test, cpus, '' if test == 'gic' else f'seed={n + 1}')
                      for n, (name, (test, cpus)) in enumerate(vms.items())),
        {name: test for name, (test, cpus) in vms.items()}, timeout=90)


@each_gic
@pytest.mark.parametrize('test', ['fp', 'context'])
def test_registers_of_vms_on_one_cpu(cfg, boot, test):
    """Three VMs with patterns of their own, preempted and blocked, on host CPU 1; one of them fixed with a budget."""
    vms = ''.join(program(f'vm-{n}', test, args=f'seed={n} us=1000000', affinity=[1]) for n in range(2))
    vms += program('vm-2', test, args='seed=77 us=1000000', affinity=[1], sched='fixed', priority=4, budget=3000, period=10000)
    run(boot, vms, {f'vm-{n}': test for n in range(3)})


@each_machine
@pytest.mark.parametrize('timer', ['virt', 'phys'])
def test_preempted_in_timer_handlers(cfg, boot, timer):
    """Two VMs, and two vCPUs of a third, that are preempted within their timer handlers on one host CPU: all timers go on."""
    vms = {'vm-a': 1, 'vm-b': 1, 'vm-c': 2}
    outcome = run(boot, ''.join(program(name, 'sharedtimer', cpus, f'timer={timer} shared', affinity=[0])
                                for name, cpus in vms.items()), {name: 'sharedtimer' for name in vms})
    for name, cpus in vms.items():
        handlers = re.findall(r'cpu \d: (\d+) handlers, preempted in (\d+)', harness.vm_output(outcome.text, name))
        assert len(handlers) == cpus and all(int(fired) == 30 for fired, _ in handlers), f'{name}: {handlers}'


ENDINGS = {'exit-0': ('exit 0', 'exit(0)'), 'exit-3': ('exit 3', 'exit(3)'), 'exit-n': ('exit -1', 'exit(-1)'), 'aborts': ('abort', 'crash'),
           'faults': ('fault', 'crash'), 'off': ('off', 'off'), 'cpu-off': ('cpu_off', 'off'), 'last-off': ('last_off', 'off'),
           'off-busy': ('off_busy', 'off'), 'resets': ('reset', 'reset')}
CRASHED = {'exit-3', 'exit-n', 'aborts', 'faults'}


@each_machine
def test_endings(cfg, boot):
    """Each stop reason, with a VM beside them that goes on, and one that faults for ever; non-zero exits count as crashes."""
    vms = ''.join(program(name, 'ending', 3, args) for name, (args, _) in ENDINGS.items() if name != 'resets')
    vms += program('resets', 'ending', 1, 'reset', restart_limit=2)
    vms += program('beside', 'timers')
    vms += program('vectors', 'ending', 1, 'bad_vectors', background=True)
    machine = boot(vms, append='console=plain')
    outcome = machine.finish(timeout=60, crashed=None)
    wrong = [f'{name}: {stop_reason(outcome.text, name)}, expected {end}' for name, (_, end) in ENDINGS.items()
             if not (stop_reason(outcome.text, name) or '').startswith(end)]
    assert not wrong, wrong
    assert not verdict(outcome, 'beside', 'timers'), verdict(outcome, 'beside', 'timers')
    assert not [name for name in ENDINGS if 'still here' in harness.vm_output(outcome.text, name)]
    assert harness.vm_output(outcome.text, 'resets').count('ending: reset') == 3, 'the first start and restart-limit = 2 more'
    assert outcome.stopped == len(ENDINGS) + 2
    assert outcome.crashed == len(CRASHED), 'a VM that used up its restart-limit by resets is no crash'


@each_gic
def test_restart_after_crash(cfg, boot):
    """on-crash = restart: as often as restart-limit says; on-crash = stop: once."""
    machine = boot(program('again', 'ending', 1, 'exit 1', on_crash='restart', restart_limit=3) +
                   program('once', 'ending', 1, 'abort', on_crash='stop'), append='console=plain')
    outcome = machine.finish(timeout=60, crashed=2)
    assert harness.vm_output(outcome.text, 'again').count('ending: exit') == 4
    assert harness.vm_output(outcome.text, 'once').count('ending: abort') == 1


@each_machine
def test_console_input_by_interrupts(cfg, boot):
    """Lines that are typed arrive whole and in order, also when they come much faster than they are read (1 KiB is kept)."""
    machine = boot(program('typist', 'uartin', console=True) + program('beside', 'fp', args='us=500000'), append='console=plain')
    machine.expect(r'uartin: ready', timeout=30)
    machine.send('hello\r')
    machine.expect(r'uartin: line 1 has 5: hello$', timeout=20)
    words = [f'line number {n} {"x" * (n % 23)}' for n in range(2, 32)]
    for word in words:
        machine.send(word + '\r')
    for n, word in enumerate(words, 2):
        machine.expect(rf'uartin: line {n} has {len(word)}: {word}$', timeout=20)
    assert sum(len(word) + 1 for word in words) < 1024
    machine.send('end\r')
    outcome = machine.finish(timeout=60)
    assert f'uartin: 31 lines, {5 + sum(map(len, words))} characters' in harness.vm_output(outcome.text, 'typist')
