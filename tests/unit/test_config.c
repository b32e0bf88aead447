/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest's values and defaults, and hostile trees (the words of each refusal:
 * test_mkbundle.py).
 * links: guests/management/config.c guests/management/assign.c guests/management/fit.c
 * links: guests/management/loader.c hyp/tree.c hyp/verify.c
 * links: lib/sha256.c lib/crc32.c lib/str.c tests/fake_arch/crc32.c
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

#include <hyp/config.h>
#include <hyp/tree.h>
#include "guests/management/fit.h"
#include "guests/management/manifest.h"
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/vm.h>
#include <arch/cpu.h>
#include <lib/str.h>
#include "tests/bundle.h"
#include "tests/host_tree.h"

const struct machine machine_v1 = {.ram_base = 0x40000000};
struct vm *vms[MAX_VMS];
uint8_t *fake_ram_base;

void *page_alloc_hyp(uint64_t size) { return malloc(size); }

void page_free_hyp(void *p, uint64_t size) { free(p); }

static char said[8192];
static size_t said_len;

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	assert_int_equal(level, LOG_ERR);
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (const char *p = line; *p; p++)
		assert_in_range(*p, ' ', '~'); /* nothing that a terminal would obey */
	str_append(said, sizeof(said), &said_len, "%s\n", line);
}

static _Alignas(8) uint8_t blob[KiB(16)], host_tree[KiB(8)];
/* What came out: the VMs that are not refused, as many as vms[] has. */
static struct manifest m;
static struct vm_config got[MAX_VMS];
static unsigned nr_got, nr_refused;
static uint8_t *initrd;
static struct fit bundle;

static int setup(void **state)
{
	(void)state;
	said_len = 0;
	said[0] = 0;
	memset(&m, 0xa5, sizeof(m));
	for (unsigned i = 0; i < MAX_VMS; i++) {
		free(vms[i]);
		vms[i] = NULL;
	}
	nr_got = nr_refused = 0;
	free(initrd);
	initrd = NULL;
	return 0;
}

static int teardown(void **state) { return setup(state); }

static void begin(void)
{
	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	fdt_begin_node(blob, "chosen");
	fdt_begin_node(blob, "hypervisor");
	fdt_property_string(blob, "compatible", "atoll,manifest-v1");
}

static void begin_vm(const char *name)
{
	fdt_begin_node(blob, name);
	fdt_property_string(blob, "compatible", "atoll,vm");
	fdt_property_string(blob, "image", "a.elf");
	fdt_property_u64(blob, "memory", 4096);
}

static void end_vm(void) { fdt_end_node(blob); }

static void end(void)
{
	fdt_end_node(blob);
	fdt_end_node(blob);
	fdt_end_node(blob);
	assert_int_equal(fdt_finish(blob), 0);
}

/* A bundle, on the heap and not a byte longer, of a manifest, its files, and `size` bytes of it. */
static enum hyp_err open_bundle(const void *manifest, uint32_t size, unsigned gic, unsigned cpus)
{
	static const char code[64] = "code";
	static _Alignas(8) uint8_t itb[KiB(4)];
	assert_non_null(host_tree_make(host_tree, sizeof(host_tree)));
	uint8_t overlay[128];
	char name63[64];
	const char *why;
	uint64_t total;

	memset(name63, 'n', 63);
	name63[63] = 0;
	assert_int_equal(fdt_create_empty_tree(overlay, sizeof(overlay)), 0);
	bundle_begin(itb, sizeof(itb));
	bundle_add(itb, "a.elf", 0, code, 64);
	bundle_add(itb, name63, 0, code, 64);
	bundle_add(itb, "o.dtbo", 64, overlay, 128);
	bundle_add(itb, "manifest", 192, manifest, size);
	free(initrd);
	initrd = bundle_end(itb, code, overlay, manifest, size, &total);
	assert_non_null(initrd);
	m.bundle = &bundle;
	m.host_tree = host_tree;
	memset(m.in_use, 0, sizeof(m.in_use));
	m.in_use[1] = (struct host_range){pa(HOST_TREE_CONSOLE), 0x1000};
	m.host_gic = gic;
	m.host_cpus = cpus;
	m.ram = MiB(64);
	assert_int_equal(fit_open(initrd, total, &bundle, &why), HYP_OK);
	return config_open(&m, &why);
}

/* As guests/management/main.c does it. */
static enum hyp_err read_bundle(const void *manifest, uint32_t size, unsigned gic, unsigned cpus)
{
	enum hyp_err err = open_bundle(manifest, size, gic, cpus);

	if (err != HYP_OK) return err;
	while ((err = config_next(&m, &got[nr_got])) != HYP_ENOENT) {
		if (err != HYP_OK) {
			nr_refused++;
			continue;
		}
		vms[nr_got] = calloc(1, sizeof(struct vm));
		vms[nr_got]->cfg = &got[nr_got];
		nr_got++;
	}
	return HYP_OK;
}

static enum hyp_err parse(unsigned gic, unsigned cpus)
{
	return read_bundle(blob, fdt_totalsize(blob), gic, cpus);
}

static void test_defaults(void **state)
{
	const struct vm_config *c = &got[0];

	(void)state;
	begin();
	begin_vm("a");
	end_vm();
	begin_vm("b");
	end_vm();
	end();
	assert_int_equal(parse(2, 4), HYP_OK);
	assert_string_equal(said, "");
	assert_int_equal(nr_got, 2);
	assert_int_equal(m.when_idle, IDLE_WAIT);
	assert_string_equal(c->name, "a");
	assert_string_equal(c->image, "a.elf");
	assert_string_equal(c->ramdisk, "");
	assert_string_equal(c->bootargs, "");
	assert_int_equal(c->memory, MiB(4));
	assert_int_equal(c->cpus, 1);
	assert_int_equal(c->affinity, 0xf);
	assert_int_equal(c->format, FORMAT_AUTO);
	assert_int_equal(c->sched, SCHED_FAIR);
	assert_int_equal(c->weight, 100);
	assert_int_equal(c->priority, 0);
	assert_int_equal(c->budget_us | c->period_us, 0);
	assert_int_equal(c->load | c->entry, 0);
	assert_int_equal(c->gic, 2);
	assert_int_equal(c->on_crash, ON_CRASH_STOP);
	assert_int_equal(c->restart_limit, 3);
	assert_true(c->autostart);
	assert_false(c->background);
	assert_false(c->console);
	assert_int_equal(c->verify, VERIFY_CRC32);
	assert_int_equal(c->rtc_base, 0);
}

static void test_values(void **state)
{
	const struct vm_config *c = &got[1];
	fdt32_t cpus[2] = {cpu_to_fdt32(3), cpu_to_fdt32(1)};
	char name63[64], args511[512];

	(void)state;
	memset(name63, 'n', 63);
	name63[63] = 0;
	memset(args511, 'a', 511);
	args511[511] = 0;
	begin();
	fdt_property_string(blob, "when-idle", "poweroff");
	begin_vm("plain");
	end_vm();
	begin_vm("full");
	fdt_property_string(blob, "ramdisk", name63);
	fdt_property_string(blob, "fdt-overlay", "o.dtbo");
	fdt_property_string(blob, "bootargs", args511);
	fdt_property_string(blob, "format", "raw");
	fdt_property_u64(blob, "load", 0x40001000);
	fdt_property_u64(blob, "entry", 0x40001020);
	fdt_property_u32(blob, "cpus", 2);
	fdt_property(blob, "affinity", cpus, sizeof(cpus));
	fdt_property_string(blob, "sched", "fixed");
	fdt_property_u32(blob, "priority", 31);
	fdt_property_u32(blob, "budget", 1000);
	fdt_property_u32(blob, "period", 2000);
	fdt_property_string(blob, "gic", "v3");
	fdt_property_string(blob, "on-crash", "panic");
	fdt_property_u32(blob, "restart-limit", UINT32_MAX);
	fdt_property_u32(blob, "autostart", 0);
	fdt_property(blob, "background", "", 0);
	fdt_property(blob, "console", "", 0);
	fdt_property(blob, "vpl011", "", 0);
	fdt_property_string(blob, "verify", "sha256");
	fdt_property_u64(blob, "rtc-base", 1700000000);
	end_vm();
	end();
	assert_int_equal(parse(3, 4), HYP_OK);
	assert_string_equal(said, "");
	assert_int_equal(m.when_idle, IDLE_POWEROFF);
	assert_false(got[0].console);
	assert_true(c->console && c->background && c->vpl011);
	assert_string_equal(c->ramdisk, name63);
	assert_string_equal(c->fdt_overlay, "o.dtbo");
	assert_string_equal(c->bootargs, args511);
	assert_int_equal(c->format, FORMAT_RAW);
	assert_int_equal(c->load, 0x40001000);
	assert_int_equal(c->entry, 0x40001020);
	assert_int_equal(c->cpus, 2);
	assert_int_equal(c->affinity, 0xa);
	assert_int_equal(c->sched, SCHED_FIXED);
	assert_int_equal(c->priority, 31);
	assert_int_equal(c->budget_us, 1000);
	assert_int_equal(c->period_us, 2000);
	assert_int_equal(c->gic, 3);
	assert_int_equal(c->on_crash, ON_CRASH_PANIC);
	assert_int_equal(c->restart_limit, UINT32_MAX);
	assert_false(c->autostart);
	assert_int_equal(c->verify, VERIFY_SHA256);
	assert_int_equal(c->rtc_base, 1700000000);
}

/* A refused VM's keyboard, memory and budget count for nobody; a good one's do. */
static void test_neighbours(void **state)
{
	(void)state;
	begin();
	begin_vm("bad");
	fdt_property(blob, "console", "", 0);
	fdt_property_string(blob, "sched", "fixed");
	fdt_property_u32(blob, "budget", 1000);
	fdt_property_u32(blob, "period", 1000);
	fdt_property_u32(blob, "cpus", 0);
	end_vm();
	begin_vm("good");
	fdt_property(blob, "console", "", 0);
	fdt_property_string(blob, "sched", "fixed");
	fdt_property_u32(blob, "budget", 900);
	fdt_property_u32(blob, "period", 1000);
	end_vm();
	begin_vm("good");
	end_vm();
	begin_vm("late");
	fdt_property_string(blob, "sched", "fixed");
	fdt_property_u32(blob, "budget", 101);
	fdt_property_u32(blob, "period", 1000);
	end_vm();
	begin_vm("keys");
	fdt_property(blob, "console", "", 0);
	end_vm();
	begin_vm("last");
	end_vm();
	end();
	assert_int_equal(parse(3, 1), HYP_OK);
	assert_int_equal(nr_got, 2);
	assert_int_equal(nr_refused, 4);
	assert_string_equal(got[0].name, "good");
	assert_string_equal(got[1].name, "last");
	assert_string_equal(said, "bad: cpus = <0>: out of range; give 1 to 16\n"
	                          "good: there is a VM of this name; give another\n"
	                          "late: budget = <101>: 101 % of CPU time promised on 1 CPU(s); "
	                          "lower budget or name more CPUs in affinity\n"
	                          "keys: console: VM good has the keyboard at start; remove one of "
	                          "the two\n");
}

/* The board's RAM is for those that are not refused, in the manifest's order. */
static void test_board_ram(void **state)
{
	static const unsigned mib[] = {32, 33, 30, 4, 2, 1};

	(void)state;
	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(mib); i++) {
		char name[8];

		snprintf(name, sizeof(name), "vm%u", i);
		fdt_begin_node(blob, name);
		fdt_property_string(blob, "compatible", "atoll,vm");
		fdt_property_string(blob, "image", "a.elf");
		fdt_property_u64(blob, "memory", mib[i] * 1024);
		fdt_end_node(blob);
	}
	end();
	assert_int_equal(parse(3, 1), HYP_OK);
	assert_int_equal(nr_got, 3); /* 32 + 30 + 2 */
	assert_string_equal(got[2].name, "vm4");
	assert_non_null(strstr(said, "vm1: memory = <0 33792>: 32768 KiB of the board's RAM are "
	                             "left for it; give less, or take a board with more\n"));
	assert_non_null(strstr(said, "vm5: memory = <0 1024>: 0 KiB of the board's RAM"));
}

/* Names with control characters, escape sequences and no end in sight reach no terminal. */
static void test_hostile_names(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	begin();
	begin_vm("\033[2Jvm");
	fdt_property_string(blob, "\033[31m", "\033[0m");
	fdt_property_string(blob, name, name);
	fdt_begin_node(blob, "\r\n");
	fdt_end_node(blob);
	end_vm();
	begin_vm(name);
	end_vm();
	begin_vm("");
	end_vm();
	end();
	assert_int_equal(parse(3, 1), HYP_OK);
	assert_int_equal(nr_got, 0);
	assert_int_equal(nr_refused, 3);
	assert_non_null(strstr(said, "?[2Jvm: ?[31m = [1b 5b 30 6d 00]: unknown property"));
	assert_non_null(strstr(said, "remove ??\n"));
}

static void test_nobodys(void **state)
{
	(void)state;
	begin();
	end();
	assert_int_equal(parse(3, 1), HYP_EINVAL);
	assert_non_null(strstr(said, "no VM in it"));
	begin();
	begin_vm("a");
	end_vm();
	end();
	setup(NULL);
	assert_int_equal(read_bundle(blob, fdt_totalsize(blob) - 1, 3, 1), HYP_EINVAL);
	assert_string_equal(
	    said, "the manifest is cut off; pack the bundle again with scripts/mkbundle\n");
	assert_int_equal(read_bundle(blob, 0, 3, 1), HYP_EINVAL);
	assert_int_equal(read_bundle(blob + 4, 100, 3, 1), HYP_EINVAL);
}

/* Levels, roots, tags, names: what libfdt alone would trust. */
static void test_unsound(void **state)
{
	const char *why;

	(void)state;
	begin();
	for (int i = 0; i < 14; i++) fdt_begin_node(blob, "deep");
	for (int i = 0; i < 14; i++) fdt_end_node(blob);
	end();
	assert_int_equal(tree_check(blob, sizeof(blob), &why), HYP_EINVAL);
	assert_string_equal(why, "has too many levels or roots");
	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	fdt_end_node(blob);
	fdt_begin_node(blob, "");
	fdt_end_node(blob);
	assert_int_equal(fdt_finish(blob), 0);
	assert_int_equal(tree_check(blob, sizeof(blob), &why), HYP_EINVAL);
	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	fdt_end_node(blob);
	fdt_end_node(blob);
	assert_int_equal(fdt_finish(blob), 0);
	assert_int_equal(tree_check(blob, sizeof(blob), &why), HYP_EINVAL);
	assert_string_equal(why, "ends a node that it did not begin");
}

/* Any bytes: no access outside an exact allocation, and what is accepted keeps its bounds. */
static void test_random(void **state)
{
	uint32_t size;
	uint8_t copy[KiB(4)];
	unsigned accepted = 0;

	test_values(state);
	size = fdt_totalsize(blob);
	assert_in_range(size, 1000, sizeof(copy));
	srand(3);
	for (unsigned round = 0; round < 10000; round++) {
		memcpy(copy, blob, size);
		for (int n = 1 + rand() % 4; n > 0; n--)
			copy[(uint32_t)rand() % size] = (uint8_t)(rand() % 4 ? rand() : 0xff);
		setup(NULL);
		if (read_bundle(copy, size, 3, 4) != HYP_OK) continue;
		accepted += nr_got;
		for (const struct vm_config *c = got; c < got + nr_got; c++) {
			assert_in_range(c->cpus, 1, MAX_VCPUS);
			assert_true(c->memory >= PAGE_SIZE && IS_ALIGNED(c->memory, PAGE_SIZE));
			assert_true(c->affinity != 0 && c->affinity <= 0xf);
			assert_in_range(c->weight, 1, 10000);
			assert_true(c->priority <= 31 && c->budget_us <= c->period_us);
			assert_true(strlen(c->name) > 0 && strlen(c->image) > 0);
		}
	}
	assert_in_range(accepted, 1000, 19000);
}

static void boot_for_create(void)
{
	begin();
	begin_vm("boot");
	fdt_property_u32(blob, "cpus", 3);
	end_vm();
	begin_vm("bad");
	fdt_property_u32(blob, "cpus", 0);
	end_vm();
	end();
	assert_int_equal(open_bundle(blob, fdt_totalsize(blob), 3, 4), HYP_OK);
}

static enum hyp_err create(const char *name, const char *words, struct vm_config *out)
{
	char copy[8192];

	snprintf(copy, sizeof(copy), "%s", words);
	memset(out, 0xa5, sizeof(*out));
	said_len = 0;
	said[0] = '\0';
	return config_create(name, copy, out);
}

static void test_create(void **state)
{
	struct vm_config c;

	(void)state;
	boot_for_create();
	assert_int_equal(
	    create("new",
	           " image=a.elf memory=8192  cpus=2 bootargs=\"a b=c\" affinity=3,0x1 "
	           "background load=0x40080004 rtc-base=0x1234 format=raw sched=fixed "
	           "budget=100 period=1000 on-crash=restart",
	           &c),
	    HYP_OK);
	assert_string_equal(said, "");
	assert_string_equal(c.name, "new");
	assert_string_equal(c.image, "a.elf");
	assert_string_equal(c.bootargs, "a b=c");
	assert_int_equal(c.memory, MiB(8));
	assert_int_equal(c.cpus, 2);
	assert_int_equal(c.affinity, 0xa);
	assert_int_equal(c.load, 0x40080004);
	assert_int_equal(c.rtc_base, 0x1234);
	assert_int_equal(c.on_crash, ON_CRASH_RESTART);
	assert_int_equal(c.gic, 3);
	assert_true(c.background && c.autostart && !c.console);
	/* Without words, the node of the manifest. */
	assert_int_equal(create("boot", "  ", &c), HYP_OK);
	assert_string_equal(c.name, "boot");
	assert_int_equal(c.cpus, 3);
	assert_int_equal(c.memory, MiB(4));
	assert_string_equal(said, "");
}

static void test_create_refused(void **state)
{
	static const struct {
		const char *name, *words, *says;
	} cases[] = {
	    {"a", "image=a.elf", "a: memory: missing; give two cells, in KiB"},
	    {"a", "image=a.elf memory=4096 cpu=2",
	     "a: cpu = \"2\": unknown property; did you mean cpus?"},
	    {"a", "image=a.elf memory=lots", "a: memory = \"lots\": wrong type; give two cells"},
	    {"a", "image=a.elf memory", "a: memory: wrong type; give two cells"},
	    {"a", "image=a.elf memory=4096,4", "a: memory = <0 4096 0 4>: wrong type"},
	    {"a", "image=a.elf memory=4096,", "a: memory = \"4096,\": wrong type"},
	    {"a", "image=a.elf memory=4096 cpus=99999999999",
	     "a: cpus = <23 1215752191>: wrong type"},
	    {"a", "image=a.elf memory=4096 cpus=-1", "a: cpus = \"-1\": wrong type"},
	    {"a", "image=a.elf memory=4096 cpus=17", "a: cpus = <17>: out of range; give 1 to 16"},
	    {"a", "image=a.elf memory=4096 affinity=1,4", "a: affinity = <1 4>: there is no CPU 4"},
	    {"a", "image=a.elf memory=4096 weight=2 sched=fixed", "a: weight = <2>: has no effect"},
	    {"a", "image=a.elf memory=4096 background=1", "a: background = <1>: wrong type"},
	    {"a", "image=b.elf memory=4096", "a: image = \"b.elf\": no such file in the bundle"},
	    {"a", "image=a.elf memory=16388",
	     "a: memory = <0 16388>: 16384 KiB of the board's RAM are left"},
	    {"a", "image=a.elf memory=4096 \"\"", "a: : unknown property"},
	    {"a", "image=a.elf memory=4096 console", "a: console: VM old has the keyboard"},
	    {"9", "image=a.elf memory=4096", "9: not a name for a VM"},
	    {"old", "image=a.elf memory=4096", "old: there is a VM of this name"},
	    {"boot", "", "boot: there is a VM of this name"},
	    {"bad", "", "bad: cpus = <0>: out of range"},
	};
	static const struct vm_config old = {.name = "old", .memory = MiB(48), .console = true};
	static const struct vm_config same = {.name = "boot"};
	struct vm_config c;

	(void)state;
	boot_for_create();
	vms[3] = calloc(1, sizeof(struct vm));
	vms[3]->cfg = &old;
	vms[5] = calloc(1, sizeof(struct vm));
	vms[5]->cfg = &same;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(create(cases[i].name, cases[i].words, &c), HYP_EINVAL);
		if (strstr(said, cases[i].says) != said) fail_msg("%s: %s", cases[i].words, said);
		assert_ptr_equal(strchr(said, '\n'), said + said_len - 1); /* one sentence */
		assert_int_equal(c.cpus, 0xa5a5a5a5);
	}
	assert_int_equal(create("none", "", &c), HYP_ENOENT);
}

/* Words too long for the tree, and any words at all. */
static void test_create_long(void **state)
{
	struct vm_config c;
	char words[6000] = "image=a.elf memory=4096 bootargs=";

	(void)state;
	boot_for_create();
	for (unsigned n = strlen(words); n < sizeof(words) - 1; n++) {
		words[n] = 'x';
		words[n + 1] = '\0';
		if (n % 97 != 0) continue;
		assert_int_equal(create("a", words, &c), n < 544 ? HYP_OK : HYP_EINVAL);
	}
	assert_string_equal(said, "a: its properties are too long; give less than 4 KiB in all\n");
	srand(5);
	for (unsigned round = 0; round < 3000; round++) {
		static const char alphabet[] = "image=a.elf memory=4096,\" cpus=1 0x";

		for (unsigned n = 0; n < 200; n++)
			words[n] = alphabet[(unsigned)rand() % (sizeof(alphabet) - 1)];
		words[rand() % 200] = '\0';
		if (create("a", words, &c) != HYP_OK)
			assert_true(said_len > 0 || words[0] == ' ' || !words[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_values, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_board_ram, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hostile_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nobodys, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unsound, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_create, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_create_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_create_long, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
