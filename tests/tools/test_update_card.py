# SPDX-License-Identifier: Apache-2.0
# scripts/update on card images of scripts/mkdisk: what it installs and refuses, and a power cut at every byte that matters.
import os
import pathlib
import subprocess
import sys
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'scripts'))
import card as cards  # noqa: E402

MANIFEST = '/dts-v1/; / { chosen { hypervisor { compatible = "atoll,manifest-v1"; one { compatible = "atoll,vm"; image = "x"; ' \
    'memory = <0 16384>; }; }; }; };'
SIZE = 300000   # of the images in the bundles


def run(*words):
    done = subprocess.run([ROOT / 'scripts' / words[0], *map(str, words[1:])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def bundle(place, name, size=SIZE):
    (place / 'm.dts').write_text(MANIFEST)
    (place / 'x').write_bytes(os.urandom(size))
    status, text = run('mkbundle', place / 'm.dts', '-o', place / name)
    assert status == 0, text
    return place / name


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """A card with bundle one in slot a, and bundle two."""
    place = tmp_path_factory.mktemp('update')
    (place / 'parts').mkdir()
    for name in ('u-boot.bin', 'bcm2711-rpi-4-b.dtb', 'start4.elf', 'fixup4.dat'):
        (place / 'parts' / name).write_bytes(os.urandom(5000))
    (place / 'atoll.bin').write_bytes(os.urandom(70000))
    one, two = bundle(place, 'one.img'), bundle(place, 'two.img')
    status, text = run('mkdisk', '-o', place / 'card.img', '--board', 'rpi4', '--parts', place / 'parts', '--slot-mib', 1, '--atoll',
                       place / 'atoll.bin', '--bundle', one)
    assert status == 0 and 'two slots of 1 MiB' in text
    return place, one.read_bytes(), two


@pytest.fixture
def image(made, tmp_path):
    subprocess.run(['cp', '--sparse=always', made[0] / 'card.img', tmp_path / 'card.img'], check=True)
    return tmp_path / 'card.img'


def next_boot(image):
    """What board/rpi4/boot/disk.cmd makes of the three files (tests/qemu/test_update.py holds it against that): slot, on trial."""
    card = cards.Card(image)
    slots, state, tries = (card.fields(kind) for kind in ('slots', 'state', 'tries'))
    assert state, 'scripts/update never writes state.txt'
    if not slots or slots['serial'] == state['confirmed']:
        return state['good'], False
    count = 2 if not tries else int(tries['tries']) if tries['tried'] == slots['serial'] else 0
    return (slots['want'], True) if count < 3 else (state['good'], False)


def confirm(image):
    """As Atoll does."""
    card = cards.Card(image, write=True)
    slots = card.fields('slots')
    card.write('state.txt', cards.record('state', good=slots['want'], confirmed=slots['serial']))


def test_one_after_the_other(made, image):
    place, one, two = made
    before = image.read_bytes()
    files = cards.Card(image).files
    for serial, slot in ((2, 'b'), (3, 'a'), (4, 'b')):
        status, text = run('update', image, two)
        assert status == 0 and f'is update {serial} in slot {slot}; the next boot tries it' in text
        card = cards.Card(image)
        assert card.read(f'bundle-{slot}.img', two.stat().st_size) == two.read_bytes()
        assert int(card.fields('slots')[slot], 16) == two.stat().st_size
        assert int(card.fields('slots')['sector']) == card.sector('state.txt')
        status, text = run('update', image, '--status')
        assert status == 0 and f'update {serial}, on trial: 0 of 3 attempts' in text and f'next boot: slot {slot}' in text
        status, text = run('update', image, two)
        assert status != 0 and f'update {serial} in slot {slot} is on trial (0 of 3 attempts): boot the card, or drop' in text
        confirm(image)
    # Nothing has changed but what lies in those files: no table of the file system, no other file.
    after = bytearray(image.read_bytes())
    assert cards.Card(image).files == files
    for name in ('bundle-a.img', 'bundle-b.img', 'slots.txt', 'state.txt', 'tries.txt'):
        for offset, length in card.extents(files[name][0]):
            after[offset:offset + length] = before[offset:offset + length]
    assert bytes(after) == before


def test_cut_off_anywhere(made, image):
    """The power fails before, in and after each write: what ran is booted, or after the last write the whole update."""
    place, one, two = made
    new = two.read_bytes()
    fresh = {name: cards.Card(image).read(name) for name in ('slots.txt', 'tries.txt', 'bundle-b.img')}
    points = [(write, at) for write in (1, 2, 4) for at in (0, 20, 40, 50, 60, 75, 90, 100, 512)]
    points += [(3, at) for at in (0, 1, 512, SIZE // 2, len(new))]
    seen = set()
    for write, at in sorted(points):
        for name, data in fresh.items():
            cards.Card(image, write=True).write(name, data)
        status, text = run('update', image, two, '--cut', f'{write}:{at}')
        assert status != 0 and 'the power is cut' in text
        slot, trial = next_boot(image)
        card = cards.Card(image)
        seen.add(slot)
        if slot == 'a':
            assert not trial and card.read('bundle-a.img', len(one)) == one
        else:
            assert trial and write == 4 and card.read('bundle-b.img', len(new)) == new
        # And it can be done again, from there.
        if not trial:
            assert run('update', image, two)[0] == 0
            assert next_boot(image) == ('b', True)
    assert seen == {'a', 'b'}


def test_after_a_failed_update(made, image):
    """Its slot is used again; cut off while that is written, the failed one is not tried once more."""
    place, one, two = made
    assert run('update', image, two)[0] == 0
    card = cards.Card(image, write=True)
    card.write('tries.txt', cards.record('tries', tried=2, tries=3))
    assert 'update 2, not confirmed in 3 attempts' in run('update', image, '--status')[1]
    for write in (1, 2, 3, 4):
        assert run('update', image, two, '--cut', f'{write}:0')[0] != 0
        assert next_boot(image) == ('a', False)
    assert run('update', image, two)[0] == 0
    assert next_boot(image) == ('b', True)


def test_cancel(made, image):
    place, one, two = made
    assert run('update', image, two)[0] == 0
    status, text = run('update', image, '--cancel')
    assert status == 0 and 'next boot: slot a' in text
    assert next_boot(image) == ('a', False)
    assert run('update', image, two)[0] == 0


def test_damaged_files(made, image):
    place, one, two = made
    card = cards.Card(image, write=True)
    card.write('slots.txt', b'x' * 512)
    assert 'slots.txt is damaged: install the bundle again' in run('update', image, '--status')[1]
    card.write('tries.txt', b'x' * 512)
    assert run('update', image, two)[0] == 0 and next_boot(image) == ('b', True)
    confirm(image)
    card.write('state.txt', b'x' * 512)
    assert 'state.txt is damaged: boot the card once' in run('update', image, two)[1]
    card.write('slots.txt', b'x' * 512)
    assert 'neither slots.txt nor state.txt can be read: write the card anew' in run('update', image, two)[1]


def test_refused_bundles(made, image, tmp_path):
    place, one, two = made
    good = two.read_bytes()
    before = image.read_bytes()
    inner = bytearray(good)
    inner[len(inner) // 2] ^= 1
    inner[24:28] = zlib.crc32(inner[64:]).to_bytes(4, 'big')
    inner[4:8] = zlib.crc32(inner[:4] + bytes(4) + inner[8:64]).to_bytes(4, 'big')
    flipped = bytearray(good)
    flipped[5000] ^= 1
    for data, words in ((b'', 'is no bundle'), (b'hello' * 100, 'is no bundle'), (good[:-1], 'is damaged or cut off'),
                        (flipped, 'is damaged or cut off'), (good + b'x', 'is damaged or cut off'),
                        (inner, 'is damaged: file-1 in it does not match its crc32')):
        (tmp_path / 'bad.img').write_bytes(data)
        status, text = run('update', image, tmp_path / 'bad.img')
        assert status != 0 and words in text, text
    status, text = run('update', image, bundle(tmp_path, 'large.img', 1 << 20))
    assert status != 0 and 'slot b has room for 1 MiB: make the card anew' in text
    status, text = run('update', image, tmp_path / 'none.img')
    assert status != 0 and 'none.img: No such file' in text
    assert image.read_bytes() == before


def test_refused_cards(made, image, tmp_path):
    place, one, two = made
    (tmp_path / 'zero.img').write_bytes(bytes(1 << 20))
    assert 'has no first partition with a FAT32 file system' in run('update', tmp_path / 'zero.img', two)[1]
    assert 'No such file' in run('update', tmp_path / 'none', '--status')[1]
    subprocess.run(['mdel', '-i', f'{image}@@1M', '::boot.scr'], check=True)
    assert 'has no boot.scr in its first partition: it was not made by make sdcard' in run('update', image, '--status')[1]


def test_slot_too_small(made, tmp_path):
    place, one, two = made
    status, text = run('mkdisk', '-o', tmp_path / 'card.img', '--board', 'rpi4', '--parts', place / 'parts', '--slot-mib', 1, '--atoll',
                       place / 'atoll.bin', '--bundle', bundle(tmp_path, 'large.img', 1 << 20))
    assert status != 0 and 'give a larger --slot-mib' in text
