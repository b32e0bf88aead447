/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's device tree as plain values. The tree is walked once with bounds before libfdt sees
 * it; afterwards every property is checked for its length where it is used.
 */
#include <arch/mm.h>
#include <hyp/config.h>
#include <hyp/fit.h>
#include <hyp/host.h>
#include <lib/str.h>

#include <libfdt.h>
#include <string.h>

#define FDT_LIMIT MiB(4) /* booting.rst allows 2; QEMU doubles what -dtb gives it */
#define TREE_MAX_DEPTH 16u
#define ADDRESS_LIMIT BIT(48)
#define GIC_MAX_INTID 1019u
#define BAD_GIC_REGS "the interrupt controller's registers in the device tree are broken"

struct host host;

struct tree {
	const void *fdt;
	int gic; /* its node, once found */
	struct host *h;
	const char *why;
};

static bool refuse(struct tree *t, const char *why)
{
	t->why = why;
	return false;
}

uint64_t config_fdt_size(const void *fdt)
{
	if (fdt == NULL || !IS_ALIGNED((uintptr_t)fdt, 8) || fdt_magic(fdt) != FDT_MAGIC ||
	    fdt_totalsize(fdt) < sizeof(struct fdt_header) || fdt_totalsize(fdt) > FDT_LIMIT)
		return 0;
	return fdt_totalsize(fdt);
}

/* n cells (0 to 2) at *p, which moves on. */
static uint64_t take_cells(const fdt32_t **p, int n)
{
	uint64_t val = 0;

	while (n-- > 0) val = val << 32 | fdt32_to_cpu(*(*p)++);
	return val;
}

/* A string property, ended inside the property; "" if absent or not a string. */
static const char *prop_str(const void *fdt, int node, const char *name)
{
	int len;
	const char *s = fdt_getprop(fdt, node, name, &len);

	return s != NULL && len > 0 && memchr(s, 0, (size_t)len) != NULL ? s : "";
}

/* The first cell of a property. */
static uint32_t prop_u32(const void *fdt, int node, const char *name, uint32_t absent)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	return p != NULL && len >= 4 ? fdt32_to_cpu(*p) : absent;
}

/* An integer of 4 or 8 bytes. */
static uint64_t prop_int(const void *fdt, int node, const char *name, uint64_t absent)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	return p != NULL && (len == 4 || len == 8) ? take_cells(&p, len / 4) : absent;
}

static bool node_enabled(const void *fdt, int node)
{
	const char *status = prop_str(fdt, node, "status");

	return status[0] == '\0' || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

/* Names: a list, each ended by \0. The first enabled node of the first name that has one. */
static int find_enabled(const void *fdt, const char *names)
{
	int node = -1;

	for (; node < 0 && *names != '\0'; names += strlen(names) + 1) do {
			node = fdt_node_offset_by_compatible(fdt, node, names);
		} while (node >= 0 && !node_enabled(fdt, node));
	return node;
}

static bool is_compatible(const void *fdt, int node, const char *names)
{
	while (*names != '\0' && fdt_node_check_compatible(fdt, node, names) != 0)
		names += strlen(names) + 1;
	return *names != '\0';
}

/* From the bus `bus` up to the root through each `ranges`. */
static bool translate(const void *fdt, int bus, uint64_t *addr)
{
	for (unsigned depth = 0; bus > 0 && depth < TREE_MAX_DEPTH; depth++) {
		int parent = fdt_parent_offset(fdt, bus), len;
		const fdt32_t *p = fdt_getprop(fdt, bus, "ranges", &len);
		int ac = fdt_address_cells(fdt, bus), sc = fdt_size_cells(fdt, bus);
		int pac = fdt_address_cells(fdt, parent), left = len / 4;
		bool found = len == 0;

		if (p == NULL || ac < 1 || ac > 2 || pac < 1 || pac > 2 || sc < 1 || sc > 2)
			return false;
		for (; !found && left >= ac + pac + sc; left -= ac + pac + sc) {
			uint64_t from = take_cells(&p, ac), to = take_cells(&p, pac);

			found = *addr - from < take_cells(&p, sc); /* wraps if below */
			*addr = found ? to + (*addr - from) : *addr;
		}
		if (!found) return false;
		bus = parent;
	}
	return bus == 0;
}

/* Entry `index` of reg as a range of CPU addresses; false: absent, malformed or untranslatable. */
static bool reg_get(const void *fdt, int node, int index, struct host_range *out)
{
	int parent = fdt_parent_offset(fdt, node), len;
	int ac = fdt_address_cells(fdt, parent), sc = fdt_size_cells(fdt, parent);
	const fdt32_t *p = fdt_getprop(fdt, node, "reg", &len);
	uint64_t base, size;

	if (p == NULL || ac < 1 || ac > 2 || sc < 0 || sc > 2 || len / 4 / (ac + sc) <= index)
		return false;
	p += index * (ac + sc);
	base = take_cells(&p, ac);
	size = take_cells(&p, sc);
	if (!translate(fdt, parent, &base) || base >= ADDRESS_LIMIT || size > ADDRESS_LIMIT - base)
		return false;
	*out = (struct host_range){pa(base), size};
	return true;
}

/* Interrupt `index` of a node as INTID of the GIC; 0: none, or not the GIC's. */
static uint32_t irq_get(const struct tree *t, int node, int index)
{
	uint32_t type, number, phandle = 0;
	int len, cells = (int)prop_u32(t->fdt, t->gic, "#interrupt-cells", 0);
	const fdt32_t *p = fdt_getprop(t->fdt, node, "interrupts", &len);

	for (; node >= 0 && phandle == 0; node = fdt_parent_offset(t->fdt, node))
		phandle = prop_u32(t->fdt, node, "interrupt-parent", 0);
	if (p == NULL || (cells != 3 && cells != 4) || len / 4 / cells <= index || phandle == 0 ||
	    fdt_node_offset_by_phandle(t->fdt, phandle) != t->gic)
		return 0;
	type = fdt32_to_cpu(p[index * cells]);
	number = fdt32_to_cpu(p[index * cells + 1]);
	if (type == 0 && number <= GIC_MAX_INTID - 32) return number + 32;
	return type == 1 && number < 16 ? number + 16 : 0;
}

/* Whole pages of a bank, sorted in and merged; more banks than fit are left alone. */
static void add_bank(struct host *h, struct host_range r)
{
	uint64_t lo = ALIGN_UP(pa_raw(r.base), PAGE_SIZE);
	uint64_t hi = ALIGN_DOWN(pa_raw(r.base) + r.size, PAGE_SIZE);
	unsigned i = h->nr_ram;

	while (i-- > 0 && lo < hi) {
		uint64_t base = pa_raw(h->ram[i].base), end = base + h->ram[i].size;

		if (lo <= end && base <= hi) {
			lo = MIN(lo, base);
			hi = MAX(hi, end);
			h->ram[i] = h->ram[--h->nr_ram];
			i = h->nr_ram; /* the larger one may touch others */
		}
	}
	if (lo >= hi || h->nr_ram == HOST_MAX_BANKS) return;
	for (i = h->nr_ram++; i > 0 && pa_raw(h->ram[i - 1].base) > lo; i--)
		h->ram[i] = h->ram[i - 1];
	h->ram[i] = (struct host_range){pa(lo), hi - lo};
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

static bool read_memory(struct tree *t)
{
	struct host_range r;
	int node, sub;

	fdt_for_each_subnode (node, t->fdt, 0) {
		bool ram = strcmp(prop_str(t->fdt, node, "device_type"), "memory") == 0;

		for (int i = 0; ram && node_enabled(t->fdt, node) && reg_get(t->fdt, node, i, &r);
		     i++)
			add_bank(t->h, r);
	}
	if (t->h->nr_ram == 0)
		return refuse(t, "the device tree names no RAM (no usable memory node)");
	for (int i = 0; i < fdt_num_mem_rsv(t->fdt); i++) {
		uint64_t base, size;

		if (fdt_get_mem_rsv(t->fdt, i, &base, &size) != 0 ||
		    !add_reserved(t->h, base, size)) {
			return refuse(
			    t, "the device tree's memory reservations are broken or too many");
		}
	}
	node = fdt_path_offset(t->fdt, "/reserved-memory");
	fdt_for_each_subnode (sub, t->fdt, node) {
		for (int i = 0; node_enabled(t->fdt, sub) && reg_get(t->fdt, sub, i, &r); i++) {
			if (!add_reserved(t->h, pa_raw(r.base), r.size)) {
				return refuse(
				    t, "the device tree's reserved-memory is broken or too much");
			}
		}
	}
	return true;
}

static bool read_chosen(struct tree *t)
{
	int node = fdt_path_offset(t->fdt, "/chosen");
	uint64_t start = prop_int(t->fdt, node, "linux,initrd-start", UINT64_MAX);
	uint64_t end = prop_int(t->fdt, node, "linux,initrd-end", UINT64_MAX);

	str_copy(t->h->bootargs, prop_str(t->fdt, node, "bootargs"), sizeof(t->h->bootargs));
	if (start == UINT64_MAX || end == UINT64_MAX) return true;
	if (end < start || end > ADDRESS_LIMIT)
		return refuse(t, "the device tree's linux,initrd-start and -end make no range");
	t->h->initrd = (struct host_range){pa(start), end - start};
	return true;
}

static void read_root(const void *fdt, struct host *h)
{
	const char *model = prop_str(fdt, 0, "model");
	int psci = find_enabled(fdt, "arm,psci-0.2\0arm,psci-1.0\0");
	const char *method = prop_str(fdt, psci, "method");

	str_copy(h->model, model[0] != '\0' ? model : "unknown board", sizeof(h->model));
	str_copy(h->compatible, prop_str(fdt, 0, "compatible"), sizeof(h->compatible));
	h->psci_smc = strcmp(method, "smc") == 0;
	h->psci_hvc = strcmp(method, "hvc") == 0;
}

/* The node stdout-path names (its options after ':' dropped), or the first PL011. */
static int find_uart(const void *fdt)
{
	const char *path = prop_str(fdt, fdt_path_offset(fdt, "/chosen"), "stdout-path");
	const char *colon = strchr(path, ':');
	size_t len = colon != NULL ? (size_t)(colon - path) : strlen(path);
	int node = fdt_path_offset_namelen(fdt, path, (int)len);

	return node >= 0 ? node : find_enabled(fdt, "arm,pl011\0");
}

static void read_uart(const struct tree *t, struct host_uart *u)
{
	int node = find_uart(t->fdt), clock;

	if (node < 0 || !reg_get(t->fdt, node, 0, &u->regs)) return;
	if (is_compatible(t->fdt, node, "arm,pl011\0arm,sbsa-uart\0")) {
		u->type = HOST_UART_PL011;
	} else if (is_compatible(t->fdt, node, "brcm,bcm2835-aux-uart\0")) {
		u->type = HOST_UART_8250;
		u->reg_shift = 2;
	} else if (is_compatible(t->fdt, node, "ns16550a\0ns16550\0snps,dw-apb-uart\0")) {
		u->type = HOST_UART_8250;
		u->reg_shift = prop_u32(t->fdt, node, "reg-shift", 0);
	}
	clock = fdt_node_offset_by_phandle(t->fdt, prop_u32(t->fdt, node, "clocks", 0));
	u->clock_hz = prop_u32(t->fdt, node, "clock-frequency", 0);
	if (u->clock_hz == 0) u->clock_hz = prop_u32(t->fdt, clock, "clock-frequency", 0);
	u->intid = irq_get(t, node, 0);
}

static bool read_gicv2(struct tree *t, struct host_gic *g)
{
	g->version = 2;
	if (!reg_get(t->fdt, t->gic, 0, &g->gicd) || !reg_get(t->fdt, t->gic, 1, &g->gicc))
		return refuse(t, BAD_GIC_REGS);
	if (!reg_get(t->fdt, t->gic, 2, &g->gich) || !reg_get(t->fdt, t->gic, 3, &g->gicv)) {
		return refuse(t, "the GICv2 has no virtualization extensions (GICH and GICV in "
		                 "the device tree)");
	}
	return true;
}

static bool read_gicv3(struct tree *t, struct host_gic *g)
{
	uint32_t regions = prop_u32(t->fdt, t->gic, "#redistributor-regions", 1);

	g->version = 3;
	g->gicr_stride = prop_int(t->fdt, t->gic, "redistributor-stride", 0);
	if (!reg_get(t->fdt, t->gic, 0, &g->gicd) || regions == 0) return refuse(t, BAD_GIC_REGS);
	if (regions > HOST_MAX_BANKS)
		return refuse(t, "the GICv3 has more redistributor regions than Atoll can use");
	for (; g->nr_gicr < regions; g->nr_gicr++) {
		if (!reg_get(t->fdt, t->gic, (int)g->nr_gicr + 1, &g->gicr[g->nr_gicr])) {
			return refuse(t,
			              "the GICv3's redistributors in the device tree are broken");
		}
	}
	return true;
}

static bool read_gic(struct tree *t)
{
	struct host_gic *g = &t->h->gic;
	int v2 = find_enabled(t->fdt, "arm,gic-400\0arm,cortex-a15-gic\0arm,cortex-a7-gic\0");
	bool ok;

	t->gic = v2 >= 0 ? v2 : find_enabled(t->fdt, "arm,gic-v3\0");
	if (t->gic < 0) {
		return refuse(t, "the device tree has no interrupt controller that Atoll can use "
		                 "(a GICv2 with virtualization extensions, or a GICv3)");
	}
	ok = v2 >= 0 ? read_gicv2(t, g) : read_gicv3(t, g);
	g->maint_intid = irq_get(t, t->gic, 0);
	if (ok && g->maint_intid == 0) {
		return refuse(t, "the interrupt controller has no maintenance interrupt in the "
		                 "device tree");
	}
	return ok;
}

/* Interrupts in the order of the binding: secure physical, physical, virtual, hypervisor. */
static bool read_timer(struct tree *t)
{
	struct host_timer *timer = &t->h->timer;
	int node = find_enabled(t->fdt, "arm,armv8-timer\0arm,armv7-timer\0");

	if (node < 0) return refuse(t, "the device tree has no generic timer");
	timer->phys_intid = irq_get(t, node, 1);
	timer->virt_intid = irq_get(t, node, 2);
	timer->hyp_intid = irq_get(t, node, 3);
	timer->clock_hz = prop_u32(t->fdt, node, "clock-frequency", 0);
	if (timer->virt_intid == 0 || timer->hyp_intid == 0) {
		return refuse(t, "the device tree does not give the virtual and hypervisor timer "
		                 "interrupts");
	}
	return true;
}

static void read_cpu(const void *fdt, int node, int ac, struct host *h)
{
	const char *method = prop_str(fdt, node, "enable-method");
	uint64_t release = prop_int(fdt, node, "cpu-release-addr", UINT64_MAX);
	struct host_cpu *c = &h->cpus[h->nr_cpus];
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, "reg", &len);

	if (p == NULL || ac < 1 || ac > 2 || len < ac * 4 || !node_enabled(fdt, node) ||
	    h->nr_cpus == MAX_PCPUS) {
		h->nr_cpus_ignored++;
		return;
	}
	c->mpidr = take_cells(&p, ac) & (GENMASK(23, 0) | GENMASK(39, 32));
	if (strcmp(method, "psci") == 0 && h->psci_smc) {
		c->enable = HOST_ENABLE_PSCI;
	} else if (strcmp(method, "spin-table") == 0 && release < ADDRESS_LIMIT &&
	           IS_ALIGNED(release, 8)) {
		c->enable = HOST_ENABLE_SPIN_TABLE;
		c->release = pa(release);
	}
	h->nr_cpus++;
}

static bool read_cpus(struct tree *t)
{
	int cpus = fdt_path_offset(t->fdt, "/cpus"), node;

	if (cpus < 0) return refuse(t, "the device tree has no /cpus");
	fdt_for_each_subnode (node, t->fdt, cpus)
		if (strcmp(prop_str(t->fdt, node, "device_type"), "cpu") == 0)
			read_cpu(t->fdt, node, fdt_address_cells(t->fdt, cpus), t->h);
	return true;
}

enum hyp_err config_host_init(const void *fdt, struct host *out, const char **why)
{
	struct tree t = {.fdt = fdt, .gic = -1, .h = out};
	uint64_t size = config_fdt_size(fdt);
	bool ok;

	memset(out, 0, sizeof(*out));
	if (size == 0 || fit_check_tree(fdt, size, why) != HYP_OK || fdt_num_mem_rsv(fdt) < 0) {
		*why = "the device tree is damaged, or there is none";
		return HYP_EINVAL;
	}
	out->fdt = (struct host_range){ptr_to_pa(fdt), size};
	read_root(fdt, out);
	ok = read_chosen(&t) && read_memory(&t) && read_cpus(&t) && read_gic(&t);
	read_uart(&t, &out->uart); /* wanted for the sentence as well */
	ok = ok && read_timer(&t);
	*why = t.why;
	return ok ? HYP_OK : HYP_EINVAL;
}
