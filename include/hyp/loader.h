/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts images into guest memory: arm64 Image, ELF64, raw; ramdisk and FDT; as a job in steps.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/fit.h>
#include <hyp/types.h>

struct vm;

#define LOAD_MAX_SEGMENTS 16u

struct load_segment {
	ipa_t to;
	const uint8_t *from; /* in the bundle */
	uint64_t size;       /* bytes copied; the rest of RAM is zero already */
};

/* Pure: decides everything before a byte is copied (validate, then commit). */
struct load_plan {
	unsigned n; /* image and ramdisk; the FDT is the caller's to build and copy */
	struct load_segment seg[LOAD_MAX_SEGMENTS];
	ipa_t entry, fdt; /* x0 */
	bool fdt_at_base; /* a copy of the FDT also goes to RAM base */
	ipa_t initrd_start, initrd_end;
};

/* By content; never FORMAT_AUTO. */
enum vm_format loader_detect(const struct fit_image *image);

/*
 * *why: a sentence of hyp/manifest_schema.def when it fails (EINVAL). ramdisk: NULL for none.
 * fdt_size: room to reserve for the FDT (gfdt_room()), at most 2 MiB.
 */
enum hyp_err loader_plan(const struct vm_config *cfg, uint64_t ram_base,
                         const struct fit_image *image, const struct fit_image *ramdisk,
                         uint64_t fdt_size, struct load_plan *out, const char **why) __must_check;
