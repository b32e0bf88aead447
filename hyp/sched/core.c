/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's core: what runs next on this CPU, when it must look again, accounting, idling,
 * and pulling work from busier CPUs. Policies: fair.c, fixed.c. Wake-ups: hyp/vcpu_wake.c.
 */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/irq.h>
#include <hyp/sched.h>
#include <hyp/vm.h>
#include "rq.h"

/* Jobs are the host's own work: fixed vCPUs that never stop leave them a step this often. */
#define JOB_STARVED_US 20000u

struct rq rqs[MAX_PCPUS];

static const struct sched_class *const classes[NR_CLASSES] = {
	[SCHED_FAIR] = &sched_fair,
	[SCHED_FIXED] = &sched_fixed,
};

static struct rq *this_rq(void)
{
	return &rqs[this_pcpu()->id];
}

static struct sched_ent *head_of(const struct list_node *q)
{
	return list_empty(q) ? NULL : list_entry(q->next, struct sched_ent, node);
}

/* The first to run of those that wait, or NULL. */
static struct sched_ent *first_locked(const struct rq *rq)
{
	struct sched_ent *e = NULL;

	for (unsigned c = NR_CLASSES; !e && c-- > 0;) {
		e = head_of(&rq->queue[c]);
	}
	return e;
}

static void dl_fire(struct deadline *d, uint64_t now)
{
	(void)now;
	/* Fires on the CPU it belongs to. */
	container_of(d, struct rq, dl)->dl_when = TIMER_NEVER;
	pcpu_kick(this_pcpu(), PCPU_WORK_RESCHED);
}

static const struct deadline_ops dl_ops = {dl_fire};

void sched_init(void)
{
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		struct rq *rq = &rqs[i];

		*rq = (struct rq){.lock = SPINLOCK_INIT(LOCK_RQ), .dl_when = TIMER_NEVER};
		for (unsigned c = 0; c < NR_CLASSES; c++) {
			list_init(&rq->queue[c]);
		}
		list_init(&rq->throttled);
		deadline_init(&rq->dl, &dl_ops);
	}
}

void sched_cpu_init(void)
{
	this_rq()->stamp = arch_counter();
}

void rq_account(struct rq *rq, uint64_t now)
{
	struct pcpu *p = this_pcpu();
	struct sched_ent *e = rq->cur;
	uint64_t ticks = now - rq->stamp;

	rq->stamp = now;
	if (!e) {
		p->idle_ticks += ticks;
		return;
	}
	if (e->job) {
		struct job *j = ent_job(e);

		j->run_ticks += ticks;
		p->job_ticks += ticks;
		if (j->vm) {
			atomic_fetch_add_full(&j->vm->job_ticks, ticks);
		}
	} else {
		ent_vcpu(e)->stats.run_ticks += ticks;
	}
	classes[e->cls]->charge(rq, e, ticks, now);
}

/* v, of this CPU and in no list, is OFF; if it is also saved, it is out and may be gone. */
static void turn_off(struct vcpu *v)
{
	store_relaxed(&v->state, (uint32_t)VCPU_OFF);
	atomic_fetch_add_full(&this_pcpu()->nr_vcpus, UINT32_MAX);
	if (load_relaxed(&v->loaded_on) == -1) {
		atomic_fetch_or_full(&v->work, VCPU_WORK_OUT);
	}
}

static bool told_to_stop(struct sched_ent *e)
{
	return !e->job && (load_relaxed(&ent_vcpu(e)->work) & VCPU_WORK_STOP) != 0;
}

void rq_enqueue_locked(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
{
	if (told_to_stop(e)) {
		turn_off(ent_vcpu(e));
	} else if (classes[e->cls]->enqueue(rq, e, how, now)) {
		store_relaxed(&rq->nr, rq->nr + 1);
	}
}

static void dequeue_locked(struct rq *rq, struct sched_ent *e) REQUIRES(rq->lock)
{
	list_del(&e->node);
	store_relaxed(&rq->nr, rq->nr - 1);
}

/* PCPU_WORK_STOP: some of those that wait here are to leave. */
static void stop_scan_locked(struct rq *rq) REQUIRES(rq->lock)
{
	for (unsigned c = 0; c < NR_CLASSES; c++) {
		list_for_each_safe(n, tmp, &rq->queue[c])
		{
			struct sched_ent *e = list_entry(n, struct sched_ent, node);

			if (told_to_stop(e)) {
				dequeue_locked(rq, e);
				turn_off(ent_vcpu(e));
			}
		}
	}
	list_for_each_safe(n, tmp, &rq->throttled)
	{
		struct sched_ent *e = list_entry(n, struct sched_ent, node);

		if (told_to_stop(e)) {
			list_del(n);
			turn_off(ent_vcpu(e));
		}
	}
}

/* A wake list is a stack: its oldest entry goes first. */
static void wake_drain_locked(struct rq *rq, struct vcpu *list, uint64_t now) REQUIRES(rq->lock)
{
	struct vcpu *fifo = NULL;

	while (list) {
		struct vcpu *next = list->wake_next;

		list->wake_next = fifo;
		fifo = list;
		list = next;
	}
	while (fifo) {
		struct vcpu *next = fifo->wake_next;

		rq_enqueue_locked(rq, &fifo->se, ENQ_WAKE, now);
		fifo = next;
	}
}

/* Those whose new period has begun may run again. */
static void unthrottle_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	list_for_each_safe(n, tmp, &rq->throttled)
	{
		struct sched_ent *e = list_entry(n, struct sched_ent, node);

		if (now >= e->refill_at) {
			list_del(n);
			e->ready_at = now;
			rq_enqueue_locked(rq, e, ENQ_MOVED, now);
		}
	}
}

static uint64_t next_refill_locked(const struct rq *rq) REQUIRES(rq->lock)
{
	uint64_t when = TIMER_NEVER;

	list_for_each(n, &rq->throttled)
	{
		when = MIN(when, list_entry(n, struct sched_ent, node)->refill_at);
	}
	return when;
}

/* A job that waits behind fixed vCPUs, and in *when the time at which it gets a step anyway. */
static struct sched_ent *starved_job_locked(const struct rq *rq, uint64_t *when) REQUIRES(rq->lock)
{
	list_for_each(n, &rq->queue[SCHED_FAIR])
	{
		struct sched_ent *e = list_entry(n, struct sched_ent, node);

		if (e->job) {
			*when = MAX(rq->job_at, e->ready_at) + arch_us_to_ticks(JOB_STARVED_US);
			return e;
		}
	}
	*when = TIMER_NEVER;
	return NULL;
}

static void put_cur_locked(struct rq *rq, enum enqueue how, uint64_t now) REQUIRES(rq->lock)
{
	struct sched_ent *e = rq->cur;

	rq->cur = NULL;
	e->ready_at = now;
	e->woken = false;
	if (!e->job) {
		store_relaxed(&ent_vcpu(e)->state, VCPU_READY);
	}
	rq_enqueue_locked(rq, e, how, now);
}

/* e, in no list any more, gets the CPU. */
static void set_cur(struct rq *rq, struct sched_ent *e, uint64_t now)
{
	rq->cur = e;
	rq->slice_end = now + e->slice;
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
		store_relaxed(&v->state, VCPU_RUNNING);
		/* state before the caller's look at v->work: vcpu_kick() has them the other way. */
		smp_mb();
	}
}

static bool must_yield(const struct rq *rq, const struct sched_ent *best, uint64_t now)
{
	const struct sched_ent *cur = rq->cur;

	if (cur->budget != 0 && cur->budget_left == 0) {
		return true;
	}
	if (!best || best->cls != cur->cls) {
		return best && best->cls > cur->cls;
	}
	return classes[cur->cls]->preempts(rq, best, cur, now);
}

/* Chooses rq->cur anew among it and those that wait, and sets the deadline of the next look. */
static void choose_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	uint64_t when = TIMER_NEVER, job_when;
	struct sched_ent *best, *next, *job;

	unthrottle_locked(rq, now);
	best = first_locked(rq);
	if (rq->cur && rq->yield) {
		put_cur_locked(rq, ENQ_YIELD, now);
	} else if (rq->cur && must_yield(rq, best, now)) {
		put_cur_locked(rq, ENQ_PREEMPTED, now);
	} else if (rq->cur && now >= rq->slice_end) {
		rq->slice_end = now + rq->cur->slice;
	}
	rq->yield = false;
	best = first_locked(rq);
	next = rq->cur ? rq->cur : best;
	if (next && next->cls != SCHED_FAIR) {
		job = starved_job_locked(rq, &job_when);
		if (job && now >= job_when) {
			if (rq->cur) {
				put_cur_locked(rq, ENQ_PREEMPTED, now);
			}
			best = job;
		} else {
			when = job_when;
		}
	}
	if (!rq->cur && best) {
		dequeue_locked(rq, best);
		set_cur(rq, best, now);
		best = first_locked(rq);
	}
	if (rq->cur && !rq->cur->job) {
		const struct sched_ent *cur = rq->cur;
		uint64_t t = classes[cur->cls]->until(
		    rq, cur, best && best->cls == cur->cls ? best : NULL, now);

		when = MIN(when, t);
	}
	when = MIN(when, next_refill_locked(rq));
	if (when != rq->dl_when) {
		rq->dl_when = when;
		deadline_set(&rq->dl, when);
	}
}

/* CPUs that could take the first of those that wait. */
static uint64_t spare_locked(const struct rq *rq) REQUIRES(rq->lock)
{
	struct sched_ent *e = first_locked(rq);

	if (!e || e->job) {
		return e ? UINT64_MAX : 0;
	}
	return load_relaxed(&ent_vcpu(e)->loaded_on) == -1 ? ent_vcpu(e)->affinity : 0;
}

void rq_offer(uint64_t mask)
{
	/* What is offered was stored before; an idle CPU has `idle` before its look. */
	smp_mb();
	for (unsigned i = 0; i < nr_pcpus; i++) {
		if ((mask & BIT(i)) != 0 && load_relaxed(&pcpus[i].idle)) {
			pcpu_kick(&pcpus[i], PCPU_WORK_RESCHED);
			return;
		}
	}
}

/* Takes from src something that may run on CPU `to`. */
static struct sched_ent *take(struct rq *src, unsigned to)
{
	struct sched_ent *found = NULL;

	spin_lock(&src->lock);
	for (unsigned c = NR_CLASSES; !found && c-- > 0;) {
		list_for_each(n, &src->queue[c])
		{
			struct sched_ent *e = list_entry(n, struct sched_ent, node);
			struct vcpu *v = ent_vcpu(e);

			/* Acquire: what its last CPU saved (rule 23). */
			if (e->job || ((v->affinity & BIT(to)) != 0 &&
				       load_acquire(&v->loaded_on) == -1)) {
				found = e;
				break;
			}
		}
	}
	if (found) {
		dequeue_locked(src, found);
		if (!found->job) {
			store_relaxed(&ent_vcpu(found)->cpu, to);
		}
	}
	spin_unlock(&src->lock);
	return found;
}

/* An idle CPU takes something from the longest queue that has something for it. */
static bool pull(struct pcpu *p, struct rq *rq)
{
	uint64_t tried = BIT(p->id);
	struct sched_ent *e = NULL;

	while (!e) {
		unsigned longest = 0, from = MAX_PCPUS;

		for (unsigned i = 0; i < nr_pcpus; i++) {
			unsigned nr = load_relaxed(&rqs[i].nr);

			if ((tried & BIT(i)) == 0 && nr > longest) {
				longest = nr;
				from = i;
			}
		}
		if (from == MAX_PCPUS) {
			return false;
		}
		tried |= BIT(from);
		e = take(&rqs[from], p->id);
		if (e && !e->job) {
			atomic_fetch_add_full(&pcpus[from].nr_vcpus, UINT32_MAX);
			atomic_fetch_add_full(&p->nr_vcpus, 1u);
		}
	}
	/* cpu before work: vcpu_stop() has them the other way. */
	smp_mb();
	spin_lock(&rq->lock);
	rq_enqueue_locked(rq, e, ENQ_MOVED, arch_counter());
	spin_unlock(&rq->lock);
	return true;
}

/*
 * The loaded vCPU woke, and nothing else did: it goes on without the queue, from the time of its
 * wake-up. The short way from a timer interrupt to an idle guest.
 */
static struct vcpu *resume_in_place(struct pcpu *p, struct rq *rq)
{
	struct vcpu *v = p->resumed;
	uint64_t now = v->se.ready_at;

	p->resumed = NULL;
	p->idle_ticks += now - rq->stamp;
	rq->stamp = now;
	fair_place(rq, &v->se);
	rq->cur = &v->se;
	rq->slice_end = now + v->se.slice;
	v->se.start = now;
	v->stats.nr_wakes++;
	store_relaxed(&v->state, (uint32_t)VCPU_RUNNING);
	/* As in set_cur(). */
	smp_mb();
	p->cur = v;
	return v;
}

/* Nothing to run here: pull, or wait until there is work. In place: p->loaded stays. */
static struct vcpu *go_idle(struct pcpu *p, struct rq *rq)
{
	store_relaxed(&p->idle, true);
	/* idle before a last look at the others' queues; rq_offer() has them the other way. */
	smp_mb();
	if (!pull(p, rq)) {
		while (load_relaxed(&p->work) == 0 && !p->resumed) {
			arch_cpu_idle();
			irq_handle();
		}
	}
	store_relaxed(&p->idle, false);
	/* Nobody else came, nobody is throttled. */
	if (p->resumed && load_relaxed(&p->work) == 0 && rq->nr == 0 &&
	    rq->dl_when == TIMER_NEVER && p->resumed->se.budget == 0) {
		return resume_in_place(p, rq);
	}
	return NULL;
}

struct vcpu *sched_next(void)
{
	struct pcpu *p = this_pcpu();
	struct rq *rq = &rqs[p->id];

	for (;;) {
		uint32_t work = atomic_exchange_full(&p->work, 0u);
		struct vcpu *woken =
		    load_relaxed(&p->wake_list) ? atomic_exchange_full(&p->wake_list, NULL) : NULL;
		uint64_t now = arch_counter();
		uint64_t spare;

		rq_account(rq, now);
		spin_lock(&rq->lock);
		if (rq->cur && told_to_stop(rq->cur)) {
			turn_off(ent_vcpu(rq->cur));
			rq->cur = NULL;
		}
		if (work & PCPU_WORK_STOP) {
			stop_scan_locked(rq);
		}
		if (p->resumed) {
			rq_enqueue_locked(rq, &p->resumed->se, ENQ_WAKE, now);
			p->resumed = NULL;
		}
		wake_drain_locked(rq, woken, now);
		jobs_drain_locked(rq, now);
		choose_locked(rq, now);
		spare = spare_locked(rq);
		spin_unlock(&rq->lock);

		p->cur = rq->cur && !rq->cur->job ? ent_vcpu(rq->cur) : NULL;
		if (spare != 0) {
			rq_offer(spare);
		}
		if (p->cur) {
			return p->cur;
		}
		if (p->loaded && load_relaxed(&p->loaded->state) == VCPU_OFF) {
			return NULL;
		}
		if (rq->cur) {
			job_run(rq);
			irq_handle();
		} else {
			struct vcpu *v = go_idle(p, rq);

			if (v) {
				return v;
			}
		}
	}
}
