/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The per-CPU areas, and how one CPU gets another's attention.
 */
#include <arch/gic.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/pcpu.h>
#include <hyp/sched_ent.h>

struct pcpu pcpus[MAX_PCPUS];
unsigned nr_pcpus;

void pcpu_kick(struct pcpu *p, uint32_t work)
{
	uint32_t old = atomic_fetch_or_full(&p->work, work);

	/* Who set these bits first sends the SGI; the CPU takes the bits after both stores. */
	if (p != this_pcpu() && (work == 0 || (old & work) != work))
		arch_gic_send_sgi(p->id, GIC_SGI_KICK);
}

void pcpu_push(struct pcpu *p, struct sched_ent *e)
{
	e->ready_at = arch_counter();
	e->next = load_relaxed(&p->wake_list);
	while (!atomic_cas_full(&p->wake_list, &e->next, e)) {
	}
	pcpu_kick(p, PCPU_WORK_RESCHED);
}

struct pcpu *pcpu_find_idle(uint64_t mask)
{
	for (unsigned i = 0; i < nr_pcpus; i++)
		if ((mask & BIT(i)) != 0 && load_relaxed(&pcpus[i].idle)) return &pcpus[i];
	return NULL;
}
