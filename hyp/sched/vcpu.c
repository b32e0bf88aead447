/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler as the rest of the hypervisor sees a vCPU: parameters, start, block, off, saved.
 */
#include <arch/barrier.h>
#include <hyp/check.h>
#include <hyp/sched.h>
#include <hyp/vm.h>
#include "rq.h"

void sched_vcpu_init(struct vcpu *v, const struct vm_config *cfg)
{
	uint64_t all = BIT(nr_pcpus) - 1;

	ent_init(&v->se, cfg, 0, false);
	v->affinity = (cfg->affinity & all) != 0 ? cfg->affinity & all : all;
	v->loaded_on = -1;
	v->work = VCPU_WORK_OUT;
}

void sched_start(struct vcpu *v)
{
	unsigned cpu = (unsigned)__builtin_ctzll(v->affinity);

	/* Where the fewest wait. */
	for (unsigned i = cpu + 1; i < nr_pcpus; i++)
		if ((v->affinity & BIT(i)) != 0 &&
		    load_relaxed(&pcpus[i].nr_ready) < load_relaxed(&pcpus[cpu].nr_ready))
			cpu = i;
	v->cpu = cpu;
	v->se.start = arch_counter();
	v->se.vruntime = load_relaxed(&rqs[v->cpu].clock);
	v->se.woken = false;
	v->se.slice_left = 0;
	v->se.budget_left = v->se.budget;
	v->se.refill_at = v->se.start + v->se.period;
	atomic_fetch_and_full(&v->work, ~(VCPU_WORK_OUT | VCPU_WORK_STOP));
	/* From here on it is a sleeper like any other. */
	store_release(&v->state, (uint32_t)VCPU_BLOCKED);
	vcpu_wake(v);
}

/* This CPU's cur is v no more: sched_next() sees that by its state. */
static void leave_cpu(const struct vcpu *v)
{
	CHECK(rqs[this_pcpu()->id].cur == &v->se);
	pcpu_kick(this_pcpu(), PCPU_WORK_RESCHED);
}

void sched_block(struct vcpu *v)
{
	uint32_t state = VCPU_BLOCKED;

	v->se.woken = true;
	store_relaxed(&v->state, state);
	/* state before work; vcpu_kick() has the other order. */
	smp_mb();
	/* If a waker was faster, v is READY, on this CPU's wake list, since it is loaded here. */
	if ((load_relaxed(&v->work) & VCPU_WORK_WAKES) == 0 ||
	    !atomic_cas_full(&v->state, &state, (uint32_t)VCPU_RUNNING))
		leave_cpu(v);
}

void sched_off(struct vcpu *v)
{
	turn_off(v);
	leave_cpu(v);
}

void sched_limit(struct vcpu *v, uint64_t budget_us, uint64_t period_us)
{
	uint64_t now = arch_counter();

	v->se.budget = us_to_ticks(budget_us);
	v->se.period = us_to_ticks(period_us);
	v->se.refill_at = now + v->se.period;
	/* What it ran before is accounted when it leaves. */
	v->se.budget_left = v->se.budget + now - this_pcpu()->stamp;
	leave_cpu(v);
}

void sched_yield(const struct vcpu *v)
{
	rqs[this_pcpu()->id].yield = true;
	leave_cpu(v);
}

void sched_saved(struct vcpu *v)
{
	uint32_t state = load_relaxed(&v->state);
	uint64_t affinity = v->affinity;

	store_release(&v->loaded_on, -1);
	if (state == VCPU_OFF) {
		/* The last access: whoever sees OUT may free v. */
		atomic_fetch_or_full(&v->work, VCPU_WORK_OUT);
	} else if (state == VCPU_READY) {
		(void)offer(&rqs[this_pcpu()->id], affinity, arch_counter());
	}
}
