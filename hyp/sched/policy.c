/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who goes first. Fair: the least virtual time (ticks over weight); who slept long starts anew.
 * Fixed: the highest priority, equals take turns, optionally within a budget per period (deferrable
 * server: what is not used within a period is lost, the full budget comes back with the next).
 */
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/sched.h>
#include "rq.h"

#define FAIR_SCALE 1024u /* virtual time of a tick at weight 1 */
#define FAIR_WEIGHT_DEFAULT 100u
#define FAIR_SLICE_MIN_US 500u
/* Ticks without the CPU after which the old virtual time means nothing: before differences of
 * virtual time could overflow. */
#define FAIR_FORGET (UINT64_C(1) << 40)

void fair_init(struct sched_ent *e, uint32_t weight)
{
	uint32_t w = weight != 0 ? weight : FAIR_WEIGHT_DEFAULT;
	uint64_t us = (uint64_t)SCHED_SLICE_US * w / FAIR_WEIGHT_DEFAULT;

	*e = (struct sched_ent){.cls = SCHED_FAIR, .weight = w};
	list_init(&e->node);
	e->slice = us_to_ticks(MIN(MAX(us, FAIR_SLICE_MIN_US), SCHED_SLICE_US));
	e->vslice = e->slice * FAIR_SCALE / w;
}

/* Where e stands in the virtual time of rq. */
static void fair_enter(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
{
	const struct sched_ent *head = head_of(&rq->queue[SCHED_FAIR]);
	uint32_t here = (uint32_t)(rq - rqs);

	if (e->clock != here) {
		e->vruntime += rq->min_vruntime - load_relaxed(&rqs[e->clock].min_vruntime);
		e->clock = (uint8_t)here;
	}
	if (how == ENQ_WAKE) {
		if (now - e->start > FAIR_FORGET) e->vruntime = rq->min_vruntime;
		fair_place(rq, e);
	} else if (how == ENQ_YIELD && head && vdiff(head->vruntime, e->vruntime) > 0) {
		/* Behind the first of those who wait, at the price of its own share. */
		e->vruntime = head->vruntime;
	}
}

static void replenish(struct sched_ent *e, uint64_t now)
{
	if (e->budget != 0 && now >= e->refill_at) {
		e->refill_at += ((now - e->refill_at) / e->period + 1) * e->period;
		e->budget_left = e->budget;
	}
}

static bool used_up(const struct sched_ent *e) { return e->budget != 0 && e->budget_left == 0; }

void policy_enqueue(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
{
	bool fair = e->cls == SCHED_FAIR, first = how == ENQ_PREEMPTED && e->slice_left != 0;
	struct list_node *q = &rq->queue[e->cls], *at = q->next;

	if (fair) {
		fair_enter(rq, e, how, now);
	} else {
		replenish(e, now);
		if (used_up(e)) {
			list_add_tail(&rq->throttled, &e->node);
			return;
		}
		e->slice_left = first ? e->slice_left : e->slice;
	}
	for (; at != q; at = at->next) {
		const struct sched_ent *o = node_ent(at);

		/* Fixed: who was preempted goes on before its equals, until its slice is used up.
		 */
		if (fair ? vdiff(o->vruntime, e->vruntime) > 0
		         : o->priority < e->priority || (first && o->priority == e->priority))
			break;
	}
	list_add_tail(at, &e->node);
	store_relaxed(&rq->nr, rq->nr + 1);
}

/* The virtual time of rq: of what ran and of what waits the least, but never backwards. */
static void fair_advance(struct rq *rq, uint64_t v)
{
	const struct sched_ent *head = head_of(&rq->queue[SCHED_FAIR]);

	v = head && vdiff(head->vruntime, v) < 0 ? head->vruntime : v;
	if (vdiff(v, rq->min_vruntime) > 0) store_relaxed(&rq->min_vruntime, v);
}

void policy_charge(struct rq *rq, struct sched_ent *e, uint64_t ticks, uint64_t now)
{
	if (e->cls == SCHED_FAIR) {
		e->vruntime += (ticks * FAIR_SCALE + e->weight / 2) / e->weight;
		fair_advance(rq, e->vruntime);
		return;
	}
	e->slice_left -= MIN(ticks, e->slice_left);
	if (e->budget != 0 && now >= e->refill_at) {
		/* Only what it ran in the new period counts. */
		replenish(e, now);
		ticks = MIN(ticks, now - (e->refill_at - e->period));
	}
	e->budget_left -= MIN(ticks, e->budget_left);
}

bool policy_preempts(const struct rq *rq, const struct sched_ent *best, uint64_t now)
{
	const struct sched_ent *cur = rq->cur;
	int64_t lag;

	if (!best || used_up(cur)) return used_up(cur);
	if (best->cls != cur->cls) return best->cls > cur->cls;
	if (cur->cls == SCHED_FIXED) {
		return best->priority > cur->priority ||
		       (best->priority == cur->priority && cur->slice_left == 0);
	}
	/* Within a slice only for who is half a slice of its own behind. */
	lag = vdiff(cur->vruntime, best->vruntime);
	return now >= rq->slice_end ? lag > 0 : lag > (int64_t)(best->vslice / 2);
}

uint64_t policy_until(const struct rq *rq, const struct sched_ent *best, uint64_t now)
{
	const struct sched_ent *cur = rq->cur;
	bool rival = best && best->cls == cur->cls && best->priority == cur->priority;
	uint64_t slice_end = cur->cls == SCHED_FAIR ? rq->slice_end : now + cur->slice_left;

	return MIN(rival ? slice_end : TIMER_NEVER,
	           cur->budget != 0 ? now + cur->budget_left : TIMER_NEVER);
}
