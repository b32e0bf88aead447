/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder of stage-2 aborts, from the syndrome to the guest's registers: emulation with and
 * without a syndrome, and every reason to inject, repeat or skip instead.
 * links: arch/arm64/trap.c arch/arm64/esr.c arch/arm64/trap_abort.c arch/arm64/decode.c
 * links: arch/arm64/vcpu_regs.c hyp/mmio.c hyp/gmem.c stage2/s2.c stage2/vmid.c
 * links: tests/fake_arch/fake.c tests/fake_arch/tlb.c tests/fake_arch/sysreg.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include "trap_env.h"

#define TRANSLATION (FSC_TRANSLATION | 2)
#define PERMISSION (FSC_PERMISSION | 3)

/* A data abort of EL1 at this IPA. HPFAR_EL2 is what the architecture says it is. */
static uint64_t fault(uint64_t at, uint64_t iss)
{
	fake_sr_set(FAR_EL2, KERNEL | at);
	if ((iss & FSC_TYPE) == FSC_PERMISSION && !(iss & ESR_S1PTW))
		fake_sr_set(HPFAR_EL2, fake_sysreg_poison("HPFAR_EL2"));
	else
		fake_sr_set(HPFAR_EL2, at >> 12 << 4);
	return ec(EC_DABT_LOWER) | iss;
}

static uint64_t isv(unsigned log_size, bool sign, unsigned rt, bool sf, bool write)
{
	return ESR_ISV | FIELD_PREP(ESR_SAS, log_size) | (sign ? ESR_SSE : 0) |
	       FIELD_PREP(ESR_SRT, rt) | (sf ? ESR_SF : 0) | (write ? ESR_WNR : 0);
}

static void run(uint64_t esr)
{
	assert_ptr_equal(trap_sync(v, esr), v);
	assert_int_equal(fake_locks_held(), 0);
}

static void again(void)
{
	void *state = NULL;

	env_setup(&state);
}

static void test_load(void **state)
{
	const uint64_t val = UINT64_C(0x8182838485868788);
	static const struct {
		unsigned log_size;
		bool sign, sf;
		uint64_t want;
	} cases[] = {
	    {0, false, false, 0x88},
	    {0, false, true, 0x88},
	    {0, true, false, 0xffffff88},
	    {0, true, true, UINT64_C(0xffffffffffffff88)},
	    {1, false, false, 0x8788},
	    {1, true, false, 0xffff8788},
	    {1, true, true, UINT64_C(0xffffffffffff8788)},
	    {2, false, false, 0x85868788},
	    {2, false, true, 0x85868788},
	    {2, true, true, UINT64_C(0xffffffff85868788)},
	    {3, false, true, UINT64_C(0x8182838485868788)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		again();
		dev_val[0] = val;
		run(fault(DEV + 0x18, isv(cases[i].log_size, cases[i].sign, 5, cases[i].sf, false) |
		                          TRANSLATION));
		assert_int_equal(dev_n, 1);
		assert_false(dev_log[0].write);
		assert_int_equal(dev_log[0].off, 0x18);
		assert_int_equal(dev_log[0].size, 1u << cases[i].log_size);
		assert_int_equal(v->arch.x[5], cases[i].want);
		env_gprs_kept(BIT32(5));
		env_pc_moved(4);
	}
	assert_int_equal(v->stats.nr_mmio, 1);
}

static void test_store(void **state)
{
	(void)state;
	for (unsigned log_size = 0; log_size < 4; log_size++) {
		uint64_t mask = log_size == 3 ? UINT64_MAX : BIT(8u << log_size) - 1;

		again();
		v->arch.x[30] = UINT64_C(0x8182838485868788);
		run(fault(DEV + 0x20, isv(log_size, false, 30, true, true) | TRANSLATION));
		assert_int_equal(dev_n, 1);
		assert_true(dev_log[0].write);
		assert_int_equal(dev_log[0].val, UINT64_C(0x8182838485868788) & mask);
		env_pc_moved(4);
	}
}

/* Register 31 is XZR on both sides. A 16-bit T32 instruction has IL = 0. */
static void test_xzr_and_il(void **state)
{
	(void)state;
	run(fault(DEV, isv(3, false, 31, true, true) | TRANSLATION));
	assert_int_equal(dev_log[0].val, 0);
	env_pc_moved(4);
	again();
	dev_val[0] = UINT64_MAX;
	run(fault(DEV, isv(3, false, 31, true, false) | TRANSLATION));
	env_gprs_kept(0);
	env_pc_moved(4);
	again();
	fake_sr_set(SPSR_EL2, PSR_AARCH32 | PSR_T32);
	run(fault(DEV, isv(2, false, 1, false, true) | TRANSLATION) & ~ESR_IL);
	assert_int_equal(dev_log[0].val, 0x180);
	env_pc_moved(2);
}

/* HPFAR_EL2 is UNKNOWN after a permission fault: stage 1 is walked again, at the right level. */
static void test_permission(void **state)
{
	(void)state;
	run(fault(DEV + 8, isv(2, false, 1, false, true) | PERMISSION));
	assert_int_equal(dev_n, 1);
	assert_int_equal(dev_log[0].off, 8);
	assert_int_equal(fake_log_find("at s1e1r", 0), 0);
	assert_int_equal(fake_log_find("isb", 0), 1); /* before PAR_EL1 is read */
	assert_int_equal(fake_sysreg_reads("HPFAR_EL2"), 0);
	/* The guest's PAR_EL1 is its own. */
	assert_int_equal(fake_sr(PAR_EL1), 0x9a4);
	env_pc_moved(4);
	/* EL0, in both widths. */
	for (unsigned i = 0; i < 2; i++) {
		again();
		fake_sr_set(SPSR_EL2, i == 0 ? PSR_M_EL0T : PSR_AARCH32);
		fault(DEV + 8, 0);
		fake_sr_set(HPFAR_EL2, fake_sysreg_poison("HPFAR_EL2"));
		fake_sr_set(FAR_EL2, USER + DEV + 12);
		run(ec(EC_DABT_LOWER) | isv(2, false, 1, false, true) | PERMISSION);
		assert_int_equal(dev_log[0].off, 12);
		assert_int_equal(fake_log_find("at s1e0r", 0), 0);
	}
	/* The tables changed meanwhile: it faults in stage 1 when repeated. */
	again();
	fault(DEV + 8, PERMISSION);
	fake_sr_set(FAR_EL2, BIT(40));
	run(ec(EC_DABT_LOWER) | isv(2, false, 1, false, true) | PERMISSION);
	assert_int_equal(dev_n, 0);
	env_pc_moved(0);
	assert_int_equal(fake_sr(PAR_EL1), 0x9a4);
}

static void check_abort(uint64_t at, uint64_t iss, uint64_t want)
{
	run(fault(at, iss));
	env_injected(FIELD_PREP(ESR_EC, EC_DABT_SAME) | ESR_IL | want, 0x200);
	assert_int_equal(fake_sr(FAR_EL1), KERNEL | at);
	assert_int_equal(fake_sr(ELR_EL1), KERNEL | PC_IPA);
	env_gprs_kept(0);
	again();
}

/* Nothing there, not in this size, not aligned, beyond the device's end: synchronous external. */
static void test_refused(void **state)
{
	uint64_t ld = isv(2, false, 1, false, false) | TRANSLATION;
	uint64_t st = isv(2, false, 1, false, true) | TRANSLATION;

	(void)state;
	check_abort(0x0c000000, ld, FSC_EXTERNAL);
	check_abort(0x0c000000, st, FSC_EXTERNAL | ESR_WNR);
	check_abort(BIT(39), ld, FSC_EXTERNAL);
	check_abort(RAM + RAM_SIZE, ld, FSC_EXTERNAL);
	check_abort(DEV + 2, ld, FSC_EXTERNAL);
	check_abort(DEV32, isv(0, false, 1, false, false) | TRANSLATION, FSC_EXTERNAL);
	check_abort(DEV32, isv(3, false, 1, true, false) | TRANSLATION, FSC_EXTERNAL);
	check_abort(DEV + PAGE_SIZE - 2, ld, FSC_EXTERNAL);
	check_abort(DEV, isv(2, false, 1, false, false) | FSC_ALIGNMENT, FSC_EXTERNAL);
	check_abort(DEV, isv(2, false, 1, false, false) | 0x30, FSC_EXTERNAL); /* TLB conflict */
	check_abort(DEV, isv(2, false, 1, false, false) | 0x35, FSC_EXTERNAL); /* exclusive */
	dev_res[0] = MMIO_ABORT;
	check_abort(DEV, ld, FSC_EXTERNAL);
	assert_int_equal(dev_n, 0);
	/* Address size: HPFAR_EL2 is valid, the address is nobody's. */
	check_abort(BIT(40) | 0x1000, isv(2, false, 1, false, false) | FSC_ADDR_SIZE, FSC_EXTERNAL);
	/* An access flag fault on a device is emulated like any other. */
	run(fault(DEV, isv(2, false, 1, false, false) | FSC_ACCESS | 3));
	assert_int_equal(dev_n, 1);
}

/* IPA<51:12> is in HPFAR<43:4>, the rest in FAR, whatever the page number in FAR is. */
static void test_ipa(void **state)
{
	(void)state;
	fault(DEV, TRANSLATION);
	fake_sr_set(FAR_EL2, UINT64_C(0xff12345678abcaa8));
	fake_sr_set(HPFAR_EL2, DEV >> 8 | BIT(63) | 0xf); /* NS, RES0 bits */
	run(ec(EC_DABT_LOWER) | isv(3, false, 1, true, false) | TRANSLATION);
	assert_int_equal(dev_log[0].off, 0xaa8);
}

static void test_cache_maintenance(void **state)
{
	(void)state;
	run(fault(DEV + 0x41, ESR_CM | ESR_WNR | TRANSLATION));
	assert_int_equal(dev_n, 0);
	env_pc_moved(4);
	again();
	check_abort(0x0c000000, ESR_CM | ESR_WNR | TRANSLATION, FSC_EXTERNAL | ESR_WNR | ESR_CM);
}

/* The host's bus: an SError, pended once; the instruction is not skipped. */
static void test_external(void **state)
{
	static const unsigned fsc[] = {0x10, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x1c, 0x1f};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(fsc); i++) {
		again();
		fault(DEV, fsc[i / 2]);
		run(ec(i % 2 ? EC_DABT_LOWER : EC_IABT_LOWER) | BIT(9) | fsc[i / 2] |
		    (i % 2 ? isv(2, false, 1, false, false) : 0));
		assert_int_equal(dev_n, 0);
		assert_true(v->arch.hcr & HCR_VSE);
		assert_int_equal(fake_sr(HCR_EL2), v->arch.hcr);
		env_pc_moved(0);
		env_gprs_kept(0);
	}
}

/* Stage-1 tables where there is no RAM: an external abort on the walk, on the guest's address. */
static void test_s1ptw(void **state)
{
	uint64_t va = KERNEL | 0x123456;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		unsigned fsc = i & 1 ? PERMISSION : TRANSLATION;

		again();
		fault(DEV, ESR_S1PTW | fsc);
		fake_sr_set(FAR_EL2, va);
		run(ec(i & 2 ? EC_IABT_LOWER : EC_DABT_LOWER) | ESR_S1PTW | fsc |
		    (i & 2 ? 0 : isv(2, false, 1, false, true)));
		assert_int_equal(dev_n, 0);
		env_injected(FIELD_PREP(ESR_EC, i & 2 ? EC_IABT_SAME : EC_DABT_SAME) | ESR_IL |
		                 FSC_EXTERNAL_WALK | (i & 2 ? 0 : ESR_WNR),
		             0x200);
		assert_int_equal(fake_sr(FAR_EL1), va);
		assert_int_equal(fake_log_matches("at "), 0);
	}
	/* Tables in RAM, whose mapping has changed since: the walk is repeated. */
	again();
	fault(RAM + 0x5000, ESR_S1PTW | TRANSLATION);
	fake_sr_set(FAR_EL2, va);
	run(ec(EC_DABT_LOWER) | ESR_S1PTW | TRANSLATION);
	env_pc_moved(0);
}

/* RAM that is mapped when we look is accessed again. RAM that is not, is not there. */
static void test_spurious(void **state)
{
	struct s2_walk w;

	(void)state;
	run(fault(RAM + 0x123, isv(0, false, 1, false, false) | TRANSLATION));
	env_pc_moved(0);
	env_gprs_kept(0);
	fault(RAM + 0x1000, TRANSLATION);
	run(ec(EC_IABT_LOWER) | TRANSLATION);
	env_pc_moved(0);
	assert_int_equal(s2_unmap(&vm.s2, ipa(RAM), &w), HYP_OK);
	check_abort(RAM + 0x120, isv(2, false, 1, false, false) | TRANSLATION, FSC_EXTERNAL);
}

static void test_fetch(void **state)
{
	static const uint64_t at[] = {DEV, 0x0c000000, RAM + RAM_SIZE};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(at); i++) {
		again();
		fault(at[i / 2], i % 2 ? PERMISSION : TRANSLATION);
		run(ec(EC_IABT_LOWER) | (i % 2 ? PERMISSION : TRANSLATION));
		env_injected(FIELD_PREP(ESR_EC, EC_IABT_SAME) | ESR_IL | FSC_EXTERNAL, 0x200);
		assert_int_equal(fake_sr(FAR_EL1), KERNEL | at[i / 2]);
	}
	/* An execute-only page, which AT cannot read: no endless repetition. */
	again();
	fault(DEV, PERMISSION);
	fake_sr_set(SPSR_EL2, PSR_M_EL0T);
	run(ec(EC_IABT_LOWER) | PERMISSION);
	env_injected(FIELD_PREP(ESR_EC, EC_IABT_LOWER) | ESR_IL | FSC_EXTERNAL, 0x400);
}

/* The device cannot yet: blocked, the same instruction again, nothing written back. */
static void test_hold(void **state)
{
	(void)state;
	dev_res[0] = MMIO_HOLD;
	for (unsigned i = 1; i <= 3; i++) {
		run(fault(DEV, isv(0, false, 1, false, true) | TRANSLATION));
		assert_int_equal(nr_block, i);
		env_pc_moved(0);
		dev_n = 0;
	}
	run(fault(DEV, isv(0, false, 1, false, false) | TRANSLATION)); /* a load */
	env_gprs_kept(0);
	env_pc_moved(0);
	dev_n = 0;
	dev_res[0] = MMIO_OK;
	run(fault(DEV, isv(0, false, 1, false, true) | TRANSLATION));
	assert_int_equal(nr_block, 4);
	env_pc_moved(4);
}

/* --- no syndrome: the instruction is read and decoded --- */

static void decoded(uint32_t insn, uint64_t at)
{
	env_insn(insn);
	run(fault(at, TRANSLATION | ((insn >> 22 & 1) ? 0 : ESR_WNR)));
}

static void test_pairs(void **state)
{
	(void)state;
	v->arch.x[3] = KERNEL | (DEV + 0x100);
	dev_val[0] = UINT64_C(0x1122334455667788);
	dev_val[1] = UINT64_C(0x99aabbccddeeff00);
	decoded(0xa9410861, DEV + 0x110); /* ldp x1, x2, [x3, #16] */
	assert_int_equal(dev_n, 2);
	assert_int_equal(dev_log[0].off, 0x110);
	assert_int_equal(dev_log[1].off, 0x118);
	assert_int_equal(dev_log[1].size, 8);
	assert_int_equal(v->arch.x[1], dev_val[0]);
	assert_int_equal(v->arch.x[2], dev_val[1]);
	v->arch.x[3] = GPR(3);
	env_gprs_kept(BIT32(1) | BIT32(2));
	env_pc_moved(4);

	again();
	v->arch.x[3] = KERNEL | (DEV + 8);
	dev_val[0] = 0x80000000;
	dev_val[1] = 0x7fffffff;
	decoded(0x68ff0861, DEV + 8); /* ldpsw x1, x2, [x3], #-8 */
	assert_int_equal(v->arch.x[1], UINT64_C(0xffffffff80000000));
	assert_int_equal(v->arch.x[2], 0x7fffffff);
	assert_int_equal(v->arch.x[3], KERNEL | DEV);
	assert_int_equal(dev_log[1].off, 12);

	again();
	v->arch.x[6] = KERNEL | (DEV + 0x200);
	decoded(0x29a014c4, DEV + 0x100); /* stp w4, w5, [x6, #-256]! */
	assert_int_equal(dev_n, 2);
	assert_true(dev_log[0].write && dev_log[1].write);
	assert_int_equal(dev_log[0].val, GPR(4) & 0xffffffff);
	assert_int_equal(dev_log[1].val, GPR(5) & 0xffffffff);
	assert_int_equal(v->arch.x[6], KERNEL | (DEV + 0x100));
	assert_int_equal(fake_sr(PAR_EL1), 0x9a4);
}

/* Base 31 is the stack pointer that PSTATE says; register 31 is XZR. */
static void test_sp(void **state)
{
	static const struct {
		uint64_t pstate;
		bool sp1, user;
	} el[] = {{PSR_M_EL1H, true, false}, {PSR_M_EL1T, false, false}, {PSR_M_EL0T, false, true}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(el); i++) {
		uint64_t base = el[i].user ? USER : KERNEL;

		again();
		fake_sr_set(SPSR_EL2, el[i].pstate);
		fake_sr_set(ELR_EL2, base + PC_IPA);
		if (el[i].sp1)
			fake_sr_set(SP_EL1, base + DEV + 0x40);
		else
			fake_sr_set(SP_EL0, base + DEV + 0x40);
		env_insn(0xf80087ff); /* str xzr, [sp], #8 */
		fault(DEV + 0x40, TRANSLATION);
		fake_sr_set(FAR_EL2, base + DEV + 0x40);
		run(ec(EC_DABT_LOWER) | ESR_WNR | TRANSLATION);
		assert_int_equal(dev_n, 1);
		assert_int_equal(dev_log[0].val, 0);
		assert_int_equal(fake_sr(SP_EL1), el[i].sp1 ? base + DEV + 0x48 : 0x5e11);
		assert_int_equal(fake_sr(SP_EL0), el[i].sp1 ? 0x5e10 : base + DEV + 0x48);
		assert_int_equal(fake_sr(ELR_EL2), base + PC_IPA + 4);
		assert_int_equal(fake_log_matches(el[i].user ? "at s1e0r" : "at s1e1r"), 1);
	}
}

/* Nothing is written back unless every access succeeded. */
static void test_write_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		enum mmio_result r = i & 1 ? MMIO_HOLD : MMIO_ABORT;

		again();
		v->arch.x[6] = KERNEL | DEV;
		dev_res[i >> 1] = r;
		dev_val[0] = dev_val[1] = 77;
		decoded(0xa8c114c4, DEV); /* ldp x4, x5, [x6], #16 */
		assert_int_equal(v->arch.x[6], KERNEL | DEV);
		v->arch.x[6] = GPR(6);
		env_gprs_kept(0);
		if (r == MMIO_HOLD) {
			assert_int_equal(nr_block, 1);
			env_pc_moved(0);
		} else {
			env_injected(FIELD_PREP(ESR_EC, EC_DABT_SAME) | ESR_IL | FSC_EXTERNAL,
			             0x200);
		}
	}
	again();
	v->arch.x[2] = KERNEL | DEV;
	decoded(0x38401c41, DEV + 1); /* ldrb w1, [x2, #1]! */
	assert_int_equal(v->arch.x[2], KERNEL | (DEV + 1));
}

/* What is not decoded, or is not what faulted: injected, and the device is left alone. */
static void test_not_decoded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		uint64_t at = DEV + 0x10, pc = KERNEL | PC_IPA, ld = 0, offset = 0x200;
		uint64_t psr = PSR_M_EL1H;

		again();
		env_insn(0xa9410861); /* ldp x1, x2, [x3, #16] */
		v->arch.x[3] = KERNEL | DEV;
		switch (i) {
		case 0:
			env_insn(0xad400440); /* ldp q0, q1, [x2] */
			break;
		case 1:
			v->arch.x[3] += 8; /* not the address that faulted */
			break;
		case 2:
			at = DEV + PAGE_SIZE - 8; /* into the next page */
			v->arch.x[3] = KERNEL | (at - 16);
			break;
		case 3:
			pc = KERNEL | 0x0c000000; /* code that is not in RAM */
			break;
		case 4:
			pc = BIT(40); /* or nowhere */
			break;
		case 5: pc += 2; break;
		case 6:
			psr = PSR_AARCH32;
			offset = 0x600;
			break;
		default:
			at = 0x0c000010; /* no device there: not even decoded */
			v->arch.x[3] = KERNEL | 0x0c000000;
			break;
		}
		fake_sr_set(SPSR_EL2, psr);
		fake_sr_set(ELR_EL2, pc);
		run(fault(at, TRANSLATION));
		assert_int_equal(dev_n, 0);
		env_injected(FIELD_PREP(ESR_EC, i == 6 ? EC_DABT_LOWER : EC_DABT_SAME) | ESR_IL |
		                 FSC_EXTERNAL | ld,
		             offset);
		assert_int_equal(fake_sr(ELR_EL1), pc);
		v->arch.x[3] = GPR(3);
		env_gprs_kept(0);
		assert_int_equal(fake_sr(PAR_EL1), 0x9a4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_load, env_setup),
	    cmocka_unit_test_setup(test_store, env_setup),
	    cmocka_unit_test_setup(test_xzr_and_il, env_setup),
	    cmocka_unit_test_setup(test_permission, env_setup),
	    cmocka_unit_test_setup(test_refused, env_setup),
	    cmocka_unit_test_setup(test_ipa, env_setup),
	    cmocka_unit_test_setup(test_cache_maintenance, env_setup),
	    cmocka_unit_test_setup(test_external, env_setup),
	    cmocka_unit_test_setup(test_s1ptw, env_setup),
	    cmocka_unit_test_setup(test_spurious, env_setup),
	    cmocka_unit_test_setup(test_fetch, env_setup),
	    cmocka_unit_test_setup(test_hold, env_setup),
	    cmocka_unit_test_setup(test_pairs, env_setup),
	    cmocka_unit_test_setup(test_sp, env_setup),
	    cmocka_unit_test_setup(test_write_back, env_setup),
	    cmocka_unit_test_setup(test_not_decoded, env_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
