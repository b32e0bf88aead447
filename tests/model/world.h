/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM whose vGIC is the real one, on the fake virtual CPU interface, beside the specification; one
 * action at a time is done to both, and what the guest sees is compared.
 */
#pragma once

#include "gic_spec.h"

#define WORLD_CPUS 2u
#define TIMER_INTID 27u

struct world_irq {
	uint16_t intid;
	uint8_t cpu; /* of a private interrupt, else 0xff */
	uint8_t edge, priority, target, group, enabled;
};

struct scenario {
	const char *name;
	unsigned version, nr_lrs, unlinked; /* unlinked: QEMU's GICv2 */
	unsigned nr_irqs, split;            /* split: EOImode 1 */
	/*
	 * Nobody changes the priority of what is not idle, or makes it active by a register: else
	 * which of the active interrupts outside the list registers a counted EOI was of would be
	 * a guess (docs/errata.md).
	 */
	unsigned calm;
	struct world_irq irq[SPEC_IRQS];
};

enum op {
	OP_LINE, /* a: interrupt, b: level */
	OP_SGI,  /* a: interrupt (of its target), b: from */
	OP_ACK,  /* a: vCPU */
	OP_EOI,  /* a: vCPU: the last one acknowledged */
	OP_DIR,  /* a: vCPU, b: interrupt */
	OP_EXIT, /* a: vCPU: what is due on its way into the guest */
	OP_PUT,  /* a: vCPU out of its CPU */
	OP_LOAD, /* a: vCPU, b: CPU */
	OP_WFI,  /* a: vCPU */
	OP_PMR,  /* a: vCPU, b: mask */
	OP_READ, /* a: vCPU: pending and active states */
	/* Registers: a: interrupt, b: value, c: vCPU that writes. */
	OP_ENABLE,
	OP_PEND,
	OP_ACTIVE,
	OP_PRIORITY,
	OP_TARGET,
	OP_GROUP,
	OP_CTLR,
};

struct action {
	uint8_t op, a, b, c;
};

void world_start(const struct scenario *sc);
/* False: it is not possible now, nothing was done. A violation: world_violation is set. */
bool world_do(struct action act);
extern const char *world_violation;
/* Everything that is due, on all CPUs. */
void world_settle(void);
const char *world_print(struct action act); /* in words */
void world_dump(void);                      /* both states, to stdout */

/* All state that matters, with what does not matter left out: equal if equal. Returns bytes. */
#define WORLD_BYTES 2048u
unsigned world_serialise(uint8_t *out);
/* To come back to it. */
unsigned world_snap_size(void);
void world_save(void *snap);
void world_restore(const void *snap);
