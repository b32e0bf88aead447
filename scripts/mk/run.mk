# SPDX-License-Identifier: Apache-2.0
# Bundle, QEMU, gdb and the test runs.

BUNDLE := build/bundle-$(basename $(notdir $(MANIFEST))).img
mem_bytes := $(shell echo $$(( $(subst G,*1024*1024*1024,$(subst M,*1024*1024,$(MEM))) )))

.PHONY: bundle run gdb test test-all
# Always packed anew: images may lie beside the manifest, out of make's sight, and it takes a moment only.
bundle: guests $(if $(shell grep -sl '"linux"' $(MANIFEST)),linux-guest)
	$(call say,BUNDLE,$(BUNDLE))
	$(Q)scripts/mkbundle $(MANIFEST) -o $(BUNDLE) --guests $(GUEST_BUILD) --board-ram $(mem_bytes)

RUN_QEMU = $(PY) scripts/run_qemu.py --image $(EL2_BIN) --bundle $(BUNDLE) --board $(BOARD) --cpu $(CPU) --gic $(GIC) --smp $(SMP) \
	--mem $(MEM) $(if $(filter 1,$(ICOUNT)),--icount) --append "$(strip $(if $(LOG),loglvl=$(LOG)) $(APPEND))"

run: $(EL2_BIN) bundle
	@$(RUN_QEMU) -- $(QEMU_ARGS)

gdb: $(EL2_BIN) bundle
	@$(RUN_QEMU) --gdb $(EL2_DIR)/atoll.elf -- $(QEMU_ARGS)

RUN_TESTS = $(PY) scripts/run_tests.py --make '$(MAKE_COMMAND_NAME)' --checks '$(CHECKS)'
test:
	@$(RUN_TESTS) unit fuzz check qemu
test-all:
	@$(RUN_TESTS) --all unit fuzz check qemu
