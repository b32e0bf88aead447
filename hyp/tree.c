/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a flattened tree says, believed in nothing: one bounded walk before libfdt sees it, and
 * properties by their lengths.
 */
#include <hyp/tree.h>

#include <libfdt.h>
#include <string.h>

#define GIC_MAX_INTID 1019u

/* Every tag up to FDT_END: fdt_next_tag() bounds each of them by the structure block. */
static const char *walk(const void *blob)
{
	int offset = 0, next = 0, depth = 0, roots = 0;
	const char *name;

	for (;; offset = next) {
		uint32_t tag = fdt_next_tag(blob, offset, &next);

		if (tag == FDT_END)
			return next >= 0 && roots == 1 && depth == 0 ? NULL : "is cut off";
		if (next <= offset) return "is cut off";
		roots += tag == FDT_BEGIN_NODE && depth == 0;
		depth += (tag == FDT_BEGIN_NODE) - (tag == FDT_END_NODE);
		if (roots > 1 || depth > TREE_MAX_DEPTH) return "has too many levels or roots";
		if (depth < 0) return "ends a node that it did not begin";
		/* The name: inside the strings block, and ended there. */
		if (tag == FDT_PROP &&
		    (depth == 0 || !fdt_getprop_by_offset(blob, offset, &name, NULL)))
			return "has a property with a broken name";
	}
}

enum hyp_err tree_check(const void *blob, uint64_t size, const char **why)
{
	const char *fault = NULL;

	if (!IS_ALIGNED((uintptr_t)blob, 8))
		fault = "is not 8-byte aligned";
	else if (size < sizeof(struct fdt_header) || fdt_magic(blob) != FDT_MAGIC)
		fault = "is no device tree";
	else if (fdt_version(blob) < 17 || fdt_check_header(blob) != 0 ||
	         !IS_ALIGNED(fdt_off_dt_struct(blob), 4) ||
	         !IS_ALIGNED(fdt_off_mem_rsvmap(blob), 8))
		fault = "has a broken header";
	else
		fault = fdt_totalsize(blob) > size ? "is cut off" : walk(blob);
	*why = fault;
	return fault ? HYP_EINVAL : HYP_OK;
}

/* A string property, ended inside the property; "" if absent or not a string. */
const char *tree_str(const void *fdt, int node, const char *name)
{
	const char *s = fdt_stringlist_get(fdt, node, name, 0, NULL);

	return s != NULL ? s : "";
}

/* n cells, 0 to 2, of a property from cell `at` on. TREE_ABSENT: another n, or they are not there.
 */
uint64_t tree_cells(const void *fdt, int node, const char *name, int at, int n)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);
	uint64_t val = 0;

	if (p == NULL || at < 0 || n < 0 || n > 2 || len / 4 < at + n) return TREE_ABSENT;
	for (p += at; n > 0; n--) val = val << 32 | fdt32_to_cpu(*p++);
	return val;
}

/* An integer of one or two cells. */
uint64_t tree_number(const void *fdt, int node, const char *name, uint64_t absent)
{
	uint64_t val = tree_cells(fdt, node, name, 0, 2);

	val = val == TREE_ABSENT ? tree_cells(fdt, node, name, 0, 1) : val;
	return val == TREE_ABSENT ? absent : val;
}

bool tree_enabled(const void *fdt, int node)
{
	const char *status = tree_str(fdt, node, "status");

	return status[0] == '\0' || strncmp(status, "ok", 2) == 0; /* "okay", "ok" */
}

/* Names: a list, each ended by \0. */
bool tree_is(const void *fdt, int node, const char *names)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.*): the list ends with an empty string */
	while (*names != '\0' && fdt_node_check_compatible(fdt, node, names) != 0)
		names += strlen(names) + 1;
	return *names != '\0';
}

int tree_find(const void *fdt, const char *names)
{
	int node = 0;

	while (node >= 0 && !(tree_is(fdt, node, names) && tree_enabled(fdt, node)))
		node = fdt_next_node(fdt, node, NULL);
	return node;
}

/* From the bus `bus` up to the root through each `ranges`. */
static bool translate(const void *fdt, int bus, uint64_t *addr)
{
	while (bus > 0) { /* no deeper than tree_check() lets a tree be */
		int parent = fdt_parent_offset(fdt, bus), len, ac = fdt_address_cells(fdt, bus);
		int pac = fdt_address_cells(fdt, parent), sc = fdt_size_cells(fdt, bus);
		uint64_t from = 0, to = 0, size = TREE_ABSENT; /* no entry: one to one */

		if (fdt_getprop(fdt, bus, "ranges", &len) == NULL) return false;
		for (int at = 0; len > 0 && (at == 0 || *addr - from >= size);
		     at += ac + pac + sc) {
			from = tree_cells(fdt, bus, "ranges", at, ac);
			to = tree_cells(fdt, bus, "ranges", at + ac, pac);
			size = tree_cells(fdt, bus, "ranges", at + ac + pac, sc);
			if (from == TREE_ABSENT || to == TREE_ABSENT || size == TREE_ABSENT)
				return false;
		}
		*addr += to - from;
		bus = parent;
	}
	return bus == 0;
}

/* Entry `index` of reg as a range of CPU addresses; false: absent, malformed or untranslatable. */
bool tree_reg_below(const void *fdt, int parent, int node, int index, struct host_range *out)
{
	int ac = fdt_address_cells(fdt, parent), sc = fdt_size_cells(fdt, parent);
	uint64_t base = tree_cells(fdt, node, "reg", index * (ac + sc), ac);
	uint64_t size = tree_cells(fdt, node, "reg", index * (ac + sc) + ac, sc);

	if (base == TREE_ABSENT || !translate(fdt, parent, &base) || base >= TREE_ADDRESS_LIMIT ||
	    size > TREE_ADDRESS_LIMIT - base)
		return false;
	*out = (struct host_range){pa(base), size};
	return true;
}

bool tree_reg(const void *fdt, int node, int index, struct host_range *out)
{
	return tree_reg_below(fdt, fdt_parent_offset(fdt, node), node, index, out);
}

/* Interrupt `index` of a node as INTID of the GIC; 0: none, or not the GIC's. */
uint32_t tree_irq(const void *fdt, int gic, int node, int index)
{
	int n = (int)tree_cells(fdt, gic, "#interrupt-cells", 0, 1);
	uint64_t type = tree_cells(fdt, node, "interrupts", index * n, 1);
	uint64_t id = tree_cells(fdt, node, "interrupts", index * n + 1, 1);
	uint64_t parent = TREE_ABSENT;

	for (; node >= 0 && parent == TREE_ABSENT; node = fdt_parent_offset(fdt, node))
		parent = tree_cells(fdt, node, "interrupt-parent", 0, 1);
	if ((n != 3 && n != 4) || fdt_node_offset_by_phandle(fdt, (uint32_t)parent) != gic)
		return 0;
	if (type == 0 && id <= GIC_MAX_INTID - 32) return (uint32_t)id + 32;
	return type == 1 && id < 16 ? (uint32_t)id + 16 : 0;
}

bool range_overlap(const struct host_range *a, const struct host_range *b)
{
	return pa_raw(a->base) < pa_raw(b->base) + b->size &&
	       pa_raw(b->base) < pa_raw(a->base) + a->size;
}
