/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's device tree as plain values. The tree is walked once with bounds before libfdt sees
 * it; afterwards every property is checked for its length where it is used.
 */
#include <arch/mm.h>
#include <hyp/config.h>
#include <hyp/fit.h>
#include <hyp/host.h>
#include <hyp/vm.h>
#include <lib/str.h>

#include <libfdt.h>
#include <string.h>

#define FDT_LIMIT MiB(4) /* booting.rst allows 2; QEMU doubles what -dtb gives it */
#define ADDRESS_LIMIT BIT(48)
#define GIC_MAX_INTID 1019u
#define ABSENT UINT64_MAX /* no address and no size is that large */

#define MINI_UART "brcm,bcm2835-aux-uart\0"

#define OWN CONFIG_OWN_TREE
#define BROKEN "the device tree is damaged, or there is none" OWN
#define NO_RAM "the device tree names no RAM (no usable memory node)" OWN
#define NOT_HERE "Atoll lies outside all RAM that the device tree names" OWN
#define BAD_RESERVED "the device tree's /memreserve/ or reserved-memory is broken or too long" OWN
#define UART_IN_RAM "the console of the device tree lies in its RAM" OWN
#define NO_CPUS "the device tree has no /cpus" OWN
#define NO_GIC "the device tree has no interrupt controller that Atoll can use (GICv2 or GICv3)" OWN
#define BAD_GIC "the interrupt controller's registers in the device tree are broken or too many" OWN
#define NO_GICH "the GICv2 has no virtualization extensions (GICH and GICV in the device tree)" OWN
#define NO_MAINTENANCE                                                                             \
	"the interrupt controller has no maintenance interrupt in the device tree" OWN
#define NO_TIMER "the device tree has no generic timer" OWN
#define NO_TIMER_IRQ "the device tree does not give the virtual and hypervisor timer interrupts" OWN
#define BAD_INITRD                                                                                 \
	"the device tree's linux,initrd-start and -end make no range; load the bundle again"
#define INITRD_NO_RAM "the bundle is said to lie where there is no RAM; load it to another address"
#define INITRD_OVER "the bundle lies over Atoll or the device tree; load it to another address"

#define PROP(...)
#include <hyp/manifest_schema.def>

struct host host;

/* The Pi 4 has its card behind the first, and its radio behind the other, where QEMU has the card.
 */
static const char *const sdhci[HOST_MAX_SDHCI] = {"brcm,bcm2711-emmc2\0", "brcm,bcm2835-sdhci\0"};

struct tree {
	const void *fdt;
	int gic; /* its node, once found */
	struct host *h;
};

uint64_t config_fdt_size(const void *fdt)
{
	if (fdt == NULL || !IS_ALIGNED((uintptr_t)fdt, 8) || fdt_magic(fdt) != FDT_MAGIC ||
	    fdt_totalsize(fdt) < sizeof(struct fdt_header) || fdt_totalsize(fdt) > FDT_LIMIT)
		return 0;
	return fdt_totalsize(fdt);
}

/* A string property, ended inside the property; "" if absent or not a string. */
static const char *prop_str(const void *fdt, int node, const char *name)
{
	const char *s = fdt_stringlist_get(fdt, node, name, 0, NULL);

	return s != NULL ? s : "";
}

/* n cells, 0 to 2, of a property from cell `at` on. ABSENT: another n, or they are not there. */
static uint64_t cells(const void *fdt, int node, const char *name, int at, int n)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);
	uint64_t val = 0;

	if (p == NULL || at < 0 || n < 0 || n > 2 || len / 4 < at + n) return ABSENT;
	for (p += at; n > 0; n--) val = val << 32 | fdt32_to_cpu(*p++);
	return val;
}

/* An integer of one or two cells. */
static uint64_t number(const void *fdt, int node, const char *name, uint64_t absent)
{
	uint64_t val = cells(fdt, node, name, 0, 2);

	val = val == ABSENT ? cells(fdt, node, name, 0, 1) : val;
	return val == ABSENT ? absent : val;
}

static bool node_enabled(const void *fdt, int node)
{
	const char *status = prop_str(fdt, node, "status");

	return status[0] == '\0' || strncmp(status, "ok", 2) == 0; /* "okay", "ok" */
}

/* Names: a list, each ended by \0. */
static bool is_compatible(const void *fdt, int node, const char *names)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.*): the list ends with an empty string */
	while (*names != '\0' && fdt_node_check_compatible(fdt, node, names) != 0)
		names += strlen(names) + 1;
	return *names != '\0';
}

static int find_enabled(const void *fdt, const char *names)
{
	int node = 0;

	while (node >= 0 && !(is_compatible(fdt, node, names) && node_enabled(fdt, node)))
		node = fdt_next_node(fdt, node, NULL);
	return node;
}

/* From the bus `bus` up to the root through each `ranges`. */
static bool translate(const void *fdt, int bus, uint64_t *addr)
{
	while (bus > 0) { /* no deeper than fit_check_tree() lets a tree be */
		int parent = fdt_parent_offset(fdt, bus), len, ac = fdt_address_cells(fdt, bus);
		int pac = fdt_address_cells(fdt, parent), sc = fdt_size_cells(fdt, bus);
		uint64_t from = 0, to = 0, size = ABSENT; /* no entry: one to one */

		if (fdt_getprop(fdt, bus, "ranges", &len) == NULL) return false;
		for (int at = 0; len > 0 && (at == 0 || *addr - from >= size);
		     at += ac + pac + sc) {
			from = cells(fdt, bus, "ranges", at, ac);
			to = cells(fdt, bus, "ranges", at + ac, pac);
			size = cells(fdt, bus, "ranges", at + ac + pac, sc);
			if (from == ABSENT || to == ABSENT || size == ABSENT) return false;
		}
		*addr += to - from;
		bus = parent;
	}
	return bus == 0;
}

/* Entry `index` of reg as a range of CPU addresses; false: absent, malformed or untranslatable. */
static bool reg_below(const void *fdt, int parent, int node, int index, struct host_range *out)
{
	int ac = fdt_address_cells(fdt, parent), sc = fdt_size_cells(fdt, parent);
	uint64_t base = cells(fdt, node, "reg", index * (ac + sc), ac);
	uint64_t size = cells(fdt, node, "reg", index * (ac + sc) + ac, sc);

	if (base == ABSENT || !translate(fdt, parent, &base) || base >= ADDRESS_LIMIT ||
	    size > ADDRESS_LIMIT - base)
		return false;
	*out = (struct host_range){pa(base), size};
	return true;
}

static bool reg_get(const void *fdt, int node, int index, struct host_range *out)
{
	return reg_below(fdt, fdt_parent_offset(fdt, node), node, index, out);
}

/* Interrupt `index` of a node as INTID of the GIC; 0: none, or not the GIC's. */
static uint32_t irq_get(const struct tree *t, int node, int index)
{
	int n = (int)cells(t->fdt, t->gic, "#interrupt-cells", 0, 1);
	uint64_t type = cells(t->fdt, node, "interrupts", index * n, 1);
	uint64_t id = cells(t->fdt, node, "interrupts", index * n + 1, 1);
	uint64_t parent = ABSENT;

	for (; node >= 0 && parent == ABSENT; node = fdt_parent_offset(t->fdt, node))
		parent = cells(t->fdt, node, "interrupt-parent", 0, 1);
	if ((n != 3 && n != 4) || fdt_node_offset_by_phandle(t->fdt, (uint32_t)parent) != t->gic)
		return 0;
	if (type == 0 && id <= GIC_MAX_INTID - 32) return (uint32_t)id + 32;
	return type == 1 && id < 16 ? (uint32_t)id + 16 : 0;
}

/* Whole pages of a bank, merged with those it touches; more banks than fit are left alone. */
static void add_bank(struct host *h, struct host_range r)
{
	uint64_t lo = ALIGN_UP(pa_raw(r.base), PAGE_SIZE);
	uint64_t hi = ALIGN_DOWN(pa_raw(r.base) + r.size, PAGE_SIZE);

	for (unsigned i = 0; lo < hi && i < h->nr_ram; i++) {
		uint64_t base = pa_raw(h->ram[i].base), end = base + h->ram[i].size;

		if (lo > end || base > hi) continue;
		lo = MIN(lo, base);
		hi = MAX(hi, end);
		h->ram[i] = h->ram[--h->nr_ram];
		i = UINT32_MAX; /* from the first again: the larger one may touch others */
	}
	if (lo < hi && h->nr_ram < HOST_MAX_BANKS)
		h->ram[h->nr_ram++] = (struct host_range){pa(lo), hi - lo};
}

static bool add_reserved(struct host *h, uint64_t base, uint64_t size)
{
	if (h->nr_reserved == HOST_MAX_RESERVED || base >= ADDRESS_LIMIT ||
	    size > ADDRESS_LIMIT - base)
		return size == 0;
	h->reserved[h->nr_reserved] = (struct host_range){pa(base), size};
	h->nr_reserved += size != 0;
	return true;
}

static bool overlap(const struct host_range *a, const struct host_range *b)
{
	return pa_raw(a->base) < pa_raw(b->base) + b->size &&
	       pa_raw(b->base) < pa_raw(a->base) + a->size;
}

static bool in_ram(const struct host *h, const struct host_range *r)
{
	bool in = false;

	for (unsigned i = 0; i < h->nr_ram; i++)
		in |= pa_raw(r->base) - pa_raw(h->ram[i].base) < h->ram[i].size &&
		      r->size <= h->ram[i].size - (pa_raw(r->base) - pa_raw(h->ram[i].base));
	return in;
}

/* The readers return NULL, or what is wrong as a sentence. */
static const char *read_memory(struct tree *t)
{
	struct host_range r;
	int node, reserved = fdt_path_offset(t->fdt, "/reserved-memory");

	fdt_for_each_subnode (node, t->fdt, 0) {
		bool ram = strcmp(prop_str(t->fdt, node, "device_type"), "memory") == 0 &&
		           node_enabled(t->fdt, node);

		for (int i = 0; ram && reg_get(t->fdt, node, i, &r); i++) add_bank(t->h, r);
	}
	if (t->h->nr_ram == 0) return NO_RAM;
	if (!in_ram(t->h, &t->h->image)) return NOT_HERE;
	for (int i = 0; i < fdt_num_mem_rsv(t->fdt); i++) {
		uint64_t base, size;

		if (fdt_get_mem_rsv(t->fdt, i, &base, &size) != 0 ||
		    !add_reserved(t->h, base, size))
			return BAD_RESERVED;
	}
	fdt_for_each_subnode (node, t->fdt, reserved)
		for (int i = 0; node_enabled(t->fdt, node) && reg_get(t->fdt, node, i, &r); i++)
			if (!add_reserved(t->h, pa_raw(r.base), r.size)) return BAD_RESERVED;
	return NULL;
}

static const char *read_root(struct tree *t)
{
	const void *fdt = t->fdt;
	struct host *h = t->h;
	const char *model = prop_str(fdt, 0, "model");
	int psci = find_enabled(fdt, "arm,psci-0.2\0arm,psci-1.0\0");
	const char *method = prop_str(fdt, psci, "method");

	str_copy(h->bootargs, prop_str(fdt, fdt_path_offset(fdt, "/chosen"), "bootargs"),
	         sizeof(h->bootargs));
	str_copy(h->model, model[0] != '\0' ? model : "unknown board", sizeof(h->model));
	str_copy(h->compatible, prop_str(fdt, 0, "compatible"), sizeof(h->compatible));
	h->psci_smc = strcmp(method, "smc") == 0;
	h->psci_hvc = strcmp(method, "hvc") == 0;
	for (unsigned i = 0; i < HOST_MAX_SDHCI; i++)
		(void)reg_get(fdt, find_enabled(fdt, sdhci[i]), 0, &h->sdhci[i]);
	return NULL;
}

/*
 * The node that stdout-path names, without options behind ':', as a path or an alias of one: not by
 * libfdt, which follows an alias of itself for ever, and one without an end beyond it.
 */
static int find_stdout(const void *fdt)
{
	const char *path = prop_str(fdt, fdt_path_offset(fdt, "/chosen"), "stdout-path");
	char name[128];

	str_copy(name, path, MIN(strcspn(path, ":") + 1, sizeof(name)));
	path = name[0] == '/' ? name : prop_str(fdt, fdt_path_offset(fdt, "/aliases"), name);
	return path[0] == '/' ? fdt_path_offset(fdt, path) : -1;
}

static const char *read_uart(struct tree *t)
{
	int node = find_stdout(t->fdt), clock;
	struct host_uart *u = &t->h->uart;

	node = node >= 0 ? node : find_enabled(t->fdt, "arm,pl011\0");
	if (node < 0 || !reg_get(t->fdt, node, 0, &u->regs)) return NULL;
	if (is_compatible(t->fdt, node, "arm,pl011\0arm,sbsa-uart\0")) {
		u->type = HOST_UART_PL011;
	} else if (is_compatible(t->fdt, node, MINI_UART "ns16550a\0ns16550\0snps,dw-apb-uart\0")) {
		u->type = HOST_UART_8250;
		u->reg_shift = (uint32_t)number(t->fdt, node, "reg-shift",
		                                is_compatible(t->fdt, node, MINI_UART) ? 2 : 0);
	}
	clock = fdt_node_offset_by_phandle(t->fdt, (uint32_t)cells(t->fdt, node, "clocks", 0, 1));
	u->clock_hz = (uint32_t)number(t->fdt, node, "clock-frequency",
	                               number(t->fdt, clock, "clock-frequency", 0));
	u->intid = irq_get(t, node, 0);
	return in_ram(t->h, &u->regs) ? UART_IN_RAM : NULL;
}

#define GICV2 "arm,gic-400\0arm,cortex-a15-gic\0arm,cortex-a7-gic\0"
#define GICV3 "arm,gic-v3\0"

static const char *read_gic(struct tree *t)
{
	struct host_gic *g = &t->h->gic;
	struct host_range *const v2[] = {&g->gicd, &g->gicc, &g->gich, &g->gicv};
	const void *fdt = t->fdt;
	uint64_t regions;

	g->version = 2;
	t->gic = find_enabled(fdt, GICV2);
	if (t->gic < 0) {
		g->version = 3;
		t->gic = find_enabled(fdt, GICV3);
	}
	if (t->gic < 0) return NO_GIC;
	for (int i = 0; i < (g->version == 2 ? 4 : 1); i++)
		if (!reg_get(fdt, t->gic, i, v2[i])) return i < 2 ? BAD_GIC : NO_GICH;
	g->gicr_stride = number(fdt, t->gic, "redistributor-stride", 0);
	regions = g->version == 2 ? 0 : number(fdt, t->gic, "#redistributor-regions", 1);
	if (regions > HOST_MAX_BANKS || (g->version == 3 && regions == 0)) return BAD_GIC;
	for (; g->nr_gicr < regions; g->nr_gicr++)
		if (!reg_get(fdt, t->gic, (int)g->nr_gicr + 1, &g->gicr[g->nr_gicr]))
			return BAD_GIC;
	g->maint_intid = irq_get(t, t->gic, 0);
	return g->maint_intid ? NULL : NO_MAINTENANCE;
}

/* Interrupts in the order of the binding: secure physical, physical, virtual, hypervisor. */
static const char *read_timer(struct tree *t)
{
	struct host_timer *timer = &t->h->timer;
	int node = find_enabled(t->fdt, "arm,armv8-timer\0arm,armv7-timer\0");

	timer->virt_intid = irq_get(t, node, 2);
	timer->hyp_intid = irq_get(t, node, 3);
	timer->clock_hz = (uint32_t)number(t->fdt, node, "clock-frequency", 0);
	if (node < 0) return NO_TIMER;
	return timer->virt_intid != 0 && timer->hyp_intid != 0 ? NULL : NO_TIMER_IRQ;
}

static const char *read_cpus(struct tree *t)
{
	int cpus = fdt_path_offset(t->fdt, "/cpus"), node;

	fdt_for_each_subnode (node, t->fdt, cpus) {
		int ac = fdt_address_cells(t->fdt, cpus);
		const char *method = prop_str(t->fdt, node, "enable-method");
		uint64_t release = number(t->fdt, node, "cpu-release-addr", ABSENT);
		uint64_t mpidr = cells(t->fdt, node, "reg", 0, ac);
		struct host_cpu *c = &t->h->cpus[t->h->nr_cpus];

		if (strcmp(prop_str(t->fdt, node, "device_type"), "cpu") != 0) continue;
		if (mpidr == ABSENT || !node_enabled(t->fdt, node) || t->h->nr_cpus == MAX_PCPUS) {
			t->h->nr_cpus_ignored++;
			continue;
		}
		t->h->nr_cpus++;
		c->mpidr = mpidr & (GENMASK(23, 0) | GENMASK(39, 32));
		if (strcmp(method, "psci") == 0 && t->h->psci_smc) {
			c->enable = HOST_ENABLE_PSCI;
		} else if (strcmp(method, "spin-table") == 0 && release < ADDRESS_LIMIT &&
		           IS_ALIGNED(release, 8)) {
			c->enable = HOST_ENABLE_SPIN_TABLE;
			c->release = pa(release);
		}
	}
	return cpus < 0 ? NO_CPUS : NULL;
}

static const char *read_initrd(struct tree *t)
{
	int node = fdt_path_offset(t->fdt, "/chosen");
	uint64_t start = number(t->fdt, node, "linux,initrd-start", ABSENT);
	uint64_t end = number(t->fdt, node, "linux,initrd-end", ABSENT);
	struct host_range *r = &t->h->initrd;

	if (start == ABSENT || end == ABSENT || start == end) return NULL;
	if (end < start || end > ADDRESS_LIMIT) return BAD_INITRD;
	*r = (struct host_range){pa(start), end - start};
	if (!in_ram(t->h, r)) return INITRD_NO_RAM;
	return overlap(r, &t->h->image) || overlap(r, &t->h->fdt) ? INITRD_OVER : NULL;
}

enum hyp_err config_host_init(const void *fdt, struct host_range image, struct host *out,
                              const char **why)
{
	static const char *(*const readers[])(struct tree *) = {
	    read_root, read_memory, read_cpus, read_gic, read_uart, read_timer, read_initrd};
	uint64_t size = config_fdt_size(fdt);
	struct tree t = {.fdt = fdt, .gic = -1, .h = out};

	*out = (struct host){.image = image, .fdt = {ptr_to_pa(fdt), size}};
	*why = NULL;
	if (size == 0 || fit_check_tree(fdt, size, why) != HYP_OK || fdt_num_mem_rsv(fdt) < 0)
		*why = BROKEN;
	for (unsigned i = 0; *why == NULL && i < ARRAY_SIZE(readers); i++) *why = readers[i](&t);
	return *why ? HYP_EINVAL : HYP_OK;
}

/* --- devices for VMs ------------------------------------------------------------------------ */

/* Is it of a kind that is known never to write to memory by itself? */
static bool never_masters(const void *fdt, int node)
{
	return is_compatible(
	    fdt, node,
	    "arm,pl011\0arm,pl031\0arm,pl061\0arm,sp804\0arm,sp805\0brcm,bcm2835-gpio\0"
	    "brcm,bcm2711-gpio\0brcm,bcm2835-i2c\0brcm,bcm2835-spi\0brcm,bcm2835-pwm\0"
	    "brcm,bcm2835-rng\0brcm,bcm2711-rng200\0brcm,bcm2835-aux-uart\0"
	    "brcm,bcm2835-aux-spi\0");
}

/* A cell of interrupt i of a node, were it the GIC's (1: number, 2: flags); ABSENT: it has none. */
static uint64_t irq_cell(const struct tree *t, int node, int i, int which)
{
	int n = (int)cells(t->fdt, t->gic, "#interrupt-cells", 0, 1);

	return cells(t->fdt, node, "interrupts", i * n + which, 1);
}

/*
 * Is there another node than `self` with registers in [base, end), or one that is enabled with
 * interrupt intid (0: none)? Parents come from the walk: libfdt would look for each from the start.
 */
static bool other_has(const struct tree *t, int self, uint64_t base, uint64_t end, uint32_t intid)
{
	int parents[FIT_MAX_DEPTH + 2] = {0}, depth = 0;
	struct host_range r;
	uint64_t id;

	for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(t->fdt, node, &depth)) {
		parents[depth + 1] = node;
		if (node == self || node == 0) continue;
		for (int i = 0; reg_below(t->fdt, parents[depth], node, i, &r); i++)
			if (pa_raw(r.base) < end && base < pa_raw(r.base) + r.size) return true;
		/* The cheap look first. */
		for (int i = 0; intid != 0 && (id = irq_cell(t, node, i, 1)) != ABSENT; i++)
			if (id + 32 == intid && irq_get(t, node, i) == intid &&
			    node_enabled(t->fdt, node))
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
		if (overlap(r, &m->in_use[i])) return RULE_ASSIGN_HYP;
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
	for (int i = 0; irq_cell(t, node, i, 1) != ABSENT; i++) {
		uint32_t intid = irq_get(t, node, i);

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
	struct tree t = {.fdt = fdt, .gic = find_enabled(fdt, GICV2 GICV3)};
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
		if (!node_enabled(fdt, up)) return RULE_ASSIGN_OFF;
	if (node == t.gic || bus == t.gic ||
	    strcmp(prop_str(fdt, node, "device_type"), "memory") == 0)
		return RULE_ASSIGN_HYP;
	for (int i = 0; !fault && (i == 0 || cells(fdt, node, "reg", i * step, 1) != ABSENT); i++)
		fault = reg_below(fdt, bus, node, i, &r) && r.size != 0
		            ? assign_reg(m, &t, node, &r, a)
		            : RULE_ASSIGN_REG;
	if (!fault && !allow_dma && !never_masters(fdt, node)) fault = RULE_ASSIGN_DMA;
	fault = fault ? fault : assign_irqs(&t, node, a);
	a->tree = fdt;
	if (!fault) a->dev[a->nr_devs++] = node;
	return fault;
}
