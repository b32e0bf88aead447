/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weighted fair share: the entity with the least virtual time (ticks over weight) runs. Who slept
 * long starts anew, before differences of virtual time could overflow.
 */
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/sched.h>
#include "rq.h"

#define FAIR_SCALE 1024u /* virtual time of a tick at weight 1 */
#define FAIR_WEIGHT_DEFAULT 100u
#define FAIR_SLICE_MIN_US 500u
/* Ticks without the CPU after which the old virtual time means nothing. */
#define FAIR_FORGET (UINT64_C(1) << 40)

void fair_init(struct sched_ent *e, uint32_t weight)
{
	uint32_t w = weight != 0 ? weight : FAIR_WEIGHT_DEFAULT;
	uint64_t us = (uint64_t)SCHED_SLICE_US * w / FAIR_WEIGHT_DEFAULT;

	us = MIN(MAX(us, FAIR_SLICE_MIN_US), SCHED_SLICE_US);
	e->cls = SCHED_FAIR;
	e->weight = w;
	e->slice = MAX(arch_us_to_ticks(us), UINT64_C(1));
	e->vslice = e->slice * FAIR_SCALE / w;
}

static void advance_clock(struct rq *rq, uint64_t v)
{
	const struct list_node *q = &rq->queue[SCHED_FAIR];

	if (!list_empty(q)) {
		const struct sched_ent *head = list_entry(q->next, struct sched_ent, node);

		v = vdiff(head->vruntime, v) < 0 ? head->vruntime : v;
	}
	if (vdiff(v, rq->min_vruntime) > 0) {
		store_relaxed(&rq->min_vruntime, v);
	}
}

static bool fair_enqueue(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
{
	uint32_t here = (uint32_t)(rq - rqs);
	struct list_node *at = &rq->queue[SCHED_FAIR];

	if (e->clock != here) {
		e->vruntime += rq->min_vruntime - load_relaxed(&rqs[e->clock].min_vruntime);
		e->clock = (uint8_t)here;
	}
	if (how == ENQ_WAKE) {
		if (now - e->start > FAIR_FORGET) {
			e->vruntime = rq->min_vruntime;
		}
		fair_place(rq, e);
	} else if (how == ENQ_YIELD && !list_empty(at)) {
		const struct sched_ent *head = list_entry(at->next, struct sched_ent, node);

		/* Behind the first of those who wait, at the price of its own share. */
		if (vdiff(head->vruntime, e->vruntime) > 0) {
			e->vruntime = head->vruntime;
		}
	}
	while (at->prev != &rq->queue[SCHED_FAIR] &&
	       vdiff(list_entry(at->prev, struct sched_ent, node)->vruntime, e->vruntime) > 0) {
		at = at->prev;
	}
	list_add_tail(at, &e->node);
	return true;
}

static void fair_charge(struct rq *rq, struct sched_ent *e, uint64_t ticks, uint64_t now)
{
	(void)now;
	e->vruntime += (ticks * FAIR_SCALE + e->weight / 2) / e->weight;
	advance_clock(rq, e->vruntime);
}

static bool fair_preempts(const struct rq *rq, const struct sched_ent *best,
			  const struct sched_ent *cur, uint64_t now)
{
	int64_t lag = vdiff(cur->vruntime, best->vruntime);

	/* Within a slice only for who is half a slice of its own behind. */
	return now >= rq->slice_end ? lag > 0 : lag > (int64_t)(best->vslice / 2);
}

static uint64_t fair_until(const struct rq *rq, const struct sched_ent *cur,
			   const struct sched_ent *best, uint64_t now)
{
	(void)cur;
	(void)now;
	return best ? rq->slice_end : TIMER_NEVER;
}

const struct sched_class sched_fair = {fair_enqueue, fair_charge, fair_preempts, fair_until};
