/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out of a trap: PC, IT block and step bit advance; conditions of AArch32; WFI, WFE, SMC,
 * HVC; work that is pending; the switch of vCPUs in its order.
 * links: arch/arm64/trap.c arch/arm64/esr.c arch/arm64/trap_abort.c arch/arm64/decode.c
 * links: arch/arm64/vcpu_regs.c hyp/mmio.c hyp/gmem.c stage2/s2.c stage2/vmid.c
 * links: tests/fake_arch/fake.c tests/fake_arch/tlb.c tests/fake_arch/sysreg.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include "trap_env.h"

#define COND(c) (ESR_CV | FIELD_PREP(ESR_COND, c))
#define AL COND(14)

static uint64_t it_bits(unsigned it)
{
	return FIELD_PREP(PSR_IT_HI, it >> 2) | FIELD_PREP(PSR_IT_LO, it & 3);
}

static void wfi(uint64_t esr)
{
	assert_ptr_equal(trap_sync(v, FIELD_PREP(ESR_EC, EC_WFX) | esr), v);
}

static void test_pc(void **state)
{
	(void)state;
	wfi(AL | ESR_IL);
	env_pc_moved(4);
	assert_int_equal(fake_sysreg_writes("SPSR_EL2"), 0);
	fake_sr_set(SPSR_EL2, PSR_AARCH32 | PSR_T32);
	wfi(AL); /* a 16-bit instruction */
	env_pc_moved(6);
	/* A step that is done: SS. After a branch (BTI): BTYPE. Flags stay. */
	fake_sr_set(SPSR_EL2, PSR_NZCV | PSR_SS | PSR_BTYPE | PSR_M_EL0T);
	wfi(AL | ESR_IL);
	assert_int_equal(fake_sr(SPSR_EL2), PSR_NZCV | PSR_M_EL0T);
	/* The same bits are IT in AArch32, and outside a block they are 0. */
	fake_sr_set(SPSR_EL2, PSR_NZCV | PSR_AARCH32);
	wfi(AL | ESR_IL);
	assert_int_equal(fake_sr(SPSR_EL2), PSR_NZCV | PSR_AARCH32);
}

/* ITAdvance() of the Arm ARM: the last instruction of the block clears all, others shift [4:0]. */
static void test_it(void **state)
{
	(void)state;
	for (unsigned it = 0; it < 256; it++) {
		unsigned want = (it & 7) == 0 ? 0 : (it & 0xe0) | ((it << 1) & 0x1f);

		fake_sr_set(SPSR_EL2, PSR_AARCH32 | PSR_T32 | PSR_NZCV | it_bits(it));
		wfi(AL);
		assert_int_equal(fake_sr(SPSR_EL2),
		                 PSR_AARCH32 | PSR_T32 | PSR_NZCV | it_bits(want));
	}
}

/* The definition in words (Arm ARM F1.3.2), by name. */
static bool passes(unsigned cond, unsigned nzcv)
{
	bool n = nzcv & 8, z = nzcv & 4, c = nzcv & 2, o = nzcv & 1;
	const bool table[16] = {
	    z,
	    !z, /* EQ NE */
	    c,
	    !c, /* CS CC */
	    n,
	    !n, /* MI PL */
	    o,
	    !o, /* VS VC */
	    c && !z,
	    !c || z, /* HI LS */
	    n == o,
	    n != o, /* GE LT */
	    !z && n == o,
	    z || n != o, /* GT LE */
	    true,
	    true, /* AL */
	};

	return table[cond];
}

static void test_condition(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		uint64_t nzcv = (uint64_t)(i & 15) << 28;
		unsigned cond = i >> 4;
		bool fails = !passes(cond, i & 15);

		assert_int_equal(trap_cond_fails(COND(cond), nzcv | PSR_AARCH32), fails);
		/* Without CV: from the IT block, if there is one; whatever COND says. */
		assert_int_equal(
		    trap_cond_fails(FIELD_PREP(ESR_COND, cond ^ 1),
		                    nzcv | PSR_AARCH32 | PSR_T32 | it_bits(cond << 4 | 8)),
		    fails);
		assert_false(
		    trap_cond_fails(FIELD_PREP(ESR_COND, cond), nzcv | PSR_AARCH32 | PSR_T32));
		assert_false(trap_cond_fails(FIELD_PREP(ESR_COND, cond), nzcv | PSR_AARCH32));
	}
	/* IT[3:0] are not part of the condition. */
	assert_true(trap_cond_fails(0, PSR_AARCH32 | PSR_T32 | it_bits(0x0f)));
	assert_false(trap_cond_fails(0, PSR_AARCH32 | PSR_T32 | it_bits(0x1f)));
}

static void test_wfi(void **state)
{
	(void)state;
	wfi(AL | ESR_IL);
	assert_int_equal(nr_block, 1);
	assert_int_equal(v->stats.nr_wfi, 1);
	env_vgic_pending = true;
	wfi(AL | ESR_IL);
	assert_int_equal(nr_block, 1);
	env_vgic_pending = false;
	/* A pending virtual SError ends WFI; one that was taken does not. */
	(void)trap_serror(v, ec(EC_SERROR));
	wfi(AL | ESR_IL);
	assert_int_equal(nr_block, 1);
	fake_sr_set(HCR_EL2, vcpu_hcr_base);
	wfi(AL | ESR_IL);
	assert_int_equal(nr_block, 2);
	env_pc_moved(16);
	/* WFE, WFIT, WFET give way. */
	for (unsigned ti = 1; ti < 4; ti++) {
		wfi(AL | ESR_IL | ti);
		assert_int_equal(nr_yield, ti);
	}
	assert_int_equal(nr_block, 2);
	/* Its condition fails: it is passed over. */
	fake_sr_set(SPSR_EL2, PSR_AARCH32);
	wfi(COND(0) | ESR_IL);
	wfi(COND(0) | ESR_IL | 1);
	assert_int_equal(nr_block, 2);
	assert_int_equal(nr_yield, 3);
	env_pc_moved(36);
}

/* The address after HVC is in ELR already; after SMC it is not. */
static void test_calls(void **state)
{
	(void)state;
	assert_ptr_equal(trap_sync(v, ec(EC_SMC64)), v);
	assert_int_equal(nr_hvc, 1);
	assert_int_equal(v->arch.x[0], 0x4711);
	env_pc_moved(4);
	assert_ptr_equal(trap_hvc(v), v);
	assert_int_equal(nr_hvc, 2);
	env_pc_moved(4);
	fake_pcpu->work = PCPU_WORK_RESCHED;
	assert_null(trap_hvc(v));
	fake_pcpu->work = 0;
	v->work = VCPU_WORK_STOP;
	assert_null(trap_hvc(v));
	assert_null(trap_irq(v));
	v->work = 0;
	assert_ptr_equal(trap_irq(v), v);
	assert_int_equal(fake_log_matches("irq"), 2);
}

/* An undefined conditional instruction whose condition fails does nothing; A64 has no conditions.
 */
static void test_undef_condition(void **state)
{
	(void)state;
	fake_sr_set(SPSR_EL2, PSR_AARCH32);
	assert_ptr_equal(trap_sync(v, ec(0x05) | COND(0)), v);
	env_pc_moved(4);
	fake_sr_set(SPSR_EL2, PSR_M_EL0T);
	assert_ptr_equal(trap_sync(v, ec(EC_SVE) | COND(0)), v);
	env_injected(ESR_IL, 0x400);
}

/* --- the exit --- */
static struct vcpu other = {.id = 1, .loaded_on = -1};
static unsigned turns;

static struct vcpu *same(void)
{
	fake_pcpu->work = 0;
	turns++;
	return v;
}

static void test_vgic_work(void **state)
{
	(void)state;
	v->work = VCPU_WORK_VGIC;
	wfi(AL | ESR_IL);
	assert_int_equal(v->work, 0);
	assert_int_equal(fake_log_matches("vgic_sync 0"), 1);
	/* Only that: the scheduler was not asked (env_next is NULL). With other work, it is. */
	turns = 0;
	env_next = same;
	v->work = VCPU_WORK_VGIC;
	fake_pcpu->work = PCPU_WORK_RESCHED;
	wfi(AL | ESR_IL);
	assert_int_equal(turns, 1);
	assert_int_equal(v->work | fake_pcpu->work, 0);
	assert_int_equal(fake_log_matches("vgic_sync 0"), 2);
	assert_int_equal(fake_log_matches("save"), 0);
}

/* TWE only while another vCPU waits; a virtual SError taken meanwhile is not pended again. */
static void test_twe(void **state)
{
	(void)state;
	env_next = same;
	(void)trap_serror(v, ec(EC_SERROR));
	fake_sr_set(HCR_EL2, vcpu_hcr_base);
	fake_pcpu->nr_ready = 1;
	fake_pcpu->work = PCPU_WORK_RESCHED;
	wfi(AL | ESR_IL);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base | HCR_TWE);
	fake_pcpu->nr_ready = 0;
	fake_pcpu->work = PCPU_WORK_RESCHED;
	wfi(AL | ESR_IL);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base);
	assert_int_equal(v->arch.hcr, vcpu_hcr_base);
	/* No change, no write. */
	fake_log_clear();
	fake_pcpu->work = PCPU_WORK_RESCHED;
	wfi(AL | ESR_IL);
	assert_int_equal(fake_log_matches("msr HCR_EL2"), 0);
}

static struct vcpu *stop_then_other(void)
{
	fake_pcpu->work = 0;
	if (turns++ == 0) {
		assert_ptr_equal(fake_pcpu->loaded, v);
		v->state = VCPU_OFF;
		return NULL; /* v is to be saved first */
	}
	assert_null(fake_pcpu->loaded);
	return &other;
}

static void test_switch_off(void **state)
{
	static const char *const order[] = {"save 0", "saved 0", "load 1"};

	(void)state;
	turns = 0;
	env_next = stop_then_other;
	other.arch.hcr = vcpu_hcr_base;
	v->work = VCPU_WORK_STOP;
	fake_pcpu->work = PCPU_WORK_RESCHED;
	fake_log_clear();
	v->loaded_on = 0;
	assert_ptr_equal(trap_exit_slow(), &other);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		assert_string_equal(fake_log_at(i), order[i]);
	assert_ptr_equal(fake_pcpu->loaded, &other);
	assert_int_equal(other.loaded_on, 0);
	assert_int_equal(fake_pcpu->nr_switches, 1);
}

static struct vcpu *to_other(void)
{
	fake_pcpu->work = 0;
	return &other;
}

/* Preempted, not off: saved and published. */
static void test_switch_preempt(void **state)
{
	(void)state;
	env_next = to_other;
	other.work = VCPU_WORK_VGIC;
	fake_pcpu->work = PCPU_WORK_RESCHED;
	fake_log_clear();
	assert_ptr_equal(trap_exit_slow(), &other);
	assert_string_equal(fake_log_at(0), "save 0");
	assert_string_equal(fake_log_at(1), "saved 0");
	assert_string_equal(fake_log_at(2), "load 1");
	assert_string_equal(fake_log_at(3), "vgic_sync 1");
	assert_int_equal(other.work, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_pc, env_setup),
	    cmocka_unit_test_setup(test_it, env_setup),
	    cmocka_unit_test_setup(test_condition, env_setup),
	    cmocka_unit_test_setup(test_wfi, env_setup),
	    cmocka_unit_test_setup(test_calls, env_setup),
	    cmocka_unit_test_setup(test_undef_condition, env_setup),
	    cmocka_unit_test_setup(test_vgic_work, env_setup),
	    cmocka_unit_test_setup(test_twe, env_setup),
	    cmocka_unit_test_setup(test_switch_off, env_setup),
	    cmocka_unit_test_setup(test_switch_preempt, env_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
