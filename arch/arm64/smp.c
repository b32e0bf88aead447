/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secondary CPUs: PSCI CPU_ON or spin-table, a slot for each attempt, a bounded wait. A CPU that
 * comes too late finds its slot abandoned and parks.
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

#define PSCI_CPU_ON64 UINT64_C(0xc4000003) /* DEN 0022 5.1.4 */
#define START_TIMEOUT_US 3000000u

struct boot_slot boot_slots[MAX_PCPUS] = {
    [0] = {.stack_top = cpu_stacks[0] + STACK_AREA, .pcpu = &pcpus[0]},
};
static unsigned slots_used = 1;
bool spin_polls;

void arch_smp_init(struct host *h)
{
	uint64_t self = sysreg_read(MPIDR_EL1) & (MPIDR_AFF | MPIDR_AFF3);
	struct host_cpu boot = {.mpidr = self, .enable = HOST_ENABLE_NONE};
	unsigned at = 0;

	while (at < h->nr_cpus && h->cpus[at].mpidr != self) at++;
	if (at == h->nr_cpus && h->nr_cpus < MAX_PCPUS) {
		h->nr_cpus++; /* the tree does not name the CPU we run on */
	} else if (at == h->nr_cpus) {
		at--; /* it does, beyond what fits: in place of the last that did */
		h->nr_cpus_ignored++;
	} else {
		boot = h->cpus[at];
	}
	for (; at > 0; at--) h->cpus[at] = h->cpus[at - 1];
	h->cpus[0] = boot;
	boot_slots[0].mpidr = self;
	pcpus[0].mpidr = self;
	pcpus[0].stack_top = boot_slots[0].stack_top;
	store_release(&pcpus[0].online, true);
}

static enum hyp_err release_cpu(const struct host_cpu *c)
{
	uint64_t entry = (uint64_t)(uintptr_t)boot_secondary_entry;

	if (c->enable == HOST_ENABLE_PSCI && host.psci_smc) {
		int64_t ret = (int32_t)smccc_smc(PSCI_CPU_ON64, c->mpidr, entry, 0);

		if (ret == 0) return HYP_OK;
		log_err("CPU 0x%lx: firmware answered CPU_ON with %ld", c->mpidr, ret);
		return HYP_EINVAL;
	}
	if (c->enable == HOST_ENABLE_SPIN_TABLE) {
		uint64_t *release = mm_window(c->release);

		store_relaxed(release, entry);
		/* The CPU reads it past the caches; clean has its DSB, so SEV comes after. */
		arch_dcache_clean_poc(release, sizeof(*release));
		cpu_sev();
		return HYP_OK;
	}
	log_err("CPU 0x%lx: no way to start it (enable-method)", c->mpidr);
	return HYP_ENOTSUP;
}

enum hyp_err arch_cpu_start(unsigned cpu)
{
	struct boot_slot *slot = &boot_slots[slots_used];
	struct pcpu *p = &pcpus[cpu];
	uint64_t deadline;
	enum hyp_err err;

	if (slots_used == MAX_PCPUS) return HYP_EFULL;
	p->id = cpu;
	p->mpidr = host.cpus[cpu].mpidr;
	p->stack_top = cpu_stacks[slots_used++] + STACK_AREA;
	*slot = (struct boot_slot){p->mpidr, p->stack_top, p, BOOT_STARTING};
	arch_dcache_clean_poc(slot, sizeof(*slot));
	err = release_cpu(&host.cpus[cpu]);
	if (err != HYP_OK) {
		store_release(&slot->state, BOOT_ABANDONED); /* should it arrive after all */
		return err;
	}
	deadline = arch_counter() + arch_us_to_ticks(START_TIMEOUT_US);
	while (!load_acquire(&p->online)) {
		uint64_t starting = BOOT_STARTING;

		if (arch_counter() > deadline &&
		    atomic_cas_full(&slot->state, &starting, BOOT_ABANDONED)) {
			log_err("CPU 0x%lx: did not start", p->mpidr);
			return HYP_EBUSY;
		}
		cpu_relax();
	}
	return HYP_OK;
}

void smp_secondary(struct boot_slot *slot)
{
	uint64_t starting = BOOT_STARTING;

	/* Acquire: the boot CPU's set-up of pcpu and tables comes with the slot. */
	if (!atomic_cas_full(&slot->state, &starting, BOOT_ARRIVED)) boot_park();
	arch_cpu_init();
	boot_secondary(); /* hyp/main.c */
}
