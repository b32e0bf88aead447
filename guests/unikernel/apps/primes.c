/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU-bound work, counted: limit=N counts the primes below N once; seconds=S repeats that until the
 * counter reaches S seconds, so that loops measures the share of the CPU this VM got.
 */
#include <stdio.h>

#include <uk.h>

/*
 * In seconds mode one pass is small, so every stretch of work has the same mix of inner and outer
 * loops and the loop count is proportional to the instructions executed.
 */
#define PASS_LIMIT 20000

static uint64_t loops, primes;

static bool is_prime(uint64_t n)
{
	if (n % 2 == 0) return n == 2;
	for (uint64_t d = 3; d * d <= n; d += 2) {
		loops++;
		if (n % d == 0) return false;
	}
	return n > 1;
}

/* Until the counter passes deadline (0: never looked at); false when it did. */
static bool pass(uint64_t limit, uint64_t deadline)
{
	for (uint64_t n = 2; n < limit; n++) {
		primes += is_prime(n);
		if (deadline && uk_ticks() >= deadline) return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	uint64_t seconds = uk_arg_u64(argc, argv, "seconds", 0);
	uint64_t limit = uk_arg_u64(argc, argv, "limit", seconds ? PASS_LIMIT : 200000);
	uint64_t start = uk_ticks(), deadline = seconds * uk_tick_hz();

	if (seconds == 0) {
		(void)pass(limit, 0);
		printf("primes: below %lu: loops=%lu primes=%lu\n", limit, loops, primes);
		return 0;
	}
	/* A VM's counter starts at 0 with the VM; a bare machine's may be anywhere. */
	if (!uk_machine()->on_atoll || start >= deadline) deadline += start;
	while (pass(limit, deadline)) continue;
	printf("primes: %lu s: loops=%lu primes=%lu\n", seconds, loops, primes);
	return 0;
}
