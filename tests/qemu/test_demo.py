# SPDX-License-Identifier: Apache-2.0
# The demonstration manifest, as `make run </dev/null` runs it: all four machines end by themselves with the same results.
import re

import harness
import pytest

RESULTS = {
    'hello': r'Hello from a unikernel on Atoll$',
    'primes-a': r'primes: below \d+: loops=\d+ primes=\d+$',
    'primes-b': r'primes: below \d+: loops=\d+ primes=\d+$',
    'libc': r'libc: \d+ checks, 0 failed$',
}
# What the first run that got here saw: (name of VM -> result), to hold the others against.
seen = {}


def results(text):
    """{VM: its line of RESULTS} from the console of a whole run."""
    found = {}
    for vm, pattern in RESULTS.items():
        match = re.search(rf'^\[{vm}\] ({pattern})', text, re.M)
        assert match, f'no line "[{vm}] {pattern}"'
        found[vm] = match[1]
    return found


@pytest.mark.matrix(compiler=['gcc'])
def test_demo_ends_by_itself(cfg, boot):
    machine = boot(harness.ROOT / 'configs/demo.dts', append='console=plain when-idle=poweroff', limit=120)
    outcome = machine.finish(timeout=90)
    assert outcome.stopped >= 5
    got = results(outcome.text)
    assert got['primes-a'] == got['primes-b']
    # Workers are processes of their own: this holds the runs of one against each other, and the values below all of them.
    for vm, line in got.items():
        assert seen.setdefault(vm, line) == line, vm
    loops, primes = map(int, re.search(r'loops=(\d+) primes=(\d+)', got['primes-a']).groups())
    assert primes == 17984, 'the number of primes below 200000'
    assert loops > primes


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
