/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: entities of the run queues that run a step at a time in EL2. Any CPU may run the next
 * step; a job is in one queue or is one CPU's cur, so that two never do.
 */
#include <hyp/vm.h>
#include "rq.h"

void job_init(struct job *j, const struct job_ops *ops, struct vm *vm, uint32_t weight)
{
	*j = (struct job){.ops = ops, .vm = vm};
	ent_init(&j->se, vm ? vm->cfg : NULL, weight, true);
}

void job_start(struct job *j)
{
	struct pcpu *idle;

	/* Each one adds: that publishes the caller's stores to the next step. */
	if (atomic_fetch_add_full(&j->starts, 1u) != 0) return;
	idle = pcpu_find_idle(UINT64_MAX);
	pcpu_push(idle ? idle : this_pcpu(), &j->se);
}

void job_run(struct rq *rq)
{
	struct job *j = ent_job(rq->cur);
	const struct job_ops *ops = j->ops;
	uint32_t starts = 1;
	bool more;

	/* Taken, not stored: the step sees what was stored before each job_start() until now. */
	(void)atomic_exchange_full(&j->starts, starts);
	more = ops->step(j);
	rq->job_at = arch_counter();
	j->se.starved = false;
	if (more) return;
	spin_lock(&rq->lock);
	account_locked(rq, rq->job_at);
	spin_unlock(&rq->lock);
	/* Unless it was started meanwhile. */
	if (atomic_cas_full(&j->starts, &starts, 0u)) {
		rq->cur = NULL;
		if (ops->done) ops->done(j);
	}
}
