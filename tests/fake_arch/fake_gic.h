/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of the virtual CPU interface (IHI 0048B 5, IHI 0069 4.6, 12.4) for host tests: list
 * registers of each CPU, what the guest can do with them, and the physical PPIs linked to them.
 */
#pragma once

#include <arch/gic.h>

struct fake_gic_cpu {
	uint64_t lr[16];
	uint32_t hcr;                      /* with EOICount */
	uint32_t vmcr;                     /* FAKE_VMCR_* */
	uint32_t apr;                      /* bit n: priority n << 3 is active */
	bool ppi_line[32], ppi_active[32]; /* physical */
	/* Accesses of EL2. */
	unsigned lr_reads, lr_writes, hcr_reads, hcr_writes, vmcr_reads, clear_actives;
};
#define FAKE_VMCR_GRP0 BIT32(0)
#define FAKE_VMCR_GRP1 BIT32(1)
#define FAKE_VMCR_EOIMODE BIT32(9)
#define FAKE_VMCR_PMR GENMASK(31, 24)

extern struct fake_gic_cpu fake_gic[MAX_PCPUS];

/* Everything as after reset, PMR open, groups on. */
void fake_gic_init(unsigned version, unsigned nr_lrs);
/* QEMU's GICv2 (docs/errata.md): EL2 is not to use LR.HW. */
void fake_gic_unlink(void);
void fake_gic_count_reset(unsigned cpu);

/* What the guest on `cpu` does. IAR: INTID | source << 10, or 1023. */
uint32_t fake_gic_iar(unsigned cpu);
/* The INTID that IAR would return. */
uint32_t fake_gic_hppir(unsigned cpu);
void fake_gic_eoir(unsigned cpu, uint32_t iar);
/* False: it trapped (HCR.TDIR), call vgic_dir_write(). */
bool fake_gic_dir(unsigned cpu, uint32_t iar);
/* Is the maintenance interrupt asserted, and why (MISR's bits)? */
#define FAKE_MISR_EOI BIT32(0)
#define FAKE_MISR_U BIT32(1)
#define FAKE_MISR_LRENP BIT32(2)
#define FAKE_MISR_NP BIT32(3)
uint32_t fake_gic_misr(unsigned cpu);
/* The distributor's SPIs, by INTID, and what the host has done with them. */
struct fake_spi {
	bool line, edge, latch, active, masked;
	unsigned cpu; /* it is routed to */
};
extern struct fake_spi fake_spi[288];
/* The device's output; a rise is latched where it is edge-triggered. */
void fake_gic_spi_line(uint32_t intid, bool line);
/* Is it signalled? The CPU that it is routed to acknowledges and holds it. */
bool fake_gic_spi_fires(uint32_t intid);
/* Physical PPI of that CPU: is it signalled (line high and not active)? Acknowledge makes it
 * active. */
bool fake_gic_ppi_fires(unsigned cpu, uint32_t ppi);
