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
#define GICR_CTLR 0x0000u
#define GICR_CTLR_RWP BIT32(3)
#define GICR_TYPER 0x0008u
#define GICR_TYPER_VLPIS BIT(1)
#define GICR_TYPER_LAST BIT(4)
#define GICR_WAKER 0x0014u
#define GICR_WAKER_SLEEP BIT32(1)
#define GICR_WAKER_CHILDREN_ASLEEP BIT32(2)
#define GICR_SGI_FRAME KiB(64)
#define GICR_STRIDE_V3 KiB(128) /* v4, with virtual LPIs: twice that */

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

static unsigned nr_aprs; /* ICH_AP0Rn and AP1Rn there are: 1, 2 or 4 */

/* Active priority registers of a group for so many bits; those beyond do not exist. */
static unsigned apr_count(uint64_t bits) { return bits <= 5 ? 1 : bits == 6 ? 2 : 4; }

#define FOR_EACH_APR(count, op)                                                                    \
	do {                                                                                       \
		op(0);                                                                             \
		if ((count) > 1) op(1);                                                            \
		if ((count) > 2) {                                                                 \
			op(2);                                                                     \
			op(3);                                                                     \
		}                                                                                  \
	} while (0)

/* SRE before any other ICC or ICH register (IHI 0069 12.7.15). */
static void enable_sysregs(void)
{
	sysreg_write(ICC_SRE_EL2, ICC_SRE_ENABLE | ICC_SRE_DIB | ICC_SRE_DFB | ICC_SRE_SRE);
	isb(); /* in force before the next register */
}

/* One switch for both directions: a list register's number is part of the instruction. */
#define FOR_EACH_LR(op)                                                                            \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13)    \
	    op(14) op(15)

uint64_t gicv3_lr_read(unsigned n)
{
	switch (n) {
#define LR_READ(i)                                                                                 \
	case i: return sysreg_read(ICH_LR##i##_EL2);
		FOR_EACH_LR(LR_READ)
	}
	return 0;
}

void gicv3_lr_write(unsigned n, uint64_t lr)
{
	switch (n) {
#define LR_WRITE(i)                                                                                \
	case i: sysreg_write(ICH_LR##i##_EL2, lr); break;
		FOR_EACH_LR(LR_WRITE)
	}
}

enum hyp_err gicv3_init(const struct host_gic *desc)
{
	uint64_t vtr;

	for (unsigned i = 0; i < desc->nr_gicr; i++)
		TRY(arch_mm_map(desc->gicr[i].base, desc->gicr[i].size, MM_DEVICE));
	enable_sysregs();
	if ((sysreg_read(ICC_SRE_EL2) & ICC_SRE_SRE) == 0) {
		log_err("GIC: firmware does not let EL2 use the GICv3's system registers");
		return HYP_ENOTSUP;
	}
	vtr = sysreg_read(ICH_VTR_EL2);
	gic_info.linked_lrs = true;
	gic_info.nr_lrs = (unsigned)MIN(FIELD_GET(ICH_VTR_LISTREGS, vtr) + 1, 16);
	gic_info.pri_bits = (unsigned)FIELD_GET(ICH_VTR_PRIBITS, vtr) + 1;
	gic_hcr_optional = (vtr & ICH_VTR_TDS) != 0 ? VGIC_HCR_TDIR : 0;
	nr_aprs = apr_count(FIELD_GET(ICH_VTR_PREBITS, vtr) + 1);

	io_write32(gic_gicd + GICD_CTLR, 0);
	if (!gic_wait_clear(gic_gicd + GICD_CTLR, GICD_CTLR_RWP)) return HYP_ENOTSUP;
	io_write32(gic_gicd + GICD_CTLR, GICD_CTLR_ARE); /* before anything that depends on it */
	gic_reset(gic_gicd, GIC_FIRST_SPI, gic_info.nr_irqs);
	io_write32(gic_gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_GRP1A);
	return gic_wait_clear(gic_gicd + GICD_CTLR, GICD_CTLR_RWP) ? HYP_OK : HYP_ENOTSUP;
}

/* The redistributor whose TYPER has this CPU's affinity; 0: none. */
static uint64_t find_redistributor(uint64_t mpidr)
{
	uint64_t affinity = (mpidr & GENMASK(23, 0)) | FIELD_GET(GENMASK(39, 32), mpidr) << 24;

	for (unsigned i = 0; i < host.gic.nr_gicr; i++) {
		const struct host_range *r = &host.gic.gicr[i];
		uint64_t at = pa_raw(r->base), end = at + r->size, stride;

		for (; end - at >= GICR_STRIDE_V3; at += stride) {
			uint64_t typer = io_read64(at + GICR_TYPER);

			if (typer >> 32 == affinity) return at;
			stride = host.gic.gicr_stride;
			if (stride < GICR_STRIDE_V3)
				stride = GICR_STRIDE_V3 << ((typer & GICR_TYPER_VLPIS) != 0);
			if ((typer & GICR_TYPER_LAST) != 0 || stride > end - at) break;
		}
	}
	return 0;
}

#define ICC_APR_CLEAR(n) sysreg_write(ICC_AP1R##n##_EL1, 0)

void gicv3_cpu_init(void)
{
	uint64_t rd = find_redistributor(this_pcpu()->mpidr), base = rd + GICR_SGI_FRAME;

	if (rd == 0)
		panic("GIC: CPU 0x%lx has no redistributor", (unsigned long)this_pcpu()->mpidr);
	io_write32(rd + GICR_WAKER, io_read32(rd + GICR_WAKER) & ~GICR_WAKER_SLEEP);
	if (!gic_wait_clear(rd + GICR_WAKER, GICR_WAKER_CHILDREN_ASLEEP)) {
		panic("GIC: the redistributor of CPU 0x%lx does not wake up",
		      (unsigned long)this_pcpu()->mpidr);
	}
	gic_reset_private(base);
	gic_wait_clear(rd + GICR_CTLR, GICR_CTLR_RWP);

	enable_sysregs();
	sysreg_write(ICC_IGRPEN1_EL1, 0);
	sysreg_write(ICC_CTLR_EL1, ICC_CTLR_EOIMODE);
	sysreg_write(ICC_PMR_EL1, 0xff);
	sysreg_write(ICC_BPR1_EL1, 7); /* no preemption */
	/* No priority of the loader stays active. */
	FOR_EACH_APR(apr_count(FIELD_GET(ICC_CTLR_PRIBITS, sysreg_read(ICC_CTLR_EL1)) + 1),
	             ICC_APR_CLEAR);
	isb(); /* all set up before interrupts are let in */
	sysreg_write(ICC_IGRPEN1_EL1, 1);
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

#define APR_SAVE(n)                                                                                \
	do {                                                                                       \
		c->apr[n][0] = (uint32_t)sysreg_read(ICH_AP0R##n##_EL2);                           \
		c->apr[n][1] = (uint32_t)sysreg_read(ICH_AP1R##n##_EL2);                           \
	} while (0)
#define APR_LOAD(n)                                                                                \
	do {                                                                                       \
		sysreg_write(ICH_AP0R##n##_EL2, c->apr[n][0]);                                     \
		sysreg_write(ICH_AP1R##n##_EL2, c->apr[n][1]);                                     \
	} while (0)

void gicv3_apr_save(struct arch_gic_vcpu *c) { FOR_EACH_APR(nr_aprs, APR_SAVE); }

void gicv3_apr_load(const struct arch_gic_vcpu *c) { FOR_EACH_APR(nr_aprs, APR_LOAD); }
