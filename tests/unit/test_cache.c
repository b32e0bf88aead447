/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real arch/arm64/cache.c with its instructions recorded: every line that a range touches,
 * each once, and no other; DSB last.
 * links: arch/arm64/cache.c tests/fake_arch/fake.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/cache.h>
#include <asm/maint.h>
#include <asm/sysreg.h>
#include "tests/fake_arch/fake.h"

static uint64_t ctr, dczid, next_line, nr_lines, line_step;

uint64_t fake_sysreg_read(const char *name)
{
	if (strcmp(name, "CTR_EL0") == 0) return ctr;
	assert_string_equal(name, "DCZID_EL0");
	return dczid;
}

void fake_sysreg_write(const char *name, uint64_t val)
{
	fail_msg("write of %s %llx", name, (unsigned long long)val);
}

static bool record;

void fake_dc(const char *op, uint64_t addr)
{
	if (record) {
		fake_logf("%s 0x%llx", op, (unsigned long long)addr % 4096);
		return;
	}
	assert_string_equal(op, "civac");
	assert_int_equal(addr, next_line);
	next_line += line_step;
	nr_lines++;
	assert_int_equal(fake_log_count(), 0); /* no barrier yet */
}

static void check(uint64_t start, uint64_t size, uint64_t first, uint64_t lines)
{
	const void *p = (const void *)(uintptr_t)start;

	next_line = first;
	nr_lines = 0;
	fake_log_clear();
	arch_dcache_clean_inval_poc(p, size);
	assert_int_equal(nr_lines, lines);
	assert_int_equal(fake_log_count(), 1);
	assert_string_equal(fake_log_at(0), "dsb sy");
}

static void test_ranges(void **state)
{
	(void)state;
	fake_reset();
	/* DminLine 4: 16 words, 64 bytes; IminLine and others must not matter. */
	ctr = 0x8444c004;
	line_step = 64;
	check(0x1000, 64, 0x1000, 1);
	check(0x1000, 65, 0x1000, 2);
	check(0x103f, 1, 0x1000, 1);
	check(0x103f, 2, 0x1000, 2);
	check(0x1001, 640, 0x1000, 11);
	check(0x1001, 0, 0, 0);
	check(UINT64_MAX - 69, 70, UINT64_MAX - 127, 2);
	/* 16 and 128 bytes. */
	ctr = 0x80020003;
	line_step = 16;
	check(0x1008, 4096, 0x1000, 257);
	ctr = 0x80050003;
	line_step = 128;
	check(0x10a0, 4096, 0x1080, 33);
}

static void test_scrub(void **state)
{
	static const char *const fused[] = {"zva 0x0",   "civac 0x0",   "zva 0x40", "civac 0x40",
	                                    "zva 0x80",  "civac 0x80",  "zva 0xc0", "civac 0xc0",
	                                    "zva 0x100", "civac 0x100", "dsb sy"};
	static _Alignas(4096) uint8_t mem[4096];

	(void)state;
	fake_reset();
	record = true;
	ctr = 0x8444c004;
	dczid = 4;
	arch_scrub(mem, 320);
	for (unsigned i = 0; i < ARRAY_SIZE(fused); i++)
		assert_string_equal(fake_log_at(i), fused[i]);
	assert_int_equal(fake_log_count(), ARRAY_SIZE(fused));
	fake_log_clear();
	/* No DC ZVA, blocks that are not lines, a ragged range: by stores. */
	for (unsigned i = 0; i < 4; i++) {
		unsigned at = i == 3 ? 32 : 0;

		dczid = i == 0 ? 0x14 : i == 1 ? 5 : i == 2 ? 3 : 4;
		memset(mem, 0xff, 256);
		fake_log_clear();
		arch_scrub(mem + at, 128);
		assert_true(mem[at] == 0 && mem[at + 127] == 0 && mem[at + 128] == 0xff);
		assert_int_equal(fake_log_matches("civac"), i == 3 ? 3 : 2);
		assert_int_equal(fake_log_matches("zva"), 0);
	}
	record = false;
}

static void test_icache(void **state)
{
	static const char *const want[] = {"dsb ish", "ic ialluis", "dsb ish", "isb"};

	(void)state;
	fake_reset();
	arch_icache_inval_all();
	for (unsigned i = 0; i < 4; i++) assert_string_equal(fake_log_at(i), want[i]);
	assert_int_equal(fake_log_count(), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_icache),
	    cmocka_unit_test(test_scrub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
