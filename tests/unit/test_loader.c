/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where images, ramdisk and FDT go; every refusal; plans of random files stay inside RAM and file.
 * links: guests/management/loader.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "guests/management/gfdt.h"
#include "guests/management/loader.h"

#define RAM 0x40000000ull
#define ROOM KiB(8)

static uint8_t file[KiB(64)];
static struct vm_config cfg;
#define image (cfg.files[FILE_IMAGE])
#define plan (cfg.plan)
static const char *why;

static void put(size_t at, uint64_t v, size_t n) { memcpy(file + at, &v, n); }

static int setup(void **state)
{
	(void)state;
	memset(file, 0, sizeof(file));
	cfg = (struct vm_config){.memory = MiB(64)};
	memset(&plan, 0xa5, sizeof(plan));
	assert_int_equal(gfdt_room(&cfg), ROOM);
	image = (struct fit_image){.data = file, .size = 4096};
	why = NULL;
	return 0;
}

static void make_image(uint64_t text_offset, uint64_t size)
{
	put(8, text_offset, 8);
	put(16, size, 8);
	memcpy(file + 56, "ARM\x64", 4);
}

struct seg {
	uint64_t offset, vaddr, paddr, filesz, memsz;
};

static void make_elf(unsigned type, uint64_t entry, const struct seg *s, unsigned n)
{
	memcpy(file, "\177ELF\2\1\1", 7);
	put(16, type, 2);
	put(18, 183, 2);
	put(24, entry, 8);
	put(32, 64, 8);
	put(54, 56, 2);
	put(56, n, 2);
	for (unsigned i = 0; i < n; i++) {
		size_t at = 64 + i * 56;

		put(at, 1, 4);
		put(at + 8, s[i].offset, 8);
		put(at + 16, s[i].vaddr, 8);
		put(at + 24, s[i].paddr, 8);
		put(at + 32, s[i].filesz, 8);
		put(at + 40, s[i].memsz, 8);
	}
}

static enum hyp_err plan_it(const struct fit_image *ramdisk)
{
	cfg.files[FILE_RAMDISK] = ramdisk ? *ramdisk : (struct fit_image){0};
	return loader_plan(&cfg, RAM, &why);
}

static void refused(const char *words)
{
	assert_int_equal(plan_it(NULL), HYP_EINVAL);
	assert_non_null(strstr(why, words));
	assert_non_null(strstr(why, "; ")); /* with a remedy */
	/* Out-parameters are written only on HYP_OK. */
	assert_int_equal(plan.n, 0xa5a5a5a5);
}

static void test_image_base(void **state)
{
	static const struct {
		uint64_t offset, memory, at;
	} cases[] = {
	    {0, MiB(64), RAM + MiB(2)},        {0xffc, MiB(64), RAM + MiB(2) + 0xffc},
	    {0x1000, MiB(64), RAM + 0x1000},   {0x80000, MiB(64), RAM + 0x80000},
	    {0xfffc0, MiB(64), RAM + 0xfffc0}, {0, MiB(4), RAM + MiB(2)},
	    {0, MiB(4) - 4096, RAM},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		make_image(cases[i].offset, 0x10000);
		cfg.memory = cases[i].memory;
		assert_int_equal(plan_it(NULL), HYP_OK);
		assert_int_equal(ipa_raw(plan.entry), cases[i].at);
		assert_int_equal(plan.n, 1);
		assert_int_equal(ipa_raw(plan.seg[0].to), cases[i].at);
		assert_int_equal(plan.seg[0].size, 4096);
		assert_int_equal(plan.fdt_at_base, cases[i].at - RAM >= ROOM);
		assert_true(ipa_raw(plan.fdt) >= cases[i].at + 0x10000);
	}
}

static void test_image_old(void **state)
{
	(void)state;
	make_image(0x1234, 0); /* image_size 0: text_offset means nothing */
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.entry), RAM + 0x80000);
}

/* BSS counts: an Image that just fits, then one byte more. */
static void test_image_bss(void **state)
{
	(void)state;
	make_image(0, MiB(62) - ROOM);
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.fdt), RAM + MiB(64) - ROOM);
	make_image(0, MiB(62) - ROOM + 1);
	memset(&plan, 0xa5, sizeof(plan));
	refused("no room");
	make_image(0, MiB(62) + 1);
	refused("with its BSS");
	make_image(UINT64_MAX & ~3ull, 0x1000);
	refused("with its BSS");
	make_image(2, 0x1000);
	refused("text_offset");
}

static void test_format(void **state)
{
	(void)state;
	cfg.format = FORMAT_LINUX;
	refused("not an arm64 Image");
	cfg.format = FORMAT_ELF;
	refused("not an ELF");
	/* What is given as raw is raw, whatever it looks like. */
	make_image(0, 0x1000);
	cfg.format = FORMAT_RAW;
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.entry), RAM + 0x80000);
	/* A file too short for any header. */
	cfg.format = FORMAT_AUTO;
	image.size = 1;
	assert_int_equal(loader_detect(&image), FORMAT_RAW);
	assert_int_equal(plan_it(NULL), HYP_OK);
}

static void test_raw(void **state)
{
	(void)state;
	cfg.load = RAM + MiB(1);
	cfg.entry = RAM + MiB(1) + 4092;
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.seg[0].to), RAM + MiB(1));
	assert_int_equal(ipa_raw(plan.entry), RAM + MiB(1) + 4092);
	assert_true(plan.fdt_at_base);
	cfg.load = RAM;
	cfg.entry = 0;
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_false(plan.fdt_at_base);
	cfg.load = RAM + ROOM;
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_true(plan.fdt_at_base);
	memset(&plan, 0xa5, sizeof(plan));
	cfg.entry = RAM + ROOM + 4096;
	refused("entry lies outside");
	cfg.entry = RAM + ROOM - 4;
	refused("entry lies outside");
	cfg.entry = 0;
	cfg.load = RAM - 4;
	refused("does not fit");
	cfg.load = RAM + MiB(64) - 4092;
	refused("does not fit");
	cfg.load = UINT64_MAX;
	refused("does not fit");
}

static void test_elf(void **state)
{
	static const struct seg s[] = {
	    {0x400, 0xffff800000080000, RAM + 0x80000, 0x100, 0x100},
	    {0x500, 0xffff800000200000, RAM + 0x100000, 0x10, 0x5000},
	    {0, 0, RAM + 0x300000, 0, 0x1000},
	    {0, 1, 2, 3, 0}, /* takes no memory: nothing to it */
	};

	(void)state;
	make_elf(2, 0xffff800000080040, s, 4);
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.entry), RAM + 0x80040);
	assert_int_equal(plan.n, 2);
	assert_ptr_equal(plan.seg[1].from, file + 0x500);
	assert_int_equal(plan.seg[1].size, 0x10);
	assert_int_equal(ipa_raw(plan.seg[1].to), RAM + 0x100000);
	assert_true(ipa_raw(plan.fdt) >= RAM + 0x301000);
	assert_true(plan.fdt_at_base);
}

static void test_elf_pie(void **state)
{
	struct seg s[] = {{0x1000, 0x1000, 0x1000, 0x100, 0x100}, {0x400, 0, 0, 0x100, 0x100}};

	(void)state;
	image.size = 0x2000;
	make_elf(3, 0x1010, s, 2);
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.entry), RAM + MiB(2) + 0x1010);
	assert_int_equal(ipa_raw(plan.seg[1].to), RAM + MiB(2));
	cfg.memory = MiB(2);
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.entry), RAM + 0x1010);
	/* One that is linked into RAM stays there. */
	s[0].paddr = s[0].vaddr = RAM + 0x81000;
	s[1].paddr = s[1].vaddr = RAM + 0x80000;
	make_elf(3, RAM + 0x81000, s, 2);
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.entry), RAM + 0x81000);
}

static void elf_refused(struct seg s, uint64_t entry, const char *words)
{
	make_elf(2, entry, &s, 1);
	refused(words);
}

static void test_elf_bad(void **state)
{
	static const struct seg ok = {0x400, RAM, RAM, 0x100, 0x200};
	struct seg two[] = {ok, ok}, s;

	(void)state;
	make_elf(2, RAM, &ok, 1);
	assert_int_equal(plan_it(NULL), HYP_OK);
	memset(&plan, 0xa5, sizeof(plan));
	elf_refused(ok, RAM + 0x100, "ELF entry"); /* in BSS */
	elf_refused(ok, RAM + 2, "ELF entry");
	elf_refused(ok, RAM - 4, "ELF entry");
	s = (struct seg){4096, RAM, RAM, 1, 1};
	elf_refused(s, RAM, "outside the file");
	s = (struct seg){UINT64_MAX, RAM, RAM, 2, 2};
	elf_refused(s, RAM, "outside the file");
	s = (struct seg){0, RAM, RAM, 16, 15};
	elf_refused(s, RAM, "larger in the file");
	s = (struct seg){0, RAM, RAM - 1, 16, 16};
	elf_refused(s, RAM, "outside the VM's RAM");
	s = (struct seg){0, RAM, RAM + MiB(64) - 15, 16, 16};
	elf_refused(s, RAM, "outside the VM's RAM");
	s = (struct seg){0, RAM, RAM + 4096, 16, UINT64_MAX - 4096};
	elf_refused(s, RAM, "outside the VM's RAM");
	two[1].paddr = RAM + 0x1ff;
	make_elf(2, RAM, two, 2);
	refused("overlap");
	two[1].paddr = RAM + 0x200; /* touching is not overlapping */
	make_elf(2, RAM, two, 2);
	assert_int_equal(plan_it(NULL), HYP_OK);
	memset(&plan, 0xa5, sizeof(plan));
	make_elf(1, RAM, &ok, 1);
	refused("no executable");
	make_elf(2, RAM, &ok, 0);
	refused("without a segment");
	make_elf(2, RAM, &ok, 1);
	put(54, 55, 2);
	refused("headers lie outside");
	make_elf(2, RAM, &ok, 1);
	put(56, 0xffff, 2);
	refused("headers lie outside");
	make_elf(2, RAM, &ok, 1);
	put(32, UINT64_MAX - 8, 8);
	refused("headers lie outside");
	make_elf(2, RAM, &ok, 1);
	file[4] = 1;
	refused("not a 64-bit");
	image.size = 63;
	file[4] = 2;
	refused("not a 64-bit");
}

static void test_elf_many(void **state)
{
	struct seg s[LOAD_MAX_SEGMENTS];
	struct fit_image ramdisk = {.data = file, .size = 4096};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = (struct seg){0x400, RAM + i * 4096, RAM + i * 4096, 16, 16};
	make_elf(2, RAM, s, LOAD_MAX_SEGMENTS - 2);
	refused("more than 14");
	make_elf(2, RAM, s, LOAD_MAX_SEGMENTS - 3);
	assert_int_equal(plan_it(&ramdisk), HYP_OK);
	assert_int_equal(plan.n, LOAD_MAX_SEGMENTS - 2);
}

static void test_ramdisk(void **state)
{
	struct fit_image ramdisk = {.data = file, .size = 5000};

	(void)state;
	/* From half of RAM up, the FDT at the next 2 MiB. */
	assert_int_equal(plan_it(&ramdisk), HYP_OK);
	assert_int_equal(ipa_raw(plan.initrd_start), RAM + MiB(32));
	assert_int_equal(ipa_raw(plan.initrd_end), RAM + MiB(32) + 5000);
	assert_int_equal(ipa_raw(plan.fdt), RAM + MiB(34));
	assert_int_equal(plan.n, 2);
	/* At most 128 MiB up. */
	cfg.memory = GiB(1);
	assert_int_equal(plan_it(&ramdisk), HYP_OK);
	assert_int_equal(ipa_raw(plan.initrd_start), RAM + MiB(128));
	/* Little RAM: right above the image, the FDT 8-byte aligned behind. */
	cfg.memory = MiB(1);
	cfg.load = RAM + 0x1000;
	ramdisk.size = KiB(600);
	assert_int_equal(plan_it(&ramdisk), HYP_OK);
	assert_int_equal(ipa_raw(plan.initrd_start), RAM + 0x2000);
	assert_int_equal(ipa_raw(plan.fdt), RAM + 0x2000 + KiB(600));
	ramdisk.size = UINT32_MAX;
	assert_int_equal(plan_it(&ramdisk), HYP_EINVAL);
	assert_non_null(strstr(why, "no room"));
}

/* The FDT never crosses 2 MiB: 4 KiB below one there is no room for it, and none above. */
static void test_fdt_boundary(void **state)
{
	(void)state;
	cfg.memory = MiB(2) + 4096;
	cfg.load = RAM + KiB(4);
	image.size = 4096;
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_true(ipa_raw(plan.fdt) + ROOM <= RAM + MiB(2));
	image.size = KiB(64);
	cfg.load = RAM + MiB(2) - KiB(64) - 4096;
	assert_int_equal(plan_it(NULL), HYP_EINVAL);
	cfg.memory = MiB(2) + ROOM;
	assert_int_equal(plan_it(NULL), HYP_OK);
	assert_int_equal(ipa_raw(plan.fdt), RAM + MiB(2));
}

static bool inside(uint64_t at, uint64_t size, uint64_t from, uint64_t length)
{
	return at >= from && at - from <= length && size <= length - (at - from);
}

/* Whatever the headers say: an accepted plan copies from the file into RAM, each byte once. */
static void test_random(void **state)
{
	static const struct seg s[] = {{0x400, RAM + 0x1000, RAM + 0x1000, 0x100, 0x200},
	                               {0x500, RAM + 0x3000, RAM + 0x3000, 0x100, 0x200},
	                               {0x600, RAM + 0x5000, RAM + 0x5000, 0x100, 0x200}};
	struct fit_image ramdisk = {.data = file, .size = 777};
	unsigned accepted = 0;

	(void)state;
	srand(1);
	for (unsigned round = 0; round < 200000; round++) {
		if (round % 2 == 0) {
			memset(file, 0, 512);
			make_elf(2 + (unsigned)rand() % 2, RAM + 0x1000, s, 3);
		} else {
			memset(file, 0, 512);
			make_image((uint64_t)rand() << (rand() % 40), (uint64_t)rand()
			                                                  << (rand() % 40));
		}
		for (int n = rand() % 4; n > 0; n--)
			file[rand() % 240] = (uint8_t)(rand() % 3 ? rand() : 0);
		image.size = rand() % 8 ? 4096 : (uint64_t)(rand() % 300);
		cfg.memory = (uint64_t)(1 + rand() % 2048) * 4096;
		if (plan_it(rand() % 2 ? &ramdisk : NULL) != HYP_OK) continue;
		accepted++;
		assert_true(inside(ipa_raw(plan.entry), 4, RAM, cfg.memory));
		assert_true(inside(ipa_raw(plan.fdt), ROOM, RAM, cfg.memory));
		for (unsigned i = 0; i < plan.n; i++) {
			const struct load_segment *g = &plan.seg[i];

			assert_true(inside((uintptr_t)g->from, g->size, (uintptr_t)file, 4096));
			assert_true(inside(ipa_raw(g->to), g->size, RAM, cfg.memory));
			assert_false(ipa_raw(g->to) < ipa_raw(plan.fdt) + ROOM &&
			             ipa_raw(plan.fdt) < ipa_raw(g->to) + g->size);
			assert_false(plan.fdt_at_base && ipa_raw(g->to) < RAM + ROOM);
			for (unsigned k = 0; k < i; k++) {
				assert_false(ipa_raw(g->to) <
				                 ipa_raw(plan.seg[k].to) + plan.seg[k].size &&
				             ipa_raw(plan.seg[k].to) < ipa_raw(g->to) + g->size);
			}
		}
	}
	assert_true(accepted > 10000);
}

static enum hyp_err symbol(uint64_t at, char *name, uint64_t *off)
{
	return loader_symbol(&image, ipa(RAM + 0x2000), at, name, 8, off);
}

/* Sections: none, symbols, strings. */
static void make_symbols(void)
{
	static const struct {
		uint32_t name;
		uint8_t info;
		uint64_t value, size;
	} syms[] = {{1, 2, 0x1000, 0x100},
	            {6, 0, 0x1400, 0},
	            {16, 0, 0x1008, 0},
	            {1, 1, 0x1020, 8},
	            {19, 2, 0x1600, 4}};
	static const char strings[] = "\0main\0long_name\0$x\0\033[";

	make_elf(3, 0x1010, NULL, 0);
	put(40, 0x100, 8);
	put(58, 64, 2);
	put(60, 3, 2);
	put(0x144, 2, 4);
	put(0x158, 0x200, 8);
	put(0x160, sizeof(syms), 8); /* more than there are */
	put(0x168, 2, 4);
	put(0x198, 0x400, 8);
	put(0x1a0, sizeof(strings), 8);
	for (unsigned i = 0; i < ARRAY_SIZE(syms); i++) {
		put(0x200 + i * 24, syms[i].name, 4);
		put(0x204 + i * 24, syms[i].info, 1);
		put(0x206 + i * 24, 1, 2);
		put(0x208 + i * 24, syms[i].value, 8);
		put(0x210 + i * 24, syms[i].size, 8);
	}
	memcpy(file + 0x400, strings, sizeof(strings));
}

static void test_symbol(void **state)
{
	static const struct {
		uint64_t at, offset;
		const char *name;
	} cases[] = {
	    {0x1000, 0, "main"},       {0x10ff, 0xff, "main"}, /* not $x, no data */
	    {0x1100, 0, NULL},                                 /* behind its end */
	    {0x1404, 4, "long_na"},                            /* a label; cut */
	    {RAM + 0x1ff4, 4, "main"},                         /* where it was loaded: 0x1004 */
	    {0x1603, 3, "?["},                            /* nothing that a terminal would obey */
	    {0xfff, 0, NULL},          {0x2400, 0, NULL}, /* a label is good for a page */
	    {UINT64_MAX, 0, NULL},
	};
	uint64_t offset;
	char name[8];

	(void)state;
	make_symbols();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		enum hyp_err err = symbol(cases[i].at, name, &offset);

		assert_int_equal(err, cases[i].name ? HYP_OK : HYP_ENOENT);
		if (err != HYP_OK) continue;
		assert_string_equal(name, cases[i].name);
		assert_int_equal(offset, cases[i].offset);
	}
	image.size = 0x200;
	assert_int_equal(symbol(0x1000, name, &offset), HYP_ENOENT);
	image.size = 40;
	assert_int_equal(symbol(0x1000, name, &offset), HYP_ENOENT);
}

/* Broken tables: nothing outside an exact allocation is read, and a name is ended. */
static void test_symbol_random(void **state)
{
	unsigned found = 0;

	(void)state;
	srand(11);
	for (unsigned round = 0; round < 30000; round++) {
		uint64_t offset = 0;
		uint8_t *copy;
		char name[8];

		make_symbols();
		image.size = 0x100 + (uint64_t)rand() % 0x400;
		for (int n = rand() % 4; n > 0; n--)
			file[(unsigned)rand() % 0x480] = (uint8_t)(rand() % 3 ? rand() : 0xff);
		copy = malloc(image.size);
		memcpy(copy, file, image.size);
		image.data = copy;
		if (symbol(0x1004, name, &offset) == HYP_OK) {
			found++;
			assert_in_range(strlen(name), 1, 7);
		}
		image.data = file;
		free(copy);
	}
	assert_in_range(found, 2000, 29000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_image_base, setup),
	    cmocka_unit_test_setup(test_image_old, setup),
	    cmocka_unit_test_setup(test_image_bss, setup),
	    cmocka_unit_test_setup(test_format, setup),
	    cmocka_unit_test_setup(test_raw, setup),
	    cmocka_unit_test_setup(test_elf, setup),
	    cmocka_unit_test_setup(test_elf_pie, setup),
	    cmocka_unit_test_setup(test_elf_bad, setup),
	    cmocka_unit_test_setup(test_elf_many, setup),
	    cmocka_unit_test_setup(test_ramdisk, setup),
	    cmocka_unit_test_setup(test_fdt_boundary, setup),
	    cmocka_unit_test_setup(test_random, setup),
	    cmocka_unit_test_setup(test_symbol, setup),
	    cmocka_unit_test_setup(test_symbol_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
