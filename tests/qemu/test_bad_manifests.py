# SPDX-License-Identifier: Apache-2.0
# Every manifest of tests/manifests/bad and bad-host (where only the board tells), packed in spite of the linter and booted: EL2 refuses the VM in the linter's words
# and its neighbour runs; where no single VM is at fault, it refuses the manifest. (What needs another host is its "// options:".)
import re
import sys

import harness
import pytest

sys.path.insert(0, str(harness.ROOT / 'tests/tools'))
import bundle_images  # noqa: E402

BAD = sorted((harness.ROOT / 'tests/manifests').glob('bad*/*.dts'))


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """The images the manifests name; their good ELF file is a guest that says something and ends."""
    directory = tmp_path_factory.mktemp('images')
    bundle_images.write(directory)
    (directory / 'ok.elf').write_bytes(harness.guest('hello.elf').read_bytes())
    return directory


def heads(path, word):
    return re.findall(rf'^// {word}: (.*)$', path.read_text(), re.M)


@pytest.mark.matrix(compiler=['gcc'], gic=[3], smp=[1])
@pytest.mark.parametrize('manifest', BAD, ids=lambda p: p.stem)
def test_bad_manifest(cfg, boot, images, manifest):
    expected = heads(manifest, 'expect')
    options = dict(zip(*[iter(' '.join(heads(manifest, 'options')).split())] * 2))
    # So many CPUs start only where the words tell their number.
    smp = int(options.get('--cpus', 16 if re.search(r'\bCPU', ' '.join(expected)) else 1))
    machine = boot(manifest, lint=False, guests=images, gic=int(options.get('--gic', 3)), smp=smp,
                   append='console=plain when-idle=wait panic=poweroff', limit=60)
    nobodys = expected[0].startswith('/chosen/hypervisor')
    machine.expect(r'cannot start: the manifest was refused' if nobodys else r'\] good: exit\(0\)', timeout=30)
    assert re.findall(r'^\[\d+\.\d+ cpu\d+\] error: (.*)$', machine.text, re.M) == expected
    if not nobodys:
        assert 'Hello from a unikernel' in harness.vm_output(machine.text, 'good')
    refused = {e.split(':')[0] for e in expected}
    started = re.findall(r'^ +\d+ +(\S+) +\d+ +\d+ MiB ', machine.text, re.M)
    assert ('good' in started) != nobodys and refused.isdisjoint(started)
