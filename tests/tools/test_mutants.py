# SPDX-License-Identifier: Apache-2.0
# The faults of tests/mutants keep up with the tree; that tests catch them is `make mutants`.
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCHES = sorted((ROOT / 'tests/mutants').glob('*.patch'))

spec = importlib.util.spec_from_file_location('mutants', ROOT / 'scripts/mutants.py')
mutants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutants)


def test_there_are_enough():
    assert len(PATCHES) >= mutants.NEEDED


@pytest.mark.parametrize('patch', PATCHES, ids=[p.stem for p in PATCHES])
def test_is_complete_and_applies(patch):
    assert mutants.Mutant(patch).faults() is None


@pytest.mark.parametrize('change, says', [
    (lambda text: text.replace('What: ', 'What is this: '), 'its head lacks'),
    (lambda text: text.replace('Catch: ', 'Caught: '), 'its head lacks'),
    (lambda text: text.replace('Catch: unit ', 'Catch: luck '), 'is not known'),
    (lambda text: text.replace('Catch: unit test_s2', 'Catch: unit test_nothing'), 'there is no tests/unit/test_nothing.c'),
    (lambda text: text.replace('\n-', '\n-no such line '), 'does not apply'),
])
def test_faulty_patch_is_told(tmp_path, change, says):
    text = (ROOT / 'tests/mutants/s2-owner.patch').read_text()
    patch = tmp_path / 'faulty.patch'
    patch.write_text(text)
    assert mutants.Mutant(patch).faults() is None
    patch.write_text(change(text))
    assert says in mutants.Mutant(patch).faults()
