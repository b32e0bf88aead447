/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions into EL1: for every origin the syndrome, the vector, what is banked and what PSTATE
 * becomes; the virtual SError.
 * links: arch/arm64/trap.c arch/arm64/esr.c arch/arm64/trap_abort.c arch/arm64/decode.c
 * links: arch/arm64/vcpu_regs.c hyp/mmio.c hyp/gmem.c stage2/s2.c stage2/vmid.c
 * links: tests/fake_arch/fake.c tests/fake_arch/tlb.c tests/fake_arch/sysreg.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include "trap_env.h"

static const struct {
	uint64_t pstate, vector;
	bool el0;
} from[] = {
    {PSR_M_EL0T, 0x400, true},
    {PSR_AARCH32, 0x600, true},           /* A32 */
    {PSR_AARCH32 | PSR_T32, 0x600, true}, /* T32 */
    {PSR_AARCH32 | 0x0f, 0x600, true},    /* whatever its mode bits: EL1 is AArch64 */
    {PSR_M_EL1T, 0x000, false},
    {PSR_M_EL1H, 0x200, false},
};

/* All flags that may be set at once. */
#define FLAGS (PSR_NZCV | PSR_SS | BIT(20) | BIT(12) /* SSBS */ | BIT(23) /* UAO */ | BIT(9))

/* Undefined: an instruction that traps and that nothing stands for, unconditional. */
static void undef(void)
{
	assert_ptr_equal(trap_sync(v, ec(0x19) | ESR_CV | FIELD_PREP(ESR_COND, 14)), v);
}

static void again(uint64_t pstate)
{
	void *state = NULL;

	env_setup(&state);
	fake_sr_set(SPSR_EL2, pstate);
}

static void check(uint64_t esr, uint64_t pstate, uint64_t vector, uint64_t next)
{
	assert_int_equal(fake_sr(ESR_EL1), esr);
	assert_int_equal(fake_sr(ELR_EL1), KERNEL | PC_IPA);
	assert_int_equal(fake_sr(SPSR_EL1), pstate);
	assert_int_equal(fake_sr(ELR_EL2), (KERNEL | (RAM + 0x8000)) + vector);
	assert_int_equal(fake_sr(SPSR_EL2), next);
	env_gprs_kept(0);
	/* And nothing else of the guest's. */
	assert_int_equal(fake_log_matches("msr "),
	                 5u + fake_sysreg_writes("FAR_EL1") + fake_sysreg_writes("HCR_EL2"));
}

static void test_undef(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		uint64_t pstate = from[i].pstate | FLAGS;

		again(pstate);
		undef();
		check(ESR_IL, pstate, from[i].vector, PSR_NZCV | PSR_DAIF | PSR_M_EL1H);
		assert_int_equal(fake_sysreg_writes("FAR_EL1"), 0);
	}
}

static void test_abort(void **state)
{
	(void)state;
	for (size_t i = 0; i < 8 * ARRAY_SIZE(from); i++) {
		bool fetch = i & 1, walk = i & 2, write = i & 4;
		uint64_t pstate = from[i / 8].pstate;
		unsigned class = fetch ? 0x20 : 0x24;
		uint64_t iss = walk ? 0x14 : 0x10;

		again(pstate);
		fake_sr_set(FAR_EL2, 0x123456789);
		fake_sr_set(HPFAR_EL2, UINT64_C(0x1000000) >> 8); /* a hole */
		assert_ptr_equal(trap_sync(v, ec(fetch ? EC_IABT_LOWER : EC_DABT_LOWER) | ESR_ISV |
		                                  ESR_SRT | ESR_SF | (walk ? ESR_S1PTW : 0) |
		                                  FSC_TRANSLATION | (write ? ESR_WNR | ESR_CM : 0)),
		                 v);
		check((uint64_t)(class | !from[i / 8].el0) << 26 | BIT(25) | iss |
		          (write && !fetch ? BIT(6) | BIT(8) : 0),
		      pstate, from[i / 8].vector, PSR_DAIF | PSR_M_EL1H);
		assert_int_equal(fake_sr(FAR_EL1), 0x123456789);
	}
}

/* PAN is kept; it is set if SCTLR_EL1.SPAN = 0 and there is such a thing (Arm ARM D8.4.13). */
static void test_pan(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool has = i & 1, span = i & 2, pan = i & 4;

		again(PSR_M_EL0T | (pan ? PSR_PAN : 0));
		fake_sr_set(ID_AA64MMFR1_EL1, has ? BIT(20) : 0);
		fake_sr_set(SCTLR_EL1, SCTLR_EL1_RES1 & ~(span ? 0 : SCTLR_SPAN));
		undef();
		assert_int_equal(fake_sr(SPSR_EL2),
		                 PSR_DAIF | PSR_M_EL1H | ((pan || (has && !span)) ? PSR_PAN : 0));
		assert_int_equal(fake_sr(SPSR_EL1), PSR_M_EL0T | (pan ? PSR_PAN : 0));
	}
}

/* Trapped instructions that nothing stands for, through the whole way. */
static void test_classes(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 64; c++) {
		switch (c) {
		case EC_WFX:
		case EC_CP15_32:
		case EC_CP15_64:
		case EC_SMC64:
		case EC_SYS64:
		case EC_IABT_LOWER:
		case EC_DABT_LOWER:
		case EC_SERROR: continue;
		default: break;
		}
		again(PSR_M_EL1H);
		assert_ptr_equal(trap_sync(v, ec(c) | GENMASK(24, 0)), v);
		env_injected(ESR_IL, 0x200);
		assert_int_equal(fake_sr(ELR_EL1), KERNEL | PC_IPA);
		assert_int_equal(v->stats.nr_exits, 1);
	}
}

/* A virtual SError is pended once: when the guest has taken it, HCR_EL2 does not pend it again. */
static void test_serror(void **state)
{
	(void)state;
	assert_ptr_equal(trap_sync(v, ec(EC_SERROR)), v);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base | HCR_VSE);
	env_pc_moved(0);
	/* Not taken yet: kept by whatever changes HCR_EL2. */
	vcpu_hcr_change(v, 0, HCR_TVM);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base | HCR_VSE | HCR_TVM);
	/* Taken: the CPU clears the bit. */
	fake_sr_set(HCR_EL2, vcpu_hcr_base | HCR_TVM);
	vcpu_hcr_change(v, HCR_TVM, 0);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base);
	assert_int_equal(v->arch.hcr, vcpu_hcr_base);
	assert_int_equal(trap_serror(v, ec(EC_SERROR)), TRAP_RESUME);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base | HCR_VSE);
	assert_int_equal(v->arch.hcr, vcpu_hcr_base | HCR_VSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_undef, env_setup),
	    cmocka_unit_test_setup(test_abort, env_setup),
	    cmocka_unit_test_setup(test_pan, env_setup),
	    cmocka_unit_test_setup(test_classes, env_setup),
	    cmocka_unit_test_setup(test_serror, env_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
