/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification of gic_spec.h. Sections: v2 is IHI 0048B, v3 is IHI 0069. Where the manuals
 * leave a choice, all that they allow is accepted; where Atoll has chosen, it says so.
 */
#include "gic_spec.h"

#include <stddef.h>

/*
 * v2 4.3.7, figure 4-10: a level-sensitive interrupt is pending while its line is high, or after a
 * write to ISPENDR until that is cleared or acknowledged; an edge is latched (v2 3.2.4; v3 4.1.2).
 */
bool spec_pending(const struct spec_irq *q) { return q->latch || (q->line && !q->edge); }

/*
 * The distributor forwards what is enabled, in an enabled group, and pending, to the targets; not
 * while it is active (v2 3.2.4: active and pending is not signalled again; the 1-N model of v2
 * 1.4.3 for SPIs). Choice: an SGI of a second source waits for the deactivation of the first.
 */
static bool due(const struct spec *s, unsigned c, const struct spec_irq *q)
{
	return q->enabled && (s->groups >> q->group & 1) && spec_pending(q) && q->target == c;
}

static bool forwarded(const struct spec *s, unsigned c, const struct spec_irq *q)
{
	return due(s, c, q) && !q->active;
}

/* v2 3.3.1, v3 4.8.1: the priority of what is acknowledged and not dropped masks its equals. */
static unsigned running(const struct spec_cpu *p)
{
	unsigned best = SPEC_NONE;

	for (unsigned i = 0; i < p->depth; i++)
		if (p->stack[i].priority < best) best = p->stack[i].priority;
	return best;
}

/* v2 3.3, 4.4.2: higher than the mask, in an enabled group, and higher than what runs. */
unsigned spec_best(const struct spec *s, unsigned c, bool for_wfi)
{
	const struct spec_cpu *p = &s->cpu[c];
	unsigned best = SPEC_NONE;

	for (unsigned i = 0; i < s->nr_irqs; i++) {
		const struct spec_irq *q = &s->irq[i];

		if (forwarded(s, c, q) && (p->groups >> q->group & 1) && q->priority < p->pmr &&
		    (for_wfi || q->priority < running(p)) && q->priority < best)
			best = q->priority;
	}
	return best;
}

static void latch(struct spec_irq *q, uint8_t bits)
{
	/* Collapses with what is pending (v2 3.2.4), unless that is being taken at this moment. */
	if (spec_pending(q) || q->stale || q->maybe) q->again |= bits;
	q->latch |= bits;
}

void spec_set(struct spec *s, unsigned i, enum spec_reg reg, uint8_t val)
{
	struct spec_irq *q = &s->irq[i];
	uint8_t was[SPEC_IRQS] = {0};

	for (unsigned n = 0; n < s->nr_irqs; n++)
		for (unsigned c = 0; c < s->nr_cpus; c++)
			was[n] |= (uint8_t)(due(s, c, &s->irq[n]) << c);
	switch (reg) {
	case SPEC_LINE:
		if (q->edge && val && !q->line) latch(q, 1);
		q->line = val;
		break;
	case SPEC_LATCH: latch(q, val); break;
	case SPEC_UNLATCH:
		q->latch &= (uint8_t)~val;
		q->again &= (uint8_t)~val;
		break;
	case SPEC_ACTIVE: q->active = val; break;
	case SPEC_ENABLE: q->enabled = val; break;
	case SPEC_PRIORITY: q->priority = val; break;
	case SPEC_TARGET: q->target = val; break;
	case SPEC_GROUP: q->group = val; break;
	case SPEC_CTLR: s->groups = val; break;
	}
	/* v2 4.3.5, v3 12.9.4 RWP: other CPUs see it some time later. */
	for (unsigned n = 0; n < s->nr_irqs; n++)
		for (unsigned c = 0; c < s->nr_cpus; c++)
			if ((was[n] >> c & 1) && !due(s, c, &s->irq[n]))
				s->irq[n].stale |= (uint8_t)(1u << c);
}

/* v2 4.4.4, v3 12.2.14: pending becomes active; pending again if the line is still high. */
const char *spec_ack(struct spec *s, unsigned c, int i, unsigned source, unsigned priority)
{
	struct spec_cpu *p = &s->cpu[c];
	struct spec_irq *q = &s->irq[i < 0 ? 0 : i];
	uint8_t bit = (uint8_t)(1u << source);

	if (i < 0) return NULL; /* not there yet: spec_told() asks when nothing is in flight */
	if (q->active) return "it is active already";
	if (!due(s, c, q) && !(q->stale >> c & 1) && !(q->maybe & bit))
		return "it is not pending here";
	if (priority >= p->pmr) return "its priority is masked";
	if (priority >= running(p)) return "what runs is as urgent";
	if (!(p->groups >> q->group & 1) && !q->stale) return "its group is off";
	if (q->edge && !q->stale && !((q->latch | q->maybe) & bit)) return "that source sent none";
	q->maybe = (uint8_t)((q->maybe & ~bit) | (q->again & bit));
	q->again &= (uint8_t)~bit;
	q->latch &= (uint8_t)~bit;
	q->active = 1;
	q->source = (uint8_t)source;
	p->stack[p->depth].irq = (uint8_t)i;
	p->stack[p->depth].source = (uint8_t)source;
	p->stack[p->depth++].priority = (uint8_t)priority;
	return NULL;
}

/* v2 4.4.5, 3.2.1: the last one acknowledged; with EOImode 0 it becomes inactive as well. */
void spec_eoi(struct spec *s, unsigned c)
{
	struct spec_cpu *p = &s->cpu[c];

	p->depth--;
	if (!p->split) spec_deactivate(s, p->stack[p->depth].irq);
	p->stack[p->depth].irq = p->stack[p->depth].source = p->stack[p->depth].priority = 0;
}

/* v2 4.4.15, v3 12.2.5. */
void spec_deactivate(struct spec *s, unsigned i)
{
	s->irq[i].active = 0;
	s->irq[i].source = 0;
}

void spec_resolve(struct spec *s, unsigned i, uint8_t real)
{
	struct spec_irq *q = &s->irq[i];

	q->latch |= q->maybe & real;
	q->maybe = q->again = q->stale = 0;
}

const char *spec_told(const struct spec *s, unsigned c, int i, unsigned source)
{
	unsigned best = spec_best(s, c, false);
	const struct spec_irq *q = &s->irq[i < 0 ? 0 : i];

	if (i < 0) return best == SPEC_NONE ? NULL : "a pending interrupt is not signalled";
	if (best == SPEC_NONE) return "nothing is to be signalled";
	if (!forwarded(s, c, q)) return "that interrupt is not pending here";
	if (q->priority != best) return "there is a more urgent one";
	if (q->edge && !(q->latch >> source & 1)) return "that source sent none";
	return NULL;
}
