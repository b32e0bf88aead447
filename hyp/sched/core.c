/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's core: what runs next on this CPU, when it must look again, accounting, idling,
 * and pulling work from busier CPUs. Policies: policy.c. Wake-ups: hyp/vcpu_wake.c.
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

/* The first to run of those that wait, or NULL. */
static struct sched_ent *first_locked(const struct rq *rq)
{
	struct sched_ent *e = head_of(&rq->queue[SCHED_FIXED]);

	return e ? e : head_of(&rq->queue[SCHED_FAIR]);
}

static void dl_fire(struct deadline *d, uint64_t now)
{
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
		for (unsigned c = 0; c < NR_CLASSES; c++) list_init(&rq->queue[c]);
		list_init(&rq->throttled);
		deadline_init(&rq->dl, &dl_ops);
	}
}

void sched_cpu_init(void) { rqs[this_pcpu()->id].stamp = arch_counter(); }

void rq_account(struct rq *rq, uint64_t now)
{
	struct sched_ent *e = rq->cur;
	uint64_t ticks = now - rq->stamp;

	rq->stamp = now;
	if (!e) {
		this_pcpu()->idle_ticks += ticks;
		return;
	}
	*(e->job ? &ent_job(e)->run_ticks : &ent_vcpu(e)->stats.run_ticks) += ticks;
	policy_charge(rq, e, ticks, now);
}

/* If v is also saved, it is out and may be gone. */
void turn_off(struct vcpu *v)
{
	store_relaxed(&v->state, (uint32_t)VCPU_OFF);
	atomic_fetch_add_full(&this_pcpu()->nr_vcpus, UINT32_MAX);
	if (load_relaxed(&v->loaded_on) == -1) atomic_fetch_or_full(&v->work, VCPU_WORK_OUT);
}

static bool told_to_stop(struct sched_ent *e)
{
	return !e->job && (load_relaxed(&ent_vcpu(e)->work) & VCPU_WORK_STOP) != 0;
}

void rq_enqueue_locked(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
{
	if (told_to_stop(e))
		turn_off(ent_vcpu(e));
	else
		policy_enqueue(rq, e, how, now);
}

static void dequeue_locked(struct rq *rq, struct sched_ent *e) REQUIRES(rq->lock)
{
	list_del(&e->node);
	store_relaxed(&rq->nr, rq->nr - 1);
}

/* PCPU_WORK_STOP: some of those that wait here are to leave. */
static void stop_scan_locked(struct rq *rq) REQUIRES(rq->lock)
{
	struct list_node *const lists[] = {&rq->queue[SCHED_FAIR], &rq->queue[SCHED_FIXED],
	                                   &rq->throttled};

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		list_for_each_safe (n, tmp, lists[i]) {
			if (told_to_stop(node_ent(n))) {
				list_del(n);
				store_relaxed(&rq->nr, rq->nr - (lists[i] != &rq->throttled));
				turn_off(ent_vcpu(node_ent(n)));
			}
		}
	}
}

/* A wake list is a stack: its oldest entry goes first. */
static void wake_drain_locked(struct rq *rq, struct vcpu *list, uint64_t now) REQUIRES(rq->lock)
{
	struct vcpu *fifo = NULL, *next;

	for (; list; list = next) {
		next = list->wake_next;
		list->wake_next = fifo;
		fifo = list;
	}
	for (; fifo; fifo = next) {
		next = fifo->wake_next;
		rq_enqueue_locked(rq, &fifo->se, ENQ_WAKE, now);
	}
}

/* Those whose new period has begun may run again; returns when the next one's begins. */
static uint64_t unthrottle_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	uint64_t when = TIMER_NEVER;

	list_for_each_safe (n, tmp, &rq->throttled) {
		struct sched_ent *e = node_ent(n);

		if (now >= e->refill_at) {
			list_del(n);
			e->ready_at = now;
			rq_enqueue_locked(rq, e, ENQ_MOVED, now);
		} else {
			when = MIN(when, e->refill_at);
		}
	}
	return when;
}

/* A job that waits behind fixed vCPUs, and in *when the time at which it gets a step anyway. */
static struct sched_ent *starved_job_locked(const struct rq *rq, uint64_t *when) REQUIRES(rq->lock)
{
	list_for_each (n, &rq->queue[SCHED_FAIR]) {
		if (node_ent(n)->job) {
			*when = MAX(rq->job_at, node_ent(n)->ready_at) +
			        arch_us_to_ticks(JOB_STARVED_US);
			return node_ent(n);
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
	if (!e->job) store_relaxed(&ent_vcpu(e)->state, VCPU_READY);
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

/* Chooses rq->cur anew among it and those that wait, and sets the deadline of the next look. */
static void choose_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock)
{
	uint64_t when = TIMER_NEVER, job_when;
	struct sched_ent *best, *next, *job;

	(void)unthrottle_locked(rq, now);
	best = first_locked(rq);
	if (rq->cur && (rq->yield || policy_preempts(rq, best, now)))
		put_cur_locked(rq, rq->yield ? ENQ_YIELD : ENQ_PREEMPTED, now);
	else if (rq->cur && now >= rq->slice_end)
		rq->slice_end = now + rq->cur->slice;
	rq->yield = false;
	best = first_locked(rq);
	next = rq->cur ? rq->cur : best;
	if (next && next->cls != SCHED_FAIR) {
		job = starved_job_locked(rq, &job_when);
		if (!job || now < job_when) {
			when = job_when;
		} else {
			best = job;
			if (rq->cur) put_cur_locked(rq, ENQ_PREEMPTED, now);
		}
	}
	if (!rq->cur && best) {
		dequeue_locked(rq, best);
		set_cur(rq, best, now);
		best = first_locked(rq);
	}
	if (rq->cur && !rq->cur->job) when = MIN(when, policy_until(rq, best, now));
	when = MIN(when, unthrottle_locked(rq, now));
	if (when != rq->dl_when) {
		rq->dl_when = when;
		deadline_set(&rq->dl, when);
	}
}

/* CPUs that may take e off its queue. Acquire: what its last CPU saved (rule 23). */
static uint64_t takers(struct sched_ent *e)
{
	if (e->job) return UINT64_MAX;
	return load_acquire(&ent_vcpu(e)->loaded_on) == -1 ? ent_vcpu(e)->affinity : 0;
}

void rq_offer(uint64_t mask)
{
	struct pcpu *p;

	/* What is offered was stored before; an idle CPU has `idle` before its look. */
	smp_mb();
	p = pcpu_find_idle(mask);
	if (p) pcpu_kick(p, PCPU_WORK_RESCHED);
}

/* Takes from src something that may run on CPU `to`. */
static struct sched_ent *take(struct rq *src, unsigned to)
{
	struct sched_ent *found = NULL;

	spin_lock(&src->lock);
	for (unsigned c = NR_CLASSES; !found && c-- > 0;) {
		list_for_each (n, &src->queue[c])
			if (!found && (takers(node_ent(n)) & BIT(to)) != 0) found = node_ent(n);
	}
	if (found) dequeue_locked(src, found);
	if (found && !found->job) vcpu_set_home(ent_vcpu(found), to);
	spin_unlock(&src->lock);
	return found;
}

/* An idle CPU takes something from the longest queue that has something for it. */
static bool pull(struct pcpu *p, struct rq *rq)
{
	struct sched_ent *e = NULL;
	unsigned from = p->id;

	for (uint64_t tried = BIT(p->id); !e; tried |= BIT(from)) {
		unsigned longest = 0;

		for (unsigned i = 0; i < nr_pcpus; i++) {
			unsigned nr = load_relaxed(&rqs[i].nr);

			if ((tried & BIT(i)) == 0 && nr > longest) {
				longest = nr;
				from = i;
			}
		}
		if (longest == 0) return false;
		e = take(&rqs[from], p->id);
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
	    rq->dl_when == TIMER_NEVER && p->resumed->se.budget == 0)
		return resume_in_place(p, rq);
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
		uint64_t now = arch_counter(), spare;
		struct sched_ent *first;

		/* Whatever this CPU knew of a VM that was unlinked before, it knows no more. */
		store_release(&p->passes, p->passes + 1);
		rq_account(rq, now);
		spin_lock(&rq->lock);
		if (rq->cur && told_to_stop(rq->cur)) {
			turn_off(ent_vcpu(rq->cur));
			rq->cur = NULL;
		}
		if (work & PCPU_WORK_STOP) stop_scan_locked(rq);
		if (p->resumed) {
			rq_enqueue_locked(rq, &p->resumed->se, ENQ_WAKE, now);
			p->resumed = NULL;
		}
		wake_drain_locked(rq, woken, now);
		jobs_drain_locked(rq, now);
		choose_locked(rq, now);
		first = first_locked(rq);
		spare = first ? takers(first) : 0;
		spin_unlock(&rq->lock);

		p->cur = rq->cur && !rq->cur->job ? ent_vcpu(rq->cur) : NULL;
		if (spare != 0) rq_offer(spare);
		if (p->cur) return p->cur;
		if (p->loaded && load_relaxed(&p->loaded->state) == VCPU_OFF) return NULL;
		if (rq->cur) {
			job_run(rq);
			irq_handle();
		} else {
			woken = go_idle(p, rq);
			if (woken) return woken;
		}
	}
}
