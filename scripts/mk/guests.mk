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
-include tests/bench/bench.mk

# Debian's U-Boot for QEMU's arm64 virt, unmodified: a guest like any other.
GUESTS += $(GUEST_BUILD)/u-boot.bin
$(GUEST_BUILD)/u-boot.bin: /usr/lib/u-boot/qemu_arm64/u-boot.bin
	@mkdir -p $(@D)
	$(Q)cp $< $@

# Debian's kernel with a busybox: 70 MB of download, so only for what asks for it (the tests, configs/linux.dts).
LINUX_GUEST := $(GUEST_BUILD)/linux $(GUEST_BUILD)/linux-initrd.gz
.PHONY: linux-guest
linux-guest: $(LINUX_GUEST)
$(LINUX_GUEST) &: scripts/linux_guest.sh guests/linux/init
	$(call say,LINUX,$(LINUX_GUEST))
	$(Q)scripts/linux_guest.sh $(GUEST_BUILD)

.PHONY: guests
guests: $(GUESTS)
