/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small host's device tree, made with libfdt: a GICv2, a bus whose addresses are translated, and
 * on it devices that a VM could have, and some that it could not.
 */
#pragma once

#include <libfdt.h>
#include <stdbool.h>
#include <string.h>

struct host_tree_device {
	const char *name, *compatible, *status;
	uint32_t at, size, spi, flags; /* spi 0: none */
	bool clock;
};

/* Bus addresses from 0x7e000000 are CPU addresses from 0xfe000000. */
static const struct host_tree_device host_tree_devices[] = {
    {"rtc@7e000000", "arm,pl031", NULL, 0x7e000000, 0x1000, 2, 4, true},
    {"uart@7e001000", "arm,pl011", NULL, 0x7e001000, 0x200, 10, 4, true},
    {"uart@7e001400", "arm,pl011", "disabled", 0x7e001400, 0x200, 10, 4, true},
    {"gpio@7e002000", "brcm,bcm2711-gpio", "okay", 0x7e002000, 0xb4, 11, 1, false},
    {"eth@7e003000", "acme,eth", NULL, 0x7e003000, 0x1000, 12, 4, false},
    {"i2c@7e004000", "brcm,bcm2835-i2c", NULL, 0x7e004000, 0x20, 13, 4, false},
    {"i2c@7e004020", "brcm,bcm2835-i2c", NULL, 0x7e004020, 0x20, 13, 4, false},
    {"console@7e005000", "arm,pl011", NULL, 0x7e005000, 0x1000, 14, 4, true},
    {"far@10000000", "arm,pl031", NULL, 0x10000000, 0x1000, 15, 4, false},
    {"none@0", "arm,pl031", NULL, 0, 0, 16, 4, false},
};
#define HOST_TREE_CONSOLE UINT64_C(0xfe005000)

static void host_tree_cells(void *fdt, const char *name, const uint32_t *v, unsigned n)
{
	fdt32_t *p = NULL;

	(void)fdt_property_placeholder(fdt, name, (int)(4 * n), (void **)&p);
	for (unsigned i = 0; p && i < n; i++) p[i] = cpu_to_fdt32(v[i]);
}

static void host_tree_device(void *fdt, const struct host_tree_device *d)
{
	const uint32_t reg[] = {d->at, d->size}, irq[] = {0, d->spi, d->flags};

	fdt_begin_node(fdt, d->name);
	fdt_property_string(fdt, "compatible", d->compatible);
	if (d->size) host_tree_cells(fdt, "reg", reg, 2);
	host_tree_cells(fdt, "interrupts", irq, 3);
	if (d->status) fdt_property_string(fdt, "status", d->status);
	fdt_property_u32(fdt, "clocks", d->clock ? 2 : 3);
	fdt_property_string(fdt, "clock-names", "apb_pclk");
	fdt_property_u32(fdt, "phandle", 0x8000);
	fdt_property_u32(fdt, "interrupt-parent", 1);
	fdt_property_u32(fdt, "vcc-supply", 3);
	fdt_property_u32(fdt, "reg-io-width", 4);
	fdt_end_node(fdt);
}

/* Returns fdt, of at most size bytes; NULL: it does not fit. */
static inline const void *host_tree_make(void *fdt, int size)
{
	static const uint32_t gic[] = {0, 0x08000000, 0, 0x1000, 0, 0x08010000, 0, 0x2000};
	static const uint32_t ranges[] = {0x7e000000, 0, 0xfe000000, 0x01000000};
	static const uint32_t memory[] = {0, 0x40000000, 0, 0x10000000};

	fdt_create(fdt, size);
	fdt_finish_reservemap(fdt);
	fdt_begin_node(fdt, "");
	fdt_property_u32(fdt, "#address-cells", 2);
	fdt_property_u32(fdt, "#size-cells", 2);
	fdt_property_u32(fdt, "interrupt-parent", 1);
	fdt_begin_node(fdt, "intc");
	fdt_property_string(fdt, "compatible", "arm,gic-400");
	fdt_property_u32(fdt, "#interrupt-cells", 3);
	fdt_property_u32(fdt, "phandle", 1);
	host_tree_cells(fdt, "reg", gic, 8);
	fdt_end_node(fdt);
	fdt_begin_node(fdt, "memory@40000000");
	fdt_property_string(fdt, "device_type", "memory");
	host_tree_cells(fdt, "reg", memory, 4);
	fdt_end_node(fdt);
	fdt_begin_node(fdt, "clock");
	fdt_property_string(fdt, "compatible", "fixed-clock");
	fdt_property_u32(fdt, "clock-frequency", 24000000);
	fdt_property_u32(fdt, "phandle", 2);
	fdt_end_node(fdt);
	fdt_begin_node(fdt, "soc");
	fdt_property_u32(fdt, "#address-cells", 1);
	fdt_property_u32(fdt, "#size-cells", 1);
	fdt_property_u32(fdt, "phandle", 3);
	host_tree_cells(fdt, "ranges", ranges, 4);
	for (unsigned i = 0; i < sizeof(host_tree_devices) / sizeof(host_tree_devices[0]); i++)
		host_tree_device(fdt, &host_tree_devices[i]);
	fdt_end_node(fdt);
	fdt_end_node(fdt);
	return fdt_finish(fdt) == 0 ? fdt : NULL;
}
