/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wake-ups, kicks and stops of vCPUs: the half of the scheduler that any context may call, without
 * a lock. The other half of each protocol is in hyp/sched.
 */
#include <arch/barrier.h>
#include <hyp/vcpu.h>

/* BLOCKED -> READY. The one whose CAS succeeds owns v until it is on a wake list. */
static void wake_blocked(struct vcpu *v)
{
	uint32_t state = VCPU_BLOCKED;
	struct pcpu *p, *idle;

	if (!atomic_cas_full(&v->state, &state, (uint32_t)VCPU_READY)) return;
	/* Home; or, if that is busy and v is saved, to an idle CPU. Acquire: whoever loads v there
	 * sees what was saved here (rule 23). */
	p = &pcpus[v->cpu];
	if (load_acquire(&v->loaded_on) == -1 && !load_relaxed(&p->idle)) {
		idle = pcpu_find_idle(v->affinity);
		p = idle ? idle : p;
		store_relaxed(&v->cpu, p->id);
	}
	pcpu_push(p, &v->se);
}

void vcpu_kick(struct vcpu *v, uint32_t work)
{
	uint32_t state;

	atomic_fetch_or_full(&v->work, work);
	/* work before state: sched_block() and sched_next() have state before work, so that one of
	 * the two sees the other (Dekker; Arm ARM B2.3.7). */
	smp_mb();
	state = load_relaxed(&v->state);
	if (state == VCPU_RUNNING) {
		struct pcpu *p = &pcpus[load_relaxed(&v->cpu)];

		if (p != this_pcpu()) pcpu_kick(p, 0);
	} else if (state == VCPU_BLOCKED && (work & VCPU_WORK_WAKES) != 0 &&
	           !vcpu_wake_in_place(v)) {
		wake_blocked(v);
	}
}

void vcpu_wake(struct vcpu *v) { vcpu_kick(v, VCPU_WORK_VGIC); }

void vcpu_stop(struct vcpu *v)
{
	if (atomic_fetch_or_full(&v->work, VCPU_WORK_STOP) & VCPU_WORK_OUT) return;
	/* STOP before state and cpu. Whoever moves v writes cpu before it looks at work: either
	 * that CPU sees STOP, or the kick below goes to it. */
	smp_mb();
	wake_blocked(v);
	pcpu_kick(&pcpus[load_relaxed(&v->cpu)], PCPU_WORK_RESCHED);
}
