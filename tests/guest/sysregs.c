/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System registers of a guest: what reads, what is RAZ, what is undefined, and a sweep over every
 * encoding that MRS has.
 */
#include <stdio.h>

#include "tg.h"

#define ENC(op0, op1, crn, crm, op2)                                                               \
	((unsigned)(((op0)-2) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))
#define NR_ENC (1u << 15)

/* MRS x0, <encoding n of op0 2 and 3>; RET; eight bytes each. */
extern const char mrs_all[];
__asm__("	.text\n"
        "	.balign	8\n"
        "mrs_all:\n"
        "	.set	n, 0\n"
        "	.rept	0x8000\n"
        "	.inst	0xd5300000 | n << 5\n" /* MRS: 1101 0101 0011 o0 op1 CRn CRm op2 Rt */
        "	ret\n"
        "	.set	n, n + 1\n"
        "	.endr\n");

static uint64_t value;

static struct tg_fault read_enc(unsigned enc)
{
	uint64_t (*fn)(void) = (uint64_t(*)(void))(uintptr_t)(mrs_all + 8ul * enc);

	return TG_TRY(value = 0xdead; value = fn());
}

static bool reads(unsigned enc) { return read_enc(enc).count == 0; }

/* An UNDEF exception with the syndrome that an undefined instruction has, at that instruction. */
static bool undefined(unsigned enc)
{
	struct tg_fault f = read_enc(enc);

	return f.count == 1 && f.esr == 1ul << 25 && f.pc == (uint64_t)mrs_all + 8ul * enc;
}

/* For counting what is not as it should be. */
static unsigned faulted(unsigned enc) { return !reads(enc); }

static unsigned is_defined(unsigned enc) { return !undefined(enc); }

static void id_registers(void)
{
	unsigned faults = 0, nonzero = 0;

	for (unsigned crm = 1; crm < 8; crm++) {
		for (unsigned op2 = 0; op2 < 8; op2++) {
			faults += faulted(ENC(3, 0, 0, crm, op2));
			/* Reserved: RAZ. Of CRm 4 to 7 an Armv8.0 CPU has PFR0, DFR0, AFR, ISAR. */
			if ((crm == 2 && op2 == 7) || (crm == 3 && (op2 == 3 || op2 == 7)) ||
			    (crm >= 4 && op2 >= 6) || (crm == 4 && (op2 == 2 || op2 == 3)))
				nonzero += value != 0;
		}
	}
	tg_eq(faults, 0, "all 56 ID registers read");
	tg_eq(nonzero, 0, "reserved ones are 0");
	tg_check(reads(ENC(3, 0, 0, 0, 0)) && value >> 24 == 0x41, "MIDR_EL1");
	tg_check(reads(ENC(3, 0, 0, 0, 5)) && (value >> 31 & 1), "MPIDR_EL1");
	tg_check(reads(ENC(3, 0, 0, 0, 6)), "REVIDR_EL1");
	tg_check(reads(ENC(3, 1, 0, 0, 0)) && reads(ENC(3, 1, 0, 0, 1)) &&
	             reads(ENC(3, 1, 0, 0, 7)),
	         "CCSIDR_EL1, CLIDR_EL1, AIDR_EL1");
	tg_check(reads(ENC(3, 3, 0, 0, 1)) && value != 0, "CTR_EL0");
	tg_check(reads(ENC(3, 3, 0, 0, 7)), "DCZID_EL0");
	reads(ENC(3, 0, 0, 4, 0));
	tg_eq(value >> 16 & 0xff, 0, "ID_AA64PFR0: FP and AdvSIMD");
	if (uk_machine()->gic_version == 3)
		tg_eq(value >> 24 & 15, 1, "ID_AA64PFR0.GIC: system registers");
}

static void hidden(void)
{
	unsigned wrong = 0;

	reads(ENC(3, 0, 0, 4, 0));
	tg_eq(value >> 4 & 0xfff, 0x001, "ID_AA64PFR0: EL1 is AArch64, no EL2, no EL3");
	tg_check(uk_machine()->gic_version == 3 || (value >> 24 & 15) == 0,
	         "ID_AA64PFR0: GIC system registers with a GICv3 only");
	tg_eq(value >> 28 & 0xffff, 0, "ID_AA64PFR0: no RAS, SVE, SEL2, MPAM, AMU");
	reads(ENC(3, 0, 0, 5, 0));
	tg_eq(value & 15, 6, "ID_AA64DFR0: debug architecture v8.0");
	tg_eq(value >> 4 & 0xff, 0, "ID_AA64DFR0: no trace, no PMU");
	tg_eq(value >> 32, 0, "ID_AA64DFR0: no SPE and the like");
	reads(ENC(3, 0, 0, 7, 0));
	tg_check((value & 15) <= 2, "ID_AA64MMFR0.PARange: 40 bits at most");

	/* PMU: PMCR_EL0 and its like, PMINTEN*, PMEV*. */
	for (unsigned op2 = 0; op2 < 8; op2++) {
		wrong += is_defined(ENC(3, 3, 9, 12, op2));
		wrong += is_defined(ENC(3, 3, 9, 13, op2));
		wrong += is_defined(ENC(3, 3, 9, 14, op2));
	}
	wrong += is_defined(ENC(3, 0, 9, 14, 1)) + is_defined(ENC(3, 0, 9, 14, 2));
	for (unsigned crm = 8; crm < 16; crm++)
		for (unsigned op2 = 0; op2 < 8; op2++) wrong += is_defined(ENC(3, 3, 14, crm, op2));
	tg_eq(wrong, 0, "PMU registers are undefined");
	wrong = 0;
	for (unsigned crn = 11; crn < 16; crn += 4) {
		for (unsigned op1 = 0; op1 < 8; op1++)
			for (unsigned low = 0; low < 128; low++)
				wrong += is_defined(ENC(3, op1, crn, low >> 3, low & 7));
	}
	tg_eq(wrong, 0, "2048 implementation-defined registers are undefined");
	wrong = 0;
	for (unsigned low = 0; low < 2048; low++)
		wrong += is_defined(ENC(2, 1, low >> 7, low >> 3 & 15, low & 7));
	tg_eq(wrong, 0, "trace registers are undefined");
	wrong = is_defined(ENC(3, 0, 1, 2, 0));                                   /* ZCR_EL1 */
	wrong += is_defined(ENC(3, 0, 1, 0, 5)) + is_defined(ENC(3, 0, 1, 0, 6)); /* RGSR, GCR */
	wrong += is_defined(ENC(3, 0, 5, 6, 0)) + is_defined(ENC(3, 3, 4, 2, 7)); /* TFSR, TCO */
	wrong += is_defined(ENC(3, 0, 2, 1, 0)); /* APIAKeyLo_EL1 */
	wrong += is_defined(ENC(3, 0, 5, 3, 0)) + is_defined(ENC(3, 0, 5, 4, 0));   /* RAS */
	wrong += is_defined(ENC(3, 0, 10, 4, 0)) + is_defined(ENC(3, 0, 10, 4, 7)); /* LORegion */
	wrong += is_defined(ENC(3, 3, 13, 2, 0));                                   /* AMCR_EL0 */
	wrong += is_defined(ENC(3, 3, 2, 4, 0));                                    /* RNDR */
	wrong += is_defined(ENC(3, 0, 9, 9, 0)) + is_defined(ENC(3, 0, 9, 10, 0));  /* SPE */
	tg_eq(wrong, 0, "SVE, MTE, PAuth, RAS, LORegion, AMU, RNDR, SPE registers are undefined");
	tg_check(reads(ENC(3, 0, 1, 0, 1)) && value == 0, "ACTLR_EL1 reads 0");
	sysreg_write(actlr_el1, ~0ul);
	tg_check(reads(ENC(3, 0, 1, 0, 1)) && value == 0, "and ignores writes");
}

static void above(void)
{
	unsigned wrong = 0;

	/* op1 4: EL2, 5: EL12, 6: EL3, 7: EL1 of Secure state. */
	for (unsigned op1 = 4; op1 < 8; op1++)
		for (unsigned low = 0; low < 2048; low++)
			wrong += is_defined(ENC(3, op1, low >> 7, low >> 3 & 15, low & 7));
	tg_eq(wrong, 0, "registers of EL2 and EL3 are undefined");
}

static void timers(void)
{
	unsigned wrong = 0;

	wrong += faulted(ENC(3, 3, 14, 0, 0)) + faulted(ENC(3, 3, 14, 0, 1)) +
	         faulted(ENC(3, 3, 14, 0, 2));
	for (unsigned op2 = 0; op2 < 3; op2++)
		wrong += faulted(ENC(3, 3, 14, 2, op2)) + faulted(ENC(3, 3, 14, 3, op2));
	wrong += faulted(ENC(3, 0, 14, 1, 0));
	tg_eq(wrong, 0, "counters, CNTP, CNTV, CNTKCTL read");
	tg_check(undefined(ENC(3, 7, 14, 2, 1)), "CNTPS_CTL_EL1 is undefined");
}

static void os_lock(void)
{
	tg_check(reads(ENC(2, 0, 1, 1, 4)) && (value & 9) == 8, "OSLSR_EL1: implemented");
	sysreg_write(oslar_el1, 1);
	isb(); /* the lock is on */
	tg_check(reads(ENC(2, 0, 1, 1, 4)) && (value & 2), "OSLAR_EL1 locks");
	sysreg_write(oslar_el1, 0);
	isb(); /* the lock is off */
	tg_check(reads(ENC(2, 0, 1, 1, 4)) && !(value & 2), "OSLAR_EL1 unlocks");
	tg_check(undefined(ENC(2, 0, 1, 0, 4)), "OSLAR_EL1 cannot be read");
}

/* ---- debug: breakpoints, watchpoints, single step are the guest's own --------------------------
 */

static volatile uint64_t watched[2];

static void debug(void)
{
	unsigned wrong = 0, n;
	struct tg_fault f;
	uint64_t count;

	reads(ENC(3, 0, 0, 5, 0));
	count = (value >> 12 & 15) + 1;
	tg_check(count >= 2, "ID_AA64DFR0: breakpoints");
	for (n = 0; n < 16; n++) {
		bool there = n < count;

		wrong += there ? faulted(ENC(2, 0, 0, n, 4)) || faulted(ENC(2, 0, 0, n, 5)) : 0;
	}
	tg_eq(wrong, 0, "DBGBVR, DBGBCR read");
	sysreg_write(dbgbvr0_el1, 0x40001234);
	sysreg_write(dbgwvr1_el1, 0x40005678);
	isb(); /* written */
	tg_check(sysreg_read(dbgbvr0_el1) == 0x40001234 && sysreg_read(dbgwvr1_el1) == 0x40005678,
	         "they keep what is written");
	f = TG_TRY(__asm__ volatile("brk #7"));
	tg_check(f.count == 1 && TG_EC(f) == 0x3c && (f.esr & 0xffff) == 7, "BRK");

	/* KDE and MDE; PSTATE.D clear. WCR: 8 bytes, loads and stores, EL1, enabled. */
	sysreg_write(mdscr_el1, 1ul << 13 | 1ul << 15);
	sysreg_write(dbgwvr0_el1, (uint64_t)&watched[0]);
	sysreg_write(dbgwcr0_el1, 0xfful << 5 | 3ul << 3 | 1ul << 1 | 1);
	__asm__ volatile("isb\n\tmsr daifclr, #8\n\tisb" : : : "memory");
	f = TG_TRY(watched[1] = 1);
	tg_eq(f.count, 0, "watchpoint: not beside it");
	f = TG_TRY(watched[0] = 1);
	tg_check(f.count == 1 && TG_EC(f) == 0x35 && f.far == (uint64_t)&watched[0],
	         "watchpoint: exception");
	sysreg_write(dbgwcr0_el1, 0);
	isb(); /* off */
	f = TG_TRY(watched[0] = 2);
	tg_eq(f.count, 0, "watchpoint off: none");

	/* A breakpoint on an MRS of the table: skipped over, so RET returns what was in x0. */
	sysreg_write(dbgbvr0_el1, (uint64_t)mrs_all + 8ul * ENC(3, 3, 0, 0, 1));
	sysreg_write(dbgbcr0_el1, 0xful << 5 | 1ul << 1 | 1);
	isb(); /* on */
	f = read_enc(ENC(3, 3, 0, 0, 1));
	tg_check(f.count == 1 && TG_EC(f) == 0x31, "breakpoint: exception");
	sysreg_write(dbgbcr0_el1, 0);
	__asm__ volatile("msr daifset, #8\n\tisb" : : : "memory");
	sysreg_write(mdscr_el1, 0);
	isb(); /* off */
	f = read_enc(ENC(3, 3, 0, 0, 1));
	tg_eq(f.count, 0, "breakpoint off: none");
}

/* Every MRS: it reads or is undefined, and nothing else happens. */
static void sweep(void)
{
	unsigned native = 0, undef = 0, other = 0;
	uint64_t daif = uk_irq_save();

	for (unsigned enc = 0; enc < NR_ENC; enc++)
		if (reads(enc))
			native++;
		else if (undefined(enc))
			undef++;
		else
			other++;
	uk_irq_restore(daif);
	printf("sysregs: of %u encodings %u read, %u are undefined\n", NR_ENC, native, undef);
	tg_eq(other, 0, "every MRS reads or is undefined");
}

static void gic_registers(void)
{
	unsigned wrong = 0;

	if (uk_machine()->gic_version == 3) {
		tg_check(reads(ENC(3, 0, 12, 12, 5)) && (value & 1), "ICC_SRE_EL1.SRE");
	} else if (uk_machine()->on_atoll) {
		for (unsigned crm = 8; crm < 13; crm++)
			for (unsigned op2 = 0; op2 < 8; op2++)
				wrong += is_defined(ENC(3, 0, 12, crm, op2));
		tg_eq(wrong, 0, "GICv2: no ICC registers");
	}
}

int main(void)
{
	tg_start("sysregs");
	id_registers();
	timers();
	os_lock();
	gic_registers();
	debug();
	above();
	if (uk_machine()->on_atoll) hidden();
	sweep();
	return tg_end();
}
