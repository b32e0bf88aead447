/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MMIO map and dispatch, flash and empty virtio slots.
 * links: hyp/mmio.c hyp/vdev/misc.c tests/fake_arch/fake.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hyp/mmio.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <tests/fake_arch/fake.h>
#include "tests/mmio_access.h"

void vgic_set_line(struct vm *vm, struct vcpu *v, uint32_t intid, bool level)
{
	(void)vm;
	(void)v;
	(void)intid;
	(void)level;
}

static struct {
	void *dev;
	uint32_t off;
	unsigned size, reads, writes;
	uint64_t val;
	enum mmio_result result;
} seen;

static enum mmio_result rd(struct vcpu *v, void *dev, uint32_t off, unsigned size, uint64_t *val)
{
	(void)v;
	seen.dev = dev;
	seen.off = off;
	seen.size = size;
	seen.reads++;
	*val = UINT64_C(0x1122334455667788);
	return seen.result;
}

static enum mmio_result wr(struct vcpu *v, void *dev, uint32_t off, unsigned size, uint64_t val)
{
	(void)v;
	seen.dev = dev;
	seen.off = off;
	seen.size = size;
	seen.val = val;
	seen.writes++;
	return seen.result;
}

static const struct mmio_ops ops = {.sizes = 1 | 4 | 8, .read = rd, .write = wr};
static struct vm vm;
static struct vcpu v = {.vm = &vm};

static int setup(void **state)
{
	(void)state;
	fake_reset();
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	memset(&seen, 0, sizeof(seen));
	seen.result = MMIO_OK;
	return 0;
}

static void test_add(void **state)
{
	struct mmio_map *m = &vm.mmio;

	(void)state;
	assert_int_equal(mmio_add(m, ipa(0x3000), 0x1000, &ops, NULL), HYP_OK);
	assert_int_equal(mmio_add(m, ipa(0x1000), 0x1000, &ops, NULL), HYP_OK);
	assert_int_equal(mmio_add(m, ipa(0x2000), 0x1000, &ops, NULL), HYP_OK); /* fills the gap */
	assert_int_equal(mmio_add(m, ipa(0x2fff), 1, &ops, NULL), HYP_EEXIST);
	assert_int_equal(mmio_add(m, ipa(0x0fff), 2, &ops, NULL), HYP_EEXIST);
	assert_int_equal(mmio_add(m, ipa(0), 0x10000, &ops, NULL), HYP_EEXIST);
	assert_int_equal(mmio_add(m, ipa(0x3fff), 0x10, &ops, NULL), HYP_EEXIST);
	assert_int_equal(mmio_add(m, ipa(0x5000), 0, &ops, NULL), HYP_EINVAL);
	assert_int_equal(mmio_add(m, ipa(UINT64_MAX - 5), 16, &ops, NULL), HYP_EINVAL);
	assert_int_equal(m->n, 3);
	/* The last bytes of the address space are a region like any other. */
	assert_int_equal(mmio_add(m, ipa(UINT64_MAX - 15), 16, &ops, NULL), HYP_OK);
	assert_int_equal(mmio_add(m, ipa(UINT64_MAX), 1, &ops, NULL), HYP_EEXIST);
	assert_non_null(mmio_find(m, UINT64_MAX, 1));
	for (unsigned i = m->n; i < MMIO_MAX_REGIONS; i++) {
		assert_int_equal(mmio_add(m, ipa(0x100000 + i * 0x1000), 0x1000, &ops, NULL),
		                 HYP_OK);
	}
	assert_int_equal(mmio_add(m, ipa(0x900000), 0x1000, &ops, NULL), HYP_EFULL);
}

/* Against a linear search, at every edge. */
static void test_find(void **state)
{
	struct mmio_map *m = &vm.mmio;

	(void)state;
	assert_null(mmio_find(m, 0, 1));
	for (unsigned n = 0; n < MMIO_MAX_REGIONS; n++) {
		/* 7 and 16 are coprime: in no order; with and without gaps. */
		unsigned i = n * 7 % MMIO_MAX_REGIONS;

		assert_int_equal(mmio_add(m, ipa(0x1000 * i + (i % 3 == 0 ? 0x800 : 0)),
		                          i % 3 == 0 ? 0x800 : 0x1000, &ops, NULL),
		                 HYP_OK);
	}
	for (uint64_t addr = 0; addr < 0x1000 * (MMIO_MAX_REGIONS + 1); addr += 4) {
		for (unsigned size = 1; size <= 8; size *= 2) {
			const struct mmio_region *want = NULL;

			for (unsigned i = 0; i < m->n; i++)
				if (addr >= m->r[i].base &&
				    addr + size <= m->r[i].base + m->r[i].size)
					want = &m->r[i];
			assert_ptr_equal(mmio_find(m, addr, size), want);
		}
	}
}

static void test_access(void **state)
{
	uint64_t val = 0;
	int dev;

	(void)state;
	/* An unaligned base: what counts is the offset in the region. */
	assert_int_equal(mmio_add(&vm.mmio, ipa(0x1004), 0x100, &ops, &dev), HYP_OK);
	assert_int_equal(mmio_access(&v, 0x100c, false, 8, &val), MMIO_OK);
	assert_true(val == UINT64_C(0x1122334455667788));
	assert_ptr_equal(seen.dev, &dev);
	assert_int_equal(seen.off, 8);
	assert_int_equal(mmio_access(&v, 0x1004, false, 1, &val), MMIO_OK);
	assert_true(val == 0x88);
	assert_int_equal(mmio_access(&v, 0x1008, false, 4, &val), MMIO_OK);
	assert_true(val == 0x55667788);
	val = UINT64_MAX;
	assert_int_equal(mmio_access(&v, 0x1008, true, 4, &val), MMIO_OK);
	assert_true(seen.val == 0xffffffff && seen.size == 4 && seen.off == 4);
	assert_int_equal(seen.reads, 3);
	assert_int_equal(seen.writes, 1);
	/* Not the device's business: size it does not take, alignment, edges, nowhere. */
	val = 77;
	assert_int_equal(mmio_access(&v, 0x1004, false, 2, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&v, 0x1006, false, 4, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&v, 0x1008, true, 8, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&v, 0x1102, false, 4, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&v, 0x1003, false, 1, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&v, 0x1104, false, 1, &val), MMIO_ABORT);
	assert_int_equal(seen.reads, 3);
	assert_int_equal(seen.writes, 1);
	/* A device that says not now: nothing is handed back. */
	seen.result = MMIO_HOLD;
	assert_int_equal(mmio_access(&v, 0x1004, false, 4, &val), MMIO_HOLD);
	assert_int_equal(mmio_access(&v, 0x1004, true, 4, &val), MMIO_HOLD);
	assert_true(val == 77);
}

static uint64_t get(uint64_t addr, unsigned size)
{
	uint64_t val = 0x55;

	assert_int_equal(mmio_access(&v, addr, false, size, &val), MMIO_OK);
	return val;
}

static void test_absent_devices(void **state)
{
	uint64_t val = 0xff;

	(void)state;
	assert_int_equal(mmio_add(&vm.mmio, ipa(0), MiB(128), &vflash_ops, NULL), HYP_OK);
	assert_int_equal(mmio_add(&vm.mmio, ipa(0xa000000), 32 * 0x200, &vvirtio_empty_ops, &vm),
	                 HYP_OK);
	for (unsigned size = 1; size <= 8; size *= 2) {
		assert_true(get(MiB(128) - size, size) == 0);
		assert_int_equal(mmio_access(&v, 0, true, size, &val), MMIO_OK);
	}
	for (unsigned n = 0; n < 32; n++) {
		uint64_t base = 0xa000000 + n * 0x200;

		assert_true(get(base, 4) == 0x74726976);
		assert_true(get(base + 4, 4) == 2);
		assert_true(get(base + 8, 4) == 0);
		assert_true(get(base + 12, 4) == 0x554d4551);
		assert_true(get(base + 0x70, 4) == 0);
		assert_true(get(base + 0x100, 1) == 0);
		assert_int_equal(mmio_access(&v, base + 0x70, true, 4, &val), MMIO_OK);
	}
	assert_int_equal(mmio_access(&v, 0xa000000 + 32 * 0x200, false, 4, &val), MMIO_ABORT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {T(test_add), T(test_find), T(test_access),
	                                   T(test_absent_devices)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
