/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush for set/way maintenance: all RAM once, in bounded steps, holes skipped; every vCPU gets
 * a whole flush that began after it asked.
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

void job_init(struct job *j, bool (*step)(struct job *j), struct vm *of, uint32_t weight)
{
	(void)weight;
	*j = (struct job){.step = step, .vm = of};
}

void job_start(struct job *j)
{
	assert_ptr_equal(j, &vm.flush_job);
	assert_int_equal(fake_locks_held(), 0);
	starts++;
}

void vcpu_wake(struct vcpu *v)
{
	assert_true(v->flushed); /* what it waits for comes before */
	wakes[v->id]++;
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
	setway_vm_init(&vm);
	fake_log_clear();
	return 0;
}

static bool step(void)
{
	bool more = vm.flush_job.step(&vm.flush_job);

	assert_int_equal(fake_locks_held(), 0);
	return more;
}

/* Bytes cleaned and invalidated since the log was cleared, in the order of host addresses. */
static uint64_t cleaned(uint64_t from)
{
	uint64_t at = from, bytes = 0;

	for (unsigned i = 0; i < fake_log_count(); i++) {
		unsigned long long start, n;

		if (sscanf(fake_log_at(i), "cleaninval 0x%llx %llu", &start, &n) == 2) {
			assert_true(start >= at);
			at = start + n;
			bytes += n;
		}
	}
	return bytes;
}

static void test_whole(void **state)
{
	unsigned steps = 1;

	(void)state;
	assert_false(setway_flushed(&vcpus[1]));
	assert_int_equal(starts, 1);
	while (step()) {
		steps++;
		if (wakes[1] != 0) continue;
		assert_true(cleaned(HOST) <= steps * KiB(64));
		assert_false(setway_flushed(&vcpus[1])); /* woken for something else: still not */
	}
	assert_int_equal(steps, MEMORY / KiB(64) + 2); /* a last one that finds nothing to do */
	assert_int_equal(cleaned(HOST), MEMORY);
	/* Instructions too, after the data. */
	assert_string_equal(fake_log_at(fake_log_count() - 1), "ic all");
	assert_int_equal(wakes[1], 1);
	assert_int_equal(wakes[0] + wakes[2], 0);
	assert_int_equal(starts, 1);
	assert_true(setway_flushed(&vcpus[1]));
	/* Once: the next one is another flush, of everything. */
	fake_log_clear();
	assert_false(setway_flushed(&vcpus[1]));
	assert_int_equal(starts, 2);
	while (step()) {
	}
	assert_int_equal(cleaned(HOST), MEMORY);
}

/* Pages that are not there are passed over, one by one. */
static void test_holes(void **state)
{
	struct s2_walk w;

	(void)state;
	assert_int_equal(s2_unmap(&vm.s2, ipa(RAM), &w), HYP_OK); /* the block of 2 MiB */
	assert_int_equal(w.len, MiB(2));
	assert_int_equal(
	    s2_map(&vm.s2, ipa(RAM + PAGE_SIZE), pa(HOST + PAGE_SIZE), KiB(60) - PAGE_SIZE, S2_RWX),
	    HYP_OK);
	assert_int_equal(
	    s2_map(&vm.s2, ipa(RAM + KiB(68)), pa(HOST + KiB(68)), MiB(2) - KiB(68), S2_RWX),
	    HYP_OK);
	assert_int_equal(s2_unmap(&vm.s2, ipa(RAM + MEMORY - PAGE_SIZE), &w), HYP_OK);
	fake_log_clear();
	assert_false(setway_flushed(&vcpus[0]));
	while (step()) {
	}
	assert_int_equal(cleaned(HOST), MEMORY - 4 * PAGE_SIZE);
	assert_int_equal(wakes[0], 1);
}

/* Who asks while a flush is under way is served by the next one. */
static void test_late(void **state)
{
	uint64_t before;

	(void)state;
	assert_false(setway_flushed(&vcpus[0]));
	step();
	assert_false(setway_flushed(&vcpus[1]));
	assert_false(setway_flushed(&vcpus[2]));
	assert_false(setway_flushed(&vcpus[1]));
	assert_int_equal(starts, 3);
	while (wakes[0] == 0) assert_true(step()); /* there is more: for the other two */
	assert_int_equal(wakes[1] + wakes[2], 0);
	assert_true(setway_flushed(&vcpus[0]));
	assert_false(setway_flushed(&vcpus[1]));
	before = cleaned(0);
	assert_int_equal(before, MEMORY);
	fake_log_clear();
	while (step()) {
	}
	assert_int_equal(cleaned(HOST), MEMORY);
	assert_int_equal(wakes[0], 1);
	assert_int_equal(wakes[1], 1);
	assert_int_equal(wakes[2], 1);
	assert_true(setway_flushed(&vcpus[1]));
	assert_true(setway_flushed(&vcpus[2]));
	assert_int_equal(starts, 3);
}

/* A VM that starts anew in the middle of one. */
static void test_reset(void **state)
{
	(void)state;
	assert_false(setway_flushed(&vcpus[0]));
	step();
	assert_false(setway_flushed(&vcpus[1]));
	vcpus[2].flushed = true;
	spin_lock(&vm.lock);
	setway_vm_reset(&vm);
	spin_unlock(&vm.lock);
	assert_false(setway_flushed(&vcpus[2])); /* asks anew, after the reset */
	fake_log_clear();
	while (step()) {
	}
	assert_int_equal(cleaned(HOST), MEMORY);
	assert_int_equal(wakes[2], 1);
	assert_int_equal(wakes[0] + wakes[1], 0);
	/* With none under way, nothing is left of the old. */
	spin_lock(&vm.lock);
	setway_vm_reset(&vm);
	spin_unlock(&vm.lock);
	assert_int_equal(vm.flush_for | vm.flush_asked, 0);
	assert_false(setway_flushed(&vcpus[0]));
	assert_int_equal(starts, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_whole, setup),
	    cmocka_unit_test_setup(test_holes, setup),
	    cmocka_unit_test_setup(test_late, setup),
	    cmocka_unit_test_setup(test_reset, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
