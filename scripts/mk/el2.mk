# SPDX-License-Identifier: Apache-2.0
# The hypervisor's image, for each compiler and with or without DEBUG, below build/<board>-<compiler>[-debug]/:
# obj/, gen/ (generated headers), management/, management.elf, atoll.elf, atoll.bin. All boards are in one image: the device tree
# tells which it is.

EL2_SRC_C := $(wildcard arch/arm64/*.c arch/arm64/gic/*.c hyp/*.c hyp/*/*.c stage2/*.c lib/*.c drivers/*.c board/*/*.c)
EL2_SRC_C := $(filter-out arch/arm64/offsets.c,$(EL2_SRC_C))
EL2_SRC_S := $(wildcard arch/arm64/*.S arch/arm64/gic/*.S board/*/*.S)

# The management guest, part of the image, but not of what runs at EL2: its own files, and those of EL2 that only look.
MANAGEMENT_OWN := $(wildcard guests/management/*.c)
MANAGEMENT_SRC := $(MANAGEMENT_OWN) $(wildcard lib/*.c) \
	$(patsubst %,hyp/%.c,err gmem trace_text tree verify vm vgic/irq vgic/vgic) $(patsubst %,arch/arm64/%.c,crc32 esr)
MANAGEMENT_SRC_S := $(wildcard guests/management/*.S)
MANAGEMENT_LDFLAGS := -static --gc-sections -z max-page-size=4096 -z noexecstack -z norelro --build-id=none -T guests/management/management.lds

EL2_WARN := -Wall -Wextra -Werror -Wconversion -Wsign-conversion -Wshadow -Wvla -Wmissing-prototypes -Wswitch-enum -Wundef \
	-Wno-unused-parameter
EL2_CODE := -ffreestanding -fpie -mgeneral-regs-only -mno-outline-atomics -mstrict-align -ffixed-x18 -fno-common \
	-fno-strict-aliasing -fno-stack-protector -mbranch-protection=none -fvisibility=hidden \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-omit-frame-pointer -g -ffile-prefix-map=$(CURDIR)=.
EL2_INC := -nostdinc -Iinclude -I. -Ibuild -Iarch/arm64/include
EL2_SYSINC = -D_POSIX_C_SOURCE=200809L -isystem lib/freestanding -isystem $(LIBFDT_SRC) -isystem $(LIBAVB_SRC) \
	-isystem $(NEWLIB_SRC)/newlib/libc/include
EL2_LIBC_FILES := $(addprefix string/,memchr memcmp memcpy memmove memset strchr strcmp strcspn strlen strncmp strnlen strrchr \
	strspn strtok_r) $(addprefix stdio/,nano-vfprintf nano-vfprintf_i snprintf vsnprintf) stdlib/strtoul ctype/ctype_ reent/impure

EL2_CC_gcc := aarch64-linux-gnu-gcc
EL2_CC_clang := clang --target=aarch64-linux-gnu
EL2_LD_gcc := aarch64-linux-gnu-ld
EL2_LD_clang := ld.lld
EL2_CODE_gcc :=
EL2_CODE_clang := -Wthread-safety -fdebug-compilation-dir=.
# printf's small form, for strings and integers; memcpy() and its like must not become calls of themselves.
EL2_LIBC := -O2 -D_DEFAULT_SOURCE -DSTRING_ONLY -DNO_FLOATING_POINT -fno-builtin
EL2_LIBC_gcc := -fno-tree-loop-distribute-patterns
EL2_LIBC_clang :=
EL2_INC_gcc := -isystem $(shell aarch64-linux-gnu-gcc -print-file-name=include)
EL2_INC_clang := -isystem $(shell clang -print-resource-dir)/include
EL2_OPT := -O2 -DCONFIG_DEBUG=0
EL2_OPT-debug := -O1 -DCONFIG_DEBUG=1
EL2_LDFLAGS := -pie --no-dynamic-linker -z text -z max-page-size=4096 -z noexecstack -z norelro --build-id=none \
	--hash-style=sysv -T arch/arm64/atoll.lds
EL2_OBJCOPY := aarch64-linux-gnu-objcopy
EL2_NM := aarch64-linux-gnu-nm

EL2_DIR := build/$(BOARD)-$(COMPILER)$(if $(filter 1,$(DEBUG)),-debug)
EL2_BIN := $(EL2_DIR)/atoll.bin

# $(call el2_rules,DIR,COMPILER,DEBUG-SUFFIX)
define el2_rules
$1/flags := $(EL2_CODE) $(EL2_CODE_$2) $(EL2_OPT$3) $(EL2_INC) -I$1 $(EL2_INC_$2) $(EL2_SYSINC)
$1/objs := $(EL2_SRC_C:%.c=$1/obj/%.o) $(EL2_SRC_S:%.S=$1/obj/%.S.o)
$1/management-objs := $(MANAGEMENT_SRC:%.c=$1/management/%.o) $(MANAGEMENT_SRC_S:%.S=$1/management/%.S.o)

$1/gen/version.h: FORCE
	@mkdir -p $$(@D)
	@v=$$$$(git describe --tags --always --dirty 2>/dev/null || echo unversioned); \
	printf '/* Generated. */\n#pragma once\n#define ATOLL_VERSION "%s"\n' "$$$$v" | cmp -s - $$@ || \
	printf '/* Generated. */\n#pragma once\n#define ATOLL_VERSION "%s"\n' "$$$$v" >$$@

$1/gen/asm_offsets.h: arch/arm64/offsets.c scripts/mk/el2.mk | $1/gen/version.h $(EL2_TP_STAMPS)
	$$(call say,OFFSETS)
	$$(Q)$(EL2_CC_$2) -std=gnu11 $$($1/flags) $(EL2_WARN) -include hyp/hidden.h -MMD -MP -MT $$@ -MF $1/gen/offsets.d -S -o $1/gen/offsets.s $$<
	@{ echo '/* Generated from $$<. */'; echo '#pragma once'; \
	sed -n 's/.*\.ascii[[:space:]]*"->\([A-Za-z0-9_]*\) [$$$$#]*\([-0-9]*\).*/#define \1 \2/p' $1/gen/offsets.s; } >$$@

$1/obj/arch/%.o $1/obj/board/%.o: private lang := gnu11
$1/obj/%.o: %.c scripts/mk/el2.mk | $1/gen/version.h $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$(EL2_CC_$2) -std=$$(or $$(lang),c11) $$($1/flags) $(EL2_WARN) -include hyp/hidden.h -MMD -MP -c -o $$@ $$<

$1/obj/%.S.o: %.S scripts/mk/el2.mk | $1/gen/version.h $1/gen/asm_offsets.h $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,AS)
	$$(Q)$(EL2_CC_$2) -D__ASSEMBLY__ $$($1/flags) -MMD -MP -c -o $$@ $$<

$1/libfdt/%.o: $(EL2_TP_STAMPS) scripts/mk/el2.mk
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$(EL2_CC_$2) -std=c11 $$($1/flags) -w -include hyp/hidden.h -c -o $$@ $(LIBFDT_SRC)/$$*.c

$1/libc/%.o: $(EL2_TP_STAMPS) scripts/mk/el2.mk
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$(EL2_CC_$2) -std=c11 $$($1/flags) $(EL2_LIBC) $(EL2_LIBC_$2) -w -include hyp/hidden.h -c -o $$@ $(NEWLIB_SRC)/newlib/libc/$$*.c

$1/third_party.a: $(LIBFDT_FILES:%=$1/libfdt/%.o) $(EL2_LIBC_FILES:%=$1/libc/%.o)
	@rm -f $$@ $$@.new
	$$(Q)aarch64-linux-gnu-ar rcsD $$@.new $$^ && mv $$@.new $$@

$1/management/arch/%.o: private lang := gnu11
$1/management/guests/management/calls.o: private lang := gnu11
$1/management/%.o: %.c scripts/mk/el2.mk | $1/gen/version.h $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,CC)
	$$(Q)$(EL2_CC_$2) -std=$$(or $$(lang),c11) $$($1/flags) $(EL2_WARN) -fno-pie -ffunction-sections -fdata-sections -include hyp/hidden.h \
		-MMD -MP -c -o $$@ $$<
$1/management/%.S.o: %.S scripts/mk/el2.mk | $1/gen/version.h $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,AS)
	$$(Q)$(EL2_CC_$2) -D__ASSEMBLY__ $$($1/flags) -fno-pie -MMD -MP -c -o $$@ $$<
$1/management.elf: $$($1/management-objs) $1/third_party.a guests/management/management.lds
	$$(call say,LD)
	$$(Q)$(EL2_LD_$2) $(MANAGEMENT_LDFLAGS) -Map=$1/management.map -o $$@ $$($1/management-objs) $1/third_party.a
$1/gen/management.o: $1/management.elf
	$$(Q)$(EL2_OBJCOPY) -O binary $$< $1/gen/management.bin
	$$(Q)printf '.section .rodata.management, "a"\n.balign 16\n.globl management_image, management_image_end\n.hidden management_image, management_image_end\nmanagement_image:\n.incbin "$1/gen/management.bin"\nmanagement_image_end:\n' >$1/gen/management.S
	$$(Q)$(EL2_CC_$2) -c -o $$@ $1/gen/management.S

# Two links: the second carries the table of the first one's function addresses. Text comes first in the image, so the
# table moves none of them; the comparison afterwards makes sure.
$1/atoll.elf: $$($1/objs) $1/gen/management.o $1/third_party.a arch/arm64/atoll.lds scripts/ksyms.py
	$$(call say,LD)
	$$(Q)$(PY) scripts/ksyms.py --empty >$1/gen/ksyms0.S
	$$(Q)$(EL2_CC_$2) -c -o $1/gen/ksyms0.o $1/gen/ksyms0.S
	$$(Q)$(EL2_LD_$2) $(EL2_LDFLAGS) -o $1/gen/atoll0.elf $$($1/objs) $1/gen/management.o $1/gen/ksyms0.o $1/third_party.a
	$$(Q)$(PY) scripts/ksyms.py $1/gen/atoll0.elf >$1/gen/ksyms.S
	$$(Q)$(EL2_CC_$2) -c -o $1/gen/ksyms.o $1/gen/ksyms.S
	$$(Q)$(EL2_LD_$2) $(EL2_LDFLAGS) -Map=$1/atoll.map -o $$@ $$($1/objs) $1/gen/management.o $1/gen/ksyms.o $1/third_party.a
	$$(Q)$(PY) scripts/ksyms.py $$@ | cmp - $1/gen/ksyms.S

$1/atoll.bin: $1/atoll.elf
	$$(call say,BIN)
	$$(Q)$(EL2_OBJCOPY) -O binary $$< $$@

-include $$(patsubst %.o,%.d,$$($1/objs)) $$(patsubst %.o,%.d,$$($1/management-objs)) $1/gen/offsets.d
endef

$(foreach c,gcc clang,$(eval $(call el2_rules,build/$(BOARD)-$c,$c,))$(eval $(call el2_rules,build/$(BOARD)-$c-debug,$c,-debug)))

.PHONY: el2 el2-gcc el2-clang el2-debug
el2: $(EL2_BIN)
el2-gcc: build/$(BOARD)-gcc/atoll.bin
el2-clang: build/$(BOARD)-clang/atoll.bin
el2-debug: build/$(BOARD)-gcc-debug/atoll.bin build/$(BOARD)-clang-debug/atoll.bin
