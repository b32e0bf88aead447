/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondary CPUs come up by the real arch/arm64/smp.c, on a machine where a CPU with its caches off
 * sees only what was cleaned to memory: by PSCI, by spin-table, too late, never, and too early; and
 * what each asks of firmware.
 * links: arch/arm64/smp.c arch/arm64/errata.c tests/fake_arch/fake.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/cpu.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <hyp/host.h>
#include <hyp/pcpu.h>
#include <asm/boot.h>
#include "tests/fake_arch/fake.h"

#define CPU_ON64 UINT64_C(0xc4000003)
#define ENTRY ((uint64_t)(uintptr_t)boot_secondary_entry)
#define SECONDS(n) ((n)*UINT64_C(1000000))

struct host host;
struct pcpu pcpus[MAX_PCPUS];
uint8_t cpu_stacks[MAX_PCPUS][STACK_AREA];

static struct boot_slot slot_in_memory;
static uint64_t release_word, release_in_memory; /* as the boot CPU has it, as others see it */
static uint64_t now, arrives_at, self;           /* us; the CPU that is on its way */
static int64_t firmware_says;
static unsigned smcs;
static jmp_buf over;
static bool parked;

/* 1 MHz, and waiting takes time. */
uint64_t arch_counter_hz(void) { return 1000000; }

static void arrive(uint64_t mpidr);

uint64_t arch_counter(void)
{
	now += 1000;
	if (arrives_at != 0 && now >= arrives_at) {
		arrives_at = 0;
		arrive(self);
	}
	return now;
}

void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	if (start == &boot_slot) {
		assert_int_equal(size, sizeof(boot_slot));
		slot_in_memory = boot_slot;
		fake_log_token("clean slot");
	} else {
		assert_ptr_equal(start, &release_word);
		assert_int_equal(size, sizeof(release_word));
		release_in_memory = release_word;
		fake_log_token("clean release");
	}
}

/* What firmware says of SMCCC_VERSION, WORKAROUND_3 and WORKAROUND_1; the calls made of those. */
static int32_t version_says, says_3, says_1;
static char asked[200];
static uint32_t vectors_traced;

void arch_trace_exits(bool on) { vectors_traced += 1 + on; }

static uint64_t firmware_features(uint64_t fn, uint64_t a1)
{
	snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%llx,%llx ",
	         (unsigned long long)fn, (unsigned long long)a1);
	if (fn == 0x8400000a) return (uint32_t)version_says;
	if (fn == 0x80000001) return (uint32_t)(a1 == 0x80003fff ? says_3 : says_1);
	return 0;
}

void *mm_window(pa_t page)
{
	assert_int_equal(pa_raw(page), 0xe0);
	return &release_word;
}

uint64_t smccc_smc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	(void)a3;
	if (fn != CPU_ON64) return firmware_features(fn, a1);
	smcs++;
	fake_log_token("smc");
	assert_int_equal(fn, CPU_ON64);
	assert_int_equal(a1, self);
	assert_int_equal(a2, ENTRY);
	return (uint32_t)firmware_says; /* a 32-bit result: the upper half may be anything */
}

void boot_secondary_entry(void) {}
uint64_t arch_cpu_mpidr(void) { return self; }
void arch_cpu_init(void) { fake_log_token("init"); }

noreturn void boot_park(void)
{
	parked = true;
	longjmp(over, 1);
}

noreturn void boot_secondary(void)
{
	__atomic_store_n(&this_pcpu()->online, true, __ATOMIC_RELEASE);
	longjmp(over, 1);
}

/* As boot.S does it, past the caches. */
static void arrive(uint64_t mpidr)
{
	struct pcpu *boot_cpu = fake_pcpu;

	if (slot_in_memory.mpidr != mpidr) return; /* waits */
	self = mpidr;
	fake_pcpu = slot_in_memory.pcpu;
	if (setjmp(over) == 0) smp_secondary();
	fake_pcpu = boot_cpu;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_pcpu = &pcpus[0];
	memset(pcpus, 0, sizeof(pcpus));
	release_word = release_in_memory = now = arrives_at = self = 0;
	slot_in_memory = boot_slot;
	firmware_says = 0;
	smcs = 0;
	parked = false;
	return 0;
}

static enum hyp_err start(enum host_enable how, uint64_t mpidr, unsigned cpu, uint64_t comes_after)
{
	const struct host_cpu c = {mpidr, how, pa(0xe0)};

	self = mpidr;
	arrives_at = comes_after ? now + comes_after : 0;
	fake_log_clear();
	return arch_cpu_start(&c, cpu);
}

static uint8_t *last_stack; /* every attempt has one of its own */

static void check_stack(void)
{
	if (last_stack != NULL) assert_ptr_equal(slot_in_memory.stack_top, last_stack + STACK_AREA);
	last_stack = slot_in_memory.stack_top;
	assert_true(last_stack > cpu_stacks[1] &&
	            last_stack <= cpu_stacks[MAX_PCPUS - 1] + STACK_AREA);
}

static void test_spin_table(void **state)
{
	(void)state;
	assert_int_equal(start(HOST_ENABLE_SPIN_TABLE, 0x101, 1, 5000), HYP_OK);
	assert_string_equal(fake_log_at(0), "clean slot");
	assert_string_equal(fake_log_at(1), "clean release");
	assert_string_equal(fake_log_at(2), "sev");
	assert_int_equal(release_in_memory, ENTRY);
	assert_int_equal(smcs, 0);
	assert_true(pcpus[1].online && !parked);
	assert_int_equal(pcpus[1].id, 1);
	assert_ptr_equal(slot_in_memory.pcpu, &pcpus[1]);
	assert_ptr_equal(pcpus[1].stack_top, slot_in_memory.stack_top);
	check_stack();
}

static void test_psci(void **state)
{
	(void)state;
	assert_int_equal(start(HOST_ENABLE_PSCI, UINT64_C(0x100000002), 1, 5000), HYP_OK);
	assert_string_equal(fake_log_at(0), "clean slot");
	assert_string_equal(fake_log_at(1), "smc");
	assert_int_equal(fake_log_matches("sev"), 0);
	assert_int_equal(smcs, 1);
	assert_true(pcpus[1].online);
	check_stack();
}

/* Refused, or no way: told at once, and nobody is waited for. */
static void test_refused(void **state)
{
	static const int64_t answers[] = {-2, -4, -9};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		firmware_says = answers[i];
		fake_log_lines = 0;
		now = 0;
		assert_int_equal(start(HOST_ENABLE_PSCI, 3, 1, 0), HYP_EBUSY);
		assert_true(now < SECONDS(1));
		assert_int_equal(fake_log_lines, 1);
		check_stack();
	}
	smcs = 0;
	assert_int_equal(start(HOST_ENABLE_NONE, 3, 1, 0), HYP_EBUSY);
	assert_int_equal(smcs, 0);
	assert_int_equal(fake_log_matches("sev"), 0);
	check_stack();
}

/* After 3 s it is given up; when it comes after all it parks, whoever is started by then. */
static void test_too_late(void **state)
{
	struct boot_slot old;

	(void)state;
	assert_int_equal(start(HOST_ENABLE_SPIN_TABLE, 7, 1, 0), HYP_EBUSY);
	assert_in_range(now, SECONDS(3), SECONDS(4));
	check_stack();
	old = slot_in_memory;
	arrive(7);
	assert_true(parked && !pcpus[1].online);

	/* It has read its slot, then comes another CPU's turn. */
	parked = false;
	assert_int_equal(start(HOST_ENABLE_SPIN_TABLE, 8, 1, 5000), HYP_OK);
	assert_ptr_not_equal(slot_in_memory.stack_top, old.stack_top);
	check_stack();
	assert_true(pcpus[1].online && !parked);
	slot_in_memory = old;
	arrive(7);
	assert_true(parked);
}

/* Between: the slot is the next CPU's, not yet taken, when the late one has read its own. */
static void test_late_beside_next(void **state)
{
	struct boot_slot old;

	(void)state;
	assert_int_equal(start(HOST_ENABLE_SPIN_TABLE, 7, 1, 0), HYP_EBUSY);
	check_stack();
	old = slot_in_memory;
	assert_int_equal(start(HOST_ENABLE_SPIN_TABLE, 8, 1, SECONDS(10)), HYP_EBUSY);
	check_stack();
	boot_slot.mpidr = 8; /* as it was while CPU 8 was waited for */
	slot_in_memory = old;
	arrive(7);
	assert_true(parked);
	assert_int_equal(boot_slot.mpidr, 8);
	boot_slot.mpidr = SLOT_FREE;
}

/* One stack for each attempt: then no more are started. */
static void test_no_more_stacks(void **state)
{
	unsigned n = 0;

	(void)state;
	while (start(HOST_ENABLE_NONE, 9, 1, 0) == HYP_EBUSY && n < MAX_PCPUS) {
		n++;
		check_stack();
	}
	assert_in_range(n, 1, MAX_PCPUS - 2);
	assert_ptr_equal(last_stack, cpu_stacks[MAX_PCPUS - 1] + STACK_AREA);
	assert_int_equal(start(HOST_ENABLE_PSCI, 9, 1, 1), HYP_EFULL);
	assert_int_equal(smcs, 0);
}

/* Each CPU asks its firmware, if there is any, and calls what it itself needs at each exit. */
static void test_branch_workarounds(void **state)
{
	static const struct {
		bool psci_smc;
		int32_t version, says_3, says_1;
		const char *asked;
		uint32_t call;
	} cases[] = {
	    {false, 0, 0, 0, "", 0},
	    {true, -1, 0, 0, "8400000a,80000000 ", 0},
	    {true, 0, 0, 0, "8400000a,80000000 80000001,80003fff ", 0x80003fff},
	    {true, 0, -1, 0, "8400000a,80000000 80000001,80003fff 80000001,80008000 ", 0x80008000},
	    {true, 0, 1, 1, "8400000a,80000000 80000001,80003fff 80000001,80008000 ", 0},
	    {true, 0, -1, -1, "8400000a,80000000 80000001,80003fff 80000001,80008000 ", 0},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		host.psci_smc = cases[i].psci_smc;
		version_says = cases[i].version;
		says_3 = cases[i].says_3;
		says_1 = cases[i].says_1;
		fake_pcpu = &pcpus[i];
		asked[0] = '\0';
		vectors_traced = 0;
		arch_errata_cpu_init();
		assert_string_equal(asked, cases[i].asked);
		assert_int_equal(vectors_traced, 1);
		asked[0] = '\0';
		arch_errata_entry();
		assert_int_equal(strtoull(asked, NULL, 16), cases[i].call);
	}
	host.psci_smc = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_spin_table, setup),
	    cmocka_unit_test_setup(test_psci, setup),
	    cmocka_unit_test_setup(test_refused, setup),
	    cmocka_unit_test_setup(test_too_late, setup),
	    cmocka_unit_test_setup(test_late_beside_next, setup),
	    cmocka_unit_test_setup(test_no_more_stacks, setup),
	    cmocka_unit_test_setup(test_branch_workarounds, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
