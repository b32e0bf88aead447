/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other CPUs, by PSCI.
 */
#include "internal.h"

/* PSCI 1.1 (Arm DEN0022), 5.1 and 5.2. */
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_ALREADY_ON (-4)
#define AFFINITY_ON 0
#define AFFINITY_OFF 1

void uk_cpu_main(void);

unsigned uk_cpu_id(void) { return this_cpu()->id; }

void uk_cpu_main(void)
{
	struct cpu *cpu = this_cpu();

	gic_cpu_init();
	timer_cpu_init();
	__asm__ volatile("msr daifclr, #6" : : : "memory"); /* SError and IRQ on */
	cpu->fn(cpu->arg);
	reent_finish();
	for (unsigned t = 0; t < UK_NR_TIMERS; t++) uk_timer_stop((enum uk_timer)t);
	__asm__ volatile("msr daifset, #15" : : : "memory");
	/* Release: whoever finds this CPU off finds what it did. */
	__atomic_store_n(&cpu->on, false, __ATOMIC_RELEASE);
	(void)uk_psci(PSCI_CPU_OFF, 0, 0, 0);
	uk_crash("CPU_OFF refused");
}

/*
 * A CPU of our own is known by cpu->on, since QEMU's AFFINITY_INFO says OFF until a CPU that was
 * turned on has been scheduled; cpu->on is cleared a little before CPU_OFF has taken effect.
 */
bool uk_cpu_is_off(unsigned cpu)
{
	return cpu < uk_mach.nr_cpus && cpu > 0 &&
	       !__atomic_load_n(&uk_cpus[cpu].on, __ATOMIC_ACQUIRE) &&
	       uk_psci(PSCI_AFFINITY_INFO, uk_mach.mpidr[cpu], 0, 0) == AFFINITY_OFF;
}

int uk_cpu_start(unsigned cpu, void (*fn)(void *), void *arg)
{
	struct cpu *c;
	int err;

	if (cpu == 0 || cpu >= uk_mach.nr_cpus || !fn) return PSCI_INVALID_PARAMETERS;
	c = &uk_cpus[cpu];
	if (__atomic_exchange_n(&c->on, true, __ATOMIC_ACQUIRE)) return PSCI_ALREADY_ON;
	while (uk_psci(PSCI_AFFINITY_INFO, uk_mach.mpidr[cpu], 0, 0) == AFFINITY_ON)
		uk_cpu_relax(); /* on its way to CPU_OFF */
	c->fn = fn;
	c->arg = arg;
	/* Read there with the MMU off: clean it to memory before the call. */
	_Static_assert(sizeof(struct cpu) == 64, "one cache line");
	__asm__ volatile("dc cvac, %0\n\tdsb sy" : : "r"(c) : "memory");
	err = (int)uk_psci(PSCI_CPU_ON, uk_mach.mpidr[cpu], (uint64_t)uk_cpu_entry, (uint64_t)c);
	if (err) __atomic_store_n(&c->on, false, __ATOMIC_RELEASE);
	return err;
}

void uk_barrier_wait(uk_barrier_t *b, unsigned cpus)
{
	uint32_t round = __atomic_load_n(&b->round, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == cpus) {
		/* Nobody is in the next round before `round` has its new value. */
		__atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&b->round, round + 1, __ATOMIC_RELEASE);
		/* DSB: the store is visible before those who wait are woken. */
		__asm__ volatile("dsb ishst\n\tsev" : : : "memory");
	} else {
		/* SEVL: an event that came before the first look is not waited for. */
		__asm__ volatile("sevl" : : : "memory");
		while (__atomic_load_n(&b->round, __ATOMIC_ACQUIRE) == round)
			__asm__ volatile("wfe" : : : "memory");
	}
}
