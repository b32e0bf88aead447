/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wake-ups, kicks and stops of vCPUs: the half of the scheduler that any context may call, without
 * a lock. The other half of each protocol is in hyp/sched/core.c.
 */
#include <arch/barrier.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/pcpu.h>
#include <hyp/vcpu.h>

void vcpu_set_home(struct vcpu *v, unsigned cpu)
{
	atomic_fetch_add_full(&pcpus[v->cpu].nr_vcpus, UINT32_MAX);
	atomic_fetch_add_full(&pcpus[cpu].nr_vcpus, 1u);
	store_relaxed(&v->cpu, cpu);
}

/* Where a woken vCPU goes: home; or, if that is busy and v is saved, to an idle CPU. */
static struct pcpu *wake_cpu(struct vcpu *v)
{
	struct pcpu *home = &pcpus[v->cpu], *p;

	/* Acquire: whoever loads v there sees what was saved here (rule 23). */
	if (load_acquire(&v->loaded_on) != -1 || load_relaxed(&home->idle)) return home;
	p = pcpu_find_idle(v->affinity);
	if (!p) return home;
	vcpu_set_home(v, p->id);
	return p;
}

/* BLOCKED -> READY. The one whose CAS succeeds owns v until it is on the wake list. */
static bool wake_blocked(struct vcpu *v)
{
	uint32_t state = VCPU_BLOCKED;
	struct pcpu *p = this_pcpu();

	if (!atomic_cas_full(&v->state, &state, (uint32_t)VCPU_READY)) return false;
	v->se.ready_at = arch_counter();
	if (p->loaded == v && load_relaxed(&p->idle)) {
		/* Within irq_handle() of this CPU's idle loop, which looks at it next. */
		p->resumed = v;
		return true;
	}
	p = wake_cpu(v);
	v->wake_next = load_relaxed(&p->wake_list);
	while (!atomic_cas_full(&p->wake_list, &v->wake_next, v)) {
	}
	pcpu_kick(p, PCPU_WORK_WAKE);
	return true;
}

void vcpu_wake(struct vcpu *v)
{
	if (!wake_blocked(v)) {
		store_relaxed(&v->wake_pending, true);
		/* wake_pending before state; sched_block() has state before wake_pending: one of
		 * the two sees the other (Dekker; Arm ARM B2.3.7). */
		smp_mb();
		wake_blocked(v);
	}
}

void vcpu_kick(struct vcpu *v, uint32_t work)
{
	uint32_t state;

	atomic_fetch_or_full(&v->work, work);
	/* work before state: sched_block() and sched_next() have state before work. */
	smp_mb();
	state = load_relaxed(&v->state);
	if (state == VCPU_RUNNING) {
		struct pcpu *p = &pcpus[load_relaxed(&v->cpu)];

		if (p != this_pcpu()) pcpu_kick(p, 0);
	} else if (state == VCPU_BLOCKED && (work & VCPU_WORK_WAKES) != 0) {
		wake_blocked(v);
	}
}

void vcpu_stop(struct vcpu *v)
{
	if (atomic_fetch_or_full(&v->work, VCPU_WORK_STOP) & VCPU_WORK_OUT) return;
	/* STOP before state and cpu. Whoever moves v writes cpu before it looks at work: either
	 * that CPU sees STOP, or the kick below goes to it. */
	smp_mb();
	wake_blocked(v);
	pcpu_kick(&pcpus[load_relaxed(&v->cpu)], PCPU_WORK_STOP);
}

bool vcpu_is_out(const struct vcpu *v) { return (load_acquire(&v->work) & VCPU_WORK_OUT) != 0; }
