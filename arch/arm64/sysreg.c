/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped system registers: one table of policy, default deny, and the ID registers by allow-list.
 * docs/sysregs.md is generated from the rows by scripts/gen_sysreg_doc.py.
 */
#include <hyp/setway.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>
#include <hyp/vtimer.h>

#include <asm/sysreg.h>
#include <asm/trap.h>

/* One access: out NULL: val is written; else *out gets what is read. */
typedef enum trap_result access_fn(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out);

static enum trap_result raz_wi(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	if (out) *out = 0;
	return TRAP_ADVANCE;
}

/* EL1 physical timer, arg: enum cntp_reg. At EL0 only what CNTKCTL_EL1 lets through. */
static enum trap_result cntp(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	if (pstate_is_el0(sysreg_read(SPSR_EL2)) &&
	    !(sysreg_read(CNTKCTL_EL1) & BIT(9))) /* EL0PTEN */
		return TRAP_UNDEF;
	vtimer_cntp(v, arg, val, out);
	return TRAP_ADVANCE;
}

/* Only once the VM's time was stopped (CNTHCTL_EL2.EL1PCTEN = 0). */
static enum trap_result cntpct(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	*out = arch_counter() - v->vm->cntpct_off;
	return TRAP_ADVANCE;
}

/*
 * What traps of the CPU interface; SGI0R is ICC_ASGI1R_EL1, too. SRE: system registers for ever
 * (12.2.23: SRE, DFB, DIB): where the CPU has memory-mapped access as well, a guest that cleared it
 * would take the registers from whoever runs here next.
 */
enum { ICC_SGI0R, ICC_SGI1R, ICC_DIR, ICC_SRE };
static enum trap_result icc(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	if (v->vm->vgic.version != 3) return TRAP_UNDEF;
	if (arg <= ICC_SGI1R)
		vgic_sgir_write(v, val, arg == ICC_SGI1R);
	else if (arg == ICC_DIR)
		vgic_dir_write(v, (uint32_t)val & 0xffffff);
	else if (out)
		*out = 7;
	return TRAP_ADVANCE;
}

/* First use of a debug register: the guest owns them all from now on; the access is repeated. */
static enum trap_result debug(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	vcpu_debug_take(v);
	return TRAP_RESUME;
}

/* OS lock: kept per vCPU, without effect on debug exceptions (no external debugger saves state). */
static enum trap_result oslock(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	if (out)
		*out = BIT(3) | (v->arch.debug.oslk ? BIT(1) : 0); /* OSLM = 0b10: implemented */
	else
		v->arch.debug.oslk = val & 1;
	return TRAP_ADVANCE;
}

static enum trap_result setway(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	if (v->arch.hcr & HCR_TVM)
		return TRAP_ADVANCE; /* flushed, and the caches were not turned on since */
	if (!setway_flushed(v)) return TRAP_RESCHED;
	vcpu_hcr_change(v, 0, HCR_TVM);
	return TRAP_ADVANCE;
}

static bool caches_on(uint64_t sctlr) { return (~sctlr & (SCTLR_M | SCTLR_C)) == 0; }

/* EL1 translation controls while HCR.TVM is set, i.e. after set/way maintenance. arg: SR_. */
static enum trap_result tvm(struct vcpu *v, uint32_t arg, uint64_t val, uint64_t *out)
{
	bool was = caches_on(sysreg_read(SCTLR_EL1));
	bool now = arg == SR_SCTLR_EL1 ? caches_on(val) : was;

	/*
	 * Lines that EL2's cacheable alias brought in since the last flush must not be hit by the
	 * guest once its caches are on, nor its dirty ones be lost when they go off.
	 */
	if (was != now && !setway_flushed(v)) return TRAP_RESCHED;
	switch (arg) {
#define WRITE_SR(reg, ...)                                                                         \
	case SR_##reg: sysreg_write(reg, val); break;
		FOR_EACH_TVM_SR(WRITE_SR)
	}
	if (now) vcpu_hcr_change(v, HCR_TVM, 0); /* else each of its context switches would trap */
	return TRAP_ADVANCE;
}

enum { RD = 1, WR, RW };

/*
 * A row's place is a hash of its encoding. With this factor no two meet, else the compiler says
 * that an initialiser is overridden: a new row may need another one.
 */
#define HASH(enc) (((enc)*0x1b4442cfu) >> 25)

static const struct sysreg_row {
	uint32_t enc;
	uint16_t arg, dirs; /* in a direction that is not named it is UNDEFINED */
	access_fn *fn;
} rows[128] = {
/* The name is for docs/sysregs.md alone. */
#define ROW(op0, op1, crn, crm, op2, name, dirs, fn, arg)                                          \
	[HASH(SYS_ENC(op0, op1, crn, crm, op2))] = {SYS_ENC(op0, op1, crn, crm, op2), arg, dirs, fn}
#define TVM_ROW(reg, crn, crm, op2) ROW(3, 0, crn, crm, op2, #reg, WR, tvm, SR_##reg),
    /*
     * Everything that traps and is not UNDEFINED; a comment is the reason of the rows below it in
     * docs/sysregs.md. The ID group is below.
     */
    /* Set/way maintenance cannot be virtualised: the first use flushes the VM's RAM, as a job. */
    ROW(1, 0, 7, 6, 2, "DC ISW", WR, setway, 0),
    ROW(1, 0, 7, 10, 2, "DC CSW", WR, setway, 0),
    ROW(1, 0, 7, 14, 2, "DC CISW", WR, setway, 0),
    /* Set/way maintenance was used: trapped until stage 1 and caches are on (HCR_EL2.TVM). */
    FOR_EACH_TVM_SR(TVM_ROW)
    /* Self-hosted debug: the guest's own from the first use on, part of its context then. */
    ROW(2, 0, 0, 2, 2, "MDSCR_EL1", RW, debug, 0),
    ROW(2, 0, 0, 0, 4, "DBG<B,W><V,C>R<0..15>_EL1", RW, debug, 0),
    /* The OS lock exists, but nobody saves debug state from outside: kept, without effect. */
    ROW(2, 0, 1, 0, 4, "OSLAR_EL1", WR, oslock, 0),
    ROW(2, 0, 1, 1, 4, "OSLSR_EL1", RD, oslock, 0),
    ROW(2, 0, 1, 3, 4, "OSDLR_EL1", RW, raz_wi, 0),
    ROW(2, 0, 1, 4, 4, "DBGPRCR_EL1", RW, raz_wi, 0),
    /* No external debugger: nothing in its channel, no claim tags, no ROM table; until debug is the
     * guest's, from when on the CPU's own are switched or cleared. */
    ROW(2, 0, 0, 0, 2, "OSDTRRX_EL1", RW, raz_wi, 0),
    ROW(2, 0, 0, 2, 0, "MDCCINT_EL1", RW, raz_wi, 0),
    ROW(2, 0, 0, 3, 2, "OSDTRTX_EL1", RW, raz_wi, 0),
    ROW(2, 0, 0, 6, 2, "OSECCR_EL1", RW, raz_wi, 0),
    ROW(2, 0, 1, 0, 0, "MDRAR_EL1", RD, raz_wi, 0),
    ROW(2, 0, 7, 8, 6, "DBGCLAIMSET_EL1", RW, raz_wi, 0),
    ROW(2, 0, 7, 9, 6, "DBGCLAIMCLR_EL1", RW, raz_wi, 0),
    ROW(2, 0, 7, 14, 6, "DBGAUTHSTATUS_EL1", RD, raz_wi, 0),
    ROW(2, 3, 0, 1, 0, "MDCCSR_EL0", RD, raz_wi, 0),
    ROW(2, 3, 0, 4, 0, "DBGDTR_EL0", RW, raz_wi, 0),
    ROW(2, 3, 0, 5, 0, "DBGDTRRX_EL0, DBGDTRTX_EL0", RW, raz_wi, 0),
    /* Implementation defined, and none of a guest's business; some systems save it blindly. */
    ROW(3, 0, 1, 0, 1, "ACTLR_EL1", RW, raz_wi, 0),
    /* SGIs have virtual targets. DIR: only while active interrupts outnumber list registers. */
    ROW(3, 0, 12, 11, 1, "ICC_DIR_EL1", WR, icc, ICC_DIR),
    ROW(3, 0, 12, 11, 5, "ICC_SGI1R_EL1", WR, icc, ICC_SGI1R),
    ROW(3, 0, 12, 11, 6, "ICC_ASGI1R_EL1", WR, icc, ICC_SGI0R),
    ROW(3, 0, 12, 11, 7, "ICC_SGI0R_EL1", WR, icc, ICC_SGI0R),
    /* The CPU interface is system registers, whatever a guest writes; most CPUs know no other. */
    ROW(3, 0, 12, 12, 5, "ICC_SRE_EL1", RW, icc, ICC_SRE),
    /* The physical timer is emulated; CNTPCT traps only in a VM whose time was stopped. */
    ROW(3, 3, 14, 0, 1, "CNTPCT_EL0", RD, cntpct, 0),
    ROW(3, 3, 14, 2, 0, "CNTP_TVAL_EL0", RW, cntp, CNTP_TVAL),
    ROW(3, 3, 14, 2, 1, "CNTP_CTL_EL0", RW, cntp, CNTP_CTL),
    ROW(3, 3, 14, 2, 2, "CNTP_CVAL_EL0", RW, cntp, CNTP_CVAL),
};

/* ID_*_EL1: op0 3, op1 0, CRn 0, CRm 1..7 (D19.3.1, table D18-2). */
static uint64_t idregs[8][8];

/* Of each field (they are ordered) what val has, but at most what max has. */
static uint64_t fields_min(uint64_t val, uint64_t max)
{
	uint64_t out = 0;

	for (uint64_t f = 0xf; f != 0; f <<= 4) out |= MIN(val & f, max & f);
	return out;
}

#define ID(crm, op2, reg, max) idregs[crm][op2] = fields_min(sysreg_read(reg), UINT64_C(max))
#define ALL 0xffffffffffffffff

/*
 * The most that is offered: a field that is 0 here reads as "not implemented" whatever the CPU has,
 * and what it would enable is trapped (vcpu_regs.c). The comments are for docs/sysregs.md, too.
 */
void sysreg_init(void)
{
	/* AArch32 at EL0 as the CPU has it: instruction sets and VFP; debug and EL1 are AArch64. */
	ID(1, 0, ID_PFR0_EL1, 0xffff);
	ID(1, 1, ID_PFR1_EL1, 0xf0000); /* the generic timer */
	ID(1, 4, ID_MMFR0_EL1, ALL);
	ID(1, 5, ID_MMFR1_EL1, ALL);
	ID(1, 6, ID_MMFR2_EL1, ALL);
	ID(1, 7, ID_MMFR3_EL1, ALL);
	ID(2, 0, ID_ISAR0_EL1, ALL);
	ID(2, 1, ID_ISAR1_EL1, ALL);
	ID(2, 2, ID_ISAR2_EL1, ALL);
	ID(2, 3, ID_ISAR3_EL1, ALL);
	ID(2, 4, ID_ISAR4_EL1, ALL);
	ID(2, 5, ID_ISAR5_EL1, ALL);
	ID(3, 0, MVFR0_EL1, ALL);
	ID(3, 1, MVFR1_EL1, ALL);
	ID(3, 2, MVFR2_EL1, ALL);
	/*
	 * EL0 as the CPU (2: AArch32 as well), EL1 AArch64 only, EL2 and EL3 absent; FP, AdvSIMD
	 * (0xf: absent); GIC system registers when the machine has them; CSV2, CSV3 describe the
	 * CPU.
	 */
	ID(4, 0, ID_AA64PFR0_EL1, 0x1100000001ff0012);
	/* Debug architecture v8.0 with the CPU's breakpoints and watchpoints; no PMU, trace, SPE.
	 */
	ID(5, 0, ID_AA64DFR0_EL1, 0xf0f0f000);
	idregs[5][0] |= 6;
	/* AES, SHA1, SHA2, CRC32, atomics, RDM, SHA3, SM3, SM4, DP, FHM, TS, TLB, RNDR: native. */
	ID(6, 0, ID_AA64ISAR0_EL1, 0xfffffffff0fffff0);
	/* DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, BF16, DGH, I8MM; pointer authentication is hidden.
	 */
	ID(6, 1, ID_AA64ISAR1_EL1, 0x00fff0ff00fff00f);
	/*
	 * PARange: what stage 2 can take in (40 bits, code 2), or the CPU's if smaller. No big
	 * endian: emulated devices are little-endian. Granules without 52-bit addresses (LPA2 is 1
	 * more; 4 KiB: 0xf means absent).
	 */
	ID(7, 0, ID_AA64MMFR0_EL1, 0xff1000f2);
	if (idregs[7][0] >> 28 != 0xf) idregs[7][0] &= 0xfffffff;
	/* HAFDBS, HPDS, PAN; VMIDBits, VH, LO, XNX belong to EL2 or are hidden. */
	ID(7, 1, ID_AA64MMFR1_EL1, 0x201002);
	/* CCIDX: CCSIDR_EL1 is native, and this is its format. */
	ID(7, 2, ID_AA64MMFR2_EL1, 0xf00000);
	/* The rest of the space: 0, the Armv8.0 value. */
}

/* The row of an access in that direction; NULL: it is UNDEFINED. */
static const struct sysreg_row *row_of(uint32_t enc, unsigned dirs)
{
	const struct sysreg_row *row;

	/* DBGBVR<n>_EL1 and its like: n is CRm, which one is in op2. */
	if ((enc & SYS_ENC(3, 7, 15, 0, 4)) == SYS_ENC(2, 0, 0, 0, 4)) enc = SYS_ENC(2, 0, 0, 0, 4);
	row = &rows[HASH(enc)];
	return row->enc == enc && (row->dirs & dirs) ? row : NULL;
}

/* Not inline: the hot path needs no frame. */
__attribute__((noinline)) static enum trap_result emulate_read(struct vcpu *v, uint32_t enc,
                                                               unsigned rt)
{
	const struct sysreg_row *row = row_of(enc, RD);
	enum trap_result r;
	uint64_t val;

	if (!row) return TRAP_UNDEF;
	r = row->fn(v, row->arg, 0, &val);
	if (r == TRAP_ADVANCE) vcpu_gpr_set(v, rt, val);
	return r;
}

enum trap_result trap_sysreg(struct vcpu *v, uint64_t esr)
{
	unsigned rt = (unsigned)FIELD_GET(ESR_SYS_RT, esr), crm = (esr >> 1) & 15;
	uint32_t enc = (uint32_t)esr & SYS_ENC(3, 7, 15, 15, 7);
	const struct sysreg_row *row;

	v->stats.nr_sysreg++;
	if (esr & ESR_SYS_READ) {
		if ((enc & ~SYS_ENC(0, 0, 0, 7, 7)) != SYS_ENC(3, 0, 0, 0, 0) || crm == 0)
			return emulate_read(v, enc, rt);
		vcpu_gpr_set(v, rt, idregs[crm][(esr >> 17) & 7]);
		return TRAP_ADVANCE;
	}
	row = row_of(enc, WR);
	return row ? row->fn(v, row->arg, vcpu_gpr_get(v, rt), NULL) : TRAP_UNDEF;
}

/*
 * AArch32 at EL0: of CP15 only the physical timer can trap here and exist (CNTP_TVAL and CNTP_CTL
 * by MCR/MRC c14 c2, CNTP_CVAL by MCRR/MRRC c14 opc1 2, CNTPCT by MRRC c14 opc1 0); the rest is
 * undefined. The fields of MCR and MRC lie where those of MSR do; these are 32 bits by themselves.
 */
enum trap_result trap_cp15(struct vcpu *v, uint64_t esr)
{
	unsigned rt = (unsigned)FIELD_GET(ESR_SYS_RT, esr), rt2 = (unsigned)(esr >> 10) & 31;
	uint64_t val = vcpu_gpr_get(v, rt2) << 32 | (uint32_t)vcpu_gpr_get(v, rt);
	uint64_t pair = esr & (GENMASK(19, 16) | GENMASK(4, 1)); /* opc1, CRm */
	uint64_t *out = (esr & ESR_SYS_READ) ? &val : NULL;
	enum trap_result r = TRAP_UNDEF;

	if (trap_cond_fails(esr, sysreg_read(SPSR_EL2))) return TRAP_ADVANCE;
	if (FIELD_GET(ESR_EC, esr) == EC_CP15_32) {
		if ((esr & SYS_ENC(0, 7, 15, 15, 6)) != SYS_ENC(0, 0, 14, 2, 0)) return TRAP_UNDEF;
		return trap_sysreg(v, esr | SYS_ENC(3, 3, 0, 0, 0));
	}
	if (pair == (2 << 16 | 14 << 1))
		r = cntp(v, CNTP_CVAL, val, out);
	else if (pair == 14 << 1 && out)
		r = cntpct(v, 0, 0, out);
	if (r == TRAP_ADVANCE && out) {
		vcpu_gpr_set(v, rt, (uint32_t)val);
		vcpu_gpr_set(v, rt2, val >> 32);
	}
	return r;
}
