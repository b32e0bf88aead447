/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GIC between CPUs: SGIs, SPIs that move, all CPUs at once. The others run small jobs.
 */
#include <stdio.h>

#include "gic.h"
#include "tg.h"
#include "tg_gic.h"

static uint32_t iar; /* of the last acknowledge */

void spi_setup(unsigned n, uint8_t priority)
{
	g_set_edge(SPI + n, true);
	g_set_priority(SPI + n, priority);
	g_set_target(SPI + n, uk_cpu_id());
	g_enable(SPI + n);
}

void spi_reset(void)
{
	for (unsigned n = 0; n < NR_SPIS; n++) {
		g_disable(SPI + n);
		g_unpend(SPI + n);
	}
}

/* ---- jobs on other CPUs --------------------------------------------------------------------- */

static volatile uint32_t job_done;

static void wait_off(unsigned cpu)
{
	while (!uk_cpu_is_off(cpu)) uk_cpu_relax();
}

static void run_on(unsigned cpu, void (*fn)(void *), void *arg)
{
	if (uk_cpu_start(cpu, fn, arg)) uk_crash("a CPU does not start");
}

#define SGI_ONE 8u
#define SGI_ALL 9u
#define ROUNDS 200u
static volatile uint32_t ready, got_one[UK_MAX_CPUS], got_all[UK_MAX_CPUS], over;

static void on_one(unsigned intid, void *arg)
{
	(void)arg;
	if (intid == SGI_ONE)
		__atomic_add_fetch(&got_one[uk_cpu_id()], 1, __ATOMIC_ACQ_REL);
	else
		__atomic_add_fetch(&got_all[uk_cpu_id()], 1, __ATOMIC_ACQ_REL);
}

static void sleeper(void *arg)
{
	uint64_t daif = uk_irq_save();

	(void)arg;
	g_cpu_init();
	uk_irq_enable(SGI_ONE);
	uk_irq_enable(SGI_ALL);
	__atomic_add_fetch(&ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) uk_wfi();
	uk_irq_restore(daif);
}

void sgi_others(void)
{
	unsigned nr_cpus = uk_machine()->nr_cpus;
	unsigned lost = 0, stray = 0;

	uk_irq_register(SGI_ONE, on_one, NULL);
	uk_irq_register(SGI_ALL, on_one, NULL);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) run_on(cpu, sleeper, NULL);
	tg_check(tg_until_u32(&ready, nr_cpus - 1, 5000000), "other CPUs are up");
	for (unsigned round = 0; round < ROUNDS && lost == 0; round++) {
		unsigned cpu = round % nr_cpus;
		uint32_t before = got_one[cpu];

		g_sgi(cpu, SGI_ONE);
		lost += !tg_until_u32(&got_one[cpu], before + 1, 5000000);
	}
	tg_eq(lost, 0, "SGI to each CPU, 200 rounds");
	for (unsigned round = 0; round < ROUNDS && lost == 0; round++) {
		g_sgi_others(SGI_ALL);
		for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
			lost += !tg_until_u32(&got_all[cpu], round + 1, 5000000);
	}
	tg_eq(lost, 0, "SGI to all others, 200 rounds");
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		stray += got_one[cpu] != ROUNDS / nr_cpus + (cpu < ROUNDS % nr_cpus);
		stray += got_all[cpu] != (cpu ? ROUNDS : 0);
	}
	tg_eq(stray, 0, "SGIs: none too many, none to the wrong CPU");
	over = 1;
	g_sgi_others(SGI_ALL);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) wait_off(cpu);
	uk_irq_unregister(SGI_ONE);
	uk_irq_unregister(SGI_ALL);
}

static void send_sgi_6(void *arg)
{
	(void)arg;
	g_cpu_init();
	g_sgi(0, 6);
}

/* GICv2: an SGI of each source is an interrupt of its own (IHI 0048B 3.2.1). */
void sgi_sources(void)
{
	unsigned nr_cpus = uk_machine()->nr_cpus;
	unsigned sources = 0, taken = 0;

	g_enable(6);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) {
		run_on(cpu, send_sgi_6, NULL);
		wait_off(cpu);
	}
	if (!g_is_v3()) {
		tg_eq(mmio_read8(g_dist() + 0xf20 + 6), (1u << nr_cpus) - 2,
		      "SPENDSGIR shows the sources");
	}
	while (taken < 16 && g_ack(&iar) == 6) {
		sources |= 1u << (iar >> 10 & 7);
		taken++;
		g_eoi(iar);
	}
	if (g_is_v3()) {
		tg_eq(taken, 1, "SGI of several sources is one");
	} else {
		tg_eq(taken, nr_cpus - 1, "SGI of several sources: one of each");
		tg_eq(sources, (1u << nr_cpus) - 2, "IAR names the source");
	}
}

/* ---- SPIs between CPUs ------------------------------------------------------------------------
 */

static volatile uint32_t other_ack, other_go;

/* A new target counts after a finite time (IHI 0048B 4.3.12): acknowledge until it comes. */
static unsigned ack_soon(void)
{
	uint64_t end = uk_ticks() + uk_tick_hz() / 2;
	unsigned id;

	do {
		id = g_ack(&iar);
	} while (id == G_NONE && uk_ticks() < end);
	return id;
}

/* Take SPI on this CPU by hand and hold it active until told. */
static void take_spi(void *arg)
{
	uint64_t daif = uk_irq_save(), end = uk_ticks() + 5 * uk_tick_hz();
	uint32_t id, mine;

	(void)arg;
	g_cpu_init();
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	do {
		id = g_ack(&mine);
	} while (id == G_NONE && uk_ticks() < end);
	__atomic_store_n(&other_ack, id, __ATOMIC_RELEASE);
	tg_until_u32(&other_go, 1, 5000000);
	if (id != G_NONE) g_eoi(mine);
	uk_irq_restore(daif);
}

static void pend_spi(void *arg)
{
	g_cpu_init();
	g_pend((unsigned)(uintptr_t)arg);
}

static void mask_all(void *arg)
{
	uint64_t daif = uk_irq_save();

	(void)arg;
	g_cpu_init();
	g_set_pmr(0);
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	tg_until_u32(&other_go, 1, 10000000);
	__atomic_store_n(&other_ack, g_ack(NULL), __ATOMIC_RELEASE);
	g_set_pmr(0xff);
	uk_irq_restore(daif);
}

void spi_moves(void)
{
	unsigned nr_cpus = uk_machine()->nr_cpus;
	unsigned wrong = 0;

	/* Pended here for CPU 1, taken there. */
	ready = other_ack = other_go = 0;
	spi_setup(0, 0x80);
	g_set_target(SPI, 1);
	run_on(1, take_spi, NULL);
	tg_until_u32(&ready, 1, 5000000);
	g_pend(SPI);
	tg_check(tg_until_u32(&other_ack, 1, 6000000) && other_ack == SPI,
	         "SPI for CPU 1 is taken there");
	tg_check(g_active(SPI), "and seen active from here");
	g_pend(SPI);
	g_set_target(SPI, 0);
	/* QEMU's GICv2 forwards it even so; an active SPI is not to be (IHI 0048B 3.2.4). */
	if (g_is_v3() || uk_machine()->on_atoll)
		tg_eq(g_ack(NULL), G_NONE, "active there, pending and moved here: not signalled");
	other_go = 1;
	wait_off(1);
	tg_eq(ack_soon(), SPI, "signalled here after EOI there");
	g_eoi(iar);
	tg_check(!g_active(SPI) && !g_pending(SPI), "idle");

	/* Pending for CPU 1, which takes nothing; moved here. */
	ready = other_ack = other_go = 0;
	run_on(1, mask_all, NULL);
	tg_until_u32(&ready, 1, 5000000);
	for (unsigned round = 0; round < 50; round++) {
		g_set_target(SPI, 1);
		g_pend(SPI);
		wrong += g_ack(NULL) != G_NONE;
		g_set_target(SPI, 0);
		wrong += ack_soon() != SPI;
		g_eoi(iar);
		wrong += g_pending(SPI) || g_active(SPI);
	}
	other_go = 1;
	wait_off(1);
	tg_eq(wrong, 0, "pending SPI moves with its target, 50 rounds");
	tg_eq(other_ack, G_NONE, "nothing is left on CPU 1");

	/* Pended there for this CPU. */
	wrong = 0;
	for (unsigned round = 0; round < 20; round++) {
		run_on(1 + round % (nr_cpus - 1), pend_spi, (void *)(uintptr_t)SPI);
		wait_off(1 + round % (nr_cpus - 1));
		wrong += ack_soon() != SPI;
		g_eoi(iar);
	}
	tg_eq(wrong, 0, "pended by other CPUs, taken here");
	spi_reset();
}

/* Every CPU pends SPIs for its neighbour at full speed; each pend has an answer. */
#define STORM 100u
static volatile uint32_t storm_hits[UK_MAX_CPUS], storm_lost;

static void on_storm(unsigned intid, void *arg)
{
	(void)arg;
	__atomic_add_fetch(&storm_hits[intid - SPI], 1, __ATOMIC_ACQ_REL);
}

static void storm(void *arg)
{
	unsigned me = uk_cpu_id();

	(void)arg;
	g_cpu_init();
	for (unsigned n = 0; n < STORM; n++) {
		g_pend(SPI + me);
		if (!tg_until_u32(&storm_hits[me], n + 1, 5000000)) {
			__atomic_add_fetch(&storm_lost, 1, __ATOMIC_ACQ_REL);
			break;
		}
	}
	__atomic_add_fetch(&job_done, 1, __ATOMIC_ACQ_REL);
	tg_until_u32(&job_done, uk_machine()->nr_cpus, 20000000); /* stay for the neighbour's */
}

void storms(void)
{
	unsigned nr_cpus = uk_machine()->nr_cpus;
	unsigned wrong = 0;

	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		uk_irq_register(SPI + cpu, on_storm, NULL);
		g_set_edge(SPI + cpu, true);
		g_set_target(SPI + cpu, (cpu + 1) % nr_cpus);
	}
	job_done = 0;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) run_on(cpu, storm, NULL);
	storm(NULL);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) wait_off(cpu);
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		wrong += storm_hits[cpu] != STORM;
		uk_irq_unregister(SPI + cpu);
	}
	tg_eq(storm_lost, 0, "all CPUs pend for their neighbours: none lost");
	tg_eq(wrong, 0, "all CPUs pend for their neighbours: none twice");
}
