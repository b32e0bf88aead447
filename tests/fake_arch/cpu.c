/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fake arch: idling and SGIs. Weak, for tests that bring a GIC or threads of their own.
 */
#include <stdlib.h>

#include <arch/gic.h>
#include <arch/timer.h>
#include <hyp/pcpu.h>
#include "timer.h"

bool fake_sgi[MAX_PCPUS];
unsigned fake_sgis;
void (*fake_idle)(void);

__attribute__((weak)) void arch_cpu_idle(void)
{
	uint64_t next = fake_cnthp[this_pcpu()->id];

	if (fake_idle)
		fake_idle();
	else if (next == TIMER_NEVER)
		abort(); /* for ever */
	else if (next > fake_now)
		fake_now = next;
}

__attribute__((weak)) void arch_gic_send_sgi(unsigned cpu, enum gic_sgi sgi)
{
	(void)sgi;
	fake_sgi[cpu] = true;
	fake_sgis++;
}
