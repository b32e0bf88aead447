/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per-CPU data. Only its own CPU touches a field, except those marked shared.
 */
#pragma once

#include <hyp/types.h>
#include <arch/cpu.h>
#include <lib/list.h>

struct vcpu;
struct sched_ent;

/* pcpu->work, shared: set by anyone with atomic OR, then an IPI if remote; cleared by the owner. */
#define PCPU_WORK_RESCHED BIT32(0) /* the scheduler is to choose again before any guest runs */
#define PCPU_WORK_PULL BIT32(1)    /* another CPU has something that may have to run here */

struct pcpu {
	/* Hot in entry.S (offsets.c). */
	struct vcpu *loaded; /* whose context is in this CPU's registers, or NULL */
	uint32_t work;       /* shared */
	uint32_t id;         /* logical number: index into host.cpus */

	uint64_t mpidr;
	uint8_t *stack_top;
	uint32_t branch_call; /* of firmware, at each exit; 0: none */
	bool online;          /* shared, release */

	struct sched_ent *wake_list; /* shared: lock-free stack of what became READY */
	bool idle;                   /* shared, a hint: it has nothing to run */
	struct vcpu *asleep;         /* own CPU: `loaded` while this CPU idles for it alone */
	uint64_t passes;             /* shared: times it came to the scheduler */
	uint32_t nr_ready;           /* shared: in its run queue (hyp/sched) */

	struct list_node deadlines; /* sorted by when; under the lock in hyp/deadline.c */
	uint64_t dl_armed;          /* what CNTHP is set to; own CPU */

	/* Idle accounting in ticks, own CPU; readers may see slightly old values. */
	uint64_t idle_ticks;
	uint64_t stamp; /* accounted up to here (hyp/sched) */
	uint64_t nr_irqs, nr_switches;
} __attribute__((aligned(64))); /* a cache line of its own */

/* Indexed by logical CPU number; nr_pcpus of them are online after boot. */
extern struct pcpu pcpus[MAX_PCPUS];
extern unsigned nr_pcpus;

/* Sets work bits of a CPU and, if it is another one, kicks it out of its guest or WFI; work 0: only
 * the kick. Whatever was stored before is visible to the CPU when it takes the bits. */
void pcpu_kick(struct pcpu *p, uint32_t work);
/* e, which nobody else knows, goes to p's wake list: its scheduler will queue it. Lock-free. */
void pcpu_push(struct pcpu *p, struct sched_ent *e);
/* A CPU of mask that has nothing to run, as far as one can see; NULL: there is none. */
struct pcpu *pcpu_find_idle(uint64_t mask);
