/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fake arch: counter and timers.
 */
#include <arch/timer.h>
#include <hyp/pcpu.h>
#include "timer.h"

uint64_t fake_now, fake_hz = 1000000000;
uint64_t fake_cnthp[MAX_PCPUS];
unsigned fake_cnthp_writes;

void fake_timer_reset(void)
{
	fake_now = 0;
	fake_hz = 1000000000;
	fake_cnthp_writes = 0;
	fake_sgis = 0;
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		fake_cnthp[i] = TIMER_NEVER;
		fake_sgi[i] = false;
	}
}

uint64_t arch_counter(void) { return __atomic_load_n(&fake_now, __ATOMIC_RELAXED); }

uint64_t arch_counter_hz(void) { return fake_hz; }

void arch_timer_set(uint64_t deadline)
{
	fake_cnthp[this_pcpu()->id] = deadline;
	fake_cnthp_writes++;
}
