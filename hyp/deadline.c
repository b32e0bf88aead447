/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadline queues: a sorted list per CPU, a few dozen entries at most. Times are absolute unsigned
 * counter values, so that no comparison can overflow whatever a guest asks for.
 */
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/deadline.h>
#include <hyp/pcpu.h>

#define DEADLINE_FIRE_MAX 64u /* per interrupt */

void deadline_init(struct deadline *d, const struct deadline_ops *ops)
{
	*d = (struct deadline){.ops = ops, .cpu = -1};
}

void deadline_cpu_init(void)
{
	struct pcpu *p = this_pcpu();

	p->dl_lock = SPINLOCK_INIT(LOCK_PCPU);
	p->dl_head = NULL;
	p->dl_armed = TIMER_NEVER;
	arch_timer_set(TIMER_NEVER);
}

/* Own CPU. A queue that lost its head to another CPU keeps CNTHP: one interrupt too many. */
static void rearm_locked(struct pcpu *p) REQUIRES(p->dl_lock)
{
	uint64_t when = p->dl_head ? p->dl_head->when : TIMER_NEVER;

	if (when != p->dl_armed) {
		p->dl_armed = when;
		arch_timer_set(when);
	}
}

/* Takes d off the queue it is on. rearm: CNTHP follows if that queue is this CPU's. */
static void unqueue(struct deadline *d, bool rearm)
{
	int cpu;

	while ((cpu = load_acquire(&d->cpu)) >= 0) {
		struct pcpu *p = &pcpus[cpu];

		spin_lock(&p->dl_lock);
		/* d->cpu leaves `cpu` only under this lock. */
		if (load_relaxed(&d->cpu) == cpu) {
			struct deadline **at = &p->dl_head;

			while (*at != d) at = &(*at)->next;
			*at = d->next;
			store_release(&d->cpu, -1);
		}
		if (rearm && p == this_pcpu()) rearm_locked(p);
		spin_unlock(&p->dl_lock);
	}
}

void deadline_set(struct deadline *d, uint64_t when)
{
	struct pcpu *p = this_pcpu();
	bool queued = false;

	if (when == TIMER_NEVER) {
		unqueue(d, true);
		return;
	}
	do {
		int none = -1;

		unqueue(d, false);
		spin_lock(&p->dl_lock);
		/* Claimed, so that a set on another CPU cannot queue it there as well. */
		if (atomic_cas_full(&d->cpu, &none, (int)p->id)) {
			struct deadline **at = &p->dl_head;

			while (*at && (*at)->when <= when) at = &(*at)->next;
			d->when = when;
			d->next = *at;
			*at = d;
			queued = true;
		}
		rearm_locked(p);
		spin_unlock(&p->dl_lock);
	} while (!queued);
}

void deadline_cancel(struct deadline *d) { unqueue(d, true); }

void deadline_irq(void)
{
	struct pcpu *p = this_pcpu();
	uint64_t now = arch_counter();

	for (unsigned n = 0; n < DEADLINE_FIRE_MAX; n++) {
		struct deadline *d;

		spin_lock(&p->dl_lock);
		d = p->dl_head;
		if (!d || d->when > now) {
			spin_unlock(&p->dl_lock);
			break;
		}
		p->dl_head = d->next;
		store_release(&d->cpu, -1);
		spin_unlock(&p->dl_lock);
		d->ops->fire(d, now);
	}
	/* What is left and due makes CNTHP fire again at once. */
	spin_lock(&p->dl_lock);
	rearm_locked(p);
	spin_unlock(&p->dl_lock);
}
