/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's device tree as plain values. The tree is walked once with bounds before libfdt sees
 * it; afterwards every property is checked for its length where it is used.
 */
#include <arch/mm.h>
#include <hyp/config.h>
#include <hyp/host.h>
#include <hyp/management.h>
#include <hyp/tree.h>
#include <lib/str.h>

#include <libfdt.h>
#include <string.h>

#define FDT_LIMIT MiB(4) /* booting.rst allows 2; QEMU doubles what -dtb gives it */

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

/* Whole pages of a bank, as far as the management guest sees, merged with those it touches; more
 * banks than fit are left alone. */
static void add_bank(struct host *h, struct host_range r)
{
	uint64_t lo = ALIGN_UP(pa_raw(r.base), PAGE_SIZE);
	uint64_t hi = MIN(ALIGN_DOWN(pa_raw(r.base) + r.size, PAGE_SIZE), MANAGEMENT_VIEW);

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
	if (h->nr_reserved == HOST_MAX_RESERVED || base >= TREE_ADDRESS_LIMIT ||
	    size > TREE_ADDRESS_LIMIT - base)
		return size == 0;
	h->reserved[h->nr_reserved] = (struct host_range){pa(base), size};
	h->nr_reserved += size != 0;
	return true;
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
		bool ram = strcmp(tree_str(t->fdt, node, "device_type"), "memory") == 0 &&
		           tree_enabled(t->fdt, node);

		for (int i = 0; ram && tree_reg(t->fdt, node, i, &r); i++) add_bank(t->h, r);
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
		for (int i = 0; tree_enabled(t->fdt, node) && tree_reg(t->fdt, node, i, &r); i++)
			if (!add_reserved(t->h, pa_raw(r.base), r.size)) return BAD_RESERVED;
	return NULL;
}

static const char *read_root(struct tree *t)
{
	const void *fdt = t->fdt;
	struct host *h = t->h;
	const char *model = tree_str(fdt, 0, "model");
	int psci = tree_find(fdt, "arm,psci-0.2\0arm,psci-1.0\0");
	const char *method = tree_str(fdt, psci, "method");

	str_copy(h->bootargs, tree_str(fdt, fdt_path_offset(fdt, "/chosen"), "bootargs"),
	         sizeof(h->bootargs));
	str_copy(h->model, model[0] != '\0' ? model : "unknown board", sizeof(h->model));
	str_copy(h->compatible, tree_str(fdt, 0, "compatible"), sizeof(h->compatible));
	h->psci_smc = strcmp(method, "smc") == 0;
	h->psci_hvc = strcmp(method, "hvc") == 0;
	for (unsigned i = 0; i < HOST_MAX_SDHCI; i++)
		(void)tree_reg(fdt, tree_find(fdt, sdhci[i]), 0, &h->sdhci[i]);
	return NULL;
}

/*
 * The node that stdout-path names, without options behind ':', as a path or an alias of one: not by
 * libfdt, which follows an alias of itself for ever, and one without an end beyond it.
 */
static int find_stdout(const void *fdt)
{
	const char *path = tree_str(fdt, fdt_path_offset(fdt, "/chosen"), "stdout-path");
	char name[128];

	str_copy(name, path, MIN(strcspn(path, ":") + 1, sizeof(name)));
	path = name[0] == '/' ? name : tree_str(fdt, fdt_path_offset(fdt, "/aliases"), name);
	return path[0] == '/' ? fdt_path_offset(fdt, path) : -1;
}

static const char *read_uart(struct tree *t)
{
	int node = find_stdout(t->fdt), clock;
	struct host_uart *u = &t->h->uart;

	node = node >= 0 ? node : tree_find(t->fdt, "arm,pl011\0");
	if (node < 0 || !tree_reg(t->fdt, node, 0, &u->regs)) return NULL;
	if (tree_is(t->fdt, node, "arm,pl011\0arm,sbsa-uart\0")) {
		u->type = HOST_UART_PL011;
	} else if (tree_is(t->fdt, node, MINI_UART "ns16550a\0ns16550\0snps,dw-apb-uart\0")) {
		u->type = HOST_UART_8250;
		u->reg_shift = (uint32_t)tree_number(t->fdt, node, "reg-shift",
		                                     tree_is(t->fdt, node, MINI_UART) ? 2 : 0);
	}
	clock =
	    fdt_node_offset_by_phandle(t->fdt, (uint32_t)tree_cells(t->fdt, node, "clocks", 0, 1));
	u->clock_hz = (uint32_t)tree_number(t->fdt, node, "clock-frequency",
	                                    tree_number(t->fdt, clock, "clock-frequency", 0));
	u->intid = tree_irq(t->fdt, t->gic, node, 0);
	return in_ram(t->h, &u->regs) ? UART_IN_RAM : NULL;
}

static const char *read_gic(struct tree *t)
{
	struct host_gic *g = &t->h->gic;
	struct host_range *const v2[] = {&g->gicd, &g->gicc, &g->gich, &g->gicv};
	const void *fdt = t->fdt;
	uint64_t regions;

	g->version = 2;
	t->gic = tree_find(fdt, TREE_GICV2);
	if (t->gic < 0) {
		g->version = 3;
		t->gic = tree_find(fdt, TREE_GICV3);
	}
	if (t->gic < 0) return NO_GIC;
	for (int i = 0; i < (g->version == 2 ? 4 : 1); i++)
		if (!tree_reg(fdt, t->gic, i, v2[i])) return i < 2 ? BAD_GIC : NO_GICH;
	g->gicr_stride = tree_number(fdt, t->gic, "redistributor-stride", 0);
	regions = g->version == 2 ? 0 : tree_number(fdt, t->gic, "#redistributor-regions", 1);
	if (regions > HOST_MAX_BANKS || (g->version == 3 && regions == 0)) return BAD_GIC;
	for (; g->nr_gicr < regions; g->nr_gicr++)
		if (!tree_reg(fdt, t->gic, (int)g->nr_gicr + 1, &g->gicr[g->nr_gicr]))
			return BAD_GIC;
	g->maint_intid = tree_irq(t->fdt, t->gic, t->gic, 0);
	return g->maint_intid ? NULL : NO_MAINTENANCE;
}

/* Interrupts in the order of the binding: secure physical, physical, virtual, hypervisor. */
static const char *read_timer(struct tree *t)
{
	struct host_timer *timer = &t->h->timer;
	int node = tree_find(t->fdt, "arm,armv8-timer\0arm,armv7-timer\0");

	timer->virt_intid = tree_irq(t->fdt, t->gic, node, 2);
	timer->hyp_intid = tree_irq(t->fdt, t->gic, node, 3);
	timer->clock_hz = (uint32_t)tree_number(t->fdt, node, "clock-frequency", 0);
	if (node < 0) return NO_TIMER;
	return timer->virt_intid != 0 && timer->hyp_intid != 0 ? NULL : NO_TIMER_IRQ;
}

static const char *read_cpus(struct tree *t)
{
	int cpus = fdt_path_offset(t->fdt, "/cpus"), node;

	fdt_for_each_subnode (node, t->fdt, cpus) {
		int ac = fdt_address_cells(t->fdt, cpus);
		const char *method = tree_str(t->fdt, node, "enable-method");
		uint64_t release = tree_number(t->fdt, node, "cpu-release-addr", TREE_ABSENT);
		uint64_t mpidr = tree_cells(t->fdt, node, "reg", 0, ac);
		struct host_cpu *c = &t->h->cpus[t->h->nr_cpus];

		if (strcmp(tree_str(t->fdt, node, "device_type"), "cpu") != 0) continue;
		if (mpidr == TREE_ABSENT || !tree_enabled(t->fdt, node) ||
		    t->h->nr_cpus == MAX_PCPUS) {
			t->h->nr_cpus_ignored++;
			continue;
		}
		t->h->nr_cpus++;
		c->mpidr = mpidr & (GENMASK(23, 0) | GENMASK(39, 32));
		if (strcmp(method, "psci") == 0 && t->h->psci_smc) {
			c->enable = HOST_ENABLE_PSCI;
		} else if (strcmp(method, "spin-table") == 0 && release < TREE_ADDRESS_LIMIT &&
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
	uint64_t start = tree_number(t->fdt, node, "linux,initrd-start", TREE_ABSENT);
	uint64_t end = tree_number(t->fdt, node, "linux,initrd-end", TREE_ABSENT);
	struct host_range *r = &t->h->initrd;

	if (start == TREE_ABSENT || end == TREE_ABSENT || start == end) return NULL;
	if (end < start || end > TREE_ADDRESS_LIMIT) return BAD_INITRD;
	*r = (struct host_range){pa(start), end - start};
	if (!in_ram(t->h, r)) return INITRD_NO_RAM;
	return range_overlap(r, &t->h->image) || range_overlap(r, &t->h->fdt) ? INITRD_OVER : NULL;
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
	if (size == 0 || tree_check(fdt, size, why) != HYP_OK || fdt_num_mem_rsv(fdt) < 0)
		*why = BROKEN;
	for (unsigned i = 0; *why == NULL && i < ARRAY_SIZE(readers); i++) *why = readers[i](&t);
	return *why ? HYP_EINVAL : HYP_OK;
}
