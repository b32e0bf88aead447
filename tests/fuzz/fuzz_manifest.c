/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest, as any bytes in a sound bundle, or the words of a VM made at run time: what is
 * accepted keeps its bounds beside its neighbours and passes EL2's check, what is refused says so
 * in printable words.
 * links: guests/management/config.c guests/management/assign.c guests/management/fit.c
 * links: guests/management/loader.c hyp/config.c hyp/tree.c hyp/verify.c
 * links: lib/sha256.c lib/crc32.c lib/str.c tests/fake_arch/crc32.c
 * libs: fdt
 * covers: guests/management/config.c
 * flags: -max_len=2048 -runs=5000
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>

#include <arch/cpu.h>
#include <arch/gic.h>
#include <hyp/board.h>
#include <hyp/config.h>
#include "guests/management/fit.h"
#include "guests/management/gfdt.h"
#include "guests/management/manifest.h"
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/vm.h>
#include "tests/fuzz/fuzz.h"
#include "tests/bundle.h"
#include "tests/host_tree.h"

#define RAM MiB(64)
const struct machine machine_v1 = {.ram_base = 0x40000000};
struct vm *vms[MAX_VMS];
uint8_t *fake_ram_base;
struct host host;
static const struct board no_power;
const struct board *board = &no_power;
static struct arch_gic_info gic = {.nr_irqs = 1020};

static struct vm machines[MAX_VMS];
static struct vm_config cfgs[MAX_VMS];
static struct manifest m;
static struct fit bundle;
static unsigned nr_said;

const struct arch_gic_info *arch_gic_info(void) { return &gic; }

void *page_alloc_hyp(uint64_t size) { return malloc(size); }

void page_free_hyp(void *p, uint64_t size) { free(p); }

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (const char *p = line; *p; p++) EXPECT(*p >= ' ' && *p <= '~');
	if (level != LOG_ERR || !strstr(line, "; ")) {
		fprintf(stderr, "no refusal in words: %s\n", line);
		abort();
	}
	nr_said++;
}

/* On the heap and not a byte longer: some files, and the manifest at the end. */
static uint8_t *make_bundle(const uint8_t *manifest, uint32_t size)
{
	static const char file[64] = "code";
	static _Alignas(8) uint8_t itb[KiB(4)];
	uint8_t overlay[128], *initrd;
	const char *why;
	uint64_t total;

	EXPECT(fdt_create_empty_tree(overlay, sizeof(overlay)) == 0);
	bundle_begin(itb, sizeof(itb));
	bundle_add(itb, "ok.elf", 0, file, 64);
	bundle_add(itb, "rd", 64, overlay, 100);
	bundle_add(itb, "o.dtbo", 64, overlay, 128);
	bundle_add(itb, "empty", 64, overlay, 0);
	bundle_add(itb, "cut", UINT32_MAX, overlay, 0);
	bundle_add(itb, "manifest", 192, manifest, size);
	initrd = bundle_end(itb, file, overlay, manifest, size, &total);
	host.initrd = (struct host_range){pa((uintptr_t)initrd), total};
	EXPECT(initrd && fit_open(initrd, total, &bundle, &why) == HYP_OK);
	return initrd;
}

/* Inside the window and its device, behind each other, and nobody else's. */
static void check_assign(const struct vm_config *c)
{
	const struct vm_assign *a = &c->assign;
	uint64_t last = ASSIGN_BASE;

	EXPECT(a->nr_devs <= ASSIGN_MAX && a->nr_regs <= ASSIGN_MAX && a->nr_irqs <= ASSIGN_MAX);
	for (unsigned i = 0; i < a->nr_regs; i++) {
		const struct assign_reg *r = &a->reg[i];

		EXPECT(r->ipa >= last && r->size > 0 && r->dev < a->nr_devs);
		EXPECT((r->ipa & PAGE_MASK) == (r->pa & PAGE_MASK));
		last = ALIGN_UP(r->ipa + r->size, PAGE_SIZE);
		EXPECT(last <= ASSIGN_BASE + ASSIGN_SIZE && (r->trapped || !r->ruled));
		EXPECT(r->pa >= HOST_TREE_CONSOLE + 0x1000 || r->pa + r->size <= HOST_TREE_CONSOLE);
	}
	EXPECT(c->assign_rules.n <= ASSIGN_MAX_RULES);
	for (unsigned i = 0; i < c->assign_rules.n; i++) {
		const struct assign_rule *u = &c->assign_rules.rule[i];

		EXPECT(u->reg < a->nr_regs && a->reg[u->reg].ruled);
		EXPECT(u->size > 0 && (uint64_t)u->off + u->size <= a->reg[u->reg].size);
	}
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm_assign *b = vms[i] ? &vms[i]->cfg->assign : a;

		for (unsigned n = 0; b != a && n < b->nr_devs; n++)
			for (unsigned k = 0; k < a->nr_devs; k++) EXPECT(a->dev[k] != b->dev[n]);
	}
}

static void check(const struct vm_config *c)
{
	check_assign(c);
	EXPECT(c->name[0] && strnlen(c->name, CONFIG_NAME_MAX) < CONFIG_NAME_MAX);
	EXPECT(c->image[0] && strnlen(c->image, CONFIG_FILE_MAX) < CONFIG_FILE_MAX);
	EXPECT(strnlen(c->ramdisk, CONFIG_FILE_MAX) < CONFIG_FILE_MAX);
	EXPECT(strnlen(c->fdt_overlay, CONFIG_FILE_MAX) < CONFIG_FILE_MAX);
	EXPECT(strnlen(c->bootargs, CONFIG_BOOTARGS_MAX) < CONFIG_BOOTARGS_MAX);
	EXPECT(c->format <= FORMAT_RAW && c->sched <= SCHED_FIXED && c->verify <= VERIFY_SHA256);
	EXPECT(c->on_crash <= ON_CRASH_PANIC && c->gic == m.host_gic);
	EXPECT(c->memory >= PAGE_SIZE && c->memory <= RAM && IS_ALIGNED(c->memory, PAGE_SIZE));
	EXPECT(c->cpus >= 1 && c->cpus <= (c->gic == 2 ? 8 : MAX_VCPUS));
	EXPECT(c->affinity != 0 && (c->affinity >> m.host_cpus) == 0);
	EXPECT(c->weight >= 1 && c->weight <= 10000 && c->priority <= 31);
	EXPECT((c->budget_us == 0) == (c->period_us == 0) && c->budget_us <= c->period_us);
	EXPECT(c->rtc_base <= UINT32_MAX);
}

/* EL2 lets it pass as well, with the largest tree there is room for. */
static void check_el2(struct vm_config c)
{
	gic.version = m.host_gic;
	host.uart.regs = m.in_use[0];
	c.plan.fdt_size = gfdt_room(&c);
	EXPECT(config_check(&c) == HYP_OK);
}

static void check_all(unsigned n)
{
	uint64_t ram = 0, budget = 0;
	unsigned keyboards = 0;

	for (unsigned i = 0; i < n; i++) {
		check(&cfgs[i]);
		ram += cfgs[i].memory;
		keyboards += cfgs[i].console;
		if (cfgs[i].period_us)
			budget += cfgs[i].cpus * UINT64_C(1000000) * cfgs[i].budget_us /
			          cfgs[i].period_us;
		for (unsigned k = 0; k < i; k++) EXPECT(strcmp(cfgs[i].name, cfgs[k].name) != 0);
	}
	EXPECT(ram <= RAM && keyboards <= 1);
	EXPECT(budget <= m.host_cpus * UINT64_C(1000000) + n * MAX_VCPUS);
}

/* The manifest's VMs as guests/management/main.c creates them; returns how many. */
static unsigned read_all(void)
{
	unsigned n = 0, before;
	enum hyp_err err;

	for (;;) {
		before = nr_said;
		err = config_next(&m, &cfgs[n]);
		EXPECT((err == HYP_EINVAL) == (nr_said != before));
		if (err == HYP_ENOENT) return n;
		if (err != HYP_OK) continue;
		check_el2(cfgs[n]);
		machines[n].cfg = &cfgs[n];
		vms[n] = &machines[n];
		n++;
	}
}

/* One VM in a manifest that is all right, and words that may not be. */
static void create(const uint8_t *words, size_t size)
{
	static _Alignas(8) uint8_t blob[512];
	char *copy = malloc(size + 1);
	const char *why;
	uint8_t *initrd;
	enum hyp_err err;
	unsigned n;

	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	fdt_begin_node(blob, "chosen");
	fdt_begin_node(blob, "hypervisor");
	fdt_property_string(blob, "compatible", "atoll,manifest-v1");
	fdt_begin_node(blob, "first");
	fdt_property_string(blob, "compatible", "atoll,vm");
	fdt_property_string(blob, "image", "ok.elf");
	fdt_property_u64(blob, "memory", 16384);
	fdt_property(blob, "console", "", 0);
	fdt_end_node(blob);
	fdt_end_node(blob);
	fdt_end_node(blob);
	fdt_end_node(blob);
	EXPECT(fdt_finish(blob) == 0);
	initrd = make_bundle(blob, fdt_totalsize(blob));
	EXPECT(config_open(&m, &why) == HYP_OK);
	n = read_all();
	EXPECT(n == 1);
	memcpy(copy, words, size);
	copy[size] = '\0';
	nr_said = 0;
	err = config_create("new", copy, &cfgs[n]);
	EXPECT(err == HYP_OK || err == HYP_EINVAL || err == HYP_ENOENT);
	EXPECT((err == HYP_EINVAL) == (nr_said != 0));
	if (err == HYP_OK) check_el2(cfgs[n]);
	check_all(n + (err == HYP_OK));
	free(copy);
	free(initrd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(8) uint8_t host_tree[KiB(8)];
	const char *why = NULL;
	uint8_t *initrd;

	if (size == 0) return 0;
	EXPECT(host_tree_make(host_tree, sizeof(host_tree)));
	memset(vms, 0, sizeof(vms));
	nr_said = 0;
	m = (struct manifest){.bundle = &bundle,
	                      .host_gic = data[0] & 1 ? 3 : 2,
	                      .host_cpus = (data[0] >> 1) % MAX_PCPUS + 1,
	                      .ram = RAM,
	                      .host_tree = host_tree,
	                      .in_use = {{{HOST_TREE_CONSOLE}, 0x1000}}};
	if (data[0] & 0x80) {
		create(data + 1, size - 1);
		return 0;
	}
	initrd = make_bundle(data + 1, (uint32_t)size - 1);
	if (config_open(&m, &why) == HYP_OK)
		check_all(read_all());
	else
		EXPECT(why && nr_said > 0);
	free(initrd);
	return 0;
}
