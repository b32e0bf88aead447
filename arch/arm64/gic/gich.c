/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual CPU interface that EL2 gives a guest: GICH (IHI 0048B 5.3) or ICH registers (IHI 0069
 * 12.4).
 */
#include "gic.h"

#define GICH_HCR 0x0000u
#define GICH_VTR 0x0004u
#define GICH_VMCR 0x0008u
#define GICH_APR 0x00f0u
#define GICH_LR 0x0100u

/* The same fields in both. TDS: v3 alone. */
#define VTR_LISTREGS GENMASK(5, 0)
#define VTR_TDS BIT(19)
#define VTR_PREBITS GENMASK(28, 26)

/* GICH_LR (IHI 0048B 5.3.11). */
#define GICH_LR_VINTID GENMASK(9, 0)
#define GICH_LR_PINTID GENMASK(19, 10) /* HW = 0: EOI bit 19, source CPU 12:10 */
#define GICH_LR_PRIORITY GENMASK(27, 23)
#define GICH_LR_STATE GENMASK(29, 28)
#define GICH_LR_HW_GROUP1 GENMASK(31, 30) /* as LR_HW | LR_GROUP1 */
/* Of the canonical priority, the five bits that GICH has. */
#define LR_PRIORITY_V2 GENMASK(55, 51)

/*
 * VMCR: priority mask on top (v2 31:27 of 5 bits, v3 31:24), binary points 23:21 and 20:18, VFIQEn
 * bit 3, group enables bits 1 and 0 (IHI 0048B 5.3.8, IHI 0069 12.4.8).
 */
#define VMCR_GROUPS 3u
#define VMCR_EOIMODE BIT32(9)
#define VMCR_FIQEN BIT32(3)
#define VMCR_BPR0 GENMASK(23, 21)
#define VMCR_BPR1 GENMASK(20, 18)

uint64_t gic_gich;
static unsigned pre_bits;
static uint32_t hcr_mask;

void gich_init(void)
{
	uint64_t vtr = TWIN_READ(ICH_VTR_EL2, gic_gich + GICH_VTR);

	gic_info.nr_lrs = (unsigned)MIN(FIELD_GET(VTR_LISTREGS, vtr) + 1, 16);
	pre_bits = (unsigned)FIELD_GET(VTR_PREBITS, vtr) + 1;
	hcr_mask = gic_v3 && (vtr & VTR_TDS) ? UINT32_MAX : ~VGIC_HCR_TDIR;
}

/* A list register's number is part of the instruction. */
#define FOR_EACH_LR(op)                                                                            \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13)    \
	    op(14) op(15)

uint64_t arch_gic_lr_read(unsigned n)
{
	uint64_t h;

	switch (gic_v3 ? n : UINT32_MAX) {
#define LR_READ(i)                                                                                 \
	case i: return sysreg_read(ICH_LR##i##_EL2);
		FOR_EACH_LR(LR_READ)
	}
	h = io_read32(gic_gich + GICH_LR + 4 * n);
	return FIELD_GET(GICH_LR_VINTID, h) | FIELD_PREP(LR_PINTID, FIELD_GET(GICH_LR_PINTID, h)) |
	       FIELD_PREP(LR_PRIORITY_V2, FIELD_GET(GICH_LR_PRIORITY, h)) |
	       FIELD_PREP(LR_HW | LR_GROUP1, FIELD_GET(GICH_LR_HW_GROUP1, h)) |
	       FIELD_PREP(LR_STATE, FIELD_GET(GICH_LR_STATE, h));
}

void arch_gic_lr_write(unsigned n, uint64_t lr)
{
	uint64_t h;

	switch (gic_v3 ? n : UINT32_MAX) {
#define LR_WRITE(i)                                                                                \
	case i: sysreg_write(ICH_LR##i##_EL2, lr); return;
		FOR_EACH_LR(LR_WRITE)
	}
	h = FIELD_PREP(GICH_LR_VINTID, lr) | FIELD_PREP(GICH_LR_PINTID, FIELD_GET(LR_PINTID, lr)) |
	    FIELD_PREP(GICH_LR_PRIORITY, FIELD_GET(LR_PRIORITY_V2, lr)) |
	    FIELD_PREP(GICH_LR_HW_GROUP1, FIELD_GET(LR_HW | LR_GROUP1, lr)) |
	    FIELD_PREP(GICH_LR_STATE, FIELD_GET(LR_STATE, lr));
	io_write32(gic_gich + GICH_LR + 4 * n, (uint32_t)h);
}

uint32_t arch_gic_hcr_read(void) { return TWIN_READ(ICH_HCR_EL2, gic_gich + GICH_HCR); }

void arch_gic_hcr_write(uint32_t hcr)
{
	TWIN_WRITE(ICH_HCR_EL2, gic_gich + GICH_HCR, hcr & hcr_mask);
}

static uint32_t vmcr_read(void) { return TWIN_READ(ICH_VMCR_EL2, gic_gich + GICH_VMCR); }

#define APR_SAVE0(n) c->apr[n][0] = (uint32_t)sysreg_read(ICH_AP0R##n##_EL2)
#define APR_SAVE1(n) c->apr[n][1] = (uint32_t)sysreg_read(ICH_AP1R##n##_EL2)
#define APR_LOAD0(n) sysreg_write(ICH_AP0R##n##_EL2, c->apr[n][0])
#define APR_LOAD1(n) sysreg_write(ICH_AP1R##n##_EL2, c->apr[n][1])

void arch_gic_vcpu_save(struct arch_gic_vcpu *c)
{
	c->vmcr = vmcr_read();
	if (!gic_v3) {
		c->apr[0][0] = io_read32(gic_gich + GICH_APR);
		return;
	}
	FOR_EACH_APR(pre_bits, APR_SAVE0);
	FOR_EACH_APR(pre_bits, APR_SAVE1);
}

void arch_gic_vcpu_load(const struct arch_gic_vcpu *c)
{
	TWIN_WRITE(ICH_VMCR_EL2, gic_gich + GICH_VMCR, c->vmcr);
	if (!gic_v3) {
		io_write32(gic_gich + GICH_APR, c->apr[0][0]);
		return;
	}
	FOR_EACH_APR(pre_bits, APR_LOAD0);
	FOR_EACH_APR(pre_bits, APR_LOAD1);
}

/* Binary points at their minimum, 2 and 3 for five bits; v3: FIQEn is RES1 with SRE. */
void arch_gic_vcpu_reset(struct arch_gic_vcpu *c)
{
	uint64_t bpr0 = 7 - pre_bits;

	*c = (struct arch_gic_vcpu){
	    .vmcr = (uint32_t)(FIELD_PREP(VMCR_BPR0, bpr0) | FIELD_PREP(VMCR_BPR1, bpr0 + 1) |
	                       (gic_v3 ? VMCR_FIQEN : 0)),
	};
}

struct arch_gic_vmcr arch_gic_vmcr_read(void)
{
	uint32_t vmcr = vmcr_read();

	return (struct arch_gic_vmcr){
	    .pmr = (uint8_t)(vmcr >> 24 & (gic_v3 ? 0xffu : 0xf8u)),
	    .groups = vmcr & VMCR_GROUPS,
	    .split = (vmcr & VMCR_EOIMODE) != 0,
	};
}
