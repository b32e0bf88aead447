# SPDX-License-Identifier: Apache-2.0
# Fuzz targets: tests/fuzz/fuzz_X.c, a libFuzzer program each (clang; address and undefined-behaviour sanitizers, and the
# line coverage of what it runs). In the head of a target, as for unit tests:
#  * links: FILE...    what it links                      * cflags: -DX...    for the target and what it links
#  * libs: fdt         libfdt as pinned                   * covers: FILE...   whose lines count; `make test` wants 80 %
#  * flags: -max_len=512 -runs=20000                      for libFuzzer; -runs is what `make test` does
# The committed corpus is tests/fuzz/corpus/X/; what `make fuzz` finds lies below build/fuzz/X/.

FUZZ_SECONDS ?=
TARGET ?=
FUZZ_TARGETS := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_CC := clang
FUZZ_FLAGS := -std=gnu11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-fno-common -fno-strict-aliasing -fprofile-instr-generate -fcoverage-mapping -DCONFIG_DEBUG=1

# $(call fuzz_target,TARGET,LINKS,CFLAGS,LIBS): objects of its own, so that its flags are theirs
define fuzz_target
build/fuzz/obj-$1/%.o: %.c tests/fuzz/fuzz_$1.c scripts/mk/fuzz.mk | $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,FUZZCC)
	$$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) $(UNIT_WARN) $(UNIT_INC) $3 -MMD -MP -c -o $$@ $$<
build/fuzz/fuzz_$1: $(patsubst %.c,build/fuzz/obj-$1/%.o,tests/fuzz/fuzz_$1.c $2) $(if $(filter fdt,$4),build/fuzz/libfdt.a)
	$$(call say,FUZZLD)
	$$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $$@ $$(filter %.o %.a,$$^)
FUZZ_BINS += build/fuzz/fuzz_$1
FUZZ_DEPS += $(patsubst %.c,build/fuzz/obj-$1/%.d,tests/fuzz/fuzz_$1.c $2)
endef

FUZZ_BINS :=
FUZZ_DEPS :=
$(foreach t,$(call test_heads,$(FUZZ_TARGETS)),$(eval $(call fuzz_target,$(patsubst fuzz_%,%,$(call unit_field,$t,1)),$(call \
	unit_dash,$t,2),$(call unit_dash,$t,3),$(call unit_dash,$t,4))))
-include $(FUZZ_DEPS)

build/fuzz/libfdt/%.o: $(LIBFDT_STAMP) scripts/mk/fuzz.mk
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -w -I$(LIBFDT_SRC) -c -o $@ $(LIBFDT_SRC)/$*.c
build/fuzz/libfdt.a: $(LIBFDT_FILES:%=build/fuzz/libfdt/%.o)
	@rm -f $@
	$(Q)ar rcsD $@ $^

.PHONY: fuzz fuzz-build fuzz-corpus
fuzz-build: $(FUZZ_BINS)
fuzz: $(if $(TARGET),build/fuzz/fuzz_$(TARGET),fuzz-build)
	@$(PY) scripts/fuzz.py run --seconds '$(FUZZ_SECONDS)' $(TARGET)
# What earlier runs found, reduced to what adds coverage, goes into the committed corpus.
fuzz-corpus: $(if $(TARGET),build/fuzz/fuzz_$(TARGET),fuzz-build)
	@$(PY) scripts/fuzz.py merge $(TARGET)
