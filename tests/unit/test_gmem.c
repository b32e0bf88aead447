/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory through stage 2: across pages that are not neighbours, up to the first hole, never
 * into a device or a page the guest could not write itself.
 * links: hyp/gmem.c stage2/s2.c stage2/vmid.c tests/fake_arch/fake.c
 * links: tests/fake_arch/tlb.c
 */
#include "s2_env.h"
#include <hyp/gmem.h>

#define RAM UINT64_C(0x40000000)
static struct s2 s;

static uint8_t *host_page(unsigned i) { return pa_to_ptr(pa(RAM + i * PAGE_SIZE)); }

/* IPA pages 0..3: host pages 2, 0 (read-only), 3, device; then a hole; a 2 MiB block at 4 MiB. */
static int setup(void **state)
{
	(void)state;
	env_init(40, 8);
	fake_ram_add(pa(RAM), MiB(4));
	assert_int_equal(s2_create(&s, 7), HYP_OK);
	assert_int_equal(s2_map(&s, ipa(0x0000), pa(RAM + 0x2000), PAGE_SIZE, S2_RWX), HYP_OK);
	assert_int_equal(s2_map(&s, ipa(0x1000), pa(RAM + 0x0000), PAGE_SIZE, S2_RO), HYP_OK);
	assert_int_equal(s2_map(&s, ipa(0x2000), pa(RAM + 0x3000), PAGE_SIZE, S2_RWX), HYP_OK);
	assert_int_equal(s2_map(&s, ipa(0x3000), pa(0x9000000), PAGE_SIZE, S2_DEVICE), HYP_OK);
	assert_int_equal(s2_map(&s, ipa(MiB(4)), pa(RAM + MiB(2)), MiB(2), S2_RWX), HYP_OK);
	/* The last page of the space. */
	assert_int_equal(s2_map(&s, ipa(BIT(40) - 0x1000), pa(RAM + 0x5000), PAGE_SIZE, S2_RWX),
	                 HYP_OK);
	for (unsigned i = 0; i < 6; i++) memset(host_page(i), 0x10 + (int)i, PAGE_SIZE);
	return 0;
}

static void test_read(void **state)
{
	uint8_t buf[0x3000];

	(void)state;
	assert_int_equal(gmem_read(&s, ipa(0), buf, sizeof(buf)), HYP_OK);
	assert_true(buf[0] == 0x12 && buf[0xfff] == 0x12);
	assert_true(buf[0x1000] == 0x10 && buf[0x1fff] == 0x10);
	assert_true(buf[0x2000] == 0x13 && buf[0x2fff] == 0x13);
	/* Odd address, odd length, over one boundary. */
	memset(buf, 0, sizeof(buf));
	assert_int_equal(gmem_read(&s, ipa(0xffd), buf, 7), HYP_OK);
	assert_memory_equal(buf, "\x12\x12\x12\x10\x10\x10\x10\0", 8);
	assert_int_equal(gmem_read(&s, ipa(0x5000), buf, 0), HYP_OK);
	assert_int_equal(gmem_read(&s, ipa(0x2fff), buf, 2), HYP_EPERM); /* device */
	assert_int_equal(gmem_read(&s, ipa(0x4000), buf, 1), HYP_EPERM); /* hole */
	assert_int_equal(gmem_read(&s, ipa(BIT(40) - 1), buf, 1), HYP_OK);
	assert_int_equal(gmem_read(&s, ipa(BIT(40) - 1), buf, 2), HYP_EPERM);
	assert_int_equal(gmem_read(&s, ipa(BIT(40)), buf, 1), HYP_EPERM);
	assert_int_equal(gmem_read(&s, ipa(UINT64_MAX), buf, 2), HYP_EPERM);
}

static void test_pin(void **state)
{
	uint64_t len = 100;
	void *p = NULL;

	(void)state;
	assert_int_equal(gmem_pin(&s, ipa(0xff0), true, &p, &len), HYP_OK);
	assert_ptr_equal(p, host_page(2) + 0xff0);
	assert_int_equal(len, 16);
	len = UINT64_MAX;
	assert_int_equal(gmem_pin(&s, ipa(MiB(4) + 8), false, &p, &len), HYP_OK);
	assert_int_equal(len, MiB(2) - 8);
	len = 5;
	assert_int_equal(gmem_pin(&s, ipa(0x1000), false, &p, &len), HYP_OK);
	assert_int_equal(len, 5);
	p = NULL;
	assert_int_equal(gmem_pin(&s, ipa(0x1000), true, &p, &len), HYP_EPERM);
	assert_int_equal(gmem_pin(&s, ipa(0x3000), false, &p, &len), HYP_EPERM);
	/* Outputs are left alone. */
	assert_null(p);
	assert_int_equal(len, 5);
	assert_int_equal(fake_locks_held(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_read, setup),
	    cmocka_unit_test_setup(test_pin, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
