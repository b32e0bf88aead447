/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv2 (Arm IHI 0048B). Interrupts stay in the group that reset put them in, as other systems do.
 */
#include "internal.h"

#define GICD_CTLR 0x000u
#define GICD_TYPER 0x004u
#define GICD_ISENABLER 0x100u
#define GICD_ICENABLER 0x180u
#define GICD_IPRIORITYR 0x400u
#define GICD_ITARGETSR 0x800u
#define GICD_ICFGR 0xc00u
#define GICD_SGIR 0xf00u
#define SGIR_SELF (2u << 24)

#define GICC_CTLR 0x00u
#define GICC_PMR 0x04u
#define GICC_IAR 0x0cu
#define GICC_EOIR 0x10u

static uint8_t cpu_mask[UK_MAX_CPUS];

static void v2_init(void)
{
	uint32_t lines = mmio_read32(uk_mach.gicd_base + GICD_TYPER) & 31;

	mmio_write32(uk_mach.gicd_base + GICD_CTLR, 0);
	for (uint32_t n = 1; n <= lines; n++)
		mmio_write32(uk_mach.gicd_base + GICD_ICENABLER + 4 * n, ~0u);
	mmio_write32(uk_mach.gicd_base + GICD_CTLR, 1);
}

static void v2_cpu_init(void)
{
	/* ITARGETSR0..7 are banked and read as this CPU's bit; 0 with a single CPU (4.3.12). */
	uint8_t mask = mmio_read8(uk_mach.gicd_base + GICD_ITARGETSR);

	cpu_mask[uk_cpu_id()] = mask ? mask : 1;
	mmio_write32(uk_mach.gicc_base + GICC_PMR, 0xff);
	mmio_write32(uk_mach.gicc_base + GICC_CTLR, 1);
}

static void v2_set_enable(unsigned intid, bool on)
{
	mmio_write32(uk_mach.gicd_base + (on ? GICD_ISENABLER : GICD_ICENABLER) + intid / 32 * 4,
	             1u << intid % 32);
}

static void v2_set_priority(unsigned intid, uint8_t priority)
{
	mmio_write8(uk_mach.gicd_base + GICD_IPRIORITYR + intid, priority);
}

static void v2_set_edge(unsigned intid, bool edge)
{
	uint64_t reg = uk_mach.gicd_base + GICD_ICFGR + intid / 16 * 4;
	uint32_t bit = 2u << intid % 16 * 2;
	uint32_t val = mmio_read32(reg);

	mmio_write32(reg, edge ? val | bit : val & ~bit);
}

static void v2_route_here(unsigned intid)
{
	mmio_write8(uk_mach.gicd_base + GICD_ITARGETSR + intid, cpu_mask[uk_cpu_id()]);
}

static void v2_send_sgi(unsigned cpu, unsigned intid)
{
	uint32_t mask = cpu_mask[cpu] ? cpu_mask[cpu] : 1u << cpu;

	/* Data before the interrupt that announces it. */
	__asm__ volatile("dsb ishst" : : : "memory");
	mmio_write32(uk_mach.gicd_base + GICD_SGIR,
	             cpu == uk_cpu_id() ? SGIR_SELF | intid : mask << 16 | intid);
}

static uint32_t v2_ack(void) { return mmio_read32(uk_mach.gicc_base + GICC_IAR); }

static void v2_eoi(uint32_t iar) { mmio_write32(uk_mach.gicc_base + GICC_EOIR, iar); }

const struct irqchip gicv2_chip = {
    .init = v2_init,
    .cpu_init = v2_cpu_init,
    .set_enable = v2_set_enable,
    .set_priority = v2_set_priority,
    .set_edge = v2_set_edge,
    .route_here = v2_route_here,
    .send_sgi = v2_send_sgi,
    .ack = v2_ack,
    .eoi = v2_eoi,
};
