/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which devices of a host's tree can be given away: translated addresses, shared pages and
 * interrupts, refusals; and what the guest's tree says of them.
 * links: guests/management/assign.c guests/management/gfdt.c hyp/tree.c lib/str.c
 * libs: fdt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <hyp/config.h>
#include "guests/management/gfdt.h"
#include "guests/management/manifest.h"
#include <hyp/vm.h>
#include "tests/host_tree.h"

struct vm *vms[MAX_VMS];
uint8_t *fake_ram_base;

static const struct machine machine = {
    .gicd = 0x08000000, .gicc = 0x08010000, .gicr = 0x080a0000, .assign_intid = 144};
static _Alignas(8) uint8_t host_tree[KiB(8)], tree[KiB(64)];
static struct manifest m;
static struct vm_config cfg;
static struct vm_assign *const a = &cfg.assign;

static int setup(void **state)
{
	assert_non_null(host_tree_make(host_tree, sizeof(host_tree)));
	m = (struct manifest){.host_tree = host_tree};
	m.in_use[2] = (struct host_range){pa(HOST_TREE_CONSOLE), 0x1000};
	cfg = (struct vm_config){.cpus = 1, .gic = 3, .memory = MiB(1)};
	memset(vms, 0, sizeof(vms));
	return 0;
}

static const char *give(const char *path) { return config_assign(&m, path, false, a); }

static void assert_fault(const char *path, const char *word)
{
	struct vm_assign before = *a;
	const char *fault = give(path);

	assert_non_null(fault);
	if (!strstr(fault, word)) fail_msg("%s: \"%s\" does not say \"%s\"", path, fault, word);
	*a = before;
}

static void assert_given(const char *path)
{
	const char *fault = give(path);

	if (fault) fail_msg("%s: %s", path, fault);
}

static void assert_reg(unsigned i, uint64_t at, uint64_t size, uint64_t guest, bool trapped)
{
	assert_int_equal(a->reg[i].pa, at);
	assert_int_equal(a->reg[i].size, size);
	assert_int_equal(a->reg[i].ipa, guest);
	assert_int_equal(a->reg[i].trapped, trapped);
}

static void test_given(void **state)
{
	assert_given("/soc/rtc@7e000000");
	assert_given("/soc/uart@7e001000");
	assert_given("/soc/gpio@7e002000");
	assert_int_equal(a->nr_devs, 3);
	assert_int_equal(a->nr_regs, 3);
	assert_reg(0, 0xfe000000, 0x1000, ASSIGN_BASE, false);
	/* A node that is disabled has the rest of its page, and the interrupt it would have. */
	assert_reg(1, 0xfe001000, 0x200, ASSIGN_BASE + 0x1000, true);
	assert_reg(2, 0xfe002000, 0xb4, ASSIGN_BASE + 0x2000, false);
	assert_int_equal(a->nr_irqs, 3);
	assert_int_equal(a->irq[0].intid, 34);
	assert_false(a->irq[0].edge);
	assert_int_equal(a->irq[2].intid, 43);
	assert_int_equal(a->irq[2].dev, 2);
	assert_true(a->irq[2].edge);
}

static void test_refused(void **state)
{
	struct vm other = {.cfg = &cfg};
	struct vm_config mine = {0};

	assert_fault("/soc/nothing", "not in the board's");
	assert_fault("/", "no registers");
	assert_fault("/clock", "no registers");
	assert_fault("/soc/none@0", "no registers");
	assert_fault("/soc/far@10000000", "no registers"); /* no entry of ranges has it */
	assert_fault("/soc/uart@7e001400", "disabled");
	assert_fault("/soc/eth@7e003000", "DMA");
	assert_fault("/soc/console@7e005000", "hypervisor");
	assert_fault("/intc", "hypervisor");
	assert_fault("/memory@40000000", "hypervisor");
	assert_fault("/soc/i2c@7e004000", "interrupt in common");
	assert_given("/soc/rtc@7e000000");
	assert_fault("/soc/rtc@7e000000", "given away");
	assert_fault("/soc/rtc", "given away");
	/* Another VM has it. */
	vms[5] = &other;
	assert_non_null(strstr(config_assign(&m, "/soc/rtc", false, &mine.assign), "given away"));
	assert_null(config_assign(&m, "/soc/gpio", false, &mine.assign));
	assert_null(config_assign(&m, "/soc/eth", true, &mine.assign));
	assert_int_equal(mine.assign.nr_devs, 2);
}

/* The host's tree, changed: value NULL takes the property away. */
static void change(const char *path, const char *name, const void *value, int n)
{
	int node;

	assert_int_equal(fdt_open_into(host_tree, host_tree, sizeof(host_tree)), 0);
	node = fdt_path_offset(host_tree, path);
	assert_true(node >= 0);
	assert_int_equal(value ? fdt_setprop(host_tree, node, name, value, n)
	                       : fdt_delprop(host_tree, node, name),
	                 0);
}

static void change_cells(const char *path, const char *name, const uint32_t *v, int n)
{
	fdt32_t cells[32];

	for (int i = 0; i < n; i++) cells[i] = cpu_to_fdt32(v[i]);
	change(path, name, cells, 4 * n);
}

static void test_shared(void **state)
{
	static const uint32_t half[] = {0x7e000800, 0x100}, last[] = {0x7e000fff, 1},
	                      behind[] = {0x7e001fff, 0x1000};

	/* Inside another's registers; and that one has them inside its own. */
	change_cells("/soc/eth", "reg", half, 2);
	assert_fault("/soc/rtc", "in common");
	assert_fault("/soc/eth", "in common");
	/* A disabled one counts as well: its registers are there. */
	change("/soc/eth", "status", "disabled", 9);
	change_cells("/soc/eth", "reg", last, 2);
	assert_fault("/soc/rtc", "in common");
	/* One byte in the next page is enough for both pages to be forwarded. */
	change_cells("/soc/eth", "reg", behind, 2);
	change("/soc/eth", "status", NULL, 0);
	assert_null(config_assign(&m, "/soc/uart", false, a));
	assert_true(a->reg[0].trapped);
	assert_non_null(strstr(config_assign(&m, "/soc/eth", true, a), "in common"));
}

static void test_several(void **state)
{
	static const uint32_t regs[] = {0x7e000000, 0x1000, 0x7e100010, 0x1000, 0x7e200000, 0x10};
	static const uint32_t broken[] = {0x7e000000, 0x1000, 0x10000000, 0x1000};
	static const uint32_t irqs[] = {0, 2, 1, 0, 20, 8, 0, 21, 4}, ppi[] = {1, 2, 4};
	static const uint32_t window[] = {0x7e000000, 0x00800000, 0x7e800000, 0x007ff000};
	char path[32];

	change_cells("/soc/rtc", "reg", regs, 6);
	change_cells("/soc/rtc", "interrupts", irqs, 9);
	assert_given("/soc/rtc");
	assert_int_equal(a->nr_regs, 3);
	assert_reg(1, 0xfe100010, 0x1000, ASSIGN_BASE + 0x1010, false);
	assert_reg(2, 0xfe200000, 0x10, ASSIGN_BASE + 0x3000, false);
	assert_int_equal(a->nr_irqs, 3);
	assert_true(a->irq[0].edge && !a->irq[1].edge);
	/* One that is broken is not left out: the guest would take another one for it. */
	memset(a, 0, sizeof(*a));
	change_cells("/soc/rtc", "reg", broken, 4);
	assert_fault("/soc/rtc", "no registers");
	change_cells("/soc/rtc", "reg", regs, 2);
	change_cells("/soc/rtc", "interrupts", ppi, 3);
	assert_fault("/soc/rtc", "no SPI");
	change_cells("/soc/rtc", "interrupts", irqs, 3);
	change_cells("/soc/rtc", "interrupts-extended", irqs, 3);
	assert_fault("/soc/rtc", "no SPI");
	change("/soc/rtc", "interrupts-extended", NULL, 0);
	/* A parent that is disabled. */
	change("/soc", "status", "disabled", 9);
	assert_fault("/soc/rtc", "disabled");
	change("/soc", "status", NULL, 0);
	/* The window's 32 MiB, and 8 of each. */
	for (unsigned i = 0; i < ARRAY_SIZE(host_tree_devices); i++) {
		snprintf(path, sizeof(path), "/soc/%s", host_tree_devices[i].name);
		if (i > 0) change(path, "status", "disabled", 9);
		if (i > 0 && host_tree_devices[i].size > 0) change(path, "reg", NULL, 0);
	}
	m.in_use[2] = (struct host_range){0};
	change_cells("/soc/rtc", "reg", window, 4);
	assert_given("/soc/rtc");
	memset(a, 0, sizeof(*a));
	a->nr_regs = ASSIGN_MAX;
	assert_fault("/soc/rtc", "give fewer");
	a->nr_regs = 1;
	a->reg[0] = (struct assign_reg){.ipa = ASSIGN_BASE, .size = MiB(16) + 0x1001};
	assert_fault("/soc/rtc", "give fewer");
	memset(a, 0, sizeof(*a));
	a->nr_irqs = ASSIGN_MAX;
	assert_fault("/soc/rtc", "give fewer");
}

/* --- the guest's tree ------------------------------------------------------------------------ */

#define BUS "/platform-bus@c000000"

static void build(void)
{
	const char *why = NULL;
	uint64_t size;

	assert_int_equal(gfdt_build(&cfg, &machine, tree, gfdt_room(&cfg), &size, &why), HYP_OK);
}

static uint32_t word(const char *path, const char *name, int i)
{
	int len, node = fdt_path_offset(tree, path);
	const fdt32_t *p = fdt_getprop(tree, node, name, &len);

	if (node < 0 || !p || len / 4 <= i) fail_msg("%s: %s", path, name);
	return fdt32_to_cpu(p[i]);
}

static bool has(const char *path, const char *name)
{
	return fdt_getprop(tree, fdt_path_offset(tree, path), name, NULL) != NULL;
}

static void test_copied(void **state)
{
	static const char rtc[] = BUS "/rtc@c000000", gpio[] = BUS "/gpio@c001000";
	static const char *const gone[] = {"phandle", "interrupt-parent", "vcc-supply", "status"};
	int clock;

	assert_given("/soc/rtc");
	assert_given("/soc/gpio");
	build();
	assert_int_equal(word(rtc, "reg", 1), ASSIGN_BASE);
	assert_int_equal(word(rtc, "reg", 3), 0x1000);
	assert_int_equal(word(rtc, "interrupts", 0), 0);
	assert_int_equal(word(rtc, "interrupts", 1), 112);
	assert_int_equal(word(rtc, "interrupts", 2), 4);
	assert_int_equal(word(rtc, "reg-io-width", 0), 4);
	clock = fdt_node_offset_by_phandle(tree, word(rtc, "clocks", 0));
	assert_true(clock >= 0 && fdt_node_check_compatible(tree, clock, "fixed-clock") == 0);
	assert_true(has(rtc, "clock-names"));
	assert_int_equal(word(gpio, "reg", 1), ASSIGN_BASE + 0x1000);
	assert_int_equal(word(gpio, "reg", 3), 0xb4);
	assert_int_equal(word(gpio, "interrupts", 1), 113);
	assert_int_equal(word(gpio, "interrupts", 2), 1);
	/* Its clock is no fixed one: left out, and so are their names. */
	assert_false(has(gpio, "clocks") || has(gpio, "clock-names"));
	for (unsigned i = 0; i < ARRAY_SIZE(gone); i++)
		assert_false(has(rtc, gone[i]) || has(gpio, gone[i]));
	/* Each handle once. */
	for (int node = 0; node >= 0; node = fdt_next_node(tree, node, NULL)) {
		uint32_t handle = fdt_get_phandle(tree, node);

		if (handle) assert_int_equal(fdt_node_offset_by_phandle(tree, handle), node);
	}
	/* Without devices there is no bus. */
	memset(a, 0, sizeof(*a));
	build();
	assert_true(fdt_path_offset(tree, BUS) < 0);
}

/* A node of any size ends in "does not fit", in no smaller buffer with anything else. */
static void test_room(void **state)
{
	static char text[2000];
	const char *why;
	uint64_t size;

	assert_given("/soc/rtc");
	build();
	for (uint64_t n = 0; n < gfdt_room(&cfg); n += 8) {
		enum hyp_err err = gfdt_build(&cfg, &machine, tree, n, &size, &why);

		assert_true(err == HYP_ENOMEM || (err == HYP_OK && size <= n));
	}
	memset(text, 'x', sizeof(text) - 1);
	change("/soc/rtc", "compatible", text, sizeof(text));
	cfg.cpus = 16;
	memset(cfg.bootargs, 'x', sizeof(cfg.bootargs) - 1);
	for (unsigned i = 1; i < ASSIGN_MAX; i++) a->dev[i] = a->dev[0];
	a->nr_devs = ASSIGN_MAX;
	assert_int_equal(gfdt_build(&cfg, &machine, tree, gfdt_room(&cfg), &size, &why),
	                 HYP_ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_given, setup),  cmocka_unit_test_setup(test_refused, setup),
	    cmocka_unit_test_setup(test_shared, setup), cmocka_unit_test_setup(test_several, setup),
	    cmocka_unit_test_setup(test_copied, setup), cmocka_unit_test_setup(test_room, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
