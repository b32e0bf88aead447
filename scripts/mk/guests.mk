# SPDX-License-Identifier: Apache-2.0
# Guests, all into build/guests. The fragments guests/unikernel/unikernel.mk, tests/guest/guest.mk and tests/qemu/progs/progs.mk add to
# GUESTS; they may use the variables here and those of third_party.mk.

GUEST_BUILD := build/guests
GUEST_CROSS := aarch64-linux-gnu-
GUEST_CC := $(GUEST_CROSS)gcc
GUEST_OBJCOPY := $(GUEST_CROSS)objcopy
GUEST_CC_INC := $(shell $(GUEST_CROSS)gcc -print-file-name=include)
GUESTS :=

-include guests/unikernel/unikernel.mk
-include tests/guest/guest.mk
-include tests/qemu/progs/progs.mk

# Debian's U-Boot for QEMU's arm64 virt, unmodified: a guest like any other.
GUESTS += $(GUEST_BUILD)/u-boot.bin
$(GUEST_BUILD)/u-boot.bin: /usr/lib/u-boot/qemu_arm64/u-boot.bin
	@mkdir -p $(@D)
	$(Q)cp $< $@

.PHONY: guests
guests: $(GUESTS)
