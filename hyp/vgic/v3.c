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
#define GICD_IROUTER_END 0x8000u
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

/* The part of a 64-bit register that an access of 4 or 8 bytes sees, and its merge on a write. */
static uint64_t part_read(uint64_t reg, uint32_t off, unsigned size)
{
	return size == 8 ? reg : (uint32_t)(reg >> (off & 4) * 8);
}

static uint64_t part_write(uint64_t reg, uint32_t off, unsigned size, uint64_t val)
{
	uint64_t mask = size == 8 ? ~UINT64_C(0) : UINT64_C(0xffffffff) << (off & 4) * 8;

	return (reg & ~mask) | ((val << (size == 8 ? 0 : (off & 4) * 8)) & mask);
}

static struct vgic_irq *irouter_irq(struct vcpu *v, uint32_t off)
{
	return vgic_irq_find(v->vm, NULL, (off - GICD_IROUTER) / 8);
}

static bool is_irouter(uint32_t off, unsigned size)
{
	return off >= GICD_IROUTER && off < GICD_IROUTER_END && size >= 4;
}

static struct vgic_view gicd_view(struct vcpu *v)
{
	return (struct vgic_view){v->vm, NULL, VGIC_NR_PRIVATE + v->vm->vgic.nr_spis};
}

static enum mmio_result gicd_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	const struct vgic_vm *g = &v->vm->vgic;
	struct vgic_view w = gicd_view(v);

	(void)dev;
	*val = 0;
	if (is_irouter(off, size)) {
		const struct vgic_irq *irq = irouter_irq(v, off);

		*val = irq ? part_read(irq->irouter, off, size) : 0;
	} else if (off < 0x1000 && vgic_field_read(&w, off, size, val)) {
		return MMIO_OK;
	} else if (size != 4) {
		return MMIO_OK;
	} else if (off == GICD_TYPER) {
		*val = TYPER_A3V | TYPER_IDBITS | g->nr_spis / 32;
	} else if (off == GICD_CTLR) {
		*val = g->ctlr | CTLR_ARE | CTLR_DS;
	} else if (off == GICD_IIDR) {
		*val = VGIC_IIDR;
	} else if (off >= FRAME_IDS) {
		*val = vgic_id_reg(3, false, off - FRAME_IDS);
	}
	return MMIO_OK;
}

static void irouter_write(struct vcpu *v, uint32_t off, unsigned size, uint64_t val)
{
	struct vgic_irq *irq = irouter_irq(v, off);

	if (!irq) {
		return;
	}
	spin_lock(&v->vm->vgic.lock);
	val = part_write(irq->irouter, off, size, val) & IROUTER_MASK;
	if (irq->irouter != val) {
		vgic_irq_begin(irq);
		irq->irouter = val;
		vgic_irq_route(v->vm, irq);
		vgic_irq_end(v->vm, irq);
	}
	spin_unlock(&v->vm->vgic.lock);
}

static enum mmio_result gicd_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	struct vgic_view w = gicd_view(v);

	(void)dev;
	if (is_irouter(off, size)) {
		irouter_write(v, off, size, val);
	} else if (off == GICD_CTLR && size == 4) {
		vgic_set_groups(v->vm, (uint32_t)val & CTLR_GROUPS);
	} else if (off < 0x1000) {
		vgic_field_write(&w, off, size, val);
	}
	return MMIO_OK;
}

static uint64_t gicr_typer(const struct vm *vm, const struct vcpu *v)
{
	uint64_t aff = vm_vcpu_mpidr(3, v->id);
	uint64_t last = v->id + 1 == vm->nr_vcpus ? BIT(4) : 0;

	return FIELD_GET(GENMASK(39, 32), aff) << 56 | FIELD_GET(GENMASK(23, 0), aff) << 32 |
	       (uint64_t)v->id << 8 | last;
}

/* RD frame. SYNCR reads as "not busy", CTLR has no LPIs to enable: both RAZ. */
static enum mmio_result rd_read(struct vcpu *t, uint32_t off, unsigned size, uint64_t *val)
{
	const struct vgic_vcpu *c = &t->vgic;

	switch (off & ~7u) {
	case GICR_TYPER:
		*val = size >= 4 ? part_read(gicr_typer(t->vm, t), off, size) : 0;
		return MMIO_OK;
	case GICR_PROPBASER:
		*val = size >= 4 ? part_read(c->propbaser, off, size) : 0;
		return MMIO_OK;
	case GICR_PENDBASER:
		*val = size >= 4 ? part_read(c->pendbaser, off, size) : 0;
		return MMIO_OK;
	}
	if (size != 4) {
		return MMIO_OK;
	}
	if (off == GICR_IIDR) {
		*val = VGIC_IIDR;
	} else if (off == GICR_WAKER) {
		*val = c->waker_sleep ? WAKER_SLEEP | WAKER_CHILDREN : 0;
	} else if (off >= FRAME_IDS) {
		*val = vgic_id_reg(3, true, off - FRAME_IDS);
	}
	return MMIO_OK;
}

/* ProcessorSleep is stored and answered, and holds nothing back: guests exist that never clear it.
 */
static void rd_write(struct vcpu *t, uint32_t off, unsigned size, uint64_t val)
{
	struct vgic_vcpu *c = &t->vgic;

	if (size < 4) {
		return;
	}
	spin_lock(&t->vm->vgic.lock);
	if (off == GICR_WAKER) {
		c->waker_sleep = (val & WAKER_SLEEP) != 0;
	} else if ((off & ~7u) == GICR_PROPBASER) {
		c->propbaser = part_write(c->propbaser, off, size, val) & PROPBASER_MASK;
	} else if ((off & ~7u) == GICR_PENDBASER) {
		c->pendbaser = part_write(c->pendbaser, off, size, val) & PENDBASER_MASK;
	}
	spin_unlock(&t->vm->vgic.lock);
}

/* The vCPU whose frames off is in; off becomes the offset in them. */
static struct vcpu *gicr_vcpu(struct vcpu *v, uint32_t *off)
{
	uint32_t i = *off / (uint32_t)VGIC_GICR_SIZE;

	*off %= (uint32_t)VGIC_GICR_SIZE;
	return i < v->vm->nr_vcpus ? v->vm->vcpus[i] : NULL;
}

static enum mmio_result gicr_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	struct vcpu *t = gicr_vcpu(v, &off);
	struct vgic_view w = {v->vm, t, VGIC_NR_PRIVATE};

	(void)dev;
	*val = 0;
	if (!t) {
		return MMIO_OK;
	}
	if (off < FRAME_SIZE) {
		return rd_read(t, off, size, val);
	}
	off -= FRAME_SIZE;
	if (off < 0x1000) {
		vgic_field_read(&w, off, size, val);
	}
	return MMIO_OK;
}

static enum mmio_result gicr_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	struct vcpu *t = gicr_vcpu(v, &off);
	struct vgic_view w = {v->vm, t, VGIC_NR_PRIVATE};

	(void)dev;
	if (!t) {
		return MMIO_OK;
	}
	if (off < FRAME_SIZE) {
		rd_write(t, off, size, val);
	} else if (off - FRAME_SIZE < 0x1000) {
		vgic_field_write(&w, off - FRAME_SIZE, size, val);
	}
	return MMIO_OK;
}

const struct mmio_ops vgic_v3_gicd_ops = {"gicd", 1 | 2 | 4 | 8, gicd_read, gicd_write};
const struct mmio_ops vgic_v3_gicr_ops = {"gicr", 1 | 2 | 4 | 8, gicr_read, gicr_write};
