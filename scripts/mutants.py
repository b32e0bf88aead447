#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Shows that the tests notice faults: each tests/mutants/NAME.patch is a small fault, applied to a copy of the tree; one of the
# tests that it names must fail. The same tests must pass without it, and the mutant must compile.
#
# usage: scripts/mutants.py [-j N] [--check] [NAME...]     --check: only whether they are complete and apply to the tree
# Head of a patch, before the diff:
#   What: the fault, in one line
#   Catch: unit TEST [COMPILER]     a host unit test (tests/unit/TEST.c)
#   Catch: model SCENARIO           one of tests/model/scenarios.def
#   Catch: qemu EXPRESSION          pytest -k EXPRESSION in tests/qemu
#   Catch: make TARGET              a target of make (check-elf-gcc, build/qemu-virt-clang/atoll.bin, ...)
# Several Catch lines: the first one that fails is told. The whole run: 15 minutes at most on two cores.
import argparse
import concurrent.futures
import glob
import os
import queue
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLACE = 'build/mutants'
LIMIT = 300     # seconds for one test of one mutant
UNIT_LIMIT = 90 # for a unit test, which takes a few: some faults make it endless
NEEDED = 30
# Built parts that a copy of the tree takes over, so that only what a mutant changes is built again.
BUILT = ('third_party', 'guests', 'gen', 'model', 'unit-gcc', 'unit-clang', 'qemu-virt-gcc', 'qemu-virt-clang',
         'rpi4/parts')
CLEAN = {}      # catch -> does it pass without a mutant? The same in all trees.


class Mutant:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-len('.patch')]
        self.path = os.path.abspath(path)
        with open(path) as f:
            head = f.read().partition('\n--- ')[0]
        self.what = ''.join(re.findall(r'^What: (.+)$', head, re.M)[:1])
        self.catches = re.findall(r'^Catch: (.+)$', head, re.M)

    def patch(self, tree, *flags):
        with open(self.path) as f:
            return subprocess.run(['patch', '-p1', '-s', '-N', '-F1', '--no-backup-if-mismatch', '-r', '-', *flags], cwd=tree,
                                  stdin=f, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def faults(self):
        """What is wrong with the patch itself."""
        if not self.what or not self.catches:
            return 'its head lacks What: or Catch:'
        for catch in self.catches:
            if not re.match(r'(unit \w+( gcc| clang)?|model \S+|qemu .+|make \S+)$', catch):
                return f'`Catch: {catch}` is not known'
            if catch.startswith('unit ') and not os.path.exists(f'{ROOT}/tests/unit/{catch.split()[1]}.c'):
                return f'there is no tests/unit/{catch.split()[1]}.c'
        done = self.patch(ROOT, '--dry-run')
        return f'it does not apply: {done.stdout.strip()}' if done.returncode else None


class Tree:
    """A copy of the files with a build directory of its own; what is not affected by mutants is taken over."""

    def __init__(self, n):
        self.dir = os.path.join(ROOT, PLACE, f'tree{n}')
        self.log = os.path.join(ROOT, PLACE, f'tree{n}.log')
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        # What git would have: also files that are new and not added yet, not those that are deleted.
        names = subprocess.run(['git', 'ls-files', '-z', '-c', '-o', '--exclude-standard'], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split('\0')
        files = '\0'.join(n for n in names if os.path.lexists(os.path.join(ROOT, n)) and n)
        subprocess.run(['cpio', '-p0dm', '--quiet', self.dir], cwd=ROOT, check=True, input=files, text=True)
        for part in BUILT:
            if os.path.isdir(os.path.join(ROOT, 'build', part)):
                shutil.copytree(os.path.join(ROOT, 'build', part), os.path.join(self.dir, 'build', part), symlinks=True)

    def run(self, *command, limit=LIMIT):
        env = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS')}
        env['ATOLL_SETUP_DONE'] = '1'
        with open(self.log, 'a') as log:
            log.write('\n$ ' + ' '.join(command) + '\n')
            log.flush()
            try:
                return subprocess.run(command, cwd=self.dir, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=subprocess.STDOUT, timeout=limit).returncode
            except subprocess.TimeoutExpired:
                log.write(f'no end within {limit} s\n')
                return -1

    def test(self, catch):
        """0: passes, 1: fails, None: it cannot be built or is no test."""
        kind, *words = catch.split(maxsplit=1) if not catch.startswith('unit ') else catch.split()
        if kind == 'model':
            if self.run('make', 'build/model/vgic_model') != 0:
                return None
            return int(self.run('build/model/vgic_model', words[0]) != 0)
        if kind == 'unit':
            program = f'build/unit-{words[1] if len(words) > 1 else "gcc"}/{words[0]}'
            if self.run('make', program) != 0:
                return None
            return int(self.run(program, limit=UNIT_LIMIT) != 0)
        if kind == 'qemu':
            if self.run('make', 'el2-gcc', 'el2-clang', 'guests') != 0:
                return None
            # Exit status 1: tests ran and some failed; others: nothing ran, or a mistake in the expression.
            status = self.run('/usr/bin/python3', '-m', 'pytest', '-q', '-x', '-p', 'no:cacheprovider', '-c',
                              'tests/qemu/pytest.ini', '--rootdir', '.', 'tests/qemu', '-k', words[0])
            return {0: 0, 1: 1, -1: 1}.get(status)
        if kind == 'make':
            return int(self.run('make', words[0]) != 0)
        return None

    def try_mutant(self, mutant):
        """(caught, words)"""
        fault = mutant.faults()
        if fault:
            return False, fault
        for catch in mutant.catches:
            if catch not in CLEAN:
                CLEAN[catch] = self.test(catch)
            if CLEAN[catch] != 0:
                return False, f'`{catch}` does not pass without a mutant'
        with open(self.log, 'a') as log:
            log.write(f'\n=== {mutant.name}: {mutant.what}\n')
        done = mutant.patch(self.dir)
        if done.returncode:
            mutant.patch(self.dir, '-R')
            return False, f'the patch does not apply: {done.stdout.strip()}'
        try:
            for catch in mutant.catches:
                result = self.test(catch)
                if result is None:
                    return False, f'`{catch}` does not build with it: that is no mutant'
                if result:
                    return True, f'caught by {catch}'
            return False, 'NOT CAUGHT by ' + ', '.join(mutant.catches)
        finally:
            if mutant.patch(self.dir, '-R').returncode:
                raise SystemExit(f'mutants: {mutant.name} cannot be taken back')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('-j', type=int, default=os.cpu_count())
    parser.add_argument('--check', action='store_true')
    parser.add_argument('names', nargs='*')
    args = parser.parse_args()
    os.chdir(ROOT)
    mutants = [Mutant(p) for p in sorted(glob.glob('tests/mutants/*.patch'))]
    unknown = set(args.names) - {m.name for m in mutants}
    if unknown:
        sys.exit(f'mutants: there is no {", ".join(sorted(unknown))}')
    chosen = [m for m in mutants if not args.names or m.name in args.names]
    if args.check:
        faulty = [f'{m.name}: {fault}' for m in chosen if (fault := m.faults())]
        print('\n'.join(faulty + [f'{len(chosen) - len(faulty)} of {len(chosen)} mutants apply']))
        return 1 if faulty or len(mutants) < NEEDED else 0
    start = time.monotonic()
    trees = queue.SimpleQueue()
    for n in range(min(args.j, len(chosen))):
        trees.put(Tree(n))

    def one(mutant):
        tree = trees.get()
        try:
            caught, words = tree.try_mutant(mutant)
        finally:
            trees.put(tree)
        print(f'  {"ok" if caught else "FAIL":4}  {mutant.name}: {mutant.what or "?"}: {words}', flush=True)
        return caught

    # Those with the same tests one after the other: what passes without a mutant is looked at once a tree.
    chosen.sort(key=lambda m: m.catches)
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        caught = sum(pool.map(one, chosen))
    print(f'{time.monotonic() - start:.0f} s; logs in {PLACE}/')
    few = not args.names and len(mutants) < NEEDED
    if few:
        print(f'mutants: only {len(mutants)} of at least {NEEDED}')
    print(f'{caught} of {len(chosen)} mutants caught')
    return 0 if chosen and caught == len(chosen) and not few else 1


if __name__ == '__main__':
    sys.exit(main())
