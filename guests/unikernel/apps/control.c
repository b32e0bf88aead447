/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A control loop: steps=N times, every period_us=P, a PI controller moves a simulated plant to its
 * set point. Prints how late the steps were as a histogram; limit_us=L: exit status 1 if one was
 * later. Half-way it reports that it is well.
 */
#include <inttypes.h>
#include <stdio.h>

#include <uk.h>

#define BUCKETS 24u /* by powers of two of a microsecond */
#define SETPOINT 1000000
#define ONE 1024 /* fixed point of the gains */

static volatile unsigned due; /* steps that the timer has asked for */
static unsigned histogram[BUCKETS];
static uint64_t worst, sum;

static void tick(void *arg)
{
	(void)arg;
	due++;
}

static uint64_t to_us(uint64_t ticks)
{
	return (uint64_t)((__uint128_t)ticks * 1000000 / uk_tick_hz());
}

static void note(uint64_t us)
{
	unsigned n = us ? 64 - (unsigned)__builtin_clzll(us) : 0;

	histogram[n < BUCKETS ? n : BUCKETS - 1]++;
	sum += us;
	if (us > worst) worst = us;
}

/* A first-order plant under a PI controller, in integers: the result is the same on every run. */
static int64_t step(void)
{
	static int64_t plant, integral;
	int64_t error = SETPOINT - plant;

	integral += error;
	plant += ((error * 300 + integral * 20) / ONE - plant / 64) / 2;
	return plant;
}

static void report(unsigned steps, uint64_t period_us)
{
	printf("control: %u steps of %" PRIu64 " us; late by %" PRIu64 " us on average, %" PRIu64
	       " at most\n",
	       steps, period_us, sum / steps, worst);
	for (unsigned n = 0; n < BUCKETS; n++) {
		if (histogram[n] == 0) continue;
		printf("control: %8s%7lu us: %u\n", n + 1 < BUCKETS ? "below " : "from ",
		       n + 1 < BUCKETS ? 1ul << n : 1ul << (n - 1), histogram[n]);
	}
}

int main(int argc, char **argv)
{
	unsigned steps = (unsigned)uk_arg_u64(argc, argv, "steps", 2000), done = 0;
	uint64_t period_us = uk_arg_u64(argc, argv, "period_us", 1000);
	uint64_t limit_us = uk_arg_u64(argc, argv, "limit_us", UINT64_MAX);
	uint64_t period = (uint64_t)((__uint128_t)period_us * uk_tick_hz() / 1000000);
	uint64_t start, daif;
	int64_t plant = 0;
	bool ok;

	if (steps == 0 || period == 0) {
		fprintf(stderr, "control: steps and period_us cannot be 0\n");
		return 2;
	}
	start = uk_ticks();
	if (uk_timer_start(UK_TIMER_VIRT, period_us, true, tick, NULL) != 0) {
		fprintf(stderr, "control: no timer\n");
		return 2;
	}
	while (done < steps) {
		daif = uk_irq_save();
		while (due == done) uk_wfi();
		uk_irq_restore(daif);
		done++;
		note(to_us(uk_ticks() - start - done * period));
		plant = step();
		if (done == steps / 2 && worst <= limit_us) uk_report_healthy();
	}
	uk_timer_stop(UK_TIMER_VIRT);
	report(steps, period_us);
	ok = worst <= limit_us &&
	     (steps < 500 || (plant > SETPOINT * 99 / 100 && plant < SETPOINT * 101 / 100));
	printf("control: plant at %" PRId64 " of %d: %s\n", plant, SETPOINT, ok ? "ok" : "FAILED");
	return ok ? 0 : 1;
}
