/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a GIC does, from the manuals (GICv2 IHI 0048B, GICv3 IHI 0069): no list registers, no lists,
 * no header of hyp/vgic. Plain data, so that states can be compared.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SPEC_CPUS 4
#define SPEC_IRQS 16
#define SPEC_NONE 0x100 /* no priority: beyond the lowest */

/* One interrupt; a private one of each CPU is one of its own. */
struct spec_irq {
	/* Constant. cpu: of a private one, else 0xff. */
	uint16_t intid;
	uint8_t cpu, edge;
	/* Registers. target: CPU, 0xff none. */
	uint8_t enabled, group, priority, target;
	/* latch: bit 0, of a v2 SGI: by source CPU. */
	uint8_t line, latch, active, source;
	/*
	 * What a race leaves open until every CPU has seen what others changed. stale: CPUs that
	 * may still take what they no longer should; again: latched once more while it was
	 * pending (one or two); maybe: pending or not.
	 */
	uint8_t stale, again, maybe, pad;
};

struct spec_cpu {
	uint8_t pmr, groups, split; /* split: EOImode 1 */
	uint8_t depth;              /* acknowledged, priority not dropped yet */
	struct {
		uint8_t irq, source, priority;
	} stack[SPEC_IRQS];
};

struct spec {
	uint8_t version, nr_cpus, nr_irqs, groups; /* groups: GICD_CTLR */
	struct spec_cpu cpu[SPEC_CPUS];
	struct spec_irq irq[SPEC_IRQS];
};

bool spec_pending(const struct spec_irq *q);
/* The most urgent priority that CPU c is to be told of, or SPEC_NONE; for_wfi: whatever it runs. */
unsigned spec_best(const struct spec *s, unsigned c, bool for_wfi);

/* Changes. reg: which. */
enum spec_reg {
	SPEC_LINE,
	SPEC_LATCH,
	SPEC_UNLATCH,
	SPEC_ACTIVE,
	SPEC_ENABLE,
	SPEC_PRIORITY,
	SPEC_TARGET,
	SPEC_GROUP,
	SPEC_CTLR
};
void spec_set(struct spec *s, unsigned i, enum spec_reg reg, uint8_t val);

/* What CPU c does. NULL, or what is wrong about it. i: interrupt, -1: 1023 was read. */
const char *spec_ack(struct spec *s, unsigned c, int i, unsigned source, unsigned priority);
void spec_eoi(struct spec *s, unsigned c);
void spec_deactivate(struct spec *s, unsigned i);

/* Nothing is in flight any more. latch: what is in fact latched, where a race left it open. */
void spec_resolve(struct spec *s, unsigned i, uint8_t latch);
/* Then CPU c is told of interrupt i (-1: none), from that source: is that right? */
const char *spec_told(const struct spec *s, unsigned c, int i, unsigned source);
