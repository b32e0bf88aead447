/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long work in bounded steps (rule 19): loading, scrubbing, flushing. Jobs run on the way back to
 * guests and from the idle loop, charged to their VM.
 */
#pragma once

#include <hyp/sched_ent.h>

struct vm;

struct job;

struct job_ops {
	/* At most 64 KiB of memory or a few thousand instructions; false: done for now. Never on
	 * two CPUs at once. Must not free the job. */
	bool (*step)(struct job *j);
	/* May be NULL. Last call after a step that returned false; may free the job, which nobody
	 * starts again from that step on. */
	void (*done)(struct job *j);
};

struct job {
	const struct job_ops *ops;
	struct vm *vm; /* who pays; NULL: the host */
	struct sched_ent se;
	uint32_t starts; /* shared: 0 idle, 1 queued or in a step, more: started meanwhile */
};

/* One of a VM is scheduled like its vCPUs, a fixed one with its priority and budget; the host's own
 * by weight, 1..10000, 0: 100. */
void job_init(struct job *j, const struct job_ops *ops, struct vm *vm, uint32_t weight);
/*
 * Has it run, on an idle CPU if there is one. Already queued: no effect; in a step right now: there
 * will be one more step. Either way a step begins after this call. Lock-free, any context.
 */
void job_start(struct job *j);
