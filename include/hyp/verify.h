/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of the bundle's files.
 */
#pragma once

#include <hyp/config.h>
#include <lib/sha256.h>

/* Checking an image's hashes in steps, as a job does: init, step until it returns false, done. */
#define VERIFY_STEP KiB(64)
struct verify {
	const struct fit_image *image;
	uint64_t at;
	bool sha;
	uint32_t crc32;
	AvbSHA256Ctx sha256;
};

/* crc32 always, sha256 too if sha. image stays valid until done. */
void verify_init(struct verify *v, const struct fit_image *image, bool sha);
/* Hashes at most VERIFY_STEP bytes (a quarter of that with sha); false: nothing is left. */
bool verify_step(struct verify *v);
/* ECORRUPT with *why a sentence: a hash is wrong, or one that is asked for is missing. */
enum hyp_err verify_done(struct verify *v, const char **why) __must_check;
