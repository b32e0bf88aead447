/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device tree, read once into uk_mach.
 */
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include <abi/hvc.h>

#include "internal.h"

#define MPIDR_AFFINITY 0xff00fffffful

struct uk_machine uk_mach;

const struct uk_machine *uk_machine(void) { return &uk_mach; }

/* Bytes of the tree that mean something: QEMU pads its own to 1 MiB. */
static size_t fdt_used(const void *fdt)
{
	size_t strings = (size_t)fdt_off_dt_strings(fdt) + fdt_size_dt_strings(fdt);
	size_t structs = (size_t)fdt_off_dt_struct(fdt) + fdt_size_dt_struct(fdt);
	size_t used = strings > structs ? strings : structs;
	size_t total = fdt_totalsize(fdt);

	return used < total && fdt_off_mem_rsvmap(fdt) < used ? used : total;
}

const void *fdt_relocate(const void *fdt, uint64_t to, uint64_t limit, uint64_t *end)
{
	size_t used = fdt_used(fdt);

	if (to > limit || used > limit - to) return NULL;
	memmove((void *)to, fdt, used);
	fdt_set_totalsize((void *)to, (uint32_t)used);
	*end = to + used;
	return (const void *)to;
}

/* Entry idx of a node's reg, with the parent's cell counts. */
static bool node_reg(const void *fdt, int node, int idx, uint64_t *base, uint64_t *size)
{
	int parent = fdt_parent_offset(fdt, node), len;
	int cells[2] = {fdt_address_cells(fdt, parent), fdt_size_cells(fdt, parent)};
	const fdt32_t *reg = fdt_getprop(fdt, node, "reg", &len);
	uint64_t val[2] = {0, 0};

	if (!reg || cells[0] < 1 || cells[1] < 0) return false;
	if (len < (idx + 1) * (cells[0] + cells[1]) * 4) return false;
	reg += idx * (cells[0] + cells[1]);
	for (int i = 0; i < 2; i++)
		for (int n = 0; n < cells[i]; n++) val[i] = val[i] << 32 | fdt32_to_cpu(*reg++);
	*base = val[0];
	if (size) *size = val[1];
	return true;
}

/* Interrupt idx as an INTID: three cells, type 0 SPI (from 32), 1 PPI (from 16). 0: none. */
static unsigned node_irq(const void *fdt, int node, int idx)
{
	int len;
	const fdt32_t *irq = fdt_getprop(fdt, node, "interrupts", &len);

	if (!irq || len < (idx + 1) * 12) return 0;
	irq += idx * 3;
	return fdt32_to_cpu(irq[1]) + (fdt32_to_cpu(irq[0]) == 1 ? 16 : 32);
}

static uint64_t prop_cells(const void *fdt, int node, const char *name)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	if (!p || len < 4) return 0;
	return len < 8 ? fdt32_to_cpu(p[0])
	               : (uint64_t)fdt32_to_cpu(p[0]) << 32 | fdt32_to_cpu(p[1]);
}

/* The memory node that holds this image. */
static bool read_memory(const void *fdt)
{
	int node = -1;

	for (;;) {
		node = fdt_node_offset_by_prop_value(fdt, node, "device_type", "memory", 7);
		if (node < 0) return false;
		for (int i = 0; node_reg(fdt, node, i, &uk_mach.ram_base, &uk_mach.ram_size); i++)
			if ((uint64_t)uk_image_start - uk_mach.ram_base < uk_mach.ram_size)
				return true;
	}
}

static void read_cpus(const void *fdt)
{
	uint64_t self = sysreg_read(mpidr_el1) & MPIDR_AFFINITY;
	int node = -1;

	uk_mach.mpidr[0] = self;
	uk_mach.nr_cpus = 1;
	while ((node = fdt_node_offset_by_prop_value(fdt, node, "device_type", "cpu", 4)) >= 0) {
		uint64_t mpidr;

		if (!node_reg(fdt, node, 0, &mpidr, NULL) || (mpidr & MPIDR_AFFINITY) == self ||
		    uk_mach.nr_cpus == UK_MAX_CPUS)
			continue;
		uk_mach.mpidr[uk_mach.nr_cpus++] = mpidr & MPIDR_AFFINITY;
	}
}

static void read_gic(const void *fdt)
{
	static const char *const v2[] = {"arm,cortex-a15-gic", "arm,gic-400", "arm,cortex-a9-gic"};
	int node = fdt_node_offset_by_compatible(fdt, -1, "arm,gic-v3");

	if (node >= 0 && node_reg(fdt, node, 0, &uk_mach.gicd_base, NULL) &&
	    node_reg(fdt, node, 1, &uk_mach.gicr_base, &uk_mach.gicr_size)) {
		uk_mach.gic_version = 3;
		return;
	}
	for (unsigned i = 0; i < sizeof(v2) / sizeof(v2[0]); i++) {
		node = fdt_node_offset_by_compatible(fdt, -1, v2[i]);
		if (node >= 0 && node_reg(fdt, node, 0, &uk_mach.gicd_base, NULL) &&
		    node_reg(fdt, node, 1, &uk_mach.gicc_base, NULL)) {
			uk_mach.gic_version = 2;
			return;
		}
	}
}

/* stdout-path, which may be an alias and may carry options after a colon; else the first PL011. */
static int find_uart(const void *fdt, int chosen)
{
	const char *path = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, "stdout-path", NULL);
	int node = -1;

	if (path) {
		const char *colon = strchr(path, ':');
		int len = colon ? (int)(colon - path) : (int)strlen(path);

		node = fdt_path_offset_namelen(fdt, path, len);
	}
	if (node < 0 || fdt_node_check_compatible(fdt, node, "arm,pl011") != 0)
		node = fdt_node_offset_by_compatible(fdt, -1, "arm,pl011");
	return node;
}

static void read_psci(const void *fdt)
{
	static const char *const names[] = {"arm,psci-1.0", "arm,psci-0.2"};
	int node = -1;

	for (unsigned i = 0; node < 0 && i < sizeof(names) / sizeof(names[0]); i++)
		node = fdt_node_offset_by_compatible(fdt, -1, names[i]);
	if (node >= 0) {
		const char *method = fdt_getprop(fdt, node, "method", NULL);

		uk_mach.has_psci = method != NULL;
		uk_mach.psci_smc = method && strcmp(method, "smc") == 0;
	}
}

static void read_devices(const void *fdt)
{
	int chosen = fdt_path_offset(fdt, "/chosen");
	int uart = find_uart(fdt, chosen);
	int rtc = fdt_node_offset_by_compatible(fdt, -1, "arm,pl031");
	int timer = fdt_node_offset_by_compatible(fdt, -1, "arm,armv8-timer");

	if (chosen >= 0) {
		uint64_t end = prop_cells(fdt, chosen, "linux,initrd-end");

		uk_mach.initrd_base = prop_cells(fdt, chosen, "linux,initrd-start");
		uk_mach.initrd_size = end - uk_mach.initrd_base;
		uk_mach.bootargs = fdt_getprop(fdt, chosen, "bootargs", NULL);
	}
	if (uart >= 0 && node_reg(fdt, uart, 0, &uk_mach.uart_base, NULL))
		uk_mach.uart_irq = node_irq(fdt, uart, 0);
	if (rtc >= 0) (void)node_reg(fdt, rtc, 0, &uk_mach.rtc_base, NULL);
	if (timer >= 0) { /* order: secure, physical, virtual, hypervisor */
		uk_mach.timer_irq[UK_TIMER_PHYS] = node_irq(fdt, timer, 1);
		uk_mach.timer_irq[UK_TIMER_VIRT] = node_irq(fdt, timer, 2);
	}
}

bool machine_read(const void *fdt)
{
	uk_mach.fdt = fdt;
	read_psci(fdt);
	read_devices(fdt);
	read_gic(fdt);
	read_cpus(fdt);
	uk_mach.on_atoll = fdt_node_offset_by_compatible(fdt, -1, ATOLL_FDT_COMPATIBLE) >= 0;
	return read_memory(fdt);
}
