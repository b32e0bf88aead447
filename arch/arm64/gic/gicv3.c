/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv3 and v4 (IHI 0069): distributor with affinity routing, redistributors, system registers.
 * Everything is group 1; ITS and LPIs are left alone.
 */
#include <arch/cpu.h>
#include <arch/mm.h>
#include <hyp/check.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>

#include "gic.h"

#define GICD_CTLR_GRP1A BIT32(1) /* DS = 1: EnableGrp1 (12.9.4) */
#define GICD_CTLR_ARE BIT32(4)
#define GICD_CTLR_RWP BIT32(31)
#define GICD_IGRPMODR 0x0d00u
#define GICR_CTLR 0x0000u
#define GICR_CTLR_RWP BIT32(3)
#define GICR_TYPER 0x0008u
#define GICR_TYPER_VLPIS BIT(1)
#define GICR_TYPER_LAST BIT(4)
#define GICR_WAKER 0x0014u
#define GICR_WAKER_SLEEP BIT32(1)
#define GICR_WAKER_CHILDREN_ASLEEP BIT32(2)
#define GICR_SGI_FRAME KiB(64)
#define GICR_STRIDE_V3 KiB(128)
#define GICR_STRIDE_V4 KiB(256) /* two more frames for virtual LPIs */

#define ICC_SRE_SRE BIT(0)
#define ICC_SRE_DFB BIT(1)
#define ICC_SRE_DIB BIT(2)
#define ICC_SRE_ENABLE BIT(3) /* EL1 may read ICC_SRE_EL1 (12.2.24) */
#define ICC_CTLR_EOIMODE BIT(1)
#define ICC_CTLR_PRIBITS GENMASK(10, 8)
#define ICH_VTR_LISTREGS GENMASK(4, 0)
#define ICH_VTR_TDS BIT(19)
#define ICH_VTR_PREBITS GENMASK(28, 26)
#define ICH_VTR_PRIBITS GENMASK(31, 29)

static uint64_t sgi_base[MAX_PCPUS];
static struct {
	struct host_range region[HOST_MAX_BANKS];
	unsigned nr;
	uint64_t stride;
} gicr;
static unsigned nr_aprs; /* ICH_AP0Rn and AP1Rn there are: 1, 2 or 4 */

uint64_t gicv3_sgi_base(void)
{
	return sgi_base[this_pcpu()->id];
}

/* One switch for both directions: a list register's number is part of the instruction. */
#define FOR_EACH_LR(op)                                                                            \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13)    \
	    op(14) op(15)

uint64_t gicv3_lr_read(unsigned n)
{
	switch (n) {
#define LR_READ(i)                                                                                 \
	case i:                                                                                    \
		return sysreg_read(ICH_LR##i##_EL2);
		FOR_EACH_LR(LR_READ)
	default:
		return 0;
	}
}

void gicv3_lr_write(unsigned n, uint64_t lr)
{
	switch (n) {
#define LR_WRITE(i)                                                                                \
	case i:                                                                                    \
		sysreg_write(ICH_LR##i##_EL2, lr);                                                 \
		break;
		FOR_EACH_LR(LR_WRITE)
	default:
		break;
	}
}

enum hyp_err gicv3_init(const struct host_gic *desc)
{
	uint64_t vtr, prebits;

	for (unsigned i = 0; i < desc->nr_gicr; i++) {
		TRY(arch_mm_map(desc->gicr[i].base, desc->gicr[i].size, MM_DEVICE));
		gicr.region[i] = desc->gicr[i];
	}
	gicr.nr = desc->nr_gicr;
	gicr.stride = desc->gicr_stride;
	/* SRE before any other ICC or ICH register (item 15). */
	sysreg_write(ICC_SRE_EL2, ICC_SRE_ENABLE | ICC_SRE_DIB | ICC_SRE_DFB | ICC_SRE_SRE);
	isb();
	if ((sysreg_read(ICC_SRE_EL2) & ICC_SRE_SRE) == 0) {
		log_err("GIC: firmware does not let EL2 use the GICv3's system registers");
		return HYP_ENOTSUP;
	}
	vtr = sysreg_read(ICH_VTR_EL2);
	gic_info.linked_lrs = true;
	gic_info.nr_lrs = (unsigned)MIN(FIELD_GET(ICH_VTR_LISTREGS, vtr) + 1, 16);
	gic_info.pri_bits = (unsigned)FIELD_GET(ICH_VTR_PRIBITS, vtr) + 1;
	gic_hcr_optional = (vtr & ICH_VTR_TDS) != 0 ? VGIC_HCR_TDIR : 0;
	prebits = FIELD_GET(ICH_VTR_PREBITS, vtr) + 1;
	nr_aprs = prebits <= 5 ? 1 : prebits == 6 ? 2 : 4;

	io_write32(gic_gicd + GICD_CTLR, 0);
	if (!gic_wait_clear(gic_gicd + GICD_CTLR, GICD_CTLR_RWP)) {
		return HYP_ENOTSUP;
	}
	io_write32(gic_gicd + GICD_CTLR, GICD_CTLR_ARE); /* before anything that depends on it */
	gic_reset_spis();
	for (uint32_t i = GIC_FIRST_SPI; i < gic_info.nr_irqs; i += 32) {
		io_write32(gic_gicd + GICD_IGROUPR + i / 8, UINT32_MAX);
		io_write32(gic_gicd + GICD_IGRPMODR + i / 8, 0);
	}
	io_write32(gic_gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1A);
	return gic_wait_clear(gic_gicd + GICD_CTLR, GICD_CTLR_RWP) ? HYP_OK : HYP_ENOTSUP;
}

/* The redistributor whose TYPER has this CPU's affinity; 0: none. */
static uint64_t find_redistributor(uint64_t mpidr)
{
	uint64_t affinity = (mpidr & GENMASK(23, 0)) | FIELD_GET(GENMASK(39, 32), mpidr) << 24;

	for (unsigned i = 0; i < gicr.nr; i++) {
		uint64_t at = pa_raw(gicr.region[i].base), end = at + gicr.region[i].size;

		while (end - at >= GICR_STRIDE_V3) {
			uint64_t typer = io_read64(at + GICR_TYPER);
			uint64_t stride = gicr.stride;

			if (typer >> 32 == affinity) {
				return at;
			}
			if (stride < GICR_STRIDE_V3) {
				stride = (typer & GICR_TYPER_VLPIS) != 0 ? GICR_STRIDE_V4
				                                         : GICR_STRIDE_V3;
			}
			if ((typer & GICR_TYPER_LAST) != 0 || stride > end - at) {
				break;
			}
			at += stride;
		}
	}
	return 0;
}

/* Active priorities of the loader; registers beyond the priority bits there are do not exist. */
static void reset_active_priorities(void)
{
	uint64_t pri_bits = FIELD_GET(ICC_CTLR_PRIBITS, sysreg_read(ICC_CTLR_EL1)) + 1;

	if (pri_bits > 6) {
		sysreg_write(ICC_AP1R3_EL1, 0);
		sysreg_write(ICC_AP1R2_EL1, 0);
	}
	if (pri_bits > 5) {
		sysreg_write(ICC_AP1R1_EL1, 0);
	}
	sysreg_write(ICC_AP1R0_EL1, 0);
}

void gicv3_cpu_init(void)
{
	uint64_t rd = find_redistributor(this_pcpu()->mpidr), base = rd + GICR_SGI_FRAME;

	if (rd == 0) {
		panic("GIC: CPU 0x%lx has no redistributor", (unsigned long)this_pcpu()->mpidr);
	}
	sgi_base[this_pcpu()->id] = base;
	io_write32(rd + GICR_WAKER, io_read32(rd + GICR_WAKER) & ~GICR_WAKER_SLEEP);
	if (!gic_wait_clear(rd + GICR_WAKER, GICR_WAKER_CHILDREN_ASLEEP)) {
		panic("GIC: the redistributor of CPU 0x%lx does not wake up",
		      (unsigned long)this_pcpu()->mpidr);
	}
	io_write32(base + GICD_IGROUPR, UINT32_MAX);
	io_write32(base + GICD_IGRPMODR, 0);
	gic_reset_private(base);
	gic_wait_clear(rd + GICR_CTLR, GICR_CTLR_RWP);

	sysreg_write(ICC_SRE_EL2, ICC_SRE_ENABLE | ICC_SRE_DIB | ICC_SRE_DFB | ICC_SRE_SRE);
	isb(); /* in force before the next register (item 15) */
	sysreg_write(ICC_IGRPEN1_EL1, 0);
	sysreg_write(ICC_CTLR_EL1, ICC_CTLR_EOIMODE);
	sysreg_write(ICC_PMR_EL1, 0xff);
	sysreg_write(ICC_BPR1_EL1, 7); /* no preemption */
	reset_active_priorities();
	sysreg_write(ICH_HCR_EL2, 0);
	for (unsigned i = 0; i < gic_info.nr_lrs; i++) {
		gicv3_lr_write(i, 0);
	}
	isb(); /* all set up before interrupts are let in */
	sysreg_write(ICC_IGRPEN1_EL1, 1);
}

void gicv3_route(uint32_t intid)
{
	io_write64(gic_gicd + GICD_IROUTER + 8 * (uint64_t)intid, this_pcpu()->mpidr);
}

void gicv3_wait_rwp(uint32_t intid)
{
	if (intid >= GIC_FIRST_SPI) {
		gic_wait_clear(gic_gicd + GICD_CTLR, GICD_CTLR_RWP);
	} else {
		gic_wait_clear(gicv3_sgi_base() - GICR_SGI_FRAME + GICR_CTLR, GICR_CTLR_RWP);
	}
}

/* ICC_SGI1R_EL1: Aff3.Aff2.Aff1, and of up to 16 CPUs in range RS a mask of Aff0 (12.2.21). */
void gicv3_send_sgi(unsigned cpu, uint32_t sgi)
{
	uint64_t mpidr = pcpus[cpu].mpidr, aff0 = mpidr & 0xff;

	sysreg_write(ICC_SGI1R_EL1, FIELD_PREP(GENMASK(55, 48), mpidr >> 32) |
	                                FIELD_PREP(GENMASK(47, 44), aff0 / 16) |
	                                FIELD_PREP(GENMASK(39, 32), mpidr >> 16) |
	                                FIELD_PREP(GENMASK(27, 24), sgi) |
	                                FIELD_PREP(GENMASK(23, 16), mpidr >> 8) | BIT(aff0 % 16));
	isb(); /* sent now, not with the next context synchronisation */
}

/* Of n active priority registers per group, those there are: 1, 2 or 4 of each. */
#define APR_SAVE(n)                                                                                \
	c->apr[n][0] = (uint32_t)sysreg_read(ICH_AP0R##n##_EL2);                                   \
	c->apr[n][1] = (uint32_t)sysreg_read(ICH_AP1R##n##_EL2)
#define APR_LOAD(n)                                                                                \
	sysreg_write(ICH_AP0R##n##_EL2, c->apr[n][0]);                                             \
	sysreg_write(ICH_AP1R##n##_EL2, c->apr[n][1])

void gicv3_vcpu_save(struct arch_gic_vcpu *c)
{
	c->vmcr = gicv3_vmcr_read();
	APR_SAVE(0);
	if (nr_aprs > 1) {
		APR_SAVE(1);
	}
	if (nr_aprs > 2) {
		APR_SAVE(2);
		APR_SAVE(3);
	}
}

void gicv3_vcpu_load(const struct arch_gic_vcpu *c)
{
	sysreg_write(ICH_VMCR_EL2, c->vmcr);
	APR_LOAD(0);
	if (nr_aprs > 1) {
		APR_LOAD(1);
	}
	if (nr_aprs > 2) {
		APR_LOAD(2);
		APR_LOAD(3);
	}
}

uint32_t gicv3_vmcr_read(void)
{
	return (uint32_t)sysreg_read(ICH_VMCR_EL2);
}
