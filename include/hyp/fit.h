/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: a FIT with external data, bare or inside a legacy uImage (design section 2). All of
 * it is untrusted until checked.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>

struct fit {
	const uint8_t *base; /* the FIT's FDT */
	uint64_t size;       /* bytes from base to the end of the initrd */
};

struct fit_image {
	const uint8_t *data;
	uint64_t size;
	uint32_t crc32;
	bool has_sha256, checked;
	uint8_t sha256[32];
};

/* Finds the FIT in [start, start + size); *why: a sentence when it fails. */
enum hyp_err fit_open(const void *start, uint64_t size, struct fit *out, const char **why) __must_check;
/* Image whose description is `name` ("manifest" for the manifest). ENOENT, ECORRUPT. */
enum hyp_err fit_find(const struct fit *f, const char *name, struct fit_image *out) __must_check;

/* CRC-32 (IEEE 802.3) by CRC32X where the CPU has it; running value, start with 0. */
uint32_t fit_crc32(uint32_t crc, const void *data, uint64_t size);
