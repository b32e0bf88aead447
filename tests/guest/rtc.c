/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PL031 (Arm DDI 0224): counts seconds, can be set, interrupts when it reaches the match value.
 */
#include <stdio.h>

#include "tg.h"
#include "tg_gic.h"

#define RTC_IRQ 34u
#define DR 0x00u
#define MR 0x04u
#define LR 0x08u
#define CR 0x0cu
#define IMSC 0x10u
#define RIS 0x14u
#define MIS 0x18u
#define ICR 0x1cu

static uint64_t rtc;
static volatile uint32_t fired;

static uint32_t get(unsigned reg) { return mmio_read32(rtc + reg); }

static void set(unsigned reg, uint32_t val) { mmio_write32(rtc + reg, val); }

static void on_alarm(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	set(ICR, 1);
	fired = fired + 1;
}

static bool second_is(void *sec) { return get(DR) >= (uintptr_t)sec; }

int main(void)
{
	static const uint8_t ids[8] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	uint64_t begin, us;
	uint32_t now;
	unsigned wrong = 0;

	tg_start("rtc");
	g_cpu_init();
	rtc = uk_machine()->rtc_base;
	for (unsigned i = 0; i < 8; i++) {
		/* PeripheralID2 has the revision in its upper half. */
		wrong += (get(0xfe0 + 4 * i) & (i == 2 ? 0x0fu : 0xffu)) != ids[i];
	}
	tg_eq(wrong, 0, "PrimeCell identification");
	tg_eq(get(CR), 1, "RTCCR: enabled");
	set(IMSC, 0);
	set(ICR, 1);

	/* From one change of second to the next but one: two seconds by the counter. */
	now = get(DR);
	tg_check(tg_until(second_is, (void *)(uintptr_t)(now + 1), 10000000), "RTCDR counts");
	begin = uk_ticks();
	now = get(DR);
	tg_check(tg_until(second_is, (void *)(uintptr_t)(now + 1), 10000000), "and goes on");
	us = (uk_ticks() - begin) * 1000000 / uk_tick_hz();
	tg_check(us > 500000 && us < 3000000, "by seconds");

	uk_irq_register(RTC_IRQ, on_alarm, NULL);
	set(IMSC, 1);
	set(MR, get(DR) + 1000);
	tg_eq(get(RIS), 0, "no alarm yet");
	now = get(DR);
	set(MR, now + 1);
	begin = uk_ticks();
	tg_check(tg_until_u32(&fired, 1, 10000000), "match interrupt");
	tg_check(get(DR) >= now + 1, "not before the match");
	tg_spin_us(20000);
	tg_check(fired == 1 && get(RIS) == 0, "once, cleared by RTCICR");

	set(LR, 1000000000);
	now = get(DR);
	tg_check(now >= 1000000000 && now < 1000000010, "RTCLR sets the time");
	tg_eq(get(LR), 1000000000, "RTCLR reads back");
	set(IMSC, 0);
	set(MR, get(DR) + 1);
	tg_check(tg_until(second_is, (void *)(uintptr_t)(get(MR)), 10000000), "the match again");
	tg_spin_us(200000);
	tg_check(get(RIS) == 1 && get(MIS) == 0 && fired == 1, "masked: raw status only");
	set(IMSC, 1);
	tg_check(tg_until_u32(&fired, 2, 5000000), "unmasked: interrupt");
	return tg_end();
}
