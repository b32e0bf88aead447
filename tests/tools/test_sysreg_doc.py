# SPDX-License-Identifier: Apache-2.0
# docs/sysregs.md is what arch/arm64 says, and a row without its reason is noticed.
import os
import shutil
import subprocess

import pytest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), '..', '..'))
FILES = ['scripts/gen_sysreg_doc.py', 'docs/sysregs.md'] + ['arch/arm64/' + f for f in ('sysreg.c', 'vcpu_regs.c')] + ['include/arch/vcpu.h']


def check(root):
    return subprocess.run(['/usr/bin/python3', os.path.join(root, 'scripts/gen_sysreg_doc.py'), '--check'],
                          capture_output=True, text=True, timeout=60, check=False)


def test_doc_is_fresh():
    done = check(ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('file, old, new, says', [
    ('arch/arm64/sysreg.c', '"ACTLR_EL1", RW', '"ACTLR_EL1", RD', 'run scripts/gen_sysreg_doc.py'),
    ('arch/arm64/sysreg.c', '"ACTLR_EL1", RW, raz_wi', '"ACTLR_EL1", RW, actlr', 'say in HANDLERS what actlr'),
    ('arch/arm64/sysreg.c', 'ROW(3, 0, 1, 0, 1, "ACTLR', 'ROW(3, 0, 1, 0, X, "ACTLR', 'a row could not be read'),
    ('arch/arm64/sysreg.c', 'ID(7, 2, ID_AA64MMFR2', 'ID(7, 2, 1 | ID_AA64MMFR2', 'an ID register could not be read'),
    ('arch/arm64/vcpu_regs.c', '/* VM: stage 2 on */', '', 'has no name or no reason'),
    ('arch/arm64/vcpu_regs.c', 'stage 2 on', 'stage 2 off', 'run scripts/gen_sysreg_doc.py'),
    ('include/arch/vcpu.h', 'X(FAR_EL1, 6, 0, 0)', 'X(FAR_EL1, 6, 0, 1)', 'run scripts/gen_sysreg_doc.py'),
    ('docs/sysregs.md', 'zero', 'one', 'run scripts/gen_sysreg_doc.py'),
])
def test_changes_are_noticed(tmp_path, file, old, new, says):
    for name in FILES:
        os.makedirs(tmp_path / os.path.dirname(name), exist_ok=True)
        shutil.copy(os.path.join(ROOT, name), tmp_path / name)
    assert check(tmp_path).returncode == 0
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    done = check(tmp_path)
    assert done.returncode != 0
    assert says in done.stderr
