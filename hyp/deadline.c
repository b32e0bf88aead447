/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadline queues: a sorted list per CPU, a few dozen entries at most. Times are absolute unsigned
 * counter values, so that no comparison can overflow whatever a guest asks for.
 */
#include <hyp/atomic.h>
#include <hyp/deadline.h>
#include <hyp/pcpu.h>
#include <arch/spinlock.h>

#define DEADLINE_FIRE_MAX 64u /* per interrupt */

/* All queues: a deadline moves between them, and two CPUs may set the same one at once. */
static spinlock_t lock = SPINLOCK_INIT(LOCK_PCPU);

void deadline_init(struct deadline *d, const struct deadline_ops *ops)
{
	*d = (struct deadline){.ops = ops, .when = TIMER_NEVER};
}

void deadline_cpu_init(void)
{
	list_init(&this_pcpu()->deadlines);
	this_pcpu()->dl_armed = TIMER_NEVER;
	arch_timer_set(TIMER_NEVER);
}

static struct deadline *first_locked(const struct pcpu *p) REQUIRES(lock)
{
	return list_empty(&p->deadlines) ? NULL
	                                 : container_of(p->deadlines.next, struct deadline, node);
}

/* Own CPU. A queue that lost its head to another CPU keeps CNTHP: one interrupt too many. */
static void rearm_locked(struct pcpu *p) REQUIRES(lock)
{
	const struct deadline *d = first_locked(p);
	uint64_t when = d ? d->when : TIMER_NEVER;

	if (when != p->dl_armed) {
		p->dl_armed = when;
		arch_timer_set(when);
	}
}

void deadline_set(struct deadline *d, uint64_t when)
{
	struct pcpu *p = this_pcpu();

	if (when == TIMER_NEVER && load_acquire(&d->when) == TIMER_NEVER) return;
	spin_lock(&lock);
	if (d->when != TIMER_NEVER) list_del(&d->node);
	store_release(&d->when, when);
	if (when != TIMER_NEVER) {
		struct list_node *at = p->deadlines.next;

		while (at != &p->deadlines && container_of(at, struct deadline, node)->when <= when)
			at = at->next;
		list_add_tail(at, &d->node);
	}
	rearm_locked(p);
	spin_unlock(&lock);
}

void deadline_irq(void)
{
	struct pcpu *p = this_pcpu();
	uint64_t now = arch_counter();

	for (unsigned n = 0;; n++) {
		struct deadline *d;

		spin_lock(&lock);
		d = first_locked(p);
		if (!d || d->when > now || n == DEADLINE_FIRE_MAX) break;
		list_del(&d->node);
		store_release(&d->when, TIMER_NEVER);
		spin_unlock(&lock);
		d->ops->fire(d, now);
	}
	/* What is left and due makes CNTHP fire again at once. */
	rearm_locked(p);
	spin_unlock(&lock);
}
