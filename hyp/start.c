/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a working EL2 to running VMs: bundle, manifest, creation, the table of VMs.
 */
#include <hyp/config.h>
#include <hyp/console.h>
#include <hyp/fit.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/main.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/shell.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <lib/str.h>
#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/mm.h>
#include <arch/timer.h>
#include <arch/trap.h>

#include <string.h>

static struct fit bundle;
static struct manifest manifest;

static void console_input(struct console_port *p) { vpl011_input(p->vm); }

static void console_room(struct console_port *p) { vpl011_room(p->vm); }

static const struct console_up up_calls = {console_input, shell_input, console_room};

static void read_manifest(void)
{
	const char *why;
	char idle[16];

	if (host.initrd.size == 0)
		boot_stop("no bundle: the loader passed no initrd (QEMU: -initrd bundle.img)");
	if (fit_open(pa_to_ptr(host.initrd.base), host.initrd.size, &bundle, &why) != HYP_OK)
		boot_stop("%s", why);
	manifest.bundle = &bundle;
	manifest.host_gic = arch_gic_info()->version;
	manifest.host_cpus = nr_pcpus;
	manifest.ram = ram_size();
	if (config_open(&manifest, &why) != HYP_OK) boot_stop("%s", why);
	if (str_arg(host.bootargs, "when-idle", idle, sizeof(idle)))
		manifest.when_idle = strcmp(idle, "poweroff") == 0 ? IDLE_POWEROFF : IDLE_WAIT;
}

/* Every VM of the manifest that can be. The first one has the keyboard, or the one that says so. */
static void create_vms(void)
{
	struct vm *vm, *focus = NULL;
	struct vm_config cfg;
	enum hyp_err err;

	while ((err = config_next(&manifest, &cfg)) != HYP_ENOENT) {
		if (err == HYP_OK) {
			err = vm_create(&cfg, &vm);
			if (err != HYP_OK)
				log_err(
				    "%s: refused: %s", cfg.name,
				    err == HYP_ENOMEM
				        ? "not enough RAM left on this board; give it less memory"
				        : hyp_err_str(err));
		}
		if (err != HYP_OK)
			lifecycle_vm_refused();
		else if (!focus || cfg.console)
			focus = vm;
	}
	if (focus) console_focus(&focus->port);
}

static void table(void)
{
	say("  VM  name             vCPUs      RAM  class  image\n");
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm *vm = vms[i];

		if (vm) {
			say("  %2u  %-16s %5u %5lu MiB  %-5s  %s%s\n", i, vm->name, vm->nr_vcpus,
			    vm->cfg->memory >> 20, vm->cfg->sched == SCHED_FIXED ? "fixed" : "fair",
			    vm->cfg->image, vm->cfg->autostart ? "" : " (not started)");
		}
	}
	/* The counter starts with the machine. */
	say("ready in %lu us\n", arch_counter() / MAX(arch_counter_hz() / 1000000, UINT64_C(1)));
}

noreturn void hyp_start(void)
{
	read_manifest();
	shell_init(&bundle);
	console_set_up(&up_calls);
	sysreg_init();
	sched_init();
	boot_need(s2_init(arch_pa_bits(), arch_vmid_bits(), &life_s2_ops), "too little RAM");
	boot_need(lifecycle_init(&manifest), "too little RAM");
	create_vms();
	table();
	lifecycle_start_all();
	boot_release();
	hyp_start_secondary();
}

/* Every CPU ends up here, the boot CPU as well. */
noreturn void hyp_start_secondary(void)
{
	sched_cpu_init();
	trap_cpu_init();
	trap_enter_guests();
}
