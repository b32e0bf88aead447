/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping: WFI ends for a pending interrupt though PSTATE.I masks it; WFE ends by SEV of another
 * CPU, by the event register and by an interrupt.
 */
#include <stdio.h>

#include "tg.h"
#include "tg_gic.h"

static uint64_t ticks(uint64_t us) { return us * uk_tick_hz() / 1000000; }

static void timer_set(enum uk_timer timer, uint64_t us)
{
	if (timer == UK_TIMER_VIRT) {
		sysreg_write(cntv_tval_el0, ticks(us));
		sysreg_write(cntv_ctl_el0, us != 0);
	} else {
		sysreg_write(cntp_tval_el0, ticks(us));
		sysreg_write(cntp_ctl_el0, us != 0);
	}
	isb(); /* the timer runs, or its line is low, from here */
}

/* WFI may end early (Arm ARM D1.16.2), so until the interrupt is there. */
static void masked_timer(enum uk_timer timer, const char *what)
{
	unsigned irq = uk_machine()->timer_irq[timer], turns = 0, wrong = 0;
	uint32_t iar;

	for (unsigned round = 0; round < 10; round++) {
		uint64_t begin = uk_ticks();

		timer_set(timer, 5000);
		while (!g_pending(irq) && turns < 1000) {
			__asm__ volatile("dsb sy\n\twfi" : : : "memory");
			turns++;
		}
		wrong += uk_ticks() - begin < ticks(5000);
		wrong += g_ack(&iar) != irq;
		timer_set(timer, 0);
		g_eoi(iar);
	}
	tg_check(wrong == 0, what);
	/* It slept: a WFI that does nothing would have turned thousands of times. */
	tg_check(turns < 1000, "it slept meanwhile");
}

static void already_pending(void)
{
	uint64_t begin = uk_ticks();
	uint32_t iar;

	g_enable(1);
	g_sgi_self(1);
	for (unsigned i = 0; i < 100; i++) __asm__ volatile("dsb sy\n\twfi" : : : "memory");
	tg_check(uk_ticks() - begin < ticks(5000000), "WFI with an interrupt pending goes on");
	tg_eq(g_ack(&iar), 1, "which is still there");
	g_eoi(iar);
}

static volatile uint32_t woken, asleep;
static uint32_t word;

static void waits_wfe(void *arg)
{
	uint64_t daif = uk_irq_save();

	(void)arg;
	for (uint32_t n = 1; n <= 100; n++) {
		__atomic_store_n(&asleep, n, __ATOMIC_RELEASE);
		while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) < n)
			__asm__ volatile("wfe" : : : "memory");
		__atomic_store_n(&woken, n, __ATOMIC_RELEASE);
	}
	uk_irq_restore(daif);
}

static void waits_wfi(void *arg)
{
	uint64_t daif = uk_irq_save();

	(void)arg;
	g_cpu_init();
	g_enable(2);
	for (uint32_t n = 1; n <= 100; n++) {
		uint32_t iar;

		__atomic_store_n(&asleep, n, __ATOMIC_RELEASE);
		while (g_ack(&iar) != 2) __asm__ volatile("dsb sy\n\twfi" : : : "memory");
		g_eoi(iar);
		__atomic_store_n(&woken, n, __ATOMIC_RELEASE);
	}
	uk_irq_restore(daif);
}

static void pairs(bool wfe)
{
	unsigned lost = 0;

	woken = asleep = word = 0;
	uk_cpu_start(1, wfe ? waits_wfe : waits_wfi, NULL);
	for (uint32_t n = 1; n <= 100 && lost == 0; n++) {
		lost += !tg_until_u32(&asleep, n, 5000000);
		if (n % 10 == 0) tg_spin_us(3000); /* it really sleeps */
		if (wfe) {
			__atomic_store_n(&word, n, __ATOMIC_RELEASE);
			__asm__ volatile("dsb ishst\n\tsev" : : : "memory");
		} else {
			g_sgi(1, 2);
		}
		lost += !tg_until_u32(&woken, n, 5000000);
	}
	tg_eq(lost, 0, wfe ? "WFE on CPU 1 ends by SEV, 100 times" : "WFI on CPU 1 ends by SGI");
	while (lost == 0 && !uk_cpu_is_off(1)) uk_cpu_relax();
}

int main(void)
{
	uint64_t daif = uk_irq_save();

	tg_start("wfi");
	g_cpu_init();
	masked_timer(UK_TIMER_VIRT, "WFI with PSTATE.I set ends by the virtual timer");
	masked_timer(UK_TIMER_PHYS, "WFI with PSTATE.I set ends by the physical timer");
	already_pending();
	__asm__ volatile("sevl\n\twfe\n\tsev\n\twfe" : : : "memory");
	tg_check(true, "WFE with the event register set goes on");
	uk_irq_restore(daif);
	if (uk_machine()->nr_cpus > 1) {
		pairs(true);
		pairs(false);
	}
	return tg_end();
}
