/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of the host's tree for VMs: what they have in common with others, and whether they could
 * write to memory.
 */
#include <hyp/host.h>
#include <hyp/tree.h>
#include <hyp/vm.h>

#include <libfdt.h>
#include <string.h>

#include "manifest.h"

#define PROP(...)
#include "manifest_schema.def"

/* The host's. */
struct tree {
	const void *fdt;
	int gic; /* its node */
};

/* Is it of a kind that is known never to write to memory by itself? */
static bool never_masters(const void *fdt, int node)
{
	return tree_is(fdt, node,
	               "arm,pl011\0arm,pl031\0arm,pl061\0arm,sp804\0arm,sp805\0brcm,bcm2835-gpio\0"
	               "brcm,bcm2711-gpio\0brcm,bcm2835-i2c\0brcm,bcm2835-spi\0brcm,bcm2835-pwm\0"
	               "brcm,bcm2835-rng\0brcm,bcm2711-rng200\0brcm,bcm2835-aux-uart\0"
	               "brcm,bcm2835-aux-spi\0");
}

/* A cell of interrupt i of a node, were it the GIC's (1: number, 2: flags); TREE_ABSENT: it has
 * none. */
static uint64_t irq_cell(const struct tree *t, int node, int i, int which)
{
	int n = (int)tree_cells(t->fdt, t->gic, "#interrupt-cells", 0, 1);

	return tree_cells(t->fdt, node, "interrupts", i * n + which, 1);
}

/*
 * Is there another node than `self` with registers in [base, end), or one that is enabled with
 * interrupt intid (0: none)? Parents come from the walk: libfdt would look for each from the start.
 */
static bool other_has(const struct tree *t, int self, uint64_t base, uint64_t end, uint32_t intid)
{
	int parents[TREE_MAX_DEPTH + 2] = {0}, depth = 0;
	struct host_range r;
	uint64_t id;

	for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(t->fdt, node, &depth)) {
		parents[depth + 1] = node;
		if (node == self || node == 0) continue;
		for (int i = 0; tree_reg_below(t->fdt, parents[depth], node, i, &r); i++)
			if (pa_raw(r.base) < end && base < pa_raw(r.base) + r.size) return true;
		/* The cheap look first. */
		for (int i = 0; intid != 0 && (id = irq_cell(t, node, i, 1)) != TREE_ABSENT; i++)
			if (id + 32 == intid && tree_irq(t->fdt, t->gic, node, i) == intid &&
			    tree_enabled(t->fdt, node))
				return true;
	}
	return false;
}

/* Each range of registers has whole pages of the window, at its offset in them. */
static const char *assign_reg(const struct manifest *m, const struct tree *t, int node,
                              const struct host_range *r, struct vm_assign *a)
{
	const struct assign_reg *last = a->nr_regs > 0 ? &a->reg[a->nr_regs - 1] : NULL;
	uint64_t base = pa_raw(r->base), end = base + r->size;
	uint64_t at = last ? ALIGN_UP(last->ipa + last->size, PAGE_SIZE) : ASSIGN_BASE;

	at += base & PAGE_MASK;
	for (unsigned i = 0; i < ARRAY_SIZE(m->in_use); i++)
		if (range_overlap(r, &m->in_use[i])) return RULE_ASSIGN_HYP;
	if (other_has(t, node, base, end, 0)) return RULE_ASSIGN_SHARED;
	if (a->nr_regs == ASSIGN_MAX || r->size > ASSIGN_BASE + ASSIGN_SIZE - at)
		return RULE_ASSIGN_ROOM;
	a->reg[a->nr_regs++] = (struct assign_reg){
	    .pa = base,
	    .ipa = at,
	    .size = r->size,
	    .dev = (uint8_t)a->nr_devs,
	    .trapped = other_has(t, node, ALIGN_DOWN(base, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE), 0),
	};
	return NULL;
}

static const char *assign_irqs(const struct tree *t, int node, struct vm_assign *a)
{
	if (fdt_getprop(t->fdt, node, "interrupts-extended", NULL)) return RULE_ASSIGN_IRQ;
	for (int i = 0; irq_cell(t, node, i, 1) != TREE_ABSENT; i++) {
		uint32_t intid = tree_irq(t->fdt, t->gic, node, i);

		if (intid < 32) return RULE_ASSIGN_IRQ;
		if (other_has(t, node, 0, 0, intid)) return RULE_ASSIGN_SHARED;
		if (a->nr_irqs == ASSIGN_MAX) return RULE_ASSIGN_ROOM;
		/* Flags: 1, 2 edges; 4, 8 levels. */
		a->irq[a->nr_irqs].edge = irq_cell(t, node, i, 2) & 3;
		a->irq[a->nr_irqs].dev = (uint8_t)a->nr_devs;
		a->irq[a->nr_irqs++].intid = intid;
	}
	return NULL;
}

static bool has_device(const struct vm_assign *a, int node)
{
	unsigned i = 0;

	while (i < a->nr_devs && a->dev[i] != node) i++;
	return i < a->nr_devs;
}

const char *config_assign(const struct manifest *m, const char *path, bool allow_dma,
                          struct vm_assign *a)
{
	const void *fdt = m->host_tree;
	struct tree t = {.fdt = fdt, .gic = tree_find(fdt, TREE_GICV2 TREE_GICV3)};
	/* No alias: see find_stdout(). */
	int node = path[0] == '/' ? fdt_path_offset(fdt, path) : -1;
	int bus = fdt_parent_offset(fdt, node);
	int step = fdt_address_cells(fdt, bus) + fdt_size_cells(fdt, bus);
	bool twice = has_device(a, node);
	const char *fault = NULL;
	struct host_range r;

	if (node < 0) return RULE_ASSIGN_NONE;
	for (unsigned i = 0; i < MAX_VMS; i++)
		twice |= vms[i] && has_device(&vms[i]->cfg->assign, node);
	if (twice) return RULE_ASSIGN_TWICE;
	for (int up = node; up >= 0; up = fdt_parent_offset(fdt, up))
		if (!tree_enabled(fdt, up)) return RULE_ASSIGN_OFF;
	if (node == t.gic || bus == t.gic ||
	    strcmp(tree_str(fdt, node, "device_type"), "memory") == 0)
		return RULE_ASSIGN_HYP;
	for (int i = 0;
	     !fault && (i == 0 || tree_cells(fdt, node, "reg", i * step, 1) != TREE_ABSENT); i++)
		fault = tree_reg_below(fdt, bus, node, i, &r) && r.size != 0
		            ? assign_reg(m, &t, node, &r, a)
		            : RULE_ASSIGN_REG;
	if (!fault && !allow_dma && !never_masters(fdt, node)) fault = RULE_ASSIGN_DMA;
	fault = fault ? fault : assign_irqs(&t, node, a);
	a->tree = fdt;
	if (!fault) a->dev[a->nr_devs++] = node;
	return fault;
}
