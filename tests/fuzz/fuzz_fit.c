/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loader might pass as bundle: a FIT, one in a uImage, or anything. Images that are found
 * lie inside it, and their hashes can be computed.
 * links: guests/management/fit.c hyp/tree.c hyp/verify.c lib/sha256.c lib/crc32.c tests/fake_arch/crc32.c
 * libs: fdt
 * covers: guests/management/fit.c hyp/verify.c
 * flags: -max_len=4096 -runs=20000
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hyp/verify.h>
#include "guests/management/fit.h"
#include "tests/fuzz/fuzz.h"

static void check_image(const struct fit_image *image, const uint8_t *bundle, size_t size)
{
	struct verify v;
	const char *why;
	uint64_t before;
	enum hyp_err err;

	EXPECT(image->data >= bundle && image->data <= bundle + size);
	EXPECT(image->size <= (uint64_t)(bundle + size - image->data));
	for (int sha = 0; sha < 2; sha++) {
		verify_init(&v, image, sha);
		do {
			before = v.at;
		} while (verify_step(&v) && v.at > before && v.at <= image->size);
		EXPECT(v.at == image->size);
		err = verify_done(&v, &why);
		EXPECT(err == HYP_OK ? why == NULL : err == HYP_ECORRUPT && strstr(why, "; "));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"manifest", "ok.elf", "", "a"};
	uint8_t *bundle = malloc(size ? size : 1); /* ends where it ends */
	struct fit fit;
	struct fit_image image;
	const char *why;
	enum hyp_err err;

	memcpy(bundle, data, size);
	if (fit_open(bundle, size, &fit, &why) != HYP_OK) {
		EXPECT(why);
	} else {
		EXPECT(fit.base >= bundle && fit.base + fit.size <= bundle + size);
		for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
			err = fit_find(&fit, names[i], &image);
			EXPECT(err == HYP_OK || err == HYP_ENOENT || err == HYP_ECORRUPT);
			if (err == HYP_OK) check_image(&image, bundle, size);
		}
	}
	if (size > 4) EXPECT(fit_open(bundle + 4, size - 4, &fit, &why) == HYP_EINVAL);
	free(bundle);
	return 0;
}
