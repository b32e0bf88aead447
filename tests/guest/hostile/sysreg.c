/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every encoding of MSR, MRS, SYS and SYSL, made at run time and executed at EL1, at EL0, and of
 * AArch32's MCR, MRC, MCRR and MRRC at EL0; then all that can be written once more with garbage.
 * Arguments: el1 el0 a32 garbage, sample=N (each Nth encoding).
 */
#include <stdio.h>
#include <string.h>

#include "hx.h"

#define NR_ENC (1u << 16)
#define ENC(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define OP0(enc) ((enc) >> 14)
#define OP1(enc) ((enc) >> 11 & 7)
#define CRN(enc) ((enc) >> 7 & 15)
#define CRM(enc) ((enc) >> 3 & 15)
#define INSN(enc, read) (0xd5000000u | (read) << 21 | (enc) << 5)
#define INSN_WFI 0xd503207fu
#define INSN_SVC 0xd4000001u
#define INSN_SVC_A32 0xef000000u
#define ESR_UNDEF 0x02000000u
/* EL0t and AArch32 user mode, all masked. */
#define PSTATE_EL0 0x3c0u
#define PSTATE_A32 0x1d0u
#define EC_SVC32 0x11u

static struct hx probe;
static uint32_t *slot;              /* three instructions */
static uint64_t slot_el1, slot_el0; /* where EL1 and EL0 execute them */
static uint8_t scratch[4096] __attribute__((aligned(4096)));
static uint64_t sample;

/* Executes one instruction with x0: true when it did not fault. */
static bool execute(uint32_t insn, uint32_t then, uint64_t fn, uint64_t x0, uint64_t pstate)
{
	if (insn == INSN_WFI) {
		/* It would wait for ever: reads of ICC_IAR1 have taken what was pending. */
		probe.vector = HX_RETURNED;
		return true;
	}
	if (slot[0] != insn || slot[1] != then) {
		slot[0] = insn;
		slot[1] = then;
		__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0" : : "r"(slot) : "memory");
		/* In memory, and the old one gone, before the fetch. */
		__asm__ volatile("dsb ish\n\tisb" : : : "memory");
	}
	hx_init(&probe);
	probe.fn = fn;
	probe.x[0] = probe.x[1] = x0;
	if (fn == slot_el0) {
		probe.flags = HX_ERET;
		probe.pstate = pstate;
	}
	hx_run(&probe);
	return probe.vector == HX_RETURNED ||
	       (probe.vector >= 8 && (HX_EC(&probe) == HX_EC_SVC || HX_EC(&probe) == EC_SVC32));
}

static bool el1(uint32_t enc, bool read, uint64_t x0)
{
	return execute(INSN(enc, (uint32_t)read) | (OP0(enc) == 0 ? 31u : 0), 0xd65f03c0u, slot_el1,
	               x0, 0);
}

static const char *fault_words(void)
{
	static char words[32];

	if (probe.vector % 4 == 0 && probe.esr == ESR_UNDEF) return "UNDEF";
	snprintf(words, sizeof(words), "ESR %08lx%s", probe.esr,
	         probe.vector % 4 == 0 ? "" : " asynchronous");
	return words;
}

/* Identification, and what is emulated as a constant: the value, too. */
static bool constant(uint32_t enc)
{
	return (OP0(enc) == 3 && CRN(enc) == 0 && OP1(enc) < 4) || (OP0(enc) == 2 && CRN(enc) > 0);
}

/*
 * The runtime and the probe stand on these: SCTLR, TTBR0, TTBR1, TCR, MAIR, VBAR, TPIDRRO, SP_EL0;
 * on CPUs that have them GCSPR (EL0), POR, PIR, TCR2.
 */
static bool ours(uint32_t enc)
{
	return enc == ENC(3u, 0, 1, 0, 0) || (enc & ~7u) == ENC(3u, 0, 2, 0, 0) ||
	       enc == ENC(3u, 0, 10, 2, 0) || enc == ENC(3u, 0, 12, 0, 0) ||
	       enc == ENC(3u, 3, 13, 0, 3) || enc == ENC(3u, 0, 4, 1, 0);
}

static void read_all(void)
{
	struct hx_runs runs = {.what = "EL1 read"};

	for (uint32_t enc = 0; enc < NR_ENC; enc += (uint32_t)sample) {
		char words[64];

		if (!el1(enc, true, (uint64_t)scratch))
			snprintf(words, sizeof(words), "%s", fault_words());
		else if (constant(enc))
			snprintf(words, sizeof(words), "reads %lx", probe.x[0]);
		else
			snprintf(words, sizeof(words), "reads");
		hx_runs_add(&runs, enc, words);
	}
	hx_runs_end(&runs);
}

/* What it reads, or 0. SYS: an address that may be anything. */
static uint64_t harmless(uint32_t enc)
{
	if (OP0(enc) < 2) return (uint64_t)scratch;
	return el1(enc, true, 0) ? probe.x[0] : 0;
}

static void write_all(void)
{
	struct hx_runs runs = {.what = "EL1 write"};

	for (uint32_t enc = 0; enc < NR_ENC; enc += (uint32_t)sample) {
		uint64_t value = harmless(enc);

		hx_runs_add(&runs, enc, el1(enc, false, value) ? "written" : fault_words());
	}
	hx_runs_end(&runs);
}

static void garbage_all(void)
{
	static const uint64_t garbage[] = {
	    ~0ul, 0, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x8000000000000000, 0xffff000000000000,
	    1};
	struct hx_runs runs = {.what = "EL1 garbage"};

	for (uint32_t enc = ENC(1u, 0, 0, 0, 0); enc < NR_ENC; enc += (uint32_t)sample) {
		uint64_t value = harmless(enc);
		char words[64] = "";

		if (ours(enc)) continue;
		for (unsigned i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
			const char *now = el1(enc, false, garbage[i]) ? "written" : fault_words();

			if (strcmp(words, "") == 0)
				snprintf(words, sizeof(words), "%s", now);
			else if (strcmp(words, now) != 0)
				snprintf(words, sizeof(words), "by value");
			if (strcmp(now, "UNDEF") == 0) break;
		}
		if (OP0(enc) >= 2) (void)el1(enc, false, value);
		hx_runs_add(&runs, enc, words);
	}
	hx_runs_end(&runs);
}

static void el0_all(bool read)
{
	struct hx_runs runs = {.what = read ? "EL0 read" : "EL0 write"};

	for (uint32_t enc = 0; enc < NR_ENC; enc += (uint32_t)sample) {
		uint32_t rt = OP0(enc) == 0 ? 31u : 0;
		bool ok = execute(INSN(enc, (uint32_t)read) | rt, INSN_SVC, slot_el0,
		                  (uint64_t)scratch, PSTATE_EL0);

		hx_runs_add(&runs, enc, ok ? read ? "reads" : "written" : fault_words());
	}
	hx_runs_end(&runs);
}

/* MCR, MRC: opc1, CRn, CRm, opc2 as 14 bits in that order. */
static void a32_all(uint32_t coproc, bool read)
{
	char what[32];
	struct hx_runs runs = {.what = what};

	snprintf(what, sizeof(what), "%s p%u", read ? "MRC" : "MCR", coproc);
	for (uint32_t n = 0; n < 1u << 14; n += (uint32_t)sample) {
		uint32_t insn = 0xee000010u | (uint32_t)read << 20 | coproc << 8 | (n >> 11) << 21 |
		                (n >> 7 & 15) << 16 | (n >> 3 & 15) | (n & 7) << 5;
		bool ok = execute(insn, INSN_SVC_A32, slot_el0, 0, PSTATE_A32);

		hx_runs_add(&runs, n, ok ? "done" : fault_words());
	}
	hx_runs_end(&runs);
}

/* MCRR, MRRC: opc1, CRm as 8 bits. */
static void a32_pairs(uint32_t coproc, bool read)
{
	char what[32];
	struct hx_runs runs = {.what = what};

	snprintf(what, sizeof(what), "%s p%u", read ? "MRRC" : "MCRR", coproc);
	for (uint32_t n = 0; n < 256; n++) {
		/* cond 1100 010 L Rt2 Rt coproc opc1 CRm; r1, r0 */
		uint32_t insn = 0xec400000u | (uint32_t)read << 20 | 1u << 16 | coproc << 8 |
		                (n >> 4) << 4 | (n & 15);

		hx_runs_add(&runs, n,
		            execute(insn, INSN_SVC_A32, slot_el0, 0, PSTATE_A32) ? "done"
		                                                                 : fault_words());
	}
	hx_runs_end(&runs);
}

int main(int argc, char **argv)
{
	hx_start("sysreg");
	sample = uk_arg_u64(argc, argv, "sample", 1);
	slot = uk_pages_alloc(1);
	if (!slot) return 1;
	slot_el1 = hx_map((uint64_t)slot, HX_EXEC);
	slot_el0 = hx_map_low((uint64_t)slot, HX_EXEC_EL0);
	(void)uk_irq_save();
	if (uk_arg_flag(argc, argv, "el1")) {
		read_all();
		write_all();
	}
	if (uk_arg_flag(argc, argv, "el0")) {
		el0_all(true);
		el0_all(false);
	}
	if (uk_arg_flag(argc, argv, "a32")) {
		for (unsigned n = 0; n < 4; n++) {
			a32_all(14 + n / 2, n & 1);
			a32_pairs(14 + n / 2, n & 1);
		}
	}
	if (uk_arg_flag(argc, argv, "garbage")) garbage_all();
	return hx_end();
}
