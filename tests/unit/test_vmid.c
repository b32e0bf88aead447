/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMIDs with two bits, so three of them: whatever runs where, no TLB entry of one space can be
 * used by another, and roll-over leaves what runs alone.
 * links: stage2/s2.c stage2/vmid.c tests/fake_arch/fake.c tests/fake_arch/tlb.c
 */
#include "s2_env.h"

#define NR_SPACES 7
static struct s2 sp[NR_SPACES];

static int setup(void **state)
{
	(void)state;
	env_init(40, 2);
	for (unsigned i = 0; i < NR_SPACES; i++) assert_int_equal(s2_create(&sp[i], 7), HYP_OK);
	return 0;
}

static unsigned vmid(uint64_t vttbr) { return (unsigned)(vttbr >> 48); }

static void test_values(void **state)
{
	uint64_t v[3];

	(void)state;
	assert_int_equal(vmid(s2_vttbr_empty()), 0);
	fake_log_clear();
	for (unsigned i = 0; i < 3; i++) {
		v[i] = s2_vttbr(&sp[i], 0);
		assert_int_equal(v[i] & VTTBR_BADDR_MASK, sp[i].root.raw);
		assert_in_range(vmid(v[i]), 1, 3);
	}
	assert_true(vmid(v[0]) != vmid(v[1]) && vmid(v[1]) != vmid(v[2]) &&
	            vmid(v[0]) != vmid(v[2]));
	/* Each new number is visible before the guest walks. */
	assert_int_equal(fake_log_matches("dsb ish"), 3);
	/* They keep their numbers while these last: nothing is flushed, no barrier. */
	assert_int_equal(fake_log_matches("tlbi"), 0);
	fake_log_clear();
	for (unsigned k = 0; k < 10; k++)
		for (unsigned i = 0; i < 3; i++) assert_int_equal(s2_vttbr(&sp[i], 0), v[i]);
	assert_int_equal(fake_log_count(), 0);
	/* The same space on another CPU: the same number. */
	assert_int_equal(s2_vttbr(&sp[2], 1), v[2]);
}

static void test_roll_over(void **state)
{
	uint64_t run0, run1, v;
	struct s2_walk w;

	(void)state;
	(void)s2_vttbr(&sp[0], 0);
	run1 = s2_vttbr(&sp[1], 1);
	run0 = s2_vttbr(&sp[2], 0);
	fake_log_clear();
	/* CPU 0 goes on to a fourth space: CPU 1 still runs sp[1]. */
	v = s2_vttbr(&sp[3], 0);
	assert_int_equal(fake_log_matches("tlbi all"), 1);
	assert_int_not_equal(vmid(v), vmid(run1));
	/* The number that CPU 0 had at the roll-over stays reserved as well. */
	assert_int_not_equal(vmid(v), vmid(run0));
	/* CPU 1 enters its space again: the same number, of the new generation, without a flush. */
	assert_int_equal(s2_vttbr(&sp[1], 1), run1);
	assert_int_equal(sp[1].vmid_gen >> 16, sp[3].vmid_gen >> 16);
	assert_int_equal(fake_log_matches("tlbi all"), 1);
	/* A second roll-over while CPU 1 has not come back since the first. */
	for (unsigned i = 0; i < 20; i++) {
		v = s2_vttbr(&sp[2 + i % 5], 0);
		assert_int_not_equal(vmid(v), vmid(run1));
	}
	assert_true(fake_log_matches("tlbi all") > 2);
	assert_int_equal(s2_vttbr(&sp[1], 1), run1);
	/* A change of sp[1]'s map goes to the VMID that runs. */
	assert_int_equal(s2_map(&sp[1], ipa(0), pa(0), PAGE_SIZE, S2_RWX), HYP_OK);
	fake_log_clear();
	assert_int_equal(s2_unmap(&sp[1], ipa(0), &w), HYP_OK);
	assert_non_null(strstr(fake_log_at((unsigned)fake_log_find("tlbi", 0)), "vmid="));
	assert_int_equal(fake_log_at((unsigned)fake_log_find("tlbi", 0))[16] - '0', vmid(run1));
}

/* What a TLB may hold: vmid -> space, since the last flush of all. */
static void test_random(void **state)
{
	int holds[4] = {-1, -1, -1, -1};
	int runs[2] = {-1, -1};
	unsigned rolls = 0;

	(void)state;
	srand(42);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned cpu = (unsigned)rand() % 2, i = (unsigned)rand() % NR_SPACES;
		uint64_t v;

		if (rand() % 50 == 0 && (int)i != runs[0] && (int)i != runs[1]) {
			/* The space goes and another comes in its place. */
			s2_destroy(&sp[i]);
			assert_int_equal(s2_create(&sp[i], 7), HYP_OK);
			for (unsigned n = 0; n < 4; n++) {
				/* Its entries were flushed, its number is nobody's. */
				holds[n] = holds[n] == (int)i ? -2 : holds[n];
			}
		}
		fake_log_clear();
		v = s2_vttbr(&sp[i], cpu);
		if (fake_log_matches("tlbi all") != 0) {
			rolls++;
			for (unsigned n = 0; n < 4; n++) {
				/* Those that run fill the TLBs again at once. What this CPU
				 * leaves gets another number, its own stays reserved. */
				if (holds[n] < 0 || (holds[n] != runs[0] && holds[n] != runs[1]))
					holds[n] = -1;
				else if (holds[n] != runs[1 - cpu])
					holds[n] = -2;
			}
		}
		assert_in_range(vmid(v), 1, 3);
		assert_int_equal(v & VTTBR_BADDR_MASK, sp[i].root.raw);
		assert_true(holds[vmid(v)] == -1 || holds[vmid(v)] == (int)i);
		holds[vmid(v)] = (int)i;
		runs[cpu] = (int)i;
		for (unsigned n = 1; n < 4; n++) {
			/* A space that runs has one number, wherever it runs. What it had before
			 * is nobody's until the next flush. */
			if (n == vmid(v) || holds[n] != (int)i) continue;
			assert_int_not_equal(runs[1 - cpu], (int)i);
			holds[n] = -2;
		}
	}
	assert_true(rolls > 1000);
}

/* 8 bits: 255 spaces, one after the other, before anything is flushed. */
static void test_eight_bits(void **state)
{
	struct s2 *one = &sp[0];
	bool seen[256] = {false};

	(void)state;
	env_init(40, 16);
	for (unsigned i = 0; i < 255; i++) {
		uint64_t v;

		assert_int_equal(s2_create(one, 7), HYP_OK);
		v = s2_vttbr(one, 0);
		assert_in_range(vmid(v), 1, 255);
		assert_false(seen[vmid(v)]);
		seen[vmid(v)] = true;
		assert_int_equal(s2_vttbr(&sp[0], 0), v);
		s2_destroy(one);
	}
	assert_int_equal(fake_log_matches("tlbi all"), 0);
	assert_int_equal(s2_create(one, 7), HYP_OK);
	(void)s2_vttbr(one, 0);
	assert_int_equal(fake_log_matches("tlbi all"), 1);
	assert_int_equal(fake_locks_held(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_values, setup),
	    cmocka_unit_test_setup(test_roll_over, setup),
	    cmocka_unit_test_setup(test_random, setup),
	    cmocka_unit_test_setup(test_eight_bits, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
