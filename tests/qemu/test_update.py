# SPDX-License-Identifier: Apache-2.0
# An A/B update on the card of a Raspberry Pi 4 (raspi4b with Debian's U-Boot): confirmed, rolled back, and cut off at every write.
# The card is where the board has it, behind the EMMC2, or (in one test) where QEMU puts it by itself.
import os
import shutil
import subprocess
import sys

import harness
import pytest
import run_qemu
from harness import vm

sys.path.insert(0, str(harness.ROOT / 'scripts'))
import card as cards  # noqa: E402

PARTS = harness.ROOT / 'build/rpi4/parts'
ARGS = 'console=plain when-idle=wait trial-settle=1 trial-deadline=3'
OLD = vm('old', 'act.elf', bootargs='say=old-one hang')
NEW = vm('new', 'act.elf', bootargs='say=new-one hang') + vm('new2', 'act.elf', bootargs='sleep=300 healthy hang', reports_health=True)


def tool(*words):
    done = subprocess.run([harness.ROOT / 'scripts' / words[0], *map(str, words[1:])], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def good(*words):
    status, text = tool(*words)
    assert status == 0, text
    return text


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """made(nodes): a bundle of the nodes; made.card: a fresh card with OLD in its slot a; made.empty_card: with nothing to boot."""
    place, bundles = tmp_path_factory.mktemp('update'), {}

    def bundle(nodes, **kw):
        if nodes not in bundles:
            run, bundles[nodes] = harness.mkbundle(place / str(len(bundles)), nodes, **kw)
            assert run.returncode == 0, run.stdout
        return bundles[nodes]

    def mkdisk(name, atoll):
        good('mkdisk', '-o', place / name, '--board', 'rpi4', '--parts', harness.require(PARTS), '--slot-mib', 1, '--atoll', atoll,
             '--bundle', bundle(OLD))
        return place / name

    bundle.card = mkdisk('fresh.img', harness.require(harness.Config('gcc', 2, 4, False).image))
    (place / 'nothing').write_bytes(bytes(64))
    bundle.empty_card = mkdisk('empty.img', place / 'nothing')
    subprocess.run(['mdel', '-i', f'{bundle.empty_card}@@1M', '::bundle-a.img', '::bundle-b.img'], check=True)
    return bundle


@pytest.fixture
def on_pi(made, tmp_path, log_name, request):
    """on_pi: .card, a copy of the fresh one; .start(): the board with it in; .up(): U-Boot's countdown is cut short."""
    class OnPi:
        def __init__(self):
            self.card = tmp_path / 'card.img'
            self.machines = []
            shutil.copyfile(made.card, self.card)

        def start(self, append=ARGS, emmc2=True, boot=True):
            command = run_qemu.raspi_command('', None, PARTS, self.card, append)
            if emmc2:
                at = command.index('-drive')
                command[at:at + 2] = ['-drive', f'if=none,id=card,format=raw,file={self.card}', '-device',
                                      'sd-card,drive=card,bus=/generic-sdhci/sd-bus']
            self.machine = harness.Machine([str(c) for c in command], harness.LOGS / f'{log_name}.{len(self.machines)}.log', 300)
            self.machines.append(self.machine)
            return self.up() if boot else None

        def prompt(self):
            self.machine.expect(r'Hit any key to stop autoboot', 60)
            self.machine.send('\r')
            self.machine.expect(r'U-Boot> ', 30)
            return self.machine

        def up(self):
            self.prompt().send('boot\r')
            return self.machine

        def kill(self):
            self.machine.close()

        def at_last(self):
            """The attempts before were used up."""
            card = cards.Card(self.card, write=True)
            card.write('tries.txt', cards.record('tries', tried=card.fields('slots')['serial'], tries=2))

        def fields(self, kind):
            return cards.Card(self.card).fields(kind)

    pi = OnPi()
    request.node.machines = pi.machines
    yield pi
    for machine in pi.machines:
        machine.close()


@pytest.mark.parametrize('emmc2', [True, False], ids=['emmc2', 'sdhci'])
def test_good_update(on_pi, made, emmc2):
    """The power fails before the confirmation, and after it: the update is tried again, then stays. A small card counts in bytes,
    one above 2 GiB in sectors."""
    good('update', on_pi.card, made(NEW))
    if not emmc2:
        os.truncate(on_pi.card, 4 << 30)
    if emmc2:
        on_pi.start().expect(r'atoll: update 2 in slot b: attempt 1 of 3', 60)
        on_pi.machine.expect(r'update b2: on trial', 30)
        on_pi.kill()
        assert on_pi.fields('state') == {'good': 'a', 'confirmed': '1'}
    on_pi.start(emmc2=emmc2).expect(f'atoll: update 2 in slot b: attempt {1 + emmc2} of 3', 60)
    on_pi.machine.expect(r'\[new\] new-one', 60)
    on_pi.machine.expect(r'update b2: confirmed', 30)
    on_pi.kill()
    assert on_pi.fields('state') == {'good': 'b', 'confirmed': '2'}
    assert 'next boot: slot b' in good('update', on_pi.card, '--status')
    if emmc2:
        before = on_pi.card.read_bytes()
        text = on_pi.start().expect(r'\[new\] new-one', 90).string
        assert 'attempt' not in text and 'trial' not in text
        on_pi.kill()
        assert on_pi.card.read_bytes() == before


def test_update_that_panics(on_pi, made):
    """Three attempts, each ended by EL2's panic; then the slot before, with its guests."""
    good('update', on_pi.card, made(vm('bad', 'act.elf', bootargs='say=bad-one abort', on_crash='panic')))
    machine = on_pi.start()
    for attempt in (1, 2, 3):
        machine.expect(f'atoll: update 2 in slot b: attempt {attempt} of 3', 60)
        machine.expect(r'\*\*\* hypervisor panic on CPU \d: VM bad failed', 60)
        on_pi.up()
    machine.expect(r'atoll: update 2 in slot b was not confirmed in 3 attempts: slot a is booted', 60)
    machine.expect(r'\[old\] old-one', 60)
    assert 'update 2, not confirmed in 3 attempts' in good('update', on_pi.card, '--status')


@pytest.mark.parametrize('nodes, words', [
    (vm('mute', 'act.elf', bootargs='hang', reports_health=True), 'update b2: its VMs are not well in time'),
    (vm('bad', 'act.elf', bootargs='exit=1'), 'update b2: a VM failed'),
], ids=['hangs', 'crashes'])
def test_update_that_is_not_well(on_pi, made, nodes, words):
    good('update', on_pi.card, made(nodes))
    on_pi.at_last()
    machine = on_pi.start()
    machine.expect(r'atoll: update 2 in slot b: attempt 3 of 3', 60)
    machine.expect(words, 60)
    on_pi.prompt()


def test_bundles_that_cannot_be_started(on_pi, made):
    """One that Atoll refuses, in part or as a whole, resets the board; one that is cut off is refused by U-Boot, which takes the
    other slot at once."""
    good('update', on_pi.card, made(vm('bad', 'act.elf') + 'x { };', lint=False))
    on_pi.at_last()
    machine = on_pi.start()
    machine.expect(r'update b2: a VM failed', 90)
    on_pi.prompt()
    good('update', on_pi.card, made('', lint=False))
    on_pi.at_last()
    machine.send('boot\r')
    machine.expect(r'update b3: on trial', 90)
    machine.expect(r'atoll: cannot start: the manifest was refused', 30)
    on_pi.prompt()
    assert on_pi.fields('state') == {'good': 'a', 'confirmed': '1'}
    good('update', on_pi.card, made(OLD))
    cards.Card(on_pi.card, write=True).write('bundle-b.img', made(OLD).read_bytes()[:100000] + bytes(1 << 19))
    machine.send('boot\r')
    machine.expect(r'atoll: update 4 in slot b: attempt 1 of 3', 60)
    machine.expect(r'Bad Data CRC', 60)
    machine.expect(r'atoll: slot b cannot be booted: the other is', 60)
    machine.expect(r'\[old\] old-one', 60)


def test_wrong_sector(on_pi, made):
    """A number that is not the state file's: nothing is written there, and the board goes on as after any failure."""
    good('update', on_pi.card, made(NEW))
    card = cards.Card(on_pi.card, write=True)
    card.write('slots.txt', cards.record('slots', **dict(card.fields('slots'), sector=card.sector('boot.scr'))))
    on_pi.at_last()
    before = cards.Card(on_pi.card).read('boot.scr')
    machine = on_pi.start()
    machine.expect(r'atoll: cannot start: an update on trial: the card does not show its state file', 90)
    on_pi.prompt()
    assert cards.Card(on_pi.card).read('boot.scr') == before


def halves(kind, old, new, at):
    """The sector when the power fails after `at` bytes of the new one; neither of the two."""
    one, two = cards.record(kind, **old), cards.record(kind, **new)
    half = two[:at] + one[at:]
    assert half not in (one, two)
    return half


DIRECTORY = 'directory'


def test_state_table(on_pi, made):
    """Every row of the table in docs/raspberry-pi-4.md: what U-Boot chooses, one after the other in one session of it. There is
    nothing that can be booted on this card: it says which slot it would have been, and comes back."""
    garbage = bytes(range(256)) * 2
    old = dict(want='a', serial=1, sector=0, a=0, b=0)
    new = dict(old, want='b', serial=2)
    ok1, ok2 = dict(good='a', confirmed=1), dict(good='b', confirmed=2)

    def tries(n, serial=2):
        return cards.record('tries', tried=serial, tries=n)

    slots, state = (lambda f: cards.record('slots', **f)), (lambda f: cards.record('state', **f))
    rows = [    # slots.txt, state.txt, tries.txt: slot, number of the attempt or 0
        (slots(old), state(ok1), tries(0, 0), 'a', 0),
        (slots(new), state(ok1), tries(0, 0), 'b', 1),
        (slots(new), state(ok1), tries(3, 1), 'b', 1),
        (slots(new), state(ok1), tries(1), 'b', 2),
        (slots(new), state(ok1), tries(2), 'b', 3),
        (slots(new), state(ok1), tries(3), 'a', 0),
        (slots(new), state(ok2), tries(3), 'b', 0),
        # tries.txt cut off while it was written, or gone: one more attempt, the last
        (slots(new), state(ok1), halves('tries', dict(tried=2, tries=1), dict(tried=2, tries=2), 30), 'b', 3),
        (slots(new), state(ok1), garbage, 'b', 3),
        (slots(new), state(ok1), None, 'b', 3),
        (slots(old), state(ok1), garbage, 'a', 0),
        # slots.txt: what was confirmed is booted
        (halves('slots', old, new, 60), state(ok1), tries(0, 0), 'a', 0),
        (garbage, state(ok1), tries(1), 'a', 0),
        (None, state(ok2), tries(1), 'b', 0),
        # state.txt: Atoll was confirming, or nothing had been tried yet
        (slots(new), halves('state', ok1, ok2, 30), tries(1), 'b', 0),
        (slots(new), garbage, tries(1), 'b', 0),
        (slots(new), garbage, tries(0, 0), 'b', 1),
        (slots(new), garbage, garbage, 'b', 3),
        (garbage, garbage, garbage, 'a', 0),
        # tries.txt cannot be written: a directory is in its place
        (slots(new), state(ok1), DIRECTORY, 'a', 0),
    ]
    shutil.copyfile(made.empty_card, on_pi.card)
    on_pi.start(boot=False)
    machine = on_pi.prompt()
    machine.send('setenv devnum 1; ')
    for number, (*files, slot, attempt) in enumerate(rows):
        # QEMU reads what is written here; U-Boot forgets what it has read.
        for kind, data in zip(('slots', 'state', 'tries'), files):
            name = f'{kind}.txt'
            if data in (None, DIRECTORY):
                subprocess.run(['mdel', '-i', f'{on_pi.card}@@1M', f'::{name}'], check=True)
                if data:
                    subprocess.run(['mmd', '-i', f'{on_pi.card}@@1M', f'::{name}'], check=True)
            elif name not in cards.Card(on_pi.card).files:
                subprocess.run(['mcopy', '-i', f'{on_pi.card}@@1M', '-', f'::{name}'], input=data, check=True)
            else:
                cards.Card(on_pi.card, write=True).write(name, data)
        sector = cards.Card(on_pi.card).sector('state.txt')
        machine.send('mmc rescan; load mmc 1:1 ${scriptaddr} boot.scr && source ${scriptaddr}\r')
        begin = len(machine.text)
        first = machine.expect(r'^atoll: slot (\w)$', 60)
        machine.expect(r'^atoll: slot \w cannot be booted: the other is$', 30)
        machine.expect(r'^atoll: slot (\w)$', 30)
        machine.expect(r'atoll: atoll.bin or a whole bundle is missing', 30)
        machine.expect(r'U-Boot> ', 30)
        told = machine.text[begin:]
        where = f'row {number}: {told}'
        assert first[1] == slot, where
        assert (f'attempt {attempt} of 3' in told) == (attempt > 0), where
        assert (': attempt ' in told) == (attempt > 0), where
        after = cards.Card(on_pi.card)
        if attempt:
            assert after.fields('tries') == {'tried': '2', 'tries': str(attempt)}, where
        if files[2] is DIRECTORY:
            assert 'atoll: the attempt cannot be counted on the card: slot a is booted' in told, where
        if files[1] is garbage and files[0] is not garbage:     # put right, and where Atoll looks for it
            assert after.fields('state') and after.sector('state.txt') == sector, where
