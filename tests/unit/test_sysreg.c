/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped system registers: all 2^16 encodings in both directions against a list written here, each
 * row's behaviour, the ID space by allow-list, CP15 of AArch32 at EL0.
 * links: arch/arm64/trap.c arch/arm64/esr.c arch/arm64/trap_abort.c arch/arm64/decode.c
 * links: arch/arm64/vcpu_regs.c arch/arm64/sysreg.c hyp/mmio.c hyp/gmem.c
 * links: stage2/s2.c stage2/vmid.c tests/fake_arch/fake.c tests/fake_arch/tlb.c
 * links: tests/fake_arch/sysreg.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include "trap_env.h"
#include <arch/timer.h>
#include <hyp/setway.h>
#include "tests/fake_arch/timer.h"

#define RD 1u
#define WR 2u
#define RW 3u

/* Everything that may trap and is not UNDEFINED, the ID space and DBG<n> apart. */
static const struct {
	uint8_t op0, op1, crn, crm, op2, dir;
} allowed[] = {
    {1, 0, 7, 6, 2, WR},  /* DC ISW */
    {1, 0, 7, 10, 2, WR}, /* DC CSW */
    {1, 0, 7, 14, 2, WR}, /* DC CISW */
    {2, 0, 0, 0, 2, RW},  /* OSDTRRX_EL1 */
    {2, 0, 0, 2, 0, RW},  /* MDCCINT_EL1 */
    {2, 0, 0, 2, 2, RW},  /* MDSCR_EL1 */
    {2, 0, 0, 3, 2, RW},  /* OSDTRTX_EL1 */
    {2, 0, 0, 6, 2, RW},  /* OSECCR_EL1 */
    {2, 0, 1, 0, 0, RD},  /* MDRAR_EL1 */
    {2, 0, 1, 0, 4, WR},  /* OSLAR_EL1 */
    {2, 0, 1, 1, 4, RD},  /* OSLSR_EL1 */
    {2, 0, 1, 3, 4, RW},  /* OSDLR_EL1 */
    {2, 0, 1, 4, 4, RW},  /* DBGPRCR_EL1 */
    {2, 0, 7, 8, 6, RW},  /* DBGCLAIMSET_EL1 */
    {2, 0, 7, 9, 6, RW},  /* DBGCLAIMCLR_EL1 */
    {2, 0, 7, 14, 6, RD}, /* DBGAUTHSTATUS_EL1 */
    {2, 3, 0, 1, 0, RD},  /* MDCCSR_EL0 */
    {2, 3, 0, 4, 0, RW},  /* DBGDTR_EL0 */
    {2, 3, 0, 5, 0, RW},  /* DBGDTRRX_EL0, DBGDTRTX_EL0 */
    {3, 0, 1, 0, 0, WR},  /* SCTLR_EL1 and the others of HCR_EL2.TVM */
    {3, 0, 1, 0, 1, RW},  /* ACTLR_EL1 */
    {3, 0, 2, 0, 0, WR},   {3, 0, 2, 0, 1, WR},  {3, 0, 2, 0, 2, WR}, {3, 0, 5, 1, 0, WR},
    {3, 0, 5, 1, 1, WR},   {3, 0, 5, 2, 0, WR},  {3, 0, 6, 0, 0, WR}, {3, 0, 10, 2, 0, WR},
    {3, 0, 10, 3, 0, WR},  {3, 0, 13, 0, 1, WR}, /* CONTEXTIDR_EL1 */
    {3, 0, 12, 11, 1, WR},                       /* ICC_DIR_EL1 */
    {3, 0, 12, 11, 5, WR},                       /* ICC_SGI1R_EL1 */
    {3, 0, 12, 11, 6, WR},                       /* ICC_ASGI1R_EL1 */
    {3, 0, 12, 11, 7, WR},                       /* ICC_SGI0R_EL1 */
    {3, 0, 12, 12, 5, RW},                       /* ICC_SRE_EL1 */
    {3, 3, 14, 0, 1, RD},                        /* CNTPCT_EL0 */
    {3, 3, 14, 2, 0, RW},                        /* CNTP_TVAL_EL0 */
    {3, 3, 14, 2, 1, RW},                        /* CNTP_CTL_EL0 */
    {3, 3, 14, 2, 2, RW},                        /* CNTP_CVAL_EL0 */
};

/* --- what the rows call --- */
static bool flush_done;
static unsigned nr_flushes, nr_takes;

bool setway_flushed(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	nr_flushes++;
	return flush_done;
}

void vcpu_debug_take(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	nr_takes++;
}

void vgic_sgir_write(struct vcpu *c, uint64_t val, bool group1)
{
	assert_ptr_equal(c, v);
	fake_logf("sgir 0x%llx %d", (unsigned long long)val, group1);
}

void vgic_dir_write(struct vcpu *c, uint32_t intid)
{
	assert_ptr_equal(c, v);
	fake_logf("dir %u", intid);
}

static uint64_t cntp[3]; /* TVAL, CTL, CVAL */

void vtimer_cntp(struct vcpu *c, enum cntp_reg reg, uint64_t val, uint64_t *out)
{
	assert_ptr_equal(c, v);
	assert_in_range(reg, CNTP_TVAL, CNTP_CVAL);
	if (!out)
		cntp[reg] = reg == CNTP_CVAL ? val : (uint32_t)val; /* the others have 32 bits */
	else
		*out = reg == CNTP_CVAL ? cntp[reg] : (uint32_t)cntp[reg];
}

/* ESR_EL2 of MRS (dir RD) or MSR, by D19.2.40. */
static uint64_t syndrome(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2,
                         unsigned rt, unsigned dir)
{
	return ec(EC_SYS64) | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 |
	       (dir == RD);
}

/* dir of what is expected, 0: UNDEFINED both ways. */
static unsigned expected(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2)
{
	if (op0 == 3 && op1 == 0 && crn == 0 && crm >= 1 && crm <= 7) return RD;
	if (op0 == 2 && op1 == 0 && crn == 0 && op2 >= 4) return RW;
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (allowed[i].op0 == op0 && allowed[i].op1 == op1 && allowed[i].crn == crn &&
		    allowed[i].crm == crm && allowed[i].op2 == op2)
			return allowed[i].dir;
	return 0;
}

static int setup(void **state)
{
	static bool done;

	env_setup(state);
	fake_timer_reset();
	fake_log_on(true);
	fake_sr_set(CNTKCTL_EL1, 0);
	flush_done = true;
	nr_flushes = nr_takes = 0;
	memset(cntp, 0, sizeof(cntp));
	if (!done) {
		done = true;
		sysreg_init();
	}
	return 0;
}

static void test_every_encoding(void **state)
{
	unsigned let = 0;

	(void)state;
	fake_log_on(false);
	for (uint32_t e = 0; e < 1u << 17; e++) {
		unsigned dir = e & 1 ? RD : WR;
		unsigned op0 = e >> 15, op1 = e >> 12 & 7, crn = e >> 8 & 15, crm = e >> 4 & 15;
		unsigned op2 = e >> 1 & 7;
		enum trap_result r;

		v->arch.x[5] = GPR(5);
		v->arch.hcr = vcpu_hcr_base;
		r = trap_sysreg(v, syndrome(op0, op1, crn, crm, op2, 5, dir));
		if ((r != TRAP_UNDEF) != ((expected(op0, op1, crn, crm, op2) & dir) != 0)) {
			fail_msg("%s S%u_%u_C%u_C%u_%u: %u", dir == RD ? "MRS" : "MSR", op0, op1,
			         crn, crm, op2, r);
		}
		let += r != TRAP_UNDEF;
		/* Undefined ones change nothing. */
		assert_true(r == TRAP_ADVANCE || v->arch.x[5] == GPR(5));
	}
	assert_int_equal(v->stats.nr_sysreg, 1u << 17);
	assert_int_equal(let, 56 + 128 + 16 * 2 + 5 + 19);
	assert_int_equal(fake_locks_held(), 0);
}

/* Read into XZR, written from XZR. */
static void test_xzr(void **state)
{
	(void)state;
	cntp[2] = 77;
	assert_int_equal(trap_sysreg(v, syndrome(3, 3, 14, 2, 2, 31, RD)), TRAP_ADVANCE);
	env_gprs_kept(0);
	assert_int_equal(trap_sysreg(v, syndrome(3, 3, 14, 2, 2, 31, WR)), TRAP_ADVANCE);
	assert_int_equal(cntp[2], 0);
	assert_int_equal(trap_sysreg(v, syndrome(3, 0, 0, 4, 0, 31, RD)), TRAP_ADVANCE);
	env_gprs_kept(0);
}

static uint64_t rd(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2)
{
	assert_ptr_equal(trap_sync(v, syndrome(op0, op1, crn, crm, op2, 7, RD)), v);
	env_gprs_kept(BIT32(7));
	return v->arch.x[7];
}

static void wr(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2, uint64_t val)
{
	v->arch.x[7] = val;
	assert_ptr_equal(trap_sync(v, syndrome(op0, op1, crn, crm, op2, 7, WR)), v);
	env_gprs_kept(BIT32(7));
}

/* Read as zero, writes ignored; OSLSR. */
static void test_constant(void **state)
{
	static const uint8_t zero[] = {3, 4, 8, 11, 12, 13, 14, 15, 16, 17, 18, 20};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(zero); i++) {
		unsigned n = zero[i];

		assert_true(allowed[n].dir & RD);
		if (allowed[n].dir & WR) {
			wr(allowed[n].op0, allowed[n].op1, allowed[n].crn, allowed[n].crm,
			   allowed[n].op2, UINT64_MAX);
		}
		assert_int_equal(rd(allowed[n].op0, allowed[n].op1, allowed[n].crn, allowed[n].crm,
		                    allowed[n].op2),
		                 0);
	}
	assert_int_equal(nr_takes, 0);
	assert_int_equal(rd(2, 0, 1, 1, 4), 8); /* OSLM: implemented, unlocked */
	wr(2, 0, 1, 0, 4, UINT64_MAX);
	assert_int_equal(rd(2, 0, 1, 1, 4), 8 | 2);
	wr(2, 0, 1, 0, 4, UINT64_MAX - 1);
	assert_int_equal(rd(2, 0, 1, 1, 4), 8);
	assert_int_equal(fake_sysreg_writes("ESR_EL1"), 0);
}

/* The first use of a debug register makes them the guest's; the instruction is repeated. */
static void test_debug(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 16; n++) {
		for (unsigned op2 = 4; op2 < 8; op2++) {
			rd(2, 0, 0, n, op2);
			assert_int_equal(v->arch.x[7], GPR(7));
			assert_int_equal(trap_sysreg(v, syndrome(2, 0, 0, n, op2, 7, WR)),
			                 TRAP_RESUME);
		}
	}
	rd(2, 0, 0, 2, 2);
	assert_int_equal(nr_takes, 129);
	env_pc_moved(0);
}

static void test_icc(void **state)
{
	(void)state;
	wr(3, 0, 12, 11, 5, 0x123);
	wr(3, 0, 12, 11, 6, 0x456);
	wr(3, 0, 12, 11, 7, 0x789);
	wr(3, 0, 12, 11, 1, UINT64_C(0xff01000021));
	assert_int_equal(fake_log_find("sgir 0x123 1", 0) >= 0, 1);
	assert_int_equal(fake_log_find("sgir 0x456 0", 0) >= 0, 1);
	assert_int_equal(fake_log_find("sgir 0x789 0", 0) >= 0, 1);
	assert_int_equal(fake_log_find("dir 33", 0) >= 0, 1); /* 24 bits */
	wr(3, 0, 12, 12, 5, 0);                               /* ICC_SRE_EL1: on for ever */
	assert_int_equal(rd(3, 0, 12, 12, 5), 7);
	env_pc_moved(24);
	/* A GICv2 machine has no such registers. */
	vm.vgic.version = 2;
	assert_int_equal(trap_sysreg(v, syndrome(3, 0, 12, 12, 5, 7, RD)), TRAP_UNDEF);
	for (unsigned op2 = 0; op2 < 8; op2++)
		assert_int_equal(trap_sysreg(v, syndrome(3, 0, 12, 11, op2, 7, WR)), TRAP_UNDEF);
}

/* The physical timer at EL0: as CNTKCTL_EL1.EL0PTEN says. */
static void test_cntp(void **state)
{
	static const uint64_t psr[] = {PSR_M_EL1H, PSR_M_EL1T, PSR_M_EL0T, PSR_AARCH32};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		wr(3, 3, 14, 2, i, 100 + i);
		assert_int_equal(cntp[i], 100 + i);
		assert_int_equal(rd(3, 3, 14, 2, i), 100 + i);
	}
	for (unsigned i = 0; i < 8; i++) {
		bool ok = i < 2 || i >= 4;

		fake_sr_set(SPSR_EL2, psr[i & 3]);
		fake_sr_set(CNTKCTL_EL1, i < 4 ? ~BIT(9) : BIT(9));
		assert_int_equal(trap_sysreg(v, syndrome(3, 3, 14, 2, i % 3, 7, RD)),
		                 ok ? TRAP_ADVANCE : TRAP_UNDEF);
		assert_int_equal(trap_sysreg(v, syndrome(3, 3, 14, 2, i % 3, 7, WR)),
		                 ok ? TRAP_ADVANCE : TRAP_UNDEF);
	}
	fake_now = 5000;
	vm.cntpct_off = 1234;
	fake_sr_set(SPSR_EL2, PSR_M_EL1H);
	assert_int_equal(rd(3, 3, 14, 0, 1), 5000 - 1234);
}

#define MC (SCTLR_M | SCTLR_C)

/* Set/way: one flush, then free until the caches are on; KVM's rules. */
static void test_setway(void **state)
{
	(void)state;
	fake_sr_set(SCTLR_EL1, SCTLR_EL1_RES1);
	flush_done = false;
	for (unsigned crm = 6; crm <= 14; crm += 4) wr(1, 0, 7, crm, 2, 0);
	assert_int_equal(nr_block, 3);
	env_pc_moved(0);
	assert_false(v->arch.hcr & HCR_TVM);
	flush_done = true;
	wr(1, 0, 7, 14, 2, 0);
	assert_int_equal(nr_flushes, 4);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base | HCR_TVM);
	env_pc_moved(4);
	for (unsigned i = 0; i < 100; i++) wr(1, 0, 7, 14, 2, i << 5);
	assert_int_equal(nr_flushes, 4);
	assert_int_equal(nr_block, 3);
	/* Only one of M and C: still off. */
	wr(3, 0, 1, 0, 0, SCTLR_EL1_RES1 | SCTLR_C);
	wr(3, 0, 1, 0, 0, SCTLR_EL1_RES1 | SCTLR_M);
	assert_int_equal(nr_flushes, 4);
	assert_int_equal(fake_sr(SCTLR_EL1), SCTLR_EL1_RES1 | SCTLR_M);
	/* On: flushed before it happens. */
	flush_done = false;
	wr(3, 0, 1, 0, 0, SCTLR_EL1_RES1 | MC);
	assert_int_equal(fake_sr(SCTLR_EL1), SCTLR_EL1_RES1 | SCTLR_M);
	assert_int_equal(nr_block, 4);
	flush_done = true;
	wr(3, 0, 1, 0, 0, SCTLR_EL1_RES1 | MC);
	assert_int_equal(nr_flushes, 6);
	assert_int_equal(fake_sr(SCTLR_EL1), SCTLR_EL1_RES1 | MC);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base);
	assert_int_equal(v->arch.hcr, vcpu_hcr_base);
}

/* With caches on: off is flushed; else the traps end with the first write. */
static void test_setway_on(void **state)
{
	(void)state;
	fake_sr_set(SCTLR_EL1, SCTLR_EL1_RES1 | MC);
	wr(1, 0, 7, 14, 2, 0);
	assert_true(v->arch.hcr & HCR_TVM);
	wr(3, 0, 1, 0, 0, SCTLR_EL1_RES1 | SCTLR_M);
	assert_int_equal(nr_flushes, 2);
	assert_true(v->arch.hcr & HCR_TVM);
	wr(3, 0, 1, 0, 0, SCTLR_EL1_RES1 | MC);
	assert_int_equal(nr_flushes, 3);
	assert_false(v->arch.hcr & HCR_TVM);
	wr(1, 0, 7, 14, 2, 0);
	assert_int_equal(nr_flushes, 4);
	wr(3, 0, 2, 0, 0, 0x1000);
	assert_int_equal(nr_flushes, 4);
	assert_false(fake_sr(HCR_EL2) & HCR_TVM);
}

static void test_tvm_targets(void **state)
{
	static const struct {
		unsigned crn, crm, op2;
		const char *name;
	} regs[] = {
	    {2, 0, 0, "TTBR0_EL1"},       {2, 0, 1, "TTBR1_EL1"}, {2, 0, 2, "TCR_EL1"},
	    {5, 1, 0, "AFSR0_EL1"},       {5, 1, 1, "AFSR1_EL1"}, {5, 2, 0, "ESR_EL1"},
	    {6, 0, 0, "FAR_EL1"},         {10, 2, 0, "MAIR_EL1"}, {10, 3, 0, "AMAIR_EL1"},
	    {13, 0, 1, "CONTEXTIDR_EL1"},
	};

	(void)state;
	v->arch.hcr |= HCR_TVM;
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		fake_log_clear();
		wr(3, 0, regs[i].crn, regs[i].crm, regs[i].op2, 0x123450 + i);
		assert_int_equal(fake_sysreg_get(regs[i].name), 0x123450 + i);
		assert_int_equal(fake_sysreg_writes(regs[i].name), 1);
		assert_int_equal(fake_log_matches("msr"), 2); /* it, and ELR_EL2 */
	}
	assert_true(v->arch.hcr & HCR_TVM); /* caches are off */
	assert_int_equal(nr_flushes, 0);
}

/* --- the ID space --- */
static const char *const id_sources[] = {
    "ID_AA64PFR0_EL1",  "ID_AA64DFR0_EL1",  "ID_AA64ISAR0_EL1", "ID_AA64ISAR1_EL1",
    "ID_AA64MMFR0_EL1", "ID_AA64MMFR1_EL1", "ID_AA64MMFR2_EL1", "ID_PFR0_EL1",
    "ID_PFR1_EL1",      "ID_MMFR0_EL1",     "ID_MMFR1_EL1",     "ID_MMFR2_EL1",
    "ID_MMFR3_EL1",     "ID_ISAR0_EL1",     "ID_ISAR1_EL1",     "ID_ISAR2_EL1",
    "ID_ISAR3_EL1",     "ID_ISAR4_EL1",     "ID_ISAR5_EL1",     "MVFR0_EL1",
    "MVFR1_EL1",        "MVFR2_EL1",
};

static uint64_t id(unsigned crm, unsigned op2) { return rd(3, 0, 0, crm, op2); }

/* Whatever a CPU of the future reports: only what is named comes through. */
static void test_id_all_ones(void **state)
{
	(void)state;
	for (unsigned fill = 1; fill < 16; fill++) {
		uint64_t all = fill * UINT64_C(0x1111111111111111);

		for (size_t i = 0; i < ARRAY_SIZE(id_sources); i++)
			fake_sysreg_set(id_sources[i], all);
		sysreg_init();
		for (unsigned n = 0; n < 56; n++) {
			unsigned crm = 1 + n / 8, op2 = n % 8;
			uint64_t got = id(crm, op2);

			switch (crm << 4 | op2) {
			case 0x40: /* EL0, EL1 (AArch64 alone), FP, AdvSIMD, GIC, CSV2, CSV3 */
				assert_int_equal(got & UINT64_C(0x00fffffff000ff00), 0);
				assert_int_equal(got & 0xff, MIN(fill, 2u) | 0x10);
				assert_int_equal(got >> 16 & 0xff, all & 0xff);
				assert_int_equal(got >> 24, UINT64_C(0x1100000001));
				break;
			case 0x50: /* v8.0 debug; no PMU, no trace */
				assert_int_equal(got, (all & 0xf0f0f000) | 6);
				break;
			case 0x60: /* all but TME */
				assert_int_equal(got, all & UINT64_C(0xfffffffff0fffff0));
				break;
			case 0x61: /* no pointer authentication, no SPECRES, LS64, XS */
				assert_int_equal(got, all & UINT64_C(0x00fff0ff00fff00f));
				break;
			case 0x70: /* 40 bits; no BigEnd, LPA2, ECV, FGT, EXS */
				assert_int_equal(got & 0xf, MIN(fill, 2u));
				assert_int_equal(got & 0x0f0ffff0, all & 0x0f0000f0);
				assert_int_equal(got >> 20 & 15, 1);
				assert_int_equal(got >> 28, fill == 15 ? 15 : 0);
				break;
			case 0x71: /* HAFDBS, HPDS, PAN */
				assert_int_equal(got, MIN(fill, 2u) | 0x1000 | MIN(fill, 2u) << 20);
				break;
			case 0x72: /* CCIDX */ assert_int_equal(got, all & 0xf00000); break;
			case 0x10: /* instruction sets */
				assert_int_equal(got, all & 0xffff);
				break;
			case 0x11: /* generic timer */ assert_int_equal(got, all & 0xf0000); break;
			default: {
				bool aarch32 = (crm == 1 && op2 >= 4) || (crm == 2 && op2 <= 5) ||
				               (crm == 3 && op2 <= 2);

				assert_int_equal(got, aarch32 ? all : 0);
				break;
			}
			}
		}
	}
}

/* Cortex-A72 (TRM 4.2) loses its PMU, and gains nothing. */
static void test_id_a72(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(id_sources); i++) fake_sysreg_set(id_sources[i], 0);
	fake_sr_set(ID_AA64PFR0_EL1, 0x2222);
	fake_sr_set(ID_AA64DFR0_EL1, 0x10305106);
	fake_sr_set(ID_AA64ISAR0_EL1, 0x11120);
	fake_sr_set(ID_AA64MMFR0_EL1, 0x1124);
	sysreg_init();
	assert_int_equal(id(4, 0), 0x0012);
	assert_int_equal(id(5, 0), 0x10305006);
	assert_int_equal(id(6, 0), 0x11120);
	assert_int_equal(id(7, 0), 0x0022);
	assert_int_equal(id(7, 1), 0);
	assert_int_equal(id(7, 2), 0);
	/* No FP: 0xf, not 0. */
	fake_sr_set(ID_AA64PFR0_EL1, 0xff2222);
	sysreg_init();
	assert_int_equal(id(4, 0), 0xff0012);
	assert_int_equal(fake_sysreg_writes("ESR_EL1"), 0);
}

/* --- AArch32 at EL0 --- */
static uint64_t cp32(unsigned opc1, unsigned crn, unsigned crm, unsigned opc2, unsigned rt,
                     unsigned dir)
{
	return ec(EC_CP15_32) | ESR_CV | FIELD_PREP(ESR_COND, 14) | opc2 << 17 | opc1 << 14 |
	       crn << 10 | rt << 5 | crm << 1 | (dir == RD);
}

static uint64_t cp64(unsigned opc1, unsigned crm, unsigned rt, unsigned rt2, unsigned dir)
{
	return ec(EC_CP15_64) | ESR_CV | FIELD_PREP(ESR_COND, 14) | opc1 << 16 | rt2 << 10 |
	       rt << 5 | crm << 1 | (dir == RD);
}

static void test_cp15(void **state)
{
	(void)state;
	fake_sr_set(SPSR_EL2, PSR_AARCH32);
	fake_sr_set(CNTKCTL_EL1, BIT(9));
	v->arch.x[3] = UINT64_C(0xffffffff12345678);
	assert_int_equal(trap_cp15(v, cp32(0, 14, 2, 0, 3, WR)), TRAP_ADVANCE);
	assert_int_equal(cntp[0], 0x12345678);
	assert_int_equal(trap_cp15(v, cp32(0, 14, 2, 1, 3, WR)), TRAP_ADVANCE);
	assert_int_equal(cntp[1], 0x12345678);
	v->arch.x[4] = UINT64_C(0xffffffff9abcdef0);
	assert_int_equal(trap_cp15(v, cp64(2, 14, 3, 4, WR)), TRAP_ADVANCE);
	assert_int_equal(cntp[2], UINT64_C(0x9abcdef012345678));
	v->arch.x[3] = v->arch.x[4] = UINT64_MAX;
	cntp[2] = UINT64_C(0x1122334455667788);
	assert_int_equal(trap_cp15(v, cp64(2, 14, 3, 4, RD)), TRAP_ADVANCE);
	assert_int_equal(v->arch.x[3], 0x55667788);
	assert_int_equal(v->arch.x[4], 0x11223344);
	cntp[1] = UINT64_C(0x700000005);
	assert_int_equal(trap_cp15(v, cp32(0, 14, 2, 1, 3, RD)), TRAP_ADVANCE);
	assert_int_equal(v->arch.x[3], 5);
	/* CNTPCT, while it is trapped. */
	fake_now = UINT64_C(0x200000010);
	vm.cntpct_off = 0x10;
	assert_int_equal(trap_cp15(v, cp64(0, 14, 3, 4, RD)), TRAP_ADVANCE);
	assert_int_equal(v->arch.x[3], 0);
	assert_int_equal(v->arch.x[4], 2);
	assert_int_equal(trap_cp15(v, cp64(0, 14, 3, 4, WR)), TRAP_UNDEF);
	v->arch.x[3] = GPR(3);
	v->arch.x[4] = GPR(4);
	env_gprs_kept(0);
	/* As CNTKCTL_EL1 says. */
	fake_sr_set(CNTKCTL_EL1, 0);
	assert_int_equal(trap_cp15(v, cp32(0, 14, 2, 0, 3, RD)), TRAP_UNDEF);
	env_gprs_kept(0);
}

static void test_cp15_space(void **state)
{
	(void)state;
	fake_sr_set(SPSR_EL2, PSR_AARCH32);
	fake_sr_set(CNTKCTL_EL1, BIT(9));
	for (uint32_t e = 0; e < 1u << 15; e++) {
		unsigned dir = e & 1 ? RD : WR, opc1 = e >> 1 & 7, crn = e >> 4 & 15;
		unsigned crm = e >> 8 & 15, opc2 = e >> 12 & 7;
		bool timer = opc1 == 0 && crn == 14 && crm == 2 && opc2 <= 1;

		assert_int_equal(trap_cp15(v, cp32(opc1, crn, crm, opc2, 31, dir)),
		                 timer ? TRAP_ADVANCE : TRAP_UNDEF);
	}
	for (uint32_t e = 0; e < 1u << 9; e++) {
		unsigned dir = e & 1 ? RD : WR, opc1 = e >> 1 & 15, crm = e >> 5;
		bool timer = crm == 14 && (opc1 == 2 || (opc1 == 0 && dir == RD));

		assert_int_equal(trap_cp15(v, cp64(opc1, crm, 31, 31, dir)),
		                 timer ? TRAP_ADVANCE : TRAP_UNDEF);
	}
	env_gprs_kept(0);
}

/* Passed over if its condition fails, by COND or by the IT block; the block advances. */
static void test_cp15_condition(void **state)
{
	uint64_t eq = (cp32(0, 14, 2, 1, 3, WR) & ~ESR_COND);
	uint64_t it = FIELD_PREP(PSR_IT_HI, 0x1c >> 2); /* NE, two more to come */

	(void)state;
	fake_sr_set(CNTKCTL_EL1, BIT(9));
	fake_sr_set(SPSR_EL2, PSR_AARCH32);
	assert_ptr_equal(trap_sync(v, eq), v);
	assert_int_equal(cntp[1], 0);
	env_pc_moved(4);
	fake_sr_set(SPSR_EL2, PSR_AARCH32 | BIT(30)); /* Z */
	assert_ptr_equal(trap_sync(v, eq), v);
	assert_int_equal(cntp[1], GPR(3) & 0xffffffff);
	env_pc_moved(8);
	cntp[1] = 0;
	fake_sr_set(SPSR_EL2, PSR_AARCH32 | PSR_T32 | BIT(30) | it);
	assert_ptr_equal(trap_sync(v, eq & ~ESR_CV), v);
	assert_int_equal(cntp[1], 0);
	assert_int_equal(fake_sr(SPSR_EL2),
	                 PSR_AARCH32 | PSR_T32 | BIT(30) | FIELD_PREP(PSR_IT_HI, 0x18 >> 2));
	env_pc_moved(12);
	/* One that is undefined, but not executed. */
	fake_sr_set(SPSR_EL2, PSR_AARCH32);
	assert_ptr_equal(trap_sync(v, cp32(0, 9, 12, 0, 3, RD) & ~ESR_COND), v);
	env_pc_moved(16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_every_encoding, setup),
	    cmocka_unit_test_setup(test_xzr, setup),
	    cmocka_unit_test_setup(test_constant, setup),
	    cmocka_unit_test_setup(test_debug, setup),
	    cmocka_unit_test_setup(test_icc, setup),
	    cmocka_unit_test_setup(test_cntp, setup),
	    cmocka_unit_test_setup(test_setway, setup),
	    cmocka_unit_test_setup(test_setway_on, setup),
	    cmocka_unit_test_setup(test_tvm_targets, setup),
	    cmocka_unit_test_setup(test_id_all_ones, setup),
	    cmocka_unit_test_setup(test_id_a72, setup),
	    cmocka_unit_test_setup(test_cp15, setup),
	    cmocka_unit_test_setup(test_cp15_space, setup),
	    cmocka_unit_test_setup(test_cp15_condition, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
