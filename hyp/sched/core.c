/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's core: order of a run queue, accounting, what runs next on this CPU and when it
 * must look again, balancing between CPUs, idling. Wake-ups: hyp/vcpu_wake.c.
 *
 * Fixed: the highest priority, equals take turns, optionally within a budget per period (deferrable
 * server: what is not used within a period is lost, the full budget comes back with the next).
 * Fair: the least virtual time (ticks over weight); who slept long starts anew.
 */
#include <arch/barrier.h>
#include <hyp/irq.h>
#include <hyp/sched.h>
#include <hyp/vm.h>
#include "rq.h"

#define FAIR_SCALE 1024u /* virtual time of a tick at weight 1 */
#define FAIR_WEIGHT_DEFAULT 100u
#define FAIR_SLICE_MIN_US 500u
/* Slices that a fair one who waits elsewhere must be behind this CPU's to be taken over; how far
 * one that comes from elsewhere may be from the virtual time here. */
#define FAIR_TAKE_SLICES 4
#define FAIR_FAR_SLICES 16
/* Ticks without the CPU after which the old virtual time means nothing: before differences of
 * virtual time could overflow. */
#define FAIR_FORGET (UINT64_C(1) << 40)
/* Jobs are the host's own work: one that waited this long goes before all others for a step. */
#define JOB_STARVED_US 20000u
/* Busy CPUs are asked no more often to take over one that waits. */
#define OFFER_US 4000u

struct rq rqs[MAX_PCPUS];

static void dl_fire(struct deadline *d, uint64_t now)
{
	/* Fires on the CPU it belongs to. */
	pcpu_kick(this_pcpu(), PCPU_WORK_RESCHED);
}

static const struct deadline_ops dl_ops = {dl_fire};

void sched_cpu_init(void)
{
	struct rq *rq = &rqs[this_pcpu()->id];

	*rq = (struct rq){.lock = SPINLOCK_INIT(LOCK_RQ), .offer_to = this_pcpu()->id};
	this_pcpu()->stamp = arch_counter();
	list_init(&rq->queue);
	deadline_init(&rq->dl, &dl_ops);
}

void ent_init(struct sched_ent *e, const struct vm_config *cfg, uint32_t weight, bool job)
{
	uint32_t given = cfg ? cfg->weight : weight, w = given != 0 ? given : FAIR_WEIGHT_DEFAULT;
	uint64_t us = (uint64_t)SCHED_SLICE_US * w / FAIR_WEIGHT_DEFAULT;

	*e = (struct sched_ent){.weight = w, .job = job};
	list_init(&e->node);
	e->slice = us_to_ticks(MIN(MAX(us, FAIR_SLICE_MIN_US), SCHED_SLICE_US));
	e->vslice = e->slice * FAIR_SCALE / w;
	if (!cfg || cfg->sched != SCHED_FIXED) return;
	e->rank = (uint8_t)(1 + MIN(cfg->priority, SCHED_PRIORITY_MANAGEMENT));
	e->slice = us_to_ticks(SCHED_SLICE_US);
	e->vslice = 0;
	if (cfg->budget_us != 0 && cfg->period_us != 0) {
		e->budget = us_to_ticks(cfg->budget_us);
		e->period = us_to_ticks(cfg->period_us);
	}
}

static bool used_up(const struct sched_ent *e) { return e->budget != 0 && e->budget_left == 0; }

static bool told_to_stop(struct sched_ent *e)
{
	return !e->job && (load_relaxed(&ent_vcpu(e)->work) & VCPU_WORK_STOP) != 0;
}

void turn_off(struct vcpu *v)
{
	store_relaxed(&v->state, (uint32_t)VCPU_OFF);
	if (load_relaxed(&v->loaded_on) == -1) atomic_fetch_or_full(&v->work, VCPU_WORK_OUT);
}

/* --- one queue ------------------------------------------------------------------------------- */

static struct sched_ent *first_locked(const struct rq *rq)
{
	struct sched_ent *e = node_ent(rq->queue.next);

	return list_empty(&rq->queue) || used_up(e) ? NULL : e;
}

/* The last wait for their next period. */
static int rank(const struct sched_ent *e) { return e->starved ? 34 : used_up(e) ? -1 : e->rank; }

/* By how much a goes before b: a rank, or, if both are fair, virtual time. 0: equals. Virtual time
 * compares by signed difference: it is far smaller than 2^63. */
static int64_t lead(const struct sched_ent *a, const struct sched_ent *b)
{
	int by = rank(a) - rank(b);

	if (by != 0) return by * (INT64_MAX / 64);
	return a->rank != 0 || b->rank != 0 ? 0 : (int64_t)(b->vruntime - a->vruntime);
}

/* Where a fair e that did not run here until now stands: at most so many of its slices ahead of
 * those who did. */
static void place(const struct rq *rq, struct sched_ent *e, int slices, uint64_t now)
{
	int64_t slice = (int64_t)e->vslice, at = (int64_t)(e->vruntime - rq->clock);

	if (e->rank != 0) return;
	if (now - e->start > FAIR_FORGET) at = 0;
	at = MIN(MAX(at, -slices * slice), FAIR_FAR_SLICES * slice);
	e->vruntime = rq->clock + (uint64_t)at;
}

static void replenish(struct sched_ent *e, uint64_t now)
{
	if (e->budget != 0 && now >= e->refill_at) {
		e->refill_at += ((now - e->refill_at) / e->period + 1) * e->period;
		e->budget_left = e->budget;
	}
}

static void enqueue_locked(struct rq *rq, struct sched_ent *e, uint64_t now) REQUIRES(rq->lock)
{
	struct list_node *at = rq->queue.next;
	/* Fixed: who was preempted goes on before its equals, until its slice is used up. */
	bool first = e->rank != 0 && e->slice_left != 0;

	replenish(e, now);
	if (!first) e->slice_left = e->slice;
	while (at != &rq->queue && lead(e, node_ent(at)) < (first ? 0 : 1)) at = at->next;
	list_add_tail(at, &e->node);
}

/* --- what runs ------------------------------------------------------------------------------- */

void account_locked(struct rq *rq, uint64_t now)
{
	struct sched_ent *e = rq->cur;
	const struct sched_ent *fair = first_locked(rq);
	struct pcpu *p = this_pcpu();
	uint64_t ticks = now - p->stamp;

	p->stamp = now;
	if (!e) {
		p->idle_ticks += ticks;
		return;
	}
	e->run_ticks += ticks;
	e->slice_left -= MIN(ticks, e->slice_left);
	if (e->rank == 0) {
		e->vruntime += (ticks * FAIR_SCALE + e->weight / 2) / e->weight;
		/* Nothing while a fixed one waits. */
		fair = fair && lead(fair, e) > 0 ? fair : e;
		if (fair->rank == 0 && (int64_t)(fair->vruntime - rq->clock) > 0)
			rq->clock = fair->vruntime;
	} else if (e->budget != 0) {
		if (now >= e->refill_at) {
			/* Only what it ran in the new period counts. */
			replenish(e, now);
			ticks = MIN(ticks, now - (e->refill_at - e->period));
		}
		e->budget_left -= MIN(ticks, e->budget_left);
	}
	if (e->job) return;
	if (load_relaxed(&ent_vcpu(e)->state) != VCPU_RUNNING) {
		e->slice_left = 0;
		rq->cur = NULL;
	} else if (told_to_stop(e)) {
		turn_off(ent_vcpu(e));
		rq->cur = NULL;
	}
}

static void put_cur_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	struct sched_ent *e = rq->cur;
	const struct sched_ent *head = first_locked(rq);

	if (rq->yield) {
		/* Behind the first of its equals, at the price of its own share. */
		if (head && head->rank == e->rank && lead(e, head) > 0)
			e->vruntime = head->vruntime;
		e->slice_left = 0;
	}
	rq->cur = NULL;
	e->ready_at = now;
	e->woken = false;
	if (!e->job) store_relaxed(&ent_vcpu(e)->state, VCPU_READY);
	enqueue_locked(rq, e, now);
}

/* e, in no list any more, gets the CPU. */
static void set_cur(struct rq *rq, struct sched_ent *e, uint64_t now)
{
	rq->cur = e;
	e->start = now;
	if (!e->job) {
		struct vcpu *v = ent_vcpu(e);
		uint64_t wait = now > e->ready_at ? now - e->ready_at : 0;

		v->stats.steal_ticks += wait;
		if (e->woken) {
			v->stats.nr_wakes++;
			v->stats.wake_ticks_sum += wait;
			v->stats.wake_ticks_max = MAX(v->stats.wake_ticks_max, wait);
		}
		store_relaxed(&v->state, (uint32_t)VCPU_RUNNING);
		/* state before the caller's look at v->work: vcpu_kick() has them the other way. */
		smp_mb();
	}
}

/* CPUs that may take e off its queue. Acquire: what its last CPU saved (rule 23). */
static uint64_t takers(struct sched_ent *e)
{
	if (e->job) return UINT64_MAX;
	return load_acquire(&ent_vcpu(e)->loaded_on) == -1 ? ent_vcpu(e)->affinity : 0;
}

/* When a job that waits gets a step whatever else there is. */
static uint64_t job_due(const struct rq *rq, const struct sched_ent *e)
{
	return MAX(rq->job_at, e->ready_at) + arch_us_to_ticks(JOB_STARVED_US);
}

/*
 * Who is to leave does. A new period has begun, or a job has waited too long: who that is moves up
 * in the queue.
 */
static void sort_out_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	list_for_each_safe (n, tmp, &rq->queue) {
		struct sched_ent *e = node_ent(n);

		if (told_to_stop(e)) {
			list_del(n);
			turn_off(ent_vcpu(e));
			continue;
		}
		/* Only towards the front, each once: two that change places would do so for ever.
		 */
		if (used_up(e) ? now < e->refill_at : !e->job || e->starved || now < job_due(rq, e))
			continue;
		if (used_up(e))
			e->ready_at = now;
		else
			e->starved = true;
		list_del(n);
		enqueue_locked(rq, e, now);
	}
}

/* Chooses rq->cur anew among it and those that wait, and sets the deadline of the next look. */
static void choose_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	struct sched_ent *best, *cur;
	uint64_t when = TIMER_NEVER, mask = 0;
	uint32_t nr = 0;

	if (rq->cur && (rq->yield || used_up(rq->cur))) put_cur_locked(rq, now);
	rq->yield = false;
	sort_out_locked(rq, now);
	best = first_locked(rq);
	/* Within a slice a fair one only gives way to who is half a slice of its own behind. */
	if (rq->cur && best &&
	    lead(best, rq->cur) >=
	        (rq->cur->slice_left != 0 ? (int64_t)best->vslice / 2 + 1 : best->rank == 0))
		put_cur_locked(rq, now);
	if (!rq->cur && best) {
		list_del(&best->node);
		set_cur(rq, best, now);
		best = first_locked(rq);
	}
	cur = rq->cur;
	if (cur && cur->slice_left == 0) cur->slice_left = cur->slice;
	if (cur && !cur->job) {
		if (best && best->rank == cur->rank) when = MIN(when, now + cur->slice_left);
		if (cur->budget != 0) when = MIN(when, now + cur->budget_left);
	}
	list_for_each (n, &rq->queue) {
		struct sched_ent *e = node_ent(n);

		if (used_up(e)) {
			when = MIN(when, e->refill_at);
			continue;
		}
		nr++;
		mask |= takers(e);
		if (e->job && cur && !cur->job) when = MIN(when, job_due(rq, e));
	}
	store_relaxed(&this_pcpu()->nr_ready, nr);
	deadline_set(&rq->dl, MIN(when, offer(rq, mask, now)));
}

/* --- between CPUs ---------------------------------------------------------------------------- */

/*
 * An idle CPU, or in turn one that is busy: that looks whether one waits here who is behind its
 * own. CPUs that nobody waits for have no tick of their own for this.
 */
uint64_t offer(struct rq *rq, uint64_t mask, uint64_t now)
{
	struct pcpu *p;

	mask &= (BIT(nr_pcpus) - 1) & ~BIT(this_pcpu()->id);
	if (mask == 0) return TIMER_NEVER;
	/* What is offered was stored before; an idle CPU has `idle` before its look. */
	smp_mb();
	p = pcpu_find_idle(mask);
	if (!p && now < rq->offer_at) return rq->offer_at;
	if (!p) {
		do {
			rq->offer_to = (rq->offer_to + 1) % nr_pcpus;
		} while ((mask & BIT(rq->offer_to)) == 0);
		p = &pcpus[rq->offer_to];
	}
	pcpu_kick(p, PCPU_WORK_PULL);
	rq->offer_at = now + us_to_ticks(OFFER_US);
	return rq->offer_at;
}

/*
 * Is e, which waits in src, so far behind what runs here that it should run here instead? Virtual
 * times run apart where affinities or weights make the load uneven. A CPU whose time is far behind
 * one where somebody waits has another history: it catches up, so that what counts from now on is
 * who runs more.
 */
static bool behind(struct rq *rq, const struct rq *src, const struct sched_ent *e)
{
	const struct sched_ent *cur = rq->cur;
	int64_t by, far = FAIR_FAR_SLICES * (int64_t)e->vslice;

	if (!cur) return true;
	by = lead(e, cur);
	if (e->rank == 0 && cur->rank == 0) {
		by += (int64_t)(rq->base - load_relaxed(&src->base));
		if (by < -far) store_relaxed(&rq->base, rq->base + (uint64_t)(-far - by));
	}
	return by > FAIR_TAKE_SLICES * (int64_t)e->vslice;
}

/* Takes over something that waits on another CPU, if this one idles or is ahead. */
static bool pull(struct pcpu *p, struct rq *rq)
{
	struct sched_ent *found = NULL;
	uint64_t now;

	for (unsigned i = 1; !found && i < nr_pcpus; i++) {
		unsigned from = (p->id + i) % nr_pcpus;
		struct rq *src = &rqs[from];

		if (load_relaxed(&pcpus[from].nr_ready) == 0) continue;
		spin_lock(&src->lock);
		list_for_each (n, &src->queue) {
			struct sched_ent *e = node_ent(n);

			if (used_up(e) || (takers(e) & BIT(p->id)) == 0 || !behind(rq, src, e))
				continue;
			found = e;
			list_del(n);
			if (e->rank == 0) e->vruntime += load_relaxed(&src->base) - rq->base;
			if (!e->job) store_relaxed(&ent_vcpu(e)->cpu, p->id);
			break;
		}
		spin_unlock(&src->lock);
	}
	if (!found) return false;
	/* cpu before work: vcpu_stop() has them the other way. */
	smp_mb();
	now = arch_counter();
	spin_lock(&rq->lock);
	place(rq, found, FAIR_FAR_SLICES, now);
	enqueue_locked(rq, found, now);
	spin_unlock(&rq->lock);
	return true;
}

/* --- idle, and the way out of a trap --------------------------------------------------------- */

/*
 * Nothing to run here: pull, or wait until there is work. A vCPU that sleeps loaded here and is
 * woken here goes on without the queue, from the time of its wake-up: it is returned.
 */
static struct vcpu *go_idle(struct pcpu *p, struct rq *rq)
{
	struct vcpu *v = p->loaded && p->loaded->se.budget == 0 ? p->loaded : NULL;
	bool woken = false;
	uint64_t now;

	store_relaxed(&p->idle, true);
	/* idle before a last look at the others' queues; offer() has them the other way. */
	smp_mb();
	if (!pull(p, rq)) {
		if (v) {
			place(rq, &v->se, 1, p->stamp);
			v->se.slice_left = v->se.slice;
		}
		p->asleep = v;
		while (!woken && load_relaxed(&p->work) == 0) {
			arch_cpu_idle();
			irq_handle();
			woken = v && load_relaxed(&v->state) == VCPU_RUNNING;
		}
		p->asleep = NULL;
	}
	store_relaxed(&p->idle, false);
	if (!woken) return NULL;
	now = arch_counter();
	p->idle_ticks += now - p->stamp;
	p->stamp = now;
	rq->cur = &v->se;
	v->se.start = now;
	v->stats.nr_wakes++;
	/* As in set_cur(). */
	smp_mb();
	return v;
}

struct vcpu *sched_next(void)
{
	struct pcpu *p = this_pcpu();
	struct rq *rq = &rqs[p->id];

	for (;;) {
		uint32_t work = atomic_exchange_full(&p->work, 0u);
		struct sched_ent *woken =
		    load_relaxed(&p->wake_list) ? atomic_exchange_full(&p->wake_list, NULL) : NULL;
		uint64_t now = arch_counter();
		struct vcpu *v;

		/* Whatever this CPU knew of a VM that was unlinked before, it knows no more. */
		store_release(&p->passes, p->passes + 1);
		spin_lock(&rq->lock);
		account_locked(rq, now);
		if (work & PCPU_WORK_PULL) {
			spin_unlock(&rq->lock);
			(void)pull(p, rq);
			spin_lock(&rq->lock);
		}
		while (woken) {
			struct sched_ent *e = woken;

			woken = e->next;
			place(rq, e, 1, now);
			enqueue_locked(rq, e, now);
		}
		choose_locked(rq, now);
		spin_unlock(&rq->lock);

		if (rq->cur && !rq->cur->job) return ent_vcpu(rq->cur);
		if (p->loaded && load_relaxed(&p->loaded->state) == VCPU_OFF) return NULL;
		if (rq->cur) {
			job_run(rq);
			irq_handle();
		} else {
			v = go_idle(p, rq);
			if (v) return v;
		}
	}
}
