/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ID registers of the guest machine by allow-list: a field that is not named here reads as "not
 * implemented" whatever the CPU has, and what it would enable is trapped (vcpu_regs.c).
 */
#include <hyp/types.h>
#include <arch/trap.h>

#include <asm/sysreg.h>
#include <asm/trap.h>

/* ID_*_EL1: op0 3, op1 0, CRn 0, CRm 1..7 (D19.3.1, table D18-2). */
static uint64_t idregs[8][8];

#define F(lsb) (UINT64_C(0xf) << (lsb))

/* The field at lsb, at most max (fields are ordered; 0xf means absent for FP and AdvSIMD). */
static uint64_t cap(uint64_t val, unsigned lsb, uint64_t max)
{
	uint64_t f = (val >> lsb) & 0xf;

	return (f > max ? max : f) << lsb;
}

static uint64_t aa64pfr0(void)
{
	uint64_t r = sysreg_read(ID_AA64PFR0_EL1);

	/*
	 * EL0 as the CPU (2: AArch32 as well), EL1 AArch64 only, EL2 and EL3 absent; FP, AdvSIMD;
	 * GIC system registers when the machine has them; CSV2, CSV3 describe the CPU.
	 */
	return cap(r, 0, 2) | (UINT64_C(1) << 4) | (r & (F(16) | F(20))) | cap(r, 24, 1) |
	       cap(r, 56, 1) | cap(r, 60, 1);
}

static uint64_t aa64dfr0(void)
{
	uint64_t r = sysreg_read(ID_AA64DFR0_EL1);

	/* Debug architecture v8.0 with the CPU's breakpoints and watchpoints; no PMU, trace, SPE.
	 */
	return UINT64_C(6) | (r & (F(12) | F(20) | F(28)));
}

static uint64_t aa64isar0(void)
{
	uint64_t r = sysreg_read(ID_AA64ISAR0_EL1);

	/* AES, SHA1, SHA2, CRC32, atomics, RDM, SHA3, SM3, SM4, DP, FHM, TS, TLB, RNDR: all native.
	 */
	return r & (F(4) | F(8) | F(12) | F(16) | F(20) | F(28) | F(32) | F(36) | F(40) | F(44) |
	            F(48) | F(52) | F(56) | F(60));
}

static uint64_t aa64isar1(void)
{
	uint64_t r = sysreg_read(ID_AA64ISAR1_EL1);

	/* DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, BF16, DGH, I8MM; pointer authentication is hidden.
	 */
	return r & (F(0) | F(12) | F(16) | F(20) | F(32) | F(36) | F(44) | F(48) | F(52));
}

static uint64_t aa64mmfr0(void)
{
	uint64_t r = sysreg_read(ID_AA64MMFR0_EL1);
	uint64_t tgran4 = (r & F(28)) == F(28) ? F(28) : 0;

	/*
	 * PARange: what stage 2 can take in (40 bits, code 2), or the CPU's if smaller. No big
	 * endian: emulated devices are little-endian. Granules without 52-bit addresses (LPA2 is 1
	 * more; 4 KiB: 0xf means absent).
	 */
	return cap(r, 0, 2) | (r & (F(4) | F(24))) | cap(r, 20, 1) | tgran4;
}

static uint64_t aa64mmfr1(void)
{
	uint64_t r = sysreg_read(ID_AA64MMFR1_EL1);

	/* HAFDBS, HPDS, PAN; VMIDBits, VH, LO, XNX belong to EL2 or are hidden. */
	return cap(r, 0, 2) | cap(r, 12, 1) | cap(r, 20, 2);
}

void idregs_init(void)
{
	/* AArch32 at EL0 as the CPU has it: instruction sets and VFP; debug and EL1 are AArch64. */
	idregs[1][0] = sysreg_read(ID_PFR0_EL1) & GENMASK(15, 0);
	idregs[1][1] = sysreg_read(ID_PFR1_EL1) & F(16); /* the generic timer */
	idregs[1][4] = sysreg_read(ID_MMFR0_EL1);
	idregs[1][5] = sysreg_read(ID_MMFR1_EL1);
	idregs[1][6] = sysreg_read(ID_MMFR2_EL1);
	idregs[1][7] = sysreg_read(ID_MMFR3_EL1);
	idregs[2][0] = sysreg_read(ID_ISAR0_EL1);
	idregs[2][1] = sysreg_read(ID_ISAR1_EL1);
	idregs[2][2] = sysreg_read(ID_ISAR2_EL1);
	idregs[2][3] = sysreg_read(ID_ISAR3_EL1);
	idregs[2][4] = sysreg_read(ID_ISAR4_EL1);
	idregs[2][5] = sysreg_read(ID_ISAR5_EL1);
	idregs[3][0] = sysreg_read(MVFR0_EL1);
	idregs[3][1] = sysreg_read(MVFR1_EL1);
	idregs[3][2] = sysreg_read(MVFR2_EL1);
	idregs[4][0] = aa64pfr0();
	idregs[5][0] = aa64dfr0();
	idregs[6][0] = aa64isar0();
	idregs[6][1] = aa64isar1();
	idregs[7][0] = aa64mmfr0();
	idregs[7][1] = aa64mmfr1();
	/* CCIDX: CCSIDR_EL1 is native, and this is its format. */
	idregs[7][2] = sysreg_read(ID_AA64MMFR2_EL1) & F(20);
	/* The rest of the space: 0, the Armv8.0 value. */
}

uint64_t idreg_read(unsigned crm, unsigned op2) { return idregs[crm & 7][op2 & 7]; }
