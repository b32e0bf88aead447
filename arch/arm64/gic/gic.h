/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two GIC drivers, for gic.c alone. What every interrupt or guest entry calls is inline here;
 * the rest is in gicv2.c and gicv3.c.
 */
#pragma once

#include <arch/barrier.h>
#include <arch/gic.h>
#include <arch/io.h>

#include <asm/sysreg.h>

/* Distributor, both versions (IHI 0048B 4.3, IHI 0069 12.9). The first word of each also in GICR.
 */
#define GICD_CTLR 0x0000u
#define GICD_TYPER 0x0004u
#define GICD_IGROUPR 0x0080u
#define GICD_ISENABLER 0x0100u
#define GICD_ICENABLER 0x0180u
#define GICD_ICPENDR 0x0280u
#define GICD_ISACTIVER 0x0300u
#define GICD_ICACTIVER 0x0380u
#define GICD_IPRIORITYR 0x0400u
#define GICD_ITARGETSR 0x0800u
#define GICD_ICFGR 0x0c00u
#define GICD_SGIR 0x0f00u
#define GICD_CPENDSGIR 0x0f10u
#define GICD_IROUTER 0x6000u
#define GICD_TYPER_ITLINES GENMASK(4, 0)

/* GICv2 CPU interface (4.4) and virtual interface control (5.3). */
#define GICC_IAR 0x000cu
#define GICC_EOIR 0x0010u
#define GICC_DIR 0x1000u
#define GICH_HCR 0x0000u
#define GICH_ELRSR0 0x0030u
#define GICH_LR 0x0100u

/* GICH_LR (5.3.11). */
#define GICH_LR_VINTID GENMASK(9, 0)
#define GICH_LR_PINTID GENMASK(19, 10) /* HW = 0: EOI bit 19, source CPU 12:10 */
#define GICH_LR_PRIORITY GENMASK(27, 23)
#define GICH_LR_STATE GENMASK(29, 28)
#define GICH_LR_GROUP1 BIT(30)
#define GICH_LR_HW BIT(31)
/* Of the canonical priority, the five bits that GICH has. */
#define LR_PRIORITY_V2 GENMASK(55, 51)

/* All physical interrupts of EL2 have this priority: none preempts another. */
#define GIC_PRIORITY 0xa0u
#define GIC_PRIORITY_WORD 0xa0a0a0a0u
#define GIC_POLL_LIMIT 1000000u

extern struct arch_gic_info gic_info;
/* VGIC_HCR_TDIR where there is such a bit, else 0. */
extern uint32_t gic_hcr_optional;
/* Where register frames are; const after init. gich and gicc: v2. */
extern uint64_t gic_gicd, gic_gicc, gic_gich;
/* This CPU's view of GICD_* for SGIs and PPIs: the distributor, or the redistributor's SGI frame.
 */
uint64_t gicv3_sgi_base(void);

/* Waits while the bits are set; false: they stayed. */
bool gic_wait_clear(uint64_t reg, uint32_t bits);
/* SPIs of the loader: off, not pending, not active, our priority. */
void gic_reset_spis(void);
/* SGIs and PPIs, in the frame that has them banked. */
void gic_reset_private(uint64_t base);

enum hyp_err gicv2_init(const struct host_gic *desc) __must_check;
void gicv2_cpu_init(void);
void gicv2_route(uint32_t intid);
void gicv2_send_sgi(unsigned cpu, uint32_t sgi);
void gicv2_vcpu_save(struct arch_gic_vcpu *c);
void gicv2_vcpu_load(const struct arch_gic_vcpu *c);
uint32_t gicv2_vmcr_read(void);

enum hyp_err gicv3_init(const struct host_gic *desc) __must_check;
void gicv3_cpu_init(void);
void gicv3_route(uint32_t intid);
void gicv3_wait_rwp(uint32_t intid);
void gicv3_send_sgi(unsigned cpu, uint32_t sgi);
uint64_t gicv3_lr_read(unsigned n);
void gicv3_lr_write(unsigned n, uint64_t lr);
uint32_t gicv3_vmcr_read(void);
void gicv3_vcpu_save(struct arch_gic_vcpu *c);
void gicv3_vcpu_load(const struct arch_gic_vcpu *c);

static inline uint64_t gicv2_lr_read(unsigned n)
{
	uint64_t h = io_read32(gic_gich + GICH_LR + 4 * n);
	uint64_t lr = FIELD_GET(GICH_LR_VINTID, h) |
	              FIELD_PREP(LR_PRIORITY_V2, FIELD_GET(GICH_LR_PRIORITY, h)) |
	              FIELD_PREP(LR_STATE, FIELD_GET(GICH_LR_STATE, h));

	/* Bits 19:10 and 41:32: physical INTID, or source CPU and EOI flag, in the same places. */
	lr |= FIELD_PREP(LR_PINTID, FIELD_GET(GICH_LR_PINTID, h));
	return lr | ((h & GICH_LR_GROUP1) != 0 ? LR_GROUP1 : 0) |
	       ((h & GICH_LR_HW) != 0 ? LR_HW : 0);
}

static inline void gicv2_lr_write(unsigned n, uint64_t lr)
{
	uint64_t h = FIELD_PREP(GICH_LR_VINTID, lr & LR_VINTID) |
	             FIELD_PREP(GICH_LR_PINTID, FIELD_GET(LR_PINTID, lr)) |
	             FIELD_PREP(GICH_LR_PRIORITY, FIELD_GET(LR_PRIORITY_V2, lr)) |
	             FIELD_PREP(GICH_LR_STATE, FIELD_GET(LR_STATE, lr)) |
	             FIELD_PREP(GICH_LR_GROUP1, FIELD_GET(LR_GROUP1, lr)) |
	             FIELD_PREP(GICH_LR_HW, FIELD_GET(LR_HW, lr));

	io_write32(gic_gich + GICH_LR + 4 * n, (uint32_t)h);
}
