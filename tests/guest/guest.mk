# SPDX-License-Identifier: Apache-2.0
# The guest test programs: build/guests/t-NAME.elf from tests/guest/NAME.c and what they share.

TG_DIR := tests/guest
TG_PROGRAMS := timers gic psci mmio sysregs fp context sharedtimer wfi ending rtc uartin wakes assigned
TG_EXTRA_gic := $(TG_DIR)/gic_smp.c
TG_SHARED := $(TG_DIR)/tg.c $(TG_DIR)/tg_gic.c
$(foreach p,$(TG_PROGRAMS),$(eval $(call unikernel,t-$(p),$(TG_DIR)/$(p).c $(TG_EXTRA_$(p)) $(TG_SHARED))))

# Hostile guests: build/guests/h-NAME.elf from tests/guest/hostile/NAME.c; heartbeat is their neighbour.
HX_DIR := $(TG_DIR)/hostile
HX_PROGRAMS := memory device gicregs sysreg calls translate cpu storm endless
HX_SHARED := $(HX_DIR)/hx.c $(HX_DIR)/hx_asm.S $(TG_DIR)/tg_gic.c
$(foreach p,$(HX_PROGRAMS),$(eval $(call unikernel,h-$(p),$(HX_DIR)/$(p).c $(HX_SHARED))))
$(eval $(call unikernel,heartbeat,$(HX_DIR)/heartbeat.c))
