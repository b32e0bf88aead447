/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FP and SIMD registers belong to the vCPU: q0 to q31, FPSR and FPCR keep this program's patterns
 * (seed=N) while others use theirs on the same host CPU. us=N: how long.
 */
#include <stdio.h>
#include <string.h>

#include "tg.h"

#define FPSR_FLAGS 0x0800009fu /* QC, IDC, IXC, UFC, OFC, DZC, IOC (Arm ARM C5.2.8) */
#define FPCR_MODES 0x07c00000u /* AHP, DN, FZ, RMode (C5.2.7) */

struct fp {
	uint64_t fpsr, fpcr;
	uint64_t q[32][2];
};

/* Load all, let the time pass without touching FP, store all. */
void fp_hold(const struct fp *in, struct fp *out, uint64_t ticks);
#define Q4(op, base, a, b, c, d, off, off2)                                                        \
	"	" op "	q" #a ", q" #b ", [" base ", #" #off "]\n"                                 \
	"	" op "	q" #c ", q" #d ", [" base ", #" #off2 "]\n"
#define ALL_Q(op, base)                                                                            \
	Q4(op, base, 0, 1, 2, 3, 0, 32)                                                            \
	Q4(op, base, 4, 5, 6, 7, 64, 96)                                                           \
	Q4(op, base, 8, 9, 10, 11, 128, 160)                                                       \
	Q4(op, base, 12, 13, 14, 15, 192, 224)                                                     \
	Q4(op, base, 16, 17, 18, 19, 256, 288)                                                     \
	Q4(op, base, 20, 21, 22, 23, 320, 352)                                                     \
	Q4(op, base, 24, 25, 26, 27, 384, 416)                                                     \
	Q4(op, base, 28, 29, 30, 31, 448, 480)
__asm__("	.text\n"
        "fp_hold:\n"
        "	stp	d8, d9, [sp, #-64]!\n"
        "	stp	d10, d11, [sp, #16]\n"
        "	stp	d12, d13, [sp, #32]\n"
        "	stp	d14, d15, [sp, #48]\n"
        "	mrs	x7, fpcr\n"
        "	ldp	x3, x4, [x0], #16\n"
        "	msr	fpsr, x3\n"
        "	msr	fpcr, x4\n" ALL_Q("ldp",
                                          "x0") "	isb\n"
                                                "	mrs	x5, cntvct_el0\n"
                                                "1:	isb\n"
                                                "	mrs	x6, cntvct_el0\n"
                                                "	sub	x6, x6, x5\n"
                                                "	cmp	x6, x2\n"
                                                "	b.lo	1b\n"
                                                "	add	x1, x1, #16\n" ALL_Q(
                                                    "stp",
                                                    "x1") "	mrs	x3, fpsr\n"
                                                          "	mrs	x4, fpcr\n"
                                                          "	stp	x3, x4, [x1, #-16]\n"
                                                          "	msr	fpcr, x7\n"
                                                          "	ldp	d10, d11, [sp, #16]\n"
                                                          "	ldp	d12, d13, [sp, #32]\n"
                                                          "	ldp	d14, d15, [sp, #48]\n"
                                                          "	ldp	d8, d9, [sp], #64\n"
                                                          "	ret\n");

static uint64_t state;

static uint64_t next(void)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return state ^ state >> 29;
}

static void on_timer(void *arg)
{
	volatile double *sum = arg;

	*sum = *sum * 1.5 + 1.0; /* the handler uses FP as well */
}

int main(int argc, char **argv)
{
	uint64_t end = uk_ticks() + uk_arg_u64(argc, argv, "us", 400000) * uk_tick_hz() / 1000000;
	unsigned rounds = 0, wrong_q = 0, wrong_fpsr = 0, wrong_fpcr = 0;
	static volatile double sum;
	static struct fp in, out;

	tg_start("fp");
	state = uk_arg_u64(argc, argv, "seed", 1);
	uk_timer_start(UK_TIMER_VIRT, 700, true, on_timer, (void *)&sum);
	while (uk_ticks() < end || rounds < 20) {
		for (unsigned n = 0; n < 32; n++) {
			in.q[n][0] = next();
			in.q[n][1] = next();
		}
		in.fpsr = next() & FPSR_FLAGS;
		in.fpcr = next() & FPCR_MODES;
		memset(&out, 0, sizeof(out));
		/* Longer than a slice every other time. */
		fp_hold(&in, &out, uk_tick_hz() / 1000000 * (rounds & 1 ? 6000 : 200));
		wrong_q += memcmp(in.q, out.q, sizeof(in.q)) != 0;
		wrong_fpsr += in.fpsr != (out.fpsr & FPSR_FLAGS);
		wrong_fpcr += in.fpcr != out.fpcr;
		rounds++;
	}
	uk_timer_stop(UK_TIMER_VIRT);
	tg_check(rounds >= 20, "20 rounds and more");
	tg_eq(wrong_q, 0, "q0 to q31 are kept");
	tg_eq(wrong_fpsr, 0, "FPSR is kept");
	tg_eq(wrong_fpcr, 0, "FPCR is kept");
	return tg_end();
}
