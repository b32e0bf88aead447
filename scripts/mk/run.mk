# SPDX-License-Identifier: Apache-2.0
# Bundle, QEMU, gdb and the test runs.

BUNDLE := build/bundle-$(basename $(notdir $(MANIFEST))).img
# The board's least: what the linter holds a manifest against.
ifeq ($(BOARD),rpi4)
MEM := 1G
endif
mem_bytes := $(shell echo $$(( $(subst G,*1024*1024*1024,$(subst M,*1024*1024,$(MEM))) )))

.PHONY: bundle run gdb test test-all sdcard rpi4-parts flash update
# Always packed anew: images may lie beside the manifest, out of make's sight, and it takes a moment only.
bundle: guests $(if $(shell grep -sl '"linux"' $(MANIFEST)),linux-guest)
	$(call say,BUNDLE,$(BUNDLE))
	$(Q)scripts/mkbundle $(MANIFEST) -o $(BUNDLE) --guests $(GUEST_BUILD) --board-ram $(mem_bytes)

RUN_QEMU = $(PY) scripts/run_qemu.py --image $(EL2_BIN) --bundle $(BUNDLE) --board $(BOARD) --cpu $(CPU) --gic $(GIC) --smp $(SMP) \
	$(if $(filter rpi4,$(BOARD)),--parts $(RPI4_PARTS) $(if $(filter 1,$(DIRECT)),,--card $(RPI4_CARD))) --mem $(MEM) $(if $(filter 1,$(ICOUNT)),--icount) --append "$(strip $(if $(LOG),loglvl=$(LOG)) $(APPEND))"

# A card for the Raspberry Pi 4. Made anew each time, as the bundle; DIRECT=1: the firmware starts Atoll, without U-Boot.
RPI4_PARTS := build/rpi4/parts
RPI4_CARD := build/rpi4/sdcard.img
rpi4-parts: $(RPI4_PARTS)/.done
$(RPI4_PARTS)/.done: scripts/rpi_parts.sh scripts/arm64_debs.sh
	$(call say,FETCH,$(RPI4_PARTS))
	$(Q)scripts/rpi_parts.sh $(RPI4_PARTS)
	@touch $@
ifeq ($(BOARD),rpi4)
sdcard: $(EL2_BIN) bundle $(RPI4_PARTS)/.done
	$(Q)scripts/mkdisk -o $(RPI4_CARD) --board rpi4 --parts $(RPI4_PARTS) --atoll $(EL2_BIN) --bundle $(BUNDLE) \
		--append "$(strip $(if $(LOG),loglvl=$(LOG)) $(APPEND))" $(if $(filter 1,$(DIRECT)),--kind direct)
flash: sdcard
	@$(PY) scripts/flash --image $(RPI4_CARD) --dev '$(DEV)'
update: bundle
	$(Q)scripts/update $(or $(DEV),$(RPI4_CARD)) $(BUNDLE)
else
sdcard flash update:
	$(error a card is for BOARD=rpi4: make $@ BOARD=rpi4)
endif

run: $(EL2_BIN) bundle $(if $(filter rpi4,$(BOARD)),sdcard)
	@$(RUN_QEMU) -- $(QEMU_ARGS)

gdb: $(EL2_BIN) bundle
	@$(RUN_QEMU) --gdb $(EL2_DIR)/atoll.elf -- $(QEMU_ARGS)

RUN_TESTS = $(PY) scripts/run_tests.py --make '$(MAKE_COMMAND_NAME)' --checks '$(CHECKS)'
test:
	@$(RUN_TESTS) unit model fuzz check qemu
test-all:
	@$(RUN_TESTS) --all unit model fuzz check qemu
