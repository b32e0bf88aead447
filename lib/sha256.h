/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), streaming, so that a large image can be hashed in steps. Pure.
 */
#pragma once

#include <stdint.h>

#define SHA256_SIZE 32u

struct sha256 {
	uint32_t h[8];
	uint64_t size; /* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, uint64_t size);
/* s is used up. */
void sha256_final(struct sha256 *s, uint8_t out[SHA256_SIZE]);
