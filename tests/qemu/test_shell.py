# SPDX-License-Identifier: Apache-2.0
# The management shell: every verb as text and as JSON, what is refused and in which words, and what the verbs do to guests.
import json
import random
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
        self.machine.send('\r')  # the first prompt may have come before that line
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
        answer = json.loads(self.machine.expect(r'^(\{.*|\[\{.*|\[\])\n', timeout)[1])
        self.machine.expect(PROMPT, timeout)
        return answer

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


def greeted(machine, name, times=1):
    """Wait until the guest NAME has come up so many times: before or after the shell's answer."""
    while machine.text.count(f'{name}: type help\n') < times:
        machine.expect(r'type help\n')


def said(machine, pattern):
    while not re.search(pattern, machine.text, re.M):
        machine.expect(r'\n')


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
        ('web', 'fair', 300, 0, 0), ('ctl', 'fixed', 100, 7, 2000)]
    sh.text('sched', r'^web +0 +\d+ blocked fair +300 .*\nctl +0 +\d+ \w+ +fixed +\d+ +7 +2000 +10000 ')
    assert sh.json('irq web') == []
    sh.text('irq web', r'^none\n')
    mem = sh.json('mem')
    assert mem['guests_kib'] == 8192 + 3 * 4096
    assert mem['total_kib'] == sum(mem[k + '_kib'] for k in ('guests', 'hypervisor', 'free', 'dirty', 'reserved')) == 1 << 20
    sh.text('mem', r'^total_kib +\d+\nguests_kib +20480\nhypervisor_kib +\d+\n')
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
    assert top['interval_us'] >= 1900000
    assert 65 <= percent['busy'] <= 82 and 18 <= percent['half'] <= 32 and percent['still'] < 5, percent
    idle = [c['idle_percent'] for c in top['cpus']]
    assert idle[0] < 5 and all(p > 80 for p in idle[1:]), idle
    sh.text('top', r'^interval_us +\d+\nvm +vcpu cpu state +run_us percent\nbusy +0 +0 \w+ +\d+ +\d+\n')


def test_reboot(cfg, boot):
    machine = boot(guests('a'), append='', when_idle='wait')
    quiet(machine, 'a')
    Shell(machine)
    machine.send('reboot\r')
    machine.expect(r'Atoll \S+ on QEMU virt', timeout=60)
    machine.expect('a: type help')
    machine.send('echo again\r')
    machine.expect(r'^\[a\] again\n')



def test_changes(cfg, boot):
    """Every verb in every state it may meet: what it leads to, or why it does nothing."""
    nodes = guests('a') + vm('spare', 'shell.elf', memory=4096, bootargs='spare', autostart=0)
    machine = boot(nodes, append='', when_idle='wait')
    quiet(machine, 'a')
    sh = Shell(machine)

    def to(verb, state):
        assert sh.json(verb) == {'name': verb.split()[1], 'state': state}
        if state != 'gone':
            assert sh.vms()[verb.split()[1]]['state'] == state

    for verb in ('pause', 'resume', 'stop'):
        sh.refused(f'{verb} spare', 'spare is new: start it first')
    to('start spare', 'running')
    greeted(machine, 'spare')
    sh.refused('start a', 'a is running already')
    sh.refused('resume a', 'a is running already')
    to('pause a', 'paused')
    sh.refused('pause a', 'a is paused already')
    sh.refused('start a', 'a is paused: resume it first')
    assert [v['state'] for v in sh.json('info a')['vcpus']] == ['off']
    to('resume a', 'running')
    to('stop a', 'stopped')
    sh.refused('stop a', 'a is stopped already')
    sh.refused('pause a', 'a is stopped: start it first')
    sh.refused('resume a', 'a is stopped: start it first')
    assert sh.vms()['a']['last_stop'] == 'stopped by the host'
    sh.text('start a', r'^a is running\n')
    greeted(machine, 'a', 2)
    to('restart a', 'running')
    greeted(machine, 'a', 3)
    to('pause a', 'paused')
    to('restart a', 'running')
    greeted(machine, 'a', 4)
    to('pause a', 'paused')
    to('stop a', 'stopped')
    to('restart a', 'running')
    greeted(machine, 'a', 5)
    assert sh.vms()['a']['restarts'] == 0  # those of the admin do not count
    to('destroy a', 'gone')
    to('stop spare', 'stopped')
    to('destroy spare', 'gone')
    assert sh.json('list') == []
    sh.text('list', r'^none\n')
    for verb in ('start', 'stop', 'pause', 'resume', 'restart', 'destroy', 'dump', 'console', 'info', 'trace'):
        sh.text(f'{verb} a', r"^no VM is called 'a'; `list` shows them\n")
    for verb in ('start', 'stop', 'pause', 'resume', 'restart', 'destroy'):
        sh.refused(verb, 'which VM? (number or name; `list` shows them)')


def test_create(cfg, boot):
    nodes = guests('web') + vm('other', 'act.elf', memory=4096, bootargs='say=hello', autostart=0)
    machine = boot(nodes, append='', when_idle='wait')
    quiet(machine, 'web')
    sh = Shell(machine)
    sh.refused('create', 'which name? (create NAME image=FILE memory=KIB ...)')
    sh.refused('create x', 'x is not created: the manifest has no such node: say at least image= and memory=; '
               'the bundle has act.elf shell.elf')
    sh.refused('create x image=none.elf memory=4096', 'x is not created: see the log; the bundle has act.elf shell.elf')
    assert 'image = "none.elf": no such file in the bundle' in machine.text
    sh.refused('create web image=act.elf memory=4096', 'web is not created: see the log; the bundle has act.elf shell.elf')
    sh.refused('create y image=act.elf memory=4000000', 'y is not created: see the log; the bundle has act.elf shell.elf')
    assert [v['name'] for v in sh.json('list')] == ['web', 'other']

    assert sh.json('create new image=act.elf memory=4096 cpus=2 weight=50 bootargs="say=one sleep=600000"') == {
        'name': 'new', 'state': 'running'}
    said(machine, r'^\[new\] one\n')
    new = sh.json('info new')
    assert (new['id'], new['image'], new['bootargs'], new['memory_kib'], len(new['vcpus']), new['weight'], new['autostart']) == (
        2, 'act.elf', 'say=one sleep=600000', 4096, 2, 50, 1)
    sh.text('create late image=act.elf memory=4096 autostart=0 bootargs="say=two sleep=600000"', r'^late is new\n')
    sh.text('start late', r'^late is running\n')
    said(machine, r'^\[late\] two\n')
    # A node of the manifest is there again as it was, in the first slot that is free.
    sh.text('destroy web', r'^web is gone\n')
    sh.text('create web', r'^web is running\n')
    greeted(machine, 'web', 2)
    assert sh.vms()['web']['id'] == 0 and sh.vms()['web']['memory_kib'] == 8192
    machine.send('console web\r')
    machine.expect(r'-- console: web ')
    machine.send('echo again\r')
    machine.expect(r'^\[web\] again\n')
    sh.focus()
    sh.text('destroy web', r'^web is gone\n')  # the one that had the keyboard last
    sh.text('version', r'^version ')


def test_time_stands_still(cfg, boot):
    """A pause of two seconds: neither counter moves, and a timer that had a second left has it afterwards."""
    machine = boot(vm('t', 'shell.elf', memory=8192, bootargs='t'), append='', when_idle='wait')
    quiet(machine, 't')

    def both(machine):
        machine.send('time\r')
        m = machine.expect(r'\[t\] virtual (\d+) us, physical (\d+) us\n')
        machine.expect(r'\[t\] > ')
        return int(m[1]), int(m[2])

    before = both(machine)
    sh = Shell(machine)
    begin = sh.json('version')['up_ms']
    sh.text('pause t', r'^t is paused\n')
    machine.expect_not('crash', 2)
    sh.text('resume t', r'^t is running\n')
    end = sh.json('version')['up_ms']
    machine.send('console t\r')
    machine.expect(r'-- console: t ')
    after = both(machine)
    assert end - begin >= 2000
    # What is left is what the guest ran for: the host's time less the pause.
    assert all(0 < a - b < (end - begin - 1900) * 1000 + 500000 for a, b in zip(after, before)), (before, after, begin, end)

    machine.send('sleep 1\r')
    machine.send('\x1dh')
    machine.expect(PROMPT)
    sh.text('pause t', r'^t is paused\n')
    machine.expect_not(r'^\[t\]', 2)
    machine.send('resume t\r')
    machine.expect(r'^\[t\] slept \d+ us\n', 20)
    slept = int(re.findall(r'slept (\d+) us', machine.text)[-1])
    assert 1000000 <= slept < 1500000, slept


@pytest.mark.parametrize('rounds', [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_comes_back_clean(cfg, boot, rounds):
    """Rounds of create and destroy: the same figures before and after, and no byte of a VM is seen by the next."""
    machine = boot(guests('keep') + vm('r', 'act.elf', memory=2048, cpus=2, bootargs='say=up sleep=600000'),
                   append='', when_idle='wait', mem='256M', limit=1200)
    quiet(machine, 'keep')
    sh = Shell(machine)

    def settled():
        """What is not the guests' is clean: then the figures are exact. The scrub holds the last of it as the hypervisor's."""
        last = None
        for _ in range(200):
            mem = sh.json('mem')
            if mem['dirty_kib'] == 0 and mem == last:
                return mem
            last = mem
            machine.expect_not('crash', 0.1)
        raise AssertionError(f'memory stays dirty: {mem}')

    # It fills its memory, which is most of the host's: the next one is sure to get the same.
    size = 160 * 1024
    for name in ('one', 'two'):
        sh.text(f'create {name} image=shell.elf memory={size} bootargs={name}', rf'^{name} is running\n', 60)
        greeted(machine, name)
        machine.send(f'console {name}\r')
        machine.expect(rf'-- console: {name} ')
        machine.send('scan\r')
        m = machine.expect(r'scan: (\d+) KiB, (\d+) words as fill writes them, (\d+) others not zero\n', 60)
        # Its device tree lies there.
        assert int(m[1]) > size - 4096 and m[2] == '0' and int(m[3]) < 1000, m[0]
        machine.send('fill\r')
        machine.expect(r'fill: (\d+) KiB\n', 60)
        sh.focus()
        sh.text(f'destroy {name}', rf'^{name} is gone\n', 60)
    sh.text('destroy r', r'^r is gone\n')
    before = settled()
    for i in range(rounds):
        machine.send('create r\r')
        if i % 10 == 0:  # most are destroyed before they have said anything
            machine.expect(r'^\[r\] up\n')
        machine.send('destroy r\r')
        machine.expect(r'^r is gone\n', 60)
    assert settled() == before
    assert sorted(sh.vms()) == ['keep']


def test_dump(cfg, boot):
    """Registers, a backtrace with names, and both stages of addresses; the guest does not notice."""
    machine = boot(guests('a', cpus=2), append='', when_idle='wait')
    quiet(machine, 'a')
    sh = Shell(machine)
    machine.send('dump a\r')
    m = machine.expect(r'^a vCPU 0: pstate 0x\w+\n  x0  [0-9a-f]{16} x1 (?:.*\n){8}  SP_EL0 (?:.*\n){8}  pc 0x[0-9a-f]{16} \w+\+0x\w+\n'
                       r'  lr .*\n((?:     0x.*\n)+)atoll> ')
    assert 'main+0x' in m[1] and '_fgets_r' in m[1], m[1]  # it waits for its keyboard
    sh.text('dump a 1', r'^a vCPU 1: pstate 0x')
    # The first word of its RAM, by the guest's own tables and ours.
    sh.text('dump a 0 0x40100000', r'^stage 1: \d+ bits, granule of 4 KiB\n(  level \d: at 0x\w+ 0x\w+\n)+  \d+ KiB, EL1 r.*\n'
            r'stage 2: IPA 0x40100000, level \d, RAM, rwx, PA 0x\w+\n[0-9a-f]{16} ')
    sh.text('dump a 0 0x9000000', r'stage 2: IPA 0x9000000 is not mapped\n')
    sh.text('dump a 0 0xfff0000000000000', r'^stage 1: ')
    sh.text('dump a 1 0x9000000', r'^stage 1 is off\nstage 2: IPA 0x9000000 is not mapped\n')
    for line, words in (('dump', r'which VM\?'), ('dump a 2', r'which vCPU\? \(a has 0 to 1\)'), ('dump a x', r'which vCPU\?'),
                        ('dump a 0 here', r"which address\? \('here' is no number\)")):
        sh.text(line, rf'^{words}.*\n')
    assert sh.vms()['a']['state'] == 'running'
    machine.send('console a\r')
    machine.expect(r'-- console: a ')
    machine.send('crash\r')
    machine.expect(r'\] (error: )?VM a crashed')
    machine.expect(r'\] a: crash')
    sh.focus()
    sh.text('dump a', r'^a vCPU 0: (.*\n)*  pc 0x(.*\n)+')  # as it was left
    sh.text('pause a', r'^a is stopped: start it first\n')
    sh.text('restart a', r'^a is running\n')
    sh.text('pause a', r'^a is paused\n')
    sh.text('dump a', r'^a vCPU 0: ')
    assert sh.vms()['a']['state'] == 'paused'


def test_trace_and_irq(cfg, boot):
    machine = boot(guests('a') + vm('b', 'act.elf', bootargs='sleep=300 say=late hang'), append='', when_idle='wait')
    quiet(machine, 'a')
    sh = Shell(machine)
    assert sh.json('trace off')['exits'] == 'not recorded'
    assert sh.json('trace on')['exits'] == 'recorded'
    machine.send('console a\r')
    machine.expect(r'-- console: a ')
    machine.send('echo traced\r')
    machine.expect(r'^\[a\] traced\n')
    machine.expect(r'^\[a\] > ')
    sh.focus()
    # It waits for a key now, or is about to. What is recorded while the answer is sent drives out what was before.
    events = ''
    for _ in range(100):
        events += ''.join(e['event'] for e in sh.json('trace a')['events'])
        if all(f'VM 0 vCPU 0: exit, {kind}' in events for kind in ('data abort', 'WFI')):
            break
    else:
        raise AssertionError(events)
    assert sh.json('trace off')['exits'] == 'not recorded'
    assert all('VM 0 ' in e['event'] for e in sh.json('trace a')['events'])
    assert all('cpu0]' in e['event'] for e in sh.json('trace cpu 0')['events'])
    sh.refused('trace cpu 99', f'which CPU? (0 to {cfg.smp - 1})')
    sh.refused('trace nobody', "no VM is called 'nobody'; `list` shows them")
    # A timer that is due while its VM is held: its time stands still, so it is not pending; a key is.
    sh.text('pause a', r'^a is paused\n')
    assert sh.json('irq a') == []
    machine.send('console a\r')
    machine.expect(r'-- console: a ')
    machine.send('x')
    sh.focus()
    key = sh.json('irq a')
    assert [(i['intid'], i['vcpu'], i['pending'], i['active'], i['enabled'], i['trigger']) for i in key] == [(33, 0, 1, 0, 1, 'level')]
    sh.text('irq a', r'^intid vcpu pending active enabled trigger priority group\n +33 +0 +1 +0 +1 level ')
    sh.text('resume a', r'^a is running\n')
    machine.expect_not('crash', 0.2)  # it takes the key
    assert sh.json('irq a') == []
    assert sh.vms()['a']['state'] == 'running'


@pytest.mark.parametrize('lines', [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_any_verb_at_any_time(cfg, boot, lines):
    """Verbs at random, on guests that compute, sleep, crash and restart: each line is answered, and all memory comes back."""
    seed = 1
    nodes = (vm('busy', 'act.elf', memory=4096, bootargs='spin=600000') + guests('still', cpus=2) +
             vm('falls', 'act.elf', memory=4096, bootargs='sleep=30 fault', on_crash='restart', restart_limit=1000000) +
             vm('ends', 'act.elf', memory=4096, bootargs='sleep=20 reset', restart_limit=1000000))
    machine = boot(nodes, append='loglvl=error', when_idle='wait', mem='256M', limit=900)
    quiet(machine, 'still')
    sh = Shell(machine)
    names = ['busy', 'still', 'falls', 'ends']
    verbs = ['start', 'stop', 'pause', 'resume', 'restart', 'destroy', 'create', 'irq', 'info', 'stats', 'trace', 'list', 'top', 'mem',
             'create', 'start', 'trace on', 'trace off', 'dump', 'dump']
    choice = random.Random(seed).choice
    for _ in range(lines):
        verb = choice(verbs)
        line = verb if verb in ('list', 'top', 'mem', 'trace on', 'trace off') else f'{verb} {choice(names)}'
        if verb == 'dump':
            sh.text(line, r'^\w+ vCPU 0: pstate|^no VM is called')
        else:
            answer = sh.json(line)
            assert isinstance(answer, list) or 'error' not in answer or re.search(
                r" is \w+ already$| is \w+: \w|^no VM is called|is not created: see the log", answer['error']), answer
    for name in names:
        if name in sh.vms():
            assert sh.json(f'destroy {name}') == {'name': name, 'state': 'gone'}
    assert sh.json('list') == []
    mem = sh.json('mem')
    assert mem['guests_kib'] == 0 and mem['hypervisor_kib'] < 1500 + 512, mem  # the RAM of the management guest
