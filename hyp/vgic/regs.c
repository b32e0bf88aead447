/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers with a field per interrupt, one table for GICD of both versions and GICR's SGI frame
 * (IHI 0048B 4.3, IHI 0069 12.9, 12.11), and the ID registers.
 */
#include "internal.h"

struct field {
	uint16_t off, len;      /* bytes */
	uint8_t log_bits, mask; /* of 1 << log_bits bits */
	uint8_t flags;
	/* Without get: this byte of struct vgic_irq, shifted. */
	uint8_t byte, shift;
	uint32_t (*get)(struct vm *vm, struct vgic_irq *irq);
	void (*set)(struct vm *vm, struct vgic_irq *irq, uint32_t val);
};
#define V2 BIT32(0)    /* only GICv2 machines have it */
#define ONES BIT32(1)  /* writes: only where a bit is set */
#define CLEAR BIT32(2) /* with ONES: those bits are cleared */
#define LIVE BIT32(3)  /* wants the state that is in list registers; else set only if it differs */

static void set_flag(struct vm *vm, struct vgic_irq *irq, bool *flag, uint32_t on)
{
	vgic_irq_begin(irq);
	*flag = on != 0;
	vgic_irq_end(vm, irq);
}

static void set_group(struct vm *vm, struct vgic_irq *irq, uint32_t group1)
{
	set_flag(vm, irq, &irq->group1, group1);
}

static void set_enabled(struct vm *vm, struct vgic_irq *irq, uint32_t on)
{
	if (!vgic_is_sgi_v2(vm, irq)) set_flag(vm, irq, &irq->enabled, on);
}

/* Bit 1 of the two: edge. SGIs are edges for ever (IHI 0048B 4.3.13). */
static void set_config(struct vm *vm, struct vgic_irq *irq, uint32_t edge)
{
	if (irq->intid >= GIC_NR_SGI) set_flag(vm, irq, &irq->edge, edge);
}

static uint32_t get_pending(struct vm *vm, struct vgic_irq *irq)
{
	struct vcpu *v = vgic_irq_owner(vm, irq);

	/* In another CPU's list register: as far as known; it was asked to fold. */
	if (irq->latch || irq->sgi_sources != 0 || (irq->in_lr && irq->lr_latch)) return 1;
	/* A linked line is the timer's output, not what was injected of it. */
	if (irq->hw && irq->lops && v && (v->vgic.cpu < 0 || vgic_here(v)))
		return irq->lops->level(v, irq->intid);
	return vgic_irq_pending(irq);
}

/* SGIs of a GICv2 are made pending by SGIR and SPENDSGIR alone (IHI 0048B 4.3.7). */
static void set_pending(struct vm *vm, struct vgic_irq *irq, uint32_t on)
{
	if (vgic_is_sgi_v2(vm, irq)) return;
	vgic_irq_begin(irq);
	irq->latch = on != 0;
	irq->lr_latch = irq->lr_latch && on; /* in another CPU's LR: its fold drops it */
	vgic_irq_end(vm, irq);
}

static uint32_t get_active(struct vm *vm, struct vgic_irq *irq)
{
	return irq->active_req != VGIC_NO_REQ ? irq->active_req == VGIC_SET_ACTIVE : irq->active;
}

static void set_active(struct vm *vm, struct vgic_irq *irq, uint32_t on)
{
	vgic_irq_set_active(vm, irq, on != 0);
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
	if (vm->nr_vcpus == 1) return 0;
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

#define BITS(log_bits) (log_bits), BIT32(1 << (log_bits)) - 1
#define BYTE(member, shift) offsetof(struct vgic_irq, member), shift, NULL
static const struct field fields[] = {
    {0x100, 0x080, BITS(0), ONES, BYTE(enabled, 0), set_enabled},
    {0x180, 0x080, BITS(0), ONES | CLEAR, BYTE(enabled, 0), set_enabled},
    {0x200, 0x080, BITS(0), ONES | LIVE, 0, 0, get_pending, set_pending},
    {0x280, 0x080, BITS(0), ONES | CLEAR | LIVE, 0, 0, get_pending, set_pending},
    {0x300, 0x080, BITS(0), ONES | LIVE, 0, 0, get_active, set_active},
    {0x380, 0x080, BITS(0), ONES | CLEAR | LIVE, 0, 0, get_active, set_active},
    {0x400, 0x400, BITS(3), 0, BYTE(priority, 0), set_priority},
    {0x800, 0x400, BITS(3), V2 | LIVE, 0, 0, get_targets, set_targets},
    {0xc00, 0x100, BITS(1), 0, BYTE(edge, 1), set_config},
    {0x080, 0x080, BITS(0), 0, BYTE(group1, 0), set_group},
    /* CPENDSGIR, SPENDSGIR: a byte of sources for each SGI. */
    {0xf10, 0x010, BITS(3), V2 | ONES | LIVE, BYTE(sgi_sources, 0), clear_sources},
    {0xf20, 0x010, BITS(3), V2 | ONES | LIVE, BYTE(sgi_sources, 0), set_sources},
};

/*
 * The field at off, and the first interrupt of an access; NULL: none. Up to 32 fields, aligned: its
 * other interrupts follow in memory, for private ones and SPIs come in multiples of 32. A
 * redistributor (GICv3, priv set) has private ones alone.
 */
static inline struct vgic_irq *find(struct vm *vm, struct vcpu *priv, uint32_t off, unsigned size,
                                    const struct field **out)
{
	const struct field *f = fields;
	uint32_t intid;

	while (off - f->off >= f->len)
		if (++f == fields + ARRAY_SIZE(fields)) return NULL;
	*out = f;
	intid = (off - f->off) * 8 >> f->log_bits;
	if (size > 4 ||
	    (vm->vgic.version == 3 && ((f->flags & V2) || (priv && intid >= VGIC_NR_PRIVATE))))
		return NULL;
	return vgic_irq_find(vm, priv, intid);
}

static uint8_t get_byte(const struct vgic_irq *irq, const struct field *f)
{
	return ((const uint8_t *)irq)[f->byte];
}

static uint32_t get_live(struct vm *vm, struct vgic_irq *irq, const struct field *f)
{
	bool in_lr = irq->in_lr;
	uint32_t val;

	if (in_lr) vgic_irq_begin(irq);
	val = f->get ? f->get(vm, irq) : get_byte(irq, f);
	if (in_lr) vgic_irq_end(vm, irq);
	return val;
}

static uint64_t get_bytes(const struct vgic_irq *first, unsigned n, const struct field *f)
{
	unsigned bits = 1u << f->log_bits;
	uint64_t val = 0;

	while (n-- > 0) val = val << bits | get_byte(first + n, f);
	return val << f->shift;
}

/*
 * irq's state is in a list register of another CPU, which get_live() has asked to fold: has it,
 * since this read (repeated until then) asked first? A guest that waits for "not active" must not
 * believe what was true before it looked.
 */
static bool folded_since(struct vcpu *by, const struct vcpu *holder)
{
	struct vgic_vcpu *c = &by->vgic;
	uint32_t bit = BIT32(holder->id);

	if (!(c->asked & bit)) {
		c->asked |= bit;
		c->asked_folds[holder->id] = holder->vgic.folds;
	}
	return c->asked_folds[holder->id] != holder->vgic.folds;
}

enum mmio_result vgic_field_read(struct vcpu *by, struct vcpu *priv, uint32_t off, unsigned size,
                                 uint64_t *val)
{
	struct vm *vm = by->vm;
	const struct field *f;
	struct vgic_irq *first = find(vm, priv, off, size, &f);
	bool again = false;
	unsigned n;

	*val = 0;
	if (!first) return MMIO_OK;
	n = size * 8 >> f->log_bits;
	spin_lock(&vm->vgic.lock);
	if (!(f->flags & LIVE)) *val = get_bytes(first, n, f);
	while ((f->flags & LIVE) && n-- > 0) {
		const struct vgic_irq *irq = first + n;

		*val = *val << (1u << f->log_bits) | get_live(vm, first + n, f);
		if (irq->in_lr && !vgic_here(irq->on_list))
			again |= !folded_since(by, irq->on_list);
	}
	if (!again) by->vgic.asked = 0;
	spin_unlock(&vm->vgic.lock);
	return again ? MMIO_AGAIN : MMIO_OK;
}

enum mmio_result vgic_field_write(struct vm *vm, struct vcpu *priv, uint32_t off, unsigned size,
                                  uint64_t val)
{
	const struct field *f;
	struct vgic_irq *first = find(vm, priv, off, size, &f);
	uint64_t todo;

	if (!first) return MMIO_OK;
	todo = f->flags & ONES ? val : UINT64_MAX >> (64 - 8 * size);
	spin_lock(&vm->vgic.lock);
	while (todo != 0) {
		unsigned n = (unsigned)__builtin_ctzll(todo) >> f->log_bits;
		unsigned at = n << f->log_bits;
		uint32_t one = f->flags & CLEAR ? 0 : (uint32_t)(val >> at & f->mask) >> f->shift;

		todo &= ~((uint64_t)f->mask << at);
		if ((f->flags & LIVE) || one != get_byte(first + n, f)) f->set(vm, first + n, one);
	}
	spin_unlock(&vm->vgic.lock);
	return MMIO_OK;
}

enum mmio_result vgic_set_groups(struct vm *vm, uint32_t groups)
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
	return MMIO_OK;
}

/*
 * PIDR4..7, PIDR0..3, CIDR0..3 as Arm's implementations have them (IHI 0069 12.1.13; GICv2: IHI
 * 0048B 4.3.18, GIC-400): GICD of v2, of v3, GICR.
 */
uint32_t vgic_id_reg(enum vgic_frame frame, uint32_t off)
{
	static const uint8_t ids[][12] = {
	    {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1},
	    {0x44, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1},
	    {0x44, 0, 0, 0, 0x93, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1},
	};

	return off / 4 < ARRAY_SIZE(ids[0]) ? ids[frame][off / 4] : 0;
}
