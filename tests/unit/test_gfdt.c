/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's device tree against docs/guest-machine.md, in every size of buffer, and overlays.
 * links: guests/management/gfdt.c hyp/tree.c
 * libs: fdt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/hvc.h>
#include <hyp/check.h>
#include "guests/management/fit.h"
#include "guests/management/gfdt.h"
#include <hyp/tree.h>
#include <hyp/vm.h>

static const struct machine mach = {
    .ram_base = 0x40000000,
    .gicd = 0x08000000,
    .gicc = 0x08010000,
    .gicr = 0x080a0000,
    .pl011 = 0x09000000,
    .pl011_intid = 33,
    .pl031 = 0x09010000,
    .pl031_intid = 34,
};

noreturn void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id)
{
	unsigned n = gic_version == 3 ? 16 : 8;

	return BIT(31) | (uint64_t)(id / n) << 8 | id % n;
}

static struct vm_config cfg;
#define overlay (cfg.files[FILE_OVERLAY])
static _Alignas(8) uint8_t tree[KiB(64)];
static uint64_t size;
static const char *why;

static int setup(void **state)
{
	(void)state;
	cfg = (struct vm_config){.memory = MiB(64), .cpus = 2, .gic = 3};
	return 0;
}

static int at(const char *path)
{
	int node = fdt_path_offset(tree, path);

	assert_true(node >= 0);
	return node;
}

static void has(const char *path, const char *name, const void *value, size_t n)
{
	int len;
	const void *p = fdt_getprop(tree, at(path), name, &len);

	assert_non_null(p);
	assert_int_equal(len, n);
	assert_memory_equal(p, value, n);
}
#define has_text(path, name, text) has((path), (name), (text), sizeof(text))

static void has_cells(const char *path, const char *name, const uint32_t *v, size_t n)
{
	fdt32_t be[16];

	for (size_t i = 0; i < n; i++) be[i] = cpu_to_fdt32(v[i]);
	has(path, name, be, n * 4);
}
#define cells(path, name, ...)                                                                     \
	has_cells((path), (name), (const uint32_t[]){__VA_ARGS__},                                 \
	          sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void build(void)
{
	assert_int_equal(gfdt_build(&cfg, &mach, tree, sizeof(tree), &size, &why), HYP_OK);
	assert_int_equal(tree_check(tree, size, &why), HYP_OK);
	assert_int_equal(fdt_totalsize(tree), size);
}

static void test_common(void **state)
{
	(void)state;
	build();
	has_text("/", "compatible", "linux,dummy-virt");
	cells("/", "#address-cells", 2);
	cells("/", "#size-cells", 2);
	has_text("/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2");
	has_text("/psci", "method", "hvc");
	has_text("/memory@40000000", "device_type", "memory");
	cells("/memory@40000000", "reg", 0, 0x40000000, 0, 64 << 20);
	has_text("/timer", "compatible", "arm,armv8-timer\0arm,armv7-timer");
	has("/timer", "always-on", "", 0);
	has_text("/pl011@9000000", "compatible", "arm,pl011\0arm,primecell");
	has_text("/pl011@9000000", "clock-names", "uartclk\0apb_pclk");
	cells("/pl011@9000000", "interrupts", 0, 1, 4);
	cells("/pl011@9000000", "reg", 0, 0x9000000, 0, 0x1000);
	has_text("/pl031@9010000", "clock-names", "apb_pclk");
	cells("/pl031@9010000", "interrupts", 0, 2, 4);
	cells("/apb-pclk", "clock-frequency", 24000000);
	has_text("/chosen", "stdout-path", "/pl011@9000000");
	has_text("/hypervisor", "compatible", ATOLL_FDT_COMPATIBLE);
	assert_null(fdt_getprop(tree, at("/chosen"), "bootargs", NULL));
	assert_null(fdt_getprop(tree, at("/chosen"), "linux,initrd-start", NULL));
	/* Handles that are used lead somewhere. */
	cells("/", "interrupt-parent", fdt_get_phandle(tree, at("/intc@8000000")));
	cells("/pl031@9010000", "clocks", fdt_get_phandle(tree, at("/apb-pclk")));
}

static void test_gicv3(void **state)
{
	(void)state;
	cfg.cpus = 16;
	build();
	has_text("/intc@8000000", "compatible", "arm,gic-v3");
	cells("/intc@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 16 * 0x20000);
	cells("/timer", "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
	cells("/cpus/cpu@f", "reg", 15);
	assert_true(fdt_path_offset(tree, "/cpus/cpu@10") < 0);
}

static void test_gicv2(void **state)
{
	(void)state;
	cfg.gic = 2;
	cfg.cpus = 8;
	build();
	has_text("/intc@8000000", "compatible", "arm,cortex-a15-gic");
	cells("/intc@8000000", "reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
	cells("/timer", "interrupts", 1, 13, 0xff04, 1, 14, 0xff04, 1, 11, 0xff04, 1, 10, 0xff04);
	cells("/cpus/cpu@7", "reg", 7);
	has_text("/cpus/cpu@7", "enable-method", "psci");
}

static void test_chosen(void **state)
{
	(void)state;
	cfg.memory = GiB(6);
	strcpy(cfg.bootargs, "console=ttyAMA0");
	cfg.files[FILE_RAMDISK].size = 1;
	cfg.plan.initrd_start = ipa(0x48000000);
	cfg.plan.initrd_end = ipa(0x140000000);
	build();
	cells("/memory@40000000", "reg", 0, 0x40000000, 1, 0x80000000);
	has_text("/chosen", "bootargs", "console=ttyAMA0");
	cells("/chosen", "linux,initrd-start", 0, 0x48000000);
	cells("/chosen", "linux,initrd-end", 1, 0x40000000);
}

/* The largest tree fits into gfdt_room(); smaller buffers fail cleanly, whatever their size. */
static void test_room(void **state)
{
	uint8_t *buf;
	uint64_t full;

	(void)state;
	cfg.cpus = 16;
	memset(cfg.bootargs, 'x', sizeof(cfg.bootargs) - 1);
	cfg.files[FILE_RAMDISK].size = 1;
	build();
	full = size;
	assert_true(full <= gfdt_room(&cfg));
	assert_int_equal(gfdt_build(&cfg, &mach, tree, gfdt_room(&cfg), &size, &why), HYP_OK);
	for (uint64_t n = 0; n < full; n++) {
		buf = aligned_alloc(8, ALIGN_UP(n + 1, 8));
		assert_int_equal(gfdt_build(&cfg, &mach, buf, n, &size, &why), HYP_ENOMEM);
		free(buf);
	}
}

static _Alignas(8) uint8_t overlay_blob[KiB(20)];

static void local_fixup(void *b, const char *node, const char *name, uint32_t at)
{
	fdt_begin_node(b, "__local_fixups__");
	fdt_begin_node(b, "fragment@0");
	fdt_begin_node(b, node);
	fdt_property_u32(b, name, at);
	fdt_end_node(b);
	fdt_end_node(b);
	fdt_end_node(b);
}

/* Where the property holds a handle within the overlay; node NULL: nowhere. */
static struct {
	const char *node, *name;
	uint32_t at;
} fixup;

/* A fragment for the node at path, with one property of n bytes. */
static struct fit_image make_overlay(const char *path, size_t n)
{
	static uint8_t filler[KiB(16)];
	void *b = overlay_blob;

	memset(filler, 'o', sizeof(filler));
	fdt_create(b, sizeof(overlay_blob));
	fdt_finish_reservemap(b);
	fdt_begin_node(b, "");
	fdt_begin_node(b, "fragment@0");
	if (path) fdt_property_string(b, "target-path", path);
	fdt_begin_node(b, "__overlay__");
	fdt_property(b, "added", filler, (int)n);
	fdt_end_node(b);
	fdt_end_node(b);
	if (fixup.node) local_fixup(b, fixup.node, fixup.name, fixup.at);
	fdt_end_node(b);
	assert_int_equal(fdt_finish(b), 0);
	return (struct fit_image){.data = b, .size = fdt_totalsize(b)};
}

static void test_overlay(void **state)
{
	uint8_t before[KiB(20)], *buf;
	int len;

	(void)state;
	overlay = make_overlay("/chosen", 4);
	memcpy(before, overlay_blob, sizeof(before));
	build();
	assert_non_null(fdt_getprop(tree, at("/chosen"), "added", &len));
	assert_int_equal(len, 4);
	assert_memory_equal(before, overlay_blob, sizeof(before)); /* the bundle is untouched */
	/* The largest tree and the largest overlay fit into the room for them. */
	cfg.cpus = 16;
	memset(cfg.bootargs, 'x', sizeof(cfg.bootargs) - 1);
	overlay = make_overlay("/chosen", 16000);
	assert_true(overlay.size <= GFDT_MAX_OVERLAY);
	assert_true(gfdt_room(&cfg) <= KiB(64));
	assert_int_equal(gfdt_build(&cfg, &mach, tree, gfdt_room(&cfg), &size, &why), HYP_OK);
	for (uint64_t n = 0; n < size; n += 61) {
		buf = aligned_alloc(8, ALIGN_UP(n + 1, 8));
		assert_int_equal(gfdt_build(&cfg, &mach, buf, n, &size, &why), HYP_ENOMEM);
		free(buf);
	}
}

static void test_overlay_bad(void **state)
{
	(void)state;
	overlay = make_overlay("/nowhere", 4);
	assert_int_equal(gfdt_build(&cfg, &mach, tree, sizeof(tree), &size, &why), HYP_EINVAL);
	assert_non_null(strstr(why, "not there; "));
	overlay = make_overlay("serial0", 4); /* an alias: libfdt would follow circles */
	assert_int_equal(gfdt_build(&cfg, &mach, tree, sizeof(tree), &size, &why), HYP_EINVAL);
	overlay = make_overlay(NULL, 4);
	assert_int_equal(gfdt_build(&cfg, &mach, tree, sizeof(tree), &size, &why), HYP_EINVAL);
	assert_non_null(strstr(why, "; "));
}

/* libfdt reads a handle where __local_fixups__ says before it looks whether that is in the tree. */
static void test_overlay_fixups(void **state)
{
	static const struct {
		const char *node, *name;
		uint32_t at;
		enum hyp_err err;
	} cases[] = {{"__overlay__", "added", 0, HYP_OK},
	             {"__overlay__", "added", 4, HYP_OK},
	             {"__overlay__", "added", 5, HYP_EINVAL},
	             {"__overlay__", "added", 0x10000000, HYP_EINVAL},
	             {"__overlay__", "added", UINT32_MAX - 3, HYP_EINVAL},
	             {"__overlay__", "absent", 0, HYP_EINVAL},
	             {"absent", "added", 0, HYP_EINVAL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fixup.node = cases[i].node;
		fixup.name = cases[i].name;
		fixup.at = cases[i].at;
		overlay = make_overlay("/chosen", 8);
		assert_int_equal(gfdt_build(&cfg, &mach, tree, sizeof(tree), &size, &why),
		                 cases[i].err);
	}
	fixup.node = NULL;
}

/* Whatever an overlay's bytes: no crash, and what is accepted is a sound tree. */
static void test_overlay_random(void **state)
{
	unsigned accepted = 0;

	(void)state;
	srand(2);
	for (unsigned round = 0; round < 20000; round++) {
		overlay = make_overlay("/chosen", 4);
		for (int n = 1 + rand() % 3; n > 0; n--)
			overlay_blob[(size_t)rand() % overlay.size] ^= (uint8_t)(1 << rand() % 8);
		if (tree_check(overlay.data, overlay.size, &why) != HYP_OK) continue;
		if (gfdt_build(&cfg, &mach, tree, gfdt_room(&cfg), &size, &why) == HYP_OK) {
			assert_int_equal(tree_check(tree, size, &why), HYP_OK);
			accepted++;
		}
	}
	assert_in_range(accepted, 100, 19900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_common, setup),
	    cmocka_unit_test_setup(test_gicv3, setup),
	    cmocka_unit_test_setup(test_gicv2, setup),
	    cmocka_unit_test_setup(test_chosen, setup),
	    cmocka_unit_test_setup(test_room, setup),
	    cmocka_unit_test_setup(test_overlay, setup),
	    cmocka_unit_test_setup(test_overlay_bad, setup),
	    cmocka_unit_test_setup(test_overlay_fixups, setup),
	    cmocka_unit_test_setup(test_overlay_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
