/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context switch: every register out and in again, the order that Cortex-A72 erratum 1319367
 * asks for, debug registers by owner, stage-1 TLB entries of a sibling, the value of each control.
 * links: arch/arm64/switch.c arch/arm64/vcpu_regs.c stage2/s2.c stage2/vmid.c
 * links: tests/fake_arch/fake.c tests/fake_arch/tlb.c tests/fake_arch/sysreg.c
 */
#include "s2_env.h"
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include <asm/sysreg.h>
#include <arch/trap.h>
#include <asm/trap.h>
#include "tests/fake_arch/fake_sysreg.h"

struct pcpu pcpus[MAX_PCPUS];
static struct vm vm;
static struct vcpu vcpus[2], *const v = &vcpus[0];

#define TOKEN(fn, type)                                                                            \
	void fn(type *x)                                                                           \
	{                                                                                          \
		(void)x;                                                                           \
		fake_log_token(#fn);                                                               \
	}
TOKEN(vgic_put, struct vcpu)
TOKEN(vgic_load, struct vcpu)
TOKEN(vtimer_put, struct vcpu)
TOKEN(vtimer_load, struct vcpu)
TOKEN(fp_save, struct arch_vcpu_fp)
TOKEN(fp_load, const struct arch_vcpu_fp)
TOKEN(vgic_vcpu_reset, struct vcpu)
TOKEN(vtimer_vcpu_reset, struct vcpu)
TOKEN(arch_gic_vcpu_reset, struct arch_gic_vcpu)

uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id)
{
	return BIT(31) | gic_version << 8 | id;
}

/* In the order of enum vcpu_sr. */
static const char *const names[SR_COUNT] = {
    "SP_EL0",    "SP_EL1",      "ELR_EL1",   "SPSR_EL1",       "CPACR_EL1", "VBAR_EL1",
    "TPIDR_EL0", "TPIDRRO_EL0", "TPIDR_EL1", "CNTKCTL_EL1",    "PAR_EL1",   "CSSELR_EL1",
    "TTBR0_EL1", "TTBR1_EL1",   "TCR_EL1",   "AFSR0_EL1",      "AFSR1_EL1", "ESR_EL1",
    "FAR_EL1",   "MAIR_EL1",    "AMAIR_EL1", "CONTEXTIDR_EL1", "SCTLR_EL1",
};

static int setup(void **state)
{
	(void)state;
	env_init(40, 8);
	fake_sysreg_reset();
	fake_sr_set(ID_AA64DFR0_EL1, 0x10305106); /* 6 breakpoints, 4 watchpoints, a PMU */
	fake_sr_set(ID_AA64PFR0_EL1, 0x2222);
	fake_sr_set(PMCR_EL0, 0x41023000);
	fake_sr_set(HCR_EL2, vcpu_hcr_base);
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	fake_pcpu = &pcpus[0];
	vm.vgic.version = 3;
	vm.nr_vcpus = 2;
	assert_int_equal(s2_create(&vm.s2, 7), HYP_OK);
	for (unsigned i = 0; i < 2; i++) {
		vcpus[i].vm = &vm;
		vcpus[i].id = i;
		vcpu_reset(&vcpus[i], 0x40080000, 0x44000000);
	}
	fake_log_clear();
	return 0;
}

static int at(const char *prefix)
{
	int i = fake_log_find(prefix, 0);

	if (i < 0) fail_msg("no %s", prefix);
	return i;
}

static void test_round_trip(void **state)
{
	(void)state;
	fake_sr_set(ELR_EL2, 0x1234);
	fake_sr_set(SPSR_EL2, 0x3c4);
	vcpu_ctx_save(v);
	assert_int_equal(v->arch.pc, 0x1234);
	assert_int_equal(v->arch.pstate, 0x3c4);
	for (unsigned i = 0; i < SR_COUNT; i++) {
		if (v->arch.sr[i] != fake_sysreg_poison(names[i]))
			fail_msg("%s is not saved", names[i]);
		fake_sysreg_set(names[i], 0);
	}
	vcpu_ctx_load(v);
	for (unsigned i = 0; i < SR_COUNT; i++) {
		if (fake_sysreg_get(names[i]) != fake_sysreg_poison(names[i]))
			fail_msg("%s is not loaded", names[i]);
		assert_int_equal(fake_sysreg_writes(names[i]), 1);
	}
	assert_int_equal(fake_sr(ELR_EL2), 0x1234);
	assert_int_equal(fake_sr(SPSR_EL2), 0x3c4);
	assert_int_equal(fake_sr(VMPIDR_EL2), v->arch.vmpidr);
	assert_int_equal(fake_sr(CNTHCTL_EL2), CNTHCTL_EL1PCTEN);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base);
}

/*
 * Out: nothing of the guest can be walked after the save. In: all EL1 registers, SCTLR last, ISB,
 * and only then the guest's stage 2.
 */
static void test_order(void **state)
{
	int vttbr, isb_at;

	(void)state;
	vcpu_ctx_save(v);
	assert_true(at("vgic_put") < at("vtimer_put"));
	assert_int_equal(at("vttbr vmid=0"), fake_log_count() - 1);
	fake_log_clear();
	vcpu_ctx_load(v);
	vttbr = at("vttbr vmid=");
	assert_int_equal(fake_log_find("vttbr vmid=0 ", 0), -1);
	isb_at = at("isb");
	assert_int_equal(isb_at, vttbr - 1);
	assert_int_equal(at("msr SCTLR_EL1"), isb_at - 1);
	for (unsigned i = 0; i < SR_COUNT; i++) {
		char token[40];

		snprintf(token, sizeof(token), "msr %s ", names[i]);
		assert_true(at(token) < isb_at);
	}
	assert_true(at("msr HCR_EL2") > vttbr);
	assert_true(at("vgic_load") < at("vtimer_load"));
	assert_true(at("vgic_load") > vttbr);
}

/* Entries that another vCPU of the VM left on this CPU go; its own, and those of other VMs, stay.
 */
static void test_last_ran(void **state)
{
	(void)state;
	vcpu_ctx_load(&vcpus[0]); /* the first one here */
	vcpu_ctx_load(&vcpus[0]);
	assert_int_equal(fake_log_matches("tlbi"), 0);
	vcpu_ctx_load(&vcpus[1]);
	assert_int_equal(fake_log_matches("tlbi local"), 1);
	assert_true(at("tlbi local") > fake_log_find("vttbr", 0));
	vcpu_ctx_load(&vcpus[1]);
	assert_int_equal(fake_log_matches("tlbi"), 1);
	fake_pcpu = &pcpus[1];
	pcpus[1].id = 1;
	vcpu_ctx_load(&vcpus[0]);
	assert_int_equal(fake_log_matches("tlbi"), 1);
	pcpus[1].id = 0;
}

/* A virtual SError that is pending moves with the vCPU; one that was taken does not come again. */
static void test_serror(void **state)
{
	(void)state;
	vcpu_hcr_change(v, 0, HCR_VSE);
	vcpu_ctx_save(v);
	fake_sr_set(HCR_EL2, 0);
	vcpu_ctx_load(v);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base | HCR_VSE);
	fake_sr_set(HCR_EL2, vcpu_hcr_base);
	vcpu_ctx_save(v);
	vcpu_ctx_load(v);
	assert_int_equal(fake_sr(HCR_EL2), vcpu_hcr_base);
}

#define MDCR_USUAL (6u | MDCR_TPM | MDCR_TPMCR | MDCR_TPMS | MDCR_TTRF | MDCR_TDOSA | MDCR_TDRA)

/* Trapped until first use; then context, as many as the CPU has; nothing fires in the next guest.
 */
static void test_debug(void **state)
{
	(void)state;
	trap_cpu_init();
	vcpu_ctx_load(v);
	assert_int_equal(fake_sr(MDCR_EL2), MDCR_USUAL | MDCR_TDA);
	assert_int_equal(fake_log_matches("msr DBG"), 0);
	assert_int_equal(fake_log_matches("msr MDSCR"), 0);
	vcpu_debug_take(v);
	assert_int_equal(fake_sr(MDCR_EL2), MDCR_USUAL);
	assert_int_equal(fake_sr(DBGBVR5_EL1), 0); /* not what another one left */
	assert_int_equal(fake_log_matches("msr DBGB"), 12);
	assert_int_equal(fake_log_matches("msr DBGW"), 8);
	fake_sr_set(DBGBVR0_EL1, 0xb0);
	fake_sr_set(DBGWCR3_EL1, 0x33);
	fake_sr_set(MDSCR_EL1, 0x8000);
	fake_sr_set(DBGCLAIMCLR_EL1, 0x5a);
	fake_sr_set(OSDTRTX_EL1, 0x77);
	vcpu_ctx_save(v);
	assert_int_equal(fake_sr(MDSCR_EL1), 0);
	vcpu_ctx_load(&vcpus[1]);
	assert_int_equal(fake_sr(MDCR_EL2), MDCR_USUAL | MDCR_TDA);
	fake_sr_set(DBGBVR0_EL1, 0);
	fake_sr_set(DBGWCR3_EL1, 0);
	vcpu_ctx_load(v);
	assert_int_equal(fake_sr(DBGBVR0_EL1), 0xb0);
	assert_int_equal(fake_sr(DBGWCR3_EL1), 0x33);
	assert_int_equal(fake_sr(MDSCR_EL1), 0x8000);
	assert_int_equal(fake_sr(MDCR_EL2), MDCR_USUAL);
	/* Claim tags: all cleared, then its own; nothing in the channel. */
	assert_int_equal(fake_sr(DBGCLAIMCLR_EL1), 0xff);
	assert_int_equal(fake_sr(DBGCLAIMSET_EL1), 0x5a);
	assert_int_equal(fake_sr(OSDTRTX_EL1), 0);
	assert_int_equal(fake_sr(OSDTRRX_EL1), 0);
}

/* Deferred virtual SErrors: the guest's, where the CPU has them; else the register does not exist.
 */
static void test_vdisr(void **state)
{
	(void)state;
	vcpu_ctx_save(v);
	vcpu_ctx_load(v);
	assert_int_equal(fake_sysreg_reads("S3_4_C12_C1_1") + fake_sysreg_writes("S3_4_C12_C1_1"),
	                 0);
	fake_sr_set(ID_AA64PFR0_EL1, 0x10002222);
	fake_sysreg_set("S3_4_C12_C1_1", 0x80000042);
	vcpu_ctx_save(v);
	vcpu_ctx_load(&vcpus[1]);
	assert_int_equal(fake_sysreg_get("S3_4_C12_C1_1"), 0);
	vcpu_ctx_load(v);
	assert_int_equal(fake_sysreg_get("S3_4_C12_C1_1"), 0x80000042);
}

/* Registers of each CPU: bit by bit, as the Arm ARM numbers them. */
static void test_controls(void **state)
{
	(void)state;
	fake_sr_set(MIDR_EL1, 0x410fd083);
	trap_cpu_init();
	/* TTA 20, TAM 30, TZ 8, TSM 12; TFP 10 clear: FP is native (D19.2.36). */
	assert_int_equal(fake_sr(CPTR_EL2), 0x401033ff);
	assert_int_equal(fake_sr(VPIDR_EL2), 0x410fd083);
	assert_int_equal(fake_sr(HSTR_EL2), 0);
	assert_int_equal(fake_sr(OSLAR_EL1), 0);
	assert_int_equal(fake_sr(VTCR_EL2), s2_vtcr());
	assert_int_equal(fake_vttbr >> 48, 0);
	/* VM SWIO PTW FMO IMO AMO FB BSU TWI TID3 TSC TIDCP TACR TSW RW TLOR TERR (D19.2.48). */
	assert_int_equal(vcpu_hcr_base, UINT64_C(0x18807c263f));
	/* No VSESR_EL2 on this CPU; with FEAT_RAS it says nothing of its own. */
	assert_int_equal(fake_sysreg_writes("S3_4_C5_C2_3"), 0);
	fake_sr_set(ID_AA64PFR0_EL1, 0x10002222);
	/* No PMU, or one that is not Arm's: HPMN is 0. */
	fake_sr_set(ID_AA64DFR0_EL1, 0x10305f06);
	trap_cpu_init();
	assert_int_equal(fake_sysreg_writes("S3_4_C5_C2_3"), 1);
	assert_int_equal(fake_sr(S3_4_C5_C2_3), 0);
	vm.cntpct_off = 1;
	vcpu_ctx_load(v);
	assert_int_equal(fake_sr(CNTHCTL_EL2), 0);
}

static void test_reset(void **state)
{
	(void)state;
	memset(&v->arch, 0xa5, sizeof(v->arch));
	vcpu_reset(v, 0x40080000, 0x44000000);
	assert_int_equal(v->arch.pc, 0x40080000);
	assert_int_equal(v->arch.pstate, 0x3c5); /* EL1h, DAIF */
	assert_int_equal(v->arch.x[0], 0x44000000);
	for (unsigned i = 1; i < 31; i++) assert_int_equal(v->arch.x[i], 0);
	for (unsigned i = 0; i < SR_COUNT; i++)
		assert_int_equal(v->arch.sr[i], i == SR_SCTLR_EL1 ? 0x30d50838 : 0);
	for (unsigned i = 0; i < 64; i++) assert_int_equal(v->arch.fp.v[i], 0);
	assert_int_equal(v->arch.fp.fpcr | v->arch.fp.fpsr, 0);
	assert_false(v->arch.debug.owned);
	assert_int_equal(v->arch.hcr, vcpu_hcr_base);
	assert_int_equal(v->arch.vmpidr, 0x80000300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_round_trip, setup),
	    cmocka_unit_test_setup(test_order, setup),
	    cmocka_unit_test_setup(test_last_ran, setup),
	    cmocka_unit_test_setup(test_serror, setup),
	    cmocka_unit_test_setup(test_debug, setup),
	    cmocka_unit_test_setup(test_vdisr, setup),
	    cmocka_unit_test_setup(test_controls, setup),
	    cmocka_unit_test_setup(test_reset, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
