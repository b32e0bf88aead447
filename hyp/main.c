/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from boot.S to hyp_start(): console, host facts, memory map, interrupts, time, CPUs,
 * banner. Whatever is wrong gets one sentence.
 */
#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/mm.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/board.h>
#include <hyp/config.h>
#include <hyp/console.h>
#include <hyp/deadline.h>
#include <hyp/host.h>
#include <hyp/irq.h>
#include <hyp/log.h>
#include <hyp/main.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <lib/str.h>
#include <lib/printf.h>

#include <asm/boot.h>
#include <gen/version.h>
#include <string.h>

/* Called by boot.S: the first two with the MMU off. */
const void *boot_early(const void *fdt);
noreturn void boot_wrong_el(const void *fdt, unsigned el);
noreturn void boot_main(const void *fdt);

static uint32_t released; /* shared: secondaries may go */

noreturn void boot_end(void)
{
	char arg[16];

	say("\n");
	if (str_arg(host.bootargs, "when-idle", arg, sizeof(arg)) && strcmp(arg, "poweroff") == 0)
		arch_system_off();
	boot_park();
}

void boot_need(enum hyp_err err, const char *what)
{
	if (err != HYP_OK) boot_stop("%s: %s", what, hyp_err_str(err));
}

static const struct board *early_console(void)
{
	const struct board *b = board_guess((uint64_t)(uintptr_t)image_start);
	const struct host_uart u = {.type = HOST_UART_PL011, .regs = {.base = b->uart}};

	console_early(&u);
	return b;
}

const void *boot_early(const void *fdt)
{
	const struct board *b = early_console();
	uint64_t size = config_fdt_size(fdt);

	if (arch_mm_boot(fdt, size, b->uart) != HYP_OK)
		boot_stop("the image and the device tree at %p overlap", fdt);
	return size != 0 ? fdt : NULL;
}

noreturn void boot_wrong_el(const void *fdt, unsigned el)
{
	const char *why;

	early_console();
	if (config_fdt_size(fdt) != 0 && config_host_init(fdt, &host, &why) != HYP_OK)
		host.psci_smc = false; /* say the more important thing all the same */
	boot_stop("entered at EL%u; Atoll needs EL2 (QEMU: -machine virt,virtualization=on)", el);
}

/* error, warn, info, debug or trace (the most there is). */
static enum log_level level_arg(const char *word)
{
	char val[8];

	if (!str_arg(host.bootargs, word, val, sizeof(val)) || val[0] == 'i') return LOG_INFO;
	return val[0] == 'e' ? LOG_ERR : val[0] == 'w' ? LOG_WARN : LOG_DBG;
}

static void start_console(void)
{
	const struct board *b = board_find(host.compatible);
	char mode[8];

	if (host.uart.type == HOST_UART_NONE) {
		/* To the UART that was guessed. */
		say("atoll: the device tree names no UART that Atoll can use: no more is shown\n");
	} else {
		boot_need(arch_mm_map(host.uart.regs.base, host.uart.regs.size, MM_DEVICE),
		          "the console UART of the device tree lies in RAM");
	}
	console_init(&host.uart); /* without a UART as well: guests' output goes nowhere then */
	console_set_color(!str_arg(host.bootargs, "console", mode, sizeof(mode)) ||
	                  strcmp(mode, "plain") != 0);
	log_set_levels(level_arg("loglvl"), level_arg("guest_loglvl"));
	if (b != NULL && b->power.size != 0) {
		boot_need(arch_mm_map(b->power.base, b->power.size, MM_DEVICE),
		          "the board's power registers lie in RAM");
	}
}

static void start_cpus(void)
{
	for (unsigned i = 1; i < host.nr_cpus;) {
		if (arch_cpu_start(i) == HYP_OK) {
			nr_pcpus = ++i;
			continue;
		}
		host.nr_cpus--; /* left out: those behind move up */
		host.nr_cpus_ignored++;
		memmove(&host.cpus[i], &host.cpus[i + 1],
		        (host.nr_cpus - i) * sizeof(host.cpus[0]));
	}
}

uint64_t ram_size(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < host.nr_ram; i++) sum += host.ram[i].size;
	return sum;
}

static void banner(void)
{
	const struct board *b = board_find(host.compatible);
	const struct arch_gic_info *gic = arch_gic_info();
	char cpu[48];

	arch_cpu_name(cpu, sizeof(cpu));
	say("Atoll %s on %s (%s), EL2\n", ATOLL_VERSION, b != NULL ? b->name : host.model,
	    host.compatible);
	say("  CPUs   %u x %s", nr_pcpus, cpu);
	say(host.nr_cpus_ignored != 0 ? ", %u left out\n" : "\n", host.nr_cpus_ignored);
	say("  RAM    %lu MiB in %u bank%s\n", ram_size() >> 20, host.nr_ram,
	    host.nr_ram == 1 ? "" : "s");
	say("  GIC    v%u, %u list registers, %u interrupts\n", gic->version, gic->nr_lrs,
	    gic->nr_irqs);
	say("  timer  %lu Hz\n", arch_counter_hz());
}

noreturn void boot_main(const void *fdt)
{
	const char *why;

	arch_cpu_init();
	if (fdt == NULL) boot_stop("the loader passed no device tree (x0), or a broken one");
	if (config_host_init(fdt, &host, &why) != HYP_OK) boot_stop("%s", why);
	boot_need(arch_timer_init(host.timer.clock_hz),
	          "the timer's frequency is unknown (CNTFRQ_EL0 is 0, no clock-frequency)");
	arch_smp_init(&host);
	nr_pcpus = 1;
	start_console();
	boot_need(arch_mm_init(&host),
	          "EL2's memory map: RAM, initrd or device tree overlap, or too many banks");
	boot_need(page_init(&host, ptr_to_pa(image_start), ptr_to_pa(image_end)), "too little RAM");
	boot_need(arch_gic_init(&host.gic), "the interrupt controller cannot be used");
	arch_gic_cpu_init();
	deadline_cpu_init();
	irq_cpu_init();
	start_cpus();
	banner();
	hyp_start();
}

noreturn void boot_secondary(void)
{
	struct pcpu *p = this_pcpu();

	arch_gic_cpu_init();
	deadline_cpu_init();
	irq_cpu_init();
	store_release(&p->online, true); /* after all of this CPU's set-up */
	while (!load_acquire(&released)) {
		arch_cpu_idle(); /* WFI, not WFE: QEMU spins on that */
		irq_handle();    /* the release's SGI, or a panic's */
	}
	hyp_start_secondary();
}

void boot_release(void)
{
	store_release(&released, 1u);
	arch_gic_send_sgi_others(GIC_SGI_KICK); /* after the store, by its DSB */
}
