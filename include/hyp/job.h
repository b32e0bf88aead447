/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long work in bounded steps (rule 19): loading, scrubbing, flushing. Jobs run on the way back to
 * guests and from the idle loop, charged to their VM.
 */
#pragma once

#include <hyp/types.h>
#include <lib/list.h>

struct job;
struct vm;

struct job_ops {
	const char *name;
	/* At most 64 KiB of memory or a few thousand instructions; false: done, may free itself. */
	bool (*step)(struct job *j);
};

struct job {
	const struct job_ops *ops;
	struct vm *vm; /* who pays; NULL: the host */
	struct list_node node;
	uint64_t vruntime, run_ticks;
	uint32_t weight;
	bool queued;
};

void job_init(struct job *j, const struct job_ops *ops, struct vm *vm, uint32_t weight);
/* Queues it (no effect if it is) and makes some idle CPU look. Any context. */
void job_start(struct job *j);
