/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counter and timers of the generic timer (Arm ARM D11). All times are counter ticks of CNTPCT
 * unless a name says otherwise.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>

#define TIMER_NEVER UINT64_MAX

/* CNTx_CTL_EL0 (D13.8). */
#define TIMER_CTL_ENABLE BIT32(0)
#define TIMER_CTL_IMASK BIT32(1)
#define TIMER_CTL_ISTATUS BIT32(2)

/* INTIDs a guest's timers have: PPI 11 and PPI 14. */
#define GUEST_VTIMER_INTID 27u
#define GUEST_PTIMER_INTID 30u

/* Boot CPU: the counter's frequency, fdt_hz where CNTFRQ_EL0 says 0. ENOTSUP: none known. */
enum hyp_err arch_timer_init(uint32_t fdt_hz) __must_check;
/* CNTPCT_EL0, not speculated ahead of earlier instructions (ISB inside). */
uint64_t arch_counter(void);
/* Hz; 1 .. 10^9 and more. Valid after the boot CPU's arch_timer_init(). */
uint64_t arch_counter_hz(void);
/* This CPU's EL2 timer (CNTHP) fires at deadline; TIMER_NEVER turns it off. */
void arch_timer_set(uint64_t deadline);

static inline uint64_t arch_us_to_ticks(uint64_t us)
{
	return us * (arch_counter_hz() / 1000) / 1000;
}

/* The guest's virtual timer in this CPU's registers. cval is in the guest's CNTVCT time. */
struct arch_vtimer {
	uint64_t cval;
	uint32_t ctl;
};
/* Saves and disables CNTV (IMASK), so that it cannot fire for the next vCPU. */
void arch_vtimer_save(struct arch_vtimer *t);
void arch_vtimer_load(const struct arch_vtimer *t, uint64_t cntvoff);
/* CNTV_CTL's ISTATUS && !IMASK && ENABLE of the loaded vCPU. */
bool arch_vtimer_output(void);
