# SPDX-License-Identifier: Apache-2.0
# The demonstration manifest, as `make run </dev/null` runs it: all four machines end by themselves with the same results.
import re

import harness
import pytest

RESULTS = {
    'hello': r'Hello from a unikernel on Atoll',
    'clock': r'clock: 5 interrupts for 5 ticks, 0 early: ok',
    'primes-a': r'primes: below 200000: loops=\d+ primes=17984',  # as many as there are
    'primes-b': r'primes: below 200000: loops=\d+ primes=17984',
    'libc': r'libc: \d{3,} checks, 0 failed',
}
LOOPS = 'loops=3529200 '  # the divisions that primes' algorithm takes for its limit: the same on every machine


@pytest.mark.matrix(compiler=['gcc'])
def test_demo_ends_by_itself(cfg, boot):
    machine = boot(harness.ROOT / 'configs/demo.dts', append='console=plain when-idle=poweroff', limit=120)
    outcome = machine.finish(timeout=90)
    assert outcome.stopped == 6
    for vm, pattern in RESULTS.items():
        printed = harness.vm_output(outcome.text, vm)
        assert re.search(pattern, printed), f'{vm} printed {printed!r}'
        assert re.search(rf'^\[.*\] {vm}: exit\(0\)$', outcome.text, re.M), f'{vm} did not exit with status 0'
    for vm in ('primes-a', 'primes-b'):
        assert LOOPS in harness.vm_output(outcome.text, vm)


@pytest.mark.matrix(compiler=['gcc'], gic=[3], smp=[4])
def test_uboot_takes_commands(cfg, boot):
    machine = boot(harness.ROOT / 'configs/demo.dts', when_idle=None, append='when-idle=wait')
    machine.expect(r'Hit any key to stop autoboot', timeout=60)
    machine.send('\r')
    machine.expect(r'=> ', timeout=30)
    machine.send('version\r')
    machine.expect(r'U-Boot 20\d\d\.\d\d', timeout=20)
    machine.send('bdinfo\r')
    machine.expect(r'lmb_dump_all|relocaddr', timeout=20)
