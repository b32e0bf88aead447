/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers with a field per interrupt, one table for GICD of both versions and GICR's SGI frame
 * (IHI 0048B 4.3, IHI 0069 12.9, 12.11), and the ID registers.
 */
#include "internal.h"

static uint32_t get_group(struct vm *vm, struct vgic_irq *irq)
{
	(void)vm;
	return irq->group1;
}

static void set_group(struct vm *vm, struct vgic_irq *irq, uint32_t val)
{
	if (irq->group1 != (val != 0)) {
		vgic_irq_begin(irq);
		irq->group1 = val != 0;
		vgic_irq_end(vm, irq);
	}
}

static uint32_t get_enabled(struct vm *vm, struct vgic_irq *irq)
{
	(void)vm;
	return irq->enabled;
}

static void set_enabled(struct vm *vm, struct vgic_irq *irq, uint32_t on)
{
	if (irq->enabled != (on != 0) && !vgic_is_sgi_v2(vm, irq)) {
		vgic_irq_begin(irq);
		irq->enabled = on != 0;
		vgic_irq_end(vm, irq);
	}
}

static uint32_t get_pending(struct vm *vm, struct vgic_irq *irq)
{
	struct vcpu *v = vgic_irq_owner(vm, irq);

	/* In another CPU's list register: as far as known; it was asked to fold. */
	if (irq->latch || irq->sgi_sources != 0 || (irq->in_lr && irq->lr_latch)) {
		return 1;
	}
	/* A linked line is the timer's output, not what was injected of it. */
	if (irq->hw && irq->lops && v && (v->vgic.cpu < 0 || vgic_here(v))) {
		return irq->lops->level(v, irq->intid);
	}
	return vgic_irq_pending(irq);
}

/* SGIs of a GICv2 are made pending by SGIR and SPENDSGIR alone (IHI 0048B 4.3.7). */
static void set_pending(struct vm *vm, struct vgic_irq *irq, uint32_t on)
{
	if (vgic_is_sgi_v2(vm, irq)) {
		return;
	}
	vgic_irq_begin(irq);
	irq->latch = on != 0;
	irq->lr_latch = irq->lr_latch && on; /* in another CPU's LR: its fold drops it */
	vgic_irq_end(vm, irq);
}

static uint32_t get_active(struct vm *vm, struct vgic_irq *irq)
{
	(void)vm;
	return irq->active_req != VGIC_NO_REQ ? irq->active_req == VGIC_SET_ACTIVE : irq->active;
}

static void set_active(struct vm *vm, struct vgic_irq *irq, uint32_t on)
{
	vgic_irq_set_active(vm, irq, on != 0);
}

static uint32_t get_priority(struct vm *vm, struct vgic_irq *irq)
{
	(void)vm;
	return irq->priority;
}

static void set_priority(struct vm *vm, struct vgic_irq *irq, uint32_t val)
{
	/* As many bits as the virtual CPU interface has; the others are RAZ/WI. */
	uint8_t priority = (uint8_t)(val & (0xff00u >> arch_gic_info()->pri_bits));

	if (irq->priority != priority) {
		vgic_irq_begin(irq);
		vgic_irq_set_priority(irq, priority);
		vgic_irq_end(vm, irq);
	}
}

/* Whoever reads this register of a private interrupt is its target; one CPU: RAZ/WI (4.3.12). */
static uint32_t get_targets(struct vm *vm, struct vgic_irq *irq)
{
	if (vm->nr_vcpus == 1) {
		return 0;
	}
	return irq->intid < VGIC_NR_PRIVATE ? BIT32(irq->target) : irq->targets;
}

static void set_targets(struct vm *vm, struct vgic_irq *irq, uint32_t val)
{
	uint8_t targets = (uint8_t)(val & (BIT32(vm->nr_vcpus) - 1));

	if (vm->nr_vcpus > 1 && irq->intid >= VGIC_NR_PRIVATE && irq->targets != targets) {
		vgic_irq_begin(irq);
		irq->targets = targets;
		vgic_irq_route(vm, irq);
		vgic_irq_end(vm, irq);
	}
}

/* Bit 1 of the two: edge. SGIs are edges for ever (IHI 0048B 4.3.13). */
static uint32_t get_config(struct vm *vm, struct vgic_irq *irq)
{
	(void)vm;
	return irq->edge ? 2 : 0;
}

static void set_config(struct vm *vm, struct vgic_irq *irq, uint32_t val)
{
	bool edge = (val & 2) != 0;

	if (irq->intid >= GIC_NR_SGI && irq->edge != edge) {
		vgic_irq_begin(irq);
		irq->edge = edge;
		vgic_irq_end(vm, irq);
	}
}

static uint32_t get_sources(struct vm *vm, struct vgic_irq *irq)
{
	(void)vm;
	return irq->sgi_sources;
}

static void set_sources(struct vm *vm, struct vgic_irq *irq, uint32_t val)
{
	vgic_irq_begin(irq);
	irq->sgi_sources |= (uint8_t)(val & (BIT32(vm->nr_vcpus) - 1));
	vgic_irq_end(vm, irq);
}

static void clear_sources(struct vm *vm, struct vgic_irq *irq, uint32_t val)
{
	vgic_irq_begin(irq);
	irq->sgi_sources &= (uint8_t)~val;
	vgic_irq_end(vm, irq);
}

#define BOTH (FIELD_V2 | FIELD_V3)
#define SET (BOTH | FIELD_ONES)
#define CLEAR (BOTH | FIELD_ONES | FIELD_CLEAR)
#define SOURCES (FIELD_V2 | FIELD_ONES | FIELD_LIVE)
#define FIRST_FIELD 0x080u
static const struct vgic_field fields[] = {
    {0x100, 0x080, 1, SET, get_enabled, set_enabled},
    {0x180, 0x080, 1, CLEAR, get_enabled, set_enabled},
    {0x200, 0x080, 1, SET | FIELD_LIVE, get_pending, set_pending},
    {0x280, 0x080, 1, CLEAR | FIELD_LIVE, get_pending, set_pending},
    {0x300, 0x080, 1, SET | FIELD_LIVE, get_active, set_active},
    {0x380, 0x080, 1, CLEAR | FIELD_LIVE, get_active, set_active},
    {0x400, 0x400, 8, BOTH, get_priority, set_priority},
    {0x800, 0x400, 8, FIELD_V2, get_targets, set_targets},
    {0xc00, 0x100, 2, BOTH, get_config, set_config},
    {0x080, 0x080, 1, BOTH, get_group, set_group},
    /* CPENDSGIR, SPENDSGIR: a byte of sources for each SGI. */
    {0xf10, 0x010, 8, SOURCES, get_sources, clear_sources},
    {0xf20, 0x010, 8, SOURCES, get_sources, set_sources},
};

static const struct vgic_field *find_field(unsigned version, uint32_t off, unsigned size)
{
	uint8_t flag = version == 2 ? FIELD_V2 : FIELD_V3;

	if (off < FIRST_FIELD || size > 4) {
		return NULL;
	}
	for (const struct vgic_field *f = fields; f < fields + ARRAY_SIZE(fields); f++) {
		if (off - f->off < f->len) {
			return f->flags & flag ? f : NULL;
		}
	}
	return NULL;
}

static struct vgic_irq *view_irq(const struct vgic_view *w, uint32_t intid)
{
	return intid < w->limit ? vgic_irq_find(w->vm, w->priv, intid) : NULL;
}

bool vgic_field_read(const struct vgic_view *w, uint32_t off, unsigned size, uint64_t *val)
{
	const struct vgic_field *f = find_field(w->vm->vgic.version, off, size);
	uint32_t first;

	if (!f) {
		return false;
	}
	first = (off - f->off) * 8 / f->bits;
	*val = 0;
	spin_lock(&w->vm->vgic.lock);
	for (unsigned i = 0; i < size * 8 / f->bits; i++) {
		struct vgic_irq *irq = view_irq(w, first + i);
		bool refold;

		if (!irq) {
			continue;
		}
		refold = (f->flags & FIELD_LIVE) && irq->in_lr;
		if (refold) {
			vgic_irq_begin(irq);
		}
		*val |= (uint64_t)f->get(w->vm, irq) << (i * f->bits);
		if (refold) {
			vgic_irq_end(w->vm, irq);
		}
	}
	spin_unlock(&w->vm->vgic.lock);
	return true;
}

bool vgic_field_write(const struct vgic_view *w, uint32_t off, unsigned size, uint64_t val)
{
	const struct vgic_field *f = find_field(w->vm->vgic.version, off, size);
	uint32_t first, mask;

	if (!f) {
		return false;
	}
	first = (off - f->off) * 8 / f->bits;
	mask = BIT32(f->bits) - 1;
	spin_lock(&w->vm->vgic.lock);
	for (unsigned i = 0; i < size * 8 / f->bits; i++) {
		uint32_t field;
		struct vgic_irq *irq;

		if (f->flags & FIELD_ONES) {
			if (val >> (i * f->bits) == 0) {
				break;
			}
			i += (unsigned)__builtin_ctzll(val >> (i * f->bits)) / f->bits;
		}
		field = (uint32_t)(val >> (i * f->bits)) & mask;
		irq = view_irq(w, first + i);
		if (irq) {
			f->set(w->vm, irq, f->flags & FIELD_CLEAR ? 0 : field);
		}
	}
	spin_unlock(&w->vm->vgic.lock);
	return true;
}

void vgic_set_groups(struct vm *vm, uint32_t groups)
{
	struct vgic_vm *g = &vm->vgic;

	spin_lock(&g->lock);
	if (g->ctlr != groups) {
		g->ctlr = groups;
		for (unsigned i = 0; i < vgic_nr_irqs(vm); i++) {
			struct vgic_irq *irq = vgic_irq_at(vm, i);

			if (irq) {
				vgic_irq_begin(irq);
				vgic_irq_end(vm, irq);
			}
		}
	}
	spin_unlock(&g->lock);
}

/* PIDR4..7, PIDR0..3, CIDR0..3 as Arm's implementations have them (IHI 0069 12.1.13). */
uint32_t vgic_id_reg(unsigned version, bool gicr, uint32_t off)
{
	static const uint8_t ids[] = {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};

	if (off / 4 >= ARRAY_SIZE(ids)) {
		return 0;
	}
	if (version == 2) {
		/* PIDR4, PIDR0 and PIDR2.ArchRev of a GICv2 (IHI 0048B 4.3.18, GIC-400). */
		switch (off) {
		case 0x00:
			return 0x04;
		case 0x10:
			return 0x90;
		case 0x18:
			return 0x2b;
		}
	}
	return off == 0x10 && gicr ? 0x93 : ids[off / 4];
}
