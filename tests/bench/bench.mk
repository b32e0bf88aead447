# SPDX-License-Identifier: Apache-2.0
# The benchmark guest, build/guests/bench.elf, and `make bench`.

$(eval $(call unikernel,bench,tests/bench/bench.c tests/guest/tg_gic.c))
$(GUEST_BUILD)/obj/bench/bench.o: UK_CFLAGS += -Itests/guest

.PHONY: bench
bench: $(EL2_BIN) guests
	@$(PY) tests/bench/bench.py $(EL2_BIN)
