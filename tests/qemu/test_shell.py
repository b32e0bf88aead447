# SPDX-License-Identifier: Apache-2.0
# The management shell: every verb as text and as JSON, what is refused and in which words, and what the verbs do to guests.
import json
import re

import harness
import pytest
from harness import vm

ESC = '\x1d'  # Ctrl-]
PROMPT = r'atoll> '


class Shell:
    """The hypervisor's shell of a machine, with the keyboard."""

    def __init__(self, machine):
        self.machine = machine
        self.focus()

    def focus(self):
        self.machine.send(ESC + 'h')
        self.machine.expect(r'-- console: shell \(Ctrl-\] \? for help\)\n')
        self.machine.expect(PROMPT)

    def text(self, line, pattern, timeout=30):
        """The match of what must come for a line, up to the next prompt."""
        self.machine.send(line + '\r')
        match = self.machine.expect(pattern, timeout)
        self.machine.expect(PROMPT, timeout)
        return match

    def json(self, line, timeout=30):
        """What the line says with --json."""
        self.machine.send(line + ' --json\r')
        match = self.machine.expect(r'^([{\[].*)\n', timeout)
        self.machine.expect(PROMPT, timeout)
        return json.loads(match[1])

    def refused(self, line, words):
        """The same words as text and in JSON."""
        self.text(line, re.escape(words) + r'\n')
        assert self.json(line) == {'error': words}

    def vms(self):
        return {v['name']: v for v in self.json('list')}


def guests(*names, **kw):
    return ''.join(vm(n, 'shell.elf', memory=8192, bootargs=n, **kw) for n in names)


def quiet(machine, *names):
    """Wait for the guests' prompts: nothing comes from them until they are asked."""
    for name in names:
        while not re.search(rf'^\[{name}\] > ', machine.text, re.M):
            machine.expect(r'> ')


def test_reports(cfg, boot):
    nodes = (vm('web', 'shell.elf', memory=8192, bootargs='a "quoted" \\\\ web', weight=300) +
             vm('ctl', 'shell.elf', memory=4096, cpus=2, bootargs='ctl', sched='fixed', priority=7, budget=2000, period=10000) +
             vm('done', 'act.elf', memory=4096, bootargs='exit=5', background=True) +
             vm('spare', 'act.elf', memory=4096, autostart=0))
    machine = boot(nodes.replace('"a "quoted" \\\\ web"', r'"a \"quoted\" \\ web"'), append='', when_idle='wait')
    machine.expect(r'\] done: exit\(5\)')
    quiet(machine, 'web', 'ctl')
    sh = Shell(machine)

    sh.text('list', r'^id name +state +vcpus memory_kib +cpu_ms restarts last_stop\n'
            r' 0 web +running +1 +8192 +\d+ +0 -\n 1 ctl +running +2 +4096 .*\n'
            r' 2 done +stopped +1 +4096 .* exit\n 3 spare +new +1 +4096 ')
    found = sh.json('list')
    assert [(v['id'], v['name'], v['state'], v['vcpus'], v['memory_kib'], v['last_stop']) for v in found] == [
        (0, 'web', 'running', 1, 8192, '-'), (1, 'ctl', 'running', 2, 4096, '-'), (2, 'done', 'stopped', 1, 4096, 'exit'),
        (3, 'spare', 'new', 1, 4096, '-')]

    sh.text('info 0', r'name +web\nstate +running\n(.*\n)*image +shell.elf\n(.*\n)*sched +fair\nweight +300\n(.*\n)*vcpu state')
    web, ctl, done = (sh.json(f'info {name}') for name in ('web', '1', 'done'))
    assert (web['name'], web['state'], web['image'], web['bootargs'], web['memory_kib'], web['gic'], web['sched'], web['weight']) == (
        'web', 'running', 'shell.elf', 'a "quoted" \\ web', 8192, cfg.gic, 'fair', 300)
    assert (ctl['sched'], ctl['priority'], ctl['budget_us'], ctl['period_us']) == ('fixed', 7, 2000, 10000)
    assert [(v['vcpu'], v['state']) for v in ctl['vcpus']] == [(0, 'blocked'), (1, 'off')]
    assert int(ctl['vcpus'][0]['affinity'], 16) == (1 << cfg.smp) - 1
    assert (done['state'], done['last_stop'], done['exit_status'], done['restarts'], done['background']) == ('stopped', 'exit', 5, 0, 1)

    stats = sh.json('stats')
    assert [(v['vm'], v['vcpu']) for v in stats['vcpus']] == [('web', 0), ('ctl', 0), ('ctl', 1), ('done', 0), ('spare', 0)]
    assert stats['vcpus'][0]['exits'] > 0 and stats['vcpus'][4]['exits'] == 0
    assert [c['cpu'] for c in stats['cpus']] == list(range(cfg.smp))
    assert all(0 < c['idle_ms'] <= c['up_ms'] for c in stats['cpus'])
    assert [v['vm'] for v in sh.json('stats web')['vcpus']] == ['web']
    sh.text('stats', r'^vm +vcpu +run_ms .*\nweb +0 .*\nctl +0 .*\n(.*\n)*cpu +up_ms +idle_ms .*\n +0 ')
    assert [(v['vm'], v['class'], v['weight'], v['priority'], v['budget_us']) for v in sh.json('sched')][:2] == [
        ('web', 'fair', 300, 0, 0), ('ctl', 'fixed', 0, 7, 2000)]
    sh.text('sched', r'^web +0 +\d+ blocked fair +300 .*\nctl +0 +\d+ \w+ +fixed +0 +7 +2000 +10000 ')
    assert isinstance(sh.json('irq web'), list)
    sh.text('irq web', r'^intid vcpu pending active in_lr enabled trigger priority group\n')
    mem = sh.json('mem')
    assert mem['guests_kib'] == 8192 + 3 * 4096 + 4  # and the page of zeros that all share
    assert mem['total_kib'] == sum(mem[k + '_kib'] for k in ('guests', 'hypervisor', 'free', 'dirty', 'reserved'))
    sh.text('mem', r'^total_kib +\d+\nguests_kib +20484\nhypervisor_kib +\d+\n')
    version = sh.json('version')
    assert (version['cpus'], version['gic'], version['cpu'], version['board']) == (cfg.smp, cfg.gic, 'Cortex-A72 r0p3', 'linux,dummy-virt')
    sh.text('version', r'^version +\S+\nboard ')
    sh.text('log', r'done: exit\(5\)\n')

    verbs = [v['verb'] for v in sh.json('help')]
    assert set(verbs) >= set('list info console top stats sched irq mem log version help reboot poweroff'.split())
    sh.text('help', r'^verb +arguments +what\nlist +all VMs')
    assert [v['verb'] for v in sh.json('help mem')] == ['mem']

    sh.refused('info', 'which VM? (number or name; `list` shows them)')
    sh.refused('info nobody', "no VM is called 'nobody'; `list` shows them")
    sh.refused('stats 63', "no VM is called '63'; `list` shows them")
    sh.refused('irq 99999999999999999999', "no VM is called '99999999999999999999'; `list` shows them")
    sh.refused('frobnicate now', "no such command: 'frobnicate'; `help` lists them")
    assert sh.json('log') == {'error': '`log` has nothing to say in JSON'}


def test_line_editing(cfg, boot):
    machine = boot(guests('a'), append='', when_idle='wait')
    quiet(machine, 'a')
    sh = Shell(machine)
    sh.text('', r'\n')
    sh.text('   list   ', r'^id name ')
    sh.text("x" * 1000, r"^no such command: 'x{32}'")
    sh.text('lizt\x7f\x7fst', r'^id name ')            # backspace
    sh.text('rubbish\x15version', r'^version +\S+\n')   # Ctrl-U
    sh.text('\x1b[A', r'^version +\S+\n')               # up: the line before
    sh.text('\x1b[B\x1b[C\x1b[5~mem', r'^total_kib ')   # other keys do nothing
    machine.send('list\rmem\rversion\r')                # typed ahead
    for first in ('id name', 'total_kib', 'version '):
        machine.expect('^' + first)
        machine.expect(PROMPT)
    machine.send('console a\r')
    machine.expect(r'-- console: a ')
    machine.send('echo hi\r')
    machine.expect(r'^\[a\] hi\n')
    sh.focus()
    machine.send('poweroff\r')
    assert machine.wait_end(30) == 0


def test_top(cfg, boot):
    """A VM that only computes has a CPU for itself, or its share of the only one; the rest is idle."""
    nodes = (vm('busy', 'act.elf', bootargs='spin=60000', weight=300, affinity=[0]) +
             vm('half', 'act.elf', bootargs='spin=60000', weight=100, affinity=[0]) + guests('still'))
    machine = boot(nodes, append='', when_idle='wait')
    quiet(machine, 'still')
    sh = Shell(machine)
    sh.json('top')
    machine.expect_not('crash', 2)
    top = sh.json('top')
    percent = {v['vm']: v['percent'] for v in top['vcpus']}
    assert top['interval_ms'] >= 1900
    assert 65 <= percent['busy'] <= 82 and 18 <= percent['half'] <= 32 and percent['still'] < 5, percent
    idle = [c['idle_percent'] for c in top['cpus']]
    assert idle[0] < 5 and all(p > 80 for p in idle[1:]), idle
    sh.text('top', r'^interval_ms +\d+\nvm +vcpu cpu state +percent\nbusy +0 +0 \w+ +\d+\.\d\n')


def test_reboot(cfg, boot):
    machine = boot(guests('a'), append='', when_idle='wait')
    quiet(machine, 'a')
    Shell(machine)
    machine.send('reboot\r')
    machine.expect(r'Atoll \S+ on QEMU virt', timeout=60)
    machine.expect('a: type help')
    machine.send('echo again\r')
    machine.expect(r'^\[a\] again\n')
