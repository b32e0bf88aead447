/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scheduler knows of something that can run: part of each vCPU and each job. Times in
 * counter ticks. Owned by the run queue it is in or by the CPU that runs it.
 */
#pragma once

#include <hyp/types.h>
#include <lib/list.h>

struct sched_ent {
	struct list_node node;  /* in a run queue */
	struct sched_ent *next; /* on a CPU's wake list */
	uint8_t rank;           /* larger goes first: 0 fair, 1 + priority fixed */
	bool job;               /* in a struct job, else in a struct vcpu */
	bool starved;           /* job: goes before everything for a step */
	bool woken;             /* READY by a wake-up: its latency counts */
	uint32_t weight;        /* fair */
	uint64_t slice, slice_left;
	uint64_t vslice;   /* virtual time of a slice; fixed: 0 */
	uint64_t vruntime; /* fair: in the virtual time of the CPU it ran on last */
	uint64_t ready_at; /* when it became READY */
	uint64_t start;    /* when it got the CPU last */
	uint64_t run_ticks;
	uint64_t budget, period, budget_left, refill_at; /* budget 0: not limited */
};
