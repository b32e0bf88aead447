# SPDX-License-Identifier: Apache-2.0
# The build's own tools answer bad input in words and catch what they are there to catch.
import hashlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / 'scripts'


def run(*command, env=None, cwd=ROOT, timeout=120):
    clean = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}
    clean.update(env or {})
    return subprocess.run([str(c) for c in command], env=clean, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout)


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


# --- make's variables

@pytest.mark.parametrize('words, says', [
    (['GIC=4'], 'GIC=4 is not known; it may be: 2 3'),
    (['GIC=2', 'SMP=9'], 'a GICv2 has at most 8 CPUs'),
    (['SMP=0'], 'SMP=0 is not a number of CPUs'),
    (['SMP=four'], 'SMP=four is not a number of CPUs'),
    (['BOARD=toaster'], 'BOARD=toaster is not known; it may be:'),
    (['COMPILER=tcc'], 'COMPILER=tcc is not known; it may be: gcc clang'),
    (['MEM=lots'], 'MEM=lots is not a size'),
    (['CPU=cortex-a15'], 'CPU=cortex-a15 is no 64-bit CPU'),
    (['LOG=loud'], 'LOG=loud is not known; it may be: error warn info debug trace'),
    (['DEBUG=yes'], 'DEBUG=yes is not known; it may be: 0 1'),
    (['run', 'MANIFEST=no/such.dts'], 'MANIFEST=no/such.dts: there is no such file'),
])
def test_bad_variable_is_refused(words, says):
    result = run('make', *words)
    assert result.returncode != 0
    assert says in result.stdout


def test_help_names_every_target():
    result = run('make', 'help')
    assert result.returncode == 0
    for target in 'run test test-all unit check bundle gdb fmt clean'.split():
        assert re.search(rf'^make {target}\b', result.stdout, re.M), target


# --- scripts/setup.sh

TOOLS = 'bash sh env sed awk tr cat cut dirname basename uname mktemp grep rm cp mkdir'.split()


@pytest.fixture
def bare_machine(tmp_path):
    """A PATH with the basic tools and an apt-get that only notes its calls: bare_machine(uid) gives the environment."""
    path = tmp_path / 'bin'
    path.mkdir()
    for tool in TOOLS:
        (path / tool).symlink_to(shutil.which(tool))
    executable(path / 'apt-get', f'#!/bin/sh\necho "$@" >>{tmp_path}/apt.log\n'
               'case $1 in indextargets) for s in bookworm trixie; do echo "file:/nowhere/ $s"; done;; esac\n')

    def environment(uid):
        executable(path / 'id', f'#!/bin/sh\necho {uid}\n')
        return {'PATH': str(path)}
    environment.log = tmp_path / 'apt.log'
    return environment


def test_setup_names_all_packages_in_one_message(bare_machine):
    result = run(SCRIPTS / 'setup.sh', env=bare_machine(1000))
    assert result.returncode == 1
    assert result.stdout.count('\n') == 1, result.stdout
    for package in 'make gcc-aarch64-linux-gnu clang lld device-tree-compiler u-boot-tools qemu-system-arm'.split():
        assert result.stdout.count(f' {package}') >= 1, package
    assert 'apt-get install' in result.stdout
    assert not bare_machine.log.exists(), 'nobody asked for root, yet apt-get was called'


def test_setup_installs_as_root(bare_machine):
    result = run(SCRIPTS / 'setup.sh', env=bare_machine(0))
    calls = bare_machine.log.read_text().splitlines()
    install = [c for c in calls if ' install ' in f' {c} ']
    assert len(install) == 1 and '--no-install-recommends' in install[0]
    assert ' gcc-aarch64-linux-gnu ' in install[0] + ' '
    if 'VERSION_CODENAME=bookworm' in pathlib.Path('/etc/os-release').read_text():
        assert 'qemu-system-arm/bookworm-backports' in install[0]
    # The fake installed nothing, which must not go unnoticed.
    assert result.returncode == 1 and 'still missing after installation' in result.stdout


def test_setup_is_silent_and_offline_when_all_is_there(tmp_path):
    path = tmp_path / 'bin'
    path.mkdir()
    executable(path / 'apt-get', f'#!/bin/sh\necho "$@" >>{tmp_path}/apt.log\n')
    result = run(SCRIPTS / 'setup.sh', env={'PATH': f'{path}:{os.environ["PATH"]}'})
    assert (result.returncode, result.stdout) == (0, '')
    assert not (tmp_path / 'apt.log').exists()


# --- scripts/fetch.sh

@pytest.fixture
def source(tmp_path):
    """A small pinned tarball in a local mirror: (environment, tarball, pins file, write_pins(sha256))."""
    tree = tmp_path / 'thing-1.0'
    (tree / 'sub').mkdir(parents=True)
    (tree / 'sub/file.c').write_text('int x;\n')
    mirror = tmp_path / 'mirror'
    mirror.mkdir()
    tarball = mirror / 'thing_1.0.tar.xz'
    with tarfile.open(tarball, 'w:xz') as tar:
        tar.add(tree, 'thing-1.0')
    pins = tmp_path / 'pins'

    def write_pins(sha256):
        pins.write_text(f'thing version 1.0\nthing file {tarball.name}\nthing sha256 {sha256}\nthing unpack sub\n'
                        f'thing installed {tmp_path}/nowhere/{tarball.name}\n')
    write_pins(hashlib.sha256(tarball.read_bytes()).hexdigest())
    env = {'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'ATOLL_MIRROR': str(mirror), 'ATOLL_PINS': str(pins)}
    return env, tarball, write_pins


def test_fetch_from_local_mirror(source, tmp_path):
    env, _, _ = source
    result = run(SCRIPTS / 'fetch.sh', 'thing', tmp_path / 'link', env=env)
    assert result.returncode == 0, result.stdout
    assert (tmp_path / 'link/file.c').read_text() == 'int x;\n'
    # From the cache now, with no place left to take it from.
    result = run(SCRIPTS / 'fetch.sh', 'thing', tmp_path / 'link2', env=dict(env, ATOLL_MIRROR=''))
    assert result.returncode == 0, result.stdout


def test_fetch_refuses_a_wrong_hash(source, tmp_path):
    env, _, write_pins = source
    write_pins('0' * 64)
    result = run(SCRIPTS / 'fetch.sh', 'thing', tmp_path / 'link', env=env)
    assert result.returncode != 0
    assert 'wrong SHA-256' in result.stdout and 'pinned is 000000' in result.stdout
    assert not (tmp_path / 'link').exists()


def test_fetch_says_where_it_looked(source, tmp_path):
    env, tarball, _ = source
    tarball.unlink()
    result = run(SCRIPTS / 'fetch.sh', 'thing', tmp_path / 'link', env=env)
    assert result.returncode != 0
    assert 'in none of its places' in result.stdout and 'nowhere' in result.stdout and 'ATOLL_MIRROR' in result.stdout


def test_fetch_does_not_trust_a_damaged_cache(source, tmp_path):
    env, tarball, _ = source
    assert run(SCRIPTS / 'fetch.sh', 'thing', env=env).returncode == 0
    cache = tmp_path / 'cache/atoll'
    shutil.rmtree(next((cache / 'src').iterdir()))
    kept = next((cache / 'dl').iterdir())
    kept.write_bytes(b'rubbish')
    result = run(SCRIPTS / 'fetch.sh', 'thing', tmp_path / 'link', env=env)
    assert result.returncode == 0, result.stdout
    assert 'wrong SHA-256' in result.stdout
    assert kept.read_bytes() == tarball.read_bytes()


def test_fetch_in_parallel(source, tmp_path):
    env, _, _ = source
    full = dict(os.environ, **env)
    jobs = [subprocess.Popen([str(SCRIPTS / 'fetch.sh'), 'thing', str(tmp_path / f'link{i}')], env=full,
                             stdout=subprocess.DEVNULL) for i in range(8)]
    assert [job.wait(timeout=60) for job in jobs] == [0] * 8
    assert all((tmp_path / f'link{i}/file.c').exists() for i in range(8))
    assert [p.name for p in (tmp_path / 'cache/atoll').iterdir() if p.name.startswith(('tmp.', 'unpack.'))] == []


def test_pins_name_no_host():
    assert not re.search(r'://', (SCRIPTS / 'third_party.list').read_text())


# --- scripts/check_layers.py

@pytest.mark.parametrize('files, says', [
    ({'stage2/a.c': '#include <hyp/vm.h>\n', 'include/hyp/vm.h': ''}, 'layer 4 includes include/hyp/vm.h of layer 5'),
    ({'stage2/a.c': '#include <hyp/page.h>\n', 'include/hyp/page.h': ''}, 'layer 4 includes include/hyp/page.h of layer 3'),
    ({'lib/a.c': '#include <hyp/types.h>\n', 'include/hyp/types.h': ''}, 'an upward edge'),
    ({'arch/arm64/gic/v3.c': '#include <hyp/vgic.h>\n', 'include/hyp/vgic.h': ''}, 'an upward edge'),
    ({'include/hyp/vm.h': '#include <hyp/vcpu.h>\n', 'include/hyp/vcpu.h': '#include <hyp/vm.h>\n'}, 'header cycle'),
    ({'hyp/vm.c': '#include <libfdt.h>\n'}, 'includes libfdt.h'),
    ({'hyp/config.c': '#include <libfdt.h>\n'}, 'includes libfdt.h'),
    ({'hyp/vm.c': '#include "guests/management/fit.h"\n', 'guests/management/fit.h': ''}, 'knows nothing of its guests'),
    ({'hyp/vm.c': '#ifdef X\n#endif\n'}, 'preprocessor condition'),
    ({'hyp/vm.c': 'void f(void) { __asm__ volatile("nop"); }\n'}, 'assembly outside arch/'),
    ({'arch/arm64/mm.c': 'void f(void) { __asm__ volatile("tlbi alle2"); }\n'}, 'a TLBI outside'),
    ({'arch/arm64/trap.c': 'void f(void) { sysreg_write(HCR_EL2, 0); }\n'}, 'HCR_EL2 written outside'),
    ({'hyp/surprise.c': ''}, 'no layer'),
    ({'hyp/vm.c': 'const char *f = "%#llx";\n'}, "newlib's small printf"),
    ({'hyp/vm.c': '#include <unistd.h>\n'}, 'neither ours nor a freestanding header'),
    ({'guests/unikernel/lib/a.c': '#include <hyp/vm.h>\n', 'include/hyp/vm.h': ''}, 'a guest includes'),
    ({'guests/unikernel/lib/a.c': '#include "guests/management/fit.h"\n', 'guests/management/fit.h': ''}, 'a guest includes'),
    ({'guests/management/a.c': '#include "hyp/sched/rq.h"\n', 'hyp/sched/rq.h': ''}, 'the management guest includes'),
    ({'guests/management/a.c': '#include <asm/maint.h>\n', 'arch/arm64/include/asm/maint.h': ''}, 'the management guest includes'),
    ({'guests/management/a.c': '#include <unistd.h>\n'}, 'neither ours nor a freestanding header'),
    ({'guests/management/a.c': '#ifdef X\n#endif\n'}, 'preprocessor condition'),
    ({'guests/management/a.c': 'const char *f = "%zu";\n'}, "newlib's small printf"),
])
def test_layer_check_catches(tmp_path, files, says):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    result = run(SCRIPTS / 'check_layers.py', tmp_path)
    assert result.returncode == 1
    assert says in result.stdout


def test_layer_check_lets_good_code_pass(tmp_path):
    files = {'hyp/vm.c': '#include <stdint.h>\n#include <hyp/vm.h>\n/* tlbi, asm("") and #ifdef in a comment */\n',
             'include/hyp/vm.h': '#include <hyp/types.h>\n', 'include/hyp/types.h': '', 'hyp/tree.c': '#include <libfdt.h>\n',
             'guests/management/a.c': '#include <hyp/vm.h>\n#include <libfdt.h>\nvoid f(void) { __asm__("hvc #0"); }\n'}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    result = run(SCRIPTS / 'check_layers.py', tmp_path)
    assert result.returncode == 0, result.stdout


# --- clang-tidy, cppcheck and -Wthread-safety, as `make check` calls them

LOCKED = '''
#include <arch/spinlock.h>
static spinlock_t lock;
static int guarded GUARDED_BY(lock);
static void needs(void) REQUIRES(lock) { guarded++; }
void entry(int held);
void entry(int held)
{
'''


@pytest.mark.parametrize('goal, code, says', [
    ('tidy', 'int entry(const int *p);\nint entry(const int *p)\n{\n\tif (!p) return *p;\n\treturn 0;\n}\n', 'core.NullDereference'),
    ('tidy', 'int entry(int n);\nint entry(int n) { return n > 0 ? entry(n - 1) : 0; }\n', 'misc-no-recursion'),
    ('cppcheck', 'int entry(int n);\nint entry(int n)\n{\n\tint x = 1;\n\n\tif (n == 0) x = 2;\n\treturn x / n;\n}\n', 'zerodivcond'),
    ('object', LOCKED + '\tneeds();\n}\n', 'requires holding'),
    ('object', LOCKED + '\tspin_lock(&lock);\n\tneeds();\n}\n', 'still held'),
    ('object', LOCKED + '\tguarded = held;\n}\n', 'guarded'),
    ('all', LOCKED + '\tspin_lock(&lock);\n\tneeds();\n\tspin_unlock(&lock);\n}\n', None),
])
def test_static_checks_catch(goal, code, says):
    directory = ROOT / 'build/check-test' / str(os.getpid())
    name = f'{directory.relative_to(ROOT)}/entry'
    goals = {'tidy': f'build/check/tidy/{name}.c.ok', 'cppcheck': f'build/check/cppcheck/{name}.c.ok',
             'object': f'build/qemu-virt-clang/obj/{name}.o'}
    places = [directory] + [(ROOT / g).parent for g in goals.values()]
    try:
        directory.mkdir(parents=True)
        (directory / 'entry.c').write_text('/* A test of the checks. */\n' + code)
        result = run('make', *(goals.values() if goal == 'all' else [goals[goal]]), timeout=300)
        assert (result.returncode == 0) == (says is None), result.stdout
        assert says is None or says in result.stdout
    finally:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)


# --- scripts/check_elf.py

HEAD = '''.section .head.text,"ax"
.globl _start
_start: b code
.word 0
.quad 0
.long _image_size, 0
.quad 10, 0, 0, 0
.ascii "ARM\\x64"
.word 0
code: nop
'''


@pytest.mark.parametrize('code, says', [
    ('eret\ndsb nsh\nisb\n.section .text.fpsimd,"ax"\nldp q0, q1, [x0]\nmrs x0, fpcr\n', None),
    ('eret\nnop\n', 'eret without "dsb nsh; isb"'),
    ('eret\ndsb nsh\nnop\n', 'eret without "dsb nsh; isb"'),
    ('fmov d0, x0\n', 'FP/SIMD outside .text.fpsimd'),
    ('ld1 {v0.16b}, [x0]\n', 'FP/SIMD outside .text.fpsimd'),
    ('msr fpcr, x0\n', 'FP/SIMD outside .text.fpsimd'),
    ('.weak nobody\nadrp x0, nobody\n', 'refers to the weak symbol nobody'),
    ('.section .odd,"aw"\n.quad 1\n', 'section .odd takes memory'),
    ('.data\n.section .text\n.globl _start\n.section .head.text\n', None),
])
def test_elf_check_catches(tmp_path, code, says):
    (tmp_path / 'a.S').write_text(HEAD + code)
    cross = 'aarch64-linux-gnu-'
    assert run(cross + 'gcc', '-c', '-o', tmp_path / 'a.o', tmp_path / 'a.S').returncode == 0
    link = run(cross + 'ld', '-pie', '--no-dynamic-linker', '-z', 'norelro', '-z', 'max-page-size=4096', '-T',
               'arch/arm64/atoll.lds', '-o', tmp_path / 'a.elf', tmp_path / 'a.o')
    assert link.returncode == 0, link.stdout
    assert run(cross + 'objcopy', '-O', 'binary', tmp_path / 'a.elf', tmp_path / 'a.bin').returncode == 0
    result = run(SCRIPTS / 'check_elf.py', tmp_path / 'a.elf', tmp_path / 'a.bin', tmp_path / 'a.o')
    if says is None:
        assert result.returncode == 0, result.stdout
        assert re.search(r'^size: text \d+, rodata \d+, data \d+, bss \d+$', result.stdout, re.M)
    else:
        assert result.returncode == 1
        assert says in result.stdout


@pytest.mark.parametrize('code, says', [
    ('hvc #0\n.section .odd.nothing,"a"\n.data\n.quad 1\n', None),
    ('eret\ndsb nsh\nisb\n', 'eret, but there is nothing below it'),
    ('.section .text.fpsimd,"ax"\nldr q0, [x0]\n', 'ldr q0, [x0]: FP/SIMD'),
    ('mrs x0, fpsr\n', 'FP/SIMD'),
    ('.weak nobody\nadrp x0, nobody\n', 'refers to the weak symbol nobody'),
    ('.section .odd,"aw"\n.quad 1\n', 'section .odd takes memory'),
    ('.section .data.code,"awx"\nnop\n', 'section .data is writable and executable'),
])
def test_elf_check_of_the_management_guest(tmp_path, code, says):
    (tmp_path / 'a.S').write_text('.section .head.text,"ax"\n.globl _start\n_start:\n' + code)
    cross = 'aarch64-linux-gnu-'
    assert run(cross + 'gcc', '-c', '-o', tmp_path / 'a.o', tmp_path / 'a.S').returncode == 0
    link = run(cross + 'ld', '-static', '-z', 'max-page-size=4096', '-T', 'guests/management/management.lds', '-o', tmp_path / 'a.elf',
               tmp_path / 'a.o')
    assert link.returncode == 0, link.stdout
    result = run(SCRIPTS / 'check_elf.py', tmp_path / 'a.elf', '--guest', tmp_path / 'a.o')
    if says is None:
        assert result.returncode == 0, result.stdout
    else:
        assert result.returncode == 1
        assert says in result.stdout


# --- scripts/run_tests.py, scripts/run_qemu.py

@pytest.mark.parametrize('script, passed, failed', [
    ('echo "[       OK ] a"; echo "[       OK ] b"', 2, 0),
    ('echo "[       OK ] a"; echo "[  FAILED  ] b"; echo "[  FAILED  ] 1 test(s), listed below:"; exit 1', 1, 1),
    ('echo "[       OK ] a"; kill -SEGV $$', 1, 1),
    ('exit 0', 0, 1),
])
def test_unit_results_are_counted(tmp_path, monkeypatch, script, passed, failed):
    module = load('run_tests')
    monkeypatch.setattr(module, 'LOGS', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    executable(tmp_path / 'test_x', f'#!/bin/sh\n{script}\n')
    assert module.run_unit_program('./test_x')[:2] == (passed, failed)


@pytest.mark.parametrize('script, status, says', [
    ('echo "atoll: 3 VMs stopped, 0 crashed"', 0, ''),
    ('printf "atoll: 1 VM stopped, 0 crashed\\r\\n"', 0, ''),
    ('echo "atoll: 3 VMs stopped, 2 crashed"', 1, '2 VMs crashed'),
    ('echo "atoll: 3 VMs stopped, 0 crashed"; exit 3', 1, 'QEMU ended with exit status 3'),
    ('echo "panic"', 1, 'Atoll did not end by itself'),
    ('exit 0', 1, 'Atoll did not end by itself'),
])
def test_headless_exit_status(tmp_path, script, status, says):
    executable(tmp_path / 'qemu-system-aarch64', f'#!/bin/sh\necho "$@" >{tmp_path}/args\n{script}\n')
    result = run(SCRIPTS / 'run_qemu.py', '--image', 'a.bin', '--bundle', 'b.img', '--gic', '2', '--append', 'loglvl=info',
                 '--icount', '--', '-snapshot', env={'PATH': f'{tmp_path}:{os.environ["PATH"]}'})
    assert result.returncode == status, result.stdout
    assert says in result.stdout
    args = (tmp_path / 'args').read_text()
    for word in ('gic-version=2', 'virtualization=on', '-append loglvl=info console=plain when-idle=poweroff', 'shift=0,sleep=off',
                 'cortex-a72,cntfrq=1000000000', '-initrd b.img', '-monitor none', '-snapshot'):
        assert word in args, word
