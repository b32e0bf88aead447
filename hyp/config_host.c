/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's device tree as plain values. The tree is walked once with bounds before libfdt sees
 * it; afterwards every property is checked for its length where it is used.
 */
#include <arch/mm.h>
#include <hyp/config.h>
#include <hyp/host.h>
#include <lib/str.h>

#include <libfdt.h>
#include <string.h>

#define FDT_LIMIT MiB(4) /* booting.rst allows 2; QEMU doubles what -dtb gives it */
#define TREE_MAX_DEPTH 16u
#define ADDRESS_LIMIT BIT(48)
#define GIC_MAX_INTID 1019u

struct host host;

struct tree {
	const void *fdt;
	int gic; /* its node, once found */
};

/* Big-endian word; cells and tags are 4-byte aligned. */
static uint32_t be32(const void *p)
{
	return fdt32_to_cpu(*(const fdt32_t *)p);
}

uint64_t config_fdt_size(const void *fdt)
{
	if (fdt == NULL || !IS_ALIGNED((uintptr_t)fdt, 8) || fdt_magic(fdt) != FDT_MAGIC ||
	    fdt_totalsize(fdt) < sizeof(struct fdt_header) || fdt_totalsize(fdt) > FDT_LIMIT) {
		return 0;
	}
	return fdt_totalsize(fdt);
}

/* The property at *at is inside the structure and its name inside the strings. Moves *at on. */
static bool prop_sound(const void *fdt, const uint8_t *s, uint32_t size, uint32_t *at)
{
	const char *strings = (const char *)fdt + fdt_off_dt_strings(fdt);
	uint32_t nr_strings = fdt_size_dt_strings(fdt), len, name;

	if (size - *at < 8) {
		return false;
	}
	len = be32(s + *at);
	name = be32(s + *at + 4);
	*at += 8;
	if (len > size - *at || name >= nr_strings ||
	    memchr(strings + name, 0, nr_strings - name) == NULL) {
		return false;
	}
	*at += (uint32_t)ALIGN_UP((uint64_t)len, 4);
	return true;
}

/* One walk over every tag: bounded, nested rightly, one root, names ended. */
static bool tree_sound(const void *fdt)
{
	const uint8_t *s = (const uint8_t *)fdt + fdt_off_dt_struct(fdt);
	uint32_t size = fdt_size_dt_struct(fdt), at = 0, depth = 0, tag;
	bool root = false;

	while (at <= size && size - at >= 4) {
		tag = be32(s + at);
		at += 4;
		if (tag == FDT_BEGIN_NODE) {
			size_t len = strnlen((const char *)s + at, size - at);

			if (len == size - at || ++depth > TREE_MAX_DEPTH || (depth == 1 && root)) {
				return false;
			}
			root = true;
			at += (uint32_t)ALIGN_UP(len + 1, 4);
		} else if (tag == FDT_END_NODE) {
			if (depth-- == 0) {
				return false;
			}
		} else if (tag == FDT_PROP) {
			if (depth == 0 || !prop_sound(fdt, s, size, &at)) {
				return false;
			}
		} else if (tag == FDT_END) {
			return root && depth == 0;
		} else if (tag != FDT_NOP) {
			return false;
		}
	}
	return false;
}

static bool tree_check(const void *fdt)
{
	return config_fdt_size(fdt) != 0 && fdt_check_header(fdt) == 0 && fdt_version(fdt) >= 17 &&
	       IS_ALIGNED(fdt_off_dt_struct(fdt), 4) && IS_ALIGNED(fdt_off_mem_rsvmap(fdt), 8) &&
	       tree_sound(fdt) && fdt_num_mem_rsv(fdt) >= 0;
}

/* A string property, ended inside the property; NULL if absent or not a string. */
static const char *prop_str(const void *fdt, int node, const char *name)
{
	int len;
	const char *s = fdt_getprop(fdt, node, name, &len);

	return s != NULL && len > 0 && memchr(s, 0, (size_t)len) != NULL ? s : NULL;
}

static uint32_t prop_u32(const void *fdt, int node, const char *name, uint32_t absent)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	return p != NULL && len >= 4 ? be32(p) : absent;
}

/* An integer of 4 or 8 bytes. */
static bool prop_int(const void *fdt, int node, const char *name, uint64_t *out)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	if (p == NULL || (len != 4 && len != 8)) {
		return false;
	}
	*out = be32(p);
	if (len == 8) {
		*out = *out << 32 | be32((const uint8_t *)p + 4);
	}
	return true;
}

static bool node_enabled(const void *fdt, int node)
{
	const char *status = prop_str(fdt, node, "status");

	return status == NULL || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

static int find_enabled(const void *fdt, const char *compatible)
{
	int node = fdt_node_offset_by_compatible(fdt, -1, compatible);

	while (node >= 0 && !node_enabled(fdt, node)) {
		node = fdt_node_offset_by_compatible(fdt, node, compatible);
	}
	return node;
}

static bool is_compatible(const void *fdt, int node, const char *compatible)
{
	return fdt_node_check_compatible(fdt, node, compatible) == 0;
}

/* n cells (0 to 2) at *p, which moves on. */
static uint64_t take_cells(const fdt32_t **p, int n)
{
	uint64_t val = 0;

	while (n-- > 0) {
		val = val << 32 | be32((*p)++);
	}
	return val;
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

		if (p == NULL || ac < 1 || ac > 2 || pac < 1 || pac > 2 || sc < 1 || sc > 2) {
			return false;
		}
		for (; !found && left >= ac + pac + sc; left -= ac + pac + sc) {
			uint64_t from = take_cells(&p, ac), to = take_cells(&p, pac);
			uint64_t size = take_cells(&p, sc);

			if (*addr >= from && *addr - from < size) {
				*addr = to + (*addr - from);
				found = true;
			}
		}
		if (!found) {
			return false;
		}
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

	if (p == NULL || ac < 1 || ac > 2 || sc < 0 || sc > 2 || len / 4 / (ac + sc) <= index) {
		return false;
	}
	p += index * (ac + sc);
	base = take_cells(&p, ac);
	size = take_cells(&p, sc);
	if (!translate(fdt, parent, &base) || base >= ADDRESS_LIMIT ||
	    size > ADDRESS_LIMIT - base) {
		return false;
	}
	*out = (struct host_range){pa(base), size};
	return true;
}

/* Interrupt `index` of a node as INTID of the GIC; 0: none, or not the GIC's. */
static uint32_t irq_get(const struct tree *t, int node, int index)
{
	uint32_t phandle = 0;
	int up = node, len, cells = (int)prop_u32(t->fdt, t->gic, "#interrupt-cells", 0);
	const fdt32_t *p = fdt_getprop(t->fdt, node, "interrupts", &len);
	uint32_t type, number;

	while (up >= 0 && phandle == 0) {
		phandle = prop_u32(t->fdt, up, "interrupt-parent", 0);
		up = fdt_parent_offset(t->fdt, up);
	}
	if (p == NULL || (cells != 3 && cells != 4) || len / 4 / cells <= index || phandle == 0 ||
	    fdt_node_offset_by_phandle(t->fdt, phandle) != t->gic) {
		return 0;
	}
	type = be32(p + index * cells);
	number = be32(p + index * cells + 1);
	if (type == 0 && number <= GIC_MAX_INTID - 32) {
		return number + 32;
	}
	return type == 1 && number < 16 ? number + 16 : 0;
}

/* Whole pages of a bank, sorted in and merged; more banks than fit are left alone. */
static void add_bank(struct host *h, struct host_range r)
{
	uint64_t lo = ALIGN_UP(pa_raw(r.base), PAGE_SIZE);
	uint64_t hi = ALIGN_DOWN(pa_raw(r.base) + r.size, PAGE_SIZE);
	unsigned i = 0;

	while (i < h->nr_ram) {
		uint64_t base = pa_raw(h->ram[i].base), end = base + h->ram[i].size;

		if (lo <= end && base <= hi && lo < hi) {
			lo = MIN(lo, base);
			hi = MAX(hi, end);
			h->ram[i] = h->ram[--h->nr_ram];
			i = 0; /* the larger one may touch others */
		} else {
			i++;
		}
	}
	if (lo >= hi || h->nr_ram == HOST_MAX_BANKS) {
		return;
	}
	for (i = h->nr_ram++; i > 0 && pa_raw(h->ram[i - 1].base) > lo; i--) {
		h->ram[i] = h->ram[i - 1];
	}
	h->ram[i] = (struct host_range){pa(lo), hi - lo};
}

static bool add_reserved(struct host *h, uint64_t base, uint64_t size)
{
	if (size == 0) {
		return true;
	}
	if (h->nr_reserved == HOST_MAX_RESERVED || base >= ADDRESS_LIMIT ||
	    size > ADDRESS_LIMIT - base) {
		return false;
	}
	h->reserved[h->nr_reserved++] = (struct host_range){pa(base), size};
	return true;
}

static const char *read_memory(const void *fdt, struct host *h)
{
	struct host_range r;
	int node, sub;

	fdt_for_each_subnode (node, fdt, 0) {
		const char *type = prop_str(fdt, node, "device_type");

		if (type == NULL || strcmp(type, "memory") != 0 || !node_enabled(fdt, node)) {
			continue;
		}
		for (int i = 0; reg_get(fdt, node, i, &r); i++) {
			add_bank(h, r);
		}
	}
	if (h->nr_ram == 0) {
		return "the device tree names no RAM (no usable memory node)";
	}
	for (int i = 0; i < fdt_num_mem_rsv(fdt); i++) {
		uint64_t base, size;

		if (fdt_get_mem_rsv(fdt, i, &base, &size) != 0 || !add_reserved(h, base, size)) {
			return "the device tree's memory reservations are broken or too many";
		}
	}
	node = fdt_path_offset(fdt, "/reserved-memory");
	if (node < 0) {
		return NULL;
	}
	fdt_for_each_subnode (sub, fdt, node) {
		for (int i = 0; node_enabled(fdt, sub) && reg_get(fdt, sub, i, &r); i++) {
			if (!add_reserved(h, pa_raw(r.base), r.size)) {
				return "the device tree's reserved-memory is broken or too much";
			}
		}
	}
	return NULL;
}

static const char *read_chosen(const void *fdt, struct host *h)
{
	int node = fdt_path_offset(fdt, "/chosen");
	const char *args = node < 0 ? NULL : prop_str(fdt, node, "bootargs");
	uint64_t start, end;

	if (args != NULL) {
		str_copy(h->bootargs, args, sizeof(h->bootargs));
	}
	if (node < 0 || !prop_int(fdt, node, "linux,initrd-start", &start) ||
	    !prop_int(fdt, node, "linux,initrd-end", &end)) {
		return NULL;
	}
	if (end < start || end > ADDRESS_LIMIT) {
		return "the device tree's linux,initrd-start and -end make no range";
	}
	h->initrd = (struct host_range){pa(start), end - start};
	return NULL;
}

static void read_root(const void *fdt, struct host *h)
{
	const char *s = prop_str(fdt, 0, "model");
	int psci = fdt_node_offset_by_compatible(fdt, -1, "arm,psci-0.2");
	const char *method;

	str_copy(h->model, s != NULL ? s : "unknown board", sizeof(h->model));
	s = prop_str(fdt, 0, "compatible");
	str_copy(h->compatible, s != NULL ? s : "", sizeof(h->compatible));
	if (psci < 0) {
		psci = fdt_node_offset_by_compatible(fdt, -1, "arm,psci-1.0");
	}
	method = psci < 0 ? NULL : prop_str(fdt, psci, "method");
	h->psci_smc = method != NULL && strcmp(method, "smc") == 0;
	h->psci_hvc = method != NULL && strcmp(method, "hvc") == 0;
}

/* The node stdout-path names (its options after ':' dropped), or the first PL011. */
static int find_uart(const void *fdt)
{
	int chosen = fdt_path_offset(fdt, "/chosen"), node = -1;
	const char *path = chosen < 0 ? NULL : prop_str(fdt, chosen, "stdout-path");

	if (path != NULL) {
		const char *colon = strchr(path, ':');

		node = fdt_path_offset_namelen(
		    fdt, path, (int)(colon != NULL ? (size_t)(colon - path) : strlen(path)));
	}
	return node >= 0 ? node : find_enabled(fdt, "arm,pl011");
}

static void read_uart(const struct tree *t, struct host_uart *u)
{
	int node = find_uart(t->fdt);
	int clock;

	if (node < 0 || !reg_get(t->fdt, node, 0, &u->regs)) {
		return;
	}
	if (is_compatible(t->fdt, node, "arm,pl011") ||
	    is_compatible(t->fdt, node, "arm,sbsa-uart")) {
		u->type = HOST_UART_PL011;
	} else if (is_compatible(t->fdt, node, "brcm,bcm2835-aux-uart")) {
		u->type = HOST_UART_8250;
		u->reg_shift = 2;
	} else if (is_compatible(t->fdt, node, "ns16550a") ||
	           is_compatible(t->fdt, node, "ns16550") ||
	           is_compatible(t->fdt, node, "snps,dw-apb-uart")) {
		u->type = HOST_UART_8250;
		u->reg_shift = prop_u32(t->fdt, node, "reg-shift", 0);
	}
	u->clock_hz = prop_u32(t->fdt, node, "clock-frequency", 0);
	clock = fdt_node_offset_by_phandle(t->fdt, prop_u32(t->fdt, node, "clocks", 0));
	if (u->clock_hz == 0 && clock >= 0) {
		u->clock_hz = prop_u32(t->fdt, clock, "clock-frequency", 0);
	}
	u->intid = irq_get(t, node, 0);
}

static const char *read_gicv2(const void *fdt, int node, struct host_gic *g)
{
	g->version = 2;
	if (!reg_get(fdt, node, 0, &g->gicd) || !reg_get(fdt, node, 1, &g->gicc)) {
		return "the interrupt controller's registers in the device tree are broken";
	}
	if (!reg_get(fdt, node, 2, &g->gich) || !reg_get(fdt, node, 3, &g->gicv)) {
		return "the GICv2 has no virtualization extensions (GICH and GICV in the device "
		       "tree)";
	}
	return NULL;
}

static const char *read_gicv3(const void *fdt, int node, struct host_gic *g)
{
	uint32_t regions = prop_u32(fdt, node, "#redistributor-regions", 1);

	g->version = 3;
	if (!prop_int(fdt, node, "redistributor-stride", &g->gicr_stride)) {
		g->gicr_stride = 0;
	}
	if (!reg_get(fdt, node, 0, &g->gicd) || regions == 0) {
		return "the interrupt controller's registers in the device tree are broken";
	}
	if (regions > HOST_MAX_BANKS) {
		return "the GICv3 has more redistributor regions than Atoll can use";
	}
	for (g->nr_gicr = 0; g->nr_gicr < regions; g->nr_gicr++) {
		if (!reg_get(fdt, node, (int)g->nr_gicr + 1, &g->gicr[g->nr_gicr])) {
			return "the GICv3's redistributors in the device tree are broken";
		}
	}
	return NULL;
}

static const char *read_gic(struct tree *t, struct host_gic *g)
{
	static const char *const v2[] = {"arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a7-gic"};
	const char *why;

	t->gic = -1;
	for (size_t i = 0; i < ARRAY_SIZE(v2) && t->gic < 0; i++) {
		t->gic = find_enabled(t->fdt, v2[i]);
	}
	if (t->gic >= 0) {
		why = read_gicv2(t->fdt, t->gic, g);
	} else {
		t->gic = find_enabled(t->fdt, "arm,gic-v3");
		if (t->gic < 0) {
			return "the device tree has no interrupt controller that Atoll can use (a "
			       "GICv2 with "
			       "virtualization extensions, or a GICv3)";
		}
		why = read_gicv3(t->fdt, t->gic, g);
	}
	g->maint_intid = irq_get(t, t->gic, 0);
	if (why == NULL && g->maint_intid == 0) {
		why = "the interrupt controller has no maintenance interrupt in the device tree";
	}
	return why;
}

/* Interrupts in the order of the binding: secure physical, physical, virtual, hypervisor. */
static const char *read_timer(const struct tree *t, struct host_timer *timer)
{
	int node = find_enabled(t->fdt, "arm,armv8-timer");

	if (node < 0) {
		node = find_enabled(t->fdt, "arm,armv7-timer");
	}
	if (node < 0) {
		return "the device tree has no generic timer";
	}
	timer->phys_intid = irq_get(t, node, 1);
	timer->virt_intid = irq_get(t, node, 2);
	timer->hyp_intid = irq_get(t, node, 3);
	timer->clock_hz = prop_u32(t->fdt, node, "clock-frequency", 0);
	if (timer->virt_intid == 0 || timer->hyp_intid == 0) {
		return "the device tree does not give the virtual and hypervisor timer interrupts";
	}
	return NULL;
}

static void read_cpu(const void *fdt, int node, int ac, struct host *h)
{
	const char *method = prop_str(fdt, node, "enable-method");
	struct host_cpu c = {.enable = HOST_ENABLE_NONE};
	uint64_t release = 0;
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, "reg", &len);

	if (p == NULL || ac < 1 || ac > 2 || len < ac * 4 || !node_enabled(fdt, node) ||
	    h->nr_cpus == MAX_PCPUS) {
		h->nr_cpus_ignored++;
		return;
	}
	c.mpidr = take_cells(&p, ac) & (GENMASK(23, 0) | GENMASK(39, 32));
	if (method != NULL && strcmp(method, "psci") == 0 && h->psci_smc) {
		c.enable = HOST_ENABLE_PSCI;
	} else if (method != NULL && strcmp(method, "spin-table") == 0 &&
	           prop_int(fdt, node, "cpu-release-addr", &release) && release < ADDRESS_LIMIT &&
	           IS_ALIGNED(release, 8)) {
		c.enable = HOST_ENABLE_SPIN_TABLE;
		c.release = pa(release);
	}
	h->cpus[h->nr_cpus++] = c;
}

static const char *read_cpus(const void *fdt, struct host *h)
{
	int cpus = fdt_path_offset(fdt, "/cpus"), node;
	int ac = cpus < 0 ? 0 : fdt_address_cells(fdt, cpus);

	if (cpus < 0) {
		return "the device tree has no /cpus";
	}
	fdt_for_each_subnode (node, fdt, cpus) {
		const char *type = prop_str(fdt, node, "device_type");

		if (type != NULL && strcmp(type, "cpu") == 0) {
			read_cpu(fdt, node, ac, h);
		}
	}
	return NULL;
}

enum hyp_err config_host_init(const void *fdt, struct host *out, const char **why)
{
	struct tree t = {.fdt = fdt, .gic = -1};

	memset(out, 0, sizeof(*out));
	if (!tree_check(fdt)) {
		*why = "the device tree is damaged, or there is none";
		return HYP_EINVAL;
	}
	out->fdt = (struct host_range){ptr_to_pa(fdt), fdt_totalsize(fdt)};
	read_root(fdt, out);
	*why = read_chosen(fdt, out);
	if (*why == NULL) {
		*why = read_memory(fdt, out);
	}
	if (*why == NULL) {
		*why = read_cpus(fdt, out);
	}
	if (*why == NULL) {
		*why = read_gic(&t, &out->gic);
	}
	read_uart(&t, &out->uart); /* wanted for the sentence as well */
	if (*why == NULL) {
		*why = read_timer(&t, &out->timer);
	}
	return *why == NULL ? HYP_OK : HYP_EINVAL;
}
