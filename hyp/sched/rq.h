/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to hyp/sched: the run queue of a CPU. How many wait in it is in pcpu->nr_ready.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/deadline.h>
#include <hyp/job.h>
#include <hyp/pcpu.h>
#include <hyp/vcpu.h>
#include <arch/timer.h>

struct rq {
	spinlock_t lock;
	struct list_node queue; /* first to run first; at its end those whose budget is used up */

	/* Own CPU only. */
	struct sched_ent *cur; /* what runs, in no list */
	uint64_t clock;        /* virtual time: of the fair ones here the least; never falls */
	uint64_t base;         /* clock + base compares with other CPUs'; they read it */
	uint64_t job_at;       /* when a job ran last */
	uint64_t offer_at;     /* not before then is a busy CPU asked to take one that waits */
	unsigned offer_to;     /* who was asked last */
	bool yield;            /* cur asked to go behind its equals */
	struct deadline dl;    /* of the next look at all this */
} __attribute__((aligned(64)));

extern struct rq rqs[MAX_PCPUS];

static inline struct sched_ent *node_ent(const struct list_node *n)
{
	return container_of(n, struct sched_ent, node);
}

static inline struct vcpu *ent_vcpu(struct sched_ent *e)
{
	return container_of(e, struct vcpu, se);
}

static inline struct job *ent_job(struct sched_ent *e) { return container_of(e, struct job, se); }

static inline uint64_t us_to_ticks(uint64_t us) { return MAX(arch_us_to_ticks(us), UINT64_C(1)); }

/* As a VM's vCPUs are to be: fair, or fixed with priority and budget; cfg NULL: fair by weight. */
void ent_init(struct sched_ent *e, const struct vm_config *cfg, uint32_t weight, bool job);
/* v, of this CPU and in no list, is OFF. If it is also saved, it is out and may be gone. */
void turn_off(struct vcpu *v);
/* Charges rq->cur for the time up to now; a vCPU that runs no more is cur no more. */
void account_locked(struct rq *rq, uint64_t now) REQUIRES(rq->lock);
/* Some CPU of mask is to take something that waits on rq, this CPU's. Returns when to ask again. */
uint64_t offer(struct rq *rq, uint64_t mask, uint64_t now);
/* job.c: one step of rq->cur, a job. */
void job_run(struct rq *rq);
