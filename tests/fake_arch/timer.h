/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake arch's time: a counter the test moves, each CPU's CNTHP, SGIs as flags, idling.
 */
#pragma once

#include <hyp/types.h>

extern uint64_t fake_now; /* the counter; 1 GHz unless fake_hz says otherwise */
extern uint64_t fake_hz;
extern uint64_t fake_cnthp[MAX_PCPUS]; /* TIMER_NEVER: off */
extern unsigned fake_cnthp_writes;
extern bool fake_sgi[MAX_PCPUS]; /* sent and not yet taken */
extern unsigned fake_sgis;       /* sent in all */
/* What arch_cpu_idle() does; NULL: the counter moves on to this CPU's CNTHP. */
extern void (*fake_idle)(void);

void fake_timer_reset(void);
