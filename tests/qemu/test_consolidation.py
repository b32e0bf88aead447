# SPDX-License-Identifier: Apache-2.0
# The consolidation demo, and what it promises: a control loop at fixed priority is not late because of its neighbours.
import re

import harness
import pytest
from harness import vm


def worst(text, name='control'):
    return int(re.search(r'late by \d+ us on average, (\d+) at most', harness.vm_output(text, name))[1])


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[4])
def test_demo(cfg, boot):
    """All of configs/consolidation.dts comes to its end with right results. (How late, on this machine, says nothing: see below.)"""
    outcome = boot(harness.ROOT / 'configs/consolidation.dts', limit=200).finish(150)
    assert 'plant at 1000000 of 1000000: ok' in harness.vm_output(outcome.text, 'control')
    for name in ('busy-a', 'busy-b'):
        assert re.search(r'primes: 6 s: loops=\d+ ', harness.vm_output(outcome.text, name))


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[1])
def test_jitter(cfg, boot):
    """A tick is an instruction here: on a CPU shared with two busy VMs no step is later than 5,000 instructions (5 us)."""
    nodes = (vm('control', 'control.elf', memory=8192, bootargs='steps=1000 period_us=1000 limit_us=5', sched='fixed', priority=20,
                budget=300, period=1000) +
             vm('busy', 'primes.elf', memory=8192, bootargs='seconds=1') + vm('work', 'primes.elf', memory=8192, bootargs='seconds=1'))
    text = boot(nodes, icount=True).finish(200).text
    print(f'at most {worst(text)} us late')
    assert 'plant at 1000000 of 1000000: ok' in harness.vm_output(text, 'control')
