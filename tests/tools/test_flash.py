# SPDX-License-Identifier: Apache-2.0
# scripts/flash, with a sysfs of our own and plain files as disks.
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path):
    """A stick (sdb, with one partition), a disk of the machine (sda), a card (mmcblk0) and one that is too small (sdc)."""
    def disk(name, removable, sectors, kind='', parts=()):
        at = tmp_path / 'sys/class/block' / name
        (at / 'device').mkdir(parents=True)
        (at / 'removable').write_text(f'{removable}\n')
        (at / 'size').write_text(f'{sectors}\n')
        (at / 'device/model').write_text('Stick 3000\n')
        if kind:
            (at / 'device/type').write_text(kind + '\n')
        for part in parts:
            (at / part).mkdir()
            (at / part / 'partition').write_text('1\n')
            (tmp_path / 'sys/class/block' / part).mkdir()
            (tmp_path / 'sys/class/block' / part / 'partition').write_text('1\n')
            (tmp_path / part).write_bytes(b'')
        (tmp_path / 'sys/block').mkdir(exist_ok=True)
        os.symlink(at, tmp_path / 'sys/block' / name)
        (tmp_path / name).write_bytes(b'old' * 100000)
    disk('sda', 0, 100000)
    disk('sdb', 1, 100000, parts=['sdb1'])
    disk('sdc', 1, 2)
    disk('mmcblk0', 0, 100000, kind='SD')
    (tmp_path / 'mounts').write_text('')
    (tmp_path / 'card.img').write_bytes(os.urandom(200000))
    return tmp_path


def flash(place, dev, typed='', mounts=''):
    if mounts:
        (place / 'mounts').write_text(mounts)
    return subprocess.run([ROOT / 'scripts/flash', '--image', place / 'card.img', '--dev', str(place / dev) if dev else '', '--sys',
                           place / 'sys', '--mounts', place / 'mounts'], input=typed, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize('dev', ['sdb', 'mmcblk0'])
def test_writes_and_verifies(place, dev):
    run = flash(place, dev, f'{dev}\n')
    assert run.returncode == 0 and '200000 bytes written and read back' in run.stdout
    assert 'About to be erased' in run.stdout and 'Stick 3000, 0.1 GB' in run.stdout
    assert (place / dev).read_bytes()[:200000] == (place / 'card.img').read_bytes()


@pytest.mark.parametrize('dev, typed, mounts, says', [
    ('', '', '', r'say which card'),
    ('sdx', '', '', 'does not exist; the card readers here: /dev/mmcblk0, /dev/sdb, /dev/sdc'),
    ('sda', 'sda\n', '', 'is not removable'),
    ('sdb1', 'sdb1\n', '', 'is a partition; give the whole disk'),
    ('sdc', 'sdc\n', '', 'has 0 MB, the image 0 MB'),
    ('sdb', 'y\n', '', 'nothing was written'),
    ('sdb', '', '', 'nothing was written'),
    ('sdb', 'sdb\n', '{}/sdb1 /media/stick vfat rw 0 0\n', 'sdb1 is mounted at /media/stick: unmount it first'),
])
def test_refuses(place, dev, typed, mounts, says):
    run = flash(place, dev, typed, mounts.format(place))
    assert run.returncode != 0 and says in run.stdout
    for name in ('sda', 'sdb', 'sdc', 'mmcblk0'):
        assert (place / name).read_bytes() == b'old' * 100000


def test_real_block_devices_only(place):
    run = subprocess.run([ROOT / 'scripts/flash', '--image', place / 'card.img', '--dev', place / 'sdb'], input='sdb\n',
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode != 0 and 'is not a block device' in run.stdout
