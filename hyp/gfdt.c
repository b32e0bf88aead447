/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's device tree: hyp/guest.dts, and what differs from VM to VM.
 */
#include <libfdt.h>
#include <string.h>

#include <hyp/fit.h>
#include <hyp/gfdt.h>
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
	int tree[FIT_MAX_DEPTH + 1] = {0}, depth = 0, at, n, size;
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
