#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets that make has built (build/fuzz/fuzz_X): for a time, bounded for `make test`, or to reduce a corpus.
#
# usage: scripts/fuzz.py run [--seconds N] [TARGET...]   N seconds each; without: all in turns until Ctrl-C
#        scripts/fuzz.py test [TARGET...]                the bounded, deterministic run, with the line coverage
#        scripts/fuzz.py merge [TARGET...]               what was found and adds coverage goes into tests/fuzz/corpus/
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WANTED = 80         # per cent of the lines of `covers`
TURN = 600          # seconds of a target's turn without --seconds
TEST_LIMIT = 300    # seconds for one bounded run
COMMON = ['-timeout=20', '-rss_limit_mb=2048', '-print_final_stats=1']


def names():
    return sorted(os.path.basename(f)[len('fuzz_'):-2] for f in glob.glob(os.path.join(ROOT, 'tests/fuzz/fuzz_*.c')))


def head(name):
    """The lines " * key: words" in the head of a target."""
    found = {}
    with open(f'tests/fuzz/fuzz_{name}.c') as f:
        for line in f.readlines()[:40]:
            match = re.match(r' \* (covers|flags): (.*)', line)
            if match:
                found.setdefault(match[1], []).extend(match[2].split())
    return found


def crashers(name):
    return sorted(glob.glob(f'build/fuzz/{name}/crash-*') + glob.glob(f'build/fuzz/{name}/timeout-*') +
                  glob.glob(f'build/fuzz/{name}/oom-*') + glob.glob(f'build/fuzz/{name}/leak-*'))


def command(name, *args):
    """libFuzzer with the target's flags; the last of two equal ones counts."""
    os.makedirs(f'build/fuzz/{name}/corpus', exist_ok=True)
    os.makedirs(f'tests/fuzz/corpus/{name}', exist_ok=True)
    flags = head(name).get('flags', [])
    return [f'build/fuzz/fuzz_{name}', *COMMON, f'-artifact_prefix=build/fuzz/{name}/', *flags, *args]


def environment(profile):
    return dict(os.environ, LLVM_PROFILE_FILE=profile, ASAN_OPTIONS='abort_on_error=0',
                UBSAN_OPTIONS='print_stacktrace=1')


def run_for(name, seconds):
    """One target for so many seconds; the number of its new crashers."""
    before = crashers(name)
    with open(f'build/fuzz/{name}.log', 'w') as log:
        done = subprocess.run(command(name, '-runs=-1', f'-max_total_time={seconds}', f'build/fuzz/{name}/corpus',
                                      f'tests/fuzz/corpus/{name}'),
                              stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment(f'build/fuzz/{name}.profraw'))
    with open(f'build/fuzz/{name}.log', errors='replace') as log:
        text = log.read()
    runs = re.search(r'stat::number_of_executed_units: (\d+)', text)
    edges = re.findall(r' cov: (\d+)', text)
    new = [c for c in crashers(name) if c not in before]
    bad = max(len(new), int(done.returncode != 0))
    print(f'{name}: {runs[1] if runs else "?"} runs in {seconds} s, {edges[-1] if edges else "?"} edges' +
          (f', FAILED: {" ".join(new) or "status " + str(done.returncode)}, see build/fuzz/{name}.log' if bad else ''), flush=True)
    if bad:
        telling = [line for line in text.splitlines() if re.search(r'ERROR|runtime error|panic|SUMMARY|#[0-9] ', line)]
        print('\n'.join('  ' + line for line in telling[:30]))
    return bad


def run(targets, seconds):
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            while True:
                bad += sum(pool.map(lambda name: run_for(name, seconds or TURN), targets))
                if seconds:
                    break
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
    print(f'{len(targets)} targets, {bad} failures')
    return int(bad != 0)


def coverage(name, profile):
    """(lines run, lines) over the sources that the target covers, and those of each file."""
    data = f'build/fuzz/{name}.profdata'
    subprocess.run(['llvm-profdata', 'merge', '-sparse', profile, '-o', data], check=True)
    covers = head(name).get('covers', [])
    report = subprocess.run(['llvm-cov', 'export', '-summary-only', f'build/fuzz/fuzz_{name}', f'-instr-profile={data}', *covers],
                            check=True, stdout=subprocess.PIPE, text=True)
    files = {os.path.relpath(f['filename'], ROOT): f['summary']['lines'] for f in json.loads(report.stdout)['data'][0]['files']}
    absent = [c for c in covers if c not in files]
    if absent or not covers:
        raise ValueError('covers what it does not link: ' + ' '.join(absent) if absent else 'it says not what it covers')
    return {c: (files[c]['covered'], files[c]['count']) for c in covers}


def test_one(name):
    """(passed, note, output) of the bounded run on the committed corpus: the same each time."""
    found, profile = f'build/fuzz/{name}/test', f'build/fuzz/{name}.profraw'
    shutil.rmtree(found, ignore_errors=True)
    os.makedirs(found)
    try:
        done = subprocess.run(command(name, '-seed=1', found, f'tests/fuzz/corpus/{name}'), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', timeout=TEST_LIMIT,
                              env=environment(profile))
        output = done.stdout
        runs = re.search(r'stat::number_of_executed_units: (\d+)', output)
        if done.returncode or not runs:
            return False, f'status {done.returncode}; {" ".join(crashers(name))}', output
        lines = coverage(name, profile)
    except (OSError, ValueError, subprocess.SubprocessError) as e:
        return False, str(e), ''
    percent = 100 * sum(c for c, _ in lines.values()) / max(1, sum(n for _, n in lines.values()))
    note = f'{runs[1]} runs, {percent:.0f} % of the lines of ' + ', '.join(f'{f} ({100 * c // max(1, n)} %)' for f, (c, n) in lines.items())
    return percent >= WANTED, note + ('' if percent >= WANTED else f': less than {WANTED} %'), output


def merge(targets):
    bad = 0
    for name in targets:
        new, kept = f'build/fuzz/{name}/merged', f'tests/fuzz/corpus/{name}'
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        # One input for each edge, however often it goes there: else there would be hundreds.
        done = subprocess.run(command(name, '-merge=1', '-use_counters=0', new, kept, f'build/fuzz/{name}/corpus'), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(f'build/fuzz/{name}.profraw'))
        if done.returncode:
            print(done.stdout)
            bad += 1
            continue
        # Files with a name were made by hand: they stay, whether they add coverage or not.
        for old in glob.glob(f'{kept}/*'):
            if re.fullmatch(r'[0-9a-f]{40}', os.path.basename(old)):
                os.remove(old)
        for found in glob.glob(f'{new}/*'):
            shutil.copy(found, kept)
        files = glob.glob(f'{kept}/*')
        print(f'{name}: {len(files)} inputs, {sum(os.path.getsize(f) for f in files)} bytes')
    return int(bad != 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('what', choices=['run', 'test', 'merge'])
    parser.add_argument('--seconds', default='')
    parser.add_argument('targets', nargs='*')
    args = parser.parse_intermixed_args()
    os.chdir(ROOT)
    targets = args.targets or names()
    unknown = [t for t in targets if t not in names()]
    if unknown or not targets or not re.fullmatch(r'[0-9]*', args.seconds):
        print(f'fuzz: no such target {" ".join(unknown)}; there are: {" ".join(names())}; seconds are a number', file=sys.stderr)
        return 2
    if args.what == 'run':
        return run(targets, int(args.seconds or 0))
    if args.what == 'merge':
        return merge(targets)
    results = {name: test_one(name) for name in targets}
    for name, (passed, note, output) in results.items():
        print(('' if passed else output) + f'{name}: {"ok" if passed else "FAILED"}: {note}')
    return int(not all(passed for passed, _, _ in results.values()))


if __name__ == '__main__':
    sys.exit(main())
