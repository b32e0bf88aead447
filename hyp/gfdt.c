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
#define MPIDR_AFFINITY 0xff00ffffffull

/* First error sticks; libfdt refuses everything after one anyway. */
struct gfdt {
	void *fdt;
	int err;
};

static void step(struct gfdt *g, int err) { g->err = g->err ? g->err : err; }

static void begin(struct gfdt *g, const char *name) { step(g, fdt_begin_node(g->fdt, name)); }

/* name@address */
static void begin_at(struct gfdt *g, const char *name, uint64_t at)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%s@%lx", name, (unsigned long)at);
	begin(g, buf);
}

static void end(struct gfdt *g) { step(g, fdt_end_node(g->fdt)); }

static void prop(struct gfdt *g, const char *name, const void *value, size_t n)
{
	step(g, fdt_property(g->fdt, name, value, (int)n));
}

static void flag(struct gfdt *g, const char *name) { prop(g, name, "", 0); }

/* A literal: one string, or a list with \0 between them. */
#define text(g, name, list) prop((g), (name), (list), sizeof(list))

/* n <= 12: the timer's interrupts. */
static void cell_list(struct gfdt *g, const char *name, const uint32_t *values, size_t n)
{
	fdt32_t be[12];

	CHECK(n <= ARRAY_SIZE(be));
	for (size_t i = 0; i < n; i++) be[i] = cpu_to_fdt32(values[i]);
	prop(g, name, be, n * sizeof(be[0]));
}

#define cells(g, name, ...)                                                                        \
	cell_list((g), (name), (const uint32_t[]){__VA_ARGS__},                                    \
	          ARRAY_SIZE(((const uint32_t[]){__VA_ARGS__})))
#define HI_LO(x) (uint32_t)((uint64_t)(x) >> 32), (uint32_t)(x)
#define REG(base, size) HI_LO(base), HI_LO(size)

static void cpus(struct gfdt *g, const struct vm_config *cfg)
{
	uint64_t mpidr;

	begin(g, "cpus");
	cells(g, "#size-cells", 0);
	cells(g, "#address-cells", 1);
	for (unsigned i = 0; i < cfg->cpus; i++) {
		mpidr = vm_vcpu_mpidr(cfg->gic, i) & MPIDR_AFFINITY;
		begin_at(g, "cpu", mpidr);
		cells(g, "reg", (uint32_t)mpidr);
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
	cells(g, "phandle", PHANDLE_GIC);
	if (cfg->gic == 3) {
		cells(g, "reg", REG(m->gicd, KiB(64)), REG(m->gicr, KiB(128) * cfg->cpus));
		cells(g, "#redistributor-regions", 1);
		text(g, "compatible", "arm,gic-v3");
	} else {
		cells(g, "reg", REG(m->gicd, KiB(64)), REG(m->gicc, KiB(64)));
		text(g, "compatible", "arm,cortex-a15-gic");
	}
	flag(g, "ranges");
	cells(g, "#size-cells", 2);
	cells(g, "#address-cells", 2);
	flag(g, "interrupt-controller");
	cells(g, "#interrupt-cells", 3);
	end(g);
}

static void timer(struct gfdt *g, const struct vm_config *cfg)
{
	/* PPIs of the generic timer: secure, non-secure, virtual, hypervisor. */
	static const uint32_t ppis[] = {13, 14, 11, 10};
	/* GICv2: the CPUs that a PPI is wired to, one bit each. */
	uint32_t flags = IRQ_LEVEL_HIGH | (cfg->gic == 2 ? (BIT32(cfg->cpus) - 1) << 8 : 0);
	uint32_t irqs[12];

	for (unsigned i = 0; i < ARRAY_SIZE(ppis); i++) {
		irqs[3 * i] = IRQ_PPI;
		irqs[3 * i + 1] = ppis[i];
		irqs[3 * i + 2] = flags;
	}
	begin(g, "timer");
	cell_list(g, "interrupts", irqs, ARRAY_SIZE(irqs));
	flag(g, "always-on");
	text(g, "compatible", "arm,armv8-timer\0arm,armv7-timer");
	end(g);
}

/* A PrimeCell with a list of that many clocks. */
static void device(struct gfdt *g, uint64_t at, uint32_t intid, size_t clocks)
{
	static const uint32_t clock[] = {PHANDLE_CLOCK, PHANDLE_CLOCK};

	cell_list(g, "clocks", clock, clocks);
	cells(g, "interrupts", IRQ_SPI, intid - SPI_BASE, IRQ_LEVEL_HIGH);
	cells(g, "reg", REG(at, KiB(4)));
}

static void devices(struct gfdt *g, const struct machine *m)
{
	begin(g, "apb-pclk");
	cells(g, "phandle", PHANDLE_CLOCK);
	text(g, "clock-output-names", "clk24mhz");
	cells(g, "clock-frequency", CLOCK_HZ);
	cells(g, "#clock-cells", 0);
	text(g, "compatible", "fixed-clock");
	end(g);

	begin_at(g, "pl011", m->pl011);
	text(g, "clock-names", "uartclk\0apb_pclk");
	device(g, m->pl011, m->pl011_intid, 2);
	text(g, "compatible", "arm,pl011\0arm,primecell");
	end(g);

	begin_at(g, "pl031", m->pl031);
	text(g, "clock-names", "apb_pclk");
	device(g, m->pl031, m->pl031_intid, 1);
	text(g, "compatible", "arm,pl031\0arm,primecell");
	end(g);
}

static void chosen(struct gfdt *g, const struct gfdt_input *in)
{
	char uart[32];

	snprintf(uart, sizeof(uart), "/pl011@%lx", (unsigned long)in->machine->pl011);
	begin(g, "chosen");
	prop(g, "stdout-path", uart, strlen(uart) + 1);
	if (in->cfg->bootargs[0])
		prop(g, "bootargs", in->cfg->bootargs, strlen(in->cfg->bootargs) + 1);
	if (in->initrd_end > in->initrd_start) {
		cells(g, "linux,initrd-start", HI_LO(in->initrd_start));
		cells(g, "linux,initrd-end", HI_LO(in->initrd_end));
	}
	if (in->seed) {
		cells(g, "kaslr-seed", HI_LO(in->seed));
		cells(g, "rng-seed", HI_LO(in->seed));
	}
	end(g);
	begin(g, "aliases");
	prop(g, "serial0", uart, strlen(uart) + 1);
	end(g);
}

static void tree(struct gfdt *g, const struct gfdt_input *in)
{
	begin(g, "");
	cells(g, "interrupt-parent", PHANDLE_GIC);
	flag(g, "dma-coherent");
	text(g, "model", "linux,dummy-virt");
	cells(g, "#size-cells", 2);
	cells(g, "#address-cells", 2);
	text(g, "compatible", "linux,dummy-virt");
	begin(g, "psci");
	cells(g, "cpu_on", 0xc4000003);
	cells(g, "cpu_off", 0x84000002);
	cells(g, "cpu_suspend", 0xc4000001);
	text(g, "method", "hvc");
	text(g, "compatible", "arm,psci-1.0\0arm,psci-0.2");
	end(g);
	begin_at(g, "memory", in->machine->ram_base);
	cells(g, "reg", REG(in->machine->ram_base, in->cfg->memory));
	text(g, "device_type", "memory");
	end(g);
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
	if (n < copy_size || fdt_totalsize(buf) > n - copy_size) return HYP_ENOMEM;
	copy = (uint8_t *)buf + (n - copy_size);
	memcpy(copy, overlay->data, overlay->size);
	err = fdt_open_into(buf, buf, (int)(n - copy_size));
	err = err ? err : fdt_overlay_apply(buf, copy);
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
	struct gfdt g = {.fdt = buf};

	/* An overlay's copy and libfdt's int sizes. */
	n = ALIGN_DOWN(MIN(n, MiB(2)), 8);
	/* To look for each name among those before it would be most of the work. */
	step(&g, fdt_create_with_flags(buf, (int)n, FDT_CREATE_FLAG_NO_NAME_DEDUP));
	step(&g, fdt_finish_reservemap(buf));
	tree(&g, in);
	step(&g, fdt_finish(buf));
	if (g.err) return HYP_ENOMEM;
	if (in->overlay) TRY(merge(in->overlay, buf, n, why));
	*size = fdt_totalsize(buf);
	return HYP_OK;
}
