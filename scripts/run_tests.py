#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Runs the tests (`make test`, `test-all`, `unit`, `check`) and counts them: the last line is "N passed, N failed".
# Nothing passes by not being there: what does not build, does not start or prints no count is a failure.
import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

import fuzz

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = 'build/test-logs'
UNIT_LIMIT = 300    # seconds for one unit test program
MODEL_LIMIT = 1800  # the model checker (make test: well below a minute)
QEMU_WORKERS = 2    # emulated machines at a time


class Count:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.names = []

    def add(self, what, passed, failed, note=''):
        self.passed += passed
        self.failed += failed
        if failed:
            self.names.append(what)
        print(f'  {"FAIL" if failed else "ok":4}  {what}: {passed} passed' + (f', {failed} FAILED' if failed else '') +
              (f' ({note})' if note else ''), flush=True)


def make(args, *goals, keep_going=True):
    """Run make for goals; its own output is shown only when it fails."""
    command = [args.make, '--no-print-directory', f'-j{os.cpu_count()}'] + (['-k'] if keep_going else []) + list(goals)
    env = {k: v for k, v in os.environ.items() if k not in ('MAKELEVEL', 'MFLAGS')}
    # Of the outer make only the variables of its command line go on, not its flags and job server.
    env['MAKEFLAGS'] = env.get('MAKEFLAGS', '').partition(' -- ')[2] and '-- ' + env['MAKEFLAGS'].partition(' -- ')[2]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', env=env)


def errors_of(output, limit=40):
    """The lines of a failed build that tell why."""
    lines = [line for line in output.splitlines() if not re.match(r'  [A-Z0-9]+ +\S+$', line)]
    return '\n'.join('      ' + line for line in lines[-limit:])


def run_unit_program(program):
    """(passed, failed, output) of one cmocka program."""
    try:
        run = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors='replace', timeout=UNIT_LIMIT)
        output, status = run.stdout, run.returncode
    except subprocess.TimeoutExpired as e:
        output, status = (e.stdout or b'').decode(errors='replace') + f'\nno end within {UNIT_LIMIT} s\n', 1
    except OSError as e:
        output, status = f'{e}\n', 1
    passed = len(re.findall(r'^\[       OK \] ', output, re.M))
    failed = sum(int(n) for n in re.findall(r'^\[  FAILED  \] (\d+) test\(s\)', output, re.M))
    if passed + failed == 0 or (status != 0 and failed == 0):
        failed += 1
    with open(os.path.join(LOGS, program.replace('build/', '').replace('/', '-') + '.log'), 'w') as f:
        f.write(output)
    return passed, failed, output


def run_unit(args, count):
    sources = sorted(glob.glob('tests/unit/test_*.c'))
    programs = [f'build/unit-{c}/{os.path.basename(s)[:-2]}' for c in ('gcc', 'clang') for s in sources]
    if not programs:
        count.add('unit tests', 0, 1, 'there are none')
        return
    build = make(args, 'unit-build')
    if build.returncode:
        print(errors_of(build.stdout))
    fresh = []
    for program in programs:
        # After a failed build an old program may still lie there: ask make whether it is the current one.
        if build.returncode and (not os.path.exists(program) or make(args, '-q', program).returncode):
            count.add(program.replace('build/', ''), 0, 1, 'does not build')
        else:
            fresh.append(program)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, (passed, failed, output) in zip(fresh, pool.map(run_unit_program, fresh)):
            count.add(program.replace('build/', ''), passed, failed)
            if failed:
                print('\n'.join('      ' + line for line in output.splitlines()[-60:]))


def run_model(args, count):
    """The vGIC beside its specification: each scenario of the model checker and each random walk is a test."""
    build = make(args, 'model-build')
    if build.returncode:
        print(errors_of(build.stdout))
        count.add('model', 0, 1, 'does not build')
        return
    programs = [['vgic_model'] + (['--all'] if args.all else []), ['vgic_random', '20000000' if args.all else '2000000']]
    for command in programs:
        try:
            run = subprocess.run([f'build/model/{command[0]}'] + command[1:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors='replace', timeout=MODEL_LIMIT)
            output, status = run.stdout, run.returncode
        except subprocess.TimeoutExpired as e:
            output, status = (e.stdout or b'').decode(errors='replace') + f'\nno end within {MODEL_LIMIT} s\n', 1
        passed = len(re.findall(r'^ok ', output, re.M))
        failed = len(re.findall(r'^FAILED ', output, re.M))
        if passed + failed == 0 or (status != 0 and failed == 0):
            failed += 1
        with open(os.path.join(LOGS, f'{command[0]}.log'), 'w') as f:
            f.write(output)
        count.add(command[0], passed, failed, output.rstrip().rpartition('\n')[2])
        if failed:
            print('\n'.join('      ' + line for line in output.splitlines()[-80:]))


def run_fuzz(args, count):
    """Each fuzz target's bounded run; it also fails for too little line coverage."""
    build = make(args, 'fuzz-build')
    if build.returncode:
        print(errors_of(build.stdout))
    targets = fuzz.names()
    if not targets:
        count.add('fuzz targets', 0, 1, 'there are none')
    fresh = [t for t in targets if build.returncode == 0 or make(args, '-q', f'build/fuzz/fuzz_{t}').returncode == 0]
    for name in [t for t in targets if t not in fresh]:
        count.add(f'fuzz {name}', 0, 1, 'does not build')
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (passed, note, output) in zip(fresh, pool.map(fuzz.test_one, fresh)):
            count.add(f'fuzz {name}', int(passed), int(not passed), note)
            if not passed:
                print('\n'.join('      ' + line for line in output.splitlines()[-40:]))


def run_checks(args, count):
    for check in args.checks.split():
        result = make(args, check)
        count.add(check, int(result.returncode == 0), int(result.returncode != 0))
        if result.returncode:
            print(errors_of(result.stdout, 60))
        elif check.startswith('check-elf'):
            print('\n'.join('      ' + line for line in result.stdout.splitlines() if line.startswith('size:')))


def run_qemu_tests(args, count):
    goals = ['el2-gcc', 'el2-clang', 'guests', 'linux-guest', 'rpi4-parts'] + (['el2-debug'] if args.all else [])
    build = make(args, *goals)
    if build.returncode:
        print(errors_of(build.stdout))
        count.add('build of ' + ', '.join(goals), 0, 1)
        # What did build is tested all the same; the tests of what did not fail by themselves.
    report = 'build/junit-qemu.xml'
    if os.path.exists(report):
        os.remove(report)
    command = ['/usr/bin/python3', '-m', 'pytest', '-q', '-rf', '--color=no', '-n', str(QEMU_WORKERS), '--dist', 'load',
               f'--junitxml={report}', '-c', 'tests/qemu/pytest.ini', '--rootdir', '.', 'tests/tools', 'tests/qemu']
    if args.all:
        command.append('--all')
    if args.select:
        command += ['-k', args.select]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, env=dict(os.environ, PYTHONDONTWRITEBYTECODE='1')).returncode
    passed = failed = skipped = 0
    if os.path.exists(report):
        for suite in xml.etree.ElementTree.parse(report).getroot().iter('testsuite'):
            bad = int(suite.get('failures')) + int(suite.get('errors'))
            skipped += int(suite.get('skipped'))
            failed += bad
            passed += int(suite.get('tests')) - bad - int(suite.get('skipped'))
    if passed + failed == 0 or (status != 0 and failed == 0):
        failed += 1
    if skipped and os.environ.get('CI') == 'true':
        failed += skipped
    count.add('tests under QEMU', passed, failed, f'{skipped} skipped' if skipped else '')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--make', default='make')
    parser.add_argument('--all', action='store_true', help='the whole matrix and the slow tests too')
    parser.add_argument('--checks', default='')
    parser.add_argument('--select', default=os.environ.get('TESTS', ''), help='pytest -k expression (also $TESTS)')
    parser.add_argument('parts', nargs='+', choices=['unit', 'model', 'fuzz', 'check', 'qemu'])
    args = parser.parse_args()
    os.chdir(ROOT)
    os.makedirs(LOGS, exist_ok=True)
    count = Count()
    start = time.monotonic()
    for part, run in (('unit', run_unit), ('model', run_model), ('fuzz', run_fuzz), ('check', run_checks), ('qemu', run_qemu_tests)):
        if part in args.parts:
            print(f'{part}:', flush=True)
            run(args, count)
    if count.names:
        print('failed: ' + ', '.join(count.names))
    print(f'{time.monotonic() - start:.0f} s; logs in {LOGS}/')
    print(f'{count.passed} passed, {count.failed} failed', flush=True)
    return 0 if count.passed and not count.failed else 1


if __name__ == '__main__':
    sys.exit(main())
