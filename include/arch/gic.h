/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's interrupt controller (GICv2 with virtualization extensions, or GICv3): physical side
 * for EL2, list registers for the vGIC. EL2 runs EOImode 1: priority drop and deactivation apart.
 * Sources: GICv2 IHI 0048B, GICv3/4 IHI 0069.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/host.h>
#include <hyp/types.h>

#define GIC_NR_SGI 16u
#define GIC_FIRST_SPI 32u
#define GIC_NR_SPI 988u
#define GIC_INTID_NONE 1023u /* 1020..1023 are special */

/* Registers of both the host's GIC and the guest's (IHI 0048B 4.3, IHI 0069 12.9, 12.11). */
#define GICD_CTLR 0x0000u
#define GICD_CTLR_ARE BIT32(4)
#define GICD_TYPER 0x0004u
#define GICD_IIDR 0x0008u
#define GICD_SGIR 0x0f00u
#define GICD_IROUTER 0x6000u /* 8 bytes each; those of private interrupts are reserved */
#define GICR_TYPER 0x0008u
#define GICR_TYPER_LAST BIT(4)
#define GICR_WAKER 0x0014u
#define GICR_SGI_FRAME 0x10000u

/* IPIs of EL2 itself are physical SGIs; guests never see physical SGIs. */
enum gic_sgi {
	GIC_SGI_KICK = 1, /* look at pcpu->work and the wake list */
	GIC_SGI_STOP = 2, /* panic elsewhere: park */
};

struct arch_gic_info {
	unsigned version; /* 2 or 3 */
	unsigned nr_lrs;  /* list registers, 1..16 */
	unsigned nr_irqs; /* INTIDs, a multiple of 32, at most 1020 */
	pa_t gicv;        /* v2: the virtual CPU interface, 8 KiB */
	bool linked_lrs;  /* LR.HW works; false: docs/errata.md, QEMU's GICv2 */
};

/* Boot CPU: maps and sets up the distributor. EINVAL/ENOTSUP with a log line for a broken one. */
enum hyp_err arch_gic_init(const struct host_gic *desc) __must_check;
/* Each CPU: redistributor / CPU interface / virtual interface (HCR.En = 0), SGIs enabled. */
void arch_gic_cpu_init(void);
const struct arch_gic_info *arch_gic_info(void);

/* IAR; the ISB after it orders the acknowledge before the handler's accesses. */
uint32_t arch_gic_ack(void);
/* EOIR (priority drop) and DIR; iar as acknowledged (v2: includes the source CPU of an SGI). */
void arch_gic_drop(uint32_t iar);
void arch_gic_deactivate(uint32_t iar);
/* PPIs: of this CPU. SPIs: also routed to this CPU on enable. */
void arch_gic_enable(uint32_t intid);
/* No CPU acknowledges it any more once this returns, and nothing of it is left: neither pending (an
 * edge) nor active. */
void arch_gic_disable(uint32_t intid);
/* SPIs from here on. Edge-triggered or level: only while disabled, one CPU at a time. */
void arch_gic_set_edge(uint32_t intid, bool edge);
void arch_gic_route(uint32_t intid, unsigned cpu);
/* Acknowledged, and to stay silent until a guest deactivates it through a list register that is
 * linked to it, or until it is released. */
void arch_gic_hold(uint32_t iar);
void arch_gic_release(uint32_t intid);
/* Pending, held or not: of one that is level-sensitive its line. */
bool arch_gic_pending(uint32_t intid);
void arch_gic_set_active(uint32_t intid);
void arch_gic_clear_active(uint32_t intid);
/* Prior stores are visible to the target before the SGI is (DSB ISHST inside). */
void arch_gic_send_sgi(unsigned cpu, enum gic_sgi sgi);
void arch_gic_send_sgi_others(enum gic_sgi sgi);

/*
 * List registers in one canonical layout, that of ICH_LR<n>_EL2 (IHI 0069 12.4.5); on v2 the
 * driver converts. For HW = 0: bit 41 = EOI maintenance, bits 34:32 = source CPU of a v2 SGI.
 */
#define LR_VINTID GENMASK(31, 0)
#define LR_PINTID GENMASK(41, 32) /* HW = 1 */
#define LR_CPUID GENMASK(34, 32)  /* HW = 0, GICv2 SGI */
#define LR_EOI BIT(41)            /* HW = 0 */
#define LR_PRIORITY GENMASK(55, 48)
#define LR_GROUP1 BIT(60)
#define LR_HW BIT(61)
#define LR_PENDING BIT(62)
#define LR_ACTIVE BIT(63)
#define LR_STATE (LR_PENDING | LR_ACTIVE)

/* GICH_HCR and ICH_HCR_EL2 agree on these (IHI 0048B 5.3.2, IHI 0069 12.4.3). */
#define VGIC_HCR_EN BIT32(0)
#define VGIC_HCR_UIE BIT32(1)     /* maintenance when at most one LR is in use */
#define VGIC_HCR_LRENPIE BIT32(2) /* maintenance on an EOI without an LR */
#define VGIC_HCR_NPIE BIT32(3)    /* maintenance when no LR is pending */
/* Set on v3 for active interrupts that are in no LR; the driver drops it where ICH_VTR_EL2.TDS is
 * 0. */
#define VGIC_HCR_TDIR BIT32(14)
#define VGIC_HCR_EOICOUNT GENMASK(31, 27)

/* A vCPU's virtual CPU interface, apart from list registers: plain data, as saved. */
struct arch_gic_vcpu {
	uint32_t vmcr;      /* GICH_VMCR or ICH_VMCR_EL2, in the host's own layout */
	uint32_t apr[4][2]; /* [n][0] = AP0Rn, [n][1] = AP1Rn; v2 uses [0][0] alone */
};

/*
 * This CPU's virtual interface. List register writes take effect at the latest at the next ERET;
 * reads see what the guest has done.
 */
uint64_t arch_gic_lr_read(unsigned n);
void arch_gic_lr_write(unsigned n, uint64_t lr);
uint32_t arch_gic_hcr_read(void);
void arch_gic_hcr_write(uint32_t hcr);
void arch_gic_vcpu_save(struct arch_gic_vcpu *c);
void arch_gic_vcpu_load(const struct arch_gic_vcpu *c);
/* Reset values of the interface for a new vCPU. */
void arch_gic_vcpu_reset(struct arch_gic_vcpu *c);
/* The loaded interface's VMCR, decoded. pmr as in GICC_PMR: a priority below it passes. */
struct arch_gic_vmcr {
	uint8_t pmr;
	uint8_t groups; /* enabled: bit 0, bit 1 */
	bool split;     /* EOImode 1: priority drop and deactivation apart */
};
struct arch_gic_vmcr arch_gic_vmcr_read(void);
