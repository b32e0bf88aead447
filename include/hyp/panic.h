/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of EL2 itself: registers, cause in words, backtrace, then the policy of panic= in the
 * host's bootargs (halt, the default; reboot; poweroff). panic() itself is in check.h.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/types.h>

enum exc_kind { EXC_SYNC, EXC_IRQ, EXC_FIQ, EXC_SERROR };

/* What entry.S saves of an exception taken in EL2 (offsets.c). */
struct exc_frame {
	uint64_t x[31];
	uint64_t sp;
	uint64_t pc, pstate; /* a pair */
	uint64_t esr, far;   /* a pair */
	uint64_t kind;       /* enum exc_kind */
	uint64_t pad;
};

noreturn void panic_exception(const struct exc_frame *f);
/* GIC_SGI_STOP arrived: another CPU panics. Parks this one for ever. */
noreturn void panic_park(void);
