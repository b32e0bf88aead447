/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest's values and defaults, and hostile trees (the words of each refusal:
 * test_mkbundle.py).
 */
/* clang-format off */
/*
 * links: hyp/config.c hyp/fit.c hyp/loader.c lib/sha256.c lib/crc32.c lib/printf.c lib/str.c tests/fake_arch/crc32.c
 * libs: fdt
 */
/* clang-format on */
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
#include <hyp/fit.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/vm.h>
#include <lib/printf.h>

const struct machine machine_v1 = {.ram_base = 0x40000000};
struct vm *vms[MAX_VMS];

void *page_alloc_hyp(uint64_t size) { return malloc(size); }

void page_free_hyp(void *p, uint64_t size) { free(p); }

void page_get_stats(struct page_stats *st)
{
	*st = (struct page_stats){.free = MiB(12) / PAGE_SIZE, .dirty = MiB(4) / PAGE_SIZE};
}

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

static _Alignas(8) uint8_t blob[KiB(16)];
static struct manifest m;

static int setup(void **state)
{
	(void)state;
	said_len = 0;
	said[0] = 0;
	memset(&m, 0xa5, sizeof(m));
	return 0;
}

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

static enum hyp_err parse(unsigned gic, unsigned cpus)
{
	return config_parse(blob, fdt_totalsize(blob), gic, cpus, &m);
}

static void test_defaults(void **state)
{
	const struct vm_config *c = &m.vm[0];

	(void)state;
	begin();
	begin_vm("a");
	end_vm();
	begin_vm("b");
	end_vm();
	end();
	assert_int_equal(parse(2, 4), HYP_OK);
	assert_string_equal(said, "");
	assert_int_equal(m.nr_vms, 2);
	assert_int_equal(m.when_idle, IDLE_WAIT);
	assert_true(c->valid);
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
	assert_true(c->console); /* the first, since none says so */
	assert_false(m.vm[1].console);
	assert_int_equal(c->verify, VERIFY_CRC32);
	assert_int_equal(c->rtc_base, 0);
}

static void test_values(void **state)
{
	const struct vm_config *c = &m.vm[1];
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
	fdt_property_u64(blob, "entry", 0x40002000);
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
	assert_false(m.vm[0].console);
	assert_true(c->valid && c->console && c->background && c->vpl011);
	assert_string_equal(c->ramdisk, name63);
	assert_string_equal(c->fdt_overlay, "o.dtbo");
	assert_string_equal(c->bootargs, args511);
	assert_int_equal(c->format, FORMAT_RAW);
	assert_int_equal(c->load, 0x40001000);
	assert_int_equal(c->entry, 0x40002000);
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

/* A refused VM's keyboard goes to the first good one; its budget counts for nobody. */
static void test_neighbours(void **state)
{
	(void)state;
	begin();
	begin_vm("bad");
	fdt_property(blob, "console", "", 0);
	fdt_property_u32(blob, "weight", 0);
	end_vm();
	begin_vm("good");
	end_vm();
	begin_vm("good");
	end_vm();
	end();
	assert_int_equal(parse(3, 1), HYP_OK);
	assert_false(m.vm[0].valid);
	assert_true(m.vm[1].valid && m.vm[1].console);
	assert_false(m.vm[2].valid);
	assert_string_equal(said, "bad: weight = <0>: out of range; give 1 to 10000\n"
	                          "good: a VM before it has the same name; rename one\n");
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
	assert_false(m.vm[0].valid || m.vm[1].valid || m.vm[2].valid);
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
	assert_int_equal(config_parse(blob, fdt_totalsize(blob) - 1, 3, 1, &m), HYP_EINVAL);
	assert_string_equal(
	    said, "the manifest is cut off; pack the bundle again with scripts/mkbundle\n");
	assert_int_equal(config_parse(blob, 0, 3, 1, &m), HYP_EINVAL);
	assert_int_equal(config_parse(blob + 4, 100, 3, 1, &m), HYP_EINVAL);
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
	assert_int_equal(fit_check_tree(blob, sizeof(blob), &why), HYP_EINVAL);
	assert_string_equal(why, "has too many levels or roots");
	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	fdt_end_node(blob);
	fdt_begin_node(blob, "");
	fdt_end_node(blob);
	assert_int_equal(fdt_finish(blob), 0);
	assert_int_equal(fit_check_tree(blob, sizeof(blob), &why), HYP_EINVAL);
	fdt_create(blob, sizeof(blob));
	fdt_finish_reservemap(blob);
	fdt_begin_node(blob, "");
	fdt_end_node(blob);
	fdt_end_node(blob);
	assert_int_equal(fdt_finish(blob), 0);
	assert_int_equal(fit_check_tree(blob, sizeof(blob), &why), HYP_EINVAL);
	assert_string_equal(why, "ends a node that it did not begin");
}

/* Any bytes: no access outside an exact allocation, and what is accepted keeps its bounds. */
static void test_random(void **state)
{
	uint32_t size;
	uint8_t *copy;

	test_values(state);
	size = fdt_totalsize(blob);
	copy = malloc(size);
	srand(3);
	for (unsigned round = 0; round < 20000; round++) {
		memcpy(copy, blob, size);
		for (int n = 1 + rand() % 4; n > 0; n--)
			copy[(uint32_t)rand() % size] = (uint8_t)(rand() % 4 ? rand() : 0xff);
		setup(NULL);
		if (config_parse(copy, size, 3, 4, &m) != HYP_OK) continue;
		for (unsigned i = 0; i < m.nr_vms; i++) {
			const struct vm_config *c = &m.vm[i];

			if (c->valid) {
				assert_in_range(c->cpus, 1, MAX_VCPUS);
				assert_true(c->memory >= PAGE_SIZE &&
				            IS_ALIGNED(c->memory, PAGE_SIZE));
				assert_true(c->affinity != 0 && c->affinity <= 0xf);
				assert_in_range(c->weight, 1, 10000);
				assert_true(c->priority <= 31 && c->budget_us <= c->period_us);
				assert_true(strlen(c->name) > 0 && strlen(c->image) > 0);
			}
		}
	}
	free(copy);
}

/* A bundle in memory with one raw image, a.elf, and the manifest of one VM, boot. */
static void boot_for_create(void)
{
	static _Alignas(8) uint8_t itb[KiB(4)];
	static struct fit bundle;
	const char *why;

	fdt_create(itb, sizeof(itb));
	fdt_finish_reservemap(itb);
	fdt_begin_node(itb, "");
	fdt_begin_node(itb, "images");
	fdt_begin_node(itb, "one");
	fdt_property_string(itb, "description", "a.elf");
	fdt_property_u32(itb, "data-offset", 0);
	fdt_property_u32(itb, "data-size", 64);
	fdt_end_node(itb);
	fdt_end_node(itb);
	fdt_end_node(itb);
	assert_int_equal(fdt_finish(itb), 0);
	assert_int_equal(fit_open(itb, sizeof(itb), &bundle, &why), HYP_OK);
	begin();
	begin_vm("boot");
	fdt_property_u32(blob, "cpus", 3);
	end_vm();
	begin_vm("bad");
	fdt_property_u32(blob, "cpus", 0);
	end_vm();
	end();
	assert_int_equal(parse(3, 4), HYP_OK);
	config_check_files(&m, &bundle, GiB(1));
	said_len = 0;
	said[0] = '\0';
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
	assert_true(c.background && c.valid && c.autostart && !c.console);
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
	    {"9", "image=a.elf memory=4096", "9: not a name for a VM"},
	    {"old", "image=a.elf memory=4096", "old: a VM of this name exists"},
	    {"boot", "", "boot: a VM of this name exists"},
	    {"bad", "", "bad: cpus = <0>: out of range"},
	};
	static struct vm old = {.name = "old"}, same = {.name = "boot"};
	struct vm_config c;

	(void)state;
	boot_for_create();
	vms[3] = &old;
	vms[5] = &same;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(create(cases[i].name, cases[i].words, &c), HYP_EINVAL);
		if (strstr(said, cases[i].says) != said) fail_msg("%s: %s", cases[i].words, said);
		assert_ptr_equal(strchr(said, '\n'), said + said_len - 1); /* one sentence */
		assert_int_equal(c.cpus, 0xa5a5a5a5);
	}
	vms[3] = NULL;
	vms[5] = NULL;
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
	    cmocka_unit_test_setup(test_defaults, setup),
	    cmocka_unit_test_setup(test_values, setup),
	    cmocka_unit_test_setup(test_neighbours, setup),
	    cmocka_unit_test_setup(test_hostile_names, setup),
	    cmocka_unit_test_setup(test_nobodys, setup),
	    cmocka_unit_test_setup(test_unsound, setup),
	    cmocka_unit_test_setup(test_random, setup),
	    cmocka_unit_test_setup(test_create, setup),
	    cmocka_unit_test_setup(test_create_refused, setup),
	    cmocka_unit_test_setup(test_create_long, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
