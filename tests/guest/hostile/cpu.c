/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU itself: undefined instructions and those of hidden extensions, illegal returns,
 * misaligned SP and PC, stack overflow, debug exceptions across what is emulated, self-modifying
 * code.
 */
#include <stdio.h>
#include <string.h>

#include "hx.h"

#define PSTATE_EL1H 0x3c5ul
#define PSTATE_SS (1ul << 21)
#define MDSCR_SS 1ul
#define MDSCR_KDE (1ul << 13)
#define MDSCR_MDE (1ul << 15)
#define RET 0xd65f03c0u
#define SVC 0xd4000001u

static struct hx probe;

static const struct {
	const char *name;
	uint32_t insn;
} insns[] = {
    {"udf", 0x00000000},
    {"all ones", 0xffffffff},
    {"hlt", 0xd4400000},
    {"brk", 0xd4200020},
    {"svc", 0xd4000021},
    {"dcps1", 0xd4a00001},
    {"dcps2", 0xd4a00002},
    {"dcps3", 0xd4a00003},
    {"drps", 0xd6bf03e0},
    {"wfe", 0xd503205f},
    {"sev", 0xd503209f},
    {"sevl", 0xd50320bf},
    {"esb", 0xd503221f},
    {"psb csync", 0xd503223f},
    {"tsb csync", 0xd503225f},
    {"csdb", 0xd503229f},
    {"bti c", 0xd503245f},
    {"paciasp", 0xd503233f},
    {"pacia x0, x1", 0xdac10020},
    {"autiza x0", 0xdac133e0},
    {"pacga x0, x1, x2", 0x9ac23020},
    {"sb", 0xd50330ff},
    {"wfet x0", 0xd5031000},
    {"ldapr w0, [x0]", 0xb8bfc000},
    {"crc32w", 0x1ac14800},
    {"aese", 0x4e284820},
    {"sha512h", 0xce628020},
    {"ptrue p0.b (SVE)", 0x2518e3e0},
    {"rdvl x0, #1 (SVE)", 0x04bf5020},
    {"ldr z0, [x0] (SVE)", 0x85804000},
    {"smstart (SME)", 0xd503477f},
    {"smstop (SME)", 0xd503467f},
    {"rdsvl (SME)", 0x04bf5820},
    {"irg x0, x1 (MTE)", 0x9adf1020},
    {"stg x0, [x0] (MTE)", 0xd9200800},
    {"ldg x0, [x0] (MTE)", 0xd9600000},
    {"stzgm (MTE)", 0xd9200000},
    {"tcancel (TME)", 0xd4600000},
    {"tstart x0 (TME)", 0xd5233060},
    {"ld64b (LS64)", 0xf83fd000},
    {"st64b (LS64)", 0xf83f9002},
    {"gcspushm (GCS)", 0xd50b7700},
    {"cpyfp (MOPS)", 0x19020420},
    {"msr sctlr2_el1, x0", 0xd5181060},
    {"msr tcr2_el1, x0", 0xd5182060},
    {"msr gcscr_el1, x0", 0xd5182500},
    {"msr pir_el1, x0", 0xd518a240},
    {"msr por_el1, x0", 0xd518a280},
    {"mrs x0, hcr_el2", 0xd53c1100},
    {"msr vttbr_el2, x0", 0xd51c2100},
    {"mrs x0, scr_el3", 0xd53e1100},
    {"tlbi alle1", 0xd50c879f},
    {"tlbi vmalls12e1is", 0xd50c83df},
    {"tlbi ipas2e1, x0", 0xd50c8420},
    {"at s12e1r, x0", 0xd50c7880},
    {"at s1e2r, x0", 0xd50c7800},
};

static void instructions(void)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));

	for (unsigned i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		uint32_t at_el0[] = {insns[i].insn, SVC};

		hx_call(&probe, hx_code(&insns[i].insn, 1, false), (uint64_t)page, (uint64_t)page);
		hx_line("%s: %s", insns[i].name, hx_outcome(&probe));
		hx_init(&probe);
		probe.fn = hx_code(at_el0, 2, true);
		probe.flags = HX_ERET;
		probe.pstate = 0x3c0;
		probe.x[0] = probe.x[1] = (uint64_t)page;
		hx_run(&probe);
		hx_line("%s at EL0: %s", insns[i].name,
		        HX_EC(&probe) == 0x24 && probe.far == (uint64_t)page
		            ? "aborts, the page is EL1's"
		            : hx_outcome(&probe));
	}
}

/* ERET with each PSTATE.M, and with bits that are not for EL0. */
static void returns(void)
{
	static const uint64_t bits[] = {1ul << 20, 1ul << 21, 1ul << 24, 1ul << 5,
	                                1ul << 63, 1ul << 32, 1ul << 13, 3ul << 10};
	uint32_t code[] = {SVC};
	uint64_t el0 = hx_code(code, 1, true), el1 = hx_code(code, 1, false);

	for (uint64_t m = 0; m < 32; m++) {
		hx_init(&probe);
		/* AArch32 reaches no code: nothing is at page 0. */
		probe.fn = m == 0 ? el0 : m & 16 ? 0 : el1;
		probe.flags = HX_ERET;
		probe.pstate = 0x3c0 | m;
		hx_run(&probe);
		hx_line("eret to M %lx: %s", m, hx_outcome(&probe));
	}
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		hx_init(&probe);
		probe.fn = el0;
		probe.flags = HX_ERET;
		probe.pstate = 0x3c0 | bits[i];
		hx_run(&probe);
		hx_line("eret to EL0 with PSTATE bit %lx: %s", bits[i], hx_outcome(&probe));
	}
}

/* ---- stacks and program counters --------------------------------------------------------------
 */

extern const char cpu_recurse[], cpu_push_sp[], cpu_push_sp1[], cpu_load_sp[];
__asm__("	.text\n"
        "cpu_recurse:\n" /* down to the end of the stack */
        "	stp	x29, x30, [sp, #-256]!\n"
        "	add	x2, x2, #1\n"
        "	bl	cpu_recurse\n"
        "	ret\n"
        "cpu_push_sp:\n" /* a stack wherever x0 says */
        "	mov	x2, sp\n"
        "	mov	sp, x0\n"
        "	stp	x1, x1, [sp, #-16]!\n"
        "	mov	x1, sp\n"
        "	mov	sp, x2\n"
        "	ret\n"
        "cpu_push_sp1:\n"
        "	msr	spsel, #1\n"
        "	mov	sp, x0\n"
        "	stp	w1, w1, [sp, #-16]!\n"
        "	mov	x1, sp\n"
        "	ret\n"
        "cpu_load_sp:\n"
        "	mov	x2, sp\n"
        "	mov	sp, x0\n"
        "	ldr	w1, [sp], #16\n"
        "	mov	x0, sp\n"
        "	mov	sp, x2\n"
        "	ret\n");

static void stacks(void)
{
	static const struct {
		const char *name;
		uint64_t sp;
	} all[] = {
	    {"misaligned by 8", 0x40200008}, {"misaligned by 1", 0x40200001},
	    {"in a hole", 0x0b000100},       {"in GICD's hole", 0x08003000},
	    {"in the PL031", 0x09010020},    {"at 0", 0},
	    {"at the top of all", ~15ul},    {"in text", (uint64_t)0x40100100},
	};
	const struct uk_machine *m = uk_machine();

	hx_call(&probe, (uint64_t)cpu_recurse, 0, 0);
	hx_line("stack overflow: ESR %08lx", probe.esr);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		hx_call(&probe, (uint64_t)cpu_push_sp, all[i].sp, 0);
		hx_line("SP_EL0 %s: %s", all[i].name, hx_outcome(&probe));
		hx_call(&probe, (uint64_t)cpu_push_sp1, all[i].sp, 0);
		hx_line("SP_EL1 %s: %s", all[i].name, hx_outcome(&probe));
		hx_call(&probe, (uint64_t)cpu_load_sp, all[i].sp, 0);
		hx_line("load by SP %s: %s", all[i].name, hx_outcome(&probe));
	}
	/* A stack that grows out of RAM, downwards and from above. */
	hx_call(&probe, (uint64_t)cpu_push_sp, hx_map(m->ram_base, HX_NORMAL), 0);
	hx_line("SP at RAM's begin: %s", hx_outcome(&probe));
	hx_call(&probe, (uint64_t)cpu_push_sp, hx_map(m->ram_base, HX_NORMAL) + m->ram_size + 16,
	        0);
	hx_line("SP past RAM's end: %s", hx_outcome(&probe));
	for (unsigned off = 1; off < 4; off++) {
		hx_call(&probe, (uint64_t)cpu_load_sp + off, 0, 0);
		hx_line("PC misaligned by %u: ESR %08lx", off, probe.esr);
	}
}

/* ---- debug ------------------------------------------------------------------------------------
 */

/* One instruction under software step from EL1; then where the exception came. */
static void step(const char *name, uint32_t insn, uint64_t x0, uint64_t x1)
{
	uint32_t code[] = {insn, 0xd503201f, SVC};

	hx_init(&probe);
	probe.fn = hx_code(code, 3, false);
	probe.flags = HX_ERET;
	probe.pstate = (PSTATE_EL1H & ~(1ul << 9)) | PSTATE_SS; /* D clear */
	probe.mdscr = MDSCR_SS | MDSCR_KDE;
	probe.x[0] = x0;
	probe.x[1] = x1;
	hx_run(&probe);
	hx_line("step over %s: %s, after %ld bytes, x0 %lx", name, hx_outcome(&probe),
	        (long)(probe.elr - probe.fn), probe.x[0]);
}

static void steps(void)
{
	step("nop", 0xd503201f, 1, 0);
	step("mrs ID_AA64PFR1 (emulated)", 0xd5380420, 1, 0);
	step("mrs ACTLR (emulated)", 0xd5381020, 1, 0);
	step("hvc PSCI_VERSION", 0xd4000002, 0x84000000, 0);
	step("smc PSCI_VERSION", 0xd4000003, 0x84000000, 0);
	step("ldr w0 of a device", 0xb9400020, 1, 0x09000fe0);
	step("ldr w0 post of a device", 0xb8404420, 1, 0x09000fe0);
	step("str wzr to a device", 0xb900003f, 1, 0x09000008);
	step("ldr w0 of a hole", 0xb9400020, 1, 0x0b000000);
	step("udf", 0, 1, 0);
	step("mrs PMCR (undefined)", 0xd53b9c00, 1, 0);
	step("dc cisw", 0xd5087e40, 0, 0);
	step("wfe", 0xd503205f, 1, 0);
}

static void breakpoints(void)
{
	uint32_t load[] = {0xb9400020};
	uint64_t fn = hx_code(load, 1, false);

	/* On an instruction that is emulated. BCR: all bytes, EL1, enabled. */
	sysreg_write(dbgbvr0_el1, fn);
	sysreg_write(dbgbcr0_el1, 0xful << 5 | 1ul << 1 | 1);
	hx_init(&probe);
	probe.fn = fn;
	probe.daif = 0xc0; /* D clear */
	probe.mdscr = MDSCR_KDE | MDSCR_MDE;
	probe.x[1] = 0x09000fe0;
	hx_run(&probe);
	hx_line("breakpoint on a device load: %s, at it: %s", hx_outcome(&probe),
	        probe.elr == fn ? "yes" : "no");
	sysreg_write(dbgbcr0_el1, 0);
	/* On the address of a device. WCR: 8 bytes, loads and stores, EL1, enabled. */
	sysreg_write(dbgwvr0_el1, 0x09000fe0);
	sysreg_write(dbgwcr0_el1, 0xfful << 5 | 3ul << 3 | 1ul << 1 | 1);
	hx_init(&probe);
	probe.fn = fn;
	probe.daif = 0xc0;
	probe.mdscr = MDSCR_KDE | MDSCR_MDE;
	probe.x[1] = 0x09000fe0;
	hx_run(&probe);
	hx_line("watchpoint on a device: %s", hx_outcome(&probe));
	/* All of them, with all bits. */
	hx_line("all of the 16 EL's bits: written");
	sysreg_write(dbgwcr0_el1, ~0ul);
	sysreg_write(dbgbcr0_el1, ~0ul);
	sysreg_write(dbgbvr0_el1, ~0ul);
	hx_init(&probe);
	probe.fn = fn;
	probe.daif = 0xc0;
	probe.mdscr = ~0ul;
	probe.x[1] = 0x0b000000;
	hx_run(&probe);
	hx_line("MDSCR, breakpoint, watchpoint ~0, load of a hole: EC %x", HX_EC(&probe));
	sysreg_write(dbgwcr0_el1, 0);
	sysreg_write(dbgbcr0_el1, 0);
}

/* ---- code that changes ------------------------------------------------------------------------
 */

static void self_modifying(void)
{
	uint32_t *page = uk_pages_alloc(1);
	uint64_t exec = hx_map((uint64_t)page, HX_EXEC), right = 0, known = 0;

	for (uint32_t n = 0; n < 1000; n++) {
		page[0] = 0xd2800000u | n << 5; /* mov x0, #n */
		page[1] = RET;
		if (n & 1) {
			/* Right: data to the point of unification, then instructions. */
			__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb"
			                 :
			                 : "r"(page)
			                 : "memory");
			hx_call(&probe, exec, 0, 0);
			right += probe.vector == HX_RETURNED && probe.x[0] == n;
		} else {
			/* Wrong: the old or the new, and nothing else. */
			hx_call(&probe, exec, 0, 0);
			known += n == 0 || (probe.vector == HX_RETURNED &&
			                    (probe.x[0] == n || probe.x[0] == n - 1));
		}
	}
	hx_line("code changed with maintenance: %lu of 500 right", right);
	hx_line("code changed without: %lu of 500 old or new", known);
}

int main(void)
{
	hx_start("cpu");
	(void)uk_irq_save();
	/* An event, so that WFE does not wait. */
	__asm__ volatile("sev");
	instructions();
	returns();
	stacks();
	steps();
	breakpoints();
	self_modifying();
	return hx_end();
}
