/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the usual operations of a guest cost. Under QEMU's icount with shift 0 and a counter of
 * 1 GHz a tick is an instruction, whoever executes it, and every run gives the same figures.
 */
#include <stdio.h>
#include <stdlib.h>

#include <uk.h>
#include <uk_arch.h>
#include "tg_gic.h"

#define N 400u
#define PSCI_VERSION 0x84000000ul
#define SMCCC_VERSION 0x80000000ul
#define UART_FR 0x18u
#define GICD_TYPER 0x4u
#define GICD_ISENABLER1 0x104u
#define SGI 5u
#define VTIMER 27u
#define LOOPS 100000000ul /* of two instructions */

static inline uint64_t now(void)
{
	uint64_t t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t) : : "memory");
	return t;
}

static bool v3;
static uint64_t gicc, gicd;

/* --- results --- */
static uint64_t samples[N];
static uint64_t clock_cost; /* what a sample of nothing shows */
static uint64_t loop_cost;  /* of N rounds of a loop with nothing in it */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *s)
{
	qsort(s, N, sizeof(*s), by_size);
	return s[N / 2];
}

/* Instructions of one operation, and the most that one of them took by itself. */
static void report(const char *name, uint64_t insns, uint64_t max)
{
	printf("bench: %s %lu max %lu\n", name, insns, max);
}

static void report_samples(const char *name, uint64_t *s)
{
	uint64_t m = median(s);

	report(name, m, s[N - 1]);
}

/* One by one, for the worst, and N times in a row, without what the clock and the loop take. */
#define BENCH(name, ...)                                                                           \
	do {                                                                                       \
		uint64_t t_, most_ = 0;                                                            \
		for (unsigned i_ = 0; i_ < N; i_++) {                                              \
			t_ = now();                                                                \
			__VA_ARGS__;                                                               \
			t_ = now() - t_ - clock_cost;                                              \
			most_ = t_ > most_ ? t_ : most_;                                           \
		}                                                                                  \
		t_ = now();                                                                        \
		for (unsigned i_ = N; i_ != 0; i_--) {                                             \
			__VA_ARGS__;                                                               \
			__asm__ volatile("" : : : "memory");                                       \
		}                                                                                  \
		t_ = now() - t_ - loop_cost;                                                       \
		report(name, (t_ + N / 2) / N, most_);                                             \
	} while (0)

static void calibrate(void)
{
	uint64_t t;

	for (unsigned i = 0; i < N; i++) {
		t = now();
		samples[i] = now() - t;
	}
	clock_cost = median(samples);
	t = now();
	for (unsigned i = N; i != 0; i--) __asm__ volatile("" : : : "memory");
	loop_cost = now() - t;
}

/* --- calls and traps --- */
#define CALL(insn, fn)                                                                             \
	({                                                                                         \
		register uint64_t x0_ __asm__("x0") = (fn);                                        \
		register uint64_t x1_ __asm__("x1") = 0;                                           \
		register uint64_t x2_ __asm__("x2") = 0;                                           \
		register uint64_t x3_ __asm__("x3") = 0;                                           \
		__asm__ volatile(insn " #0"                                                        \
		                 : "+r"(x0_), "+r"(x1_), "+r"(x2_), "+r"(x3_)                      \
		                 :                                                                 \
		                 : "memory");                                                      \
		x0_;                                                                               \
	})

static void calls_and_traps(void)
{
	uint64_t dist = gicd, uart = uk_machine()->uart_base;

	BENCH("psci_version_hvc", (void)CALL("hvc", PSCI_VERSION));
	BENCH("smccc_version_hvc", (void)CALL("hvc", SMCCC_VERSION));
	if (uk_machine()->on_atoll) BENCH("psci_version_smc", (void)CALL("smc", PSCI_VERSION));
	BENCH("mmio_read_gicd_typer", (void)mmio_read32(dist + GICD_TYPER));
	BENCH("mmio_read_gicd_isenabler1", (void)mmio_read32(dist + GICD_ISENABLER1));
	BENCH("mmio_write_gicd_isenabler1_0", mmio_write32(dist + GICD_ISENABLER1, 0));
	BENCH("mmio_write_gicd_isenabler1_bit1", mmio_write32(dist + GICD_ISENABLER1, 2));
	BENCH("mmio_read_uart_fr", (void)mmio_read32(uart + UART_FR));
	BENCH("sysreg_midr", (void)sysreg_read(midr_el1));
	BENCH("sysreg_id_aa64pfr0", (void)sysreg_read(id_aa64pfr0_el1));
	BENCH("sysreg_clidr", (void)sysreg_read(clidr_el1));
	BENCH("sysreg_actlr", (void)sysreg_read(actlr_el1));
	BENCH("sysreg_cntpct", (void)sysreg_read(cntpct_el0));
	BENCH("sysreg_cntp_ctl", (void)sysreg_read(cntp_ctl_el0));
	BENCH("sysreg_cntv_ctl", (void)sysreg_read(cntv_ctl_el0));
}

/* --- interrupts: by vectors of our own, whose third instruction reads the counter --- */
static volatile uint64_t irqs, stamp;
static uint64_t acks[N], eois[N];

void bench_irq(uint64_t at);
extern char bench_vectors[];
__asm__("	.text\n"
        "	.balign 2048\n"
        "bench_vectors:\n"
        "	b	.\n"   /* nothing else is to come: the test's limit ends it */
        "	.balign 128\n" /* IRQ: the runtime has programs run on SP_EL0 */
        "	sub	sp, sp, #160\n"
        "	stp	x0, x1, [sp]\n"
        "	mrs	x0, cntvct_el0\n"
        "	stp	x2, x3, [sp, #16]\n"
        "	stp	x4, x5, [sp, #32]\n"
        "	stp	x6, x7, [sp, #48]\n"
        "	stp	x8, x9, [sp, #64]\n"
        "	stp	x10, x11, [sp, #80]\n"
        "	stp	x12, x13, [sp, #96]\n"
        "	stp	x14, x15, [sp, #112]\n"
        "	stp	x16, x17, [sp, #128]\n"
        "	stp	x18, x30, [sp, #144]\n"
        "	bl	bench_irq\n"
        "	ldp	x18, x30, [sp, #144]\n"
        "	ldp	x16, x17, [sp, #128]\n"
        "	ldp	x14, x15, [sp, #112]\n"
        "	ldp	x12, x13, [sp, #96]\n"
        "	ldp	x10, x11, [sp, #80]\n"
        "	ldp	x8, x9, [sp, #64]\n"
        "	ldp	x6, x7, [sp, #48]\n"
        "	ldp	x4, x5, [sp, #32]\n"
        "	ldp	x2, x3, [sp, #16]\n"
        "	ldp	x0, x1, [sp], #160\n"
        "	eret\n"
        "	.rept 14\n"
        "	.balign 128\n"
        "	b	.\n"
        "	.endr\n");

/* Straight to the registers: tg_gic.c would be part of what is measured. */
#define GICC_IAR 0xcu
#define GICC_EOIR 0x10u
#define GICD_SGIR 0xf00u

static inline uint32_t ack(void)
{
	uint32_t iar;

	if (!v3) return mmio_read32(gicc + GICC_IAR);
	iar = (uint32_t)sysreg_read(icc_iar1_el1);
	dsb_sy();
	return iar;
}

static inline void eoi(uint32_t iar)
{
	if (v3) {
		sysreg_write(icc_eoir1_el1, iar);
		isb();
	} else {
		mmio_write32(gicc + GICC_EOIR, iar);
	}
}

static inline void sgi_self(void)
{
	dsb_sy();
	if (v3) {
		sysreg_write(icc_sgi1r_el1, (uint64_t)SGI << 24 | 1);
		isb();
	} else {
		mmio_write32(gicd + GICD_SGIR, 1u << 16 | SGI);
	}
}

void bench_irq(uint64_t at)
{
	uint64_t before = now(), between;
	uint32_t iar = ack(), intid = iar & 0x3ff;

	between = now();
	if (intid >= 1020) return;
	if (intid == VTIMER) sysreg_write(cntv_ctl_el0, 0);
	acks[irqs % N] = between - before - clock_cost;
	before = now();
	eoi(iar);
	eois[irqs % N] = now() - before - clock_cost;
	stamp = at;
	irqs++;
}

static void sgi_to_self(void)
{
	for (unsigned i = 0; i < N; i++) {
		uint64_t seen = irqs, t = now();

		sgi_self();
		while (irqs == seen) {
		}
		samples[i] = stamp - t - clock_cost;
	}
	report_samples("sgi_self_to_vector", samples);
	report_samples("irq_ack", acks);
	report_samples("irq_eoi", eois);
}

/* From the deadline on: nothing to subtract. */
static void timer(const char *name, bool sleep)
{
	for (unsigned i = 0; i < N; i++) {
		uint64_t seen = irqs, due = now() + uk_tick_hz() / (sleep ? 1000 : 20000);

		sysreg_write(cntv_cval_el0, due);
		sysreg_write(cntv_ctl_el0, 1);
		isb();
		while (irqs == seen) {
			if (!sleep) continue;
			/* Masked between the look and WFI, which ends for what is pending. */
			__asm__ volatile("msr daifset, #2" : : : "memory");
			if (irqs == seen) __asm__ volatile("wfi" : : : "memory");
			__asm__ volatile("msr daifclr, #2\n\tisb" : : : "memory");
		}
		samples[i] = stamp - due;
	}
	report_samples(name, samples);
}

static void interrupts(void)
{
	g_enable(SGI);
	g_enable(VTIMER);
	__asm__ volatile("msr daifclr, #2" : : : "memory");
	sgi_to_self();
	timer("timer_to_vector", false);
	timer("timer_wfi_to_vector", true);
	__asm__ volatile("msr daifset, #2" : : : "memory");
}

/* Instructions that somebody else executed during a loop that does not trap. */
static void stolen(void)
{
	uint64_t k = LOOPS, t;

	__asm__ volatile("" : "+r"(k));
	t = now();
	__asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(k) : : "cc");
	t = now() - t;
	report("stolen", t - 2 * LOOPS - clock_cost, 0);
}

int main(void)
{
	uint64_t vbar = sysreg_read(vbar_el1), daif = uk_irq_save();

	g_cpu_init();
	v3 = g_is_v3();
	gicd = g_dist();
	gicc = uk_machine()->gicc_base;
	sysreg_write(vbar_el1, bench_vectors);
	isb();
	calibrate();
	calls_and_traps();
	interrupts();
	stolen();
	sysreg_write(vbar_el1, vbar);
	isb();
	uk_irq_restore(daif);
	printf("bench: end\n");
	return 0;
}
