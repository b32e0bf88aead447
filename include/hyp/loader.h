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
	const uint8_t *from; /* in the bundle, or the generated FDT */
	uint64_t size;       /* bytes copied; the rest of RAM is zero already */
};

/* Pure: decides everything before a byte is copied (validate, then commit). */
struct load_plan {
	unsigned n;
	struct load_segment seg[LOAD_MAX_SEGMENTS];
	ipa_t entry, fdt;     /* x0 */
	bool fdt_at_base;     /* a copy of the FDT also goes to RAM base */
	ipa_t initrd_start, initrd_end;
};

/* *why: a sentence ("ELF segment 2 lies outside RAM") when it fails. fdt_size: room to reserve. */
enum hyp_err loader_plan(const struct vm_config *cfg, uint64_t ram_base, const struct fit_image *image,
			 const struct fit_image *ramdisk, uint64_t fdt_size, struct load_plan *out,
			 const char **why) __must_check;
