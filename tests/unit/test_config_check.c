/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EL2 lets pass of a configuration that a guest made: each condition violated alone, and each
 * bound kept. A line is a change of a good configuration, or of the host.
 * links: hyp/config.c hyp/tree.c hyp/vm.c
 * libs: fdt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <arch/gic.h>
#include <hyp/board.h>
#include <hyp/vm.h>

#define RAM UINT64_C(0x40000000)
#define MEMORY MiB(64)
#define DEV UINT64_C(0xfe201000)
#define OTHER UINT64_C(0xfe300000) /* of another VM: a page mapped; and trapped, part of one */
#define BUNDLE 256u
#define BEHIND_REGS offsetof(struct vm_config, assign.irq)
#define END (ASSIGN_BASE + ASSIGN_SIZE)

struct host host;
static struct board this_board;
const struct board *board = &this_board;
static struct arch_gic_info gic;
static uint8_t around[BUNDLE + 32], *const bundle = around + 16;
static struct vm_config good, change, neighbour;
static struct vm_config *const c = &change;
static struct vm_assign *const a = &change.assign;
static struct load_plan *const p = &change.plan;
static struct vm other;

const struct arch_gic_info *arch_gic_info(void) { return &gic; }

static struct host_range range(uint64_t base, uint64_t size)
{
	return (struct host_range){pa(base), size};
}

static void init_host(void)
{
	gic = (struct arch_gic_info){.version = 3, .nr_irqs = 288};
	this_board = (struct board){.power = range(0xfe100000, 0x24)};
	host = (struct host){
	    .ram = {range(RAM, GiB(1)), range(GiB(8), GiB(1))},
	    .nr_ram = 2,
	    .reserved = {range(0x3000, 0x1000), range(0xf0000000, 0x10000)},
	    .nr_reserved = 2,
	    .initrd = range((uintptr_t)bundle, BUNDLE),
	    .uart = {.regs = range(0xfe215040, 0x40), .intid = 125},
	    .sdhci = {range(0xfe340000, 0x100), range(0xfe350000, 0x100)},
	    .gic = {.gicd = range(0xff841000, 0x1000),
	            .gicc = range(0xff842000, 0x2000),
	            .gich = range(0xff844000, 0x2000),
	            .gicv = range(0xff846000, 0x2000),
	            .gicr = {range(0xff900000, 0x20000), range(0xff980000, 0x20000)},
	            .nr_gicr = 2,
	            .maint_intid = 200},
	};
}

static int setup(void **state)
{
	init_host();
	good = (struct vm_config){
	    .name = "web",
	    .image = "image",
	    .memory = MEMORY,
	    .cpus = 2,
	    .weight = 100,
	    .gic = 3,
	    .assign = {.nr_devs = 1,
	               .nr_regs = 2,
	               .nr_irqs = 2,
	               .reg = {{.pa = DEV, .ipa = ASSIGN_BASE, .size = 0x200},
	                       {.pa = DEV + 0x1040,
	                        .ipa = ASSIGN_BASE + 0x1040,
	                        .size = 0x40,
	                        .trapped = true,
	                        .ruled = true}},
	               .irq = {{.intid = 153}, {.intid = 154, .edge = true}}},
	    .assign_rules = {.n = 1, .rule = {{.reg = 1, .off = 4, .size = 8}}},
	    .files = {{.data = bundle, .size = 200, .has_crc32 = true}},
	    .plan = {.n = 2,
	             .seg = {{ipa(RAM + 0x1000), bundle, 100},
	                     {ipa(RAM + 0x2000), bundle + 100, 156}},
	             .entry = ipa(RAM + 0x1000),
	             .fdt = ipa(RAM + MiB(32)),
	             .fdt_size = 4096,
	             .fdt_at_base = true},
	};
	neighbour = (struct vm_config){
	    .assign = {.nr_regs = 2,
	               .nr_irqs = 2,
	               .reg = {{.pa = OTHER + 0x100, .ipa = ASSIGN_BASE + 0x100, .size = 0x10},
	                       {.pa = OTHER + 0x2100,
	                        .ipa = ASSIGN_BASE + 0x1100,
	                        .size = 0x10,
	                        .trapped = true}},
	               .irq = {{.intid = 170}, {.intid = 171}}}};
	other.cfg = &neighbour;
	memset(vms, 0, sizeof(vms));
	vms[MAX_VMS - 1] = &other;
	return 0;
}

static void expect(enum hyp_err want, const char *what, int line)
{
	if (config_check(c) != want)
		fail_msg("line %d: %s: %s", line, what, want == HYP_OK ? "refused" : "let in");
}

/* Of nothing but what was changed before, in the host. */
#define PASSES(...)                                                                                \
	do {                                                                                       \
		change = good;                                                                     \
		__VA_ARGS__;                                                                       \
		expect(HYP_OK, #__VA_ARGS__, __LINE__);                                            \
	} while (0)
#define FAILS(...)                                                                                 \
	do {                                                                                       \
		change = good;                                                                     \
		__VA_ARGS__;                                                                       \
		expect(HYP_EINVAL, #__VA_ARGS__, __LINE__);                                        \
	} while (0)

/* No value that C would store there. */
static void no_bool(bool *b, uint8_t byte) { memset(b, byte, 1); }

static void test_strings(void **state)
{
	PASSES((void)0);
	PASSES(memset(c->name, 'x', sizeof(c->name) - 1));
	FAILS(memset(c->name, 'x', sizeof(c->name)));
	PASSES(memset(c->image, 'x', sizeof(c->image) - 1));
	FAILS(memset(c->image, 'x', sizeof(c->image)));
	PASSES(memset(c->ramdisk, 'x', sizeof(c->ramdisk) - 1));
	FAILS(memset(c->ramdisk, 'x', sizeof(c->ramdisk)));
	PASSES(memset(c->fdt_overlay, 'x', sizeof(c->fdt_overlay) - 1));
	FAILS(memset(c->fdt_overlay, 'x', sizeof(c->fdt_overlay)));
	PASSES(memset(c->bootargs, 'x', sizeof(c->bootargs))); /* EL2 does not look */
	PASSES(memset(&c->tree, 0xff, sizeof(c->tree)));
}

static void test_bools(void **state)
{
	bool *const flags[] = {&c->autostart,
	                       &c->background,
	                       &c->console,
	                       &c->reports_health,
	                       &c->vpl011,
	                       &c->allow_unsafe_dma,
	                       &p->fdt_at_base,
	                       &c->files[0].has_crc32,
	                       &c->files[2].has_crc32,
	                       &c->files[0].has_sha256,
	                       &c->files[2].has_sha256,
	                       &a->reg[0].trapped,
	                       &a->reg[1].ruled,
	                       &a->irq[1].edge,
	                       &c->assign_rules.rule[0].w1};

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		PASSES(no_bool(flags[i], 1));
		FAILS(no_bool(flags[i], 2));
		FAILS(no_bool(flags[i], 0xff));
	}
	/* What is not in use is not looked at. */
	PASSES(no_bool(&a->reg[2].trapped, 2); no_bool(&a->irq[2].edge, 2));
}

static void test_memory_cpus(void **state)
{
	uint64_t image = 0x1000 + 200, tree = 2 * KiB(64);

	FAILS(c->memory = 0; p->n = 0; p->fdt_size = 0; p->fdt = ipa(RAM));
	FAILS(c->memory += 1);
	FAILS(c->memory += PAGE_SIZE / 2);
	PASSES(c->memory += PAGE_SIZE);
	PASSES(c->memory = BIT(38));
	FAILS(c->memory = BIT(38) + PAGE_SIZE);
	FAILS(c->memory = UINT64_MAX - PAGE_MASK);
	PASSES(c->memory = ALIGN_UP(image, PAGE_SIZE) + tree;
	       p->fdt = ipa(RAM + c->memory - p->fdt_size));
	FAILS(c->cpus = 0);
	PASSES(c->cpus = 1);
	PASSES(c->cpus = MAX_VCPUS);
	FAILS(c->cpus = MAX_VCPUS + 1);
	FAILS(c->cpus = UINT32_MAX);
	FAILS(c->gic = 2);
	FAILS(c->gic = 0);
	gic.version = 2;
	FAILS((void)0);
	PASSES(c->gic = 2; c->cpus = 8);
	FAILS(c->gic = 2; c->cpus = 9);
}

static void test_choices(void **state)
{
	PASSES(c->on_crash = ON_CRASH_PANIC);
	FAILS(c->on_crash = (enum vm_on_crash)(ON_CRASH_PANIC + 1));
	FAILS(memset(&c->on_crash, 0xff, sizeof(c->on_crash)));
	PASSES(c->verify = VERIFY_SHA256);
	FAILS(c->verify = (enum vm_verify)(VERIFY_SHA256 + 1));
	FAILS(memset(&c->verify, 0xff, sizeof(c->verify)));
	PASSES(memset(&c->format, 0xff, sizeof(c->format))); /* EL2 does not look */
}

static void test_sched(void **state)
{
	FAILS(c->sched = (enum vm_sched)(SCHED_FIXED + 1));
	FAILS(memset(&c->sched, 0xff, sizeof(c->sched)));
	PASSES(c->weight = 1);
	FAILS(c->weight = 0);
	PASSES(c->weight = 10000);
	FAILS(c->weight = 10001);
	good.sched = SCHED_FIXED;
	PASSES(c->priority = 0);
	PASSES(c->priority = 31);
	FAILS(c->priority = 32); /* the management guest's */
	FAILS(c->priority = UINT32_MAX);
	PASSES(c->period_us = 1000; c->budget_us = 1000);
	FAILS(c->period_us = 1000; c->budget_us = 1001);
	FAILS(c->budget_us = 1);
	PASSES(c->period_us = 100; c->budget_us = 1);
	FAILS(c->period_us = 99; c->budget_us = 1);
	PASSES(c->period_us = 10000000; c->budget_us = 10000000);
	FAILS(c->period_us = 10000001; c->budget_us = 1);
}

static void test_files(void **state)
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		PASSES(c->files[i].data = bundle; c->files[i].size = BUNDLE);
		FAILS(c->files[i].data = bundle; c->files[i].size = BUNDLE + 1);
		FAILS(c->files[i].data = bundle - 1; c->files[i].size = 2);
		PASSES(c->files[i].data = bundle + 255; c->files[i].size = 1);
		FAILS(c->files[i].data = bundle + 255; c->files[i].size = 2);
		FAILS(c->files[i].data = bundle + 256; c->files[i].size = 1);
		FAILS(c->files[i].data = bundle + 1; c->files[i].size = UINT64_MAX);
		FAILS(c->files[i].data = bundle;
		      c->files[i].size = -(uint64_t)(uintptr_t)bundle + 1);
		FAILS(c->files[i].data = NULL; c->files[i].size = 1);
		/* There is none. */
		PASSES(c->files[i].data = NULL; c->files[i].size = 0);
	}
	host.initrd.size = 0;
	p->n = 0;
	PASSES(p->n = 0; memset(c->files, 0, sizeof(c->files)));
	FAILS(p->n = 0);
}

static void test_segments(void **state)
{
	struct load_segment *s = &p->seg[1];

	PASSES(p->n = 0);
	for (unsigned i = 2; i < LOAD_MAX_SEGMENTS; i++) good.plan.seg[i] = good.plan.seg[0];
	PASSES(p->n = LOAD_MAX_SEGMENTS - 2);
	FAILS(p->n = LOAD_MAX_SEGMENTS - 1); /* EL2 adds two */
	FAILS(p->n = UINT32_MAX);
	FAILS(s->size = 0);
	PASSES(s->size = 1);
	FAILS(s->size = 157);
	FAILS(s->size = UINT64_MAX);
	FAILS(s->from = bundle - 1; s->size = 2);
	PASSES(s->from = bundle; s->size = 256);
	FAILS(s->from = bundle + 256; s->size = 1);
	FAILS(s->from = NULL);
	PASSES(s->to = ipa(RAM));
	FAILS(s->to = ipa(RAM - 1));
	FAILS(s->to = ipa(0));
	PASSES(s->to = ipa(RAM + MEMORY - 156));
	FAILS(s->to = ipa(RAM + MEMORY - 155));
	FAILS(s->to = ipa(RAM + MEMORY + 1));
	FAILS(s->to = ipa(UINT64_MAX));
	FAILS(s->to = ipa(-(uint64_t)100));
	/* Not in use. */
	PASSES(p->n = 1; s->size = 0);
	PASSES(p->entry = ipa(UINT64_MAX - 2)); /* the guest's own fault, at EL1 */
}

static void test_tree(void **state)
{
	PASSES(p->fdt_size = KiB(64));
	FAILS(p->fdt_size = KiB(64) + 1);
	FAILS(p->fdt_size = UINT64_MAX);
	PASSES(p->fdt_size = 0);
	PASSES(p->fdt = ipa(RAM));
	FAILS(p->fdt = ipa(RAM - 1));
	PASSES(p->fdt = ipa(RAM + MEMORY - 4096));
	FAILS(p->fdt = ipa(RAM + MEMORY - 4095));
	FAILS(p->fdt = ipa(RAM + MEMORY + 1); p->fdt_size = 0);
	FAILS(p->fdt = ipa(-(uint64_t)4096));
	/* The copy at RAM's base as well. */
	good.memory = KiB(16);
	good.plan.fdt = ipa(RAM);
	PASSES(p->fdt_size = KiB(16));
	FAILS(p->fdt_size = KiB(16) + 1);
}

static void test_device_counts(void **state)
{
	PASSES(a->nr_devs = a->nr_regs = a->nr_irqs = c->assign_rules.n = 0);
	PASSES(a->nr_devs = ASSIGN_MAX);
	FAILS(a->nr_devs = ASSIGN_MAX + 1);
	for (unsigned i = 2; i < ASSIGN_MAX; i++) {
		good.assign.reg[i] = good.assign.reg[1];
		good.assign.irq[i].intid = 160 + i;
	}
	PASSES(a->nr_regs = ASSIGN_MAX);
	FAILS(a->nr_regs = ASSIGN_MAX + 1);
	FAILS(a->nr_regs = UINT32_MAX);
	/* Even if what lies behind looks good. */
	FAILS(a->nr_regs = ASSIGN_MAX + 1; a->nr_irqs = 0;
	      memcpy((uint8_t *)c + BEHIND_REGS, &a->reg[1], sizeof(a->reg[1])));
	PASSES(a->nr_irqs = ASSIGN_MAX);
	FAILS(a->nr_irqs = ASSIGN_MAX + 1);
	FAILS(a->nr_irqs = UINT32_MAX);
	for (unsigned i = 1; i < ASSIGN_MAX_RULES; i++)
		good.assign_rules.rule[i] = good.assign_rules.rule[0];
	PASSES(c->assign_rules.n = ASSIGN_MAX_RULES);
	FAILS(c->assign_rules.n = ASSIGN_MAX_RULES + 1);
	FAILS(c->assign_rules.n = UINT32_MAX);
	FAILS(c->assign_rules.n = ASSIGN_MAX_RULES + 1; a->reg[0].trapped = true;
	      memset(&c->files[0], 0, sizeof(c->files[0])));
}

static void place(struct assign_reg *r, uint64_t at, uint64_t size)
{
	r->pa = at;
	r->ipa = ASSIGN_BASE + (at & PAGE_MASK);
	r->size = size;
}

static void test_window(void **state)
{
	struct assign_reg *const r = &a->reg[0];

	FAILS(r->size = 0);
	FAILS(r->size = UINT64_MAX);
	FAILS(r->size = -DEV);
	PASSES(r->size = ASSIGN_SIZE; r->pa = GiB(64));
	FAILS(r->size = ASSIGN_SIZE + 1; r->pa = GiB(64));
	FAILS(r->ipa -= PAGE_SIZE);
	FAILS(r->ipa = 0);
	PASSES(r->ipa = END - PAGE_SIZE);
	PASSES(r->ipa = END - PAGE_SIZE; r->size = PAGE_SIZE);
	FAILS(r->ipa = END - PAGE_SIZE; r->size = PAGE_SIZE + 1);
	FAILS(r->ipa = END);
	FAILS(r->ipa = UINT64_MAX - PAGE_MASK);
	FAILS(r->ipa += 4); /* not where it is in its page */
	FAILS(r->pa += 4);
	PASSES(r->pa += 4; r->ipa += 4);
	PASSES(place(r, BIT(48) - PAGE_SIZE, PAGE_SIZE));
	FAILS(place(r, BIT(48), 4));
	FAILS(place(r, UINT64_MAX - 0xfff, 0x800));
	FAILS(place(r, UINT64_MAX - 0xfff, 0x1000));
	FAILS(place(r, UINT64_MAX - 0xfff, 0x2000));
}

/* [at, at + size) is taken: no page of it can be mapped, and no byte of it be forwarded. */
static void taken(uint64_t at, uint64_t size)
{
	struct assign_reg *const r = &a->reg[0];
	uint64_t first = ALIGN_DOWN(at, PAGE_SIZE), end = ALIGN_UP(at + size, PAGE_SIZE);

	FAILS(place(r, at, 4));
	FAILS(place(r, first, 4));
	FAILS(place(r, end - 4, 4));
	FAILS(place(r, first - 4, 8));
	FAILS(place(r, first - PAGE_SIZE, end - first + 2 * PAGE_SIZE));
	PASSES(place(r, first - 4, 4));
	PASSES(place(r, end, 4));
	good.assign.reg[0].trapped = true;
	FAILS(place(r, at, 1));
	FAILS(place(r, at + size - 1, 1));
	FAILS(place(r, at - 4, 5));
	FAILS(place(r, at - 4, size + 8));
	PASSES(place(r, at - 4, 4));
	PASSES(place(r, at + size, 4));
	good.assign.reg[0].trapped = false;
}

static void test_own_registers(void **state)
{
	struct host_range *const own[] = {&host.uart.regs,   &this_board.power, &host.sdhci[0],
	                                  &host.sdhci[1],    &host.gic.gicd,    &host.gic.gicc,
	                                  &host.gic.gich,    &host.gic.gicv,    &host.ram[0],
	                                  &host.ram[1],      &host.gic.gicr[0], &host.gic.gicr[1],
	                                  &host.reserved[0], &host.reserved[1]};

	/* Each at a place of its own: beside others its neighbours would be taken too. */
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		struct host_range was = *own[i];

		*own[i] = range(0x500000040, 0x80);
		taken(0x500000040, 0x80);
		*own[i] = range(0x500000000, 0x2000);
		taken(0x500000000, 0x2000);
		*own[i] = was;
		PASSES(place(&a->reg[0], 0x500000000, 0x1000));
	}
	host.gic.nr_gicr = host.nr_ram = host.nr_reserved = 1;
	PASSES(place(&a->reg[0], pa_raw(host.gic.gicr[1].base), 0x1000));
	PASSES(place(&a->reg[0], pa_raw(host.ram[1].base), 0x1000));
	PASSES(place(&a->reg[0], pa_raw(host.reserved[1].base), 0x1000));
}

static void test_neighbours_registers(void **state)
{
	taken(OTHER, PAGE_SIZE); /* all of the page that is mapped */
	taken(OTHER + 0x2100, 0x10);
	neighbour.assign.nr_regs = 1;
	PASSES(place(&a->reg[0], OTHER + 0x2100, 4));
	neighbour.assign.nr_regs = 0;
	PASSES(place(&a->reg[0], OTHER, 4));
	/* Two parts of a page, to one VM each. */
	neighbour.assign.nr_regs = 2;
	PASSES(place(&a->reg[1], OTHER + 0x2000, 0x100));
	FAILS(place(&a->reg[1], OTHER + 0x2000, 0x101));
	/* Every slot is looked at, every register of ours. */
	vms[MAX_VMS - 1] = NULL;
	PASSES(place(&a->reg[0], OTHER, 4));
	vms[0] = &other;
	FAILS(place(&a->reg[0], OTHER, 4));
	FAILS(place(&a->reg[1], OTHER, 4));
}

static void test_interrupts(void **state)
{
	FAILS(a->irq[0].intid = 0);
	FAILS(a->irq[0].intid = 31);
	PASSES(a->irq[0].intid = 32);
	PASSES(a->irq[0].intid = 287);
	FAILS(a->irq[0].intid = 288);
	FAILS(a->irq[0].intid = UINT32_MAX);
	FAILS(a->irq[0].intid = 125); /* the UART's */
	FAILS(a->irq[1].intid = 125);
	FAILS(a->irq[0].intid = 200); /* maintenance */
	FAILS(a->irq[0].intid = 170); /* another VM's */
	FAILS(a->irq[1].intid = 171);
	FAILS(a->irq[1].intid = a->irq[0].intid); /* twice */
	PASSES(a->nr_irqs = 1; a->irq[1].intid = a->irq[0].intid);
	neighbour.assign.nr_irqs = 1;
	PASSES(a->irq[1].intid = 171);
	vms[0] = &other;
	vms[MAX_VMS - 1] = NULL;
	FAILS(a->irq[1].intid = 170);
	gic.nr_irqs = 1020;
	PASSES(a->irq[0].intid = 1019);
	FAILS(a->irq[0].intid = 1020);
}

static void test_rules(void **state)
{
	struct assign_rule *const u = &c->assign_rules.rule[0];

	FAILS(u->reg = 0); /* mapped: no rule would hold */
	FAILS(u->reg = 2);
	FAILS(u->reg = UINT32_MAX);
	PASSES(u->off = 0; u->size = 0x40);
	FAILS(u->off = 0; u->size = 0x41);
	PASSES(u->off = 0x3c; u->size = 4);
	FAILS(u->off = 0x40; u->size = 4);
	FAILS(u->off = 0x41; u->size = 0);
	FAILS(u->off = 4; u->size = UINT32_MAX);
	FAILS(u->off = UINT32_MAX; u->size = 4);
	PASSES(c->assign_rules.n = 0; u->reg = 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_strings, setup),
	    cmocka_unit_test_setup(test_bools, setup),
	    cmocka_unit_test_setup(test_memory_cpus, setup),
	    cmocka_unit_test_setup(test_choices, setup),
	    cmocka_unit_test_setup(test_sched, setup),
	    cmocka_unit_test_setup(test_files, setup),
	    cmocka_unit_test_setup(test_segments, setup),
	    cmocka_unit_test_setup(test_tree, setup),
	    cmocka_unit_test_setup(test_device_counts, setup),
	    cmocka_unit_test_setup(test_window, setup),
	    cmocka_unit_test_setup(test_own_registers, setup),
	    cmocka_unit_test_setup(test_neighbours_registers, setup),
	    cmocka_unit_test_setup(test_interrupts, setup),
	    cmocka_unit_test_setup(test_rules, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
