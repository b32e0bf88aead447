/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between gic.c and the two drivers: registers that more than one file uses.
 */
#pragma once

#include <arch/barrier.h>
#include <arch/gic.h>
#include <arch/io.h>

#include <asm/sysreg.h>

/* Distributor, both versions (IHI 0048B 4.3, IHI 0069 12.9); the first word of each in GICR too. */
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
#define GICD_IGRPMODR 0x0d00u
#define GICD_SGIR 0x0f00u
#define GICD_CPENDSGIR 0x0f10u
#define GICD_IROUTER 0x6000u
#define GICD_TYPER_ITLINES GENMASK(4, 0)

/* GICv2 CPU interface (4.4) and virtual interface control (5.3). */
#define GICC_IAR 0x000cu
#define GICC_EOIR 0x0010u
#define GICC_DIR 0x1000u
#define GICH_HCR 0x0000u
#define GICH_VMCR 0x0008u
#define GICH_ELRSR0 0x0030u
#define GICH_APR 0x00f0u
#define GICH_LR 0x0100u

/* GICH_LR (5.3.11). */
#define GICH_LR_VINTID GENMASK(9, 0)
#define GICH_LR_PINTID GENMASK(19, 10) /* HW = 0: EOI bit 19, source CPU 12:10 */
#define GICH_LR_PRIORITY GENMASK(27, 23)
#define GICH_LR_STATE GENMASK(29, 28)
#define GICH_LR_HW_GROUP1 GENMASK(31, 30) /* as LR_HW | LR_GROUP1 */
/* Of the canonical priority, the five bits that GICH has. */
#define LR_PRIORITY_V2 GENMASK(55, 51)

/* All physical interrupts of EL2 have this priority: none preempts another. */
#define GIC_PRIORITY_WORD 0xa0a0a0a0u
#define GIC_POLL_LIMIT 1000000u

extern struct arch_gic_info gic_info;
/* VGIC_HCR_TDIR where there is such a bit, else 0. */
extern uint32_t gic_hcr_optional;
/* Where register frames are; const after init. gich and gicc: v2. */
extern uint64_t gic_gicd, gic_gicc, gic_gich;
/* Each CPU's GICD_* of SGIs and PPIs: the distributor, or its redistributor's SGI frame. */
extern uint64_t gic_private[MAX_PCPUS];
/* v2: CPU interface numbers are not CPU numbers, each CPU learns its own mask. */
extern uint8_t gicv2_targets[MAX_PCPUS];

/* Waits while the bits are set; false: they stayed. */
bool gic_wait_clear(uint64_t reg, uint32_t bits);
/* What the loader left of interrupts [first, end), in the frame at base that has them. */
void gic_reset(uint64_t base, uint32_t first, uint32_t end);
/* This CPU's SGIs and PPIs, which are at base: reset, EL2's SGIs on. */
void gic_reset_private(uint64_t base);

enum hyp_err gicv2_init(const struct host_gic *desc) __must_check;
void gicv2_cpu_init(void);

enum hyp_err gicv3_init(const struct host_gic *desc) __must_check;
void gicv3_cpu_init(void);
void gicv3_send_sgi(unsigned cpu, uint32_t sgi);
uint64_t gicv3_lr_read(unsigned n);
void gicv3_lr_write(unsigned n, uint64_t lr);
/* The active priorities beyond what v2 has, AP0R0. */
void gicv3_apr_save(struct arch_gic_vcpu *c);
void gicv3_apr_load(const struct arch_gic_vcpu *c);
