/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of include/arch/gic.h: what both versions have is here, with one test of the version
 * per call; the rest is in the two drivers.
 */
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/spinlock.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>

#include "gic.h"

struct arch_gic_info gic_info;
uint64_t gic_gicd, gic_gicc, gic_gich;
uint64_t gic_private[MAX_PCPUS];
uint32_t gic_hcr_optional;
static bool v3;

/* A register of both versions: system register on v3, in memory on v2. */
#define TWIN_READ(reg, addr) (v3 ? (uint32_t)sysreg_read(reg) : io_read32(addr))
#define TWIN_WRITE(reg, addr, val)                                                                 \
	do {                                                                                       \
		if (v3)                                                                            \
			sysreg_write(reg, val);                                                    \
		else                                                                               \
			io_write32(addr, val);                                                     \
	} while (0)

#define GICD_IIDR 0x0008u
#define GICD_IIDR_QEMU 0x0000043bu /* product 0: no real one */
#define GICD_PIDR2_V2 0x0fe8u      /* IHI 0048B 4.3.20 */
#define GICD_PIDR2_V3 0xffe8u      /* IHI 0069 12.9.30 */
#define PIDR2_ARCHREV GENMASK(7, 4)

bool gic_wait_clear(uint64_t reg, uint32_t bits)
{
	for (uint32_t i = 0; i < GIC_POLL_LIMIT; i++) {
		if ((io_read32(reg) & bits) == 0) return true;
		cpu_relax();
	}
	log_err("GIC: register 0x%lx stays busy", (unsigned long)reg);
	return false;
}

void gic_reset(uint64_t base, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i += 32) {
		if (v3) {
			io_write32(base + GICD_IGROUPR + i / 8, UINT32_MAX);
			io_write32(base + GICD_IGRPMODR + i / 8, 0);
		}
		io_write32(base + GICD_ICENABLER + i / 8, UINT32_MAX);
		io_write32(base + GICD_ICPENDR + i / 8, UINT32_MAX);
		io_write32(base + GICD_ICACTIVER + i / 8, UINT32_MAX);
	}
	for (uint32_t i = first; i < end; i += 4)
		io_write32(base + GICD_IPRIORITYR + i, GIC_PRIORITY_WORD);
	for (uint32_t i = MAX(first, GIC_FIRST_SPI); i < end; i += 16)
		io_write32(base + GICD_ICFGR + i / 4, 0); /* level */
}

/* The active bit of an SGI the loader took and never finished would block it for ever. */
void gic_reset_private(uint64_t base)
{
	gic_private[this_pcpu()->id] = base;
	gic_reset(base, 0, GIC_FIRST_SPI);
	io_write32(base + GICD_ISENABLER, BIT32(GIC_SGI_KICK) | BIT32(GIC_SGI_STOP));
}

enum hyp_err arch_gic_init(const struct host_gic *desc)
{
	uint64_t rev;

	gic_gicd = pa_raw(desc->gicd.base);
	v3 = desc->version == 3;
	if (desc->gicd.size < (v3 ? KiB(64) : KiB(4))) {
		log_err("GIC: the distributor's registers are cut short");
		return HYP_EINVAL;
	}
	TRY(arch_mm_map(desc->gicd.base, desc->gicd.size, MM_DEVICE));
	/* Known before there are several CPUs. */
	spin_polls = io_read32(gic_gicd + GICD_IIDR) == GICD_IIDR_QEMU;
	rev = FIELD_GET(PIDR2_ARCHREV, io_read32(gic_gicd + (v3 ? GICD_PIDR2_V3 : GICD_PIDR2_V2)));
	if (v3 ? rev != 3 && rev != 4 : rev != 2) {
		log_err("GIC: the device tree says v%u, the distributor says v%u", desc->version,
		        (unsigned)rev);
		return HYP_ENOTSUP;
	}
	gic_info.nr_irqs = (uint32_t)MIN(
	    (FIELD_GET(GICD_TYPER_ITLINES, io_read32(gic_gicd + GICD_TYPER)) + 1) * 32, 1020);
	TRY(v3 ? gicv3_init(desc) : gicv2_init(desc));
	gic_info.version = desc->version;
	return HYP_OK;
}

void arch_gic_cpu_init(void)
{
	if (v3)
		gicv3_cpu_init();
	else
		gicv2_cpu_init();
	arch_gic_hcr_write(0);
	for (unsigned i = 0; i < gic_info.nr_lrs; i++) arch_gic_lr_write(i, 0);
	isb(); /* the interface is on before what follows waits for interrupts */
}

const struct arch_gic_info *arch_gic_info(void) { return &gic_info; }

uint32_t arch_gic_ack(void)
{
	uint32_t iar;

	if (v3) {
		iar = (uint32_t)sysreg_read(ICC_IAR1_EL1);
		/* The acknowledge has taken effect before the handler looks at memory (4.1.1). */
		dsb_sy();
	} else {
		iar = io_read32(gic_gicc + GICC_IAR);
	}
	isb(); /* what the handler does is not ahead of the acknowledge */
	return iar;
}

void arch_gic_drop(uint32_t iar) { TWIN_WRITE(ICC_EOIR1_EL1, gic_gicc + GICC_EOIR, iar); }

void arch_gic_deactivate(uint32_t iar) { TWIN_WRITE(ICC_DIR_EL1, gic_gicc + GICC_DIR, iar); }

/* Register of an INTID's bit: private interrupts are banked, or in the redistributor. */
static void write_bit(uint32_t reg, uint32_t intid)
{
	uint64_t base = intid < GIC_FIRST_SPI ? gic_private[this_pcpu()->id] : gic_gicd;

	io_write32(base + reg + intid / 32 * 4, BIT32(intid % 32));
}

void arch_gic_enable(uint32_t intid)
{
	if (intid >= GIC_FIRST_SPI && v3)
		io_write64(gic_gicd + GICD_IROUTER + 8 * (uint64_t)intid, this_pcpu()->mpidr);
	else if (intid >= GIC_FIRST_SPI)
		io_write8(gic_gicd + GICD_ITARGETSR + intid, gicv2_targets[this_pcpu()->id]);
	write_bit(GICD_ISENABLER, intid);
}

void arch_gic_set_active(uint32_t intid) { write_bit(GICD_ISACTIVER, intid); }

void arch_gic_clear_active(uint32_t intid) { write_bit(GICD_ICACTIVER, intid); }

void arch_gic_send_sgi(unsigned cpu, enum gic_sgi sgi)
{
	/* DSB, not DMB: on v3 a system register sends it, which DMB does not order (B2.3.12). */
	dsb_ishst();
	if (v3)
		gicv3_send_sgi(cpu, sgi);
	else
		io_write32(gic_gicd + GICD_SGIR, (uint32_t)gicv2_targets[cpu] << 16 | sgi);
}

void arch_gic_send_sgi_others(enum gic_sgi sgi)
{
	for (unsigned i = 0; i < nr_pcpus; i++)
		if (i != this_pcpu()->id) arch_gic_send_sgi(i, sgi);
}

uint64_t arch_gic_lr_read(unsigned n)
{
	uint64_t h;

	if (v3) return gicv3_lr_read(n);
	h = io_read32(gic_gich + GICH_LR + 4 * n);
	return FIELD_GET(GICH_LR_VINTID, h) | FIELD_PREP(LR_PINTID, FIELD_GET(GICH_LR_PINTID, h)) |
	       FIELD_PREP(LR_PRIORITY_V2, FIELD_GET(GICH_LR_PRIORITY, h)) |
	       FIELD_PREP(LR_HW | LR_GROUP1, FIELD_GET(GICH_LR_HW_GROUP1, h)) |
	       FIELD_PREP(LR_STATE, FIELD_GET(GICH_LR_STATE, h));
}

void arch_gic_lr_write(unsigned n, uint64_t lr)
{
	uint64_t h;

	if (v3) {
		gicv3_lr_write(n, lr);
		return;
	}
	h = FIELD_PREP(GICH_LR_VINTID, lr) | FIELD_PREP(GICH_LR_PINTID, FIELD_GET(LR_PINTID, lr)) |
	    FIELD_PREP(GICH_LR_PRIORITY, FIELD_GET(LR_PRIORITY_V2, lr)) |
	    FIELD_PREP(GICH_LR_HW_GROUP1, FIELD_GET(LR_HW | LR_GROUP1, lr)) |
	    FIELD_PREP(GICH_LR_STATE, FIELD_GET(LR_STATE, lr));
	io_write32(gic_gich + GICH_LR + 4 * n, (uint32_t)h);
}

uint32_t arch_gic_elrsr(void)
{
	if (v3) {
		isb(); /* list register writes are not self-synchronising (IHI 0069 12.1.1) */
		return (uint32_t)sysreg_read(ICH_ELRSR_EL2);
	}
	return io_read32(gic_gich + GICH_ELRSR0); /* nr_lrs <= 16 */
}

uint32_t arch_gic_hcr_read(void) { return TWIN_READ(ICH_HCR_EL2, gic_gich + GICH_HCR); }

void arch_gic_hcr_write(uint32_t hcr)
{
	hcr &= ~VGIC_HCR_TDIR | gic_hcr_optional;
	TWIN_WRITE(ICH_HCR_EL2, gic_gich + GICH_HCR, hcr);
}

uint32_t arch_gic_vmcr_read(void) { return TWIN_READ(ICH_VMCR_EL2, gic_gich + GICH_VMCR); }

void arch_gic_vcpu_save(struct arch_gic_vcpu *c)
{
	c->vmcr = arch_gic_vmcr_read();
	if (v3)
		gicv3_apr_save(c);
	else
		c->apr[0][0] = io_read32(gic_gich + GICH_APR);
}

void arch_gic_vcpu_load(const struct arch_gic_vcpu *c)
{
	TWIN_WRITE(ICH_VMCR_EL2, gic_gich + GICH_VMCR, c->vmcr);
	if (v3)
		gicv3_apr_load(c);
	else
		io_write32(gic_gich + GICH_APR, c->apr[0][0]);
}

/*
 * VMCR: priority mask on top (v2 31:27 of 5 bits, v3 31:24), binary points 23:21 and 20:18, VFIQEn
 * bit 3, group enables bits 1 and 0 (IHI 0048B 5.3.8, IHI 0069 12.4.8).
 */
#define VMCR_GRP0 BIT32(0)
#define VMCR_GRP1 BIT32(1)
#define VMCR_EOIMODE BIT32(9)
#define VMCR_FIQEN BIT32(3)
#define VMCR_BPR0 GENMASK(23, 21)
#define VMCR_BPR1 GENMASK(20, 18)

void arch_gic_vcpu_reset(struct arch_gic_vcpu *c)
{
	/* Binary points at their minimum for pri_bits, 2 and 3 for five; v3: FIQEn is RES1 with
	 * SRE. */
	uint64_t bpr0 = 7 - gic_info.pri_bits;

	*c = (struct arch_gic_vcpu){
	    .vmcr = (uint32_t)(FIELD_PREP(VMCR_BPR0, bpr0) | FIELD_PREP(VMCR_BPR1, bpr0 + 1) |
	                       (v3 ? VMCR_FIQEN : 0)),
	};
}

struct arch_gic_vmcr arch_gic_vmcr_decode(uint32_t vmcr)
{
	return (struct arch_gic_vmcr){
	    .pmr = (uint8_t)(vmcr >> 24 & (v3 ? 0xffu : 0xf8u)),
	    .grp0 = (vmcr & VMCR_GRP0) != 0,
	    .grp1 = (vmcr & VMCR_GRP1) != 0,
	    .split = (vmcr & VMCR_EOIMODE) != 0,
	};
}
