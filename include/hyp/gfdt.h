/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generates the guest's device tree with libfdt from its configuration (design section 5).
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/fit.h>
#include <hyp/types.h>

struct machine;

#define GFDT_MAX_SIZE KiB(64)

struct gfdt_input {
	const struct vm_config *cfg;
	const struct machine *machine;
	uint64_t initrd_start, initrd_end; /* 0, 0: none */
	const struct fit_image *overlay;   /* NULL: none */
	uint64_t seed; /* for kaslr-seed/rng-seed: not given when 0 */
};

/* Writes a packed tree of at most n bytes. ENOMEM: does not fit; EINVAL with *why: the overlay. */
enum hyp_err gfdt_build(const struct gfdt_input *in, void *buf, uint64_t n, uint64_t *size,
			const char **why) __must_check;
