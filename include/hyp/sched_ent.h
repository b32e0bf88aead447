/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scheduler knows of something that can run: part of each vCPU and each job. Times in
 * counter ticks. Owned by the run queue it is in or by the CPU that runs it.
 */
#pragma once

#include <hyp/types.h>
#include <lib/list.h>

struct sched_ent {
	struct list_node node;
	uint8_t cls;      /* enum vm_sched: larger goes first */
	uint8_t priority; /* fixed */
	uint8_t clock;    /* fair: the CPU in whose virtual time vruntime counts */
	bool job;         /* in a struct job, else in a struct vcpu */
	bool woken;       /* READY by a wake-up: its latency counts */
	uint32_t weight;  /* fair */
	uint64_t slice;
	uint64_t vslice;   /* fair: virtual time of a slice */
	uint64_t vruntime; /* fair */
	uint64_t ready_at; /* when it became READY */
	uint64_t start;    /* when it got the CPU last */
	/* Fixed. budget 0: not limited. */
	uint64_t slice_left, budget, period, budget_left, refill_at;
};
