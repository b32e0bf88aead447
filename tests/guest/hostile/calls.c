/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HVC and SMC with every kind of function number, immediate and register; PSCI with everything that
 * is not meant: itself, absent CPUs, wild entries, races, garbage. Needs 4 vCPUs.
 */
#include <stdio.h>
#include <string.h>

#include "hx.h"

#define PSCI_CPU_SUSPEND 0x84000001u
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0x84000003u
#define PSCI_CPU_ON_64 0xc4000003u
#define PSCI_AFFINITY_INFO 0x84000004u
#define PSCI_AFFINITY_INFO_64 0xc4000004u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au
#define HVC_EXIT 0xc6000001u
#define HVC_CRASH 0xc6000002u
#define INSN_HVC(imm) (0xd4000002u | (imm) << 5)
#define INSN_SMC(imm) (0xd4000003u | (imm) << 5)
#define RACERS 3u

static struct hx probe;

/* Registers x4 to x29 with a pattern around a call: how many changed. x0 to x3 in and out. */
static unsigned call_preserves(bool smc, uint64_t *x)
{
	uint64_t all[30];
	unsigned changed = 0;

	for (unsigned i = 0; i < 30; i++) all[i] = i < 4 ? x[i] : 0x1111111111111111 * (i % 15 + 1);
	if (smc)
		hx_smc(all);
	else
		hx_hvc(all);
	for (unsigned i = 0; i < 30; i++)
		if (i < 4)
			x[i] = all[i];
		else
			changed += all[i] != 0x1111111111111111 * (i % 15 + 1);
	return changed;
}

/* What would end or block the VM. */
static bool lethal(uint32_t id)
{
	uint32_t fn = id & ~0x40000000u;

	return fn == PSCI_CPU_OFF || fn == PSCI_SYSTEM_OFF || fn == PSCI_SYSTEM_RESET ||
	       fn == PSCI_CPU_SUSPEND || id == HVC_EXIT || id == HVC_CRASH;
}

static const char *returns(uint32_t id, bool smc)
{
	static char words[64];
	uint64_t x[4] = {id | 0xdeadbeef00000000, 0x0badc0de00000099, 0x1111, 0x2222};
	unsigned changed = call_preserves(smc, x);
	bool kept = x[1] == 0x0badc0de00000099 && x[2] == 0x1111 && x[3] == 0x2222;

	if (lethal(id)) return "not tried";
	snprintf(words, sizeof(words), "%ld%s%s", (long)x[0], kept ? "" : ", x1 to x3 change",
	         changed ? ", MORE CHANGE" : "");
	return words;
}

/* Low parts of function numbers that mean something somewhere, and some that never do. */
static void numbers(bool smc)
{
	static const uint32_t low[] = {0xff00, 0xff01, 0xff02, 0xff03, 0xff10, 0xffff,
	                               0x1000, 0x3fff, 0x7fff, 0x8000, 0x4000, 0xabcd};
	struct hx_runs runs = {.what = smc ? "SMC" : "HVC"};

	for (uint32_t top = 0; top < 256; top++) {
		for (uint32_t n = 0; n < 0x40 + sizeof(low) / sizeof(low[0]); n++) {
			uint32_t fn = n < 0x40 ? n : low[n - 0x40];
			uint32_t id = top << 24 | fn;

			if (!lethal(id)) hx_runs_add(&runs, id, returns(id, smc));
		}
		/* Bits 23:16 must be zero. */
		for (uint32_t bit = 16; bit < 24; bit++) {
			uint32_t id =
			    top << 24 | 1u << bit | 8; /* SYSTEM_OFF if it were not looked at */

			hx_runs_add(&runs, id, returns(id, smc));
		}
	}
	hx_runs_end(&runs);
}

static void instructions(void)
{
	static const uint32_t imm[] = {0, 1, 0x4a48, 0x8000, 0xea1, 0xffff};
	uint32_t code[3];

	for (unsigned smc = 0; smc < 2; smc++) {
		for (unsigned i = 0; i < sizeof(imm) / sizeof(imm[0]); i++) {
			code[0] = smc ? INSN_SMC(imm[i]) : INSN_HVC(imm[i]);
			hx_call(&probe, hx_code(code, 1, false), 0x84000000, 0);
			hx_line("%s #%x: %s, %lx", smc ? "SMC" : "HVC", imm[i], hx_outcome(&probe),
			        probe.x[0]);
		}
		/* EL0 has neither; SVC ends the probe if it were otherwise. */
		code[0] = smc ? INSN_SMC(0) : INSN_HVC(0);
		code[1] = 0xd4000001u;
		hx_init(&probe);
		probe.fn = hx_code(code, 2, true);
		probe.flags = HX_ERET;
		probe.pstate = 0x3c0;
		probe.x[0] = PSCI_SYSTEM_OFF;
		hx_run(&probe);
		hx_line("%s at EL0: %s", smc ? "SMC" : "HVC", hx_outcome(&probe));
	}
}

static void psci(const char *what, uint32_t id, uint64_t a1, uint64_t a2, uint64_t a3)
{
	hx_line("%s: %ld", what, (long)uk_hvc(id, a1, a2, a3));
}

static void misuse(void)
{
	uint64_t self = uk_machine()->mpidr[0], other = uk_machine()->mpidr[1];
	static const uint64_t absent[] = {
	    4, 8, 0xff, 0x100, 0x10000, 0x80000004, 0x40000000, 0x100000000, 0xff00ffffff, ~0ul};
	static const uint64_t bad_entry[] = {1, 2, 3, 0x40100001, 0x40100002, ~0ul};
	char name[64];

	psci("CPU_ON of itself", PSCI_CPU_ON_64, self, 0x40100000, 0);
	psci("CPU_ON of itself, 32 bit", PSCI_CPU_ON, self, 0x40100000, 0);
	psci("CPU_ON of itself by its MPIDR", PSCI_CPU_ON_64, self | 1ul << 31, 0x40100000, 0);
	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		snprintf(name, sizeof(name), "CPU_ON of absent %lx", absent[i]);
		psci(name, PSCI_CPU_ON_64, absent[i], 0x40100000, 0);
		snprintf(name, sizeof(name), "AFFINITY_INFO of absent %lx", absent[i]);
		psci(name, PSCI_AFFINITY_INFO_64, absent[i], 0, 0);
	}
	for (unsigned i = 0; i < sizeof(bad_entry) / sizeof(bad_entry[0]); i++) {
		snprintf(name, sizeof(name), "CPU_ON at entry %lx", bad_entry[i]);
		psci(name, PSCI_CPU_ON_64, other, bad_entry[i], 0);
	}
	for (uint64_t level = 0; level < 5; level++) {
		snprintf(name, sizeof(name), "AFFINITY_INFO level %lu", level);
		psci(name, PSCI_AFFINITY_INFO_64, self, level, 0);
	}
	psci("AFFINITY_INFO level ~0", PSCI_AFFINITY_INFO_64, self, ~0ul, 0);
	psci("AFFINITY_INFO, level above 32 bits", PSCI_AFFINITY_INFO_64, self, 1ul << 32, 0);
	psci("AFFINITY_INFO, 32 bit, garbage above", PSCI_AFFINITY_INFO, self | 0xabcdul << 32,
	     1ul << 40, 0);
	psci("AFFINITY_INFO of one that is off", PSCI_AFFINITY_INFO_64, other, 0, 0);
	for (uint32_t fn = 0; fn < 0x20; fn++) {
		snprintf(name, sizeof(name), "FEATURES of %x", 0x84000000 | fn);
		psci(name, PSCI_FEATURES, 0x84000000 | fn, 0, 0);
		snprintf(name, sizeof(name), "FEATURES of %x", 0xc4000000 | fn);
		psci(name, PSCI_FEATURES, 0xc4000000 | fn, 0, 0);
	}
	psci("FEATURES of ~0", PSCI_FEATURES, ~0ul, 0, 0);
	/* With an interrupt pending, and masked, SUSPEND returns at once. */
	(void)uk_irq_save();
	sysreg_write(cntv_cval_el0, 0);
	sysreg_write(cntv_ctl_el0, 1);
	isb(); /* pending */
	psci("SUSPEND ~0", PSCI_CPU_SUSPEND | 0x40000000, ~0ul, ~0ul, ~0ul);
	psci("SUSPEND power down, wild entry", PSCI_CPU_SUSPEND | 0x40000000, 1ul << 30, 3, ~0ul);
	psci("SUSPEND 32 bit", PSCI_CPU_SUSPEND, 0xffffffff00010000, 0, 0);
	sysreg_write(cntv_ctl_el0, 0);
}

/* ---- other CPUs -------------------------------------------------------------------------------
 */

/* As entered: what x0 held, where the stack pointer and SCTLR were. MMU off, one word each. */
static volatile struct {
	uint64_t context, sctlr, daif, el, runs;
} seen __attribute__((aligned(64)));
extern const char calls_entry[];
__asm__("	.text\n"
        "	.balign	4\n"
        "calls_entry:\n"
        "	adrp	x9, calls_seen\n"
        "	ldr	x9, [x9, :lo12:calls_seen]\n"
        "	str	x0, [x9]\n"
        "	mrs	x1, sctlr_el1\n"
        "	str	x1, [x9, #8]\n"
        "	mrs	x1, daif\n"
        "	str	x1, [x9, #16]\n"
        "	mrs	x1, currentel\n"
        "	str	x1, [x9, #24]\n"
        "	dmb	sy\n"
        "	ldr	x1, [x9, #32]\n"
        "	add	x1, x1, #1\n"
        "	str	x1, [x9, #32]\n"
        "	dsb	sy\n"
        "	movz	x0, #0x8400, lsl #16\n"
        "	movk	x0, #2\n"
        "	hvc	#0\n"
        "	b	.\n");
extern const volatile void *const calls_seen;
const volatile void *const calls_seen = &seen;

static void clean(void) { __asm__ volatile("dc civac, %0\n\tdsb sy" : : "r"(&seen) : "memory"); }

static void wait_off(uint64_t mpidr)
{
	while (uk_hvc(PSCI_AFFINITY_INFO_64, mpidr, 0, 0) != 1) uk_cpu_relax();
}

static void contexts(void)
{
	static const uint64_t context[] = {0, ~0ul, 0x8000000000000000, 0x123456789abcdef0};
	uint64_t cpu = uk_machine()->mpidr[1];

	for (unsigned i = 0; i < 4; i++) {
		long ret = (long)uk_hvc(PSCI_CPU_ON_64, cpu, (uint64_t)calls_entry, context[i]);

		wait_off(cpu);
		clean();
		hx_line("CPU_ON with context %lx: %ld, x0 %lx SCTLR %lx DAIF %lx EL %lx",
		        context[i], ret, seen.context, seen.sctlr, seen.daif, seen.el >> 2);
	}
	hx_line("CPU_ON, 32 bit, garbage above: %ld",
	        (long)uk_hvc(PSCI_CPU_ON, cpu | 0xdeadul << 32,
	                     (uint64_t)calls_entry | 0xbeefbabeul << 32, 0xfeedfacecafebabe));
	wait_off(cpu);
	clean();
	hx_line("its context: %lx, of %lu runs", seen.context, seen.runs);
}

static volatile unsigned ready, won[3]; /* by SUCCESS, ALREADY_ON, other */
static volatile bool go;

/* All of them and CPU 0 turn on the last CPU at once. */
static void race(void *arg)
{
	long ret;

	(void)arg;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE)) uk_cpu_relax();
	ret = (long)uk_hvc(PSCI_CPU_ON_64, uk_machine()->mpidr[RACERS], (uint64_t)calls_entry, 7);
	__atomic_fetch_add(&won[ret == 0 ? 0 : ret == -4 ? 1 : 2], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&ready, 1, __ATOMIC_SEQ_CST);
}

static void races(void)
{
	uint64_t runs = (clean(), seen.runs);
	unsigned wrong = 0;

	for (unsigned round = 0; round < 50; round++) {
		won[0] = won[1] = won[2] = 0;
		go = false;
		ready = 0;
		for (unsigned cpu = 1; cpu < RACERS; cpu++) {
			while (!uk_cpu_is_off(cpu)) uk_cpu_relax();
			(void)uk_cpu_start(cpu, race, NULL);
		}
		while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < RACERS - 1) uk_cpu_relax();
		__atomic_store_n(&go, true, __ATOMIC_RELEASE);
		race(NULL);
		while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) > 0) uk_cpu_relax();
		wait_off(uk_machine()->mpidr[RACERS]);
		/* It may have been off again before the last one asked. */
		wrong += won[2] != 0 || won[0] < 1;
		runs += won[0];
	}
	clean();
	hx_line("50 races: %u wrong, runs as often as it was turned on: %s", wrong,
	        runs == seen.runs ? "yes" : "no");
}

/* Entries where nothing is, in a device, at the end of all: such a CPU faults for ever. */
static void wild(void)
{
	static const uint64_t entry[] = {0x0b000000, 0x09000000, 0xfffffffffffffffc};

	for (unsigned i = 0; i < 3; i++)
		hx_line("CPU_ON at wild %lx: %ld", entry[i],
		        (long)uk_hvc(PSCI_CPU_ON_64, uk_machine()->mpidr[i + 1], entry[i], 0));
	for (uint64_t until = uk_ticks() + uk_tick_hz() / 50; uk_ticks() < until;) uk_cpu_relax();
	for (unsigned i = 0; i < 3; i++)
		hx_line("it stays on: %ld",
		        (long)uk_hvc(PSCI_AFFINITY_INFO_64, uk_machine()->mpidr[i + 1], 0, 0));
}

int main(void)
{
	hx_start("calls");
	if (uk_machine()->nr_cpus != RACERS + 1) uk_crash("needs 4 CPUs");
	instructions();
	numbers(false);
	numbers(true);
	misuse();
	__asm__ volatile("msr daifclr, #6" : : : "memory");
	contexts();
	races();
	wild();
	return hx_end();
}
