# SPDX-License-Identifier: Apache-2.0
# The guest test programs: build/guests/t-NAME.elf from tests/guest/NAME.c and what they share.

TG_DIR := tests/guest
TG_PROGRAMS := timers gic psci mmio sysregs fp context sharedtimer wfi ending rtc uartin wakes
TG_EXTRA_gic := $(TG_DIR)/gic_smp.c
TG_SHARED := $(TG_DIR)/tg.c $(TG_DIR)/tg_gic.c
$(foreach p,$(TG_PROGRAMS),$(eval $(call unikernel,t-$(p),$(TG_DIR)/$(p).c $(TG_EXTRA_$(p)) $(TG_SHARED))))
