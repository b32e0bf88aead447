/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hashes of a file of the bundle, in steps.
 */
#include <hyp/verify.h>

#include <arch/cpu.h>

#include <string.h>

void verify_init(struct verify *v, const struct fit_image *image, bool sha)
{
	*v = (struct verify){.image = image, .sha = sha};
	avb_sha256_init(&v->sha256);
}

bool verify_step(struct verify *v)
{
	const uint8_t *p = v->image->data + v->at;
	uint64_t n = MIN(v->image->size - v->at, v->sha ? VERIFY_STEP / 4 : VERIFY_STEP);

	v->crc32 = arch_crc32(v->crc32, p, n);
	if (v->sha) avb_sha256_update(&v->sha256, p, n);
	v->at += n;
	return v->at < v->image->size;
}

enum hyp_err verify_done(struct verify *v, const char **why)
{
	const struct fit_image *image = v->image;

	*why = NULL;
	if (!image->has_crc32 || (v->sha && !image->has_sha256))
		*why = "the bundle lacks its hash; make it again with scripts/mkbundle";
	else if (v->crc32 != image->crc32 ||
	         (v->sha &&
	          memcmp(avb_sha256_final(&v->sha256), image->sha256, AVB_SHA256_DIGEST_SIZE) != 0))
		*why =
		    "its content does not match its hash; load the bundle again, or pack it again";
	return *why ? HYP_ECORRUPT : HYP_OK;
}
