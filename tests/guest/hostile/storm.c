/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storms: on every vCPU, one after the other, each for ms= milliseconds; the words are those to
 * run, all without any. A line for each says when, by the host's counter.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../tg_gic.h"
#include "hx.h"

#define SPI_FIRST 32u
#define SPI_EDGE 60u
#define SGI_STORM 3u
#define PSCI_VERSION 0x84000000u
#define PSCI_AFFINITY_INFO 0xc4000004u
#define PSCI_CPU_ON 0xc4000003u
#define HOLE 0x0b000000ul
#define UARTDR 0x00u
#define UARTFR 0x18u
#define UARTIMSC 0x38u
#define INT_TX (1u << 5)
#define RTCMR 0x04u
#define RTCLR 0x08u
#define RTCIMSC 0x10u
#define TIMER_ON 1u

static uint64_t end; /* of this storm, CNTVCT */
static volatile uint64_t interrupts[UK_MAX_CPUS];
static unsigned nr_cpus;

static bool over(void) { return uk_ticks() > end; }

/* ---- storms of traps --------------------------------------------------------------------------
 */

static void spin(void)
{
	while (!over())
		for (volatile unsigned i = 0; i < 1000; i++) {
		}
}

/* All masked, with a timer that fires and would be taken. */
static void masked(void)
{
	__asm__ volatile("msr daifset, #15" : : : "memory");
	sysreg_write(cntv_cval_el0, 0);
	sysreg_write(cntv_ctl_el0, TIMER_ON);
	spin();
	sysreg_write(cntv_ctl_el0, 0);
	__asm__ volatile("isb\n\tmsr daifclr, #6" : : : "memory");
}

static void wfe(void)
{
	while (!over()) __asm__ volatile("sevl\n\twfe\n\twfe\n\tsev\n\twfe" : : : "memory");
}

/* WFI that never waits, for what is pending is masked. */
static void wfi_pending(void)
{
	uint64_t daif = uk_irq_save();

	sysreg_write(cntv_cval_el0, 0);
	sysreg_write(cntv_ctl_el0, TIMER_ON);
	while (!over()) __asm__ volatile("wfi" : : : "memory");
	sysreg_write(cntv_ctl_el0, 0);
	isb(); /* low before interrupts are on */
	uk_irq_restore(daif);
}

/* WFI that waits for a moment: blocking and waking as fast as can be. */
static void wfi_short(void)
{
	while (!over()) {
		uint64_t daif = uk_irq_save();

		sysreg_write(cntv_tval_el0, 2000);
		sysreg_write(cntv_ctl_el0, TIMER_ON);
		isb(); /* armed */
		uk_wfi();
		uk_irq_restore(daif);
	}
}

static void hvc(void)
{
	while (!over()) {
		(void)uk_hvc(PSCI_VERSION, 0, 0, 0);
		(void)uk_hvc(0xc600beef, 1, 2, 3);
		(void)uk_hvc(PSCI_AFFINITY_INFO, 0, 0, 0);
		(void)uk_hvc(PSCI_CPU_ON, uk_machine()->mpidr[0], 0, 0);
	}
}

static void smc(void)
{
	while (!over()) {
		register uint64_t x0 __asm__("x0") = 0xbf00ff00;

		__asm__ volatile("smc #0x1234" : "+r"(x0) : : "x1", "x2", "x3", "memory");
	}
}

static void sysregs(void)
{
	while (!over()) {
		(void)sysreg_read(id_aa64pfr0_el1);
		(void)sysreg_read(actlr_el1);
		(void)sysreg_read(cntp_cval_el0);
		sysreg_write(oslar_el1, 0);
		sysreg_write(cntp_cval_el0, ~0ul);
	}
}

/* Undefined instructions and aborts, injected and stepped over by the hook. */
static void undefined(void)
{
	while (!over()) __asm__ volatile("mrs x9, pmcr_el0" : : : "x9");
}

static void aborts(void)
{
	while (!over()) {
		mmio_write32(HOLE, 0);
		(void)mmio_read64(uk_machine()->ram_base + uk_machine()->ram_size);
		__asm__ volatile("ldp q0, q1, [%0]" : : "r"(HOLE) : "v0", "v1", "memory");
	}
}

static void mmio(void)
{
	uint64_t uart = uk_machine()->uart_base;

	while (!over()) {
		(void)mmio_read32(uart + UARTFR);
		(void)mmio_read32(g_dist() + 4);
		__asm__ volatile("ldp w9, w10, [%0]"
		                 :
		                 : "r"(uart + UARTIMSC)
		                 : "x9", "x10", "memory");
		(void)mmio_read32(0x0a000000);
	}
}

/* ---- storms of interrupts ---------------------------------------------------------------------
 */

static void count(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	interrupts[uk_cpu_id()]++;
}

/* Everything pending and enabled, over and over, and none of it taken. */
static void gicd_all(void)
{
	uint64_t daif = uk_irq_save();

	while (!over()) {
		for (unsigned i = 0; i < g_nr_intids(); i += 32) {
			g_put(i, G_SETENABLE);
			mmio_write32((i < 32 ? g_private() : g_dist()) + G_SETENABLE + i / 8, ~0u);
			mmio_write32((i < 32 ? g_private() : g_dist()) + G_SETPENDING + i / 8, ~0u);
			mmio_write32((i < 32 ? g_private() : g_dist()) + G_SETACTIVE + i / 8, ~0u);
		}
		(void)mmio_read32(g_dist() + G_SETPENDING + 4);
		(void)mmio_read32(g_dist() + G_SETACTIVE + 8);
		for (unsigned i = 0; i < g_nr_intids(); i += 32) {
			mmio_write32((i < 32 ? g_private() : g_dist()) + G_CLEARACTIVE + i / 8,
			             ~0u);
			mmio_write32((i < 32 ? g_private() : g_dist()) + G_CLEARPENDING + i / 8,
			             ~0u);
			mmio_write32((i < 32 ? g_private() : g_dist()) + G_CLEARENABLE + i / 8,
			             ~0xffffu);
		}
	}
	g_enable(uk_machine()->timer_irq[UK_TIMER_VIRT]);
	g_enable(uk_machine()->timer_irq[UK_TIMER_PHYS]);
	uk_irq_restore(daif);
}

/* The enables of the distributor, which touch every interrupt. */
static void gicd_ctlr(void)
{
	uint32_t ctlr = mmio_read32(g_dist());
	uint64_t daif = uk_irq_save();

	for (unsigned i = SPI_FIRST; i < g_nr_intids(); i += 32)
		mmio_write32(g_dist() + G_SETPENDING + i / 8, ~0u);
	while (!over()) {
		mmio_write32(g_dist(), 0);
		mmio_write32(g_dist(), ctlr | 3);
	}
	mmio_write32(g_dist(), ctlr);
	for (unsigned i = SPI_FIRST; i < g_nr_intids(); i += 32)
		mmio_write32(g_dist() + G_CLEARPENDING + i / 8, ~0u);
	uk_irq_restore(daif);
}

/* Routes and priorities that change while interrupts are pending. */
static void gicd_route(void)
{
	uint64_t daif = uk_irq_save();

	while (!over()) {
		for (unsigned i = 64; i < 96; i++) {
			g_pend(i);
			g_set_target(i, i % nr_cpus);
			g_set_priority(i, (uint8_t)(i << 3));
		}
	}
	for (unsigned i = 64; i < 96; i++) g_unpend(i);
	uk_irq_restore(daif);
}

static void sgi(void)
{
	while (!over()) {
		g_sgi_others(SGI_STORM);
		g_sgi_self(SGI_STORM);
		for (unsigned cpu = 0; cpu < nr_cpus; cpu++) g_sgi(cpu, SGI_STORM);
	}
}

/* An edge that pends itself again whenever it is taken. */
static void again(unsigned intid, void *arg)
{
	(void)arg;
	if (!over()) g_pend(intid);
}

static void spi(void)
{
	g_pend(SPI_EDGE);
	spin();
}

/* The PL011's line stays high as nobody clears it. */
static void level_handler(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	if (over()) mmio_write32(uk_machine()->uart_base + UARTIMSC, 0);
}

static void level(void)
{
	mmio_write32(uk_machine()->uart_base + UARTDR, '\r');
	mmio_write32(uk_machine()->uart_base + UARTIMSC, INT_TX);
	spin();
	mmio_write32(uk_machine()->uart_base + UARTIMSC, 0);
}

/* ---- storms of timers -------------------------------------------------------------------------
 */

/* In the past again at once; in turns by CVAL, and by a TVAL that is negative. */
static void timer_handler(unsigned intid, void *arg)
{
	bool phys = intid == uk_machine()->timer_irq[UK_TIMER_PHYS], off = over();

	(void)arg;
	interrupts[uk_cpu_id()]++;
	if (phys) {
		if (interrupts[uk_cpu_id()] & 1)
			sysreg_write(cntp_cval_el0, 0);
		else
			sysreg_write(cntp_tval_el0, 0x80000000);
		if (off) sysreg_write(cntp_ctl_el0, 0);
	} else {
		if (interrupts[uk_cpu_id()] & 1)
			sysreg_write(cntv_tval_el0, 0xffffffff);
		else
			sysreg_write(cntv_cval_el0, 1);
		if (off) sysreg_write(cntv_ctl_el0, 0);
	}
	isb(); /* the line is low before the end of interrupt, if it is to be */
}

static void timers(bool virt, bool phys)
{
	if (virt) {
		sysreg_write(cntv_cval_el0, 0);
		sysreg_write(cntv_ctl_el0, TIMER_ON);
	}
	if (phys) {
		sysreg_write(cntp_cval_el0, 0);
		sysreg_write(cntp_ctl_el0, TIMER_ON);
	}
	spin();
	sysreg_write(cntv_ctl_el0, 0);
	sysreg_write(cntp_ctl_el0, 0);
	isb(); /* off */
}

static void timer_virt(void) { timers(true, false); }
static void timer_phys(void) { timers(false, true); }
static void timer_both(void) { timers(true, true); }

/* Deadlines that are always a moment away, and so far away that sums wrap. */
static void timer_set(void)
{
	uint64_t daif = uk_irq_save();

	while (!over()) {
		sysreg_write(cntp_cval_el0, sysreg_read(cntpct_el0) + 500);
		sysreg_write(cntp_ctl_el0, TIMER_ON);
		sysreg_write(cntp_cval_el0, ~0ul);
		sysreg_write(cntp_tval_el0, 0x7fffffff);
		sysreg_write(cntp_cval_el0, 1ul << 63);
		sysreg_write(cntp_tval_el0, 600);
		sysreg_write(cntv_cval_el0, ~0ul);
		sysreg_write(cntv_ctl_el0, TIMER_ON);
		sysreg_write(cntv_tval_el0, 0x80000000);
	}
	sysreg_write(cntp_ctl_el0, 0);
	sysreg_write(cntv_ctl_el0, 0);
	isb(); /* off */
	uk_irq_restore(daif);
}

/* ---- storms of output -------------------------------------------------------------------------
 */

static void flood(const char *text)
{
	while (!over())
		for (const char *c = text; *c; c++)
			mmio_write32(uk_machine()->uart_base + UARTDR, (uint8_t)*c);
}

static void console_lines(void) { flood("storm\r\n"); }
static void console_empty(void) { flood("\n"); }
static void console_escape(void) { flood("\x1b[31m\x1b]0;x\x1b[999;999H\x1b["); }
static void console_endless(void) { flood("################################################"); }

/* ---- storms of maintenance --------------------------------------------------------------------
 */

static void setway(void)
{
	uint64_t sctlr = sysreg_read(sctlr_el1);

	while (!over()) {
		__asm__ volatile("dc cisw, xzr\n\tdc isw, %0\n\tdc csw, %0" : : "r"(64) : "memory");
		/* The caches go off and on: each is one more flush. */
		sysreg_write(sctlr_el1, sctlr & ~4ul);
		isb(); /* off */
		sysreg_write(sctlr_el1, sctlr);
		isb(); /* on */
	}
}

static void cache_va(void)
{
	static uint8_t area[65536] __attribute__((aligned(64)));

	while (!over()) {
		for (unsigned i = 0; i < sizeof(area); i += 64)
			__asm__ volatile("dc civac, %0" : : "r"(area + i) : "memory");
		__asm__ volatile("ic ialluis\n\tdsb sy" : : : "memory");
	}
}

static void tlbi(void)
{
	while (!over())
		__asm__ volatile("tlbi vmalle1is\n\ttlbi aside1is, xzr\n\ttlbi vale1is, %0\n\t"
		                 "tlbi vmalle1\n\tdsb sy\n\tisb"
		                 :
		                 : "r"(uk_machine()->ram_base >> 12)
		                 : "memory");
}

/* Code that changes before it is executed, with the maintenance that this takes. */
static uint32_t *code_page;
static uint64_t code_exec;

static void selfmod(void)
{
	uint32_t insn = 0xd2800000u; /* mov x0, #n */
	uint64_t n = 0;

	while (!over()) {
		uint32_t *at = code_page + uk_cpu_id() * 16;

		at[0] = insn | (uint32_t)(n++ & 0xffff) << 5;
		at[1] = 0xd65f03c0u; /* ret */
		__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb"
		                 :
		                 : "r"(at)
		                 : "memory");
		((uint64_t(*)(void))(code_exec + 64ul * uk_cpu_id()))();
	}
}

/* Breakpoint exceptions, and software step of itself by the debug registers. */
static void debug(void)
{
	while (!over()) __asm__ volatile("brk #1\n\thlt #2" : : : "memory");
}

static const struct storm {
	const char *name;
	void (*fn)(void);
} storms[] = {
    {"spin", spin},
    {"masked", masked},
    {"wfe", wfe},
    {"wfi-pending", wfi_pending},
    {"wfi-short", wfi_short},
    {"hvc", hvc},
    {"smc", smc},
    {"sysregs", sysregs},
    {"undefined", undefined},
    {"aborts", aborts},
    {"mmio", mmio},
    {"gicd-all", gicd_all},
    {"gicd-ctlr", gicd_ctlr},
    {"gicd-route", gicd_route},
    {"sgi", sgi},
    {"spi", spi},
    {"level", level},
    {"timer-virt", timer_virt},
    {"timer-phys", timer_phys},
    {"timer-both", timer_both},
    {"timer-set", timer_set},
    {"console-lines", console_lines},
    {"console-empty", console_empty},
    {"console-escape", console_escape},
    {"console-endless", console_endless},
    {"setway", setway},
    {"cache-va", cache_va},
    {"tlbi", tlbi},
    {"selfmod", selfmod},
    {"debug", debug},
};

/* ---- around them ------------------------------------------------------------------------------
 */

static bool step_over(struct uk_regs *regs)
{
	regs->pc += 4;
	return true;
}

static unsigned done;

static void on_cpu(void *arg)
{
	const struct storm *s = arg;

	g_cpu_init();
	uk_irq_enable(SGI_STORM);
	s->fn();
	__atomic_fetch_add(&done, 1, __ATOMIC_ACQ_REL);
}

static uint64_t host_now(void)
{
	isb(); /* not read early */
	return sysreg_read(cntpct_el0);
}

static void run(const struct storm *s, uint64_t ms)
{
	uint64_t begin = host_now();

	done = 0;
	end = uk_ticks() + ms * uk_tick_hz() / 1000;
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) {
		while (!uk_cpu_is_off(cpu)) uk_cpu_relax();
		if (uk_cpu_start(cpu, on_cpu, (void *)(uintptr_t)s) != 0) uk_crash("no CPU");
	}
	on_cpu((void *)(uintptr_t)s);
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < nr_cpus) uk_cpu_relax();
	printf("\n@storm %s from %" PRIu64 " to %" PRIu64 "\n", s->name, begin, host_now());
}

int main(int argc, char **argv)
{
	const struct uk_machine *m = uk_machine();
	uint64_t ms = uk_arg_u64(argc, argv, "ms", 20);
	bool any = false;

	hx_start("storm");
	nr_cpus = m->nr_cpus;
	g_cpu_init();
	uk_fault_hook(step_over);
	for (unsigned t = 0; t < UK_NR_TIMERS; t++) {
		uk_timer_stop((enum uk_timer)t);
		uk_irq_unregister(m->timer_irq[t]);
		uk_irq_register(m->timer_irq[t], timer_handler, NULL);
	}
	code_page = uk_pages_alloc(1);
	if (!code_page) return 1;
	code_exec = hx_map((uint64_t)code_page, HX_EXEC);
	uk_irq_register(SGI_STORM, count, NULL);
	uk_irq_register(SPI_EDGE, again, NULL);
	uk_irq_set_edge(SPI_EDGE, true);
	uk_irq_register(m->uart_irq, level_handler, NULL);
	for (const struct storm *s = storms; s < storms + sizeof(storms) / sizeof(storms[0]); s++)
		any |= uk_arg_flag(argc, argv, s->name);
	for (const struct storm *s = storms; s < storms + sizeof(storms) / sizeof(storms[0]); s++)
		if (!any || uk_arg_flag(argc, argv, s->name)) run(s, ms);
	printf("@storm end\n");
	return 0;
}
