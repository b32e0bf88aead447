# SPDX-License-Identifier: Apache-2.0
# Static checks, a target each, so that scripts/run_tests.py can count them.

CHECK_C = $(shell find arch hyp stage2 include lib board drivers guests tests -name '*.[ch]' 2>/dev/null | sort)
CHECK_HEADERS := $(wildcard include/abi/*.h include/arch/*.h include/hyp/*.h include/hyp/*/*.h lib/*.h arch/arm64/include/asm/*.h \
	stage2/*.h hyp/*.h hyp/*/*.h arch/arm64/*.h arch/arm64/gic/*.h drivers/*.h board/*/*.h guests/management/*.h)
# asm/X.h is the inline part of include/arch/X.h and is included by nothing else.
CHECK_HEADERS := $(filter-out $(patsubst include/arch/%,arch/arm64/include/asm/%,$(wildcard include/arch/*.h)),$(CHECK_HEADERS))
# The image of each compiler with and without DEBUG: no warning, and with clang no lock missing (-Wthread-safety).
CHECKS := check-layers check-format check-headers-gcc check-headers-clang check-build-gcc check-build-clang check-tidy check-cppcheck \
	check-elf-gcc check-elf-clang

# Each header alone, by each compiler: a stamp a header, so only what changed is looked at again.
define check_headers
build/check/$1/%.ok: % scripts/mk/check.mk | $(EL2_TP_STAMPS) build/$(BOARD)-$1/gen/version.h
	@mkdir -p $$(@D)
	$$(Q)printf '#include "%s"\n#include "%s"\n' '$$<' '$$<' | $(EL2_CC_$1) -std=gnu11 $$(build/$(BOARD)-$1/flags) $(EL2_WARN) \
		-include hyp/hidden.h -MMD -MP -MT $$@ -MF $$@.d -fsyntax-only -x c -
	@touch $$@
-include $(CHECK_HEADERS:%=build/check/$1/%.ok.d)
.PHONY: check-headers-$1
check-headers-$1: $(CHECK_HEADERS:%=build/check/$1/%.ok)
.PHONY: check-build-$1 check-elf-$1
check-build-$1: build/$(BOARD)-$1/atoll.bin build/$(BOARD)-$1-debug/atoll.bin
check-elf-$1: build/$(BOARD)-$1/atoll.bin
	$$(Q)$(PY) scripts/check_elf.py build/$(BOARD)-$1/management.elf --guest $$(build/$(BOARD)-$1/management-objs)
	$$(Q)$(PY) scripts/check_elf.py build/$(BOARD)-$1/atoll.elf build/$(BOARD)-$1/atoll.bin \
		$$(build/$(BOARD)-$1/objs)
endef
$(foreach c,gcc clang,$(eval $(call check_headers,$c)))

# Analysers, a stamp for each source. Its object knows what headers it depends on; the checks and why some are off: .clang-tidy and
# scripts/cppcheck.txt.
CHECK_OBJ := build/$(BOARD)-clang
build/check/tidy/arch/%.ok build/check/tidy/board/%.ok: private lang := gnu11
build/check/tidy/guests/management/calls.c.ok: private lang := gnu11
define check_tidy
	@mkdir -p $(@D)
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- --target=aarch64-linux-gnu -std=$(or $(lang),c11) $($(CHECK_OBJ)/flags) $(EL2_WARN) \
		-include hyp/hidden.h 2>$@.err || { cat $@.err; exit 1; }
	@touch $@
endef
build/check/tidy/%.c.ok: %.c $(CHECK_OBJ)/obj/%.o .clang-tidy scripts/mk/check.mk
	$(check_tidy)
build/check/tidy/guests/%.c.ok: guests/%.c $(CHECK_OBJ)/management/guests/%.o .clang-tidy scripts/mk/check.mk
	$(check_tidy)
define check_cppcheck
	@mkdir -p $(@D)
	$(call say,CPPCHECK,$<)
	$(Q)cppcheck --quiet --enable=warning,style,performance,portability --inline-suppr --suppressions-list=scripts/cppcheck.txt \
		--std=c11 --error-exitcode=1 --template='{file}:{line}: {severity}: {message} [{id}]' \
		-Iinclude -I. -Iarch/arm64/include -I$(CHECK_OBJ) -Ilib/freestanding -I$(LIBFDT_SRC) -D__aarch64__ -DCONFIG_DEBUG=1 $<
	@touch $@
endef
build/check/cppcheck/%.c.ok: %.c $(CHECK_OBJ)/obj/%.o scripts/cppcheck.txt scripts/mk/check.mk
	$(check_cppcheck)
build/check/cppcheck/guests/%.c.ok: guests/%.c $(CHECK_OBJ)/management/guests/%.o scripts/cppcheck.txt scripts/mk/check.mk
	$(check_cppcheck)

.PHONY: check check-tidy check-cppcheck check-layers check-format fmt
check-tidy: $(patsubst %,build/check/tidy/%.ok,$(EL2_SRC_C) $(MANAGEMENT_OWN))
check-cppcheck: $(patsubst %,build/check/cppcheck/%.ok,$(EL2_SRC_C) $(MANAGEMENT_OWN))
check-layers:
	$(Q)$(PY) scripts/check_layers.py
check-format:
	$(Q)[ -n "$(firstword $(CHECK_C))" ] && clang-format --dry-run --Werror $(CHECK_C)
fmt:
	$(Q)clang-format -i $(CHECK_C)
check:
	$(Q)$(PY) scripts/run_tests.py --make '$(MAKE_COMMAND_NAME)' --checks '$(CHECKS)' check
