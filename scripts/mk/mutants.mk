# SPDX-License-Identifier: Apache-2.0
# Faults put in on purpose (tests/mutants): each must be caught by a test. MUTANTS="name ..." picks some.

MUTANTS ?=
.PHONY: mutants
mutants: $(LIBFDT_STAMP) guests linux-guest rpi4-parts
	@$(PY) scripts/mutants.py $(MUTANTS)
