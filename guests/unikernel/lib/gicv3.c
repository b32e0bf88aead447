/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv3 (Arm IHI 0069) with affinity routing, group 1 only.
 */
#include "internal.h"

#define GICD_CTLR 0x0000u
#define CTLR_GRP1A (1u << 1)
#define CTLR_ARE (1u << 4)
#define CTLR_RWP (1u << 31)
#define GICD_TYPER 0x0004u
#define GICD_IGROUPR 0x0080u
#define GICD_ISENABLER 0x0100u
#define GICD_ICENABLER 0x0180u
#define GICD_IPRIORITYR 0x0400u
#define GICD_ICFGR 0x0c00u
#define GICD_IROUTER 0x6000u

#define GICR_CTLR 0x0000u
#define GICR_CTLR_RWP (1u << 3)
#define GICR_TYPER 0x0008u
#define GICR_TYPER_VLPIS (1u << 1)
#define GICR_TYPER_LAST (1u << 4)
#define GICR_WAKER 0x0014u
#define WAKER_SLEEP (1u << 1)
#define WAKER_ASLEEP (1u << 2)
#define GICR_SGI 0x10000u /* SGI_base frame: IGROUPR0 and the like at the distributor's offsets */

static uint64_t rdist[UK_MAX_CPUS];

static void wait_rwp(uint64_t reg, uint32_t bit)
{
	while (mmio_read32(reg) & bit) uk_cpu_relax();
}

static void v3_init(void)
{
	uint64_t d = uk_mach.gicd_base;
	uint32_t lines = mmio_read32(d + GICD_TYPER) & 31;

	mmio_write32(d + GICD_CTLR, CTLR_ARE);
	wait_rwp(d + GICD_CTLR, CTLR_RWP);
	for (uint32_t n = 1; n <= lines; n++) {
		mmio_write32(d + GICD_ICENABLER + 4 * n, ~0u);
		mmio_write32(d + GICD_IGROUPR + 4 * n, ~0u);
	}
	mmio_write32(d + GICD_CTLR, CTLR_ARE | CTLR_GRP1A);
	wait_rwp(d + GICD_CTLR, CTLR_RWP);
}

/* The redistributor whose GICR_TYPER has this CPU's affinity in its upper half. */
static uint64_t find_rdist(uint64_t mpidr)
{
	uint64_t aff = (mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24;
	uint64_t base = uk_mach.gicr_base, end = base + uk_mach.gicr_size;

	while (base < end) {
		uint64_t typer = mmio_read64(base + GICR_TYPER);

		if (typer >> 32 == aff) return base;
		if (typer & GICR_TYPER_LAST) break;
		base += typer & GICR_TYPER_VLPIS ? 0x40000 : 0x20000;
	}
	uk_crash("no redistributor for this CPU");
}

static void v3_cpu_init(void)
{
	uint64_t r = find_rdist(uk_mach.mpidr[uk_cpu_id()]);

	rdist[uk_cpu_id()] = r;
	mmio_write32(r + GICR_WAKER, mmio_read32(r + GICR_WAKER) & ~WAKER_SLEEP);
	wait_rwp(r + GICR_WAKER, WAKER_ASLEEP);
	mmio_write32(r + GICR_SGI + GICD_IGROUPR, ~0u);
	sysreg_write(icc_sre_el1, sysreg_read(icc_sre_el1) | 1);
	isb(); /* the other ICC registers exist from here */
	sysreg_write(icc_pmr_el1, 0xff);
	sysreg_write(icc_ctlr_el1, 0); /* EOImode 0: EOIR drops priority and deactivates */
	sysreg_write(icc_igrpen1_el1, 1);
	isb();
}

/* Frame that holds an interrupt's registers: the distributor, or this CPU's redistributor. */
static uint64_t frame(unsigned intid)
{
	return intid < 32 ? rdist[uk_cpu_id()] + GICR_SGI : uk_mach.gicd_base;
}

static void v3_set_enable(unsigned intid, bool on)
{
	mmio_write32(frame(intid) + (on ? GICD_ISENABLER : GICD_ICENABLER) + intid / 32 * 4,
	             1u << intid % 32);
	if (!on && intid < 32)
		wait_rwp(rdist[uk_cpu_id()] + GICR_CTLR, GICR_CTLR_RWP);
	else if (!on)
		wait_rwp(uk_mach.gicd_base + GICD_CTLR, CTLR_RWP);
}

static void v3_set_priority(unsigned intid, uint8_t priority)
{
	mmio_write8(frame(intid) + GICD_IPRIORITYR + intid, priority);
}

static void v3_set_edge(unsigned intid, bool edge)
{
	uint64_t reg = uk_mach.gicd_base + GICD_ICFGR + intid / 16 * 4;
	uint32_t bit = 2u << intid % 16 * 2;
	uint32_t val = mmio_read32(reg);

	mmio_write32(reg, edge ? val | bit : val & ~bit);
}

static void v3_route_here(unsigned intid)
{
	mmio_write64(uk_mach.gicd_base + GICD_IROUTER + 8ul * intid, uk_mach.mpidr[uk_cpu_id()]);
}

static void v3_send_sgi(unsigned cpu, unsigned intid)
{
	uint64_t m = uk_mach.mpidr[cpu];
	uint64_t aff0 = m & 0xff, aff1 = m >> 8 & 0xff, aff2 = m >> 16 & 0xff,
	         aff3 = m >> 32 & 0xff;

	/* Data before the interrupt that announces it. */
	__asm__ volatile("dsb ishst" : : : "memory");
	sysreg_write(icc_sgi1r_el1, aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 |
	                                (uint64_t)intid << 24 | aff1 << 16 | 1ul << (aff0 & 15));
	isb(); /* sent before what follows (IHI 0069, 12.2.24) */
}

static uint32_t v3_ack(void)
{
	uint32_t iar = (uint32_t)sysreg_read(icc_iar1_el1);

	dsb_sy(); /* acknowledged before the handler touches the device */
	return iar;
}

static void v3_eoi(uint32_t iar)
{
	sysreg_write(icc_eoir1_el1, iar);
	isb();
}

const struct irqchip gicv3_chip = {
    .init = v3_init,
    .cpu_init = v3_cpu_init,
    .set_enable = v3_set_enable,
    .set_priority = v3_set_priority,
    .set_edge = v3_set_edge,
    .route_here = v3_route_here,
    .send_sgi = v3_send_sgi,
    .ack = v3_ack,
    .eoi = v3_eoi,
};
