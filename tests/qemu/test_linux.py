# SPDX-License-Identifier: Apache-2.0
# The first big stranger: Debian's arm64 kernel, unmodified, with a busybox that does what guests/linux/init reads from bootargs.
import re

import harness
import pytest
from harness import vm

PANIC = r'Kernel panic|Oops|BUG:|Call trace|rcu.*stall|soft lockup|WARNING:|WRONG'
matrix = pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[4])


def linux(name='linux', do='', memory=131072, cpus=4, args='quiet panic=-1', **kw):
    return vm(name, 'linux', memory=memory, cpus=cpus, ramdisk='linux-initrd.gz',
              bootargs=f'console=ttyAMA0 {args} atoll={do}', **kw)


def works(text, name, cpus, times=1):
    """Each CPU has told `times` times that its sum is right, and the kernel had nothing to complain about."""
    out = re.sub(r'\r', '', harness.vm_output(text, name))
    for n in range(cpus):
        assert out.count(f'work: CPU {n}: right') == times, f'{name}: CPU {n} did not do its work {times} times:\n{out}'
    complaint = re.search(PANIC, out)
    assert not complaint, f'{name}: {complaint[0]}:\n{out}'


@matrix
@pytest.mark.parametrize('cpus', [1, 4])
def test_boot_work_poweroff(cfg, boot, cpus):
    machine = boot(linux(do='work,irqs,poweroff', cpus=cpus), limit=400)
    outcome = machine.finish(300)
    works(outcome.text, 'linux', cpus)
    assert re.search(rf'init: Linux 6\.1\.\S+, {cpus} CPUs, ', outcome.text)
    assert re.search(r'\] linux: off$', outcome.text, re.M)
    timers = re.search(r'^\[linux\] +\d+:((?: +\d+){%d}) .*arch_timer' % cpus, outcome.text, re.M)
    assert timers and all(int(n) > 10 for n in timers[1].split()), 'a CPU without timer interrupts'


@matrix
def test_hotplug(cfg, boot):
    """A CPU goes off by PSCI and comes back; what it then does is right."""
    outcome = boot(linux(do='work,hotplug,poweroff'), limit=400).finish(300)
    assert 'hotplug: 3 CPUs left' in outcome.text and 'hotplug: 4 CPUs again' in outcome.text
    out = harness.vm_output(outcome.text, 'linux')
    assert [out.count(f'work: CPU {n}: right') for n in range(4)] == [3, 2, 3, 3]


@matrix
def test_reboot_and_panic(cfg, boot):
    """`reboot` restarts the VM within restart-limit; so does a panic (panic=-1 asks for SYSTEM_RESET). Small: 64 MiB are enough."""
    machine = boot(linux('again', 'work,reboot', cpus=1, memory=65536, restart_limit=1) +
                   linux('sick', 'panic', cpus=2, memory=65536, restart_limit=1) +
                   vm('ok', 'clock.elf', bootargs='ticks=20'), limit=400)
    text = machine.finish(300).text
    works(text, 'again', 1, times=2)
    for name in ('again', 'sick'):
        assert len(re.findall(rf'\] {name}: reset$', text, re.M)) == 2
        assert re.search(rf' {name}: stays stopped: restart-limit 1 is used up', text)
    assert harness.vm_output(text, 'sick').count('Kernel panic - not syncing: sysrq triggered crash') == 2
    assert '20 interrupts for 20 ticks, 0 early: ok' in harness.vm_output(text, 'ok')


@matrix
def test_shell_on_console(cfg, boot):
    """What configs/linux.dts shows: a shell that one can type at."""
    machine = boot(harness.ROOT / 'configs/linux.dts', limit=300)
    machine.expect(r'init: Linux ', 120)
    machine.expect(r'# ', 60)
    machine.send('echo $((6 * 7)) $(nproc)\r')
    machine.expect(r'^(\[linux\] )?42 4\n', 60)
    machine.send('poweroff -f\r')
    assert machine.finish(120).stopped == 2


def crowd(boot, seconds, append=''):
    """Two Linux VMs and four unikernels on two CPUs: results are right, no timer interrupt is lost, no kernel complains."""
    ticks = seconds * 10
    nodes = (linux('one', f'soak={seconds},irqs,poweroff', cpus=2, memory=98304) +
             linux('two', f'soak={seconds},irqs,poweroff', cpus=2, memory=98304) +
             vm('clock', 'clock.elf', bootargs=f'ticks={ticks}') +
             vm('beat', 'clock.elf', bootargs=f'ticks={ticks * 5} period_us=20000 timer=phys', sched='fixed', priority=5) +
             vm('sum', 'primes.elf', bootargs=f'seconds={seconds}') +
             vm('libc', 'libc.elf', memory=32768))
    text = boot(nodes, limit=4 * seconds + 500, append=append).finish(4 * seconds + 400).text
    for name in ('one', 'two'):
        out = harness.vm_output(text, name)
        assert [f'soak: CPU {n}: right' in out for n in range(2)] == [True, True], f'{name}:\n{out}'
        assert not re.search(PANIC, out), f'{name}:\n{out}'
    assert f'{ticks} interrupts for {ticks} ticks, 0 early: ok' in harness.vm_output(text, 'clock')
    assert f'{ticks * 5} interrupts for {ticks * 5} ticks, 0 early: ok' in harness.vm_output(text, 'beat')
    assert re.search(rf'primes: {seconds} s: loops=\d+ ', harness.vm_output(text, 'sum'))


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[2])
def test_two_linux_four_unikernels(cfg, boot):
    crowd(boot, 60)


@pytest.mark.slow
@pytest.mark.matrix(compiler=['clang'], gic=[3, 2], smp=[2])
def test_two_linux_four_unikernels_long(cfg, boot):
    crowd(boot, 600)
