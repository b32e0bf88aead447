/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to hyp/sched: the run queue of a CPU and the interface of a policy.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/deadline.h>
#include <hyp/job.h>
#include <hyp/pcpu.h>
#include <hyp/vcpu.h>
#include <arch/timer.h>

#define NR_CLASSES 2u /* SCHED_FAIR, SCHED_FIXED */

struct rq {
	spinlock_t lock; /* the lists; nr */
	uint32_t nr;     /* entities in queue[]; others read it without the lock */
	struct list_node queue[NR_CLASSES]; /* each sorted, first to run first */
	struct list_node throttled;
	uint64_t min_vruntime; /* the virtual time of this CPU; others may read it */

	/* Own CPU only. */
	struct sched_ent *cur; /* what runs, in no list */
	uint64_t stamp;        /* accounted up to here */
	uint64_t slice_end;    /* fair: of cur */
	uint64_t dl_when;      /* what dl is set to */
	uint64_t job_at;       /* when a job ran last */
	bool yield;            /* cur asked to go behind its equals */
	struct deadline dl;
} __attribute__((aligned(64)));

extern struct rq rqs[MAX_PCPUS];

enum enqueue { ENQ_WAKE, ENQ_PREEMPTED, ENQ_YIELD, ENQ_MOVED };

/* policy.c. The lock of rq is held except by charge, which is for its own CPU. */
/* Fair parameters of e, otherwise empty; also for jobs. */
void fair_init(struct sched_ent *e, uint32_t weight);
/* Sorts e into its list, or into rq->throttled. */
void policy_enqueue(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
    REQUIRES(rq->lock);
/* e ran for the last `ticks` before now. */
void policy_charge(struct rq *rq, struct sched_ent *e, uint64_t ticks, uint64_t now);
/* best, the first of those that wait (NULL: nobody), takes the CPU from cur. */
bool policy_preempts(const struct rq *rq, const struct sched_ent *best, uint64_t now);
/* When cur has to be looked at again while best (or nobody) waits. */
uint64_t policy_until(const struct rq *rq, const struct sched_ent *best, uint64_t now);

static inline struct sched_ent *node_ent(const struct list_node *n)
{
	return list_entry(n, struct sched_ent, node);
}

/* The first of a list, or NULL. */
static inline struct sched_ent *head_of(const struct list_node *q)
{
	return list_empty(q) ? NULL : node_ent(q->next);
}

static inline uint64_t us_to_ticks(uint64_t us) { return MAX(arch_us_to_ticks(us), UINT64_C(1)); }

static inline struct vcpu *ent_vcpu(struct sched_ent *e)
{
	return container_of(e, struct vcpu, se);
}

static inline struct job *ent_job(struct sched_ent *e) { return container_of(e, struct job, se); }

/* Virtual time compares by signed difference: it is far smaller than 2^63. */
static inline int64_t vdiff(uint64_t a, uint64_t b) { return (int64_t)(a - b); }

/* A sleeper is at most a slice ahead of those who did not sleep. */
static inline void fair_place(const struct rq *rq, struct sched_ent *e)
{
	uint64_t floor = rq->min_vruntime - e->vslice;

	if (vdiff(e->vruntime, floor) < 0) e->vruntime = floor;
}

/* core.c: queues e on rq, whose lock is held. */
void rq_enqueue_locked(struct rq *rq, struct sched_ent *e, enum enqueue how, uint64_t now)
    REQUIRES(rq->lock);
/* core.c: v, of this CPU and in no list, is OFF. */
void turn_off(struct vcpu *v);
/* core.c: charges rq->cur for the time up to now. */
void rq_account(struct rq *rq, uint64_t now);
/* core.c: some idle CPU of mask, if there is one, is to come and pull. No lock. */
void rq_offer(uint64_t mask);
/* job.c: queues what job_start() left for this CPU. */
void jobs_drain_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock);
/* job.c: one step of rq->cur, a job. */
void job_run(struct rq *rq);
