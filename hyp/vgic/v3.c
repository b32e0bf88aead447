/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv3 distributor and redistributors (IHI 0069 12.9-12.11): affinity routing always on, one
 * security state, no LPIs, no message-based SPIs. The CPU interface is the host's ICV registers.
 * Sizes as 12.1.3 gives them; what does not fit its register is RAZ/WI, as in QEMU.
 */
#include "internal.h"

#define GICD_CTLR 0x0000u
#define GICD_TYPER 0x0004u
#define GICD_IIDR 0x0008u
#define GICD_IROUTER 0x6000u /* 8 bytes each; those of private interrupts are reserved */
#define GICD_IROUTER_LEN 0x2000u
#define FRAME_IDS 0xffd0u
#define FRAME_SIZE 0x10000u

#define CTLR_ARE BIT32(4)
#define CTLR_DS BIT32(6)
#define TYPER_IDBITS (15u << 19) /* 16 bits, as QEMU */
#define TYPER_A3V BIT32(24)
/* Aff3 and IRM, Aff2..Aff0. */
#define IROUTER_MASK (GENMASK(39, 32) | BIT(31) | GENMASK(23, 0))

#define GICR_CTLR 0x0000u
#define GICR_IIDR 0x0004u
#define GICR_TYPER 0x0008u
#define GICR_WAKER 0x0014u
#define GICR_PROPBASER 0x0070u
#define GICR_PENDBASER 0x0078u
#define WAKER_SLEEP BIT32(1)
#define WAKER_CHILDREN BIT32(2)
/* 12.11.34 and .32: without the reserved bits; PTZ reads as zero. */
#define PROPBASER_MASK (GENMASK(58, 56) | GENMASK(51, 12) | GENMASK(11, 7) | GENMASK(4, 0))
#define PENDBASER_MASK (GENMASK(58, 56) | GENMASK(51, 16) | GENMASK(11, 7))

/* The part of a 64-bit register that an access of 4 or 8 bytes means: how far up it is. */
static unsigned part(uint32_t off) { return (off & 4) * 8; }

static uint64_t part_write(uint64_t reg, uint32_t off, unsigned size, uint64_t val)
{
	uint64_t mask = UINT64_MAX >> (64 - 8 * size) << part(off);

	return (reg & ~mask) | val << part(off);
}

/* NULL: none there, or no access of its size. */
static struct vgic_irq *irouter_irq(struct vm *vm, uint32_t off, unsigned size)
{
	return off - GICD_IROUTER < GICD_IROUTER_LEN && size >= 4
	           ? vgic_irq_find(vm, NULL, (off - GICD_IROUTER) / 8)
	           : NULL;
}

static enum mmio_result gicd_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	struct vm *vm = v->vm;
	const struct vgic_irq *irq;

	if (size == 4 && off == GICD_TYPER) {
		*val = TYPER_A3V | TYPER_IDBITS | vm->vgic.nr_spis / 32;
	} else if (size == 4 && off == GICD_CTLR) {
		*val = vm->vgic.ctlr | CTLR_ARE | CTLR_DS;
	} else if (size == 4 && off == GICD_IIDR) {
		*val = VGIC_IIDR;
	} else if (size == 4 && off >= FRAME_IDS) {
		*val = vgic_id_reg(FRAME_V3_GICD, off - FRAME_IDS);
	} else {
		irq = irouter_irq(vm, off, size);
		if (!irq) return vgic_field_read(v, NULL, off, size, val);
		*val = irq->irouter >> part(off);
	}
	return MMIO_OK;
}

/* Not inline: other writes need no frame here. */
__attribute__((noinline)) static enum mmio_result irouter_write(struct vm *vm, uint32_t off,
                                                                unsigned size, uint64_t val)
{
	struct vgic_irq *irq = irouter_irq(vm, off, size);

	if (!irq) return MMIO_OK;
	spin_lock(&vm->vgic.lock);
	vgic_irq_begin(irq);
	irq->irouter = part_write(irq->irouter, off, size, val) & IROUTER_MASK;
	vgic_irq_route(vm, irq);
	vgic_irq_end(vm, irq);
	spin_unlock(&vm->vgic.lock);
	return MMIO_OK;
}

static enum mmio_result gicd_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	struct vm *vm = v->vm;

	if (off >= GICD_IROUTER) return irouter_write(vm, off, size, val);
	if (off == GICD_CTLR && size == 4) return vgic_set_groups(vm, (uint32_t)val & CTLR_GROUPS);
	return vgic_field_write(vm, NULL, off, size, val);
}

static uint64_t gicr_typer(const struct vcpu *t)
{
	uint64_t aff = vm_vcpu_mpidr(3, t->id);
	uint64_t last = t->id + 1 == t->vm->nr_vcpus ? BIT(4) : 0;

	return FIELD_GET(GENMASK(39, 32), aff) << 56 | FIELD_GET(GENMASK(23, 0), aff) << 32 |
	       (uint64_t)t->id << 8 | last;
}

/* RD frame. SYNCR reads as "not busy", CTLR has no LPIs to enable: both RAZ. */
static uint64_t rd_read(const struct vcpu *t, uint32_t off, unsigned size)
{
	if (size < 4) return 0;
	switch (off & ~7u) {
	case GICR_TYPER: return gicr_typer(t) >> part(off);
	case GICR_PROPBASER: return t->vgic.propbaser >> part(off);
	case GICR_PENDBASER: return t->vgic.pendbaser >> part(off);
	}
	if (size != 4) return 0;
	if (off == GICR_IIDR) return VGIC_IIDR;
	if (off == GICR_WAKER) return t->vgic.waker_sleep ? WAKER_SLEEP | WAKER_CHILDREN : 0;
	return off >= FRAME_IDS ? vgic_id_reg(FRAME_V3_GICR, off - FRAME_IDS) : 0;
}

/* ProcessorSleep is stored and answered, and holds nothing back: guests exist that never clear it.
 */
static void rd_write(struct vcpu *t, uint32_t off, unsigned size, uint64_t val)
{
	struct vgic_vcpu *c = &t->vgic;

	if (size < 4) return;
	spin_lock(&t->vm->vgic.lock);
	if (off == GICR_WAKER)
		c->waker_sleep = (val & WAKER_SLEEP) != 0;
	else if ((off & ~7u) == GICR_PROPBASER)
		c->propbaser = part_write(c->propbaser, off, size, val) & PROPBASER_MASK;
	else if ((off & ~7u) == GICR_PENDBASER)
		c->pendbaser = part_write(c->pendbaser, off, size, val) & PENDBASER_MASK;
	spin_unlock(&t->vm->vgic.lock);
}

/* The vCPU whose frames off is in; off becomes the offset in them. */
static struct vcpu *gicr_vcpu(struct vm *vm, uint32_t *off)
{
	uint32_t i = *off / (uint32_t)VGIC_GICR_SIZE;

	*off %= (uint32_t)VGIC_GICR_SIZE;
	return i < vm->nr_vcpus ? vm->vcpus[i] : NULL;
}

static enum mmio_result gicr_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	struct vcpu *t = gicr_vcpu(v->vm, &off);

	if (!t)
		*val = 0;
	else if (off < FRAME_SIZE)
		*val = rd_read(t, off, size);
	else
		return vgic_field_read(v, t, off - FRAME_SIZE, size, val);
	return MMIO_OK;
}

static enum mmio_result gicr_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	struct vcpu *t = gicr_vcpu(v->vm, &off);

	if (t && off < FRAME_SIZE)
		rd_write(t, off, size, val);
	else if (t)
		return vgic_field_write(v->vm, t, off - FRAME_SIZE, size, val);
	return MMIO_OK;
}

const struct mmio_ops vgic_v3_gicd_ops = {"gicd", 1 | 2 | 4 | 8, gicd_read, gicd_write};
const struct mmio_ops vgic_v3_gicr_ops = {"gicr", 1 | 2 | 4 | 8, gicr_read, gicr_write};
