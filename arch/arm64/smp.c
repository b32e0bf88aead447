/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondary CPUs, one after the other: PSCI CPU_ON or spin-table, a stack for each attempt, a
 * bounded wait. A CPU that comes too late finds that the slot is no longer its own, and parks.
 */
#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/host.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>

#include <asm/boot.h>
#include <asm/smccc.h>
#include <asm/sysreg.h>

#define PSCI_NOT_SUPPORTED (-1)
#define PSCI_CPU_ON64 UINT64_C(0xc4000003) /* DEN 0022 5.1.4 */
#define START_TIMEOUT_US 3000000u

struct boot_slot boot_slot = {.mpidr = SLOT_FREE};
static unsigned stacks_used = 1; /* [0] is the boot CPU's */
bool spin_polls;

/* 0, or an error of PSCI. */
static int64_t release_cpu(const struct host_cpu *c)
{
	uint64_t entry = (uint64_t)(uintptr_t)boot_secondary_entry;

	if (c->enable == HOST_ENABLE_PSCI)
		return (int32_t)smccc_smc(PSCI_CPU_ON64, c->mpidr, entry, 0);
	if (c->enable == HOST_ENABLE_SPIN_TABLE) {
		uint64_t *release = mm_window(c->release);

		store_relaxed(release, entry);
		/* The CPU reads it past the caches; clean has its DSB, so SEV comes after. */
		arch_dcache_clean_inval_poc(release, sizeof(*release));
		cpu_sev();
		return 0;
	}
	return PSCI_NOT_SUPPORTED;
}

enum hyp_err arch_cpu_start(const struct host_cpu *c, unsigned cpu)
{
	struct pcpu *p = &pcpus[cpu];
	uint64_t deadline;
	int64_t answer;

	if (stacks_used == MAX_PCPUS) return HYP_EFULL;
	p->id = cpu;
	p->stack_top = cpu_stacks[stacks_used++] + STACK_AREA;
	boot_slot.stack_top = p->stack_top;
	boot_slot.pcpu = p;
	store_release(&boot_slot.mpidr, c->mpidr); /* after the rest: other CPUs may be looking */
	arch_dcache_clean_inval_poc(&boot_slot, sizeof(boot_slot));
	answer = release_cpu(c);
	deadline = arch_counter() + arch_us_to_ticks(START_TIMEOUT_US);
	while (!load_acquire(&p->online)) {
		uint64_t owner = c->mpidr;

		if ((answer != 0 || arch_counter() > deadline) &&
		    atomic_cas_full(&boot_slot.mpidr, &owner, SLOT_FREE)) {
			log_err("CPU 0x%lx: did not start (%ld)", c->mpidr, answer);
			return HYP_EBUSY;
		}
		cpu_relax();
	}
	return HYP_OK;
}

void smp_secondary(void)
{
	uint64_t self = arch_cpu_mpidr();

	/* Acquire: the boot CPU's set-up of pcpu and tables comes with the slot. */
	if (!atomic_cas_full(&boot_slot.mpidr, &self, SLOT_FREE)) boot_park();
	arch_cpu_init();
	boot_secondary(); /* hyp/main.c */
}
