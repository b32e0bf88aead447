/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's device tree: guest.dts, and what differs from VM to VM.
 */
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "fit.h"
#include "gfdt.h"
#include <hyp/tree.h>
#include <hyp/vm.h>

static const _Alignas(8) uint8_t guest_dtb[] = {
#include <gen/guest_dtb.h>
};

/* The tree has vCPUs 0 to MAX_VCPUS - 1 in order, each with its number as MPIDR (vm_vcpu_mpidr()).
 */
static int set_cpus(void *fdt, const struct vm_config *cfg)
{
	int last = fdt_first_subnode(fdt, fdt_path_offset(fdt, "/cpus")), next, err = 0;

	for (unsigned i = 1; i < cfg->cpus; i++) last = fdt_next_subnode(fdt, last);
	while (err == 0 && (next = fdt_next_subnode(fdt, last)) >= 0) err = fdt_del_node(fdt, next);
	return err;
}

static int set_gic(void *fdt, const struct vm_config *cfg, const struct machine *m)
{
	static const char gicv2[] = "arm,cortex-a15-gic";
	bool v3 = cfg->gic == 3;
	fdt64_t reg[] = {cpu_to_fdt64(m->gicd), cpu_to_fdt64(KiB(64)),
	                 cpu_to_fdt64(v3 ? m->gicr : m->gicc),
	                 cpu_to_fdt64(v3 ? KiB(128) * cfg->cpus : KiB(64))};
	/* The CPUs that a PPI is wired to, one bit each; level, active high. */
	fdt32_t flags = cpu_to_fdt32((BIT32(cfg->cpus) - 1) << 8 | 4);
	int node = fdt_path_offset(fdt, "/intc@8000000");
	int err = fdt_setprop(fdt, node, "reg", reg, sizeof(reg));

	if (v3) return err;
	err |= fdt_setprop(fdt, node, "compatible", gicv2, sizeof(gicv2));
	err |= fdt_delprop(fdt, node, "#redistributor-regions");
	node = fdt_path_offset(fdt, "/timer");
	for (uint32_t at = 8; at < 48; at += 12)
		err |= fdt_setprop_inplace_namelen_partial(fdt, node, "interrupts", 10, at, &flags,
		                                           sizeof(flags));
	return err;
}

#define BUS "/platform-bus@c000000"
#define MAX_CLOCKS 4
#define CLOCK_HANDLES 0x9000u /* on */

/*
 * Is it copied? Not what is made anew, nor what refers to nodes that the guest has not: a name, or
 * "x*", its beginning, "*x", its end.
 */
static bool copied(const char *name, bool clocks)
{
	const char *others =
	    "reg\0ranges\0dma-ranges\0interrupts\0interrupts-extended\0interrupt-parent\0"
	    "interrupt-map*\0status\0phandle\0linux,phandle\0clocks\0assigned-clock*\0dmas\0"
	    "dma-names\0iommu*\0msi-*\0pinctrl-*\0power-domain*\0reset*\0phys\0phy-*\0"
	    "interconnect*\0memory-region*\0mboxes\0mbox-*\0nvmem*\0thermal-sensors\0syscon*\0"
	    "operating-points*\0*-supply\0*-gpio\0*-gpios\0gpio-ranges\0";
	size_t n = strlen(name);

	/* NOLINTNEXTLINE(clang-analyzer-core.*): the list ends with an empty string */
	for (const char *p = others; *p; p += strlen(p) + 1) {
		size_t len = strlen(p) - 1;

		if (*p == '*' ? n >= len && strcmp(name + n - len, p + 1) == 0
		              : strncmp(name, p, p[len] == '*' ? len : n + 1) == 0)
			return false;
	}
	return clocks || strcmp(name, "clock-names") != 0;
}

/* A node of the host's below the bus, as NAME@unit: its place, or an error. */
static int copy_node(void *fdt, const void *from, int node, uint64_t unit, bool clocks)
{
	const char *name = fdt_get_name(from, node, NULL);
	int at, p, len, err = 0;
	char text[64];

	snprintf(text, sizeof(text), "%.*s@%lx", (int)MIN(strcspn(name, "@"), 40), name, unit);
	at = fdt_add_subnode(fdt, fdt_path_offset(fdt, BUS), text);
	fdt_for_each_property_offset(p, from, node)
	{
		const void *value = fdt_getprop_by_offset(from, p, &name, &len);

		if (value && copied(name, clocks)) err |= fdt_setprop(fdt, at, name, value, len);
	}
	return err ? err : at;
}

/* The clocks of a node, with handles from `first` on. How many; 0: none, or not only fixed ones. */
static int add_clocks(void *fdt, const void *from, int node, uint32_t first, fdt32_t *handles)
{
	int n = 0, at, err = 0;
	const fdt32_t *clocks = fdt_getprop(from, node, "clocks", &n);

	for (int i = 0; clocks && i < n / 4; i++, first++) {
		node = fdt_node_offset_by_phandle(from, fdt32_to_cpu(clocks[i]));
		if (i == MAX_CLOCKS || fdt_node_check_compatible(from, node, "fixed-clock") != 0)
			return 0;
		handles[i] = cpu_to_fdt32(first);
		at = copy_node(fdt, from, node, first, false);
		err |= at < 0 ? at : fdt_setprop_u32(fdt, at, "phandle", first);
	}
	return err ? err : clocks ? n / 4 : 0;
}

static int add_device(void *fdt, const struct vm_assign *a, unsigned dev, uint32_t intid)
{
	fdt32_t irq[3 * ASSIGN_MAX], clocks[MAX_CLOCKS];
	int n = add_clocks(fdt, a->tree, a->dev[dev], CLOCK_HANDLES + dev * MAX_CLOCKS, clocks);
	int nr_regs = 0, nr_irqs = 0, at, err = 0;
	fdt64_t reg[2 * ASSIGN_MAX] = {0};

	for (unsigned i = 0; i < a->nr_regs; i++) {
		if (a->reg[i].dev != dev) continue;
		reg[nr_regs++] = cpu_to_fdt64(a->reg[i].ipa);
		reg[nr_regs++] = cpu_to_fdt64(a->reg[i].size);
	}
	for (unsigned i = 0; i < a->nr_irqs; i++) {
		if (a->irq[i].dev != dev) continue;
		irq[nr_irqs++] = 0; /* SPI */
		irq[nr_irqs++] = cpu_to_fdt32(intid - 32 + i);
		irq[nr_irqs++] = cpu_to_fdt32(a->irq[i].edge ? 1 : 4);
	}
	at = copy_node(fdt, a->tree, a->dev[dev], fdt64_to_cpu(reg[0]), n > 0);
	if (n < 0 || at < 0) return -FDT_ERR_NOSPACE;
	if (nr_irqs > 0) err |= fdt_setprop(fdt, at, "interrupts", irq, 4 * nr_irqs);
	if (n > 0) err |= fdt_setprop(fdt, at, "clocks", clocks, 4 * n);
	return err | fdt_setprop(fdt, at, "reg", reg, 8 * nr_regs);
}

/* What differs from VM to VM. Returns 0, or libfdt's errors, all of them negative, ORed. */
static int fill_in(void *fdt, const struct vm_config *cfg, const struct machine *m)
{
	fdt64_t memory[] = {cpu_to_fdt64(m->ram_base), cpu_to_fdt64(cfg->memory)};
	int node = fdt_path_offset(fdt, "/memory@40000000");
	int err = fdt_setprop(fdt, node, "reg", memory, sizeof(memory));

	err |= set_gic(fdt, cfg, m);
	err |= set_cpus(fdt, cfg);
	node = fdt_path_offset(fdt, "/chosen");
	if (cfg->files[FILE_RAMDISK].size > 0) {
		err |=
		    fdt_setprop_u64(fdt, node, "linux,initrd-end", ipa_raw(cfg->plan.initrd_end));
		err |= fdt_setprop_u64(fdt, node, "linux,initrd-start",
		                       ipa_raw(cfg->plan.initrd_start));
	}
	if (cfg->bootargs[0])
		err |= fdt_setprop(fdt, node, "bootargs", cfg->bootargs,
		                   (int)strlen(cfg->bootargs) + 1);
	for (unsigned i = 0; i < cfg->assign.nr_devs; i++)
		err |= add_device(fdt, &cfg->assign, i, m->assign_intid);
	if (cfg->assign.nr_devs == 0) err |= fdt_del_node(fdt, fdt_path_offset(fdt, BUS));
	return err | fdt_pack(fdt);
}

/* Each target is a path or a handle: libfdt would follow an alias that a fragment made of itself.
 */
static bool targets_ok(const void *overlay)
{
	int node, len;

	fdt_for_each_subnode (node, overlay, 0) {
		const char *path = fdt_getprop(overlay, node, "target-path", &len);

		if (path && (len < 2 || path[0] != '/' || path[len - 1] != '\0')) return false;
	}
	return true;
}

/*
 * Handles within the overlay lie where it says, in properties that it has: libfdt reads them there
 * before it looks. The nodes of __local_fixups__ are named as those of the tree that they are
 * about.
 */
static bool fixups_ok(const void *overlay)
{
	int tree[TREE_MAX_DEPTH + 1] = {0}, depth = 0, at, n, size;
	int node = fdt_path_offset(overlay, "/__local_fixups__");

	for (; node >= 0 && depth >= 0; node = fdt_next_node(overlay, node, &depth)) {
		if (depth > 0)
			tree[depth] = fdt_subnode_offset(overlay, tree[depth - 1],
			                                 fdt_get_name(overlay, node, NULL));
		if (tree[depth] < 0) return false;
		fdt_for_each_property_offset(at, overlay, node)
		{
			const char *name;
			const fdt32_t *offsets = fdt_getprop_by_offset(overlay, at, &name, &n);

			if (!fdt_getprop(overlay, tree[depth], name, &size)) return false;
			while (n >= 4)
				if (fdt32_to_cpu(offsets[(n -= 4) / 4]) + UINT64_C(4) >
				    (uint64_t)size)
					return false;
		}
	}
	return true;
}

/* libfdt spoils the overlay while it applies it: a copy at the end of buf. */
static enum hyp_err merge(const struct fit_image *overlay, void *buf, int n, const char **why)
{
	int room = n - (int)ALIGN_UP(overlay->size, 8), err;
	void *copy = (uint8_t *)buf + room;

	if (room < 0 || fdt_open_into(buf, buf, room) != 0) return HYP_ENOMEM;
	memcpy(copy, overlay->data, overlay->size);
	err = targets_ok(copy) && fixups_ok(copy) ? fdt_overlay_apply(buf, copy)
	                                          : -FDT_ERR_BADOVERLAY;
	if (err == 0 || err == -FDT_ERR_NOSPACE)
		return err == 0 && fdt_pack(buf) == 0 ? HYP_OK : HYP_ENOMEM;
	*why = "the device tree overlay does not apply; give it fragments with target-path";
	if (err == -FDT_ERR_NOTFOUND) {
		*why = "the device tree overlay changes a node that is not there; see its "
		       "target-path";
	}
	return HYP_EINVAL;
}

enum hyp_err gfdt_build(const struct vm_config *cfg, const struct machine *m, void *buf, uint64_t n,
                        uint64_t *size, const char **why)
{
	/* An overlay's copy and libfdt's int sizes. */
	int room = (int)ALIGN_DOWN(MIN(n, MiB(2)), 8);

	if (fdt_open_into(guest_dtb, buf, room) != 0 || fill_in(buf, cfg, m) != 0)
		return HYP_ENOMEM;
	if (cfg->files[FILE_OVERLAY].size > 0)
		TRY(merge(&cfg->files[FILE_OVERLAY], buf, room, why));
	*size = fdt_totalsize(buf);
	return HYP_OK;
}
