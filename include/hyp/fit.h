/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: a FIT with external data, bare or inside a legacy uImage (docs/architecture.md). All
 * of it is untrusted until checked.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/types.h>
#include <lib/sha256.h>

#define FIT_MAX_DEPTH 16 /* levels of a tree that fit_check_tree() lets pass */

struct fit {
	const uint8_t *base; /* the FIT's FDT */
	uint64_t size;       /* bytes from base to the end of the initrd */
	int images;          /* node /images */
};

/*
 * Walks a flattened tree once, bounded, so that libfdt may be let loose on it afterwards: it lies
 * within size bytes and is 8-byte aligned, every tag, name and property lies inside its block, at
 * most FIT_MAX_DEPTH levels deep. EINVAL with *why a clause ("is cut off").
 */
enum hyp_err fit_check_tree(const void *blob, uint64_t size, const char **why) __must_check;

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

/* Checking an image's hashes in steps, as a job does: init, step until it returns false, done. */
#define FIT_VERIFY_STEP KiB(64)
struct fit_verify {
	const struct fit_image *image;
	uint64_t at;
	bool sha;
	uint32_t crc32;
	AvbSHA256Ctx sha256;
};

/* crc32 always, sha256 too if sha. image stays valid until done. */
void fit_verify_init(struct fit_verify *v, const struct fit_image *image, bool sha);
/* Hashes at most FIT_VERIFY_STEP bytes (a quarter of that with sha); false: nothing is left. */
bool fit_verify_step(struct fit_verify *v);
/* ECORRUPT with *why a sentence: a hash is wrong, or one that is asked for is missing. */
enum hyp_err fit_verify_done(struct fit_verify *v, const char **why) __must_check;
