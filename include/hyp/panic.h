/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of EL2 itself: registers, cause in words, backtrace, then the policy of panic= in the
 * host's bootargs (halt, the default; reboot; poweroff). panic() itself is in check.h.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/types.h>

/* An exception taken in EL2: what entry.S saves (offsets.c), and what panic_exception() adds. */
struct exc_frame {
	uint64_t x[31];
	uint64_t sp;
	uint64_t pc, pstate, esr, far;
};

noreturn void panic_exception(bool interrupt, struct exc_frame *f);
/* GIC_SGI_STOP arrived: another CPU panics. Parks this one for ever. */
noreturn void panic_park(void);
