/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real arch/arm64/tlb.c with its instructions recorded: the order of barriers, TLBI and VTTBR
 * switches, to the letter.
 * links: arch/arm64/tlb.c tests/fake_arch/fake.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <asm/sysreg.h>
#include "tests/fake_arch/fake.h"

/* The guest's: its MMU is off. */
#define TCR UINT64_C(0x35)
#define SCTLR UINT64_C(0x30d00800)
static uint64_t vttbr, tcr, sctlr;

static uint64_t *reg(const char *name)
{
	if (strcmp(name, "TCR_EL1") == 0) return &tcr;
	if (strcmp(name, "SCTLR_EL1") == 0) return &sctlr;
	assert_string_equal(name, "VTTBR_EL2");
	return &vttbr;
}

uint64_t fake_sysreg_read(const char *name) { return *reg(name); }

void fake_sysreg_write(const char *name, uint64_t val)
{
	const char *word = reg(name) == &vttbr ? "vttbr" : reg(name) == &tcr ? "tcr" : "sctlr";

	fake_logf("%s 0x%llx", word, (unsigned long long)val);
	*reg(name) = val;
}

#define EMPTY UINT64_C(0x8000)
#define VMID(n) ((uint64_t)(n) << 48)

static int setup(void **state)
{
	(void)state;
	fake_reset();
	vttbr = VMID(3) | 0x123000;
	tcr = TCR;
	sctlr = SCTLR;
	return 0;
}

static void expect(const char *const want[])
{
	unsigned i = 0;

	for (; want[i] != NULL; i++) assert_string_equal(fake_log_at(i), want[i]);
	assert_int_equal(fake_log_count(), i);
	assert_int_equal(vttbr, VMID(3) | 0x123000);
	assert_int_equal(tcr, TCR);
	assert_int_equal(sctlr, SCTLR);
	fake_log_clear();
}

/*
 * No walk with the guest's EL1 registers under a borrowed VMID (Cortex-A72 erratum 1319367): both
 * EPD set, then the MMU on, then the VMID with the empty root; back in the opposite order.
 */
#define ENTER(v)                                                                                   \
	"tcr 0x8000b5", "isb", "sctlr 0x30d00801", "isb", "dsb ishst",                             \
	    "vttbr 0x" v "000000008000", "isb"
#define LEAVE                                                                                      \
	"dsb ish", "isb", "vttbr 0x3000000123000", "isb", "sctlr 0x30d00800", "isb", "tcr 0x35",   \
	    "isb", NULL

static void test_range(void **state)
{
	(void)state;
	arch_tlb_s2(VMID(5) | EMPTY, ipa(0x40201000), 2);
	expect((const char *const[]){ENTER("5"), "tlbi ipas2e1is 0x40201", "tlbi ipas2e1is 0x40202",
	                             "dsb ish", "tlbi vmalle1is", LEAVE});
	/* The current VMID: the same. */
	arch_tlb_s2(VMID(3) | EMPTY, ipa(0xfffffff000), 1);
	expect((const char *const[]){ENTER("3"), "tlbi ipas2e1is 0xfffffff", "dsb ish",
	                             "tlbi vmalle1is", LEAVE});
}

static void test_vmid(void **state)
{
	(void)state;
	arch_tlb_s2(VMID(255) | EMPTY, ipa(0), 0);
	expect((const char *const[]){ENTER("ff"), "tlbi vmalls12e1is", LEAVE});
}

static void test_others(void **state)
{
	(void)state;
	arch_tlb_all_vmids();
	expect((const char *const[]){"dsb ishst", "tlbi alle1is", "ic ialluis", "dsb ish", "isb",
	                             NULL});
	arch_tlb_local_stage1();
	expect(
	    (const char *const[]){"dsb nshst", "tlbi vmalle1", "ic iallu", "dsb nsh", "isb", NULL});
	arch_vttbr_write(VMID(3) | 0x123000);
	expect((const char *const[]){"vttbr 0x3000000123000", "isb", NULL});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_range, setup),
	    cmocka_unit_test_setup(test_vmid, setup),
	    cmocka_unit_test_setup(test_others, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
