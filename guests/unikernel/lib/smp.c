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
#define AFFINITY_OFF 1

void uk_cpu_main(void);

unsigned uk_cpu_id(void)
{
	return this_cpu()->id;
}

void uk_cpu_main(void)
{
	struct cpu *cpu = this_cpu();

	gic_cpu_init();
	timer_cpu_init();
	__asm__ volatile("msr daifclr, #6" : : : "memory"); /* SError and IRQ on */
	cpu->fn(cpu->arg);
	for (unsigned t = 0; t < UK_NR_TIMERS; t++) {
		uk_timer_stop((enum uk_timer)t);
	}
	__asm__ volatile("msr daifset, #15" : : : "memory");
	(void)uk_psci(PSCI_CPU_OFF, 0, 0, 0);
	uk_crash("CPU_OFF refused");
}

int uk_cpu_start(unsigned cpu, void (*fn)(void *), void *arg)
{
	struct cpu *c = &uk_cpus[cpu < UK_MAX_CPUS ? cpu : 0];

	if (cpu == 0 || cpu >= uk_mach.nr_cpus || !fn) {
		return PSCI_INVALID_PARAMETERS;
	}
	if (!uk_cpu_is_off(cpu)) {
		return -4; /* ALREADY_ON */
	}
	c->fn = fn;
	c->arg = arg;
	/* Read there with the MMU off: clean it to memory before the call. */
	_Static_assert(sizeof(struct cpu) == 64, "one cache line");
	__asm__ volatile("dc cvac, %0\n\tdsb sy" : : "r"(c) : "memory");
	return (int)uk_psci(PSCI_CPU_ON, uk_mach.mpidr[cpu], (uint64_t)uk_cpu_entry, (uint64_t)c);
}

bool uk_cpu_is_off(unsigned cpu)
{
	return cpu < uk_mach.nr_cpus &&
	       uk_psci(PSCI_AFFINITY_INFO, uk_mach.mpidr[cpu], 0, 0) == AFFINITY_OFF;
}
