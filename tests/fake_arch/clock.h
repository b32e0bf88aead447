/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of one CPU with the real deadline queue: time that passes, with its interrupts.
 */
#pragma once

#include <stdlib.h>

#include <arch/timer.h>
#include <hyp/deadline.h>
#include <hyp/pcpu.h>
#include "fake.h"
#include "timer.h"

/* A counter of 1 MHz at `now`; CPU 0 runs. */
static inline void clock_reset(uint64_t now)
{
	fake_reset();
	fake_log_on(false);
	fake_timer_reset();
	fake_hz = 1000000;
	fake_now = now;
	pcpus[0] = (struct pcpu){.id = 0};
	fake_pcpu = &pcpus[0];
	deadline_cpu_init();
}

/* Lets us microseconds pass: CNTHP's interrupts come at their time. */
static inline void clock_advance(uint64_t us)
{
	uint64_t end = fake_now + us;

	for (unsigned n = 0; fake_cnthp[0] <= end; n++) {
		if (n > 1000000 || fake_locks_held() != 0)
			abort(); /* it fires without end, or something returned with a lock */
		fake_now = MAX(fake_now, fake_cnthp[0]);
		deadline_irq();
	}
	fake_now = end;
}
