/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's device tree: names, handles and order of properties as QEMU's virt machine has them,
 * and only devices that the VM has.
 */
#include <libfdt.h>
#include <string.h>

#include <abi/hvc.h>
#include <hyp/check.h>
#include <hyp/gfdt.h>
#include <hyp/vm.h>
#include <lib/printf.h>

#define PHANDLE_CLOCK 0x8000u
#define PHANDLE_GIC 0x8001u
#define CLOCK_HZ 24000000u

/* Interrupt specifiers of the Arm GIC binding: type, number, flags. */
#define IRQ_SPI 0u
#define IRQ_PPI 1u
#define IRQ_LEVEL_HIGH 4u
#define SPI_BASE 32u /* SPI n is INTID 32 + n */
/* PPIs of the generic timer: secure, non-secure, virtual, hypervisor. */
#define TIMER_PPIS                                                                                 \
	{                                                                                          \
		13, 14, 11, 10                                                                     \
	}

#define MPIDR_AFFINITY 0xff00ffffffull

/* First error sticks; libfdt refuses everything after one anyway. */
struct gfdt {
	void *fdt;
	int err;
};

static void step(struct gfdt *g, int err)
{
	g->err = g->err ? g->err : err;
}

static void begin(struct gfdt *g, const char *name)
{
	step(g, fdt_begin_node(g->fdt, name));
}

/* name@address */
static void begin_at(struct gfdt *g, const char *name, uint64_t at)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%s@%lx", name, (unsigned long)at);
	begin(g, buf);
}

static void end(struct gfdt *g)
{
	step(g, fdt_end_node(g->fdt));
}

static void flag(struct gfdt *g, const char *name)
{
	step(g, fdt_property(g->fdt, name, "", 0));
}

static void u32(struct gfdt *g, const char *name, uint32_t value)
{
	step(g, fdt_property_u32(g->fdt, name, value));
}

static void text(struct gfdt *g, const char *name, const char *value)
{
	step(g, fdt_property(g->fdt, name, value, (int)strlen(value) + 1));
}

/* A list of strings, given as a literal with \0 between them. */
#define strings(g, name, list) step((g), fdt_property((g)->fdt, (name), (list), sizeof(list)))

/* n <= 12: the timer's interrupts. */
static void cells(struct gfdt *g, const char *name, const uint32_t *values, size_t n)
{
	fdt32_t be[12];

	CHECK(n <= ARRAY_SIZE(be));
	for (size_t i = 0; i < n; i++) {
		be[i] = cpu_to_fdt32(values[i]);
	}
	step(g, fdt_property(g->fdt, name, be, (int)(n * sizeof(be[0]))));
}

#define cells_of(g, name, ...)                                                                     \
	cells((g), (name), (const uint32_t[]){__VA_ARGS__},                                        \
	      sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define HI(x) (uint32_t)((x) >> 32)
#define LO(x) (uint32_t)(x)
#define REG(base, size) HI(base), LO(base), HI(size), LO(size)

static void psci(struct gfdt *g)
{
	begin(g, "psci");
	u32(g, "cpu_on", 0xc4000003);
	u32(g, "cpu_off", 0x84000002);
	u32(g, "cpu_suspend", 0xc4000001);
	text(g, "method", "hvc");
	strings(g, "compatible", "arm,psci-1.0\0arm,psci-0.2");
	end(g);
}

static void memory(struct gfdt *g, uint64_t base, uint64_t size)
{
	begin_at(g, "memory", base);
	cells_of(g, "reg", REG(base, size));
	text(g, "device_type", "memory");
	end(g);
}

static void cpus(struct gfdt *g, const struct vm_config *cfg)
{
	uint64_t mpidr;

	begin(g, "cpus");
	u32(g, "#size-cells", 0);
	u32(g, "#address-cells", 1);
	for (unsigned i = 0; i < cfg->cpus; i++) {
		mpidr = vm_vcpu_mpidr(cfg->gic, i) & MPIDR_AFFINITY;
		begin_at(g, "cpu", mpidr);
		u32(g, "reg", LO(mpidr));
		text(g, "enable-method", "psci");
		text(g, "compatible", "arm,armv8");
		text(g, "device_type", "cpu");
		end(g);
	}
	end(g);
}

static void gic(struct gfdt *g, const struct vm_config *cfg, const struct machine *m)
{
	begin_at(g, "intc", m->gicd);
	u32(g, "phandle", PHANDLE_GIC);
	if (cfg->gic == 3) {
		cells_of(g, "reg", REG(m->gicd, KiB(64)), REG(m->gicr, KiB(128) * cfg->cpus));
		u32(g, "#redistributor-regions", 1);
		text(g, "compatible", "arm,gic-v3");
	} else {
		cells_of(g, "reg", REG(m->gicd, KiB(64)), REG(m->gicc, KiB(64)));
		text(g, "compatible", "arm,cortex-a15-gic");
	}
	flag(g, "ranges");
	u32(g, "#size-cells", 2);
	u32(g, "#address-cells", 2);
	flag(g, "interrupt-controller");
	u32(g, "#interrupt-cells", 3);
	end(g);
}

static void timer(struct gfdt *g, const struct vm_config *cfg)
{
	static const uint32_t ppis[] = TIMER_PPIS;
	/* GICv2: the CPUs that a PPI is wired to, one bit each. */
	uint32_t flags = IRQ_LEVEL_HIGH | (cfg->gic == 2 ? (BIT32(cfg->cpus) - 1) << 8 : 0);
	uint32_t irqs[12];

	for (unsigned i = 0; i < ARRAY_SIZE(ppis); i++) {
		irqs[3 * i] = IRQ_PPI;
		irqs[3 * i + 1] = ppis[i];
		irqs[3 * i + 2] = flags;
	}
	begin(g, "timer");
	cells(g, "interrupts", irqs, ARRAY_SIZE(irqs));
	flag(g, "always-on");
	strings(g, "compatible", "arm,armv8-timer\0arm,armv7-timer");
	end(g);
}

static void devices(struct gfdt *g, const struct machine *m)
{
	begin(g, "apb-pclk");
	u32(g, "phandle", PHANDLE_CLOCK);
	text(g, "clock-output-names", "clk24mhz");
	u32(g, "clock-frequency", CLOCK_HZ);
	u32(g, "#clock-cells", 0);
	text(g, "compatible", "fixed-clock");
	end(g);

	begin_at(g, "pl011", m->pl011);
	strings(g, "clock-names", "uartclk\0apb_pclk");
	cells_of(g, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
	cells_of(g, "interrupts", IRQ_SPI, m->pl011_intid - SPI_BASE, IRQ_LEVEL_HIGH);
	cells_of(g, "reg", REG(m->pl011, KiB(4)));
	strings(g, "compatible", "arm,pl011\0arm,primecell");
	end(g);

	begin_at(g, "pl031", m->pl031);
	text(g, "clock-names", "apb_pclk");
	u32(g, "clocks", PHANDLE_CLOCK);
	cells_of(g, "interrupts", IRQ_SPI, m->pl031_intid - SPI_BASE, IRQ_LEVEL_HIGH);
	cells_of(g, "reg", REG(m->pl031, KiB(4)));
	strings(g, "compatible", "arm,pl031\0arm,primecell");
	end(g);
}

static void chosen(struct gfdt *g, const struct gfdt_input *in)
{
	char uart[32];

	snprintf(uart, sizeof(uart), "/pl011@%lx", (unsigned long)in->machine->pl011);
	begin(g, "chosen");
	text(g, "stdout-path", uart);
	if (in->cfg->bootargs[0]) {
		text(g, "bootargs", in->cfg->bootargs);
	}
	if (in->initrd_end > in->initrd_start) {
		step(g, fdt_property_u64(g->fdt, "linux,initrd-start", in->initrd_start));
		step(g, fdt_property_u64(g->fdt, "linux,initrd-end", in->initrd_end));
	}
	if (in->seed) {
		step(g, fdt_property_u64(g->fdt, "kaslr-seed", in->seed));
		step(g, fdt_property_u64(g->fdt, "rng-seed", in->seed));
	}
	end(g);
	begin(g, "aliases");
	text(g, "serial0", uart);
	end(g);
}

static void tree(struct gfdt *g, const struct gfdt_input *in)
{
	begin(g, "");
	u32(g, "interrupt-parent", PHANDLE_GIC);
	flag(g, "dma-coherent");
	text(g, "model", "linux,dummy-virt");
	u32(g, "#size-cells", 2);
	u32(g, "#address-cells", 2);
	text(g, "compatible", "linux,dummy-virt");
	psci(g);
	memory(g, in->machine->ram_base, in->cfg->memory);
	gic(g, in->cfg, in->machine);
	devices(g, in->machine);
	cpus(g, in->cfg);
	timer(g, in->cfg);
	begin(g, "hypervisor");
	text(g, "compatible", ATOLL_FDT_COMPATIBLE);
	end(g);
	chosen(g, in);
	end(g);
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
	if (n < copy_size || fdt_totalsize(buf) > n - copy_size) {
		return HYP_ENOMEM;
	}
	copy = (uint8_t *)buf + (n - copy_size);
	memcpy(copy, overlay->data, overlay->size);
	err = fdt_open_into(buf, buf, (int)(n - copy_size));
	if (err == 0) {
		err = fdt_overlay_apply(buf, copy);
	}
	if (err == -FDT_ERR_NOSPACE) {
		return HYP_ENOMEM;
	}
	if (err == -FDT_ERR_NOTFOUND) {
		*why =
		    "the device tree overlay changes a node that is not there; see its target-path";
		return HYP_EINVAL;
	}
	if (err != 0) {
		*why = "the device tree overlay does not apply; give it fragments with target-path";
		return HYP_EINVAL;
	}
	return HYP_OK;
}

enum hyp_err gfdt_build(const struct gfdt_input *in, void *buf, uint64_t n, uint64_t *size,
                        const char **why)
{
	struct gfdt g = {.fdt = buf};

	/* An overlay's copy and libfdt's int sizes. */
	n = ALIGN_DOWN(MIN(n, MiB(2)), 8);
	step(&g, fdt_create(buf, (int)n));
	step(&g, fdt_finish_reservemap(buf));
	tree(&g, in);
	step(&g, fdt_finish(buf));
	if (g.err) {
		return HYP_ENOMEM;
	}
	if (in->overlay) {
		TRY(merge(in->overlay, buf, n, why));
		if (fdt_pack(buf) != 0) {
			return HYP_ENOMEM;
		}
	}
	*size = fdt_totalsize(buf);
	return HYP_OK;
}
