/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped system registers: one table of policy, default deny. docs/sysregs.md is generated from
 * the rows by scripts/gen_sysreg_doc.py.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/setway.h>
#include <hyp/vcpu.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>
#include <hyp/vtimer.h>
#include <arch/barrier.h>

#include <asm/sysreg.h>
#include <asm/trap.h>
#include <asm/vcpu_regs.h>

struct sysreg_row {
	uint32_t enc;
	const char *name;
	/* NULL: the access in that direction is UNDEFINED. */
	enum trap_result (*read)(struct vcpu *v, const struct sysreg_row *row, uint64_t *val);
	enum trap_result (*write)(struct vcpu *v, const struct sysreg_row *row, uint64_t val);
	uint32_t arg;
};

typedef const struct sysreg_row *row_t;

static enum trap_result raz(struct vcpu *v, row_t row, uint64_t *val)
{
	*val = 0;
	return TRAP_ADVANCE;
}

static enum trap_result wi(struct vcpu *v, row_t row, uint64_t val) { return TRAP_ADVANCE; }

/* EL1 physical timer, arg: 0 TVAL, 1 CTL, 2 CVAL. At EL0 only what CNTKCTL_EL1 lets through. */
static bool cntp_allowed(void)
{
	uint64_t pstate = sysreg_read(SPSR_EL2);

	if (!(pstate & PSR_AARCH32) && (pstate & PSR_M) != PSR_M_EL0T) return true;
	return sysreg_read(CNTKCTL_EL1) & BIT(9); /* EL0PTEN */
}

static enum trap_result cntp_read(struct vcpu *v, row_t row, uint64_t *val)
{
	if (!cntp_allowed()) return TRAP_UNDEF;
	switch (row->arg) {
	case 0: *val = vtimer_cntp_read_tval(v); break;
	case 1: *val = vtimer_cntp_read_ctl(v); break;
	default: *val = vtimer_cntp_read_cval(v); break;
	}
	return TRAP_ADVANCE;
}

static enum trap_result cntp_write(struct vcpu *v, row_t row, uint64_t val)
{
	if (!cntp_allowed()) return TRAP_UNDEF;
	switch (row->arg) {
	case 0: vtimer_cntp_write_tval(v, val); break;
	case 1: vtimer_cntp_write_ctl(v, val); break;
	default: vtimer_cntp_write_cval(v, val); break;
	}
	return TRAP_ADVANCE;
}

/* Only once the VM's time was stopped (CNTHCTL_EL2.EL1PCTEN = 0). */
static enum trap_result cntpct_read(struct vcpu *v, row_t row, uint64_t *val)
{
	*val = arch_counter() - v->vm->cntpct_off;
	return TRAP_ADVANCE;
}

/* ICC_SGI1R_EL1 (arg 1), ICC_SGI0R_EL1 and ICC_ASGI1R_EL1 (arg 0). */
static enum trap_result sgir_write(struct vcpu *v, row_t row, uint64_t val)
{
	if (v->vm->vgic.version != 3) return TRAP_UNDEF;
	vgic_sgir_write(v, val, row->arg != 0);
	return TRAP_ADVANCE;
}

/* Traps only while HCR.TDIR is set: active interrupts outside the list registers. */
static enum trap_result dir_write(struct vcpu *v, row_t row, uint64_t val)
{
	if (v->vm->vgic.version != 3) return TRAP_UNDEF;
	vgic_dir_write(v, (uint32_t)val & 0xffffff);
	return TRAP_ADVANCE;
}

/* First use of a debug register: the guest owns them all from now on; the access is repeated. */
static enum trap_result debug_read(struct vcpu *v, row_t row, uint64_t *val)
{
	vcpu_debug_take(v);
	return TRAP_RESUME;
}

static enum trap_result debug_write(struct vcpu *v, row_t row, uint64_t val)
{
	vcpu_debug_take(v);
	return TRAP_RESUME;
}

/* OS lock: kept per vCPU, without effect on debug exceptions (no external debugger saves state). */
static enum trap_result oslar_write(struct vcpu *v, row_t row, uint64_t val)
{
	v->arch.debug.oslk = val & 1;
	return TRAP_ADVANCE;
}

static enum trap_result oslsr_read(struct vcpu *v, row_t row, uint64_t *val)
{
	*val = BIT(3) | (v->arch.debug.oslk ? BIT(1) : 0); /* OSLM = 0b10: implemented */
	return TRAP_ADVANCE;
}

static enum trap_result setway_write(struct vcpu *v, row_t row, uint64_t val)
{
	if (v->arch.hcr & HCR_TVM)
		return TRAP_ADVANCE; /* flushed, and the caches were not turned on since */
	if (!setway_flushed(v)) return TRAP_RESCHED;
	vcpu_hcr_change(v, 0, HCR_TVM);
	return TRAP_ADVANCE;
}

static bool caches_on(uint64_t sctlr)
{
	return (sctlr & (SCTLR_M | SCTLR_C)) == (SCTLR_M | SCTLR_C);
}

/* EL1 translation controls while HCR.TVM is set, i.e. after set/way maintenance. arg: enum vcpu_sr.
 */
static enum trap_result tvm_write(struct vcpu *v, row_t row, uint64_t val)
{
	bool was = caches_on(sysreg_read(SCTLR_EL1)), now = was;

	switch (row->arg) {
	case SR_SCTLR_EL1:
		now = caches_on(val);
		/*
		 * Lines that EL2's cacheable alias brought in since the last flush must not be hit
		 * by the guest once its caches are on, nor its dirty ones be lost when they go off.
		 */
		if (was != now && !setway_flushed(v)) return TRAP_RESCHED;
		sysreg_write(SCTLR_EL1, val);
		break;
	case SR_TTBR0_EL1: sysreg_write(TTBR0_EL1, val); break;
	case SR_TTBR1_EL1: sysreg_write(TTBR1_EL1, val); break;
	case SR_TCR_EL1: sysreg_write(TCR_EL1, val); break;
	case SR_ESR_EL1: sysreg_write(ESR_EL1, val); break;
	case SR_FAR_EL1: sysreg_write(FAR_EL1, val); break;
	case SR_AFSR0_EL1: sysreg_write(AFSR0_EL1, val); break;
	case SR_AFSR1_EL1: sysreg_write(AFSR1_EL1, val); break;
	case SR_MAIR_EL1: sysreg_write(MAIR_EL1, val); break;
	case SR_AMAIR_EL1: sysreg_write(AMAIR_EL1, val); break;
	default: sysreg_write(CONTEXTIDR_EL1, val); break;
	}
	if (now) vcpu_hcr_change(v, HCR_TVM, 0); /* else each of its context switches would trap */
	return TRAP_ADVANCE;
}

#define ROW(op0, op1, crn, crm, op2, name, rd, wr, arg)                                            \
	{                                                                                          \
		SYS_ENC(op0, op1, crn, crm, op2), name, rd, wr, arg                                \
	}
/* DBG<B|W><V|C>R<n>_EL1 of one n, and nothing else under that CRm. */
#define DBG_ROWS(n)                                                                                \
	ROW(2, 0, 0, n, 4, "DBGBVR" #n "_EL1", debug_read, debug_write, 0),                        \
	    ROW(2, 0, 0, n, 5, "DBGBCR" #n "_EL1", debug_read, debug_write, 0),                    \
	    ROW(2, 0, 0, n, 6, "DBGWVR" #n "_EL1", debug_read, debug_write, 0),                    \
	    ROW(2, 0, 0, n, 7, "DBGWCR" #n "_EL1", debug_read, debug_write, 0)

/*
 * Everything that traps and is not UNDEFINED; a comment is the reason of the rows below it in
 * docs/sysregs.md. The ID group is in idregs.c.
 */
static const struct sysreg_row rows[] = {
    /* Set/way maintenance cannot be virtualised: the first use flushes the VM's RAM, as a job. */
    ROW(1, 0, 7, 6, 2, "DC ISW", NULL, setway_write, 0),
    ROW(1, 0, 7, 10, 2, "DC CSW", NULL, setway_write, 0),
    ROW(1, 0, 7, 14, 2, "DC CISW", NULL, setway_write, 0),
    /* Set/way maintenance was used: trapped until stage 1 and caches are on (HCR_EL2.TVM). */
    ROW(3, 0, 1, 0, 0, "SCTLR_EL1", NULL, tvm_write, SR_SCTLR_EL1),
    ROW(3, 0, 2, 0, 0, "TTBR0_EL1", NULL, tvm_write, SR_TTBR0_EL1),
    ROW(3, 0, 2, 0, 1, "TTBR1_EL1", NULL, tvm_write, SR_TTBR1_EL1),
    ROW(3, 0, 2, 0, 2, "TCR_EL1", NULL, tvm_write, SR_TCR_EL1),
    ROW(3, 0, 5, 1, 0, "AFSR0_EL1", NULL, tvm_write, SR_AFSR0_EL1),
    ROW(3, 0, 5, 1, 1, "AFSR1_EL1", NULL, tvm_write, SR_AFSR1_EL1),
    ROW(3, 0, 5, 2, 0, "ESR_EL1", NULL, tvm_write, SR_ESR_EL1),
    ROW(3, 0, 6, 0, 0, "FAR_EL1", NULL, tvm_write, SR_FAR_EL1),
    ROW(3, 0, 10, 2, 0, "MAIR_EL1", NULL, tvm_write, SR_MAIR_EL1),
    ROW(3, 0, 10, 3, 0, "AMAIR_EL1", NULL, tvm_write, SR_AMAIR_EL1),
    ROW(3, 0, 13, 0, 1, "CONTEXTIDR_EL1", NULL, tvm_write, SR_CONTEXTIDR_EL1),
    /* Self-hosted debug: the guest's own from the first use on, part of its context then. */
    ROW(2, 0, 0, 2, 2, "MDSCR_EL1", debug_read, debug_write, 0),
    DBG_ROWS(0),
    DBG_ROWS(1),
    DBG_ROWS(2),
    DBG_ROWS(3),
    DBG_ROWS(4),
    DBG_ROWS(5),
    DBG_ROWS(6),
    DBG_ROWS(7),
    DBG_ROWS(8),
    DBG_ROWS(9),
    DBG_ROWS(10),
    DBG_ROWS(11),
    DBG_ROWS(12),
    DBG_ROWS(13),
    DBG_ROWS(14),
    DBG_ROWS(15),
    /* The OS lock exists, but nobody saves debug state from outside: kept, without effect. */
    ROW(2, 0, 1, 0, 4, "OSLAR_EL1", NULL, oslar_write, 0),
    ROW(2, 0, 1, 1, 4, "OSLSR_EL1", oslsr_read, NULL, 0),
    ROW(2, 0, 1, 3, 4, "OSDLR_EL1", raz, wi, 0),
    ROW(2, 0, 1, 4, 4, "DBGPRCR_EL1", raz, wi, 0),
    /* No external debugger: nothing in its channel, no claim tags, no ROM table. */
    ROW(2, 0, 0, 0, 2, "OSDTRRX_EL1", raz, wi, 0),
    ROW(2, 0, 0, 2, 0, "MDCCINT_EL1", raz, wi, 0),
    ROW(2, 0, 0, 3, 2, "OSDTRTX_EL1", raz, wi, 0),
    ROW(2, 0, 0, 6, 2, "OSECCR_EL1", raz, wi, 0),
    ROW(2, 0, 1, 0, 0, "MDRAR_EL1", raz, NULL, 0),
    ROW(2, 0, 7, 8, 6, "DBGCLAIMSET_EL1", raz, wi, 0),
    ROW(2, 0, 7, 9, 6, "DBGCLAIMCLR_EL1", raz, wi, 0),
    ROW(2, 0, 7, 14, 6, "DBGAUTHSTATUS_EL1", raz, NULL, 0),
    ROW(2, 3, 0, 1, 0, "MDCCSR_EL0", raz, NULL, 0),
    ROW(2, 3, 0, 4, 0, "DBGDTR_EL0", raz, wi, 0),
    ROW(2, 3, 0, 5, 0, "DBGDTRRX_EL0, DBGDTRTX_EL0", raz, wi, 0),
    /* Implementation defined, and none of a guest's business; some systems save it blindly. */
    ROW(3, 0, 1, 0, 1, "ACTLR_EL1", raz, wi, 0),
    /* SGIs have virtual targets. DIR: only while active interrupts outnumber list registers. */
    ROW(3, 0, 12, 11, 1, "ICC_DIR_EL1", NULL, dir_write, 0),
    ROW(3, 0, 12, 11, 5, "ICC_SGI1R_EL1", NULL, sgir_write, 1),
    ROW(3, 0, 12, 11, 6, "ICC_ASGI1R_EL1", NULL, sgir_write, 0),
    ROW(3, 0, 12, 11, 7, "ICC_SGI0R_EL1", NULL, sgir_write, 0),
    /* The physical timer is emulated; CNTPCT traps only in a VM whose time was stopped. */
    ROW(3, 3, 14, 0, 1, "CNTPCT_EL0", cntpct_read, NULL, 0),
    ROW(3, 3, 14, 2, 0, "CNTP_TVAL_EL0", cntp_read, cntp_write, 0),
    ROW(3, 3, 14, 2, 1, "CNTP_CTL_EL0", cntp_read, cntp_write, 1),
    ROW(3, 3, 14, 2, 2, "CNTP_CVAL_EL0", cntp_read, cntp_write, 2),
};

/* Open addressing, at most half full: one multiply and on average just over one probe. */
#define HASH_BITS 8u
#define HASH_SIZE (1u << HASH_BITS)
_Static_assert(ARRAY_SIZE(rows) * 2 <= HASH_SIZE, "sysreg hash too small");
static uint8_t hash[HASH_SIZE]; /* row + 1; 0: empty */

static unsigned hash_of(uint32_t enc) { return (enc * 0x9e3779b1u) >> (32 - HASH_BITS); }

static row_t find_row(uint32_t enc)
{
	for (unsigned h = hash_of(enc);; h = (h + 1) & (HASH_SIZE - 1)) {
		if (hash[h] == 0) return NULL;
		if (rows[hash[h] - 1].enc == enc) return &rows[hash[h] - 1];
	}
}

void sysreg_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned h = hash_of(rows[i].enc);

		CHECK(!find_row(rows[i].enc)); /* a register twice in the table */
		while (hash[h] != 0) h = (h + 1) & (HASH_SIZE - 1);
		hash[h] = (uint8_t)(i + 1);
	}
	idregs_init();
}

enum trap_result trap_sysreg(struct vcpu *v, uint64_t esr)
{
	/* ISS: op0 [21:20], op2 [19:17], op1 [16:14], CRn [13:10], Rt [9:5], CRm [4:1]. */
	unsigned op0 = (esr >> 20) & 3, op1 = (esr >> 14) & 7, crn = (esr >> 10) & 15;
	unsigned crm = (esr >> 1) & 15, op2 = (esr >> 17) & 7;
	unsigned rt = (unsigned)FIELD_GET(ESR_SYS_RT, esr);
	enum trap_result r;
	uint64_t val = 0;
	row_t row;

	v->stats.nr_sysreg++;
	if ((esr & ESR_SYS_READ) && op0 == 3 && op1 == 0 && crn == 0 && crm >= 1 && crm <= 7) {
		vcpu_gpr_set(v, rt, idreg_read(crm, op2));
		return TRAP_ADVANCE;
	}
	row = find_row(SYS_ENC(op0, op1, crn, crm, op2));
	if (!row) return TRAP_UNDEF;
	if (!(esr & ESR_SYS_READ))
		return row->write ? row->write(v, row, vcpu_gpr_get(v, rt)) : TRAP_UNDEF;
	if (!row->read) return TRAP_UNDEF;
	r = row->read(v, row, &val);
	if (r == TRAP_ADVANCE) vcpu_gpr_set(v, rt, val);
	return r;
}

/*
 * AArch32 at EL0: of CP15 only the physical timer can trap here and exist (CNTP_TVAL and CNTP_CTL
 * by MCR/MRC c14 c2, CNTP_CVAL by MCRR/MRRC c14 opc1 2, CNTPCT by MRRC c14 opc1 0); the rest is
 * undefined.
 */
enum trap_result trap_cp15(struct vcpu *v, uint64_t esr)
{
	bool read = esr & ESR_SYS_READ;
	unsigned rt = (unsigned)((esr >> 5) & 31), rt2 = (unsigned)((esr >> 10) & 31);
	unsigned crm = (esr >> 1) & 15;
	enum trap_result r;
	uint64_t val = 0;
	row_t row = NULL;

	if (trap_cond_fails(esr, sysreg_read(SPSR_EL2))) return TRAP_ADVANCE;
	if (FIELD_GET(ESR_EC, esr) == EC_CP15_64) {
		unsigned opc1 = (esr >> 16) & 15;

		if (crm != 14 || (opc1 != 2 && opc1 != 0)) return TRAP_UNDEF;
		row = find_row(opc1 == 2 ? SYS_ENC(3, 3, 14, 2, 2) : SYS_ENC(3, 3, 14, 0, 1));
		val = (vcpu_gpr_get(v, rt2) << 32) | (uint32_t)vcpu_gpr_get(v, rt);
	} else {
		unsigned opc1 = (esr >> 14) & 7, crn = (esr >> 10) & 15, opc2 = (esr >> 17) & 7;

		if (opc1 != 0 || crn != 14 || crm != 2 || opc2 > 1) return TRAP_UNDEF;
		row = find_row(SYS_ENC(3, 3, 14, 2, opc2));
		val = (uint32_t)vcpu_gpr_get(v, rt);
	}
	CHECK(row);
	if (!read) return row->write ? row->write(v, row, val) : TRAP_UNDEF;
	r = row->read(v, row, &val);
	if (r == TRAP_ADVANCE) {
		vcpu_gpr_set(v, rt, (uint32_t)val);
		if (FIELD_GET(ESR_EC, esr) == EC_CP15_64) vcpu_gpr_set(v, rt2, val >> 32);
	}
	return r;
}
