/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv2 with virtualization extensions (IHI 0048B): GIC-400 and QEMU's. Used from the non-secure
 * side or without security, where EnableGrp and EOImode are at the same bits for us.
 */
#include <arch/cpu.h>
#include <arch/mm.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>

#include "gic.h"

#define GICD_CTLR_ENABLE BIT32(0)
#define GICC_CTLR 0x0000u
#define GICC_CTLR_ENABLE BIT32(0)
#define GICC_CTLR_BYPASS GENMASK(8, 5) /* as firmware set them */
#define GICC_CTLR_EOIMODE BIT32(9)
#define GICC_PMR 0x0004u
#define GICC_BPR 0x0008u
#define GICC_APR 0x00d0u /* four of each */
#define GICC_NSAPR 0x00e0u
#define GICH_VTR 0x0004u
#define GICH_VTR_LISTREGS GENMASK(5, 0)
#define GICH_VTR_PRIBITS GENMASK(31, 29)
#define GICC_SIZE KiB(8) /* DIR is in the second page */
#define GICH_SIZE 0x200u

uint8_t gicv2_targets[MAX_PCPUS];

enum hyp_err gicv2_init(const struct host_gic *desc)
{
	uint32_t vtr;

	if (desc->gicc.size < GICC_SIZE || desc->gicv.size < GICC_SIZE ||
	    desc->gich.size < GICH_SIZE) {
		log_err("GIC: the CPU interface's registers are cut short");
		return HYP_EINVAL;
	}
	TRY(arch_mm_map(desc->gicc.base, desc->gicc.size, MM_DEVICE));
	TRY(arch_mm_map(desc->gich.base, desc->gich.size, MM_DEVICE));
	gic_gicc = pa_raw(desc->gicc.base);
	gic_gich = pa_raw(desc->gich.base);
	vtr = io_read32(gic_gich + GICH_VTR);
	gic_info.nr_lrs = (unsigned)MIN(FIELD_GET(GICH_VTR_LISTREGS, vtr) + 1, 16);
	gic_info.pri_bits = (unsigned)FIELD_GET(GICH_VTR_PRIBITS, vtr) + 1;
	gic_info.gicv = desc->gicv.base;
	/* QEMU's model does not look at a physical interrupt again when a guest deactivates it
	 * through a linked list register: a level that stays high is lost. */
	gic_info.linked_lrs = !spin_polls;
	io_write32(gic_gicd + GICD_CTLR, 0);
	gic_reset(gic_gicd, GIC_FIRST_SPI, gic_info.nr_irqs);
	io_write32(gic_gicd + GICD_CTLR, GICD_CTLR_ENABLE);
	return HYP_OK;
}

void gicv2_cpu_init(void)
{
	uint8_t target = 0;

	/* ITARGETSR0-7 read as the mask of the reading CPU; on a GIC of one CPU as 0 (4.3.12). */
	for (uint32_t i = 0; i < GIC_FIRST_SPI && target == 0; i++)
		target = io_read8(gic_gicd + GICD_ITARGETSR + i);
	gicv2_targets[this_pcpu()->id] = target != 0 ? target : 1;
	gic_reset_private(gic_gicd);
	for (uint32_t i = 0; i < 16; i += 4) {
		io_write32(gic_gicd + GICD_CPENDSGIR + i, UINT32_MAX);
		/* No priority of the loader stays active. */
		io_write32(gic_gicc + GICC_APR + i, 0);
		io_write32(gic_gicc + GICC_NSAPR + i, 0);
	}
	io_write32(gic_gich + GICH_APR, 0);
	io_write32(gic_gicc + GICC_PMR, 0xff);
	io_write32(gic_gicc + GICC_BPR, 7); /* no preemption */
	io_write32(gic_gicc + GICC_CTLR,
	           (io_read32(gic_gicc + GICC_CTLR) & (uint32_t)GICC_CTLR_BYPASS) |
	               GICC_CTLR_ENABLE | GICC_CTLR_EOIMODE);
}
