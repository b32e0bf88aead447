/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the host that the manifest gives (docs/manifest.md, assign): a PL031 with its alarm, a
 * PL061, a PL011 behind rules; what lies beside their registers stays out of reach.
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>

#include "tg.h"
#include "tg_gic.h"

#define BUS "/platform-bus@c000000"
#define FIRST_IRQ 144u

static const void *fdt;
static volatile uint32_t fired, fired_on;

/* A device below the bus: its node. */
static int find(const char *compatible)
{
	int node, bus = fdt_path_offset(fdt, BUS);

	fdt_for_each_subnode (node, fdt, bus)
		if (fdt_node_check_compatible(fdt, node, compatible) == 0) return node;
	return -1;
}

static uint32_t cell(int node, const char *name, int i)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	return p && len / 4 > i ? fdt32_to_cpu(p[i]) : ~0u;
}

static uint64_t regs_of(int node)
{
	return tg_map((uint64_t)cell(node, "reg", 0) << 32 | cell(node, "reg", 1), TG_MAP_DEVICE);
}

static unsigned irq_of(int node) { return cell(node, "interrupts", 1) + 32; }

/* What is common to all of them. */
static void described(int node, bool clock)
{
	int parent;

	tg_check(node >= 0, "found in the device tree");
	tg_eq(cell(node, "interrupts", 0), 0, "an SPI");
	tg_check(irq_of(node) >= FIRST_IRQ && irq_of(node) < FIRST_IRQ + 8, "of the window");
	tg_eq(cell(node, "reg", 0), 0, "registers in the window");
	tg_check(cell(node, "reg", 1) - 0x0c000000 < 0x02000000, "registers in the window");
	tg_check(!fdt_getprop(fdt, node, "phandle", NULL), "no handle of the host's");
	tg_check(!fdt_getprop(fdt, node, "interrupt-parent", NULL), "no parent of the host's");
	if (clock) {
		parent = fdt_node_offset_by_phandle(fdt, cell(node, "clocks", 0));
		tg_check(parent >= 0 && cell(parent, "clock-frequency", 0) == 24000000,
		         "its clock");
	} else {
		tg_check(!fdt_getprop(fdt, node, "clocks", NULL) &&
		             !fdt_getprop(fdt, node, "clock-names", NULL),
		         "no clock of the host's");
	}
}

/* ---- PL031 ---------------------------------------------------------------------------------- */

#define RTC_DR 0x00u
#define RTC_MR 0x04u
#define RTC_LR 0x08u
#define RTC_IMSC 0x10u
#define RTC_RIS 0x14u
#define RTC_ICR 0x1cu

static uint64_t rtc;

static void on_alarm(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	mmio_write32(rtc + RTC_ICR, 1);
	fired_on = uk_cpu_id();
	fired = fired + 1;
}

static void alarm(unsigned seconds)
{
	mmio_write32(rtc + RTC_MR, mmio_read32(rtc + RTC_DR) + seconds);
}

static volatile uint32_t ready, stop;

static void sleep_on(void *arg)
{
	(void)arg;
	g_cpu_init();
	ready = ready + 1; /* one CPU at a time is started */
	while (!stop) uk_sleep_us(1000);
}

static void pl031(unsigned nr_cpus)
{
	int node = find("arm,pl031");
	unsigned irq = irq_of(node), wrong = 0;
	uint32_t now;

	described(node, true);
	rtc = regs_of(node);
	now = mmio_read32(rtc + RTC_DR);
	printf("assigned: the time is %u\n", (unsigned)now);
	/* QEMU's shows the time of day; the virtual one, which begins at 0, is another device. */
	tg_check(now > 1600000000, "the host's clock");
	tg_check(mmio_read32(uk_machine()->rtc_base + RTC_DR) < 1000000, "not the virtual one");
	mmio_write32(rtc + RTC_IMSC, 0);
	mmio_write32(rtc + RTC_ICR, 1);
	tg_check(!g_pending(irq), "nothing is pending at start");
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		wrong +=
		    uk_cpu_start(cpu, sleep_on, NULL) != 0 || !tg_until_u32(&ready, cpu, 1000000);
	tg_eq(wrong, 0, "CPUs started");
	uk_irq_register(irq, on_alarm, NULL);
	mmio_write32(rtc + RTC_IMSC, 1);
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {
		g_set_target(irq, cpu);
		fired = 0;
		alarm(1);
		tg_check(tg_until_u32(&fired, 1, 10000000), "alarm");
		tg_eq(fired_on, cpu, "on the CPU it is routed to");
		tg_spin_us(20000);
		tg_check(fired == 1 && !g_active(irq) && !g_pending(irq), "once");
	}
	/* While it is disabled it waits; then it comes. */
	g_set_target(irq, 0);
	g_disable(irq);
	fired = 0;
	alarm(1);
	tg_spin_us(2500000);
	tg_check(fired == 0 && mmio_read32(rtc + RTC_RIS) == 1, "disabled: not taken");
	tg_check(g_pending(irq), "but pending");
	g_enable(irq);
	tg_check(tg_until_u32(&fired, 1, 1000000), "enabled: taken");
	/* What its device takes back is not delivered. */
	g_disable(irq);
	fired = 0;
	alarm(1);
	tg_spin_us(2500000);
	mmio_write32(rtc + RTC_ICR, 1);
	g_enable(irq);
	tg_spin_us(20000);
	tg_check(fired == 0 && !g_pending(irq), "withdrawn by its device");
	stop = 1;
}

static void on_last(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	if (!ready) { /* of the last life */
		tg_check(false, "no alarm yet");
		return;
	}
	exit(tg_end());
}

/*
 * Two lives of a VM: each leaves its alarm with the device asking for it, and ends in the handler,
 * or before it has taken the interrupt. The next one sees nothing of that once it has told the
 * device, and has its own.
 */
static void pl031_leave(bool masked)
{
	unsigned irq = irq_of(find("arm,pl031"));

	rtc = regs_of(find("arm,pl031"));
	mmio_write32(rtc + RTC_ICR, 1);
	tg_check(!g_pending(irq) && !g_active(irq), "nothing is pending at start");
	uk_irq_register(irq, on_last, NULL);
	mmio_write32(rtc + RTC_IMSC, 1);
	tg_spin_us(20000);
	ready = 1;
	if (masked) (void)uk_irq_save();
	alarm(1);
	tg_spin_us(2500000);
	tg_check(masked && g_pending(irq) && mmio_read32(rtc + RTC_RIS) == 1, "its own alarm");
}

/* ---- PL061 ---------------------------------------------------------------------------------- */

static void pl061(void)
{
	int node = find("arm,pl061");
	uint64_t gpio;
	struct tg_fault f;

	described(node, true);
	tg_check(fdt_getprop(fdt, node, "gpio-controller", NULL) != NULL, "still a GPIO");
	gpio = regs_of(node);
	tg_eq(mmio_read32(gpio + 0xfe0), 0x61, "PrimeCell identification");
	mmio_write32(gpio + 0x400, 0x0f); /* GPIODIR */
	tg_eq(mmio_read32(gpio + 0x400), 0x0f, "GPIODIR");
	mmio_write32(gpio + 0x3fc, 0x05); /* GPIODATA, all bits */
	tg_eq(mmio_read32(gpio + 0x3fc) & 0x0f, 0x05, "GPIODATA of outputs");
	mmio_write32(gpio + 0x400, 0);
	f = TG_TRY(mmio_read32(gpio + 0x1000));
	tg_check(f.count == 1 && TG_FSC(f) == FSC_EXTERNAL, "nothing behind its page");
}

/* ---- PL011 of a Pi, whose page is also others' ------------------------------------------------
 */

static uint64_t uart;

static void on_uart(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	mmio_write32(uart + 0x44, 0x7ff);
	mmio_write32(uart + 0x38, 0);
	fired = fired + 1;
}

static void pl011(bool rules)
{
	static const char text[] = "written by a guest\n";
	int node = find("arm,pl011");
	struct tg_fault f;

	described(node, false);
	uart = regs_of(node);
	tg_eq(cell(node, "reg", 1) & 0xfff, 0, "at its offset in the page");
	tg_eq(mmio_read32(uart + 0x18) & 8, 0, "UARTFR: idle");
	f = TG_TRY(mmio_read32(uart + 0x200));
	tg_check(f.count == 1 && TG_FSC(f) == FSC_EXTERNAL, "its neighbour's registers: abort");
	f = TG_TRY(mmio_write32(uart + 0xa00, 1));
	tg_check(f.count == 1 && TG_FSC(f) == FSC_EXTERNAL, "the last neighbour's: abort");
	f = TG_TRY(mmio_read32(uart + 0x1000));
	tg_check(f.count == 1 && TG_FSC(f) == FSC_EXTERNAL, "behind the page: abort");
	f = TG_TRY(mmio_read64(uart + 0x1fc));
	tg_check(f.count == 1, "across its end: abort");
	if (rules) {
		/* UARTIBRD: 12 bits of which rules give the lower 8; UARTFBRD: none. */
		mmio_write32(uart + 0x24, 0xfff);
		tg_eq(mmio_read32(uart + 0x24) & 0xff, 0xff, "rule: bits that may be written");
		mmio_write32(uart + 0x24, 0);
		tg_eq(mmio_read32(uart + 0x24), 0, "rule: and read");
		f = TG_TRY(mmio_read32(uart + 0x28));
		tg_check(f.count == 1, "no rule: abort");
		f = TG_TRY(mmio_read8(uart + 0x24));
		tg_check(f.count == 1, "rule: words only");
		f = TG_TRY(mmio_write32(uart + 0x18, 0));
		tg_check(f.count == 1, "rule without bits to write: abort");
		return;
	}
	mmio_write32(uart + 0x30, 0x301); /* UARTCR */
	for (const char *p = text; *p; p++) mmio_write8(uart, (uint8_t)*p);
	uk_irq_register(irq_of(node), on_uart, NULL);
	fired = 0;
	mmio_write32(uart + 0x38, 0x20); /* UARTIMSC: transmit */
	mmio_write8(uart, '\n');
	tg_check(tg_until_u32(&fired, 1, 1000000), "its interrupt");
	tg_spin_us(20000);
	tg_eq(fired, 1, "once");
}

int main(int argc, char **argv)
{
	fdt = uk_machine()->fdt;
	tg_start("assigned");
	g_cpu_init();
	if (uk_arg_flag(argc, argv, "none")) tg_check(fdt_path_offset(fdt, BUS) < 0, "no bus");
	if (uk_arg_flag(argc, argv, "pl031")) pl031(uk_machine()->nr_cpus);
	if (uk_arg_flag(argc, argv, "leave")) pl031_leave(false);
	if (uk_arg_flag(argc, argv, "masked")) pl031_leave(true);
	if (uk_arg_flag(argc, argv, "pl061")) pl061();
	if (uk_arg_flag(argc, argv, "pl011")) pl011(false);
	if (uk_arg_flag(argc, argv, "rules")) pl011(true);
	return tg_end();
}
