/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: entities of the run queues that run a step at a time in EL2. Any CPU may run the next
 * step; a job is in one queue or is one CPU's cur, so that two never do.
 */
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/vm.h>
#include "rq.h"

enum job_state {
	JOB_IDLE,
	JOB_ACTIVE, /* queued, or in a step */
	JOB_AGAIN,  /* started meanwhile: a step that begins takes this away */
};

void job_init(struct job *j, bool (*step)(struct job *j), struct vm *vm, uint32_t weight)
{
	*j = (struct job){.step = step, .vm = vm, .state = JOB_IDLE};
	ent_init(&j->se, vm ? vm->cfg : NULL, weight, true);
}

bool job_is_idle(const struct job *j) { return load_acquire(&j->state) == JOB_IDLE; }

void job_start(struct job *j)
{
	struct pcpu *idle;
	uint32_t state = JOB_IDLE;

	while (!atomic_cas_full(&j->state, &state, (uint32_t)JOB_ACTIVE)) {
		/* Also AGAIN -> AGAIN: the store is what publishes the caller's to the next step.
		 */
		if (atomic_cas_full(&j->state, &state, (uint32_t)JOB_AGAIN)) return;
		state = JOB_IDLE;
	}
	idle = pcpu_find_idle(UINT64_MAX);
	pcpu_push(idle ? idle : this_pcpu(), &j->se);
}

void job_run(struct rq *rq)
{
	struct job *j = ent_job(rq->cur);
	uint32_t state = JOB_ACTIVE;
	bool more;

	/* Taken, not stored: the step sees what was stored before each job_start() until now. */
	(void)atomic_exchange_full(&j->state, (uint32_t)JOB_ACTIVE);
	more = j->step(j);
	rq->job_at = arch_counter();
	j->se.starved = false;
	if (more) return;
	spin_lock(&rq->lock);
	account_locked(rq, rq->job_at);
	spin_unlock(&rq->lock);
	/* Not in JOB_AGAIN. */
	if (atomic_cas_full(&j->state, &state, (uint32_t)JOB_IDLE)) {
		rq->cur = NULL;
		if (j->done) j->done(j);
	}
}
