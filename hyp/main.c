/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from boot.S to the management guest, which makes the VMs: console, host facts, memory
 * map, interrupts, time, CPUs. Whatever is wrong gets one sentence.
 */
#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/mm.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <hyp/atomic.h>
#include <hyp/board.h>
#include <hyp/config.h>
#include <hyp/console.h>
#include <hyp/deadline.h>
#include <hyp/host.h>
#include <hyp/irq.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/management.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/trial.h>
#include <lib/str.h>

#include <asm/boot.h>
#include <gen/version.h>

/* Called by boot.S, the first with the MMU off. */
const void *boot_early(const void *fdt, unsigned el);
noreturn void boot_main(const void *fdt);

static uint32_t released; /* shared: secondaries may go */
static bool ending;       /* the sentence is said */
static const struct host_uart *early_uart;

static bool boot_arg_is(const char *word, const char *value)
{
	return str_arg_is(host.bootargs, word, value);
}

static noreturn void boot_end(void)
{
	say("\n");
	ending = true;
	if (boot_arg_is("panic", "reboot")) arch_system_reset(); /* the loader may know better */
	if (boot_arg_is("when-idle", "poweroff")) arch_system_off();
	boot_park();
}

/* A start that cannot go on: one sentence, then reset or off if bootargs say so, else halt. Boot
 * CPU only. */
#define boot_stop(...) (console_take_over(), say("\natoll: cannot start: " __VA_ARGS__), boot_end())

static void boot_need(enum hyp_err err, const char *what)
{
	if (err != HYP_OK) boot_stop("%s: %s", what, hyp_err_str(err));
}

static struct host_range image_range(void)
{
	pa_t start = ptr_to_pa(image_start);

	return (struct host_range){start, pa_raw(ptr_to_pa(image_end)) - pa_raw(start)};
}

/* A fault while the machine is explored: not of Atoll, but of what it was told. */
noreturn void boot_fault(uint64_t at)
{
	if (ending) boot_park(); /* it is another board that knows how to go off */
	ending = true;
	console_early(early_uart);
	boot_stop("nothing answers at 0x%lx, where x0 or the device tree led" CONFIG_OWN_TREE, at);
}

const void *boot_early(const void *fdt, unsigned el)
{
	const char *why;
	uint64_t size;

	early_uart = board_guess((uint64_t)(uintptr_t)image_start);
	console_early(early_uart);
	size = config_fdt_size(fdt);
	fdt = size != 0 ? fdt : NULL;
	if (el != 2) {
		if (config_host_init(fdt, image_range(), &host, &why) != HYP_OK)
			host.psci_smc = false; /* say the more important thing all the same */
		boot_stop(
		    "entered at EL%u; Atoll needs EL2 (QEMU: -machine virt,virtualization=on)", el);
	}
	if (arch_mm_boot(fdt, size, early_uart->regs.base) != HYP_OK)
		boot_stop("the image and the device tree at %p overlap", fdt);
	return fdt;
}

static enum log_level level_arg(const char *word)
{
	return boot_arg_is(word, "error")                                 ? LOG_ERR
	       : boot_arg_is(word, "warn")                                ? LOG_WARN
	       : boot_arg_is(word, "debug") || boot_arg_is(word, "trace") ? LOG_DBG
	                                                                  : LOG_INFO;
}

static void start_console(void)
{
	if (host.uart.type == HOST_UART_NONE) {
		/* To the UART that was guessed. */
		say("atoll: the device tree names no UART that Atoll can use: no more is shown\n");
	} else {
		boot_need(arch_mm_map(host.uart.regs.base, host.uart.regs.size, MM_DEVICE),
		          "the console UART of the device tree lies in RAM");
	}
	console_init(&host.uart); /* without a UART as well: guests' output goes nowhere then */
	console_color = !boot_arg_is("console", "plain");
	log_set_levels(level_arg("loglvl"), level_arg("guest_loglvl"));
}

static void start_cpus(void)
{
	for (unsigned i = 0; i < host.nr_cpus; i++)
		if (host.cpus[i].mpidr != this_pcpu()->mpidr &&
		    arch_cpu_start(&host.cpus[i], nr_pcpus) == HYP_OK)
			nr_pcpus++;
}

static uint64_t ram_size(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < host.nr_ram; i++) sum += host.ram[i].size;
	return sum;
}

static void banner(void)
{
	const struct arch_gic_info *gic = arch_gic_info();
	unsigned cpus = host.nr_cpus + host.nr_cpus_ignored;
	char cpu[48];

	arch_cpu_name(cpu, sizeof(cpu));
	say("Atoll %s on %s (%s), EL2\n", ATOLL_VERSION, board->name ? board->name : host.model,
	    host.compatible);
	say("  CPUs   %u x %s", nr_pcpus, cpu);
	say(cpus > nr_pcpus ? ", %u left out\n" : "\n", cpus - nr_pcpus);
	say("  RAM    %lu MiB in %u bank%s\n", ram_size() >> 20, host.nr_ram,
	    host.nr_ram == 1 ? "" : "s");
	say("  GIC    v%u, %u list registers, %u interrupts\n", gic->version, gic->nr_lrs,
	    gic->nr_irqs);
	say("  timer  %lu Hz\n", arch_counter_hz());
}

/* The management guest found that there is nothing to run. */
static void fail(const char *why) { boot_stop("%s", why); }

static const struct management_up management = {fail};

static void cpu_init(void)
{
	arch_errata_cpu_init();
	arch_gic_cpu_init();
	deadline_cpu_init();
	irq_cpu_init();
	store_release(&this_pcpu()->online, true); /* after all of this CPU's set-up */
}

/* Every CPU ends up here, the boot CPU as well. */
static noreturn void enter_guests(void)
{
	sched_cpu_init();
	trap_cpu_init();
	trap_enter_guests();
}

noreturn void boot_main(const void *fdt)
{
	const char *why;
	enum hyp_err err;

	arch_cpu_init();
	if (fdt == NULL)
		boot_stop("the loader passed no device tree (x0), or a broken one" CONFIG_OWN_TREE);
	err = config_host_init(fdt, image_range(), &host, &why);
	board_find(host.compatible);
	if (board->power.size != 0) /* first: who cannot start may be told to go off */
		boot_need(arch_mm_map(board->power.base, board->power.size, MM_DEVICE),
		          "the board's power registers lie in RAM");
	if (err != HYP_OK) boot_stop("%s", why);
	boot_need(arch_timer_init(host.timer.clock_hz),
	          "the timer's frequency is unknown (CNTFRQ_EL0 is 0, no clock-frequency)");
	start_console();
	boot_need(arch_mm_init(&host),
	          "EL2's memory map: RAM, initrd or device tree overlap, or too many banks");
	boot_need(page_init(&host, ptr_to_pa(image_start), ptr_to_pa(image_end)), "too little RAM");
	boot_need(arch_gic_init(&host.gic), "the interrupt controller cannot be used");
	cpu_init();
	nr_pcpus = 1; /* from now on a fault is Atoll's own */
	boot_need(trial_start(), "an update on trial: the card does not show its state file");
	start_cpus();
	banner();
	if (host.initrd.size == 0)
		boot_stop("no bundle: the loader passed no initrd (QEMU: -initrd bundle.img; "
		          "Raspberry Pi: initramfs bundle.img followkernel in config.txt)");
	sysreg_init();
	boot_need(s2_init(arch_pa_bits(), S2_VMID_BITS, &life_s2_ops), "too little RAM");
	boot_need(lifecycle_init(), "too little RAM");
	boot_need(management_start(&management),
	          "no management guest: too little RAM, or a CPU of less than 40 address bits");
	store_release(&released, 1u);
	arch_gic_send_sgi_others(GIC_SGI_KICK); /* after the store, by its DSB */
	enter_guests();
}

noreturn void boot_secondary(void)
{
	cpu_init();
	while (!load_acquire(&released)) {
		arch_cpu_idle(); /* WFI, not WFE: QEMU spins on that */
		irq_handle();    /* the release's SGI, or a panic's */
	}
	enter_guests();
}
