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

LIBAVB_SRC := $(TP)/libavb
NEWLIB_SRC := $(TP)/newlib-src
# What EL2 is built from: the guest's tree, libfdt, newlib's strings, numbers and small printf, and SHA-256 of libavb
GUEST_DTB := build/gen/guest_dtb.h
EL2_TP_STAMPS := $(GUEST_DTB) $(LIBFDT_STAMP) $(TP)/libavb.stamp $(TP)/newlib-src.stamp

# The cache may have been emptied since: a link to nothing makes its stamp again.
# $(call fetch,NAME,LINK,A-FILE-IN-IT)
define fetch
$(TP)/$2.stamp: scripts/fetch.sh scripts/third_party.list $(if $(wildcard $(TP)/$2/$3),,FORCE)
	$$(call say,FETCH,$1)
	$$(Q)scripts/fetch.sh $1 $(TP)/$2 >/dev/null
	@touch $$@
endef
$(eval $(call fetch,libfdt,libfdt,fdt.c))
$(eval $(call fetch,libavb,libavb,avb_sha256.c))
$(eval $(call fetch,newlib,newlib-src,newlib/libc/string/memcpy.c))

$(GUEST_DTB): guests/management/guest.dts
	@mkdir -p $(@D)
	$(call say,DTC)
	$(Q)dtc -q -I dts -O dtb $< | od -An -v -tx1 | sed 's/ \(..\)/0x\1,/g' >$@

$(NEWLIB_STAMP): scripts/build_newlib.sh scripts/third_party.list $(if $(wildcard $(NEWLIB_DIR)/lib/libc.a),,FORCE)
	$(call say,FETCH,newlib)
	$(Q)scripts/build_newlib.sh $(NEWLIB_DIR)
	@touch $@
