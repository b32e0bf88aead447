# SPDX-License-Identifier: Apache-2.0
# The console: keyboard focus and its escape key, prompts, and guest output that is neither lost nor mixed.
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
    machine.expect(r'^version +\S+\n', timeout=20)
    machine.send('poweroff\r')
    assert machine.wait_end(30) == 0
