/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduler: per-CPU run queues; classes fixed (with budget and period), fair (weighted virtual
 * time); jobs stand among them. Fair ones are balanced over CPUs. No tick: preemption by deadline,
 * only while two compete.
 */
#pragma once

#include <hyp/atomic.h>
#include <hyp/config.h>
#include <hyp/pcpu.h>

struct vcpu;

/* Longest run of a fair vCPU while another fair one waits, and granularity of wake preemption. */
#define SCHED_SLICE_US 2000u

/* Above all priorities that a manifest can give. */
#define SCHED_PRIORITY_MANAGEMENT 32u

void sched_cpu_init(void);
/* Parameters from cfg; v is OFF. */
void sched_vcpu_init(struct vcpu *v, const struct vm_config *cfg);
/* OFF and out -> READY on an idle CPU of its affinity, or the first. Clears VCPU_WORK_STOP.
 * Serialised with vcpu_stop() by the caller (vm->lock). */
void sched_start(struct vcpu *v);
/* v, which runs here and is fixed, has from now on so much of each period. */
void sched_limit(struct vcpu *v, uint64_t budget_us, uint64_t period_us);
/* The running vCPU v blocks (state BLOCKED, unless work says otherwise) or goes OFF.
 * Sets PCPU_WORK_RESCHED; the switch happens on the way out of the trap. */
void sched_block(struct vcpu *v);
void sched_off(struct vcpu *v);
/* v stays READY and goes behind its equals. */
void sched_yield(const struct vcpu *v);
/* Another vCPU or a job waits for this CPU. */
static inline bool sched_contended(void) { return load_relaxed(&this_pcpu()->nr_ready) != 0; }
/*
 * The way out of every trap with pcpu work pending: drains the wake list, accounts the vCPU that
 * ran, runs jobs, idles, and returns the vCPU to run. NULL: pcpu->loaded is leaving,
 * its context must be saved first, then call again. The caller (L7) saves and loads contexts and
 * calls sched_saved(), then looks at v->work (ordered after the choice) before it enters the guest.
 */
struct vcpu *sched_next(void);
/* v's context is complete in memory: publishes loaded_on = -1 with release (rule 23). v may be gone
 * when this returns. */
void sched_saved(struct vcpu *v);
