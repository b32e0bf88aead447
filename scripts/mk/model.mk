# SPDX-License-Identifier: Apache-2.0
# The vGIC beside a specification of a GIC: tests/model/vgic_*.c, a program each, optimised and without sanitizers (the unit
# tests have those). In the head: `links:`, as for unit tests. What a line `ok NAME` or `FAILED NAME` is about is a test.

MODEL_SRC := $(wildcard tests/model/vgic_*.c)
MODEL_FLAGS := -std=gnu11 -g -O2 -fno-common -fno-strict-aliasing -DCONFIG_DEBUG=1

build/model/obj/%.o: %.c scripts/mk/model.mk | $(EL2_TP_STAMPS)
	@mkdir -p $(@D)
	$(call say,HOSTCC)
	$(Q)gcc $(MODEL_FLAGS) $(UNIT_WARN) $(UNIT_INC) -MMD -MP -c -o $@ $<

# $(call model_program,PROGRAM,LINKS)
define model_program
build/model/$1: $(patsubst %.c,build/model/obj/%.o,tests/model/$1.c $2)
	$$(call say,HOSTLD)
	$$(Q)gcc -o $$@ $$^
MODEL_BINS += build/model/$1
MODEL_DEPS += $(patsubst %.c,build/model/obj/%.d,tests/model/$1.c $2)
endef

MODEL_BINS :=
MODEL_DEPS :=
$(foreach t,$(call test_heads,$(MODEL_SRC)),$(eval $(call model_program,$(call unit_field,$t,1),$(call unit_dash,$t,2))))
build/model/obj/tests/model/vgic_model.o: tests/model/scenarios.def
-include $(sort $(MODEL_DEPS))

.PHONY: model model-build
model-build: $(MODEL_BINS)
model:
	$(Q)$(PY) scripts/run_tests.py --make '$(MAKE_COMMAND_NAME)' model
