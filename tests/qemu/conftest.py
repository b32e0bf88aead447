# SPDX-License-Identifier: Apache-2.0
# Fixtures of the tests under QEMU: cfg (a build and machine, by the sets of pytest.ini) and boot (start Atoll in it).
import itertools
import os
import re
import shutil

import harness
import pytest

FULL = [harness.Config('gcc', 3, 4, False), harness.Config('clang', 2, 1, False)]


def product(compiler=('gcc', 'clang'), gic=(3, 2), smp=(4, 1), debug=(False,)):
    return [harness.Config(*c) for c in itertools.product(compiler, gic, smp, debug)]


def pytest_addoption(parser):
    parser.addoption('--all', action='store_true', help='the whole matrix and the slow tests')


def pytest_generate_tests(metafunc):
    if 'cfg' not in metafunc.fixturenames:
        return
    matrix = metafunc.definition.get_closest_marker('matrix')
    if matrix:
        configs = product(**matrix.kwargs)
    elif metafunc.config.getoption('--all'):
        configs = product(debug=(False, True))
    elif metafunc.definition.get_closest_marker('smoke'):
        configs = product()
    else:
        configs = FULL
    metafunc.parametrize('cfg', configs, ids=str)


def pytest_collection_modifyitems(config, items):
    if not config.getoption('--all'):
        slow = [i for i in items if i.get_closest_marker('slow')]
        config.hook.pytest_deselected(items=slow)
        items[:] = [i for i in items if not i.get_closest_marker('slow')]


@pytest.fixture
def log_name(request):
    module = os.path.splitext(os.path.basename(str(request.node.fspath)))[0]
    return re.sub(r'[^A-Za-z0-9._-]+', '-', f'{module}.{request.node.name}')


@pytest.fixture
def boot(request, tmp_path, log_name):
    """boot(manifest, ...) starts Atoll with a manifest (a path, a source, or VM nodes as text) and gives a harness.Machine.

    files={name: bytes or path} lie beside the manifest; bundle= takes a ready one (path or bytes) or None for none at all;
    lint=False packs what the linter refuses; append= goes to Atoll's command line; qemu=[...] to QEMU's.
    image=False: Atoll itself comes by qemu as well. guests: where images are looked for.
    gic, smp, mem, cpu, icount, compiler, debug stand over those of cfg; limit is the seconds the machine may live.
    """
    machines = []
    cfg = request.getfixturevalue('cfg') if 'cfg' in request.fixturenames else FULL[0]

    def start(manifest=None, *, files=None, bundle='', lint=True, when_idle='poweroff', append='', qemu=(), gic=None, smp=None,
              mem='1G', cpu='cortex-a72', icount=False, compiler=None, debug=None, limit=240, raw=False, virtualization=True,
              image=True, guests=harness.GUESTS):
        c = harness.Config(compiler or cfg.compiler, gic or cfg.gic, smp or cfg.smp, cfg.debug if debug is None else debug)
        place = tmp_path / f'run{len(machines)}'
        place.mkdir()
        if bundle == '':
            run, bundle = harness.mkbundle(place, manifest, files, lint, when_idle, mem, guests)
            assert run.returncode == 0, f'mkbundle refused the manifest:\n{run.stdout}'
        elif isinstance(bundle, bytes):
            (place / 'given.img').write_bytes(bundle)
            bundle = place / 'given.img'
        command = harness.run_qemu.qemu_command(harness.require(c.image), bundle, 'qemu-virt', cpu, c.gic, c.smp, mem, icount,
                                                append, virtualization, qemu)
        if not image:
            at = command.index('-kernel')
            del command[at:at + 2]
        log = harness.LOGS / (log_name + (f'.{len(machines)}' if machines else '') + '.log')
        machines.append(harness.Machine(command, log, limit, raw))
        return machines[-1]

    request.node.machines = machines
    harness.LOGS.mkdir(parents=True, exist_ok=True)
    yield start
    for machine in machines:
        machine.close()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def pack(tmp_path):
    """pack(manifest, ...) runs mkbundle alone (arguments as harness.mkbundle): CompletedProcess with its words in .stdout."""
    count = itertools.count()
    return lambda manifest, **kw: harness.mkbundle(tmp_path / f'pack{next(count)}', manifest, **kw)[0]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows the end of each serial log."""
    report = (yield).get_result()
    if report.when == 'call' and report.failed:
        for machine in getattr(item, 'machines', []):
            report.sections.append((f'serial log {machine.log.relative_to(harness.ROOT)}', machine.tail(60)))
