/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neighbour of the hostile guests: beats on the virtual timer, computes meanwhile, and at the
 * end tells the largest gap between beats, for each window of time too, and whether all is right.
 * period_us=, beats= (0: until a key comes), window_us=.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <uk.h>
#include <uk_arch.h>

#define PATTERN_WORDS (1u << 16)
#define MAX_WINDOWS 2048u
#define LCG_MUL 6364136223846793005u
#define LCG_ADD 1442695040888963407u

static volatile uint64_t beats;
static uint64_t last, largest, largest_at, window_ticks, first_window;
static uint64_t windows[MAX_WINDOWS];

/* The host's counter: the same number means the same time in each VM. */
static uint64_t host_now(void)
{
	isb(); /* not read early */
	return sysreg_read(cntpct_el0);
}

static void beat(void *arg)
{
	uint64_t now = uk_ticks(), gap = now - last, at = host_now();
	uint64_t window = at / window_ticks - first_window;

	(void)arg;
	last = now;
	beats = beats + 1;
	if (gap > largest) {
		largest = gap;
		largest_at = at;
	}
	if (window < MAX_WINDOWS && gap > windows[window]) windows[window] = gap;
}

static uint64_t lcg(uint64_t x) { return x * LCG_MUL + LCG_ADD; }

/* Memory that nobody else may change; sums are what a C compiler elsewhere would get. */
static void pattern_fill(uint64_t *p)
{
	uint64_t x = 1;

	for (unsigned i = 0; i < PATTERN_WORDS; i++) p[i] = x = lcg(x);
}

static unsigned pattern_wrong(const uint64_t *p)
{
	unsigned wrong = 0;
	uint64_t x = 1;

	for (unsigned i = 0; i < PATTERN_WORDS; i++) {
		x = lcg(x);
		wrong += p[i] != x;
	}
	return wrong;
}

/* Floating point and integers, the same each time: how often it was not. */
static unsigned compute_wrong(void)
{
	volatile double d = 1;
	uint64_t x = 2;

	for (unsigned i = 0; i < 64; i++) {
		x = lcg(x);
		d = d * 1.5 - 0.25;
	}
	return x != 1981909477019423554u || (uint64_t)d != 93070186440u;
}

int main(int argc, char **argv)
{
	uint64_t period = uk_arg_u64(argc, argv, "period_us", 1000);
	uint64_t wanted = uk_arg_u64(argc, argv, "beats", 0), rounds = 0, daif;
	uint64_t *pattern = malloc(PATTERN_WORDS * sizeof(*pattern));
	unsigned wrong = 0;

	if (!pattern) return 1;
	pattern_fill(pattern);
	window_ticks = uk_arg_u64(argc, argv, "window_us", 10000) * uk_tick_hz() / 1000000;
	printf("heartbeat: begins, period %" PRIu64 " ticks, at %" PRIu64 "\n",
	       period * uk_tick_hz() / 1000000, host_now());
	first_window = host_now() / window_ticks;
	last = uk_ticks();
	uk_timer_start(UK_TIMER_VIRT, period, true, beat, NULL);
	while (wanted ? beats < wanted : uk_console_getc(false) < 0) {
		wrong += compute_wrong();
		rounds++;
		daif = uk_irq_save();
		uk_wfi();
		uk_irq_restore(daif);
	}
	uk_timer_stop(UK_TIMER_VIRT);
	wrong += pattern_wrong(pattern);
	for (unsigned i = 0; i < MAX_WINDOWS; i++)
		if (windows[i])
			printf("heartbeat: window at %" PRIu64 " gap %" PRIu64 "\n",
			       (first_window + i) * window_ticks, windows[i]);
	printf("heartbeat: %" PRIu64 " beats, largest gap %" PRIu64 " ticks at %" PRIu64 "\n",
	       beats, largest, largest_at);
	printf("heartbeat: %" PRIu64 " rounds, %u wrong results\n", rounds, wrong);
	return wrong != 0;
}
