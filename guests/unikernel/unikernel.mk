# SPDX-License-Identifier: Apache-2.0
# One line makes a C file (or several) an ELF unikernel:  $(eval $(call unikernel,NAME,FILE.c ...))
# gives $(GUEST_BUILD)/NAME.elf and adds it to GUESTS. docs/first-unikernel.md shows how.
#
# The includer may set GUEST_BUILD, NEWLIB_DIR (include/ and lib/ in it), LIBFDT_SRC, NEWLIB_STAMP
# and LIBFDT_STAMP (targets that make the former two), GUEST_CROSS, Q and say for quiet recipes,
# UK_CFLAGS and UK_WARN. newlib has to be built with -D__DYNAMIC_REENT__ for stdio on several CPUs.
# Always gcc: clang 14 fails on newlib's <stdatomic.h>.

unikernels:
.PHONY: unikernels

UK_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
UK_ROOT := $(UK_DIR)/../..
GUEST_BUILD ?= build/guests
NEWLIB_DIR ?= $(UK_ROOT)/build/third_party/newlib
LIBFDT_SRC ?= $(UK_ROOT)/build/third_party/libfdt
GUEST_CROSS ?= aarch64-linux-gnu-
UK_CC := $(GUEST_CROSS)gcc
UK_AR := $(GUEST_CROSS)ar
UK_OBJ := $(GUEST_BUILD)/unikernel

UK_WARN ?= -Wall -Wextra -Werror -Wconversion -Wsign-conversion -Wshadow -Wvla \
	   -Wmissing-prototypes -Wundef
UK_ARCH := -march=armv8-a -mno-outline-atomics -mbranch-protection=none -fno-pie \
	   -fno-stack-protector -fno-common -fno-strict-aliasing -fno-omit-frame-pointer
UK_INC = -nostdinc -isystem $(shell $(UK_CC) -print-file-name=include) \
	 -isystem $(NEWLIB_DIR)/include -I$(UK_DIR)/include -I$(UK_ROOT)/include
UK_BASE = -std=gnu11 -O2 -g -D__DYNAMIC_REENT__ $(UK_ARCH) -ffunction-sections -fdata-sections -MMD -MP $(UK_INC)
UK_LINK = $(UK_CC) -nostdlib -static -no-pie -Wl,--gc-sections -Wl,--build-id=none \
	  -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--fatal-warnings -T $(UK_DIR)/unikernel.lds

UK_LIB_SRC := start machine memory mmu gic gicv2 gicv3 timer smp console syscalls reent power fault
UK_LIB_ASM := vectors
UK_FDT_SRC := fdt fdt_ro fdt_addresses fdt_strerror
UK_LIB_OBJ := $(UK_LIB_SRC:%=$(UK_OBJ)/lib/%.o) $(UK_LIB_ASM:%=$(UK_OBJ)/lib/%.o) \
	      $(UK_FDT_SRC:%=$(UK_OBJ)/libfdt/%.o)
UK_CRT0 := $(UK_OBJ)/lib/crt0.o
UK_LIB := $(UK_OBJ)/libuk.a

# Runs before translation and caches are on: no unaligned access, no FP, no calls into newlib.
$(UK_OBJ)/lib/mmu.o: UK_EXTRA := -ffreestanding -mstrict-align -mgeneral-regs-only \
	-fno-tree-loop-distribute-patterns

$(UK_OBJ)/lib/%.o: $(UK_DIR)/lib/%.c $(UK_DIR)/unikernel.mk | $(NEWLIB_STAMP) $(LIBFDT_STAMP)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(UK_CC) $(UK_BASE) -isystem $(LIBFDT_SRC) $(UK_WARN) $(UK_EXTRA) -c $< -o $@

$(UK_OBJ)/lib/%.o: $(UK_DIR)/lib/%.S $(UK_DIR)/unikernel.mk
	@mkdir -p $(@D)
	$(call say,AS)
	$(Q)$(UK_CC) -MMD -MP $(UK_ARCH) -g -c $< -o $@

$(UK_FDT_SRC:%=$(UK_OBJ)/libfdt/%.o): $(UK_OBJ)/libfdt/%.o: $(LIBFDT_STAMP) $(UK_DIR)/unikernel.mk | $(NEWLIB_STAMP)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(UK_CC) $(UK_BASE) -w -isystem $(LIBFDT_SRC) -c $(LIBFDT_SRC)/$*.c -o $@

$(UK_LIB): $(UK_LIB_OBJ)
	@rm -f $@
	$(call say,AR)
	$(Q)$(UK_AR) rcsD $@ $^

# A source named from the includer's directory, or else from this one.
uk_src = $(or $(wildcard $(1)),$(wildcard $(UK_DIR)/$(1)),$(1))

define uk_object
$(GUEST_BUILD)/obj/$(1)/$(notdir $(basename $(2))).o: $(call uk_src,$(2)) $(UK_DIR)/unikernel.mk \
		| $(NEWLIB_STAMP) $(LIBFDT_STAMP)
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$$(UK_CC) $$(UK_BASE) -isystem $$(LIBFDT_SRC) $$(UK_WARN) $$(UK_CFLAGS) -c $$< -o $$@
-include $(wildcard $(GUEST_BUILD)/obj/$(1)/$(notdir $(basename $(2))).d)
endef

define unikernel
GUESTS += $(GUEST_BUILD)/$(1).elf
unikernels: $(GUEST_BUILD)/$(1).elf
$(foreach s,$(2),$(eval $(call uk_object,$(1),$(s))))
$(GUEST_BUILD)/obj/$(1)/uk_app_name.o: $(UK_DIR)/unikernel.mk
	@mkdir -p $$(@D)
	@echo 'extern const char uk_app_name[]; const char uk_app_name[] = "$(1)";' | \
		$$(UK_CC) $$(UK_ARCH) -x c -c - -o $$@
$(GUEST_BUILD)/$(1).elf: $(UK_CRT0) \
		$(foreach s,$(2),$(GUEST_BUILD)/obj/$(1)/$(notdir $(basename $(s))).o) \
		$(GUEST_BUILD)/obj/$(1)/uk_app_name.o $(UK_LIB) $(UK_DIR)/unikernel.lds $(NEWLIB_STAMP)
	$$(call say,LD)
	$$(Q)$$(UK_LINK) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(UK_LIB) $$(NEWLIB_DIR)/lib/libc.a \
		$$(NEWLIB_DIR)/lib/libm.a $$$$($$(UK_CC) -print-libgcc-file-name) -Wl,--end-group
endef

-include $(wildcard $(UK_LIB_OBJ:.o=.d) $(UK_CRT0:.o=.d))

# Those that come with Atoll, for Atoll's own Makefile.
UK_APPS ?= $(if $(filter $(realpath $(UK_ROOT)),$(realpath $(CURDIR))),\
	hello clock primes libc smp shell control)
$(foreach app,$(UK_APPS),$(eval $(call unikernel,$(app),apps/$(app).c)))
$(GUEST_BUILD)/obj/libc/libc.o: UK_CFLAGS += -fno-builtin
