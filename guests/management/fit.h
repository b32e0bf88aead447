/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: a FIT with external data, bare or inside a legacy uImage (docs/architecture.md). All
 * of it is untrusted until checked.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/types.h>

struct fit {
	const uint8_t *base; /* the FIT's FDT */
	uint64_t size;       /* bytes from base to the end of the initrd */
	int images;          /* node /images */
};

/* Finds the FIT in [start, start + size); *why: a sentence when it fails. */
enum hyp_err fit_open(const void *start, uint64_t size, struct fit *out, const char **why)
    __must_check;
/*
 * Image whose description is `name` ("manifest" for the manifest). ENOENT; ECORRUPT: its data do
 * not lie within the bundle, or it has neither hash. Nothing is hashed yet.
 */
enum hyp_err fit_find(const struct fit *f, const char *name, struct fit_image *out) __must_check;

/* Name of file i of the bundle; NULL: there are no more. */
const char *fit_name(const struct fit *f, unsigned i);
