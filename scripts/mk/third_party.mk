# SPDX-License-Identifier: Apache-2.0
# Third-party parts: symbolic links below build/third_party to what scripts/fetch.sh keeps in the user's cache.
# For make fragments of guests: LIBFDT_SRC (sources), LIBFDT_FILES; NEWLIB_DIR (include/ and lib/); prerequisites
# $(LIBFDT_STAMP) and $(NEWLIB_STAMP).

TP := build/third_party
LIBFDT_SRC := $(TP)/libfdt
LIBFDT_FILES := fdt fdt_addresses fdt_empty_tree fdt_overlay fdt_ro fdt_rw fdt_strerror fdt_sw fdt_wip
LIBFDT_STAMP := $(TP)/libfdt.stamp
NEWLIB_DIR := $(TP)/newlib
NEWLIB_STAMP := $(TP)/newlib-$(shell aarch64-linux-gnu-gcc -dumpfullversion).stamp

# The cache may have been emptied since: a link to nothing makes its stamp again.
$(LIBFDT_STAMP): scripts/fetch.sh scripts/third_party.list $(if $(wildcard $(LIBFDT_SRC)/fdt.c),,FORCE)
	$(call say,FETCH,libfdt)
	$(Q)scripts/fetch.sh libfdt $(LIBFDT_SRC) >/dev/null
	@touch $@

$(NEWLIB_STAMP): scripts/build_newlib.sh scripts/third_party.list $(if $(wildcard $(NEWLIB_DIR)/lib/libc.a),,FORCE)
	$(call say,FETCH,newlib)
	$(Q)scripts/build_newlib.sh $(NEWLIB_DIR)
	@touch $@
