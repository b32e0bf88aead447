/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush for set/way maintenance: all RAM, in bounded steps; every vCPU gets a whole round that
 * began after it asked.
 * links: hyp/setway.c hyp/gmem.c stage2/s2.c stage2/vmid.c tests/fake_arch/fake.c
 * links: tests/fake_arch/tlb.c
 */
#include "s2_env.h"
#include <hyp/job.h>
#include <hyp/setway.h>
#include <hyp/vm.h>

#define RAM UINT64_C(0x40000000)
#define HOST UINT64_C(0x200000000)
#define MEMORY (MiB(2) + KiB(72)) /* not a multiple of a step */

static const struct machine machine = {.ram_base = RAM};
static const struct vm_config cfg = {.memory = MEMORY};
static struct vm vm;
static struct vcpu vcpus[3];
static unsigned starts, wakes[3];

void job_start(struct job *j)
{
	assert_ptr_equal(j, &vm.job);
	assert_int_equal(fake_locks_held(), 0);
	starts++;
}

void vcpu_wake(struct vcpu *v) { wakes[v->id]++; }

static void (*in_clean)(void); /* at the end of the next */

void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	void (*fn)(void) = in_clean;

	in_clean = NULL;
	fake_logf("cleaninval 0x%llx %llu", (unsigned long long)ptr_to_pa(start).raw,
	          (unsigned long long)size);
	if (fn) fn();
}

static int setup(void **state)
{
	(void)state;
	env_init(40, 8);
	fake_ram_add(pa(HOST), MiB(4));
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(wakes, 0, sizeof(wakes));
	starts = 0;
	in_clean = NULL;
	vm.lock = SPINLOCK_INIT(LOCK_VM);
	vm.machine = &machine;
	vm.cfg = &cfg;
	vm.nr_vcpus = 3;
	for (unsigned i = 0; i < 3; i++) {
		vcpus[i].id = i;
		vcpus[i].vm = &vm;
		vm.vcpus[i] = &vcpus[i];
	}
	assert_int_equal(s2_create(&vm.s2, 7), HYP_OK);
	assert_int_equal(s2_map(&vm.s2, ipa(RAM), pa(HOST), MEMORY, S2_RWX), HYP_OK);
	fake_log_clear();
	return 0;
}

static bool step(void)
{
	bool more = setway_step(&vm);

	assert_int_equal(fake_locks_held(), 0);
	return more;
}

/*
 * Bytes cleaned and invalidated since the log was cleared, all of them in RAM; each page at least
 * once: the whole.
 */
static uint64_t cleaned(bool *whole)
{
	static bool seen[MEMORY / PAGE_SIZE];
	uint64_t bytes = 0;

	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < fake_log_count(); i++) {
		unsigned long long start, n;

		if (sscanf(fake_log_at(i), "cleaninval 0x%llx %llu", &start, &n) != 2) continue;
		assert_true(start >= HOST && n <= KiB(64) && start + n <= HOST + MEMORY);
		for (uint64_t at = start; at < start + n; at += PAGE_SIZE)
			seen[(at - HOST) / PAGE_SIZE] = true;
		bytes += n;
	}
	*whole = true;
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) *whole = *whole && seen[i];
	return bytes;
}

static void test_whole(void **state)
{
	uint64_t bytes = 0;
	bool whole;

	(void)state;
	assert_false(step()); /* nobody has asked */
	assert_int_equal(fake_log_count(), 0);
	assert_false(setway_flushed(&vcpus[1]));
	assert_int_equal(starts, 1);
	for (unsigned steps = 1; step(); steps++) {
		bytes = cleaned(&whole);
		assert_true(bytes <= steps * KiB(64));
		if (wakes[1] != 0) continue;
		assert_false(setway_flushed(&vcpus[1])); /* woken for something else: still not */
	}
	assert_true(whole && bytes <= MEMORY + KiB(128));
	assert_int_equal(wakes[1], 1);
	assert_int_equal(wakes[0] + wakes[2], 0);
	assert_int_equal(starts, 1);
	/* Instructions too, after the data. */
	assert_true(setway_flushed(&vcpus[1]));
	assert_string_equal(fake_log_at(fake_log_count() - 1), "ic all");
	/* Once: the next one is another flush, of everything. */
	fake_log_clear();
	assert_false(setway_flushed(&vcpus[1]));
	assert_int_equal(starts, 2);
	while (step()) {
	}
	assert_true(cleaned(&whole) >= MEMORY && whole);
	assert_true(setway_flushed(&vcpus[1]));
}

/* Who asks while a flush is under way, and even within a step, gets all of a round from there. */
static void asks_late(void) { assert_false(setway_flushed(&vcpus[1])); }

static void test_late(void **state)
{
	bool whole;

	for (unsigned at = 0; at < 2 * MEMORY / KiB(64); at++) {
		setup(state);
		assert_false(setway_flushed(&vcpus[0]));
		for (unsigned i = 0; i < at && step(); i++) {
		}
		if (at % 2 == 0) {
			fake_log_clear();
			asks_late();
		} else {
			/* The step that is under way counts for nothing. */
			in_clean = asks_late;
			if (!step()) continue;
			assert_null(in_clean);
			fake_log_clear();
		}
		while (wakes[1] == 0) assert_true(step());
		(void)cleaned(&whole);
		assert_true(whole);
		assert_int_equal(wakes[0], 1); /* it has not waited for that */
		assert_true(setway_flushed(&vcpus[0]));
		assert_true(setway_flushed(&vcpus[1]));
		assert_false(step());
		assert_int_equal(starts, 2);
	}
}

/* A VM that starts anew in the middle of one. */
static void test_reset(void **state)
{
	bool whole;

	(void)state;
	assert_false(setway_flushed(&vcpus[0]));
	step();
	assert_false(setway_flushed(&vcpus[1]));
	assert_false(setway_flushed(&vcpus[2]));
	for (unsigned i = 0; i < 3; i++) vcpus[i].flush_until = 0; /* as a start does */
	step();
	fake_log_clear();
	assert_false(setway_flushed(&vcpus[2])); /* asks anew */
	while (step()) {
	}
	assert_true(cleaned(&whole) >= MEMORY && whole);
	assert_int_equal(wakes[2], 1);
	assert_int_equal(wakes[0] + wakes[1], 0);
	assert_true(setway_flushed(&vcpus[2]));
	assert_false(setway_flushed(&vcpus[0]));
	assert_int_equal(starts, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_whole, setup),
	    cmocka_unit_test_setup(test_late, setup),
	    cmocka_unit_test_setup(test_reset, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
