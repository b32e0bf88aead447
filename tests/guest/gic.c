/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GIC of a guest: registers, SGIs, SPIs, priorities, preemption, active state, more interrupts
 * than list registers. CPU 0 works it by hand with PSTATE.I set; between CPUs: gic_smp.c.
 */
#include <stdio.h>

#include "gic.h"
#include "tg.h"
#include "tg_gic.h"

#define UART_IRQ 33u

static unsigned nr_cpus;
static uint32_t iar; /* of the last acknowledge */

/* ---- registers ------------------------------------------------------------------------------ */

static void identification(void)
{
	uint64_t d = g_dist();

	tg_eq(mmio_read32(d + (g_is_v3() ? 0xffe8 : 0xfe8)) >> 4 & 15, g_is_v3() ? 3 : 2,
	      "PIDR2.ArchRev");
	tg_check(!uk_machine()->on_atoll || mmio_read32(d + 8) != 0, "GICD_IIDR is not 0");
	tg_check(g_nr_intids() > SPI + NR_SPIS, "GICD_TYPER: enough lines");
	if (!g_is_v3()) {
		tg_eq(mmio_read32(d + 4) >> 5 & 7, nr_cpus - 1, "GICD_TYPER.CPUNumber");
		return;
	}
	tg_eq(mmio_read32(d + 0xc), 0, "GICD_TYPER2 reads 0");
	mmio_write32(d + 0x0c, ~0u);
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		uint64_t r = g_redist(cpu), typer = mmio_read64(r + 8);

		tg_eq(typer >> 8 & 0xffff, cpu, "GICR_TYPER.Processor_Number");
		tg_eq(typer >> 4 & 1, cpu == nr_cpus - 1, "GICR_TYPER.Last");
		tg_eq(mmio_read32(r + 8) | (uint64_t)mmio_read32(r + 12) << 32, typer,
		      "GICR_TYPER by halves");
		tg_eq(mmio_read32(r + 0x24), 0, "GICR_PWRR reads 0");
		mmio_write32(r + 0x24, ~0u);
		tg_check(!uk_machine()->on_atoll || mmio_read32(r + 4) != 0, "GICR_IIDR is not 0");
		tg_eq(mmio_read32(r + 0xffe8) >> 4 & 15, 3, "GICR_PIDR2.ArchRev");
	}
}

/* Offsets that mean nothing, in each frame: RAZ/WI, no abort. */
static void reserved(void)
{
	static const uint16_t common[] = {0x010, 0x040, 0x07c, 0xf04};
	struct tg_fault f;
	uint32_t got = 0;

	f = TG_TRY(for (unsigned i = 0; i < 4; i++) {
		mmio_write32(g_dist() + common[i], ~0u);
		got |= mmio_read32(g_dist() + common[i]);
		got |= mmio_read8(g_dist() + common[i] + 1);
	});
	tg_check(f.count == 0 && got == 0, "reserved GICD offsets are RAZ/WI");
	if (g_is_v3()) {
		f = TG_TRY(got |= mmio_read32(g_private() + 0xe04);
		           got |= mmio_read32(g_redist(0) + 0x0fc);
		           mmio_write32(g_redist(0) + 0x0fc, ~0u));
		tg_check(f.count == 0 && got == 0, "reserved GICR offsets are RAZ/WI");
	}
}

static void routing(void)
{
	uint64_t d = g_dist(), reg;

	if (!g_is_v3()) {
		uint8_t all = (uint8_t)((1u << nr_cpus) - 1);

		mmio_write8(d + 0x800 + SPI, 0xff);
		/* QEMU's own keeps all bits; on one CPU it reads as 0 (IHI 0048B 4.3.12). */
		tg_check(mmio_read8(d + 0x800 + SPI) == (nr_cpus == 1 ? 0 : all) ||
		             !uk_machine()->on_atoll,
		         "ITARGETSR holds CPUs that exist (one CPU: 0)");
		mmio_write32(d + 0x800 + SPI, 0x01010101);
		tg_eq(mmio_read32(d + 0x800 + SPI), nr_cpus == 1 ? 0 : 0x01010101,
		      "ITARGETSR by words");
		tg_eq(mmio_read8(d + 0x800 + SPI + 3), nr_cpus == 1 ? 0 : 1, "ITARGETSR by bytes");
		mmio_write32(d + 0x800, ~0u);
		tg_eq(mmio_read32(d + 0x800), nr_cpus == 1 ? 0 : 0x01010101,
		      "ITARGETSR0 is read-only: this CPU");
		return;
	}
	reg = d + 0x6000 + 8 * SPI;
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		uint64_t mpidr = uk_machine()->mpidr[cpu];

		mmio_write64(reg, mpidr);
		tg_eq(mmio_read64(reg), mpidr, "IROUTER, 64 bits");
		tg_eq(mmio_read32(reg) | (uint64_t)mmio_read32(reg + 4) << 32, mpidr,
		      "IROUTER by halves");
	}
	mmio_write32(reg, 0);
	mmio_write32(reg + 4, 0);
	tg_eq(mmio_read64(reg), 0, "IROUTER written by halves");
	tg_eq(mmio_read64(d + 0x6000 + 8 * 31), 0, "IROUTER of a PPI reads 0");
}

static void configuration(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < NR_SPIS; i++) g_set_priority(SPI + i, (uint8_t)(i % 32 * 8));
	for (unsigned i = 0; i < NR_SPIS; i++) {
		uint32_t word = mmio_read32(g_dist() + 0x400 + ((SPI + i) & ~3u));

		wrong += (g_priority(SPI + i) & 0xf8) != i % 32 * 8;
		wrong += (word >> 8 * ((SPI + i) & 3) & 0xf8) != i % 32 * 8;
	}
	tg_eq(wrong, 0, "IPRIORITYR by bytes and by words");
	mmio_write32(g_private() + 0x400, 0x08102030);
	tg_eq(mmio_read32(g_private() + 0x400) & 0xf8f8f8f8, 0x08102030, "IPRIORITYR of SGIs");
	mmio_write32(g_private() + 0x400, 0xa0a0a0a0);
	wrong = 0;
	for (unsigned i = 0; i < NR_SPIS; i++) {
		g_enable(SPI + i);
		wrong += !g_get(SPI + i, G_SETENABLE) || !g_get(SPI + i, G_CLEARENABLE);
		g_disable(SPI + i);
		wrong += g_get(SPI + i, G_SETENABLE) || g_get(SPI + i, G_CLEARENABLE);
	}
	tg_eq(wrong, 0, "ISENABLER, ICENABLER");
	tg_eq(mmio_read32(g_private() + 0xc00), 0xaaaaaaaa, "ICFGR0: SGIs are edge-triggered");
	g_set_edge(SPI, true);
	tg_eq(mmio_read32(g_dist() + 0xc00 + SPI / 16 * 4) >> SPI % 16 * 2 & 3, 2, "ICFGR: edge");
	g_set_edge(SPI, false);
	tg_eq(mmio_read32(g_dist() + 0xc00 + SPI / 16 * 4) >> SPI % 16 * 2 & 3, 0, "ICFGR: level");
}

/* ---- one interrupt -------------------------------------------------------------------------- */

static void spi_basic(bool edge)
{
	spi_setup(0, 0x80);
	g_set_edge(SPI, edge);
	tg_eq(g_ack(NULL), G_NONE, "nothing pending: 1023");
	tg_eq(g_rpr(), 0xff, "RPR idle");
	tg_eq(g_hppi(), G_NONE, "HPPIR idle");
	g_pend(SPI);
	tg_check(g_pending(SPI) && !g_active(SPI), "ISPENDR: pending");
	tg_eq(g_hppi(), SPI, "HPPIR names it");
	tg_eq(g_ack(&iar), SPI, "acknowledged");
	tg_check(!g_pending(SPI) && g_active(SPI), "active, not pending");
	tg_eq(g_rpr(), 0x80, "RPR is its priority");
	g_pend(SPI);
	tg_check(g_pending(SPI) && g_active(SPI), "pended again: active and pending");
	tg_eq(g_ack(NULL), G_NONE, "not signalled while active");
	g_eoi(iar);
	tg_eq(g_rpr(), 0xff, "EOI drops the priority");
	tg_check(g_pending(SPI) && !g_active(SPI), "pending again");
	tg_eq(g_ack(&iar), SPI, "acknowledged again");
	g_eoi(iar);
	tg_check(!g_pending(SPI) && !g_active(SPI), "idle");

	g_pend(SPI);
	g_unpend(SPI);
	tg_check(!g_pending(SPI), "ICPENDR: not pending");
	tg_eq(g_ack(NULL), G_NONE, "and not signalled");
	g_disable(SPI);
	g_pend(SPI);
	tg_check(g_pending(SPI), "disabled: pending");
	tg_eq(g_ack(NULL), G_NONE, "disabled: not signalled");
	g_enable(SPI);
	tg_eq(g_ack(&iar), SPI, "enabled: signalled");
	g_eoi(iar);

	g_put(SPI, G_SETACTIVE);
	g_pend(SPI);
	tg_check(g_active(SPI), "ISACTIVER: active");
	tg_eq(g_ack(NULL), G_NONE, "active by ISACTIVER: not signalled");
	g_put(SPI, G_CLEARACTIVE);
	tg_check(!g_active(SPI), "ICACTIVER: inactive");
	tg_eq(g_ack(&iar), SPI, "and signalled");
	g_put(SPI, G_CLEARACTIVE);
	tg_check(!g_active(SPI), "ICACTIVER of an acknowledged one: inactive");
	g_eoi(iar);
	tg_eq(g_rpr(), 0xff, "its EOI still drops the priority");
	spi_reset();
}

static void priority_mask(void)
{
	spi_setup(0, 0x80);
	g_set_pmr(0x80);
	tg_eq(g_pmr(), 0x80, "PMR reads back");
	g_pend(SPI);
	tg_eq(g_ack(NULL), G_NONE, "PMR equal to the priority masks");
	g_set_pmr(0x88);
	tg_eq(g_ack(&iar), SPI, "PMR above it does not");
	g_eoi(iar);
	g_set_pmr(0);
	g_pend(SPI);
	g_set_priority(SPI, 0);
	tg_eq(g_ack(NULL), G_NONE, "PMR 0 masks all");
	g_set_pmr(0xff);
	tg_eq(g_ack(&iar), SPI, "PMR 0xff none");
	g_eoi(iar);

	/* A change of priority while pending counts. */
	spi_setup(0, 0x80);
	spi_setup(1, 0x90);
	g_pend(SPI);
	g_pend(SPI + 1);
	g_set_priority(SPI + 1, 0x40);
	tg_eq(g_ack(&iar), SPI + 1, "more urgent while pending: comes first");
	g_eoi(iar);
	tg_eq(g_ack(&iar), SPI, "and the other then");
	g_eoi(iar);
	spi_reset();
}

static void preemption(void)
{
	uint32_t outer;

	spi_setup(0, 0xb0);
	spi_setup(1, 0x90);
	spi_setup(2, 0x40);
	g_set_preempt_bits(6); /* groups 0x00, 0x40, 0x80, 0xc0 */
	g_pend(SPI);
	tg_eq(g_ack(&outer), SPI, "BPR: first one");
	tg_eq(g_rpr(), 0x80, "BPR: RPR is the group's priority");
	g_pend(SPI + 1);
	tg_eq(g_ack(NULL), G_NONE, "BPR: the same group does not preempt");
	g_pend(SPI + 2);
	tg_eq(g_ack(&iar), SPI + 2, "BPR: another group preempts");
	tg_eq(g_rpr(), 0x40, "BPR: RPR within");
	g_eoi(iar);
	tg_eq(g_rpr(), 0x80, "BPR: RPR after it");
	g_eoi(outer);
	tg_eq(g_ack(&iar), SPI + 1, "BPR: the waiting one follows");
	g_eoi(iar);
	g_set_preempt_bits(3);
	g_pend(SPI);
	tg_eq(g_ack(&outer), SPI, "BPR fine: first one");
	g_pend(SPI + 1);
	tg_eq(g_ack(&iar), SPI + 1, "BPR fine: more urgent preempts");
	g_eoi(iar);
	g_eoi(outer);

	/* Within a group the more urgent one still comes first. */
	g_set_preempt_bits(7);
	g_pend(SPI);
	g_pend(SPI + 1);
	tg_eq(g_ack(&iar), SPI + 1, "within a group: the more urgent first");
	g_eoi(iar);
	tg_eq(g_ack(&iar), SPI, "within a group: the other then");
	g_eoi(iar);
	g_set_preempt_bits(3);
	spi_reset();
}

/* ---- many interrupts ------------------------------------------------------------------------ */

/* All pending at once: each comes exactly once, by priority. */
static void overflow(void)
{
	unsigned seen[NR_SPIS] = {0}, order = 0, taken = 0, strange = 0, id, last = 0;

	for (unsigned n = 0; n < NR_SPIS; n++) spi_setup(n, (uint8_t)(n * 7 % 31 * 8));
	for (unsigned n = 0; n < NR_SPIS; n++) g_pend(SPI + n);
	while ((id = g_ack(&iar)) != G_NONE && taken < 2 * NR_SPIS) {
		unsigned n = id - SPI;

		taken++;
		strange += n >= NR_SPIS;
		if (n < NR_SPIS) {
			seen[n]++;
			order += n * 7 % 31 < last;
			last = n * 7 % 31;
			strange += !g_active(id) || g_pending(id);
		}
		g_eoi(iar);
	}
	tg_eq(taken, NR_SPIS, "40 pending at once: all came");
	tg_eq(strange, 0, "40 pending at once: active while handled");
	tg_eq(order, 0, "40 pending at once: by priority");
	for (unsigned n = 0; n < NR_SPIS; n++)
		strange += seen[n] != 1 || g_active(SPI + n) || g_pending(SPI + n);
	tg_eq(strange, 0, "40 pending at once: each once, all idle at the end");
	spi_reset();
}

#define DEPTH 14u

/* Each preempts the one before; more active interrupts than list registers. */
static void nested_up(uint32_t *iars)
{
	unsigned wrong = 0, inactive = 0;

	for (unsigned n = 0; n < DEPTH; n++) {
		spi_setup(n, (uint8_t)(0xf0 - n * 16));
		g_pend(SPI + n);
		wrong += g_ack(&iars[n]) != SPI + n;
		wrong += g_rpr() != (uint8_t)(0xf0 - n * 16);
	}
	tg_eq(wrong, 0, "14 deep: each preempts the last");
	for (unsigned n = 0; n < DEPTH; n++) inactive += !g_active(SPI + n) || g_pending(SPI + n);
	tg_eq(inactive, 0, "14 deep: all active");
	tg_eq(g_ack(NULL), G_NONE, "14 deep: nothing more");
}

static void nested(void)
{
	unsigned wrong = 0, active = 0;
	uint32_t iars[DEPTH];

	nested_up(iars);
	for (unsigned n = 0; n < DEPTH; n++) g_pend(SPI + n); /* and pending besides */
	tg_eq(g_ack(NULL), G_NONE, "14 deep: active ones pended again are not signalled");
	for (unsigned n = 0; n < DEPTH; n++) g_unpend(SPI + n);
	for (unsigned n = DEPTH; n-- > 0;) {
		g_eoi(iars[n]);
		wrong += g_rpr() != (n ? 0x100 - n * 16 : 0xff);
		for (unsigned m = 0; m < DEPTH; m++) active += g_active(SPI + m) != (m < n);
	}
	tg_eq(wrong, 0, "14 deep: priorities drop one by one");
	tg_eq(active, 0, "14 deep: each EOI deactivates its own");
	tg_eq(g_ack(NULL), G_NONE, "14 deep: idle at the end");
	spi_reset();
}

static void nested_split(void)
{
	unsigned wrong = 0, active = 0, id, taken = 0;
	uint32_t iars[DEPTH];

	g_set_eoimode(true);
	nested_up(iars);
	for (unsigned n = DEPTH; n-- > 0;) {
		g_eoi(iars[n]);
		wrong += g_rpr() != (n ? 0x100 - n * 16 : 0xff);
	}
	tg_eq(wrong, 0, "split EOI: priorities drop one by one");
	for (unsigned n = 0; n < DEPTH; n++) {
		active += !g_active(SPI + n);
		g_pend(SPI + n);
	}
	tg_eq(active, 0, "split EOI: all still active");
	tg_eq(g_ack(NULL), G_NONE, "split EOI: active ones are not signalled");
	active = 0;
	for (unsigned i = 0; i < DEPTH; i++) {
		unsigned n = i * 5 % DEPTH; /* any order */

		g_unpend(SPI + n);
		g_dir(iars[n]);
		active += g_active(SPI + n);
	}
	tg_eq(active, 0, "split EOI: DIR deactivates, in any order");
	for (unsigned n = 0; n < DEPTH; n++) g_pend(SPI + n);
	while ((id = g_ack(&iar)) != G_NONE && taken < 2 * DEPTH) {
		wrong += id != SPI + DEPTH - 1 - taken++;
		g_eoi(iar);
		wrong += !g_active(id);
		g_dir(iar);
		wrong += g_active(id);
	}
	tg_check(taken == DEPTH && wrong == 0, "split EOI: all come again after DIR");
	g_set_eoimode(false);
	spi_reset();
}

/* Pending ones beyond the list registers while as many are active. */
static void crowded(void)
{
	unsigned wrong = 0, taken = 0, id;
	uint32_t iars[6];

	for (unsigned n = 0; n < 6; n++) {
		spi_setup(n, (uint8_t)(0xa0 - n * 8));
		g_pend(SPI + n);
		wrong += g_ack(&iars[n]) != SPI + n;
	}
	for (unsigned n = 6; n < NR_SPIS; n++) {
		spi_setup(n, 0xc0); /* less urgent: all have to wait */
		g_pend(SPI + n);
	}
	tg_eq(g_ack(NULL), G_NONE, "crowded: less urgent ones wait");
	spi_setup(6, 0x20);
	tg_eq(g_ack(&iar), SPI + 6, "crowded: a more urgent one does not");
	g_eoi(iar);
	for (unsigned n = 6; n-- > 0;) {
		g_eoi(iars[n]);
		if (n > 0) wrong += g_ack(NULL) != G_NONE;
	}
	while ((id = g_ack(&iar)) != G_NONE && taken < NR_SPIS) {
		taken++;
		wrong += id <= SPI + 6;
		g_eoi(iar);
	}
	tg_eq(taken, NR_SPIS - 7, "crowded: the rest comes after the last EOI");
	tg_eq(wrong, 0, "crowded: in order");
	spi_reset();
}

/* ---- real handlers, one within the other ------------------------------------------------------
 */

#define LEVELS 10u
static volatile uint32_t level_now, level_max, levels_run, levels_wrong;

static void on_level(unsigned intid, void *arg)
{
	unsigned n = intid - SPI;

	(void)arg;
	level_now = level_now + 1;
	level_max = level_now > level_max ? level_now : level_max;
	levels_run = levels_run + 1;
	levels_wrong = levels_wrong + (level_now != n + 1);
	if (n + 1 < LEVELS) {
		uint32_t before = levels_run;

		__asm__ volatile("msr daifclr, #2" : : : "memory");
		g_pend(intid + 1);
		levels_wrong = levels_wrong + !tg_until_u32(&levels_run, before + 1, 1000000);
		__asm__ volatile("msr daifset, #2" : : : "memory");
	}
	level_now = level_now - 1;
}

static void handlers(void)
{
	uint32_t total;

	for (unsigned n = 0; n < LEVELS; n++) {
		uk_irq_register(SPI + n, on_level, NULL);
		g_set_edge(SPI + n, true);
		g_set_priority(SPI + n, (uint8_t)(0xc0 - n * 16));
	}
	for (unsigned round = 0; round < 20; round++) {
		total = levels_run;
		g_pend(SPI);
		levels_wrong = levels_wrong + !tg_until_u32(&levels_run, total + LEVELS, 2000000);
		levels_wrong = levels_wrong + (level_now != 0);
	}
	tg_eq(level_max, LEVELS, "handlers: 10 within one another");
	tg_eq(levels_run, 20 * LEVELS, "handlers: each ran once a round");
	tg_eq(levels_wrong, 0, "handlers: in order");
	for (unsigned n = 0; n < LEVELS; n++) uk_irq_unregister(SPI + n);
}

/* ---- a device's level line --------------------------------------------------------------------
 */

#define IMSC 0x38u
#define RIS 0x3cu
#define ICR 0x44u
#define INT_TX (1u << 5)

static bool uart_pends(void *want) { return g_pending(UART_IRQ) == (want != NULL); }

static void device_line(void)
{
	uint64_t uart = uk_machine()->uart_base;
	bool r[10];
	unsigned n = 0;
	uint32_t outer;

	/* Not a character is printed until the end: each one raises the line. */
	g_set_target(UART_IRQ, 0);
	g_set_priority(UART_IRQ, 0xa0);
	g_enable(UART_IRQ);
	mmio_write32(uart + IMSC, 0);
	mmio_write32(uart, '\r');
	tg_spin_us(2000);
	r[n++] = (mmio_read32(uart + RIS) & INT_TX) && !g_pending(UART_IRQ);
	mmio_write32(uart + IMSC, INT_TX);
	r[n++] = tg_until(uart_pends, &n, 500000);
	g_unpend(UART_IRQ);
	r[n++] = g_pending(UART_IRQ);
	r[n++] = g_ack(&outer) == UART_IRQ && g_active(UART_IRQ) && g_pending(UART_IRQ);
	g_eoi(outer);
	r[n++] = tg_until(uart_pends, &n, 500000) && g_ack(&outer) == UART_IRQ;
	mmio_write32(uart + ICR, INT_TX);
	r[n++] = tg_until(uart_pends, NULL, 500000) && g_active(UART_IRQ);
	g_eoi(outer);
	r[n++] = !g_pending(UART_IRQ) && !g_active(UART_IRQ) && g_ack(NULL) == G_NONE;
	mmio_write32(uart, '\r');
	r[n++] = tg_until(uart_pends, &n, 500000);
	mmio_write32(uart + IMSC, 0); /* pending, and taken away before it is acknowledged */
	r[n++] = tg_until(uart_pends, NULL, 500000);
	r[n++] = g_ack(NULL) == G_NONE;
	g_disable(UART_IRQ);

	tg_check(r[0], "PL011: masked TX interrupt is not pending");
	tg_check(r[1], "PL011: unmasked it is");
	tg_check(r[2], "PL011: ICPENDR does not clear what the line holds");
	tg_check(r[3], "PL011: acknowledged: active and pending");
	tg_check(r[4], "PL011: EOI with the line high: comes again");
	tg_check(r[5], "PL011: cleared at the device: only active");
	tg_check(r[6], "PL011: idle after EOI");
	tg_check(r[7], "PL011: next character: pending again");
	tg_check(r[8], "PL011: masked at the device: not pending");
	tg_check(r[9], "PL011: and nothing to acknowledge");
}

/* ---- SGIs -------------------------------------------------------------------------------------
 */

static void sgi_self(void)
{
	unsigned wrong = 0, id;

	g_set_priority(3, 0x80);
	g_enable(3);
	g_sgi_self(3);
	tg_check(g_pending(3), "SGI to itself: pending");
	tg_eq(g_ack(&iar), 3, "SGI to itself: acknowledged");
	tg_check(g_active(3) && !g_pending(3), "SGI to itself: active");
	g_sgi_self(3);
	tg_eq(g_ack(NULL), G_NONE, "SGI sent again: not while active");
	g_eoi(iar);
	tg_eq(g_ack(&iar), 3, "SGI sent again: comes after EOI");
	g_eoi(iar);
	g_sgi_self(3);
	g_sgi_self(3);
	tg_eq(g_ack(&iar), 3, "SGI sent twice: comes");
	g_eoi(iar);
	tg_eq(g_ack(NULL), G_NONE, "SGI sent twice: once");

	for (unsigned n = 0; n < 16; n++) {
		g_set_priority(n, (uint8_t)(0xf0 - n * 8));
		g_enable(n);
		g_sgi_self(n);
	}
	for (unsigned n = 16; n-- > 0;) {
		id = g_ack(&iar);
		wrong += id != n;
		g_eoi(iar);
	}
	tg_check(wrong == 0 && g_ack(NULL) == G_NONE, "all 16 SGIs, by priority");
	for (unsigned n = 0; n < 16; n++) g_set_priority(n, 0xa0);
	g_disable(3);
	g_sgi_self(3);
	/* GICv2 may have SGIs enabled for good (IHI 0048B 4.3.5). */
	id = g_ack(&iar);
	tg_check(id == (g_get(3, G_SETENABLE) ? 3 : G_NONE), "disabled SGI is not signalled");
	if (id == 3) g_eoi(iar);
	g_enable(3);
	while (g_ack(&iar) != G_NONE) g_eoi(iar);
	if (g_is_v3()) {
		g_pend(5);
		tg_eq(g_ack(&iar), 5, "SGI by GICR_ISPENDR0");
		g_eoi(iar);
		g_sgi_self(5);
		g_unpend(5);
		tg_eq(g_ack(NULL), G_NONE, "SGI taken away by GICR_ICPENDR0");
	} else {
		mmio_write8(g_dist() + 0xf20 + 5, 1); /* SPENDSGIR: from CPU 0 */
		tg_eq(mmio_read8(g_dist() + 0xf10 + 5), 1, "SGI by GICD_SPENDSGIR");
		tg_eq(g_ack(&iar), 5, "SGI by GICD_SPENDSGIR: acknowledged");
		g_eoi(iar);
		g_sgi_self(5);
		mmio_write8(g_dist() + 0xf10 + 5, 1);
		tg_eq(g_ack(NULL), G_NONE, "SGI taken away by GICD_CPENDSGIR");
	}
}

static void spi_level(void) { spi_basic(false); }

static void spi_edge(void) { spi_basic(true); }

/* by_hand: with PSTATE.I set. smp: needs another CPU. */
static const struct {
	const char *name;
	void (*fn)(void);
	bool by_hand, smp;
} sections[] = {
    {"identification", identification, true, false},
    {"reserved", reserved, true, false},
    {"routing", routing, true, false},
    {"configuration", configuration, true, false},
    {"spi_edge", spi_edge, true, false},
    {"spi_level", spi_level, true, false},
    {"priority_mask", priority_mask, true, false},
    {"preemption", preemption, true, false},
    {"overflow", overflow, true, false},
    {"nested", nested, true, false},
    {"nested_split", nested_split, true, false},
    {"crowded", crowded, true, false},
    {"device_line", device_line, true, false},
    {"sgi_self", sgi_self, true, false},
    {"sgi_sources", sgi_sources, true, true},
    {"spi_moves", spi_moves, true, true},
    {"handlers", handlers, false, false},
    {"sgi_others", sgi_others, false, false},
    {"storms", storms, false, false},
};

/* What a failed section left behind is not to fail the next one. */
static void clean_up(void)
{
	g_set_eoimode(false);
	g_set_pmr(0xff);
	for (unsigned n = 0; n < NR_SPIS; n++) g_put(SPI + n, G_CLEARACTIVE);
	for (unsigned i = 0; i < 32 && g_rpr() != 0xff; i++) g_eoi(SPI);
	spi_reset();
}

/* Arguments choose sections; none: all. */
int main(int argc, char **argv)
{
	uint64_t daif;

	tg_start("gic");
	nr_cpus = uk_machine()->nr_cpus;
	g_cpu_init();
	for (unsigned i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		if ((argc > 1 && !uk_arg_flag(argc, argv, sections[i].name)) ||
		    (sections[i].smp && nr_cpus == 1))
			continue;
		daif = uk_irq_save();
		if (sections[i].by_hand) {
			sections[i].fn();
		} else {
			uk_irq_restore(daif);
			sections[i].fn();
			daif = uk_irq_save();
		}
		clean_up();
		uk_irq_restore(daif);
	}
	return tg_end();
}
