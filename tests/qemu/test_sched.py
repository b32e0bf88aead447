# SPDX-License-Identifier: Apache-2.0
# Scheduling as the guests see it. With ICOUNT=1 a counter tick is an instruction, so that the shares are exact and repeat.
import random
import re

import harness
import pytest
from harness import vm

ESC = '\x1d'
exact = pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[1])


def primes(name, seconds=1, **kw):
    return vm(name, 'primes.elf', memory=8192, bootargs=f'seconds={seconds}', **kw)


def loops(text, name):
    match = re.fullmatch(r'primes: \d s: loops=(\d+) primes=\d+', harness.vm_output(text, name))
    assert match, f'{name} printed {harness.vm_output(text, name)!r}'
    return int(match[1])


def counted(boot, nodes):
    """The output of a run in which a tick is an instruction."""
    return boot(nodes, icount=True, limit=240).finish(timeout=200).text


def near(value, wanted, part=0.02):
    assert abs(value / wanted - 1) < part, f'{value} is not within {part:.0%} of {wanted}'


def lateness(printed, period):
    """How late clock.elf was told of each tick, in us, from what it printed with `verbose`."""
    late = [int(at) - int(n) * period for n, at in re.findall(r'tick (\d+) at (\d+) us', printed)]
    print(f'late by {sum(late) / max(len(late), 1):.0f} us, at most {max(late)} us')
    return late


@pytest.fixture(scope='session')
def alone():
    """Loops in a second of one primes VM that has the CPU for itself, by GIC; measured once."""
    return {}


def loops_alone(boot, alone, cfg):
    if cfg.gic not in alone:
        alone[cfg.gic] = loops(counted(boot, primes('alone')), 'alone')
    return alone[cfg.gic]


@exact
def test_weights(cfg, boot, alone):
    """After 2 s, weights 1:3 are loops 1:3 within 2 %, and together what one alone does: sharing costs next to nothing."""
    text = counted(boot, primes('one', 2, weight=100) + primes('three', 2, weight=300))
    one, three = loops(text, 'one'), loops(text, 'three')
    print(f'loops {one}:{three} = 1:{three / one:.4f}')
    near(three / one, 3)
    near(one + three, 2 * loops_alone(boot, alone, cfg), 0.03)


@exact
def test_fixed_goes_before_fair_and_higher_before_lower(cfg, boot):
    """All are loaded and wait; then the largest priority runs alone until it ends, then the next, and fair at last."""
    nodes = (vm('fair', 'act.elf', memory=8192, weight=10000, bootargs='sleep=200 say=fair-begins spin=1 say=fair-ends') +
             vm('low', 'act.elf', memory=8192, sched='fixed', priority=1, bootargs='sleep=200 say=low-begins spin=200 say=low-ends') +
             vm('high', 'act.elf', memory=8192, sched='fixed', priority=20,
                bootargs='sleep=100 say=high-begins spin=400 say=high-ends'))
    text = counted(boot, nodes)
    order = re.findall(r'^\[\w+\] (\w+-(?:begins|ends))$', text, re.M)
    assert order == [f'{name}-{what}' for name in ('high', 'low', 'fair') for what in ('begins', 'ends')]


@exact
def test_higher_priority_preempts_at_its_deadline(cfg, boot):
    """`high` wakes every 10 ms while `low` computes and a fair one waits: each of its ticks comes within a millisecond."""
    nodes = (vm('high', 'clock.elf', memory=8192, sched='fixed', priority=20, bootargs='ticks=60 period_us=10000 verbose') +
             vm('low', 'act.elf', memory=8192, sched='fixed', priority=1, bootargs='sleep=50 spin=800'))
    printed = harness.vm_output(counted(boot, nodes), 'high')
    late = lateness(printed, 10000)
    assert len(late) == 60 and max(late) < 1000, late


@exact
def test_budget_and_period(cfg, boot, alone):
    """2 ms of every 10 ms: a fifth of the CPU within 2 %, the rest for the fair one, however small its weight."""
    text = counted(boot, primes('limited', sched='fixed', priority=10, budget=2000, period=10000) + primes('rest', weight=1))
    limited, rest = loops(text, 'limited'), loops(text, 'rest')
    print(f'loops {limited}:{rest}, {limited / (limited + rest):.4f} of all')
    near(limited / (limited + rest), 0.2)
    near(limited, loops_alone(boot, alone, cfg) * 0.2, 0.03)


@exact
def test_budget_is_a_limit_on_an_idle_cpu_too(cfg, boot, alone):
    text = counted(boot, primes('limited', sched='fixed', priority=10, budget=3000, period=10000))
    near(loops(text, 'limited'), loops_alone(boot, alone, cfg) * 0.3, 0.03)


@exact
def test_same_priority_shares(cfg, boot):
    text = counted(boot, primes('a', sched='fixed', priority=5) + primes('b', sched='fixed', priority=5))
    near(loops(text, 'a'), loops(text, 'b'), 0.05)


@exact
def test_a_sleeper_is_served_at_once(cfg, boot):
    """A fair VM that mostly sleeps is not held up by two that compute: its ticks come, none early, and its last one in time."""
    nodes = primes('a') + primes('b') + vm('sleeper', 'clock.elf', memory=8192, bootargs='ticks=100 period_us=10000 verbose')
    text = counted(boot, nodes)
    printed = harness.vm_output(text, 'sleeper')
    assert '100 interrupts for 100 ticks, 0 early: ok' in printed
    late = lateness(printed, 10000)
    assert len(late) == 100 and max(late) < 10000, late


on_four = pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[4])


def measured(boot, nodes, names, timeout=150):
    """A run in which a tick is an instruction: the text, {name: ms of CPU time by `stats`}, and what `sched` says of the same."""
    machine = boot(nodes, icount=True, limit=timeout + 60, append='when-idle=wait')
    machine.expect(f'atoll: {len(names)} VMs stopped', timeout=timeout)
    machine.send(ESC + 'h')
    machine.expect('atoll> ')
    tables = []
    for verb in ('stats', 'sched'):
        machine.send(verb + '\r')
        table = machine.expect(r'(?s)\nvm .*?\natoll> ')[0]
        column = re.search(r'\nvm .*', table)[0].split().index('run_ms')
        tables.append({row[0]: int(row[column]) for row in map(str.split, table.split('\n')) if row and row[0] in names})
    machine.send('poweroff\r')
    assert machine.wait_end(60) == 0
    return machine.text, *tables


@on_four
def test_five_on_four_cpus(cfg, boot):
    """
    Five that compute, equal and free to run anywhere: after 2 s each had four fifths of a CPU, and no CPU idled.
    By CPU time: how many instructions an emulated CPU gets in its time is QEMU's affair, and it is not the same for all.
    """
    names = ['a', 'b', 'c', 'd', 'e']
    text, ran, _ = measured(boot, ''.join(primes(name, 2) for name in names), names)
    print(f'CPU time {ran} ms, loops {[loops(text, name) for name in names]}')
    assert len(ran) == 5 and sum(ran.values()) > 7800
    assert max(ran.values()) < 1.1 * min(ran.values())


@exact
def test_counts_agree_with_what_guests_count(cfg, boot):
    """CPU time in `stats` and `sched` against loops counted by the guests, with three weights on one CPU: within 2 %."""
    names = {'a': 100, 'b': 300, 'c': 50}
    text, *tables = measured(boot, ''.join(primes(name, 2, weight=weight) for name, weight in names.items()), names)
    counts = {name: loops(text, name) for name in names}
    for ran in tables:
        print(f'CPU time {ran} ms, loops {counts}')
        near(sum(ran.values()), 2000)
        for name in names:
            near(ran[name] / sum(ran.values()), counts[name] / sum(counts.values()))


def wakers(vms, hops, seed):
    """Nodes of VMs that pass tokens between their vCPUs; random numbers of them, CPUs they may use, classes and weights."""
    rand, nodes = random.Random(seed), ''
    for n in range(vms):
        cpus, tokens = rand.randint(3, 5), rand.randint(1, 3)
        policy = dict(sched='fixed', priority=rand.randint(1, 20)) if n % 3 == 2 else dict(weight=rand.choice([30, 100, 400]))
        if n % 6 == 5:
            policy.update(budget=1000, period=10000)
        nodes += vm(f'vm{n}', 't-wakes.elf', cpus=cpus, bootargs=f'hops={hops // vms} tokens={tokens} seed={seed * 100 + n}',
                    affinity=sorted(rand.sample(range(4), rand.randint(1, 4))), **policy)
    return nodes


def no_wake_up_is_lost(boot, vms, hops, seed, timeout):
    outcome = boot(wakers(vms, hops, seed), icount=True, limit=timeout + 60).finish(timeout=timeout, crashed=None)
    wakes = 0
    for n in range(vms):
        printed = harness.vm_output(outcome.text, f'vm{n}')
        assert 'no token stands still ... ok' in printed, printed
        wakes += sum(int(w) for w in re.findall(r'woke (\d+) times', printed))
    print(f'{wakes} wake-ups')
    assert outcome.crashed == 0
    return wakes


@on_four
def test_no_wake_up_is_lost(cfg, boot):
    assert no_wake_up_is_lost(boot, 6, 36000, 1, 120) > 20000


@pytest.mark.slow
@on_four
def test_no_wake_up_is_lost_of_a_million(cfg, boot):
    assert sum(no_wake_up_is_lost(boot, 6, 300000, seed, 900) for seed in range(2, 7)) > 1000000


@on_four
def test_affinity(cfg, boot):
    """Two that may use CPU 2 only share it 1:3 although three CPUs idle; the shell shows where they are."""
    nodes = primes('one', 2, weight=100, affinity=[2]) + primes('three', 2, weight=300, affinity=[2])
    machine = boot(nodes + vm('pair', 'smp.elf', cpus=2, affinity=[0, 3], bootargs='increments=100 rounds=5 restarts=1'),
                   append='when-idle=poweroff', icount=True)
    machine.expect(r'\] pair: exit\(0\)', timeout=60)
    machine.send(ESC + 'h')
    machine.expect('atoll> ')
    machine.send('info one\rinfo three\rinfo pair\r')
    for name in ('one', 'three'):
        machine.expect(rf'(?s)\nname +{name}\s.*?\n +0 (running|ready) +2 +0x4 ')
    match = machine.expect(r'(?s)\nname +pair\s.*?\n +0 \w+ +(\d) +0x9 .*?\n +1 \w+ +(\d) +0x9 ')
    assert {match[1], match[2]} <= {'0', '3'}
    text = machine.finish().text
    near(loops(text, 'three') / loops(text, 'one'), 3, 0.2)


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[2])
def test_nothing_ticks_when_one_runs(cfg, boot):
    """A computing VM alone on its CPU: no interrupt and no exit there for seconds, by the counts of `stats`."""
    machine = boot(vm('calc', 'act.elf', memory=8192, affinity=[1], bootargs='say=begun spin=60000'), append='', limit=120)
    machine.expect(r'\[calc\] begun', timeout=60)
    machine.send(ESC + 'h')
    machine.expect('atoll> ')

    def counts():
        machine.send('stats\r')
        match = machine.expect(r'calc +0 +(\d+) +\d+ +(\d+) .*\n(?:.*\n)*? +1 +(\d+) +\d+ +(\d+) +(\d+)\s')
        return [int(n) for n in match.groups()]

    machine.wait_quiet(1)
    ran, exits, now, interrupts, switches = counts()
    machine.wait_quiet(4)
    ran2, exits2, now2, interrupts2, switches2 = counts()
    assert now2 - now >= 3900 and ran2 - ran >= 0.9 * (now2 - now), 'calc did not run all the time'
    assert (exits2, interrupts2, switches2) == (exits, interrupts, switches)
