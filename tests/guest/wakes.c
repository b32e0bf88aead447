/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wake-ups: tokens that CPUs pass on at random, each by a message and an SGI to one that may be in
 * WFI, after computing or sleeping a little. A lost wake-up is a token that stands still. hops=N
 * in all, tokens=N, seed=N.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tg.h"

#define SGI_MAIL 3u
#define MAX_TOKENS 8u
#define LOST_US 3000000u

static unsigned nr_players, nr_tokens; /* players are CPUs 1 .. nr_players */
static uint64_t goal, seed;
static uint64_t hops, hops_of[MAX_TOKENS], sleeps;
static uint32_t mail[UK_MAX_CPUS]; /* tokens that lie there */
static uint64_t wakes[UK_MAX_CPUS];
static bool over;

static void on_mail(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
}

static uint32_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 16);
}

static void give(unsigned cpu, unsigned token)
{
	__atomic_fetch_or(&mail[cpu], 1u << token, __ATOMIC_SEQ_CST);
	uk_sgi_send(cpu, SGI_MAIL);
}

static void pass_on(unsigned token, uint64_t *x)
{
	uint32_t r = next_random(x);

	hops_of[token]++;
	if (__atomic_add_fetch(&hops, 1, __ATOMIC_RELAXED) >= goal) return; /* it ends here */
	if (r % 512 == 0) {
		tg_spin_us(r >> 9 & 0xfff); /* longer than a slice at times: preempted */
	} else if (r % 32 == 0) {
		__atomic_add_fetch(&sleeps, 1, __ATOMIC_RELAXED);
		uk_sleep_us(r >> 9 & 0xff);
	} else {
		for (volatile unsigned i = r >> 9 & 0x7f; i > 0; i--) {
		}
	}
	/* To any but itself. */
	give(1 + (uk_cpu_id() + next_random(x) % (nr_players - 1)) % nr_players, token);
}

static void player(void *arg)
{
	unsigned me = uk_cpu_id();
	uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15ul + me;

	(void)arg;
	uk_irq_enable(SGI_MAIL);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		uint64_t daif = uk_irq_save();
		uint32_t got;

		while (!(got = __atomic_exchange_n(&mail[me], 0, __ATOMIC_SEQ_CST)) &&
		       !__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
			uk_wfi();
			wakes[me]++;
		}
		uk_irq_restore(daif);
		for (unsigned t = 0; t < nr_tokens; t++)
			if (got & 1u << t) pass_on(t, &x);
	}
}

/* CPU 0 only looks, now and then: its own wake-ups help nobody. */
int main(int argc, char **argv)
{
	uint64_t seen[MAX_TOKENS] = {0}, at[MAX_TOKENS];
	unsigned lost = 0;

	goal = uk_arg_u64(argc, argv, "hops", 10000);
	seed = uk_arg_u64(argc, argv, "seed", 1);
	nr_tokens = (unsigned)uk_arg_u64(argc, argv, "tokens", 1);
	nr_tokens = nr_tokens > MAX_TOKENS ? MAX_TOKENS : nr_tokens;
	nr_players = uk_machine()->nr_cpus - 1;
	tg_start("wakes");
	uk_irq_register(SGI_MAIL, on_mail, NULL);
	if (nr_players < 2) {
		tg_check(false, "at least three CPUs");
		return tg_end();
	}
	for (unsigned t = 0; t < nr_tokens; t++) at[t] = uk_uptime_us();
	for (unsigned cpu = 1; cpu <= nr_players; cpu++) uk_cpu_start(cpu, player, NULL);
	for (unsigned t = 0; t < nr_tokens; t++) give(1 + t % nr_players, t);
	while (lost == 0 && __atomic_load_n(&hops, __ATOMIC_ACQUIRE) < goal) {
		uk_sleep_us(20000);
		for (unsigned t = 0; t < nr_tokens; t++) {
			uint64_t now = uk_uptime_us(),
			         n = __atomic_load_n(&hops_of[t], __ATOMIC_RELAXED);

			if (n != seen[t]) at[t] = now;
			seen[t] = n;
			lost += now - at[t] > LOST_US;
		}
	}
	printf("wakes: %" PRIu64 " hops, %" PRIu64 " sleeps\n", hops, sleeps);
	for (unsigned cpu = 1; cpu <= nr_players; cpu++)
		printf("wakes: cpu %u woke %" PRIu64 " times, mail 0x%x\n", cpu, wakes[cpu],
		       mail[cpu]);
	tg_eq(lost, 0, "no token stands still");
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (unsigned cpu = 1; cpu <= nr_players; cpu++) uk_sgi_send(cpu, SGI_MAIL);
	return tg_end();
}
