# SPDX-License-Identifier: Apache-2.0
# Each manifest below tests/manifests/bad is refused in the words of its "// expect:" lines: by scripts/mkbundle, and by
# the management guest's code (config.c, assign.c, fit.c, loader.c, built for the host with sanitizers) when it is packed
# with --no-lint.
# "// options:" are mkbundle's; CPUs, GIC and RAM are the same for both. Those in bad-host only Atoll itself can refuse.
import fcntl
import hashlib
import os
import pathlib
import re
import struct
import subprocess
import zlib

import bundle_images
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / 'tests/manifests'
BAD = sorted(MANIFESTS.glob('bad*/*.dts'))
GOOD = sorted((MANIFESTS / 'good').glob('*.dts'))
SOURCES = ['tests/tools/bundle_check.c', 'hyp/config_host.c', 'hyp/tree.c', 'hyp/verify.c', 'lib/sha256.c', 'lib/crc32.c', 'lib/str.c',
           'tests/fake_arch/crc32.c'] + [f'guests/management/{n}.c' for n in ('config', 'assign', 'fit', 'loader')]


def run(*command, env=None, timeout=60):
    return subprocess.run([str(c) for c in command], cwd=ROOT, env=dict(os.environ, **(env or {})), text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


@pytest.fixture(scope='session')
def atoll(tmp_path_factory):
    """atoll(bundle, gic, cpus, ram): what the management guest says."""
    libfdt, libavb = (pathlib.Path(run('scripts/fetch.sh', n, timeout=600).stdout.strip().splitlines()[-1])
                      for n in ('libfdt', 'libavb'))
    assert (libfdt / 'fdt.c').is_file() and (libavb / 'avb_sha256.c').is_file()
    program = ROOT / 'build/tools/bundle_check'
    program.parent.mkdir(parents=True, exist_ok=True)
    # One build for all workers of pytest.
    with open(program.parent / 'lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        inputs = [ROOT / s for s in SOURCES] + list(ROOT.glob('include/*/*.h')) + list(ROOT.glob('guests/management/*.[hd]*'))
        if not program.exists() or max(p.stat().st_mtime for p in inputs) >= program.stat().st_mtime:
            made = run('gcc', '-std=gnu11', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all',
                       '-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Iinclude', '-I.', '-Itests/fake_arch/include', '-isystem', libfdt,
                       '-isystem', libavb, '-isystem', 'lib/freestanding',
                       '-o', program, *SOURCES, *[libfdt / f'fdt{n}.c' for n in ('', '_ro', '_empty_tree', '_rw', '_sw', '_wip', '_addresses', '_strerror')])
            assert made.returncode == 0, made.stdout
    host = tmp_path_factory.mktemp('host') / 'virt.dtb'
    dumped = run('qemu-system-aarch64', '-M', f'virt,virtualization=on,gic-version=3,dumpdtb={host}', '-nic', 'none', '-display', 'none')
    assert host.exists(), dumped.stdout
    return lambda bundle, gic=3, cpus=16, ram=1 << 30: run(program, bundle, gic, cpus, ram, host)


@pytest.fixture(scope='session')
def images(tmp_path_factory):
    directory = tmp_path_factory.mktemp('images')
    bundle_images.write(directory)
    return directory


def heads(path, word):
    return re.findall(rf'^// {word}: (.*)$', path.read_text(), re.M)


def options_of(path):
    options = dict(zip(*[iter(' '.join(heads(path, 'options')).split())] * 2))
    return options.get('--gic', '3'), options.get('--cpus', '16'), 1 << 30


def mkbundle(manifest, out, images, *more):
    gic, cpus, ram = options_of(manifest) if manifest.exists() else ('3', '16', 1 << 30)
    return run('scripts/mkbundle', manifest, '-o', out, '--guests', images, '--gic', gic, '--cpus', cpus, '--ram', ram, *more)


@pytest.mark.parametrize('manifest', BAD, ids=lambda p: p.stem)
def test_bad_manifest(manifest, images, atoll, tmp_path):
    expected = heads(manifest, 'expect')
    assert expected, f'{manifest} has no "// expect:" line'
    bundle = tmp_path / 'bundle.img'
    linted = mkbundle(manifest, bundle, images)
    if manifest.parent.name == 'bad':
        assert linted.returncode == 1 and not bundle.exists()
        prefix = f'{manifest}: '
        faults = [line[len(prefix):] for line in linted.stdout.splitlines() if line.startswith(prefix)]
        assert faults == expected, linted.stdout
    else:
        assert linted.returncode == 0, linted.stdout    # what only the board knows
    assert 'Traceback' not in linted.stdout

    packed = mkbundle(manifest, bundle, images, '--no-lint')
    assert packed.returncode == 0, packed.stdout
    said = atoll(bundle, *options_of(manifest))
    lines = said.stdout.splitlines()
    assert said.returncode == 0, said.stdout
    assert [line[len('error: '):] for line in lines if line.startswith('error: ')] == expected
    if expected[0].startswith('/chosen/hypervisor'):
        assert lines[-1] == 'refused: the manifest was refused (see above)'
    else:
        refused = {e.split(':')[0] for e in expected}
        assert run('dtc', '-q', '-O', 'dtb', '-o', tmp_path / 'm.dtb', manifest).returncode == 0
        names = set(run('fdtget', '-l', tmp_path / 'm.dtb', '/chosen/hypervisor').stdout.split())
        good = {line.split()[1] for line in lines if line.startswith('vm ')}
        assert 'good' in good and good == names - refused, lines


def test_every_sentence_has_a_bad_manifest():
    """What can be said of a manifest is said in some test: texts of the schema against the expectations."""
    import importlib.util
    spec = importlib.util.spec_from_file_location('manifest_schema', ROOT / 'scripts/manifest_schema.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    schema = module.Schema()
    expected = [e for path in BAD for e in heads(path, 'expect')]
    # A duplicate name and a broken tree do not pass dtc; data outside the bundle do not come out of mkimage;
    # WORDS is for VMs made at run time.
    # QEMU's virt has no node that is disabled, shares registers or has an interrupt of another kind: test_assign.c.
    elsewhere = {'TREE', 'SAME_NAME', 'CUT_OFF', 'WORDS', 'ASSIGN_OFF', 'ASSIGN_SHARED', 'ASSIGN_IRQ'}
    for name, text in list(schema.rules.items()) + list(schema.loads.items()):
        pattern = re.sub(r'%(s|lu|lx)', '.+', re.escape(text.replace('%%', '\0')).replace('\0', '%'))
        assert name in elsewhere or any(re.search(f': {pattern}$', e) for e in expected), name


@pytest.mark.parametrize('manifest', GOOD, ids=lambda p: p.stem)
def test_good_manifest(manifest, images, atoll, tmp_path):
    bundle = tmp_path / 'bundle.img'
    linted = mkbundle(manifest, bundle, images)
    assert linted.returncode == 0, linted.stdout
    said = atoll(bundle, *options_of(manifest))
    assert said.returncode == 0 and 'error' not in said.stdout and 'refused' not in said.stdout, said.stdout
    assert len(re.findall('^vm ', said.stdout, re.M)) == int(heads(manifest, 'vms')[0])


@pytest.mark.parametrize('text, says', [
    ('/dts-v1/;\n/ {\n\tchosen {\n\t\thypervisor = \n\t};\n};\n', r'm\.dts:5:\d+: syntax error'),
    ('/dts-v1/;\n/ { chosen { a { }; a { }; }; };\n', r'm\.dts:2:.*Duplicate node name'),
    ('/ { };\n', r'm\.dts:1:\d+: syntax error'),
    ('', r'm\.dts is not a device tree source that dtc can read'),
])
def test_syntax(text, says, tmp_path):
    (tmp_path / 'm.dts').write_text(text)
    result = run('scripts/mkbundle', tmp_path / 'm.dts', '-o', tmp_path / 'b.img')
    assert result.returncode == 1 and re.search(says, result.stdout), result.stdout
    assert 'Traceback' not in result.stdout and not (tmp_path / 'b.img').exists()


def test_arguments(tmp_path):
    assert 'there is no such file' in run('scripts/mkbundle', tmp_path / 'none.dts', '-o', tmp_path / 'b').stdout
    assert 'is not a size' in run('scripts/mkbundle', 'x', '-o', 'y', '--ram', '1T').stdout
    result = run('scripts/mkbundle', GOOD[0], '-o', '/proc/nowhere/b.img', '--guests', tmp_path)
    assert result.returncode == 1 and 'Traceback' not in result.stdout


def test_similar_file_is_named(images, tmp_path):
    result = mkbundle(MANIFESTS / 'bad/file-missing.dts', tmp_path / 'b', images)
    assert 'note: nowhere.elf was looked for in' in result.stdout
    text = (MANIFESTS / 'bad/file-missing.dts').read_text().replace('nowhere.elf', 'ok.elff')
    (tmp_path / 'm.dts').write_text(text)
    assert 'did you mean ok.elf?' in mkbundle(tmp_path / 'm.dts', tmp_path / 'b', images).stdout


def test_reproducible(images, tmp_path):
    for name in ('a', 'b'):
        made = run('scripts/mkbundle', GOOD[0], '-o', tmp_path / name, '--itb', tmp_path / f'{name}.itb', '--guests', images,
                   env={'SOURCE_DATE_EPOCH': '1700000000'})
        assert made.returncode == 0, made.stdout
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()
    image, itb = (tmp_path / 'a').read_bytes(), (tmp_path / 'a.itb').read_bytes()
    magic, _, date, size = struct.unpack_from('>4I', image)
    assert (magic, date, size) == (0x27051956, 1700000000, len(itb)) and image[64:] == itb
    # Data begin at pages of the FIT.
    assert all(int(n, 16) % 4096 == 0 for n in re.findall(r'data-offset = <(0x[0-9a-f]+)>',
                                                          run('fdtdump', tmp_path / 'a.itb').stdout))


def test_bundle_in_every_wrapping(images, atoll, tmp_path):
    made = mkbundle(GOOD[0], tmp_path / 'b.img', images, '--itb', tmp_path / 'b.itb')
    assert made.returncode == 0, made.stdout
    assert 'refused' not in atoll(tmp_path / 'b.img').stdout
    assert 'refused' not in atoll(tmp_path / 'b.itb').stdout
    data = (tmp_path / 'b.img').read_bytes()
    # Padding behind, as loaders give it.
    (tmp_path / 'padded').write_bytes(data + bytes(4096))
    assert 'refused' not in atoll(tmp_path / 'padded').stdout


@pytest.mark.parametrize('spoil, says', [
    (lambda d: b'', 'the initrd is no bundle'),
    (lambda d: d[:40], 'the initrd is no bundle'),
    (lambda d: d[:-1], 'the bundle is cut off'),
    (lambda d: bytes(64) + d[64:], 'the initrd is no bundle'),
    (lambda d: d[64:2000], "the bundle's tree is broken"),
    (lambda d: d[64:64 + 4096], 'the bundle has no manifest'),         # the tree is whole, its data are gone
    (lambda d: d.replace(b'atoll,manifest-v1', b'atoll,manifest-v2'), "the bundle's manifest does not match its hash"),
    (lambda d: d.replace(b'crc32\0', b'crc33\0'), "the bundle's manifest does not match its hash"),
    (lambda d: d.replace(b'images\0', b'imagos\0'), 'the bundle has no /images'),
])
def test_spoilt_bundle(spoil, says, images, atoll, tmp_path):
    assert mkbundle(GOOD[0], tmp_path / 'b.img', images).returncode == 0
    (tmp_path / 'spoilt').write_bytes(spoil((tmp_path / 'b.img').read_bytes()))
    said = atoll(tmp_path / 'spoilt')
    assert said.returncode == 0 and f'refused: {says}' in said.stdout, said.stdout


def manifest_in(bundle):
    """(start, end) of the manifest's tree, which is the first data of the bundle."""
    at = bundle.index(b'\xd0\x0d\xfe\xed', 64 + 64)
    return at, at + struct.unpack_from('>I', bundle, at + 4)[0]


def rehash(bundle, old, new):
    """BUNDLE with the manifest replaced by one of the same size, and the hashes made right again."""
    at, end = manifest_in(bundle)
    for value in (lambda d: struct.pack('>I', zlib.crc32(d)), lambda d: hashlib.sha256(d).digest()):
        assert value(old) in bundle
        bundle = bundle.replace(value(old), value(new))
    return bundle[:at] + new + bundle[end:]


def test_what_dtc_would_not_make(images, atoll, tmp_path):
    """Trees that only a hostile hand makes: two VMs of one name; then every byte of the structure changed in turn."""
    (tmp_path / 'm.dts').write_text((MANIFESTS / 'bad/weight-low.dts').read_text().replace('bad {', 'goop {')
                                    .replace('weight = <0>', 'weight = <7>'))
    assert mkbundle(tmp_path / 'm.dts', tmp_path / 'b', images).returncode == 0
    bundle = (tmp_path / 'b').read_bytes()
    at, end = manifest_in(bundle)
    old = bundle[at:end]
    (tmp_path / 'twice').write_bytes(rehash(bundle, old, old.replace(b'goop\0', b'good\0')))
    said = atoll(tmp_path / 'twice').stdout
    assert 'error: good: there is a VM of this name; give another' in said
    for position in range(0, end - at, 7):
        new = bytearray(old)
        new[position] ^= 0xff
        (tmp_path / 'x').write_bytes(rehash(bundle, old, bytes(new)))
        said = atoll(tmp_path / 'x')
        assert said.returncode == 0, f'byte {position}: {said.stdout}'


def test_doc_is_fresh():
    checked = run('/usr/bin/python3', 'scripts/gen_manifest_doc.py', '--check')
    assert checked.returncode == 0, checked.stdout
