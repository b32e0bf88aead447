# SPDX-License-Identifier: Apache-2.0
# A short demonstration on every build and machine: compilers, GICs, numbers of CPUs, CPU models, debug builds.
import re

import harness
import pytest
from harness import vm

NODES = (vm('hello', 'hello.elf') + vm('clock', 'clock.elf', bootargs='ticks=5 period_us=20000') +
         vm('phys', 'clock.elf', bootargs='ticks=5 period_us=20000 timer=phys') + vm('primes', 'primes.elf', bootargs='limit=20000') +
         vm('smp', 'smp.elf', cpus=4, bootargs='increments=2000 rounds=20 restarts=2') +
         vm('uboot', 'u-boot.bin', memory=131072, format='raw', background=True))


def check(outcome, stopped=6):
    text = outcome.text
    assert outcome.stopped == stopped
    assert 'Hello from a unikernel on Atoll' in harness.vm_output(text, 'hello')
    for name in ('clock', 'phys'):
        assert '5 interrupts for 5 ticks, 0 early: ok' in harness.vm_output(text, name), name
    assert re.fullmatch(r'primes: below 20000: loops=\d+ primes=2262', harness.vm_output(text, 'primes'))
    assert harness.vm_output(text, 'smp').endswith('smp: ok')
    assert harness.stray_lines(text) == []


@pytest.mark.smoke
def test_short_demo(cfg, boot):
    check(boot(NODES, limit=120).finish())


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[2])
@pytest.mark.parametrize('cpu', ['cortex-a53', 'max'])
def test_cpu_models(cfg, boot, cpu):
    check(boot(NODES, cpu=cpu, limit=120).finish())


@pytest.mark.slow
@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[4])
@pytest.mark.parametrize('cpu', ['cortex-a35', 'cortex-a55', 'cortex-a57', 'cortex-a76', 'cortex-a710', 'neoverse-n1',
                                 'neoverse-n2', 'neoverse-v1', 'a64fx'])
def test_more_cpu_models(cfg, boot, cpu):
    check(boot(NODES, cpu=cpu, limit=120).finish())


@pytest.mark.matrix(compiler=['gcc'], gic=[3], smp=[2, 3, 8, 16])
def test_numbers_of_cpus(cfg, boot):
    outcome = boot(NODES, limit=180).finish(timeout=150)
    check(outcome)
    assert f'CPUs   {cfg.smp} x ' in outcome.text


@pytest.mark.slow
@pytest.mark.matrix(compiler=['gcc', 'clang'], debug=[True])
def test_debug_builds(cfg, boot):
    check(boot(NODES, limit=180).finish(timeout=150))
