/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles made by hand: bare and in a uImage, cut off at every byte, changed at every byte; hashes.
 * links: guests/management/fit.c hyp/tree.c hyp/verify.c lib/sha256.c lib/crc32.c tests/fake_arch/crc32.c
 * libs: fdt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arch/cpu.h>
#include <hyp/verify.h>
#include "guests/management/fit.h"

#define UIMAGE 64u

static _Alignas(8) uint8_t mem[UIMAGE + KiB(8)];
static uint8_t content[3][600];
static uint64_t fit_size;
static struct fit fit;
static struct fit_image image;
static const char *why;
static volatile enum hyp_err sink;

static void sha_of(const void *p, uint64_t n, uint8_t *out)
{
	AvbSHA256Ctx s;

	avb_sha256_init(&s);
	avb_sha256_update(&s, p, n);
	memcpy(out, avb_sha256_final(&s), AVB_SHA256_DIGEST_SIZE);
}

static void add_image(void *b, const char *name, unsigned i, uint32_t offset, uint32_t size)
{
	uint8_t sum[AVB_SHA256_DIGEST_SIZE];

	fdt_begin_node(b, name);
	fdt_property_string(b, "description", name);
	fdt_property_u32(b, "data-offset", offset);
	fdt_property_u32(b, "data-size", size);
	fdt_begin_node(b, "hash-1");
	fdt_property_u32(b, "value", arch_crc32(0, content[i], size));
	fdt_property_string(b, "algo", "crc32");
	fdt_end_node(b);
	sha_of(content[i], size, sum);
	fdt_begin_node(b, "hash-2");
	fdt_property(b, "value", sum, sizeof(sum));
	fdt_property_string(b, "algo", "sha256");
	fdt_end_node(b);
	fdt_end_node(b);
}

/* Three images of 600, 0 and 300 bytes; the tree's size is no multiple of 4 by itself. */
static int setup(void **state)
{
	uint8_t *b = mem + UIMAGE;
	uint32_t tree;
	fdt32_t header[4] = {cpu_to_fdt32(0x27051956)};

	(void)state;
	memset(mem, 0, sizeof(mem));
	for (unsigned i = 0; i < sizeof(content); i++)
		((uint8_t *)content)[i] = (uint8_t)(i * 7 + i / 256);
	fdt_create(b, KiB(4));
	fdt_finish_reservemap(b);
	fdt_begin_node(b, "");
	fdt_begin_node(b, "images");
	add_image(b, "manifest", 0, 0, 600);
	add_image(b, "nothing", 1, 600, 0);
	add_image(b, "last", 2, 600, 300);
	fdt_end_node(b);
	fdt_end_node(b);
	assert_int_equal(fdt_finish(b), 0);
	tree = (uint32_t)ALIGN_UP(fdt_totalsize(b), 4);
	memcpy(b + tree, content[0], 600);
	memcpy(b + tree + 600, content[2], 300);
	fit_size = tree + 900;
	header[3] = cpu_to_fdt32((uint32_t)fit_size);
	memcpy(mem, header, sizeof(header));
	return 0;
}

static enum hyp_err verify(const struct fit_image *img, bool sha, const char **why_)
{
	struct verify v;

	verify_init(&v, img, sha);
	while (verify_step(&v)) {
	}
	return verify_done(&v, why_);
}

static void check_whole(void)
{
	assert_int_equal(fit_find(&fit, "manifest", &image), HYP_OK);
	assert_int_equal(image.size, 600);
	assert_int_equal(image.index, 0);
	assert_memory_equal(image.data, content[0], 600);
	assert_int_equal(verify(&image, true, &why), HYP_OK);
	assert_int_equal(fit_find(&fit, "nothing", &image), HYP_OK);
	assert_int_equal(image.size, 0);
	assert_int_equal(verify(&image, true, &why), HYP_OK);
	assert_int_equal(fit_find(&fit, "last", &image), HYP_OK);
	assert_int_equal(image.index, 2);
	assert_int_equal(verify(&image, true, &why), HYP_OK);
	assert_int_equal(fit_find(&fit, "las", &image), HYP_ENOENT);
	assert_int_equal(fit_find(&fit, "lasT", &image), HYP_ENOENT);
	assert_int_equal(fit_find(&fit, "", &image), HYP_ENOENT);
}

static void test_wrappings(void **state)
{
	(void)state;
	assert_int_equal(fit_open(mem + UIMAGE, fit_size, &fit, &why), HYP_OK);
	check_whole();
	assert_int_equal(fit_open(mem, UIMAGE + fit_size, &fit, &why), HYP_OK);
	check_whole();
	/* Padded by the loader: the uImage's size counts. */
	assert_int_equal(fit_open(mem, sizeof(mem), &fit, &why), HYP_OK);
	assert_int_equal(fit.size, fit_size);
	assert_int_equal(fit_open(mem + UIMAGE, fit_size + 100, &fit, &why), HYP_OK);
	check_whole();
}

/* At the exact end of an allocation, so that the sanitizer sees every read beyond. */
static void test_cut(void **state)
{
	uint64_t whole = UIMAGE + fit_size;

	(void)state;
	for (uint64_t from = 0; from <= UIMAGE; from += UIMAGE) {
		for (uint64_t n = 0; n < whole - from; n++) {
			uint8_t *p = malloc(n + 1), *q = realloc(p, n ? n : 1);

			memcpy(q, mem + from, n);
			if (fit_open(q, n, &fit, &why) == HYP_OK) {
				assert_int_equal(from,
				                 UIMAGE); /* the tree is whole, data are not */
				assert_int_equal(fit_find(&fit, "last", &image), HYP_ECORRUPT);
			} else {
				assert_non_null(strchr(why, ' '));
			}
			free(q);
		}
	}
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(fit_open(mem + 4, fit_size, &fit, &why), HYP_EINVAL);
	assert_non_null(strstr(why, "aligned"));
	assert_int_equal(fit_open(mem, UIMAGE + fit_size - 1, &fit, &why), HYP_EINVAL);
	assert_non_null(strstr(why, "cut off"));
	mem[UIMAGE] = 0;
	assert_int_equal(fit_open(mem, UIMAGE + fit_size, &fit, &why), HYP_EINVAL);
	assert_non_null(strstr(why, "no bundle"));
}

/* Sizes and offsets at the top of 32 bits. */
static void test_overflow(void **state)
{
	static const uint32_t values[] = {0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
	static const char *const names[] = {"data-offset", "data-size"};
	void *b = mem + UIMAGE;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(values) * 2; i++) {
		setup(NULL);
		assert_int_equal(fdt_setprop_inplace_u32(b, fdt_path_offset(b, "/images/last"),
		                                         names[i % 2], values[i / 2]),
		                 0);
		assert_int_equal(fit_open(b, fit_size, &fit, &why), HYP_OK);
		assert_int_equal(fit_find(&fit, "last", &image), HYP_ECORRUPT);
		assert_int_equal(fit_find(&fit, "manifest", &image), HYP_OK);
	}
}

/* Each byte of the tree in turn, all eight bits of it: no access outside, no endless loop. */
static void test_flips(void **state)
{
	static const char *const names[] = {"manifest", "nothing", "last"};
	uint8_t *b = malloc(fit_size);
	uint32_t tree = fdt_totalsize(mem + UIMAGE);

	(void)state;
	for (uint32_t i = 0; i < tree * 9; i++) {
		memcpy(b, mem + UIMAGE, fit_size);
		b[i / 9] ^= (uint8_t)(i % 9 == 8 ? 0xff : 1 << i % 9);
		if (fit_open(b, fit_size, &fit, &why) != HYP_OK) continue;
		for (unsigned k = 0; k < ARRAY_SIZE(names); k++) {
			if (fit_find(&fit, names[k], &image) == HYP_OK) {
				assert_true(image.data >= b &&
				            image.data + image.size <= b + fit_size);
				sink = verify(&image, true, &why);
			}
		}
	}
	free(b);
}

static void test_verify(void **state)
{
	uint8_t *b = mem + UIMAGE;

	(void)state;
	assert_int_equal(fit_open(b, fit_size, &fit, &why), HYP_OK);
	assert_int_equal(fit_find(&fit, "last", &image), HYP_OK);
	b[fit_size - 1] ^= 1;
	assert_int_equal(verify(&image, false, &why), HYP_ECORRUPT);
	assert_non_null(strstr(why, "does not match"));
	/* Only sha256 tells: the crc32 is made right. */
	image.crc32 = arch_crc32(0, image.data, image.size);
	assert_int_equal(verify(&image, false, &why), HYP_OK);
	assert_int_equal(verify(&image, true, &why), HYP_ECORRUPT);
	image.has_sha256 = false;
	assert_int_equal(verify(&image, true, &why), HYP_ECORRUPT);
	assert_non_null(strstr(why, "lacks"));
	image.has_crc32 = false;
	assert_int_equal(verify(&image, false, &why), HYP_ECORRUPT);
}

static void test_steps(void **state)
{
	static uint8_t big[KiB(200) + 5];
	struct fit_image large = {.data = big,
	                          .size = sizeof(big),
	                          .crc32 = arch_crc32(0, big, sizeof(big)),
	                          .has_crc32 = true,
	                          .has_sha256 = true};
	struct verify v;
	unsigned steps = 1;
	uint64_t before;

	(void)state;
	sha_of(big, sizeof(big), large.sha256);
	for (int sha = 0; sha < 2; sha++) {
		verify_init(&v, &large, sha);
		for (before = 0, steps = 1; verify_step(&v); steps++, before = v.at)
			assert_true(v.at > before && v.at - before <= VERIFY_STEP);
		assert_int_equal(steps, sha ? 13 : 4);
		assert_int_equal(verify_done(&v, &why), HYP_OK);
	}
}

static void check_sha(const char *text, unsigned times, const char *hex)
{
	uint8_t sum[AVB_SHA256_DIGEST_SIZE];
	char out[65];
	AvbSHA256Ctx s;

	avb_sha256_init(&s);
	while (times-- > 0) avb_sha256_update(&s, (const uint8_t *)text, strlen(text));
	memcpy(sum, avb_sha256_final(&s), AVB_SHA256_DIGEST_SIZE);
	for (unsigned i = 0; i < AVB_SHA256_DIGEST_SIZE; i++) sprintf(out + 2 * i, "%02x", sum[i]);
	assert_string_equal(out, hex);
}

/* FIPS 180-2 appendix B; "123456789" is the usual check of a CRC. */
static void test_sums(void **state)
{
	uint8_t a[AVB_SHA256_DIGEST_SIZE], b[AVB_SHA256_DIGEST_SIZE], data[300] = "x";
	AvbSHA256Ctx s;

	(void)state;
	assert_int_equal(arch_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(arch_crc32(arch_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	check_sha("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_sha("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
	          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	check_sha("aaaaaaaaaa", 100000,
	          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	/* Split anywhere, every length around a block: the same sum. */
	for (unsigned n = 50; n < 140; n++) {
		sha_of(data, n, a);
		for (unsigned at = 0; at <= n; at += 13) {
			avb_sha256_init(&s);
			avb_sha256_update(&s, data, at);
			avb_sha256_update(&s, data + at, n - at);
			memcpy(b, avb_sha256_final(&s), AVB_SHA256_DIGEST_SIZE);
			assert_memory_equal(a, b, sizeof(a));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_wrappings, setup),
	    cmocka_unit_test_setup(test_cut, setup),
	    cmocka_unit_test_setup(test_refusals, setup),
	    cmocka_unit_test_setup(test_overflow, setup),
	    cmocka_unit_test_setup(test_flips, setup),
	    cmocka_unit_test_setup(test_verify, setup),
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
