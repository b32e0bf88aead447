/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine for scheduler tests: CPUs as threads of which one runs at a time, guests as programs
 * that compute and sleep, virtual time that jumps from event to event. Deterministic.
 */
#pragma once

#include <hyp/deadline.h>
#include <hyp/sched.h>
#include <hyp/vm.h>

#define SIM_MS UINT64_C(1000000) /* the counter runs at 1 GHz */
#define SIM_US UINT64_C(1000)
#define SIM_FOREVER (UINT64_MAX / 2)

struct sim_guest {
	struct vcpu v;
	struct vm vm;
	struct vm_config cfg;
	/* The program: computes `run` ticks, then calls done(); NULL: sleeps `sleep` ticks (WFI).
	 */
	uint64_t run, sleep;
	void (*done)(struct sim_guest *g);

	uint64_t left;                      /* of this computation */
	uint64_t ran;                       /* in all, measured by the machine, not the scheduler */
	uint64_t loads;                     /* how often a CPU loaded it */
	uint64_t wakes, wake_max, wake_sum; /* from its alarm to its first instruction */
	uint64_t alarm_at;                  /* 0: not waiting for one */
	uint64_t regs; /* its context: what it computed, wrong if it ever ran unsaved */
	unsigned cpus_seen;
	struct deadline alarm;
};

/* A machine of n CPUs. All of them are idle. */
void sim_start(unsigned n);
/* Lets it run until the counter is `when`. */
void sim_until(uint64_t when);
void sim_for(uint64_t ticks);
/* Calls fn(arg) on that CPU in interrupt context, as soon as it takes interrupts. */
void sim_on(unsigned cpu, void (*fn)(void *arg), void *arg);
/* Ends it; checks what must hold at the end. */
void sim_end(void);

/* A guest of one vCPU with that policy; affinity 0: everywhere. Not started. */
struct sim_guest *sim_fair(uint32_t weight, uint64_t affinity);
struct sim_guest *sim_fixed(uint32_t priority, uint64_t affinity, uint32_t budget_us,
                            uint32_t period_us);
/* Starts it from CPU 0. */
void sim_boot(struct sim_guest *g, uint64_t run, uint64_t sleep);
/* Something the CPU does in EL2 takes time (a job's step). */
void sim_spend(uint64_t ticks);
/* What the scheduler accounted, with the slice it is in. */
uint64_t sim_run_ticks(const struct sim_guest *g);
extern unsigned sim_irqs[MAX_PCPUS]; /* interrupts taken */
