/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of GICv2 (IHI 0048B 4.3) and GICv3 (IHI 0069 12.9-12.11: affinity routing always on,
 * one security state, no LPIs, no message-based SPIs). CPU interfaces are the host's GICV or ICV.
 */
#include "internal.h"

#define GICD_IROUTER_LEN 0x2000u
#define V2_IDS 0x0fd0u
#define V3_IDS 0xffd0u

#define CTLR_DS BIT32(6)
#define TYPER_IDBITS (15u << 19) /* 16 bits, as QEMU */
#define TYPER_A3V BIT32(24)
/* Arm (JEP106 0x43b), as QEMU; software takes 0 for "no GIC". */
#define IIDR 0x43bu

#define GICR_IIDR 0x0004u
/* Aff3 and IRM, Aff2..Aff0. */
#define IROUTER_MASK (GENMASK(39, 32) | BIT(31) | GENMASK(23, 0))

/*
 * Registers with a field per interrupt, at the same offsets in GICD of both versions and GICR's SGI
 * frame. All take accesses of 1, 2 and 4 bytes, as QEMU's GICv2 does; the manuals ask it of some
 * (IHI 0048B 4.1.4).
 */
struct field {
	uint16_t off, len;      /* bytes */
	uint8_t log_bits, mask; /* of 1 << log_bits bits; those that can be set */
	uint8_t flags;
	uint8_t ro[2];       /* writes to INTIDs below are ignored: GICv2, GICv3 */
	uint8_t byte, shift; /* this byte of struct vgic_irq, shifted */
	/* Instead. To set: what is written in the field; to clear: with CLEAR. */
	uint32_t (*get)(const struct vgic_irq *irq);
	void (*set)(struct vm *vm, struct vgic_irq *irq, uint32_t val, bool clear);
};
#define V2 BIT32(0)    /* only GICv2 machines have it */
#define ONES BIT32(1)  /* writes: only where a bit is set */
#define CLEAR BIT32(2) /* those bits are cleared */
#define LIVE BIT32(3)  /* wants the state that is in list registers; else set only if it differs */
#define CPUS BIT32(4)  /* a mask of CPUs that exist */
#define MANY BIT32(5)  /* RAZ/WI in a machine of one CPU */

static uint32_t get_pending(const struct vgic_irq *irq)
{
	struct vcpu *v = irq->to;

	/* In another CPU's list register: as far as known; it was asked to fold. */
	if (irq->latch != 0 || (irq->in_lr && irq->lr_latch)) return 1;
	/* A linked line is the timer's output, not what was injected of it. */
	if (irq->pintid && v && vgic_asks(v)) return vgic_irq_asserted(v, irq);
	return vgic_irq_pending(irq);
}

static void set_pending(struct vm *vm, struct vgic_irq *irq, uint32_t val, bool clear)
{
	vgic_irq_begin(irq);
	irq->latch = !clear;
	irq->lr_latch = irq->lr_latch && !clear; /* in another CPU's LR: its fold drops it */
	vgic_irq_end(vm, irq);
}

static uint32_t get_active(const struct vgic_irq *irq)
{
	return irq->active_req != VGIC_NO_REQ ? irq->active_req == VGIC_SET_ACTIVE : irq->active;
}

static void set_active(struct vm *vm, struct vgic_irq *irq, uint32_t val, bool clear)
{
	vgic_irq_begin(irq);
	if (irq->in_lr)
		irq->active_req = clear ? VGIC_CLEAR_ACTIVE : VGIC_SET_ACTIVE;
	else
		irq->active = !clear;
	vgic_irq_end(vm, irq);
}

/* Of an SGI of GICv2: a byte of sources. */
static uint32_t get_sources(const struct vgic_irq *irq) { return irq->latch; }

static void set_sources(struct vm *vm, struct vgic_irq *irq, uint32_t val, bool clear)
{
	vgic_irq_begin(irq);
	irq->latch = (uint8_t)(clear ? irq->latch & ~val : irq->latch | val);
	vgic_irq_end(vm, irq);
}

#define BYTE(member, shift) offsetof(struct vgic_irq, member), shift, NULL, NULL
static const struct field fields[] = {
    /* SGIs of a GICv2 are always enabled, as on GIC-400 and QEMU. */
    {0x100, 0x080, 0, 1, ONES, {16, 0}, BYTE(enabled, 0)},
    {0x180, 0x080, 0, 1, ONES | CLEAR, {16, 0}, BYTE(enabled, 0)},
    /* SGIs of a GICv2 are made pending by SGIR and SPENDSGIR alone (IHI 0048B 4.3.7). */
    {0x200, 0x080, 0, 1, ONES | LIVE, {16, 0}, 0, 0, get_pending, set_pending},
    {0x280, 0x080, 0, 1, ONES | CLEAR | LIVE, {16, 0}, 0, 0, get_pending, set_pending},
    {0x300, 0x080, 0, 1, ONES | LIVE, {0, 0}, 0, 0, get_active, set_active},
    {0x380, 0x080, 0, 1, ONES | CLEAR | LIVE, {0, 0}, 0, 0, get_active, set_active},
    /* Five bits, as a list register of either version has at least. */
    {0x400, 0x400, 3, 0xf8, 0, {0, 0}, BYTE(priority, 0)},
    /* RAZ/WI: IHI 0048B 4.3.12. */
    {0x800, 0x400, 3, 0xff, V2 | CPUS | MANY, {32, 0}, BYTE(route, 0)},
    /* Bit 1 of the two: edge. SGIs are edges for ever (IHI 0048B 4.3.13). */
    {0xc00, 0x100, 1, 2, 0, {16, 16}, BYTE(edge, 1)},
    {0x080, 0x080, 0, 1, 0, {0, 0}, BYTE(group1, 0)},
    /* CPENDSGIR, SPENDSGIR. */
    {0xf10, 0x010, 3, 0xff, V2 | CPUS | CLEAR | LIVE, {0, 0}, 0, 0, get_sources, set_sources},
    {0xf20, 0x010, 3, 0xff, V2 | CPUS | LIVE, {0, 0}, 0, 0, get_sources, set_sources},
};

/*
 * The field at off, and the first interrupt of an access; NULL: RAZ/WI. Up to 32 fields, aligned:
 * its other interrupts follow in memory, for private ones and SPIs come in multiples of 32. A
 * redistributor (GICv3, priv set) has private ones alone, a GICv3's distributor has none.
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

static uint8_t *byte_of(struct vgic_irq *irq, const struct field *f)
{
	return (uint8_t *)irq + f->byte;
}

/*
 * Interrupt state is in a list register of another CPU: has that folded since this read (repeated
 * until then) asked first? A guest that waits for "not active" must not believe what was true
 * before it looked.
 */
static bool folded_since(struct vcpu *by, struct vcpu *holder)
{
	if (!(by->vgic.asked & BIT32(holder->id))) {
		by->vgic.asked |= BIT32(holder->id);
		holder->vgic.askers |= BIT32(by->id);
	}
	return !(holder->vgic.askers & BIT32(by->id));
}

static enum mmio_result field_read(struct vcpu *by, struct vcpu *priv, uint32_t off, unsigned size,
                                   uint64_t *val)
{
	struct vm *vm = by->vm;
	const struct field *f;
	struct vgic_irq *first = find(vm, priv, off, size, &f);
	unsigned n, width;
	bool again = false;
	uint64_t all = 0;

	*val = 0;
	if (!first) return MMIO_OK;
	width = 1u << f->log_bits;
	n = size * 8 / width;
	if (!(f->flags & LIVE)) {
		/* Without the lock: each is a byte of its own, as it is now or was a moment ago. */
		while (n-- > 0)
			all = all << width | (uint32_t)load_relaxed(byte_of(first + n, f))
			                         << f->shift;
		*val = all;
		return MMIO_OK;
	}
	spin_lock(&vm->vgic.lock);
	while (n-- > 0) {
		struct vgic_irq *irq = first + n;
		bool in_lr = irq->in_lr;

		if (in_lr) vgic_irq_begin(irq);
		*val = *val << width | f->get(irq);
		if (in_lr) vgic_irq_end(vm, irq);
		if (irq->in_lr) again |= !folded_since(by, irq->on_list);
	}
	if (!again) by->vgic.asked = 0;
	spin_unlock(&vm->vgic.lock);
	return again ? MMIO_AGAIN : MMIO_OK;
}

static void set_one(struct vm *vm, struct vgic_irq *irq, const struct field *f, uint32_t val)
{
	bool clear = (f->flags & CLEAR) != 0;

	if (irq->intid < f->ro[vm->vgic.version == 3]) return;
	if ((f->flags & MANY) && vm->nr_vcpus == 1) return;
	if (f->flags & CPUS) val &= BIT32(vm->nr_vcpus) - 1;
	if (f->set) {
		f->set(vm, irq, val, clear);
		return;
	}
	vgic_irq_begin(irq);
	*byte_of(irq, f) = clear ? 0 : (uint8_t)(val >> f->shift);
	vgic_irq_end(vm, irq);
}

/* Not inline: a write that changes nothing needs no frame. */
__attribute__((noinline)) static enum mmio_result set_fields(struct vm *vm, struct vgic_irq *first,
                                                             const struct field *f, uint32_t val,
                                                             uint32_t todo)
{
	spin_lock(&vm->vgic.lock);
	for (; todo != 0; todo &= todo - 1) {
		unsigned at = (unsigned)__builtin_ctz(todo);

		set_one(vm, first + (at >> f->log_bits), f, val >> at & f->mask);
	}
	spin_unlock(&vm->vgic.lock);
	return MMIO_OK;
}

static enum mmio_result field_write(struct vm *vm, struct vcpu *priv, uint32_t off, unsigned size,
                                    uint64_t val)
{
	/* The lowest bit of each field, by log_bits. */
	static const uint32_t lowest[] = {0xffffffff, 0x55555555, 0x11111111, 0x01010101};
	const struct field *f;
	struct vgic_irq *first = find(vm, priv, off, size, &f);
	uint32_t todo, left, want = (uint32_t)val;

	if (!first) return MMIO_OK;
	todo = f->flags & ONES ? want : lowest[f->log_bits] & UINT32_MAX >> (32 - 8 * size);
	if (f->flags & LIVE) return set_fields(vm, first, f, want, todo);
	/* Without the lock: what it is already, it is made before whoever changes it now. */
	for (left = todo; left != 0; left &= left - 1) {
		unsigned at = (unsigned)__builtin_ctz(left);
		uint32_t is = (uint32_t)load_relaxed(byte_of(first + (at >> f->log_bits), f));

		if (is << f->shift != (f->flags & CLEAR ? 0 : want >> at & f->mask))
			return set_fields(vm, first, f, want, left);
	}
	return MMIO_OK;
}

/* The group enables. */
__attribute__((noinline)) static enum mmio_result set_groups(struct vm *vm, uint32_t groups)
{
	struct vgic_vm *g = &vm->vgic;

	spin_lock(&g->lock);
	if (g->ctlr != groups) {
		g->ctlr = groups;
		vgic_irqs_again(vm, 0);
	}
	spin_unlock(&g->lock);
	return MMIO_OK;
}

/*
 * PIDR4..7, PIDR0..3, CIDR0..3, from their beginning, as Arm's implementations have them (IHI 0069
 * 12.1.13; GICv2: IHI 0048B 4.3.18, GIC-400). part: that of the frame, PIDR0.
 */
static uint32_t id_reg(bool v3, uint8_t part, uint32_t off)
{
	const uint8_t ids[] = {v3 ? 0x44 : 0x04, 0, 0,    0,    part, 0xb4,
	                       v3 ? 0x3b : 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1};

	return off / 4 < ARRAY_SIZE(ids) ? ids[off / 4] : 0;
}

/* The part of a 64-bit register that an access of 4 or 8 bytes means: how far up it is. */
static unsigned part(uint32_t off) { return (off & 4) * 8; }

/* NULL: none there, or no access of its size. */
static struct vgic_irq *irouter_irq(struct vm *vm, uint32_t off, unsigned size)
{
	return vm->vgic.version == 3 && off - GICD_IROUTER < GICD_IROUTER_LEN && size >= 4
	           ? vgic_irq_find(vm, NULL, (off - GICD_IROUTER) / 8)
	           : NULL;
}

#define SGIR_FILTER GENMASK(25, 24)
#define SGIR_TARGETS GENMASK(23, 16)
#define SGIR_INTID GENMASK(3, 0)

/* GICD_SGIR (IHI 0048B 4.3.15). NSATT is for two security states. */
__attribute__((noinline)) static enum mmio_result sgir_write(struct vcpu *v, uint64_t val)
{
	uint32_t self = BIT32(v->id);
	/* By filter; the last is reserved. */
	const uint32_t to[] = {(uint32_t)FIELD_GET(SGIR_TARGETS, val), ~self, self, 0};

	vgic_send_sgi(v, to[FIELD_GET(SGIR_FILTER, val)], (unsigned)FIELD_GET(SGIR_INTID, val),
	              true);
	return MMIO_OK;
}

/* ICC_SGIxR_EL1 (IHI 0069 12.2.21). */
#define SGI1R_AFFINITY (GENMASK(55, 44) | GENMASK(39, 32) | GENMASK(23, 16)) /* Aff3, RS, 2, 1 */
#define SGI1R_IRM BIT(40)
#define SGI1R_INTID GENMASK(27, 24)
#define SGI1R_LIST GENMASK(15, 0)

_Static_assert(MAX_VCPUS <= 16, "GICv3 machines have one cluster: Aff0 is the vCPU's number");

/* With one security state SGI1R reaches both groups, the others group 0 (IHI 0069 table 12-14). */
void vgic_sgir_write(struct vcpu *v, uint64_t val, bool group1)
{
	uint32_t to = (uint32_t)(val & SGI1R_LIST);

	if (val & SGI1R_IRM)
		to = ~BIT32(v->id);
	else if (val & SGI1R_AFFINITY)
		return;
	vgic_send_sgi(v, to, (unsigned)FIELD_GET(SGI1R_INTID, val), group1);
}

/* Not inline: other writes need no frame here. */
__attribute__((noinline)) static enum mmio_result irouter_write(struct vm *vm, uint32_t off,
                                                                unsigned size, uint64_t val)
{
	struct vgic_irq *irq = irouter_irq(vm, off, size);
	uint64_t mask = UINT64_MAX >> (64 - 8 * size) << part(off);

	if (!irq) return MMIO_OK;
	spin_lock(&vm->vgic.lock);
	vgic_irq_begin(irq);
	irq->route = ((irq->route & ~mask) | val << part(off)) & IROUTER_MASK;
	vgic_irq_end(vm, irq);
	spin_unlock(&vm->vgic.lock);
	return MMIO_OK;
}

/* Those that are no fields take 32-bit accesses; so does GICC_DIR alone. A GICv3's private
 * interrupts are not here. */
static enum mmio_result gicd_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	struct vm *vm = v->vm;
	bool v3 = vm->vgic.version == 3;
	const struct vgic_irq *irq;

	if (size == 4 && off == GICD_TYPER)
		*val = vm->vgic.nr_spis / 32 |
		       (v3 ? TYPER_A3V | TYPER_IDBITS : (vm->nr_vcpus - 1) << 5);
	else if (size == 4 && off == GICD_CTLR)
		*val = vm->vgic.ctlr | (v3 ? GICD_CTLR_ARE | CTLR_DS : 0);
	else if (size == 4 && off == GICD_IIDR)
		*val = IIDR;
	else if (size == 4 && off >= (v3 ? V3_IDS : V2_IDS))
		*val = id_reg(v3, v3 ? 0x92 : 0x90, off - (v3 ? V3_IDS : V2_IDS));
	else if ((irq = irouter_irq(vm, off, size)) != NULL)
		*val = irq->route >> part(off);
	else if (off >= VGIC_GICD_SIZE)
		return MMIO_ABORT;
	else
		return field_read(v, v3 ? NULL : v, off, size, val);
	return MMIO_OK;
}

void vgic_dir_write(struct vcpu *v, uint32_t intid)
{
	struct vgic_irq *irq;

	/* With EOImode 0 it has no effect. */
	if (!arch_gic_vmcr_read().split) return;
	spin_lock(&v->vm->vgic.lock);
	irq = vgic_irq_find(v->vm, v, intid);
	if (irq) set_active(v->vm, irq, 0, true);
	spin_unlock(&v->vm->vgic.lock);
}

/*
 * GICC_DIR, alone in the second page of a GICv2's CPU interface: through GICV it would say of an
 * active interrupt outside the list registers only that there was one.
 */
static enum mmio_result v2_dir_write(struct vcpu *v, uint32_t off, unsigned size, uint64_t val)
{
	if (off >= VGIC_GICD_SIZE && size != 4) return MMIO_ABORT;
	if (off == v->vm->machine->gicc + PAGE_SIZE - v->vm->machine->gicd)
		vgic_dir_write(v, (uint32_t)val & 0x3ff);
	return MMIO_OK;
}

static enum mmio_result gicd_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	struct vm *vm = v->vm;
	bool v3 = vm->vgic.version == 3;

	if (off >= GICD_IROUTER)
		return v3 ? irouter_write(vm, off, size, val) : v2_dir_write(v, off, size, val);
	if (off == GICD_CTLR && size == 4) return set_groups(vm, (uint32_t)val & CTLR_GROUPS);
	if (off == GICD_SGIR && size == 4 && !v3) return sgir_write(v, val);
	return field_write(vm, v3 ? NULL : v, off, size, val);
}

/* The vCPU whose frames off is in; off becomes the offset in them. */
static struct vcpu *gicr_vcpu(struct vm *vm, uint32_t *off)
{
	uint32_t i = *off / (uint32_t)VGIC_GICR_SIZE;

	*off %= (uint32_t)VGIC_GICR_SIZE;
	return vm->vcpus[array_index_nospec(i, vm->nr_vcpus)];
}

/* SYNCR reads as "not busy", CTLR has no LPIs to enable, nor has PROPBASER: all RAZ/WI. */
static enum mmio_result gicr_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	struct vcpu *t = gicr_vcpu(v->vm, &off);

	if (off >= GICR_SGI_FRAME) return field_read(v, t, off - GICR_SGI_FRAME, size, val);
	if (size >= 4 && (off & ~7u) == GICR_TYPER)
		*val = ((uint64_t)t->id << 32 | t->id << 8 |
		        (t->id + 1 == v->vm->nr_vcpus ? GICR_TYPER_LAST : 0)) >>
		       part(off);
	else if (size == 4 && off == GICR_IIDR)
		*val = IIDR;
	else if (size == 4 && off == GICR_WAKER)
		*val = load_relaxed(&t->vgic.waker);
	else
		*val = size == 4 ? id_reg(true, 0x93, off - V3_IDS) : 0;
	return MMIO_OK;
}

/* ProcessorSleep is stored and answered, and holds nothing back: guests exist that never clear it.
 */
static enum mmio_result gicr_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	struct vcpu *t = gicr_vcpu(v->vm, &off);

	if (off >= GICR_SGI_FRAME) return field_write(v->vm, t, off - GICR_SGI_FRAME, size, val);
	if (off == GICR_WAKER && size >= 4)
		store_relaxed(&t->vgic.waker, val & 2 ? GICR_WAKER_ASLEEP : 0);
	return MMIO_OK;
}

static const struct mmio_ops gicd_v2_ops = {1 | 2 | 4, gicd_read, gicd_write};
static const struct mmio_ops gicd_v3_ops = {1 | 2 | 4 | 8, gicd_read, gicd_write};
static const struct mmio_ops gicr_v3_ops = {1 | 2 | 4 | 8, gicr_read, gicr_write};

enum hyp_err vgic_map_regs(struct vm *vm)
{
	const struct machine *m = vm->machine;

	/* Up to and with the second page of GICC; the first one is mapped in stage 2. */
	if (vm->vgic.version == 2)
		return mmio_add(&vm->mmio, ipa(m->gicd), m->gicc + 2 * PAGE_SIZE - m->gicd,
		                &gicd_v2_ops, NULL);
	TRY(mmio_add(&vm->mmio, ipa(m->gicd), VGIC_GICD_SIZE, &gicd_v3_ops, NULL));
	return mmio_add(&vm->mmio, ipa(m->gicr), VGIC_GICR_SIZE * vm->nr_vcpus, &gicr_v3_ops, NULL);
}
