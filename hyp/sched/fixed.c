/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed priority: the highest runs, equals take turns, optionally within a budget per period
 * (deferrable server: what is not used within a period is lost, the full budget comes back with
 * the next).
 */
#include <arch/timer.h>
#include "rq.h"

void fixed_replenish(struct sched_ent *e, uint64_t now)
{
	if (e->budget != 0 && now >= e->refill_at) {
		e->refill_at += ((now - e->refill_at) / e->period + 1) * e->period;
		e->budget_left = e->budget;
	}
}

static bool fixed_enqueue(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
{
	struct list_node *q = &rq->queue[SCHED_FIXED], *at = q->next;
	bool first = how == ENQ_PREEMPTED && e->slice_left != 0;

	fixed_replenish(e, now);
	if (e->budget != 0 && e->budget_left == 0) {
		list_add_tail(&rq->throttled, &e->node);
		return false;
	}
	if (!first) {
		e->slice_left = e->slice;
	}
	for (; at != q; at = at->next) {
		const struct sched_ent *o = list_entry(at, struct sched_ent, node);

		/* Who was preempted goes on before its equals, until its slice is used up. */
		if (o->priority < e->priority || (first && o->priority == e->priority)) {
			break;
		}
	}
	list_add_tail(at, &e->node);
	return true;
}

static void fixed_charge(struct rq *rq, struct sched_ent *e, uint64_t ticks, uint64_t now)
{
	(void)rq;
	e->slice_left -= MIN(ticks, e->slice_left);
	if (e->budget != 0) {
		if (now >= e->refill_at) {
			/* Only what it ran in the new period counts. */
			fixed_replenish(e, now);
			ticks = MIN(ticks, now - (e->refill_at - e->period));
		}
		e->budget_left -= MIN(ticks, e->budget_left);
	}
}

static bool fixed_preempts(const struct rq *rq, const struct sched_ent *best,
			   const struct sched_ent *cur, uint64_t now)
{
	(void)rq;
	(void)now;
	return best->priority > cur->priority ||
	       (best->priority == cur->priority && cur->slice_left == 0);
}

static uint64_t fixed_until(const struct rq *rq, const struct sched_ent *cur,
			    const struct sched_ent *best, uint64_t now)
{
	uint64_t when = TIMER_NEVER;

	(void)rq;
	if (best && best->priority == cur->priority) {
		when = now + cur->slice_left;
	}
	if (cur->budget != 0) {
		when = MIN(when, now + cur->budget_left);
	}
	return when;
}

const struct sched_class sched_fixed = {fixed_enqueue, fixed_charge, fixed_preempts, fixed_until};
