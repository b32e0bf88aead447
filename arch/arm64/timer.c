/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generic timer: the counter, EL2's physical timer, a vCPU's virtual timer (Arm ARM D11).
 */
#include <arch/barrier.h>
#include <arch/timer.h>

#include <asm/sysreg.h>

static uint64_t counter_hz;

enum hyp_err arch_timer_init(uint32_t fdt_hz)
{
	uint64_t hz = sysreg_read(CNTFRQ_EL0);

	if (hz == 0) hz = fdt_hz; /* firmware that left CNTFRQ_EL0 out says so in the tree */
	if (hz < 1000) return HYP_ENOTSUP; /* units of microseconds would be lost */
	counter_hz = hz;
	return HYP_OK;
}

uint64_t arch_counter(void)
{
	isb(); /* not read ahead of what comes before (D11.2.1) */
	return sysreg_read(CNTPCT_EL0);
}

uint64_t arch_counter_hz(void) { return counter_hz; }

/* No ISB: the next one, WFI or ERET is early enough, since EL2 polls no timer. */
void arch_timer_set(uint64_t deadline)
{
	if (deadline == TIMER_NEVER) {
		sysreg_write(CNTHP_CTL_EL2, 0);
		return;
	}
	sysreg_write(CNTHP_CVAL_EL2, deadline);
	sysreg_write(CNTHP_CTL_EL2, TIMER_CTL_ENABLE);
}

void arch_vtimer_save(struct arch_vtimer *t)
{
	t->ctl = (uint32_t)sysreg_read(CNTV_CTL_EL0);
	sysreg_write(CNTV_CTL_EL0, 0);
	t->cval = sysreg_read(CNTV_CVAL_EL0);
	isb(); /* off before its interrupt's active state is changed */
}

void arch_vtimer_load(const struct arch_vtimer *t, uint64_t cntvoff)
{
	sysreg_write(CNTVOFF_EL2, cntvoff);
	sysreg_write(CNTV_CVAL_EL0, t->cval);
	isb(); /* enabled only with this vCPU's offset and value */
	sysreg_write(CNTV_CTL_EL0, t->ctl & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK));
}

bool arch_vtimer_output(void)
{
	uint32_t mask = TIMER_CTL_ENABLE | TIMER_CTL_IMASK | TIMER_CTL_ISTATUS;

	return (sysreg_read(CNTV_CTL_EL0) & mask) == (TIMER_CTL_ENABLE | TIMER_CTL_ISTATUS);
}
