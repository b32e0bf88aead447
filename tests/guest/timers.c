/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual and the physical EL1 timer (Arm ARM D11.2): registers, level, pending state of the
 * PPI and interrupts, first with PSTATE.I set and the GIC worked by hand, then by handlers.
 */
#include <stdio.h>

#include "tg.h"
#include "tg_gic.h"

#define CTL_ENABLE 1u
#define CTL_IMASK 2u
#define CTL_ISTATUS 4u

static enum uk_timer which;
static const char *name;
static unsigned intid;

static uint64_t count(void)
{
	isb(); /* not read early (D11.2.1) */
	return which == UK_TIMER_VIRT ? sysreg_read(cntvct_el0) : sysreg_read(cntpct_el0);
}

static uint64_t ctl(void)
{
	return which == UK_TIMER_VIRT ? sysreg_read(cntv_ctl_el0) : sysreg_read(cntp_ctl_el0);
}

static void set_ctl(uint64_t val)
{
	if (which == UK_TIMER_VIRT)
		sysreg_write(cntv_ctl_el0, val);
	else
		sysreg_write(cntp_ctl_el0, val);
	isb(); /* the line has its new level for what follows */
}

static uint64_t cval(void)
{
	return which == UK_TIMER_VIRT ? sysreg_read(cntv_cval_el0) : sysreg_read(cntp_cval_el0);
}

static void set_cval(uint64_t val)
{
	if (which == UK_TIMER_VIRT)
		sysreg_write(cntv_cval_el0, val);
	else
		sysreg_write(cntp_cval_el0, val);
	isb(); /* the line has its new level for what follows */
}

static uint64_t tval(void)
{
	isb(); /* relative to a counter that is not read early */
	return which == UK_TIMER_VIRT ? sysreg_read(cntv_tval_el0) : sysreg_read(cntp_tval_el0);
}

static void set_tval(uint64_t val)
{
	if (which == UK_TIMER_VIRT)
		sysreg_write(cntv_tval_el0, val);
	else
		sysreg_write(cntp_tval_el0, val);
	isb(); /* the line has its new level for what follows */
}

static uint64_t ticks(uint64_t us) { return us * uk_tick_hz() / 1000000; }

static bool is_pending(void *want) { return g_pending(intid) == (want != NULL); }

/* The GIC sees a level after "a finite time": asynchronous, but soon. */
static bool pends(bool want) { return tg_until(is_pending, want ? &which : NULL, 500000); }

static bool stays_idle(uint64_t us)
{
	uint64_t end = count() + ticks(us);

	while (count() < end)
		if (g_pending(intid)) return false;
	return true;
}

static void check(bool ok, const char *what)
{
	char buf[100];

	snprintf(buf, sizeof(buf), "%s: %s", name, what);
	tg_check(ok, buf);
}

static void check_eq(uint64_t got, uint64_t expected, const char *what)
{
	char buf[100];

	snprintf(buf, sizeof(buf), "%s: %s", name, what);
	tg_eq(got, expected, buf);
}

static void registers(void)
{
	uint64_t before, after, val;

	set_ctl(0);
	set_cval(0x123456789abcdef0);
	check_eq(cval(), 0x123456789abcdef0, "CVAL keeps 64 bits");
	check_eq(ctl(), 0, "disabled timer: CTL reads 0");
	set_ctl(~0ul);
	check_eq(ctl(), CTL_ENABLE | CTL_IMASK, "CTL: ISTATUS and the rest are not writable");

	before = count();
	set_tval(1000000000);
	after = count();
	val = cval() - 1000000000;
	check(val >= before && val <= after, "TVAL write sets CVAL to now plus it");
	val = tval();
	check(val <= 1000000000 && val > 1000000000 - ticks(10000000),
	      "TVAL counts down from there");
	before = count();
	set_tval(0xffffffffffff0000); /* only 32 bits are the register's */
	after = count();
	val = cval() + 0x10000;
	check(val >= before && val <= after, "negative TVAL: CVAL in the past");
	val = tval();
	check(val <= 0xffff0000 && val >> 31 == 1, "and it reads negative, in 32 bits");
	check_eq(ctl(), CTL_ENABLE | CTL_IMASK | CTL_ISTATUS, "ISTATUS is set with IMASK");
	set_tval(0x7fffffff);
	check_eq(ctl(), CTL_ENABLE | CTL_IMASK, "largest TVAL is in the future");
	set_cval(~0ul);
	check_eq(ctl(), CTL_ENABLE | CTL_IMASK, "CVAL of all ones is in the future");
	set_cval(0);
	check_eq(ctl(), CTL_ENABLE | CTL_IMASK | CTL_ISTATUS, "CVAL 0 is in the past");
	set_ctl(0);
}

static void monotonic(void)
{
	uint64_t last = count(), backwards = 0;

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = count();

		backwards += now < last;
		last = now;
	}
	check_eq(backwards, 0, "counter never goes backwards");
}

/* The PPI's pending state follows the output, whatever the GIC's enable says. */
static void level(void)
{
	set_ctl(0);
	check(pends(false), "disabled: not pending");
	set_cval(0);
	check(stays_idle(2000), "disabled: CVAL in the past does not make it pending");
	set_ctl(CTL_ENABLE | CTL_IMASK);
	check(stays_idle(2000), "IMASK: not pending");
	set_ctl(CTL_ENABLE);
	check(pends(true), "unmasked: pending");
	g_unpend(intid);
	check(g_pending(intid), "ICPENDR does not clear what the line holds");
	set_ctl(CTL_ENABLE | CTL_IMASK);
	check(pends(false), "masked again: not pending any more");
	set_ctl(CTL_ENABLE);
	check(pends(true), "unmasked again: pending");
	set_ctl(0);
	check(pends(false), "disabled while pending: not pending");
	check_eq(g_ack(NULL), G_NONE, "and nothing to acknowledge");
	set_ctl(CTL_ENABLE);
	check(pends(true), "enabled: pending");
	set_cval(~0ul);
	check(pends(false), "CVAL moved to the future while pending: not pending");
	check_eq(g_ack(NULL), G_NONE, "and nothing to acknowledge");
	set_ctl(0);
}

static void one_shot(void)
{
	uint32_t iar;
	uint64_t due;

	set_ctl(0);
	due = count() + ticks(5000);
	set_cval(due);
	set_ctl(CTL_ENABLE);
	/* Read in this order: a vCPU that waits for its CPU may find both true. */
	if (g_pending(intid)) check(count() >= due, "not pending before it is due");
	check(pends(true), "pending when due");
	check(count() >= due, "and not before");
	check_eq(ctl(), CTL_ENABLE | CTL_ISTATUS, "ISTATUS when due");
	check_eq(g_hppi(), intid, "HPPIR names it");
	check_eq(g_ack(&iar), intid, "acknowledged");
	check(g_active(intid), "active");
	check_eq(g_ack(NULL), G_NONE, "not signalled twice while active");
	check(pends(true), "active and pending while the line is high");

	due = count() + ticks(5000);
	set_cval(due);
	if (count() < due) {
		bool low = pends(false);

		check(low || count() >= due, "re-armed before EOI: the line is low");
	}
	g_eoi(iar);
	check(!g_active(intid), "EOI: inactive");
	check(pends(true), "re-armed before EOI: fires again");
	check(count() >= due, "and not before");
	check_eq(g_ack(&iar), intid, "acknowledged again");
	g_eoi(iar);
	check(pends(true), "EOI with the line high: pending again");
	check_eq(g_ack(&iar), intid, "and acknowledged again");
	set_ctl(0);
	g_eoi(iar);
	check(!g_active(intid) && pends(false), "disabled before EOI: idle");
	check_eq(g_ack(NULL), G_NONE, "and nothing to acknowledge");
}

static void moved(void)
{
	uint64_t due;

	set_cval(count() + ticks(3600000000));
	set_ctl(CTL_ENABLE);
	due = count() + ticks(3000);
	set_cval(due);
	check(pends(true) && count() >= due, "moved nearer: fires then");
	set_cval(count() + ticks(20000));
	set_cval(count() + ticks(3600000000));
	check(pends(false) && stays_idle(30000), "moved away: does not fire at the old time");
	set_ctl(0);
}

static void gic_enable(void)
{
	uint32_t iar;

	g_disable(intid);
	set_cval(0);
	set_ctl(CTL_ENABLE);
	check(pends(true), "disabled at the GIC: pending");
	check_eq(g_ack(NULL), G_NONE, "but not signalled");
	g_enable(intid);
	check_eq(g_ack(&iar), intid, "signalled when enabled");
	set_ctl(0);
	g_eoi(iar);
	check(pends(false), "idle after that");

	g_pend(intid);
	check(g_pending(intid), "ISPENDR with the line low: pending");
	check_eq(g_ack(&iar), intid, "and acknowledged");
	check(!g_pending(intid), "which takes it away");
	g_eoi(iar);
	check_eq(g_ack(NULL), G_NONE, "once");
	g_pend(intid);
	g_unpend(intid);
	check(!g_pending(intid), "ICPENDR with the line low: not pending");
	check_eq(g_ack(NULL), G_NONE, "and nothing to acknowledge");
}

/* ---- by handlers --------------------------------------------------------------------------- */

static struct shot {
	enum uk_timer timer;
	volatile uint32_t fired, early;
	uint64_t first, period;
} shots[UK_NR_TIMERS];

static void on_shot(void *arg)
{
	struct shot *s = arg;
	uint64_t now;

	isb(); /* the counter is not read early */
	now = s->timer == UK_TIMER_VIRT ? sysreg_read(cntvct_el0) : sysreg_read(cntpct_el0);
	s->early = s->early + (now < s->first + s->fired * s->period);
	s->fired = s->fired + 1;
}

static void start(enum uk_timer timer, uint64_t us, bool periodic)
{
	struct shot *s = &shots[timer];

	*s = (struct shot){.timer = timer, .period = periodic ? ticks(us) : 0};
	isb(); /* the counter is not read early */
	s->first = timer == UK_TIMER_VIRT ? sysreg_read(cntvct_el0) : sysreg_read(cntpct_el0);
	s->first += ticks(us);
	uk_timer_start(timer, us, periodic, on_shot, s);
}

static void handlers(void)
{
	start(which, 3000, false);
	check(tg_until_u32(&shots[which].fired, 1, 2000000), "one-shot fires");
	tg_spin_us(20000);
	check_eq(shots[which].fired, 1, "once");
	check_eq(shots[which].early, 0, "not early");
	start(which, 1000, true);
	check(tg_until_u32(&shots[which].fired, 50, 5000000), "periodic fires 50 times");
	uk_timer_stop(which);
	check_eq(shots[which].early, 0, "never early");
	shots[which].fired = 0;
	tg_spin_us(10000);
	check_eq(shots[which].fired, 0, "stopped: no more");
	start(which, 0, false);
	check(tg_until_u32(&shots[which].fired, 1, 2000000), "due at once: fires");
}

static void both(void)
{
	uint32_t iar[2];
	unsigned first, second;
	uint64_t daif;

	name = "both";
	start(UK_TIMER_VIRT, 700, true);
	start(UK_TIMER_PHYS, 1100, true);
	check(tg_until_u32(&shots[0].fired, 40, 5000000), "virtual fires 40 times");
	check(tg_until_u32(&shots[1].fired, 40, 5000000), "physical fires 40 times");
	uk_timer_stop(UK_TIMER_VIRT);
	uk_timer_stop(UK_TIMER_PHYS);
	check_eq(shots[0].early + shots[1].early, 0, "never early");

	/* Both pending: the more urgent first, the other one preempts nothing. */
	daif = uk_irq_save();
	g_set_priority(uk_machine()->timer_irq[UK_TIMER_VIRT], 0xa0);
	g_set_priority(uk_machine()->timer_irq[UK_TIMER_PHYS], 0x80);
	sysreg_write(cntv_cval_el0, 0);
	sysreg_write(cntp_cval_el0, 0);
	sysreg_write(cntv_ctl_el0, CTL_ENABLE);
	sysreg_write(cntp_ctl_el0, CTL_ENABLE);
	isb(); /* both lines are high */
	for (which = UK_TIMER_VIRT; which < UK_NR_TIMERS; which++) {
		intid = uk_machine()->timer_irq[which];
		check(pends(true), which == UK_TIMER_VIRT ? "virtual pending" : "physical pending");
	}
	first = g_ack(&iar[0]);
	check_eq(first, uk_machine()->timer_irq[UK_TIMER_PHYS], "the more urgent comes first");
	check_eq(g_ack(NULL), G_NONE, "the other has to wait");
	sysreg_write(cntp_ctl_el0, 0);
	isb(); /* its line is low at EOI */
	g_eoi(iar[0]);
	second = g_ack(&iar[1]);
	check_eq(second, uk_machine()->timer_irq[UK_TIMER_VIRT], "and comes then");
	sysreg_write(cntv_ctl_el0, 0);
	isb(); /* its line is low at EOI */
	g_eoi(iar[1]);
	check_eq(g_ack(NULL), G_NONE, "idle at the end");
	g_set_priority(uk_machine()->timer_irq[UK_TIMER_PHYS], 0xa0);
	uk_irq_restore(daif);
}

int main(void)
{
	static const char *const names[] = {"virtual", "physical"};
	uint64_t virt = uk_ticks();

	tg_start("timers");
	g_cpu_init();
	tg_check(uk_tick_hz() >= 1000000, "CNTFRQ");
	tg_check(uk_uptime_us() < 600000000, "CNTVCT started near 0");
	tg_check(sysreg_read(cntpct_el0) >= virt, "CNTPCT is not behind CNTVCT");
	for (which = UK_TIMER_VIRT; which < UK_NR_TIMERS; which++) {
		uint64_t daif = uk_irq_save();

		name = names[which];
		intid = uk_machine()->timer_irq[which];
		g_enable(intid);
		registers();
		monotonic();
		level();
		one_shot();
		moved();
		gic_enable();
		uk_irq_restore(daif);
		handlers();
	}
	both();
	return tg_end();
}
