/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical side of the host's interrupt controller: GICv2 with virtualization extensions (IHI
 * 0048B; used from the non-secure side or without security, where EnableGrp and EOImode are at the
 * same bits for us), GICv3 and v4 (IHI 0069; all is group 1, ITS and LPIs are left alone).
 */
#include <arch/barrier.h>
#include <arch/mm.h>
#include <arch/spinlock.h>
#include <hyp/check.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>

#include "gic.h"

/* Distributor, both versions (IHI 0048B 4.3, IHI 0069 12.9); the first word of each in GICR too. */
#define GICD_IGROUPR 0x0080u
#define GICD_ISENABLER 0x0100u
#define GICD_ICENABLER 0x0180u
#define GICD_ISPENDR 0x0200u
#define GICD_ICPENDR 0x0280u
#define GICD_ISACTIVER 0x0300u
#define GICD_ICACTIVER 0x0380u
#define GICD_IPRIORITYR 0x0400u
#define GICD_ITARGETSR 0x0800u
#define GICD_ICFGR 0x0c00u
#define GICD_CPENDSGIR 0x0f10u
#define GICD_TYPER_ITLINES GENMASK(4, 0)
#define GICD_PIDR2_V2 0x0fe8u    /* IHI 0048B 4.3.20 */
#define GICD_PIDR2_V3 0xffe8u    /* IHI 0069 12.9.30 */
#define PFR0_GIC GENMASK(27, 24) /* Arm ARM D19.2.64 */
#define PIDR2_ARCHREV GENMASK(7, 4)
#define GICD_CTLR_ENABLE BIT32(0) /* v2 */
#define GICD_CTLR_GRP1A BIT32(1)  /* v3, DS = 1: EnableGrp1 (12.9.4) */
#define GICD_CTLR_RWP BIT32(31)
#define GICD_IIDR_QEMU 0x0000043bu /* product 0: no real one */

/* GICv2 CPU interface (4.4). */
#define GICC_CTLR 0x0000u
#define GICC_CTLR_ENABLE BIT32(0)
#define GICC_CTLR_BYPASS GENMASK(8, 5) /* as firmware set them */
#define GICC_CTLR_EOIMODE BIT32(9)
#define GICC_PMR 0x0004u
#define GICC_BPR 0x0008u
#define GICC_IAR 0x000cu
#define GICC_EOIR 0x0010u
#define GICC_APR 0x00d0u /* four of each */
#define GICC_NSAPR 0x00e0u
#define GICC_DIR 0x1000u
#define GICC_SIZE KiB(8) /* DIR is in the second page */
#define GICH_SIZE 0x200u

#define GICR_CTLR 0x0000u
#define GICR_CTLR_RWP BIT32(3)
#define GICR_TYPER_VLPIS BIT(1)
#define GICR_WAKER_SLEEP BIT32(1)
#define GICR_WAKER_CHILDREN_ASLEEP BIT32(2)
#define GICR_STRIDE_V3 KiB(128) /* v4, with virtual LPIs: twice that */

#define ICC_SRE_SRE BIT(0)
/* And no bypasses. Without Enable (bit 3) EL1's accesses to ICC_SRE_EL1 trap (12.2.24). */
#define ICC_SRE_ALL GENMASK(2, 0)
#define ICC_CTLR_EOIMODE BIT(1)
#define ICC_CTLR_PRIBITS GENMASK(10, 8)

/* All physical interrupts of EL2 have this priority: none preempts another. */
#define GIC_PRIORITY_WORD 0xa0a0a0a0u
#define GIC_POLL_LIMIT 1000000u

struct arch_gic_info gic_info;
bool gic_v3;
static uint64_t gicd, gicc;
/* Each CPU's GICD_* of SGIs and PPIs: the distributor, or its redistributor's SGI frame. */
static uint64_t private[MAX_PCPUS];
/* v2: CPU interface numbers are not CPU numbers, each CPU learns its own mask. */
static uint8_t targets[MAX_PCPUS];

/* Waits while the bits are set; false: they stayed. */
static bool wait_clear(uint64_t reg, uint32_t bits)
{
	for (uint32_t i = 0; i < GIC_POLL_LIMIT; i++) {
		if ((io_read32(reg) & bits) == 0) return true;
		cpu_relax();
	}
	log_err("GIC: register 0x%lx stays busy", (unsigned long)reg);
	return false;
}

/* What the loader left of interrupts [first, end), in the frame at base that has them. */
static void reset(uint64_t base, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i += 32) {
		if (gic_v3) io_write32(base + GICD_IGROUPR + i / 8, UINT32_MAX);
		io_write32(base + GICD_ICENABLER + i / 8, UINT32_MAX);
		io_write32(base + GICD_ICPENDR + i / 8, UINT32_MAX);
		io_write32(base + GICD_ICACTIVER + i / 8, UINT32_MAX);
	}
	for (uint32_t i = first; i < end; i += 4)
		io_write32(base + GICD_IPRIORITYR + i, GIC_PRIORITY_WORD);
	for (uint32_t i = MAX(first, GIC_FIRST_SPI); i < end; i += 16)
		io_write32(base + GICD_ICFGR + i / 4, 0); /* level */
}

/* SRE before any other ICC or ICH register (IHI 0069 12.7.15). */
static void enable_sysregs(void)
{
	sysreg_write(ICC_SRE_EL2, ICC_SRE_ALL);
	isb(); /* in force before the next register */
}

static enum hyp_err init_v2(const struct host_gic *desc)
{
	if (desc->gicc.size < GICC_SIZE || desc->gicv.size < GICC_SIZE ||
	    desc->gich.size < GICH_SIZE) {
		log_err("GIC: the CPU interface's registers are cut short");
		return HYP_EINVAL;
	}
	TRY(arch_mm_map(desc->gicc.base, desc->gicc.size, MM_DEVICE));
	TRY(arch_mm_map(desc->gich.base, desc->gich.size, MM_DEVICE));
	gicc = pa_raw(desc->gicc.base);
	gic_gich = pa_raw(desc->gich.base);
	gic_info.gicv = desc->gicv.base;
	/* QEMU's model does not look at a physical interrupt again when a guest deactivates it
	 * through a linked list register: a level that stays high is lost. */
	gic_info.linked_lrs = !spin_polls;
	return HYP_OK;
}

static enum hyp_err init_v3(const struct host_gic *desc)
{
	for (unsigned i = 0; i < desc->nr_gicr; i++)
		TRY(arch_mm_map(desc->gicr[i].base, desc->gicr[i].size, MM_DEVICE));
	enable_sysregs();
	if ((sysreg_read(ICC_SRE_EL2) & ICC_SRE_SRE) == 0) {
		log_err("GIC: firmware does not let EL2 use the GICv3's system registers");
		return HYP_ENOTSUP;
	}
	gic_info.linked_lrs = true;
	return HYP_OK;
}

enum hyp_err arch_gic_init(const struct host_gic *desc)
{
	uint32_t are;
	uint64_t rev;

	gicd = pa_raw(desc->gicd.base);
	gic_v3 = desc->version == 3;
	are = gic_v3 ? GICD_CTLR_ARE : 0;
	if (desc->gicd.size < (gic_v3 ? KiB(64) : KiB(4))) {
		log_err("GIC: the distributor's registers are cut short");
		return HYP_EINVAL;
	}
	/* Before anything is read: where a GICv3 has registers, a GICv2 may have a hole that
	 * faults. */
	if (gic_v3 && FIELD_GET(PFR0_GIC, sysreg_read(ID_AA64PFR0_EL1)) == 0) {
		log_err("GIC: the device tree says v3, the CPUs have no interface to one");
		return HYP_ENOTSUP;
	}
	TRY(arch_mm_map(desc->gicd.base, desc->gicd.size, MM_DEVICE));
	/* Known before there are several CPUs. */
	spin_polls = io_read32(gicd + GICD_IIDR) == GICD_IIDR_QEMU;
	rev = FIELD_GET(PIDR2_ARCHREV, io_read32(gicd + (gic_v3 ? GICD_PIDR2_V3 : GICD_PIDR2_V2)));
	if (gic_v3 ? rev != 3 && rev != 4 : rev != 2) {
		log_err("GIC: the device tree says v%u, the distributor says v%u", desc->version,
		        (unsigned)rev);
		return HYP_ENOTSUP;
	}
	gic_info.version = desc->version;
	gic_info.nr_irqs = (uint32_t)MIN(
	    (FIELD_GET(GICD_TYPER_ITLINES, io_read32(gicd + GICD_TYPER)) + 1) * 32, 1020);
	TRY(gic_v3 ? init_v3(desc) : init_v2(desc));
	gich_init();

	/* ARE before anything that depends on it. RWP is v3's; v2 has no such bit. */
	io_write32(gicd + GICD_CTLR, 0);
	if (!wait_clear(gicd + GICD_CTLR, GICD_CTLR_RWP)) return HYP_ENOTSUP;
	io_write32(gicd + GICD_CTLR, are);
	reset(gicd, GIC_FIRST_SPI, gic_info.nr_irqs);
	io_write32(gicd + GICD_CTLR, gic_v3 ? are | GICD_CTLR_GRP1A : GICD_CTLR_ENABLE);
	return wait_clear(gicd + GICD_CTLR, GICD_CTLR_RWP) ? HYP_OK : HYP_ENOTSUP;
}

/* The active bit of an SGI the loader took and never finished would block it for ever. */
static void reset_private(uint64_t base)
{
	private[this_pcpu()->id] = base;
	reset(base, 0, GIC_FIRST_SPI);
	io_write32(base + GICD_ISENABLER, BIT32(GIC_SGI_KICK) | BIT32(GIC_SGI_STOP));
}

static void cpu_init_v2(void)
{
	uint8_t target = 0;

	/* ITARGETSR0-7 read as the mask of the reading CPU; on a GIC of one CPU as 0 (4.3.12). */
	for (uint32_t i = 0; i < GIC_FIRST_SPI && target == 0; i++)
		target = io_read8(gicd + GICD_ITARGETSR + i);
	targets[this_pcpu()->id] = target != 0 ? target : 1;
	reset_private(gicd);
	for (uint32_t i = 0; i < 16; i += 4) {
		io_write32(gicd + GICD_CPENDSGIR + i, UINT32_MAX);
		/* No priority of the loader stays active. */
		io_write32(gicc + GICC_APR + i, 0);
		io_write32(gicc + GICC_NSAPR + i, 0);
	}
	io_write32(gicc + GICC_PMR, 0xff);
	io_write32(gicc + GICC_BPR, 7); /* no preemption */
	io_write32(gicc + GICC_CTLR, (io_read32(gicc + GICC_CTLR) & (uint32_t)GICC_CTLR_BYPASS) |
	                                 GICC_CTLR_ENABLE | GICC_CTLR_EOIMODE);
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

static void cpu_init_v3(void)
{
	unsigned long mpidr = this_pcpu()->mpidr;
	uint64_t rd = find_redistributor(mpidr);

	if (rd == 0) panic("GIC: CPU 0x%lx has no redistributor", mpidr);
	io_write32(rd + GICR_WAKER, io_read32(rd + GICR_WAKER) & ~GICR_WAKER_SLEEP);
	if (!wait_clear(rd + GICR_WAKER, GICR_WAKER_CHILDREN_ASLEEP))
		panic("GIC: the redistributor of CPU 0x%lx does not wake up", mpidr);
	reset_private(rd + GICR_SGI_FRAME);
	wait_clear(rd + GICR_CTLR, GICR_CTLR_RWP);

	enable_sysregs();
	sysreg_write(ICC_IGRPEN1_EL1, 0);
	sysreg_write(ICC_CTLR_EL1, ICC_CTLR_EOIMODE);
	sysreg_write(ICC_PMR_EL1, 0xff);
	sysreg_write(ICC_BPR1_EL1, 7); /* no preemption */
	/* No priority of the loader stays active. Group 0 is the firmware's: its registers trap to
	 * EL3 (SCR_EL3.FIQ). */
	FOR_EACH_APR(FIELD_GET(ICC_CTLR_PRIBITS, sysreg_read(ICC_CTLR_EL1)) + 1, ICC_APR_CLEAR);
	isb(); /* all set up before interrupts are let in */
	sysreg_write(ICC_IGRPEN1_EL1, 1);
}

void arch_gic_cpu_init(void)
{
	if (gic_v3)
		cpu_init_v3();
	else
		cpu_init_v2();
	arch_gic_hcr_write(0);
	for (unsigned i = 0; i < gic_info.nr_lrs; i++) arch_gic_lr_write(i, 0);
	isb(); /* the interface is on before what follows waits for interrupts */
}

const struct arch_gic_info *arch_gic_info(void) { return &gic_info; }

uint32_t arch_gic_ack(void)
{
	uint32_t iar;

	if (gic_v3) {
		iar = (uint32_t)sysreg_read(ICC_IAR1_EL1);
		/* The acknowledge has taken effect before the handler looks at memory (4.1.1). */
		dsb_sy();
	} else {
		iar = io_read32(gicc + GICC_IAR);
	}
	isb(); /* what the handler does is not ahead of the acknowledge */
	return iar;
}

void arch_gic_drop(uint32_t iar) { TWIN_WRITE(ICC_EOIR1_EL1, gicc + GICC_EOIR, iar); }

void arch_gic_deactivate(uint32_t iar) { TWIN_WRITE(ICC_DIR_EL1, gicc + GICC_DIR, iar); }

/* Register of an INTID's bit: private interrupts are banked, or in the redistributor. */
static void write_bit(uint32_t reg, uint32_t intid)
{
	uint64_t base = intid < GIC_FIRST_SPI ? private[this_pcpu()->id] : gicd;

	io_write32(base + reg + intid / 32 * 4, BIT32(intid % 32));
}

void arch_gic_enable(uint32_t intid)
{
	if (intid >= GIC_FIRST_SPI) arch_gic_route(intid, this_pcpu()->id);
	write_bit(GICD_ISENABLER, intid);
}

void arch_gic_disable(uint32_t intid)
{
	write_bit(GICD_ICENABLER, intid);
	wait_clear(gicd + GICD_CTLR, gic_v3 ? GICD_CTLR_RWP : 0);
	write_bit(GICD_ICPENDR, intid);
	write_bit(GICD_ICACTIVER, intid);
}

void arch_gic_set_edge(uint32_t intid, bool edge)
{
	uint64_t reg = gicd + GICD_ICFGR + intid / 16 * 4;
	uint32_t bit = BIT32(intid % 16 * 2 + 1);

	io_write32(reg, edge ? io_read32(reg) | bit : io_read32(reg) & ~bit);
}

void arch_gic_route(uint32_t intid, unsigned cpu)
{
	if (gic_v3)
		io_write64(gicd + GICD_IROUTER + 8 * (uint64_t)intid, pcpus[cpu].mpidr);
	else
		io_write8(gicd + GICD_ITARGETSR + intid, targets[cpu]);
}

/*
 * Active, it is silent, and any CPU may deactivate it (IHI 0048B 3.2.1, IHI 0069 4.7.1). QEMU's
 * GICv2, where list registers are not linked, has an active state for each CPU: there it is masked.
 */
void arch_gic_hold(uint32_t iar)
{
	if (!gic_info.linked_lrs) write_bit(GICD_ICENABLER, iar);
	arch_gic_drop(iar);
	if (!gic_info.linked_lrs) arch_gic_deactivate(iar);
}

void arch_gic_release(uint32_t intid)
{
	write_bit(gic_info.linked_lrs ? GICD_ICACTIVER : GICD_ISENABLER, intid);
}

bool arch_gic_pending(uint32_t intid)
{
	return io_read32(gicd + GICD_ISPENDR + intid / 32 * 4) >> intid % 32 & 1;
}

void arch_gic_set_active(uint32_t intid) { write_bit(GICD_ISACTIVER, intid); }

void arch_gic_clear_active(uint32_t intid) { write_bit(GICD_ICACTIVER, intid); }

/* ICC_SGI1R_EL1: Aff3.Aff2.Aff1, and of up to 16 CPUs in range RS a mask of Aff0 (12.2.21). */
static void send_sgi_v3(unsigned cpu, uint32_t sgi)
{
	uint64_t mpidr = pcpus[cpu].mpidr, aff0 = mpidr & 0xff;

	sysreg_write(ICC_SGI1R_EL1, FIELD_PREP(GENMASK(55, 48), mpidr >> 32) |
	                                FIELD_PREP(GENMASK(47, 44), aff0 / 16) |
	                                FIELD_PREP(GENMASK(39, 32), mpidr >> 16) |
	                                FIELD_PREP(GENMASK(27, 24), sgi) |
	                                FIELD_PREP(GENMASK(23, 16), mpidr >> 8) | BIT(aff0 % 16));
	isb(); /* sent now, not with the next context synchronisation */
}

void arch_gic_send_sgi(unsigned cpu, enum gic_sgi sgi)
{
	/* DSB, not DMB: on v3 a system register sends it, which DMB does not order (B2.3.12). */
	dsb_ishst();
	if (gic_v3)
		send_sgi_v3(cpu, sgi);
	else
		io_write32(gicd + GICD_SGIR, (uint32_t)targets[cpu] << 16 | sgi);
}

void arch_gic_send_sgi_others(enum gic_sgi sgi)
{
	for (unsigned i = 0; i < nr_pcpus; i++)
		if (i != this_pcpu()->id) arch_gic_send_sgi(i, sgi);
}
