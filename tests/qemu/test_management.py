# SPDX-License-Identifier: Apache-2.0
# Atoll's own guest (guests/management) when it fails: it crashes, hangs, or is taken over. By QEMU's gdbserver, since nothing that
# can be typed or packed is known to do so.
import re
import struct
import time

import gdbstub
import pytest
from gdbstub import PC
from handover import move
from harness import vm
from test_hostile import PERIOD, check_heart, heartbeat
from test_shell import ESC, PROMPT, Shell, quiet

LIMIT = 3  # hyp/management.c
BUDGET = 1_000_000  # of hyp/management.c, in ticks: a tick is a nanosecond of virtual time and an instruction
NOWHERE = 0x123450  # not mapped, neither by its own tables nor by EL2's


@pytest.fixture
def stub(cfg, boot, tmp_path):
    """stub(nodes): a machine that is up, and gdb at its door. stopped=True: before its first instruction."""
    gdbs = []

    def start(nodes, stopped=False, **kw):
        path = tmp_path / 'gdb'
        machine = boot(nodes, qemu=gdbstub.qemu(path) + ['-S'] * stopped, **kw)
        if not stopped:
            machine.expect(r'^ready in')
        gdbs.append(gdbstub.Gdb(path))
        return machine, gdbs[0], gdbstub.symbols(cfg.directory / 'management.elf')

    yield start
    for gdb in gdbs:
        gdb.close()


def clock():
    return vm('clock', 'clock.elf', memory=8192, bootargs='ticks=100000 period_us=50000 verbose')


def goes_on(machine):
    """Ten more ticks of the VM `clock`, as many as in the time between."""
    ticks = []
    while len(ticks) < 10:
        ticks.append([int(n) for n in machine.expect(r'tick (\d+) at (\d+) us').groups()])
    assert [n for n, _ in ticks] == list(range(ticks[0][0], ticks[0][0] + 10))


def test_crash_is_survived(cfg, stub):
    """It crashes in a verb: EL2 says why, VMs go on, a new one comes and its shell works, as often as its limit says; then none."""
    machine, gdb, at = stub(vm('web', 'shell.elf', memory=8192, bootargs='web') + clock(), append='', when_idle='wait')
    gdb.go()
    quiet(machine, 'web')
    for life in range(1, LIMIT + 2):
        sh = Shell(machine)
        before = sh.json('info web')
        assert (before['state'], before['restarts']) == ('running', 0)
        gdb.stop()
        gdb.until(at['verb_list'], lambda: machine.send('list\r'))
        gdb.set_register(PC, NOWHERE)
        gdb.go()
        machine.expect(r'VM management crashed: ')
        machine.expect(r'ESR 0x86\w+: instruction abort\w*.*\n')
        machine.expect(rf'FAR 0x0*{NOWHERE:x}  PC of the fault 0x0*{NOWHERE:x}\n')
        if life <= LIMIT:
            machine.expect(rf'management: restart {life} of {LIMIT} in {5 * 2 ** life} ms\n')
            machine.send(ESC + 'h')  # no verb holds back the prompt, as the one did that crashed
            machine.expect(r'-- console: shell ')
            machine.expect(PROMPT)
        else:
            machine.expect(rf'management: stays stopped: restart-limit {LIMIT} is used up\n')
        goes_on(machine)
    # Nobody reads what is typed for the shell; the VMs have a console all the same.
    machine.send('version\r')
    machine.expect_not(r'^version ', 2)
    machine.send(ESC + '0')
    machine.expect(r'-- console: web ')
    machine.send('echo still-here\r')
    machine.expect(r'^\[web\] still-here\n')
    goes_on(machine)


def test_crash_before_there_are_vms(cfg, stub):
    """Where a bundle makes it crash, Atoll cannot start, and says so; headless it goes off."""
    machine, gdb, at = stub(clock(), append='console=plain when-idle=poweroff panic=poweroff', stopped=True)
    gdb.until(at['config_next'])
    gdb.set_register(PC, NOWHERE)
    gdb.go()
    machine.expect(r'VM management crashed: ')
    machine.expect(r'^atoll: cannot start: the management guest failed')
    assert machine.wait_end(30) == 0
    assert 'tick' not in machine.text


@pytest.mark.matrix(compiler=['gcc'], gic=[3, 2], smp=[1])
def test_endless_loop_is_bounded(cfg, stub):
    """It loops for ever, and has the only CPU's highest priority: a fixed VM of the lowest waits twice its budget at most."""
    machine, gdb, at = stub(heartbeat(sched='fixed', priority=0), append='console=plain', icount=True)
    gdb.go()
    sh = Shell(machine)
    gdb.stop()
    gdb.until(at['verb_list'], lambda: machine.send('list\r'))
    gdb.write(at['verb_list'], struct.pack('<I', 0x14000000))  # b .
    gdb.go()
    time.sleep(2)
    machine.send(ESC + '0')
    machine.expect(r'-- console: heart ')
    machine.send('q')
    text = machine.finish().text
    largest, _ = check_heart(text, beats=100)
    print(f'largest gap {largest}')
    assert BUDGET <= largest <= 2 * BUDGET + 2 * PERIOD


def test_it_only_looks(cfg, stub):
    """Taken over, with tables of its own making, it stores to what it sees of EL2: stage 2 refuses, and nothing was changed."""
    machine, gdb, at = stub(vm('web', 'shell.elf', memory=8192, bootargs='web') + clock(), append='', when_idle='wait')
    gdb.go()
    quiet(machine, 'web')
    Shell(machine)
    gdb.stop()
    gdb.until(at['verb_list'], lambda: machine.send('list\r'))
    target = gdb.read(at['view'])  # struct management_view, which is EL2's
    before = gdb.read(target)
    row = at['l1_view'] + 8 * (target >> 30)
    gdb.write(row, struct.pack('<Q', gdb.read(row) & ~(1 << 7)))  # AP[2]: read-only
    # tlbi vmalle1; dsb sy; isb; x0 = target; str xzr, [x0]; b .
    gdb.write(at['verb_list'], struct.pack('<9I', 0xd508871f, 0xd5033f9f, 0xd5033fdf, *move(0, target), 0xf900001f, 0x14000000))
    gdb.go()
    machine.expect(r'VM management crashed: ')
    machine.expect(r'ESR 0x96\w+: data abort\w*, .*external abort')
    machine.expect(rf'FAR 0x0*{target:x} ')
    machine.expect(rf'management: restart 1 of {LIMIT} ')
    goes_on(machine)
    sh = Shell(machine)
    gdb.stop()
    gdb.until(at['verb_list'], lambda: machine.send('list\r'))
    assert (gdb.read(at['view']), gdb.read(target)) == (target, before)
    gdb.go()
    machine.expect(r'^ 0 web +running ')
    machine.expect(PROMPT)
    assert sh.json('version')['cpus'] == cfg.smp
