/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's device tree: hyp/guest.dts, and what differs from VM to VM.
 */
#include <libfdt.h>
#include <string.h>

#include <hyp/gfdt.h>
#include <hyp/vm.h>

static const _Alignas(8) uint8_t guest_dtb[] = {
#include <gen/guest_dtb.h>
};

/* The functions below return 0, or libfdt's errors, all of them negative, ORed. */
static int set(void *fdt, const char *path, const char *name, const void *value, size_t n)
{
	return fdt_setprop(fdt, fdt_path_offset(fdt, path), name, value, (int)n);
}

/* A literal: one string, or a list with \0 between them. */
#define set_text(fdt, path, name, list) set((fdt), (path), (name), (list), sizeof(list))

/* n bytes at `at` of a property that the tree has. */
static int patch(void *fdt, const char *path, const char *name, uint32_t at, const void *value,
                 size_t n)
{
	return fdt_setprop_inplace_namelen_partial(fdt, fdt_path_offset(fdt, path), name,
	                                           (int)strlen(name), at, value, (int)n);
}

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
	static const char path[] = "/intc@8000000";
	fdt64_t gicr_size = cpu_to_fdt64(KiB(128) * cfg->cpus);
	fdt64_t gicc[] = {cpu_to_fdt64(m->gicc), cpu_to_fdt64(KiB(64))};
	/* The CPUs that a PPI is wired to, one bit each; level, active high. */
	fdt32_t flags = cpu_to_fdt32((BIT32(cfg->cpus) - 1) << 8 | 4);
	int err = 0;

	if (cfg->gic == 3) return patch(fdt, path, "reg", 24, &gicr_size, sizeof(gicr_size));
	err |= patch(fdt, path, "reg", 16, gicc, sizeof(gicc));
	err |= set_text(fdt, path, "compatible", "arm,cortex-a15-gic");
	err |= fdt_delprop(fdt, fdt_path_offset(fdt, path), "#redistributor-regions");
	for (uint32_t i = 0; i < 4; i++)
		err |= patch(fdt, "/timer", "interrupts", 12 * i + 8, &flags, sizeof(flags));
	return err;
}

static int set_chosen(void *fdt, const struct gfdt_input *in)
{
	fdt64_t start = cpu_to_fdt64(in->initrd_start), end = cpu_to_fdt64(in->initrd_end);
	int err = 0;

	if (in->initrd_end > in->initrd_start) {
		err |= set(fdt, "/chosen", "linux,initrd-end", &end, sizeof(end));
		err |= set(fdt, "/chosen", "linux,initrd-start", &start, sizeof(start));
	}
	if (in->cfg->bootargs[0])
		err |= set(fdt, "/chosen", "bootargs", in->cfg->bootargs,
		           strlen(in->cfg->bootargs) + 1);
	return err;
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
static enum hyp_err merge(const struct fit_image *overlay, void *buf, uint64_t n, const char **why)
{
	uint64_t copy_size = ALIGN_UP(overlay->size, 8);
	uint8_t *copy;
	int err;

	if (fit_check_tree(overlay->data, overlay->size, why) != HYP_OK) {
		*why = "the device tree overlay is broken; compile it again with dtc";
		return HYP_EINVAL;
	}
	if (n < copy_size || fdt_totalsize(buf) > n - copy_size) return HYP_ENOMEM;
	copy = (uint8_t *)buf + (n - copy_size);
	memcpy(copy, overlay->data, overlay->size);
	err = fdt_open_into(buf, buf, (int)(n - copy_size));
	if (err == 0)
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

enum hyp_err gfdt_build(const struct gfdt_input *in, void *buf, uint64_t n, uint64_t *size,
                        const char **why)
{
	fdt64_t memory = cpu_to_fdt64(in->cfg->memory);
	int err;

	/* An overlay's copy and libfdt's int sizes. */
	n = ALIGN_DOWN(MIN(n, MiB(2)), 8);
	err = fdt_open_into(guest_dtb, buf, (int)n);
	if (err) return HYP_ENOMEM;
	err |= patch(buf, "/memory@40000000", "reg", 8, &memory, sizeof(memory));
	err |= set_gic(buf, in->cfg, in->machine);
	err |= set_cpus(buf, in->cfg);
	err |= set_chosen(buf, in);
	err |= fdt_pack(buf);
	if (err) return HYP_ENOMEM;
	if (in->overlay) TRY(merge(in->overlay, buf, n, why));
	*size = fdt_totalsize(buf);
	return HYP_OK;
}
