/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bundle to VMs, then the shell.
 */
#include <arch/gic.h>
#include <arch/mm.h>
#include <arch/timer.h>
#include <hyp/console.h>
#include <hyp/host.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <lib/str.h>

#include <string.h>

#include "fit.h"
#include "gfdt.h"
#include "management.h"
#include "manifest.h"
#include "shell.h"

#define NO_RAM "not enough RAM left on this board; give it less memory"

noreturn void management_main(void);

static struct fit bundle;
static struct manifest manifest;
static _Alignas(8) uint8_t tree[KiB(8) + ASSIGN_MAX * KiB(1) + 3 * GFDT_MAX_OVERLAY];

static bool boot_arg_is(const char *word, const char *value)
{
	return str_arg_is(host.bootargs, word, value);
}

enum hyp_err management_create(struct vm_config *cfg, struct vm **out)
{
	const char *why = "its device tree does not fit";
	const char *file = cfg->fdt_overlay[0] != '\0' ? cfg->fdt_overlay : cfg->image;
	enum hyp_err err;

	cfg->tree = tree;
	if (gfdt_build(cfg, &machine_v1, tree, MIN(gfdt_room(cfg), sizeof(tree)),
	               &cfg->plan.fdt_size, &why) != HYP_OK) {
		log_err("%s: cannot be loaded: %s: %s", cfg->name, file, why);
		return HYP_EINVAL;
	}
	err = vm_create(cfg, out);
	/* What the manifest's rules cannot see: a page of registers in part, the firmware's. */
	if (err == HYP_EINVAL)
		log_err("%s: refused: a device of it shares registers, a page of them or an "
		        "interrupt with what is in use already; remove it from assign",
		        cfg->name);
	return err;
}

static void open_manifest(void)
{
	const char *why;

	if (fit_open(pa_to_ptr(host.initrd.base), host.initrd.size, &bundle, &why) != HYP_OK)
		management_fail("%s", why);
	manifest.bundle = &bundle;
	manifest.host_gic = arch_gic_info()->version;
	manifest.host_cpus = view->nr_pcpus;
	for (unsigned i = 0; i < host.nr_ram; i++) manifest.ram += host.ram[i].size;
	manifest.host_tree = pa_to_ptr(host.fdt.base);
	manifest.in_use[0] = host.uart.regs;
	manifest.in_use[1] = *view->power;
	memcpy(&manifest.in_use[2], host.sdhci, sizeof(host.sdhci));
	if (config_open(&manifest, &why) != HYP_OK) management_fail("%s", why);
	if (boot_arg_is("when-idle", "poweroff")) manifest.when_idle = IDLE_POWEROFF;
	if (boot_arg_is("when-idle", "wait")) manifest.when_idle = IDLE_WAIT;
}

/* Every VM of the manifest that can be. The first one has the keyboard, or the one that says so. */
static void create_vms(void)
{
	static struct vm_config cfg;
	struct vm *vm, *focus = NULL;
	enum hyp_err err;

	while ((err = config_next(&manifest, &cfg)) != HYP_ENOENT) {
		if (err == HYP_OK) {
			err = management_create(&cfg, &vm);
			if (err != HYP_OK && err != HYP_EINVAL)
				log_err("%s: refused: %s", cfg.name,
				        err == HYP_ENOMEM ? NO_RAM : hyp_err_str(err));
		}
		if (err != HYP_OK)
			management_refused();
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

noreturn void management_main(void)
{
	management_refresh();
	open_manifest();
	if (!view->ready) {
		create_vms();
		table();
	}
	management_ready(manifest.when_idle);
	shell_run(&bundle);
}
