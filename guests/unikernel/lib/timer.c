/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic timer: per CPU, the application's timer on each of the virtual and the physical
 * comparator, and a sleeper on the virtual one.
 */
#include "internal.h"

#define NEVER (~0ul)

struct slot {
	uint64_t deadline; /* NEVER: stopped */
	uint64_t period;   /* 0: once */
	void (*fn)(void *);
	void *arg;
};

static struct slot slots[UK_MAX_CPUS][UK_NR_TIMERS];
static uint64_t sleepers[UK_MAX_CPUS];

/* ISB: the counter is not read early (Arm ARM D11.2.1). */
static uint64_t now(enum uk_timer timer)
{
	isb();
	return timer == UK_TIMER_VIRT ? sysreg_read(cntvct_el0) : sysreg_read(cntpct_el0);
}

uint64_t uk_ticks(void) { return now(UK_TIMER_VIRT); }

uint64_t uk_tick_hz(void) { return sysreg_read(cntfrq_el0); }

uint64_t uk_uptime_us(void) { return (uint64_t)((__uint128_t)uk_ticks() * 1000000 / uk_tick_hz()); }

static uint64_t us_to_ticks(uint64_t us)
{
	return (uint64_t)((__uint128_t)us * uk_tick_hz() / 1000000);
}

/* Set this CPU's comparator to what is due first. Interrupts masked. */
static void program(enum uk_timer timer)
{
	unsigned cpu = uk_cpu_id();
	uint64_t next = slots[cpu][timer].deadline;

	if (timer == UK_TIMER_VIRT) {
		next = sleepers[cpu] < next ? sleepers[cpu] : next;
		sysreg_write(cntv_cval_el0, next);
		sysreg_write(cntv_ctl_el0, next != NEVER);
	} else {
		sysreg_write(cntp_cval_el0, next);
		sysreg_write(cntp_ctl_el0, next != NEVER);
	}
	isb(); /* the line has its new level before EOI or WFI */
}

static void timer_interrupt(unsigned intid, void *arg)
{
	enum uk_timer timer = (enum uk_timer)(uintptr_t)arg;
	unsigned cpu = uk_cpu_id();
	struct slot *slot = &slots[cpu][timer];
	uint64_t t = now(timer);

	(void)intid;
	if (timer == UK_TIMER_VIRT && t >= sleepers[cpu]) sleepers[cpu] = NEVER;
	if (t >= slot->deadline) {
		slot->deadline = slot->period ? slot->deadline + slot->period : NEVER;
		slot->fn(slot->arg); /* may start or stop the timer */
	}
	program(timer);
}

void timer_cpu_init(void)
{
	unsigned cpu = uk_cpu_id();

	sleepers[cpu] = NEVER;
	for (unsigned t = 0; t < UK_NR_TIMERS; t++) {
		slots[cpu][t].deadline = NEVER;
		if (uk_mach.timer_irq[t] == 0) continue;
		program((enum uk_timer)t);
		if (cpu == 0) {
			(void)uk_irq_register(uk_mach.timer_irq[t], timer_interrupt,
			                      (void *)(uintptr_t)t);
		} else {
			uk_irq_enable(uk_mach.timer_irq[t]);
		}
	}
}

int uk_timer_start(enum uk_timer timer, uint64_t us, bool periodic, void (*fn)(void *), void *arg)
{
	uint64_t ticks = us_to_ticks(us);
	uint64_t daif;

	if (timer >= UK_NR_TIMERS || uk_mach.timer_irq[timer] == 0 || !fn) return -1;
	ticks = ticks ? ticks : 1;
	daif = uk_irq_save();
	slots[uk_cpu_id()][timer] = (struct slot){
	    .deadline = now(timer) + ticks,
	    .period = periodic ? ticks : 0,
	    .fn = fn,
	    .arg = arg,
	};
	program(timer);
	uk_irq_restore(daif);
	return 0;
}

void uk_timer_stop(enum uk_timer timer)
{
	uint64_t daif = uk_irq_save();

	if (timer < UK_NR_TIMERS) {
		slots[uk_cpu_id()][timer].deadline = NEVER;
		program(timer);
	}
	uk_irq_restore(daif);
}

void uk_sleep_us(uint64_t us)
{
	uint64_t until = uk_ticks() + us_to_ticks(us);
	uint64_t daif = uk_irq_save();
	uint64_t *sleeper = &sleepers[uk_cpu_id()];

	while (uk_ticks() < until) {
		*sleeper = until;
		program(UK_TIMER_VIRT);
		uk_wfi();
	}
	*sleeper = NEVER;
	program(UK_TIMER_VIRT);
	uk_irq_restore(daif);
}
