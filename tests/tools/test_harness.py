# SPDX-License-Identifier: Apache-2.0
# The harness of tests/qemu, against shell scripts in QEMU's place.
import os
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'qemu'))
import harness  # noqa: E402


@pytest.fixture
def machine(tmp_path):
    started = []

    def start(script, limit=20, **kw):
        path = tmp_path / 'fake'
        path.write_text('#!/bin/bash\n' + script)
        path.chmod(0o755)
        started.append(harness.Machine([str(path)], tmp_path / 'log', limit, **kw))
        return started[-1]
    yield start
    for m in started:
        m.close()


def test_colours_and_returns_are_stripped_even_when_cut(machine, tmp_path):
    m = machine("printf '\\033[3'; sleep 0.2; printf '2m[hello]\\033'; sleep 0.2; printf '[0m Hi\\r\\n'; sleep 0.1")
    m.expect(r'^\[hello\] Hi\n')
    m.close()
    assert b'\x1b[32m[hello]\x1b[0m Hi\r' in (tmp_path / 'log').read_bytes()


def test_raw_keeps_everything(machine):
    m = machine("printf '\\033[32mx\\033[0m\\r\\n'", raw=True)
    m.expect('\x1b\\[32mx\x1b\\[0m\r')


def test_what_is_typed_arrives(machine):
    m = machine('echo ready; read -r line; echo "got <$line>"; sleep 5')
    m.expect('ready')
    m.send('version\r')
    m.expect('got <version>')


def test_missing_pattern_shows_the_log(machine):
    m = machine('echo one; echo two; sleep 60')
    with pytest.raises(AssertionError) as e:
        m.expect('three', timeout=1)
    assert 'did not see' in str(e.value) and 'two' in str(e.value) and 'still runs' in str(e.value)


def test_early_end_is_told(machine):
    m = machine('echo one; exit 3')
    with pytest.raises(AssertionError, match='ended before'):
        m.expect('two', timeout=10)


def test_expect_not(machine):
    m = machine('echo one; sleep 0.3; echo oops; sleep 60')
    with pytest.raises(AssertionError, match='saw'):
        m.expect_not('oops', 5)
    m.expect_not('never', 0.3)


@pytest.mark.parametrize('script, crashed, says', [
    ('echo "atoll: 5 VMs stopped, 0 crashed"', 0, None),
    ('echo "atoll: 5 VMs stopped, 1 crashed"', 1, None),
    ('echo "atoll: 5 VMs stopped, 1 crashed"', 0, '1 VMs crashed, expected 0'),
    ('echo "atoll: 5 VMs stopped, 0 crashed"; exit 1', 0, 'no proper end'),
    ('echo "atoll: 5 VMs stopped, 0 crashed"; echo panic', 0, 'no proper end'),
    ('echo "atoll: 5 VMs stopped, 0 crashed"; sleep 60', 0, 'did not end within'),
])
def test_finish(machine, script, crashed, says):
    m = machine(script)
    if says:
        with pytest.raises(AssertionError, match=says):
            m.finish(timeout=1, crashed=crashed)
    else:
        outcome = m.finish(timeout=10, crashed=crashed)
        assert (outcome.stopped, outcome.crashed) == (5, crashed)


def test_close_kills(machine):
    m = machine('trap "" TERM HUP INT; echo up; while :; do sleep 1; done')
    m.expect('up')
    pid = m.serial.pid
    m.close()
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_manifest_text():
    text = harness.manifest_text(harness.vm('a', 'a.elf', weight=3, background=True, bootargs='x y', affinity=[0, 1]))
    for part in ('/dts-v1/;', 'when-idle = "poweroff";', 'a {', 'image = "a.elf";', 'memory = <0 16384>;', 'weight = <3>;',
                 'background;', 'bootargs = "x y";', 'affinity = <0 1>;'):
        assert part in text


def test_vm_output_joins_the_pieces():
    text = '[hello] Hel\n[clock] tick 1\n[hello] lo there\n[1.5 cpu0] hello: exit(0)\n'
    assert harness.vm_output(text, 'hello') == 'Hello there'
    assert harness.vm_output(text, 'clock') == 'tick 1'
