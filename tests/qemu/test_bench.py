# SPDX-License-Identifier: Apache-2.0
# Exits take no more instructions than tests/bench/bench.py allows; counted under icount, so the same on every machine.
import sys

import harness
import pytest

sys.path.insert(0, str(harness.ROOT / 'tests/bench'))
import bench  # noqa: E402


@pytest.mark.matrix(compiler=['gcc'], gic=[2, 3], smp=[1])
def test_ceilings(cfg, boot):
    text = boot(harness.vm('bench', 'bench.elf'), append='console=plain', icount=True, limit=120).finish(timeout=110).text
    rows = bench.rows(text)
    missing = [name for name in bench.CEILINGS if name not in rows]
    assert not missing, f'no result of {missing}'
    over = [f'{name}: {rows[name]} instructions, at most {top}' for name in rows
            if (top := bench.ceiling(name, cfg.gic)) is not None and rows[name] > top]
    assert not over, '\n'.join(over)
