# SPDX-License-Identifier: Apache-2.0
# The console: keyboard focus and its escape key, the shell's verbs, prompts, and guest output that is neither lost nor mixed.
import re

import harness
import pytest
from harness import act_lines, vm

ESC = '\x1d'  # Ctrl-]
SHELL = r'atoll> '
HELP = r'-- Ctrl-\] then: n next VM, p previous VM, 0-9 VM by number, h shell,'


def shells(names, **kw):
    return ''.join(vm(n, 'shell.elf', memory=8192, bootargs=n, **kw) for n in names)


def focused(name):
    return rf'-- console: {name} \(Ctrl-\] \? for help\)\n'


def verb(machine, line, pattern, timeout=30):
    """A line typed at the hypervisor's shell: the match of what must come, up to the next prompt."""
    machine.send(line + '\r')
    match = machine.expect(pattern, timeout)
    machine.expect(SHELL, timeout)
    return match


def test_focus(cfg, boot):
    machine = boot(shells('abc'), append='', when_idle='wait')
    machine.expect(focused('a'))
    for name in 'abc':
        machine.wait_quiet(0.5)
    assert [n for n in 'abc' if f'[{n}] {n}: type help' not in machine.text] == []

    def says(name, word):
        machine.send(f'echo {word}\r')
        machine.expect(rf'^\[{name}\] {word}\n')

    says('a', 'one')
    for key, name in (('n', 'b'), ('n', 'c'), ('n', 'a'), ('p', 'c'), ('p', 'b'), ('0', 'a'), ('2', 'c'), ('1', 'b')):
        machine.send(ESC + key)
        machine.expect(focused(name))
        says(name, f'by-{key}-{name}')
    for key in ('?', '7', 'z'):  # help; no such VM; no such key: the focus stays
        machine.send(ESC + key)
        machine.expect(HELP)
        says('b', f'still-{ord(key)}')
    machine.send(ESC + 'h')
    machine.expect(focused('shell'))
    machine.expect(SHELL)
    machine.send(ESC + 'p')
    machine.expect(focused('c'))
    says('c', 'from-the-shell')


def test_keyboard_goes_to_the_focus_only(cfg, boot):
    machine = boot(''.join(vm(name, 'act.elf', bootargs='keys=6') for name in 'ab'), append='')
    machine.expect(r'\[b\] keys')
    machine.send('xyz')
    machine.send(ESC + '1')
    machine.expect(focused('b'))
    machine.send('12' + ESC + ESC + '3\t\x7f')  # the escape key twice is the key itself
    machine.expect(r'\] b: exit\(0\)\n')
    machine.send(ESC + '0')
    machine.send('\x01\x1b\x02')
    outcome = machine.finish()
    assert 'keys 78 79 7a 01 1b 02 end' in harness.vm_output(outcome.text, 'a')
    assert 'keys 31 32 1d 33 09 7f end' in harness.vm_output(outcome.text, 'b')


def test_shell_verbs(cfg, boot):
    nodes = (vm('web', 'shell.elf', memory=8192, bootargs='web', weight=300) +
             vm('ctl', 'shell.elf', memory=4096, cpus=2, bootargs='ctl', sched='fixed', priority=7, budget=2000, period=10000) +
             vm('done', 'act.elf', memory=4096, bootargs='exit=5', background=True) +
             vm('spare', 'act.elf', memory=4096, autostart=0))
    machine = boot(nodes, append='', when_idle='wait')
    machine.expect(r'\] done: exit\(5\)')
    for name in ('web', 'ctl'):  # their prompts come between the lines of a verb otherwise
        while not re.search(rf'^\[{name}\] > ', machine.text, re.M):
            machine.expect(r'> ')
    machine.send(ESC + 'h')
    machine.expect(SHELL)
    verb(machine, 'list', r' id name +state +vCPUs +memory +CPU time +last stop\n'
         r' +0 web +running +1 +8192 KiB +\d+\.\d{3} .*\n +1 ctl +running +2 +4096 KiB .*\n'
         r' +2 done +stopped +1 +4096 KiB .* exit\n +3 spare +new +1 +4096 KiB ')
    verb(machine, 'info web', r'web: running,.*\n(.*\n)*?.*shell.elf.*\n.*bootargs web\n(.*\n)*?.*fair, weight 300')
    verb(machine, 'info 1', r'ctl: running,.*\n(.*\n)*?.*fixed, priority 7, budget 2000 us of 10000 us\n'
         r'.*vCPU 0 .*\n.*vCPU 1 +off')
    verb(machine, 'info done', r'done: stopped, last stop: exit, exit status 5, 0 restarts of 3')
    verb(machine, 'info', r'which VM\?')
    verb(machine, 'info nobody', r"no VM is called 'nobody'")
    verb(machine, 'stats', r'(?s)VM +vCPU +run ms.*\n +web +0 .*\n +ctl +1 .*\n +CPU 0 +idle \d+ ms of \d+')
    verb(machine, 'stats web', r'(?s)\n +web +0 +\d+')
    verb(machine, 'version', rf'Atoll \S+ on .*, {cfg.smp} CPUs \(Cortex-A72 r0p3\)\n')
    verb(machine, 'mem', r'KiB: (\d+) in all, (\d+) guests, (\d+) hypervisor, (\d+) free')
    verb(machine, 'sched', r'web +0 +\d+ blocked +fair +300 .*\nctl +0 +\d+ \w+ +fixed +7 ')
    verb(machine, 'irq web', r'\S+\n')
    verb(machine, 'log', r'done: exit\(5\)\n')
    match = verb(machine, 'help', r'  list +.*\n(?:  \w+ .*\n)+  poweroff .*\n')
    for name in ('list', 'info', 'console', 'stats', 'sched', 'irq', 'mem', 'log', 'version', 'help', 'reboot', 'poweroff'):
        assert re.search(rf'^  {name} ', match[0], re.M), f'help does not tell of {name}'
    verb(machine, 'help mem', r'^  mem .*\n')
    verb(machine, 'frobnicate now', r"no such command: 'frobnicate'; `help` lists them\n")
    verb(machine, '', r'\n')
    verb(machine, '   list   ', r' id name ')
    verb(machine, 'x' * 300, r"no such command: 'x+'")
    verb(machine, 'lizt\x7f\x7fst', r' id name ')           # backspace
    verb(machine, 'rubbish\x15version', r'Atoll \S+ on ')    # Ctrl-U
    verb(machine, '\x1b[A', r'Atoll \S+ on ')                # up: the line before
    verb(machine, '\x1b[B\x1b[C\x1b[5~mem', r'KiB: ')        # other keys do nothing
    machine.send('console ctl\r')
    machine.expect(focused('ctl'))
    machine.send('echo hi\r')
    machine.expect(r'^\[ctl\] hi\n')
    machine.send(ESC + 'h')
    machine.expect(SHELL)
    machine.send('poweroff\r')
    assert machine.wait_end(30) == 0


def test_reboot_verb(cfg, boot):
    machine = boot(shells('a'), append='', when_idle='wait')
    machine.expect('a: type help')
    machine.send(ESC + 'h')
    machine.expect(SHELL)
    machine.send('reboot\r')
    machine.expect(r'Atoll \S+ on QEMU virt', timeout=60)
    machine.expect('a: type help')
    machine.send('echo again\r')
    machine.expect(r'^\[a\] again\n')


def test_unfinished_line_is_shown_and_goes_on(cfg, boot):
    """After a short silence; the rest stands behind it when nobody came between, else behind the prefix again."""
    machine = boot(vm('a', 'act.elf', bootargs='partial=abc sleep=1500 say=def sleep=500 partial=ghi sleep=1500 say=jkl') +
                   vm('b', 'act.elf', bootargs='sleep=3000 say=between'), append='', limit=120)
    machine.expect(r'^\[a\] abc$', timeout=60)
    outcome = machine.finish()
    assert '\n[a] abcdef\n' in outcome.text
    assert harness.vm_output(outcome.text, 'a') == 'abcdefghijkl'
    assert harness.vm_output(outcome.text, 'b') == 'between'
    assert harness.stray_lines(outcome.text) == []


@pytest.mark.parametrize('colour', ['plain', 'colour'])
def test_flood(cfg, boot, colour):
    """Two VMs print as fast as they can and a third in between: every byte of each comes, in order, in lines of its own."""
    n, pad = 600, 60
    nodes = (vm('flood', 'act.elf', bootargs=f'pad={pad} lines={n}') + vm('deluge', 'act.elf', bootargs=f'pad=11 lines={n}') +
             vm('drop', 'act.elf', bootargs=' '.join(f'lines=1 sleep=20 say=drop{k}' for k in range(10))))
    machine = boot(nodes, append='console=plain' if colour == 'plain' else '', limit=180)
    outcome = machine.finish(timeout=150)
    assert harness.vm_output(outcome.text, 'flood') == act_lines(n, pad)
    assert harness.vm_output(outcome.text, 'deluge') == act_lines(n, 11)
    assert harness.vm_output(outcome.text, 'drop') == ''.join(act_lines(1) + f'drop{k}' for k in range(10))
    assert harness.stray_lines(outcome.text) == []


def test_flood_does_not_hold_up_the_shell(cfg, boot):
    machine = boot(vm('flood', 'act.elf', bootargs='pad=60 lines=100000'), append='', when_idle='wait')
    machine.expect(r'line 00100 of')
    machine.send(ESC + 'h')
    machine.expect(focused('shell'), timeout=20)
    machine.send('version\r')
    machine.expect(r'^(atoll> .*)?Atoll \S+ on ', timeout=20)
    machine.send('poweroff\r')
    assert machine.wait_end(30) == 0
