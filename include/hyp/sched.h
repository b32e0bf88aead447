/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduler: per-CPU run queues; classes fixed (with budget and period), fair (weighted virtual
 * time), jobs as fair entities, idle. No tick: preemption by deadline, only while two compete.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/types.h>

struct vcpu;

/* Longest run of a fair vCPU while another fair one waits, and granularity of wake preemption. */
#define SCHED_SLICE_US 2000u

void sched_init(void);
void sched_cpu_init(void);
/* Parameters from cfg; v is OFF. */
void sched_vcpu_init(struct vcpu *v, const struct vm_config *cfg);
/* OFF -> READY on the least loaded CPU of its affinity, and kicks it. */
void sched_start(struct vcpu *v);
/* The running vCPU v (this CPU's cur) blocks (state BLOCKED, honours wake_pending) or goes OFF.
 * Sets PCPU_WORK_RESCHED; the switch happens on the way out of the trap. */
void sched_block(struct vcpu *v);
void sched_off(struct vcpu *v);
/*
 * The way out of every trap with pcpu work pending: drains the wake list, accounts the vCPU that
 * ran, runs jobs, idles, and returns the vCPU to run (cur = it). NULL: the context of
 * pcpu->loaded must be saved (its VM is going away, or another CPU wants it), then call again.
 * The caller (L7) saves and loads contexts and calls sched_saved().
 */
struct vcpu *sched_next(void);
/* v's context is complete in memory: publishes loaded_on = -1 with release (rule 23). */
void sched_saved(struct vcpu *v);
/* Run time of v including the slice it is in. */
uint64_t sched_run_ticks(const struct vcpu *v);
/* For the shell. */
size_t sched_describe(char *buf, size_t n);
