/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSCI (Arm DEN0022) and SMCCC (DEN0028) as a guest sees them: versions, features, power of CPUs,
 * races for one CPU, suspend, unknown calls by HVC and SMC.
 */
#include <stdio.h>

#include <abi/hvc.h>

#include "tg.h"
#include "tg_gic.h"

#define FN32(n) (0x84000000u + (n))
#define FN64(n) (0xc4000000u + (n))
#define NOT_SUPPORTED (-1)
#define INVALID_PARAMETERS (-2)
#define ALREADY_ON (-4)
#define ON_PENDING (-5)
#define INVALID_ADDRESS (-9)

static unsigned nr_cpus;
static bool atoll;

/* A call with all of SMCCC's registers: x4 to x17 survive since version 1.1, x18 to x30 always. */
struct call {
	uint64_t x[31];
};

void do_call(struct call *c, uint64_t smc);
__asm__("	.text\n"
        "do_call:\n"
        "	stp	x29, x30, [sp, #-112]!\n"
        "	stp	x19, x20, [sp, #16]\n"
        "	stp	x21, x22, [sp, #32]\n"
        "	stp	x23, x24, [sp, #48]\n"
        "	stp	x25, x26, [sp, #64]\n"
        "	stp	x27, x28, [sp, #80]\n"
        "	stp	x0, x18, [sp, #96]\n"
        "	mov	x30, x0\n"
        "	cbnz	x1, 1f\n"
        "	.macro	load_all\n"
        "	ldp	x0, x1, [x30]\n"
        "	ldp	x2, x3, [x30, #16]\n"
        "	ldp	x4, x5, [x30, #32]\n"
        "	ldp	x6, x7, [x30, #48]\n"
        "	ldp	x8, x9, [x30, #64]\n"
        "	ldp	x10, x11, [x30, #80]\n"
        "	ldp	x12, x13, [x30, #96]\n"
        "	ldp	x14, x15, [x30, #112]\n"
        "	ldp	x16, x17, [x30, #128]\n"
        "	ldp	x18, x19, [x30, #144]\n"
        "	ldp	x20, x21, [x30, #160]\n"
        "	ldp	x22, x23, [x30, #176]\n"
        "	ldp	x24, x25, [x30, #192]\n"
        "	ldp	x26, x27, [x30, #208]\n"
        "	ldp	x28, x29, [x30, #224]\n"
        "	ldr	x30, [x30, #240]\n"
        "	.endm\n"
        "	load_all\n"
        "	hvc	#0\n"
        "	b	2f\n"
        "1:	load_all\n"
        "	smc	#0\n"
        "2:	str	x30, [sp, #-16]!\n"
        "	ldr	x30, [sp, #112]\n"
        "	stp	x0, x1, [x30]\n"
        "	stp	x2, x3, [x30, #16]\n"
        "	stp	x4, x5, [x30, #32]\n"
        "	stp	x6, x7, [x30, #48]\n"
        "	stp	x8, x9, [x30, #64]\n"
        "	stp	x10, x11, [x30, #80]\n"
        "	stp	x12, x13, [x30, #96]\n"
        "	stp	x14, x15, [x30, #112]\n"
        "	stp	x16, x17, [x30, #128]\n"
        "	stp	x18, x19, [x30, #144]\n"
        "	stp	x20, x21, [x30, #160]\n"
        "	stp	x22, x23, [x30, #176]\n"
        "	stp	x24, x25, [x30, #192]\n"
        "	stp	x26, x27, [x30, #208]\n"
        "	stp	x28, x29, [x30, #224]\n"
        "	ldr	x0, [sp], #16\n"
        "	str	x0, [x30, #240]\n"
        "	ldp	x0, x18, [sp, #96]\n"
        "	ldp	x19, x20, [sp, #16]\n"
        "	ldp	x21, x22, [sp, #32]\n"
        "	ldp	x23, x24, [sp, #48]\n"
        "	ldp	x25, x26, [sp, #64]\n"
        "	ldp	x27, x28, [sp, #80]\n"
        "	ldp	x29, x30, [sp], #112\n"
        "	ret\n");

static void preserved(bool smc)
{
	struct call c;
	unsigned wrong = 0;

	for (unsigned n = 0; n < 31; n++) c.x[n] = 0x1122334455667700 + n;
	c.x[0] = FN32(0);
	do_call(&c, smc);
	for (unsigned n = 4; n < 31; n++) wrong += c.x[n] != 0x1122334455667700ul + n;
	tg_check((c.x[0] & 0xffff0000) == 0x10000, smc ? "SMC: VERSION" : "HVC: VERSION");
	tg_eq(wrong, 0, smc ? "SMC keeps x4 to x30" : "HVC keeps x4 to x30");
}

static int64_t raw(bool smc, uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct call c = {.x = {fn, a1, a2, a3}};

	do_call(&c, smc);
	return (int64_t)c.x[0];
}

static void versions(void)
{
	static const uint32_t there[] = {FN32(0), FN32(1), FN64(1), FN32(2), FN32(3), FN64(3),
	                                 FN32(4), FN64(4), FN32(6), FN32(8), FN32(9), FN32(10)};
	static const uint32_t absent[] = {FN32(5), FN64(2), FN64(8), FN32(11),  FN32(31),
	                                  FN64(0), FN64(6), 0,       0x12345678};
	unsigned wrong = 0;

	tg_eq((uint64_t)uk_psci(FN32(0), 0, 0, 0), 0x10001, "VERSION is 1.1");
	tg_eq((uint64_t)uk_psci(FN32(6), 0, 0, 0), 2, "MIGRATE_INFO_TYPE: no trusted OS");
	for (unsigned i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		wrong += uk_psci(FN32(10), there[i], 0, 0) != 0;
	tg_eq(wrong, 0, "FEATURES of what is there");
	for (unsigned i = 0; atoll && i < sizeof(absent) / sizeof(absent[0]); i++)
		wrong += uk_psci(FN32(10), absent[i], 0, 0) != NOT_SUPPORTED;
	tg_eq(wrong, 0, "FEATURES of what is not");
	tg_eq((uint64_t)uk_psci(FN32(5), 0, 0, 0), (uint64_t)NOT_SUPPORTED, "MIGRATE: -1");
	tg_eq((uint64_t)uk_psci(FN32(0x1f), 0, 0, 0), (uint64_t)NOT_SUPPORTED, "0x8400001f: -1");
	tg_eq((uint64_t)uk_psci(FN32(4), uk_machine()->mpidr[0], 0, 0), 0,
	      "AFFINITY_INFO: I am on");
}

/* Calls of nobody: -1 and no exception, by either conduit, whatever the numbers. */
static void unknown(void)
{
	static const uint64_t ids[] = {
	    0,          1,          0x12345678, 0x7fffffff, 0x80000002, 0x82000000,
	    0x8400ffff, FN64(0x1f), FN64(0),    0xc5000020, /* paravirtualised time (DEN0057): of
	                                                       another hypervisor */
	    0x86000000,                                     /* KVM's vendor features */
	    0xc6000099, 0xffffffff, 0x4a480000, 0xb2000000,
	};
	unsigned wrong = 0;
	struct tg_fault f;

	for (unsigned smc = 0; smc < 2; smc++) {
		for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
			f = TG_TRY(wrong += raw(smc, ids[i], ~0ul, ~0ul, ~0ul) != NOT_SUPPORTED);
			wrong += f.count;
		}
	}
	tg_eq(wrong, 0, "unknown calls by HVC and SMC: -1");
	f = TG_TRY(__asm__ volatile("mov x0, #77\n\thvc #0x4a48\n\tmov x0, #77\n\tsmc #5"
	                            :
	                            :
	                            : "x0", "x1", "x2", "x3", "memory"));
	tg_eq(f.count, 0, "other immediates do not fault");
	tg_eq((uint64_t)raw(false, 0xffffffff80000000, 0, 0, 0), 0x10001,
	      "upper half of x0 is not part of the number: SMCCC_VERSION");
	tg_eq((uint64_t)raw(true, 0x80000001, 0x80000000, 0, 0), 0,
	      "ARCH_FEATURES of SMCCC_VERSION");
	tg_eq((uint64_t)raw(true, 0x80000001, 0x80008000, 0, 0), (uint64_t)NOT_SUPPORTED,
	      "ARCH_FEATURES of WORKAROUND_1, which nobody does");
	tg_eq((uint64_t)raw(false, 0x80008000, 0, 0, 0), (uint64_t)NOT_SUPPORTED, "WORKAROUND_1");
	tg_eq((uint64_t)raw(false, 0x80000001, 0x8000beef, 0, 0), (uint64_t)NOT_SUPPORTED,
	      "ARCH_FEATURES of nothing");
}

static void vendor(void)
{
	struct call c = {.x = {ATOLL_HVC_CALL_UID}};

	do_call(&c, false);
	tg_check(c.x[0] == ATOLL_UID_0 && c.x[1] == ATOLL_UID_1 && c.x[2] == ATOLL_UID_2 &&
	             c.x[3] == ATOLL_UID_3,
	         "Atoll's UID");
	tg_eq((uint64_t)raw(false, ATOLL_HVC_REVISION, 0, 0, 0), ATOLL_ABI_MAJOR,
	      "Atoll's revision");
}

/* ---- a CPU's start, bare: entered with the MMU off, notes what it finds, and goes off ---------
 */

struct entered {
	uint64_t x0, el, daif, sctlr, mpidr, spsel;
	uint64_t count; /* last: all is written */
	/* In a line of its own, which only CPUs with caches write: 0 holds it before CPU_OFF. */
	uint64_t release __attribute__((aligned(64)));
} __attribute__((aligned(64)));

static struct entered entered;

void bare_entry(void);
__asm__("	.text\n"
        "	.balign	4\n"
        "bare_entry:\n"
        "	mrs	x1, currentel\n"
        "	mrs	x2, daif\n"
        "	mrs	x3, sctlr_el1\n"
        "	mrs	x4, mpidr_el1\n"
        "	mrs	x5, spsel\n"
        "	stp	x0, x1, [x0]\n"
        "	stp	x2, x3, [x0, #16]\n"
        "	stp	x4, x5, [x0, #32]\n"
        "	dsb	sy\n"
        "	ldr	x6, [x0, #48]\n"
        "	add	x6, x6, #1\n"
        "	str	x6, [x0, #48]\n"
        "	dsb	sy\n"
        "1:	yield\n"
        "	ldr	x6, [x0, #64]\n"
        "	cbz	x6, 1b\n"
        "	mov	w0, #2\n" /* CPU_OFF */
        "	movk	w0, #0x8400, lsl #16\n"
        "	hvc	#0\n"
        "	b	.\n");

static void flush(struct entered *e)
{
	__asm__ volatile("dc civac, %0\n\tdsb sy" : : "r"(e) : "memory");
}

static void set_release(uint64_t val)
{
	entered.release = val;
	__asm__ volatile("dc civac, %0\n\tdsb sy" : : "r"(&entered.release) : "memory");
}

static bool counted(void *n)
{
	flush(&entered);
	return entered.count >= (uintptr_t)n;
}

static bool is_off(void *cpu)
{
	return uk_psci(FN64(4), uk_machine()->mpidr[(uintptr_t)cpu], 0, 0) == 1;
}

static int64_t start_bare(unsigned cpu)
{
	return uk_psci(FN64(3), uk_machine()->mpidr[cpu], (uint64_t)bare_entry, (uint64_t)&entered);
}

static void entry_state(void)
{
	tg_check(is_off((void *)1), "CPU 1 is off");
	flush(&entered);
	tg_eq((uint64_t)start_bare(1), 0, "CPU_ON");
	tg_check(tg_until(counted, (void *)1, 5000000), "it runs");
	tg_eq(entered.x0, (uint64_t)&entered, "context in x0");
	tg_eq(entered.el, 4, "at EL1");
	tg_eq(entered.spsel, 1, "with SP_EL1");
	tg_eq(entered.daif, 0x3c0, "DAIF set");
	tg_eq(entered.sctlr & 0x1005, 0, "MMU and caches off");
	if (atoll) tg_eq(entered.sctlr & 0x30d00800, 0x30d00800, "SCTLR_EL1: RES1 bits");
	tg_eq(entered.mpidr & 0xff00fffffful, uk_machine()->mpidr[1], "its MPIDR");
	tg_check(tg_until(is_off, (void *)1, 5000000), "AFFINITY_INFO: off after CPU_OFF");
}

static void refusals(void)
{
	uint64_t cpu0 = uk_machine()->mpidr[0], entry = (uint64_t)bare_entry;

	tg_eq((uint64_t)uk_psci(FN64(3), cpu0, entry, 0), (uint64_t)ALREADY_ON,
	      "CPU_ON of myself: ALREADY_ON");
	tg_eq((uint64_t)uk_psci(FN64(3), 0x00ffff77, entry, 0), (uint64_t)INVALID_PARAMETERS,
	      "CPU_ON of no CPU: INVALID_PARAMETERS");
	tg_eq((uint64_t)uk_psci(FN64(4), 0x00ffff77, 0, 0), (uint64_t)INVALID_PARAMETERS,
	      "AFFINITY_INFO of no CPU: INVALID_PARAMETERS");
	if (nr_cpus > 1 && atoll) {
		tg_eq((uint64_t)uk_psci(FN64(3), uk_machine()->mpidr[1], entry + 1, 0),
		      (uint64_t)INVALID_ADDRESS, "CPU_ON with an odd entry: INVALID_ADDRESS");
		tg_check(is_off((void *)1), "and it stays off");
	}
}

static void cycles(void)
{
	unsigned wrong = 0;
	uint64_t before = entered.count;

	for (unsigned round = 0; round < 40; round++) {
		unsigned cpu = 1 + round % (nr_cpus - 1);

		wrong += !tg_until(is_off, (void *)(uintptr_t)cpu, 5000000);
		wrong += start_bare(cpu) != 0;
		wrong += !tg_until(counted, (void *)(before + round + 1), 5000000);
		wrong += entered.mpidr << 24 >> 24 != (uk_machine()->mpidr[cpu] | 1ul << 31);
	}
	tg_eq(wrong, 0, "40 times on and off");
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		tg_until(is_off, (void *)(uintptr_t)cpu, 5000000);
}

/* ---- a race for the last CPU ------------------------------------------------------------------
 */

#define RACES 50u
static volatile uint32_t turn, answers, won, strange;

static void race_one(void)
{
	int64_t r = start_bare(nr_cpus - 1);

	if (r == 0)
		__atomic_add_fetch(&won, 1, __ATOMIC_ACQ_REL);
	else if (r != ALREADY_ON && r != ON_PENDING)
		__atomic_add_fetch(&strange, 1, __ATOMIC_ACQ_REL);
	__atomic_add_fetch(&answers, 1, __ATOMIC_ACQ_REL);
}

static void racer(void *arg)
{
	(void)arg;
	for (uint32_t t = 1; t <= RACES; t++) {
		if (!tg_until_u32(&turn, t, 20000000)) return;
		race_one();
	}
}

static void races(void)
{
	unsigned last = nr_cpus - 1, wrong = 0;

	for (unsigned cpu = 1; cpu < last; cpu++) uk_cpu_start(cpu, racer, NULL);
	for (uint32_t t = 1; t <= RACES && wrong == 0; t++) {
		uint64_t before;

		wrong += !tg_until(is_off, (void *)(uintptr_t)last, 5000000);
		flush(&entered);
		before = entered.count;
		set_release(0);
		won = 0;
		__atomic_store_n(&turn, t, __ATOMIC_RELEASE);
		race_one();
		wrong += !tg_until_u32(&answers, t * last, 10000000);
		wrong += won != 1;
		wrong += !tg_until(counted, (void *)(before + 1), 5000000);
		set_release(1);
		wrong += !tg_until(is_off, (void *)(uintptr_t)last, 5000000);
		flush(&entered);
		wrong += entered.count != before + 1;
	}
	tg_eq(wrong, 0, "50 races for one CPU: exactly one succeeds, it starts once");
	tg_eq(strange, 0, "the others get ALREADY_ON or ON_PENDING");
	__atomic_store_n(&turn, RACES, __ATOMIC_RELEASE);
	for (unsigned cpu = 1; cpu < last; cpu++)
		while (!uk_cpu_is_off(cpu)) uk_cpu_relax();
}

/* A CPU that is on, asked for by all others at once. */
static volatile uint32_t stay, one_won, one_answers, one_go;

static void stays_on(void *arg)
{
	(void)arg;
	tg_until_u32(&stay, 1, 20000000);
}

static void one_racer(void *arg)
{
	int64_t r;

	(void)arg;
	tg_until_u32(&one_go, 1, 20000000);
	r = uk_psci(FN64(3), uk_machine()->mpidr[nr_cpus - 1], (uint64_t)bare_entry,
	            (uint64_t)&entered);
	if (r != ALREADY_ON && r != ON_PENDING) __atomic_add_fetch(&one_won, 1, __ATOMIC_ACQ_REL);
	__atomic_add_fetch(&one_answers, 1, __ATOMIC_ACQ_REL);
}

static void already_on(void)
{
	unsigned last = nr_cpus - 1;

	uk_cpu_start(last, stays_on, NULL);
	for (unsigned cpu = 1; cpu < last; cpu++) uk_cpu_start(cpu, one_racer, NULL);
	__atomic_store_n(&one_go, 1, __ATOMIC_RELEASE);
	tg_until_u32(&one_answers, last - 1, 10000000);
	tg_eq(one_won, 0, "a CPU that is on: ALREADY_ON for all who ask");
	tg_eq((uint64_t)uk_psci(FN64(4), uk_machine()->mpidr[last], 0, 0), 0,
	      "AFFINITY_INFO: it is on");
	stay = 1;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		while (!uk_cpu_is_off(cpu)) uk_cpu_relax();
}

/* ---- suspend ----------------------------------------------------------------------------------
 */

static void suspend(void)
{
	uint64_t daif = uk_irq_save(), ticks = uk_tick_hz() / 100, due;
	unsigned irq = uk_machine()->timer_irq[UK_TIMER_VIRT], wrong = 0;
	uint32_t iar;

	g_cpu_init();
	for (unsigned round = 0; round < 5; round++) {
		due = uk_ticks() + ticks;
		sysreg_write(cntv_cval_el0, due);
		sysreg_write(cntv_ctl_el0, 1);
		isb(); /* the timer runs */
		wrong += uk_psci(round & 1 ? FN64(1) : FN32(1), 0, 0, 0) != 0;
		/* May return early, as WFI may; here only the timer is there to end it. */
		wrong += uk_ticks() < due;
		wrong += g_ack(&iar) != irq;
		sysreg_write(cntv_ctl_el0, 0);
		isb(); /* the line is low at EOI */
		g_eoi(iar);
	}
	uk_irq_restore(daif);
	tg_eq(wrong, 0, "CPU_SUSPEND returns 0 when the timer fires, masked");
}

int main(void)
{
	tg_start("psci");
	nr_cpus = uk_machine()->nr_cpus;
	atoll = uk_machine()->on_atoll;
	versions();
	preserved(false);
	refusals();
	if (atoll) {
		preserved(true);
		unknown();
		vendor();
	}
	suspend();
	set_release(1);
	if (nr_cpus > 1) {
		entry_state();
		cycles();
	}
	/* QEMU's AFFINITY_INFO says OFF until a CPU that was turned on has been scheduled. */
	if (nr_cpus > 2 && atoll) {
		races();
		already_on();
	}
	return tg_end();
}
