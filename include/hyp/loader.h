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

/*
 * The function that holds the address `at`, by the symbol table of an ELF image (untrusted): at as
 * linked, or as loaded when the VM was entered at `entry`. name: n bytes, printable. ENOENT: not an
 * ELF file, no symbols, or in none of the first 65536. Pure; a few instructions per symbol.
 */
enum hyp_err loader_symbol(const struct fit_image *image, ipa_t entry, uint64_t at, char *name,
                           size_t n, uint64_t *offset) __must_check;
