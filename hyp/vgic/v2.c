/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv2 distributor (IHI 0048B 4.3). The CPU interface is the host's GICV. Registers that are not
 * fields of interrupts take 32-bit accesses, others are RAZ/WI there; 64 bits abort everywhere.
 */
#include "internal.h"

#define GICD_CTLR 0x000u
#define GICD_TYPER 0x004u
#define GICD_IIDR 0x008u
#define GICD_SGIR 0xf00u
#define GICD_IDS 0xfd0u

/* 4.3.15. NSATT is for two security states. */
#define SGIR_FILTER GENMASK(25, 24)
#define SGIR_TARGETS GENMASK(23, 16)
#define SGIR_INTID GENMASK(3, 0)

static enum mmio_result gicd_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	struct vm *vm = dev;

	if (size == 4 && off == GICD_TYPER)
		*val = vm->vgic.nr_spis / 32 | (vm->nr_vcpus - 1) << 5;
	else if (size == 4 && off == GICD_CTLR)
		*val = vm->vgic.ctlr;
	else if (size == 4 && off == GICD_IIDR)
		*val = VGIC_IIDR;
	else if (size == 4 && off >= GICD_IDS)
		*val = vgic_id_reg(FRAME_V2_GICD, off - GICD_IDS);
	else
		return vgic_field_read(v, v, off, size, val);
	return MMIO_OK;
}

static void sgir_write(struct vcpu *v, uint64_t val)
{
	uint32_t self = BIT32(v->id);
	/* By filter; the last is reserved. */
	const uint32_t to[] = {(uint32_t)FIELD_GET(SGIR_TARGETS, val), ~self, self, 0};

	vgic_send_sgi(v, to[FIELD_GET(SGIR_FILTER, val)], (unsigned)FIELD_GET(SGIR_INTID, val),
	              true);
}

static enum mmio_result gicd_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                   uint64_t val)
{
	if (off == GICD_SGIR && size == 4) {
		sgir_write(v, val);
		return MMIO_OK;
	}
	if (off == GICD_CTLR && size == 4) return vgic_set_groups(dev, (uint32_t)val & CTLR_GROUPS);
	return vgic_field_write(dev, v, off, size, val);
}

const struct mmio_ops vgic_v2_gicd_ops = {"gicd", 1 | 2 | 4, gicd_read, gicd_write};

/*
 * The second page of the CPU interface, where only DIR is: through GICV it would say of an active
 * interrupt outside the list registers only that there was one. With EOImode 0 it has no effect.
 */
static enum mmio_result dir_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                 uint64_t *val)
{
	*val = 0;
	return MMIO_OK;
}

static enum mmio_result dir_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t val)
{
	if (off == 0 && arch_gic_vmcr_decode(arch_gic_vmcr_read()).split)
		vgic_dir_write(v, (uint32_t)val & 0x3ff);
	return MMIO_OK;
}

const struct mmio_ops vgic_v2_dir_ops = {"gicc", 4, dir_read, dir_write};
