# SPDX-License-Identifier: Apache-2.0
# How VMs end and what follows: reasons, restarts with their limit and back-off, panic, background, idle, the last line.
import re

import harness
import pytest
from harness import vm
from test_shell import Shell

ESC = '\x1d'


def stamps(text, pattern):
    """Seconds of the log lines that match."""
    return [float(t) for t in re.findall(rf'^\[(\d+\.\d+) cpu\d+\] {pattern}', text, re.M)]


def refused_end(machine, timeout=60):
    """The host stopped for another reason than that all VMs had: status of QEMU, and no verdict as the last line."""
    status = machine.wait_end(timeout)
    assert harness.run_qemu.verdict(machine.text) is None
    return status


def test_reasons(cfg, boot):
    """Every way to end, each told in words and counted rightly, beside neighbours that are not disturbed."""
    ends = {'zero': ('exit=0', r'exit\(0\)', 0), 'seven': ('exit=7', r'exit\(7\)', 1), 'minus': ('exit=-2', r'exit\(-2\)', 1),
            'off': ('off', 'off', 0), 'fault': ('fault', 'crash', 1), 'abort': ('abort', 'crash', 1),
            'reset': ('reset', 'reset', 0)}
    nodes = ''.join(vm(name, 'act.elf', memory=8192, bootargs=f'say=on sleep=300 {args}', restart_limit=0)
                    for name, (args, _, _) in ends.items())
    machine = boot(nodes + vm('neighbour', 'clock.elf', bootargs='ticks=10 period_us=100000'))
    outcome = machine.finish(crashed=None)
    for name, (_, reason, _) in ends.items():
        assert len(stamps(outcome.text, rf'{name}: {reason}$')) == 1, name
        assert harness.vm_output(outcome.text, name).startswith('on')
    assert '10 interrupts for 10 ticks, 0 early: ok' in harness.vm_output(outcome.text, 'neighbour')
    assert (outcome.stopped, outcome.crashed) == (8, sum(c for _, _, c in ends.values()))
    assert 'reset: stays stopped: restart-limit 0 is used up' in outcome.text
    assert harness.stray_lines(outcome.text) == []


def test_crash_screen(cfg, boot):
    """A crash is explained: what, where, registers, last events, manifest node, what came of it; the guest's report comes first."""
    machine = boot(vm('bad', 'act.elf', bootargs='fault'))
    text = machine.finish(crashed=1).text
    assert '*** data abort, write: nothing mapped' in harness.vm_output(text, 'bad')
    for words in ('VM bad crashed: ', 'data abort', 'FAR 0x0000000000000008', 'vCPU 0: pc ', 'x28 ', 'sp_el1 ',
                  'event [', ' vCPU 0: stop, data abort pc ', 'manifest node /chosen/hypervisor/bad, on-crash = "stop", 0 restarts of 3',
                  'bad: crash', 'bad: stays stopped: on-crash = "stop"'):
        assert words in text, words
    assert text.index('*** data abort') < text.index('VM bad crashed')


def test_restart_with_limit_and_back_off(cfg, boot):
    """on-crash = "restart": as often as restart-limit says, after 10, 20, 40 ... ms."""
    nodes = (vm('bad', 'act.elf', memory=4096, bootargs='say=up exit=1', on_crash='restart', restart_limit=5) +
             vm('once', 'act.elf', memory=4096, bootargs='say=up fault', on_crash='restart', restart_limit=1) +
             vm('good', 'act.elf', memory=4096, bootargs='say=up exit=0', on_crash='restart'))
    outcome = boot(nodes).finish(crashed=2)
    assert harness.vm_output(outcome.text, 'bad') == 'up' * 6
    assert harness.vm_output(outcome.text, 'once').count('up*** data abort') == 2
    assert harness.vm_output(outcome.text, 'good') == 'up'
    assert 'bad: stays stopped: restart-limit 5 is used up' in outcome.text
    assert 'once: stays stopped: restart-limit 1 is used up' in outcome.text
    assert [int(n) for n in re.findall(r'bad: restart \d of 5 in (\d+) ms', outcome.text)] == [10, 20, 40, 80, 160]
    ended = stamps(outcome.text, r'bad: exit\(1\)')
    assert len(ended) == 6
    for i, (first, second) in enumerate(zip(ended, ended[1:])):
        assert second - first >= 0.010 * 2 ** i, f'restart {i + 1} came too early: {ended}'
    assert outcome.stopped == 3


def test_restarted_memory_is_as_at_first(cfg, boot):
    """A second start finds nothing of the first: the libc checks (heap, .data, .bss) pass again after a crash."""
    machine = boot(vm('sh', 'shell.elf', bootargs='sh', on_crash='restart', restart_limit=2) +
                   vm('keep', 'act.elf', memory=4096, bootargs='hang', background=True), append='')
    for how, reason in (('crash', 'crash'), ('exit 9', r'exit\(9\)')):
        machine.expect(r'\[sh\] sh: type help\n')
        machine.send('mem\r')
        machine.expect(r'ram 16384 KiB at 0x40000000, (\d+) KiB not yet used')
        machine.send(how + '\r')
        machine.expect(rf'\] sh: {reason}\n')
    machine.expect(r'\[sh\] sh: type help\n')
    machine.send('mem\r')
    machine.expect('not yet used')
    machine.send('exit 0\r')
    outcome = machine.finish()
    assert len(set(re.findall(r'0x40000000, (\d+) KiB', outcome.text))) == 1
    assert outcome.stopped == 2


def test_reset_restarts_at_once_and_is_counted(cfg, boot):
    outcome = boot(vm('again', 'act.elf', memory=4096, bootargs='say=up reset', restart_limit=3)).finish()
    assert harness.vm_output(outcome.text, 'again') == 'up' * 4
    assert len(stamps(outcome.text, 'again: reset$')) == 4
    assert 'again: stays stopped: restart-limit 3 is used up' in outcome.text


@pytest.mark.parametrize('args', ['exit=4', 'fault'])
def test_on_crash_panic(cfg, boot, args):
    """on-crash = "panic" stops the host, at once, although another VM still runs; headless it is switched off."""
    nodes = (vm('vital', 'act.elf', bootargs=f'say=up {args}', on_crash='panic') +
             vm('other', 'act.elf', bootargs='sleep=600000'))
    machine = boot(nodes, append='when-idle=poweroff panic=poweroff')
    machine.expect(r'\*\*\* hypervisor panic on CPU \d+: VM vital failed and its manifest says on-crash = "panic"\n', timeout=60)
    refused_end(machine)


def test_panic_policy(cfg, boot):
    """panic=halt (the default) keeps the screen; panic=reboot starts again."""
    bad = vm('vital', 'act.elf', bootargs='sleep=300 exit=1', on_crash='panic')
    machine = boot(bad, append='')
    machine.expect(r'\*\*\* halted\n', timeout=60)
    machine.expect_not('.', 2)
    machine = boot(bad, append='panic=reboot')
    for _ in range(2):
        machine.expect(r'Atoll \S+ on QEMU virt', timeout=60)
        machine.expect(r'hypervisor panic', timeout=60)


def test_requests_in_back_off(cfg, boot):
    """A VM that waits for its restart is stopped at once, counts anew when it is started again, and can be destroyed."""
    nodes = (vm('bad', 'act.elf', memory=4096, bootargs='exit=1', on_crash='restart', restart_limit=1000) +
             vm('keep', 'act.elf', memory=4096, bootargs='hang'))
    machine = boot(nodes, append='', when_idle='wait')
    machine.expect(r'bad: restart 8 of 1000 in 1280 ms\n', timeout=60)
    sh = Shell(machine)
    sh.text('stop bad', r'^bad is stopped\n')
    assert sh.vms()['bad']['last_stop'] == 'stopped by the host'
    machine.expect_not('bad: restart', 2)
    machine.send('start bad\r')
    machine.expect(r'bad: restart 1 of 1000 in 10 ms\n')
    machine.expect(r'bad: restart 7 of 1000 in 640 ms\n')
    sh.text('destroy bad', r'^bad is gone\n')
    machine.expect_not('bad: (exit|restart)', 2)
    assert list(sh.vms()) == ['keep']


def test_autostart(cfg, boot):
    """autostart = <0>: not started, told in the table, and not counted."""
    outcome = boot(vm('first', 'act.elf', memory=4096, bootargs='say=here') +
                   vm('second', 'act.elf', memory=4096, bootargs='say=here', autostart=0)).finish()
    assert outcome.stopped == 1
    assert re.search(r'^ +1 +second .*\(not started\)$', outcome.text, re.M)
    assert harness.vm_output(outcome.text, 'second') == ''


def test_nothing_starts(cfg, boot):
    assert boot(vm('only', 'act.elf', memory=4096, autostart=0)).finish(timeout=30).stopped == 0


def test_background_is_stopped_last(cfg, boot):
    """Who is `background` does not keep the host on; a background VM that crashes counts, but restarts nothing else."""
    nodes = (vm('server', 'act.elf', memory=4096, bootargs='say=serving hang', background=True) +
             vm('broken', 'act.elf', memory=4096, bootargs='exit=1', background=True) +
             vm('work', 'act.elf', memory=4096, bootargs='sleep=1500 say=worked'))
    outcome = boot(nodes).finish(crashed=1)
    assert outcome.stopped == 3
    server, work = stamps(outcome.text, 'server: stopped by the host$'), stamps(outcome.text, r'work: exit\(0\)$')
    assert len(server) == 1 and len(work) == 1 and server[0] >= work[0] >= 1.5


def test_background_that_restarts_does_not_outlive_the_work(cfg, boot):
    """A background VM in its back-off when the work ends: the host goes off without waiting for it."""
    nodes = (vm('broken', 'act.elf', memory=4096, bootargs='exit=1', background=True, on_crash='restart', restart_limit=1000) +
             vm('work', 'act.elf', memory=4096, bootargs='sleep=2000 say=worked'))
    outcome = boot(nodes).finish(crashed=None, timeout=30)
    assert outcome.stopped == 2


def test_only_background(cfg, boot):
    """Nothing but background VMs: they run until they have stopped by themselves."""
    outcome = boot(vm('one', 'act.elf', memory=4096, bootargs='sleep=500 say=done', background=True) +
                   vm('two', 'act.elf', memory=4096, bootargs='say=done', background=True)).finish()
    assert outcome.stopped == 2
    assert harness.vm_output(outcome.text, 'one') == harness.vm_output(outcome.text, 'two') == 'done'


def test_when_idle_wait(cfg, boot):
    """when-idle = "wait": the verdict is told, and the host stays on for its shell."""
    machine = boot(vm('one', 'act.elf', memory=4096, bootargs='say=done'), when_idle='wait', append='')
    machine.expect(r'^atoll: 1 VMs stopped, 0 crashed\n', timeout=60)
    machine.send(ESC + 'h')
    machine.expect('atoll> ')
    machine.send('list\r')
    machine.expect(r' 0 one +stopped +1 +4096 .* exit\n')
    machine.expect_not('one: ', 1)
    machine.send('poweroff\r')
    assert machine.wait_end(20) == 0


@pytest.mark.parametrize('manifest,line,ends', [('wait', 'when-idle=poweroff', True), ('poweroff', 'when-idle=wait', False),
                                                ('', '', False)])
def test_when_idle_of_the_command_line_goes_first(cfg, boot, manifest, line, ends):
    machine = boot(vm('one', 'act.elf', memory=4096), when_idle=manifest, append=line)
    machine.expect(r'^atoll: 1 VMs stopped, 0 crashed\n', timeout=60)
    if ends:
        assert machine.wait_end(20) == 0
    else:
        machine.expect_not('.', 2)
        assert machine.serial.isalive()


def test_many_vms(cfg, boot):
    """Forty VMs come and go; each prints its name, whole."""
    names = [f'vm{i:02}' for i in range(40)]
    outcome = boot(''.join(vm(n, 'act.elf', memory=4096, bootargs=f'say={n} sleep=50 lines=2') for n in names), limit=180)
    outcome = outcome.finish(timeout=150)
    assert outcome.stopped == 40
    for name in names:
        assert harness.vm_output(outcome.text, name) == name + harness.act_lines(2)
