# SPDX-License-Identifier: Apache-2.0
# Atoll: see `make help`. What is built is found by wildcard; the parts of this file are in scripts/mk/.

SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

PY := /usr/bin/python3
GOALS := $(or $(MAKECMDGOALS),all)

include scripts/mk/config.mk

ifneq ($(filter-out help clean,$(GOALS)),)
include scripts/mk/third_party.mk
include scripts/mk/el2.mk
include scripts/mk/guests.mk
include scripts/mk/unit.mk
include scripts/mk/fuzz.mk
include scripts/mk/model.mk
include scripts/mk/check.mk
include scripts/mk/run.mk
include scripts/mk/mutants.mk
endif

.PHONY: all help clean
all: $(EL2_BIN) guests

help:
	@sed -n 's/^#: \{0,1\}//p' scripts/mk/config.mk

clean:
	rm -rf build
