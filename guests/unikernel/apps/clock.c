/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A periodic timer interrupt: ticks=N period_us=P timer=virt|phys verbose. The output is the same
 * on every run (times only with verbose); the exit status says whether the count was right.
 */
#include <stdio.h>
#include <string.h>

#include <uk.h>

static volatile unsigned interrupts;
static volatile unsigned early;
static unsigned ticks;
static enum uk_timer timer;
static uint64_t started, period_ticks;

static uint64_t counter(void)
{
	uint64_t val;

	if (timer == UK_TIMER_VIRT) return uk_ticks();
	__asm__ volatile("isb\n\tmrs %0, cntpct_el0" : "=r"(val) : : "memory");
	return val;
}

static void tick(void *arg)
{
	unsigned n = interrupts + 1;

	(void)arg;
	/* The n-th interrupt may be late, when others had the CPU, but never early. */
	if (counter() - started < n * period_ticks) early = early + 1;
	interrupts = n;
	if (n == ticks) uk_timer_stop(timer);
}

int main(int argc, char **argv)
{
	uint64_t period_us = uk_arg_u64(argc, argv, "period_us", 100000);
	bool verbose = uk_arg_flag(argc, argv, "verbose");
	unsigned printed = 0;
	uint64_t daif;
	bool ok;

	ticks = (unsigned)uk_arg_u64(argc, argv, "ticks", 5);
	timer = uk_arg_flag(argc, argv, "timer=phys") ? UK_TIMER_PHYS : UK_TIMER_VIRT;
	period_ticks = (uint64_t)((__uint128_t)period_us * uk_tick_hz() / 1000000);
	printf("clock: %u ticks of %lu us, %s timer\n", ticks, period_us,
	       timer == UK_TIMER_PHYS ? "physical" : "virtual");
	started = counter();
	if (uk_timer_start(timer, period_us, true, tick, NULL) != 0) {
		fprintf(stderr, "clock: no such timer\n");
		return 1;
	}
	while (printed < ticks) {
		daif = uk_irq_save();
		while (interrupts == printed) uk_wfi();
		uk_irq_restore(daif);
		while (printed < interrupts && printed < ticks) {
			printed++;
			printf("tick %u", printed);
			if (verbose) {
				printf(" at %lu us", (uint64_t)((__uint128_t)(counter() - started) *
				                                1000000 / uk_tick_hz()));
			}
			printf("\n");
		}
	}
	uk_sleep_us(period_us); /* a tick too many would show now */
	ok = early == 0 && interrupts == ticks;
	printf("clock: %u interrupts for %u ticks, %u early: %s\n", interrupts, ticks, early,
	       ok ? "ok" : "FAILED");
	return ok ? 0 : 1;
}
