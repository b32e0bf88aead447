/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each CPU did last: rare events always, exits and switches of guests while tracing is on.
 * Off costs nothing: exits are recorded by a second vector table, which is not in use then.
 */
#pragma once

#include <hyp/types.h>

struct vm;

enum trace_kind {
	TRACE_SYNC,   /* also SError; esr; arg: x0 of the guest, or the IPA of an abort */
	TRACE_IRQ,    /* physical interrupt */
	TRACE_SWITCH, /* a vCPU's context was loaded */
	TRACE_INJECT, /* esr: what its ESR_EL1 says; arg: FAR_EL1 */
	TRACE_STOP,   /* arg: enum stop_reason */
};

#define TRACE_ENTRIES 64u /* of a CPU; a power of two */
struct trace_entry {
	uint64_t when, esr, pc, arg;
	uint8_t kind, slot, vcpu;
};
struct trace_ring {
	uint64_t head; /* shared: events ever; release after the entry */
	struct trace_entry e[TRACE_ENTRIES];
};
extern struct trace_ring trace_rings[MAX_PCPUS];
extern bool trace_on; /* shared: changed by trace_enable() alone */

/* Records an event on this CPU. Any context, no lock. */
void trace_event(enum trace_kind kind, const struct vm *vm, unsigned vcpu, uint64_t esr,
                 uint64_t pc, uint64_t arg);
/* All CPUs record exits from now on, or no longer. The shell's CPU. */
void trace_enable(bool on);
/* On each CPU when it is kicked: the vectors that trace_on asks for. */
void trace_cpu_update(void);
/*
 * The newest events that fit into buf, of one CPU (-1: all), of one VM (NULL: all): oldest first, a
 * string each, from what is returned to the end of buf. What is overwritten meanwhile is left out.
 */
const char *trace_text(const struct trace_ring *rings, int cpu, const struct vm *vm, char *buf,
                       size_t n);
