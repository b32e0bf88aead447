/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv2 (Arm IHI 0048B) and GICv3 (Arm IHI 0069) registers under common names: see tg_gic.h.
 */
#include "tg_gic.h"

#include <uk.h>
#include <uk_arch.h>

#define GICD_CTLR 0x000u
#define GICD_TYPER 0x004u
#define GICD_IPRIORITYR 0x400u
#define GICD_ITARGETSR 0x800u
#define GICD_ICFGR 0xc00u
#define GICD_SGIR 0xf00u
#define GICD_IROUTER 0x6000u
#define SGIR_OTHERS (1u << 24)
#define SGIR_SELF (2u << 24)

#define GICR_TYPER 0x08u
#define GICR_TYPER_LAST (1u << 4)
#define GICR_STRIDE 0x20000u
#define GICR_SGI 0x10000u

#define GICC_CTLR 0x00u
#define CTLR_EOIMODE (1u << 9)
#define GICC_PMR 0x04u
#define GICC_BPR 0x08u
#define GICC_IAR 0x0cu
#define GICC_EOIR 0x10u
#define GICC_RPR 0x14u
#define GICC_HPPIR 0x18u
#define GICC_DIR 0x1000u

#define SGI1R_IRM (1ul << 40) /* all but self */
#define ICC_CTLR_EOIMODE 2u

static uint64_t rdist[UK_MAX_CPUS];
static uint8_t target[UK_MAX_CPUS];

bool g_is_v3(void) { return uk_machine()->gic_version == 3; }

uint64_t g_dist(void) { return uk_machine()->gicd_base; }

uint64_t g_redist(unsigned cpu)
{
	uint64_t mpidr = uk_machine()->mpidr[cpu];
	uint64_t aff = (mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24;

	for (uint64_t r = uk_machine()->gicr_base;; r += GICR_STRIDE) {
		uint64_t typer = mmio_read64(r + GICR_TYPER);

		if (typer >> 32 == aff) return r;
		if (typer & GICR_TYPER_LAST) uk_crash("no redistributor for this CPU");
	}
}

void g_cpu_init(void)
{
	unsigned cpu = uk_cpu_id();

	if (g_is_v3()) {
		rdist[cpu] = g_redist(cpu);
	} else {
		uint8_t mask = mmio_read8(g_dist() + GICD_ITARGETSR);

		target[cpu] = mask ? mask : 1; /* 0 on a uniprocessor (4.3.12) */
	}
}

uint64_t g_private(void) { return g_is_v3() ? rdist[uk_cpu_id()] + GICR_SGI : g_dist(); }

static uint64_t frame(unsigned intid) { return intid < 32 ? g_private() : g_dist(); }

unsigned g_nr_intids(void) { return ((mmio_read32(g_dist() + GICD_TYPER) & 31) + 1) * 32; }

bool g_get(unsigned intid, enum g_bits set)
{
	return mmio_read32(frame(intid) + set + intid / 32 * 4) >> intid % 32 & 1;
}

void g_put(unsigned intid, enum g_bits what)
{
	mmio_write32(frame(intid) + what + intid / 32 * 4, 1u << intid % 32);
	dsb_sy(); /* at the GIC before what follows */
}

void g_disable(unsigned intid)
{
	g_put(intid, G_CLEARENABLE);
	if (g_is_v3()) { /* RWP: GICR_CTLR bit 3, GICD_CTLR bit 31 */
		uint64_t reg = intid < 32 ? rdist[uk_cpu_id()] : g_dist() + GICD_CTLR;
		uint32_t bit = intid < 32 ? 1u << 3 : 1u << 31;

		while (mmio_read32(reg) & bit) uk_cpu_relax();
	}
}

void g_set_priority(unsigned intid, uint8_t priority)
{
	mmio_write8(frame(intid) + GICD_IPRIORITYR + intid, priority);
	dsb_sy(); /* at the GIC before what follows */
}

uint8_t g_priority(unsigned intid) { return mmio_read8(frame(intid) + GICD_IPRIORITYR + intid); }

void g_set_edge(unsigned intid, bool edge)
{
	uint64_t reg = frame(intid) + GICD_ICFGR + intid / 16 * 4;
	uint32_t bit = 2u << intid % 16 * 2, val = mmio_read32(reg);

	mmio_write32(reg, edge ? val | bit : val & ~bit);
}

void g_set_target(unsigned intid, unsigned cpu)
{
	if (g_is_v3())
		mmio_write64(g_dist() + GICD_IROUTER + 8ul * intid, uk_machine()->mpidr[cpu]);
	else
		mmio_write8(g_dist() + GICD_ITARGETSR + intid, target[cpu]);
	dsb_sy(); /* at the GIC before what follows */
}

static uint64_t gicc(void) { return uk_machine()->gicc_base; }

unsigned g_ack(uint32_t *iar)
{
	uint32_t val;

	if (g_is_v3()) {
		dsb_sy(); /* MMIO effects before the acknowledge */
		isb();
		val = (uint32_t)sysreg_read(icc_iar1_el1);
		dsb_sy();
	} else {
		val = mmio_read32(gicc() + GICC_IAR);
	}
	if (iar) *iar = val;
	return g_is_v3() ? val : val & 0x3ff;
}

void g_eoi(uint32_t iar)
{
	if (g_is_v3()) {
		sysreg_write(icc_eoir1_el1, iar);
		isb();
	} else {
		mmio_write32(gicc() + GICC_EOIR, iar);
	}
}

void g_dir(uint32_t iar)
{
	if (g_is_v3()) {
		sysreg_write(icc_dir_el1, iar);
		isb();
	} else {
		mmio_write32(gicc() + GICC_DIR, iar);
	}
}

void g_set_pmr(uint8_t mask)
{
	if (g_is_v3()) {
		sysreg_write(icc_pmr_el1, mask);
		isb();
		dsb_sy(); /* seen by the redistributor (IHI 0069 4.8.6) */
	} else {
		mmio_write32(gicc() + GICC_PMR, mask);
	}
}

uint8_t g_pmr(void)
{
	return (uint8_t)(g_is_v3() ? sysreg_read(icc_pmr_el1) : mmio_read32(gicc() + GICC_PMR));
}

uint8_t g_rpr(void)
{
	return (uint8_t)(g_is_v3() ? sysreg_read(icc_rpr_el1) : mmio_read32(gicc() + GICC_RPR));
}

unsigned g_hppi(void)
{
	if (g_is_v3()) {
		dsb_sy();
		isb();
		return (unsigned)sysreg_read(icc_hppir1_el1);
	}
	return mmio_read32(gicc() + GICC_HPPIR) & 0x3ff;
}

void g_set_eoimode(bool split)
{
	if (g_is_v3()) {
		sysreg_write(icc_ctlr_el1, split ? ICC_CTLR_EOIMODE : 0);
		isb();
	} else {
		mmio_write32(gicc() + GICC_CTLR, 1 | (split ? CTLR_EOIMODE : 0));
	}
}

/* Group 1's point n keeps bits 7:n, group 0's bits 7:n+1 (IHI 0069 4.8.2; IHI 0048B 3.3.3). */
void g_set_preempt_bits(unsigned lowest)
{
	if (g_is_v3()) {
		sysreg_write(icc_bpr1_el1, lowest);
		isb();
	} else {
		mmio_write32(gicc() + GICC_BPR, lowest - 1);
	}
}

static void sgi1r(uint64_t val)
{
	__asm__ volatile("dsb ishst" : : : "memory"); /* data before its announcement */
	sysreg_write(icc_sgi1r_el1, val);
	isb();
}

void g_sgi(unsigned cpu, unsigned intid)
{
	if (g_is_v3()) {
		uint64_t m = uk_machine()->mpidr[cpu];

		sgi1r((m >> 32 & 0xff) << 48 | (m >> 4 & 15) << 44 | (m >> 16 & 0xff) << 32 |
		      (uint64_t)intid << 24 | (m >> 8 & 0xff) << 16 | 1ul << (m & 15));
	} else {
		dsb_sy(); /* data before its announcement */
		mmio_write32(g_dist() + GICD_SGIR, (uint32_t)target[cpu] << 16 | intid);
	}
}

void g_sgi_self(unsigned intid)
{
	if (g_is_v3())
		g_sgi(uk_cpu_id(), intid);
	else
		mmio_write32(g_dist() + GICD_SGIR, SGIR_SELF | intid);
}

void g_sgi_others(unsigned intid)
{
	if (g_is_v3()) {
		sgi1r(SGI1R_IRM | (uint64_t)intid << 24);
	} else {
		dsb_sy(); /* data before its announcement */
		mmio_write32(g_dist() + GICD_SGIR, SGIR_OTHERS | intid);
	}
}
