# SPDX-License-Identifier: Apache-2.0
# Host unit tests: tests/unit/test_*.c, a program each, for gcc and clang. In the head of a test:
#  * links: FILE...    what it links, from the repository's root     * cflags: -DX...    for the test and what it links
#  * libs: fdt         libfdt as pinned, with the sanitizers as well
#  * libs: newlib      what EL2 has of newlib beside strings; its functions' names begin with newlib_ here

UNIT_TESTS := $(wildcard tests/unit/test_*.c)
UNIT_CC_gcc := gcc
UNIT_CC_clang := clang
UNIT_FLAGS := -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -fno-common \
	-fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. -DCONFIG_DEBUG=1
UNIT_WARN := -Wall -Wextra -Werror -Wundef -Wno-unused-parameter
UNIT_INC := -Iinclude -I. -Ibuild -Itests/fake_arch/include -isystem $(LIBFDT_SRC) -isystem $(LIBAVB_SRC) -isystem lib/freestanding
UNIT_NEWLIB := -nostdinc $(foreach f,snprintf vsnprintf strtoul,-D$f=newlib_$f)
UNIT_NEWLIB_gcc = $(UNIT_NEWLIB) -isystem $(shell gcc -print-file-name=include)
UNIT_NEWLIB_clang = $(UNIT_NEWLIB) -isystem $(shell clang -print-resource-dir)/include
# $(call test_heads,FILES): NAME|LINKS|CFLAGS|LIBS of each, with commas for blanks
test_heads = $(if $1,$(shell awk 'function flush() { if (name != "") print name "|" k["links"] "|" k["cflags"] "|" k["libs"] } \
	FNR == 1 { flush(); name = FILENAME; gsub(/.*\/|\.c$$/, "", name); delete k } \
	FNR <= 40 && match($$0, /^ \* (links|cflags|libs): /) { key = $$2; sub(/:/, "", key); for (i = 3; i <= NF; i++) if ($$i != "*/") k[key] = k[key] "," $$i } \
	END { flush() }' $1))
comma := ,
unit_field = $(subst $(comma), ,$(word $2,$(subst |, ,$(subst ||,|-|,$(subst ||,|-|,$1|-)))))

# $(call unit_objs,COMPILER): libfdt and the rules for objects that have no flags of their own
define unit_objs
build/unit-$1/obj/%.o: %.c scripts/mk/unit.mk | $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,HOSTCC)
	$$(Q)$(UNIT_CC_$1) $(UNIT_FLAGS) $(UNIT_WARN) $(UNIT_INC) -MMD -MP -c -o $$@ $$<
build/unit-$1/libfdt/%.o: $(EL2_TP_STAMPS) scripts/mk/unit.mk
	@mkdir -p $$(@D)
	$$(Q)$(UNIT_CC_$1) $(UNIT_FLAGS) -w -I$(LIBFDT_SRC) -c -o $$@ $(LIBFDT_SRC)/$$*.c
build/unit-$1/libfdt.a: $(LIBFDT_FILES:%=build/unit-$1/libfdt/%.o)
	@rm -f $$@
	$$(Q)ar rcsD $$@ $$^
build/unit-$1/newlib/%.o: $(EL2_TP_STAMPS) scripts/mk/unit.mk
	@mkdir -p $$(@D)
	$$(Q)$(UNIT_CC_$1) $(UNIT_FLAGS) $(EL2_LIBC) $(UNIT_NEWLIB_$1) -w -isystem $(NEWLIB_SRC)/newlib/libc/include -c -o $$@ \
		$(NEWLIB_SRC)/newlib/libc/$$*.c
build/unit-$1/newlib.a: $(patsubst %,build/unit-$1/newlib/%.o,$(filter-out string/%,$(EL2_LIBC_FILES)))
	@rm -f $$@
	$$(Q)ar rcsD $$@ $$^
endef

# $(call unit_test,COMPILER,TEST,LINKS,CFLAGS,LIBS)
define unit_test
build/unit-$1/$2: $(if $4,$(patsubst %.c,build/unit-$1/for-$2/%.o,tests/unit/$2.c $3),$(patsubst %.c,build/unit-$1/obj/%.o,tests/unit/$2.c $3)) \
		$(if $(filter fdt,$5),build/unit-$1/libfdt.a) $(if $(filter newlib,$5),build/unit-$1/newlib.a)
	$$(call say,HOSTLD)
	$$(Q)$(UNIT_CC_$1) $(UNIT_FLAGS) -o $$@ $$(filter %.o %.a,$$^) -lcmocka
$(if $4,build/unit-$1/for-$2/%.o: %.c tests/unit/$2.c scripts/mk/unit.mk | $(EL2_TP_STAMPS)
	@mkdir -p $$(@D)
	$$(call say,HOSTCC)
	$$(Q)$(UNIT_CC_$1) $(UNIT_FLAGS) $(UNIT_WARN) $(UNIT_INC) $4 -MMD -MP -c -o $$@ $$<)
UNIT_BINS += build/unit-$1/$2
UNIT_DEPS += $(if $4,$(patsubst %.c,build/unit-$1/for-$2/%.d,tests/unit/$2.c $3),$(patsubst %.c,build/unit-$1/obj/%.d,tests/unit/$2.c $3))
endef

UNIT_BINS :=
UNIT_DEPS :=
unit_dash = $(filter-out -,$(call unit_field,$1,$2))
$(foreach c,gcc clang,$(eval $(call unit_objs,$c)))
$(foreach t,$(call test_heads,$(UNIT_TESTS)),$(foreach c,gcc clang,$(eval $(call \
	unit_test,$c,$(call unit_field,$t,1),$(call unit_dash,$t,2),$(call unit_dash,$t,3),$(call unit_dash,$t,4)))))
-include $(sort $(UNIT_DEPS))

.PHONY: unit unit-build
unit-build: $(UNIT_BINS)
unit:
	$(Q)$(PY) scripts/run_tests.py --make '$(MAKE_COMMAND_NAME)' unit
