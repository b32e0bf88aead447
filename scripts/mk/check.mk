# SPDX-License-Identifier: Apache-2.0
# Static checks, a target each, so that scripts/run_tests.py can count them.

CHECK_C = $(shell find arch hyp stage2 include lib board drivers guests tests -name '*.[ch]' 2>/dev/null | sort)
CHECK_HEADERS := $(wildcard include/abi/*.h include/arch/*.h include/hyp/*.h include/hyp/*/*.h lib/*.h arch/arm64/include/asm/*.h \
	stage2/*.h hyp/*.h hyp/*/*.h arch/arm64/*.h arch/arm64/gic/*.h drivers/*.h board/*/*.h)
# asm/X.h is the inline part of include/arch/X.h and is included by nothing else.
CHECK_HEADERS := $(filter-out $(patsubst include/arch/%,arch/arm64/include/asm/%,$(wildcard include/arch/*.h)),$(CHECK_HEADERS))
CHECKS := check-layers check-headers-gcc check-headers-clang check-format check-elf-gcc check-elf-clang

# Each header alone, by each compiler: a stamp a header, so only what changed is looked at again.
define check_headers
build/check/$1/%.ok: % scripts/mk/check.mk | $$(LIBFDT_STAMP) build/$(BOARD)-$1/gen/version.h
	@mkdir -p $$(@D)
	$$(Q)printf '#include "%s"\n#include "%s"\n' '$$<' '$$<' | $(EL2_CC_$1) -std=gnu11 $$(build/$(BOARD)-$1/flags) $(EL2_WARN) \
		-include hyp/hidden.h -MMD -MP -MT $$@ -MF $$@.d -fsyntax-only -x c -
	@touch $$@
-include $(CHECK_HEADERS:%=build/check/$1/%.ok.d)
.PHONY: check-headers-$1
check-headers-$1: $(CHECK_HEADERS:%=build/check/$1/%.ok)
.PHONY: check-elf-$1
check-elf-$1: build/$(BOARD)-$1/atoll.bin
	$$(Q)$(PY) scripts/check_elf.py build/$(BOARD)-$1/atoll.elf build/$(BOARD)-$1/atoll.bin \
		$$(build/$(BOARD)-$1/objs)
endef
$(foreach c,gcc clang,$(eval $(call check_headers,$c)))

.PHONY: check check-layers check-format fmt
check-layers:
	$(Q)$(PY) scripts/check_layers.py
check-format:
	$(Q)[ -n "$(firstword $(CHECK_C))" ] && clang-format --dry-run --Werror $(CHECK_C)
fmt:
	$(Q)clang-format -i $(CHECK_C)
check:
	$(Q)$(PY) scripts/run_tests.py --make '$(MAKE_COMMAND_NAME)' --checks '$(CHECKS)' check
