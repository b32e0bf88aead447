/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image of any bytes: a plan stays inside RAM and file and nothing in it overlaps; a symbol is a
 * printable name. Input: 16 bytes of configuration, then the file.
 * links: guests/management/loader.c
 * covers: guests/management/loader.c
 * flags: -max_len=4096 -runs=50000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests/management/loader.h"
#include "tests/fuzz/fuzz.h"

#define RAM UINT64_C(0x40000000)
#define ROOM KiB(8)
struct __attribute__((packed)) input {
	uint8_t format, flags;
	uint16_t pages, ramdisk;
	uint16_t load_pages, entry_words;
	uint8_t at[6];
};

static bool inside(uint64_t at, uint64_t n, uint64_t base, uint64_t size)
{
	return at >= base && at - base <= size && n <= size - (at - base);
}

static bool apart(uint64_t a, uint64_t na, uint64_t b, uint64_t nb)
{
	return a + na <= b || b + nb <= a;
}

static void check_plan(const struct vm_config *cfg)
{
	const struct load_plan *p = &cfg->plan;
	const struct fit_image *image = &cfg->files[FILE_IMAGE],
	                       *ramdisk = &cfg->files[FILE_RAMDISK];
	uint64_t fdt = ipa_raw(p->fdt), initrd = ipa_raw(p->initrd_end) - ipa_raw(p->initrd_start);

	EXPECT(p->n <= LOAD_MAX_SEGMENTS - 2 && initrd == ramdisk->size);
	EXPECT(inside(ipa_raw(p->entry), 4, RAM, cfg->memory) && IS_ALIGNED(ipa_raw(p->entry), 4));
	EXPECT(inside(fdt, ROOM, RAM, cfg->memory) && IS_ALIGNED(fdt, 8));
	EXPECT(fdt / MiB(2) == (fdt + ROOM - 1) / MiB(2));
	for (unsigned i = 0; i < p->n; i++) {
		const struct load_segment *s = &p->seg[i];
		uint64_t to = ipa_raw(s->to);
		bool rd = s->from == ramdisk->data;

		EXPECT(s->size > 0 && inside(to, s->size, RAM, cfg->memory));
		if (!rd)
			EXPECT(inside((uintptr_t)s->from, s->size, (uintptr_t)image->data,
			              image->size));
		EXPECT(apart(to, s->size, fdt, ROOM));
		EXPECT(!p->fdt_at_base || to >= RAM + ROOM);
		for (unsigned k = 0; k < i; k++)
			EXPECT(apart(to, s->size, ipa_raw(p->seg[k].to), p->seg[k].size));
	}
}

static void check_symbol(const struct fit_image *image, uint64_t entry, uint64_t at)
{
	char name[24];
	uint64_t offset = UINT64_MAX;

	memset(name, 0x7f, sizeof(name));
	if (loader_symbol(image, ipa(entry), at, name, sizeof(name) - 4, &offset) != HYP_OK) return;
	EXPECT(name[sizeof(name) - 4] == 0x7f && strnlen(name, 20) < 20 && name[0]);
	for (const char *p = name; *p; p++) EXPECT(*p > ' ' && *p <= '~');
	EXPECT(offset != UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct vm_config cfg = {0};
	struct fit_image *image = &cfg.files[FILE_IMAGE];
	const char *why = NULL;
	uint64_t at = 0;
	uint8_t *copy;

	if (size <= sizeof(in)) return 0;
	memcpy(&in, data, sizeof(in));
	copy = malloc(size - sizeof(in)); /* ends where it ends */
	memcpy(copy, data + sizeof(in), size - sizeof(in));
	*image = (struct fit_image){.data = copy, .size = size - sizeof(in)};
	cfg.format = (enum vm_format)(in.format % 4);
	cfg.memory = (in.pages % 8192 + 1) * PAGE_SIZE;
	/* What guests/management/config.c lets through: for raw images only, in RAM, in fours. */
	if (in.flags & 1) cfg.load = RAM + in.load_pages * PAGE_SIZE % cfg.memory;
	if (in.flags & 2)
		cfg.entry = RAM + in.load_pages * PAGE_SIZE % cfg.memory + in.entry_words * 4u;
	if (in.flags & 4)
		cfg.files[FILE_RAMDISK] =
		    (struct fit_image){.data = (const uint8_t *)&in, .size = in.ramdisk};
	memcpy(&at, in.at, sizeof(in.at));
	if (in.flags & 8) at |= GENMASK(63, 48);
	if (loader_plan(&cfg, RAM, &why) == HYP_OK)
		check_plan(&cfg);
	else
		EXPECT(why && strstr(why, "; "));
	check_symbol(image, RAM + MiB(2), at);
	free(copy);
	return 0;
}
