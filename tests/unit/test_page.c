/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame table and buddy allocator: boot with awkward banks and reservations, every invariant by
 * page_check() and by an independent model, in random runs until memory is gone.
 * links: tests/fake_arch/fake.c
 * cflags: -DCONFIG_DEBUG=1
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <arch/mm.h>
#include <hyp/page.h>
#include "tests/fake_arch/fake.h"
#include "tests/unit/page_env.h"

static struct host h;

#define LOW_PAGES 4000u     /* bank 0 from physical address 0 */
#define HIGH_FRAME 0x40123u /* bank 1 */
#define HIGH_PAGES 9000u

static void add_bank(uint64_t base, uint64_t size)
{
	h.ram[h.nr_ram].base = pa(base);
	h.ram[h.nr_ram++].size = size;
	fake_ram_add(pa(ALIGN_DOWN(base, PAGE_SIZE)),
	             ALIGN_UP(base + size, PAGE_SIZE) - ALIGN_DOWN(base, PAGE_SIZE));
}

static void add_reserved(uint64_t base, uint64_t size)
{
	h.reserved[h.nr_reserved].base = pa(base);
	h.reserved[h.nr_reserved++].size = size;
}

/* Two small banks full of garbage, image, initrd and FDT in odd places. */
static int setup(void **state)
{
	(void)state;
	fake_reset();
	memset(&h, 0, sizeof(h));
	add_bank(0, LOW_PAGES * PAGE_SIZE);
	add_bank(HIGH_FRAME * PAGE_SIZE, HIGH_PAGES * PAGE_SIZE);
	memset(pa_to_ptr(pa(0)), 0xa5, LOW_PAGES * PAGE_SIZE);
	memset(pa_to_ptr(pa(HIGH_FRAME * PAGE_SIZE)), 0xa5, HIGH_PAGES * PAGE_SIZE);
	h.fdt = (struct host_range){pa(0x100ff0), 0x20};
	h.initrd = (struct host_range){pa((HIGH_FRAME + 2000) * PAGE_SIZE + 1), 300 * PAGE_SIZE};
	add_reserved(0x80000000, MiB(1));                                 /* no RAM */
	add_reserved((HIGH_FRAME + HIGH_PAGES - 5) * PAGE_SIZE, MiB(16)); /* sticks out */
	add_reserved((HIGH_FRAME + 2100) * PAGE_SIZE, PAGE_SIZE);         /* overlaps initrd */
	add_reserved(0x345000, 0);                                        /* empty */
	assert_int_equal(page_init(&h, pa(0x200000), pa(0x280000)), HYP_OK);
	assert_true(page_check());
	fake_log_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(page_check());
	assert_int_equal(fake_locks_held(), 0);
	return 0;
}

static bool in(uint64_t f, uint64_t first, uint64_t end) { return f >= first && f < end; }

/* Written down anew from the tree above, not from page.c. */
static bool reserved(uint64_t f)
{
	return f == 0 || in(f, 0x100, 0x102) || in(f, 0x200, 0x280) ||
	       in(f, HIGH_FRAME + 2000, HIGH_FRAME + 2301) || f >= HIGH_FRAME + HIGH_PAGES - 5;
}

static bool is_ram(uint64_t f)
{
	return f < LOW_PAGES || in(f, HIGH_FRAME, HIGH_FRAME + HIGH_PAGES);
}

static void test_boot(void **state)
{
	uint64_t nr_reserved = 0, nr_hyp = 0;

	(void)state;
	for (uint64_t f = 0; f < 0x50000; f++) {
		uint16_t owner = page_owner_of(pa(f * PAGE_SIZE + 5));

		if (!is_ram(f) || f == 0) {
			assert_int_equal(owner, OWNER_RESERVED);
		} else if (reserved(f)) {
			assert_int_equal(owner, OWNER_RESERVED);
			nr_reserved++;
		} else if (owner == OWNER_HYP) {
			/* The frame table: in the larger bank. */
			assert_true(f >= HIGH_FRAME);
			nr_hyp++;
		} else {
			assert_int_equal(owner, OWNER_DIRTY);
		}
	}
	assert_true(nr_hyp * PAGE_SIZE / 16 >= LOW_PAGES + HIGH_PAGES - 1);
	assert_true(nr_hyp * PAGE_SIZE / 16 < LOW_PAGES + HIGH_PAGES + 256);
	assert_int_equal(page_count(OWNER_RESERVED), nr_reserved);
	assert_int_equal(page_count(OWNER_HYP), nr_hyp);
	assert_int_equal(page_count(OWNER_NONE), 0);
	assert_int_equal(page_count(OWNER_DIRTY),
	                 LOW_PAGES + HIGH_PAGES - 1 - nr_reserved - nr_hyp);
	/* Memory was not looked at, let alone scrubbed. */
	assert_int_equal(fake_log_matches("zero"), 0);
	assert_int_equal(*(uint8_t *)pa_to_ptr(pa(0x1000)), 0xa5);
}

/* 48 GiB: the table is written where blocks begin, and nowhere else. */
static void test_boot_is_cheap(void **state)
{
	static unsigned char vec[GiB(48) / PAGE_SIZE / 256 + 16];
	uint64_t table = 0, resident = 0;
	pa_t p;

	(void)state;
	fake_reset();
	memset(&h, 0, sizeof(h));
	add_bank(GiB(1), GiB(48));
	assert_int_equal(page_init(&h, pa(GiB(1) + 0x200000), pa(GiB(1) + 0x300000)), HYP_OK);
	for (uint64_t a = GiB(49) - PAGE_SIZE; page_owner_of(pa(a)) == OWNER_HYP; a -= PAGE_SIZE)
		table = a;
	assert_int_equal(table, GiB(49) - GiB(48) / 256);
	assert_int_equal(mincore(pa_to_ptr(pa(table)), GiB(48) / 256, vec), 0);
	for (uint64_t i = 0; i < GiB(48) / 256 / PAGE_SIZE; i++) resident += vec[i] & 1;
	assert_true(resident < 100);
	/* And the big blocks are there. */
	assert_int_equal(page_alloc_best(UINT64_MAX, 1, &p, &(unsigned){0}), HYP_OK);
	assert_int_equal(p.raw % GiB(1), 0);
	assert_int_equal(page_refcount(pa(p.raw + GiB(1) - 1)), 1);
	page_free(p, 18);
	assert_true(page_check());
}

static void test_no_room(void **state)
{
	(void)state;
	/* Reservations everywhere: no gap for the table. */
	fake_reset();
	memset(&h, 0, sizeof(h));
	add_bank(GiB(1), MiB(4));
	for (unsigned i = 0; i < 32; i++) add_reserved(GiB(1) + i * KiB(128) + KiB(64), PAGE_SIZE);
	h.ram[0].size = MiB(4);
	assert_int_equal(page_init(&h, pa(GiB(1)), pa(GiB(1) + MiB(4))), HYP_ENOMEM);
	/* The largest bank is full, another is not; of what lies beyond 16 TiB nothing is used. */
	add_bank(GiB(2), MiB(2));
	h.ram[h.nr_ram++] = (struct host_range){pa(BIT(44)), MiB(2)};
	assert_int_equal(page_init(&h, pa(GiB(1)), pa(GiB(1) + MiB(4))), HYP_OK);
	assert_int_equal(page_count(OWNER_DIRTY) + page_count(OWNER_HYP), 512);
	assert_true(page_check());
	h.nr_ram = 0;
	assert_int_equal(page_init(&h, pa(0), pa(0)), HYP_ENOMEM);
	(void)setup(NULL);
}

/* The table of one bank ends where the next one's begins: blocks at the edge find no buddy there.
 */
static void test_bank_edge(void **state)
{
	unsigned order[64], n = 0;
	pa_t p[64];

	(void)state;
	fake_reset();
	memset(&h, 0, sizeof(h));
	add_bank(GiB(1), 48 * PAGE_SIZE); /* 32 + 16 */
	add_bank(GiB(2), 24 * PAGE_SIZE); /* 16 + 8 */
	add_bank(GiB(4), MiB(4));
	assert_int_equal(page_init(&h, pa(GiB(4)), pa(GiB(4) + PAGE_SIZE)), HYP_OK);
	while (page_alloc_best(32, 1, &p[n], &order[n]) == HYP_OK) n++;
	for (uint64_t gib = 4; gib >= 1; gib /= 2) {
		for (unsigned i = 0; i < n; i++) {
			if (p[i].raw / GiB(1) == gib) {
				page_free(p[i], order[i]);
				assert_true(page_check());
			}
		}
	}
	assert_int_equal(page_count(OWNER_DIRTY), 48 + 24 + 1024 - 1 - 5);
	assert_int_equal(page_owner_of(pa(GiB(1) + 48 * PAGE_SIZE)), OWNER_RESERVED);
}

static bool all_bytes(uint64_t f, uint64_t n, uint8_t byte)
{
	const uint8_t *p = pa_to_ptr(pa(f * PAGE_SIZE));

	for (uint64_t i = 0; i < n * PAGE_SIZE; i++)
		if (p[i] != byte) return false;
	return true;
}

static void test_alloc_is_clean(void **state)
{
	char want[64];
	pa_t p;

	(void)state;
	assert_int_equal(page_alloc(6, 3, &p), HYP_OK);
	assert_int_equal(p.raw % (PAGE_SIZE << 6), 0);
	assert_true(all_bytes(p.raw / PAGE_SIZE, 64, 0));
	assert_int_equal(page_owner_of(pa(p.raw + 0x3ffff)), 3);
	assert_int_equal(page_refcount(p), 1);
	/* Four steps of 64 KiB, each zeroed and then cleaned. */
	assert_int_equal(fake_log_matches("zero"), 4);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(want, sizeof(want), "zero 0x%llx 65536",
		         (unsigned long long)p.raw + i * KiB(64));
		assert_string_equal(fake_log_at(2 * i), want);
		snprintf(want, sizeof(want), "cleaninval 0x%llx 65536",
		         (unsigned long long)p.raw + i * KiB(64));
		assert_string_equal(fake_log_at(2 * i + 1), want);
	}
	memset(pa_to_ptr(p), 0x77, 64 * PAGE_SIZE);
	page_free(p, 6);
	assert_int_equal(page_owner_of(p), OWNER_DIRTY);
	assert_int_equal(page_alloc(19, 3, &p), HYP_EINVAL);
	assert_int_equal(page_alloc(0, OWNER_DIRTY, &p), HYP_EINVAL);
	assert_int_equal(page_alloc(0, OWNER_NONE, &p), HYP_EINVAL);
	assert_int_equal(page_alloc(18, 3, &p), HYP_ENOMEM);
}

/* Once all is scrubbed, nothing is zeroed any more on the way out, and blocks are whole again. */
static void test_scrub(void **state)
{
	uint64_t dirty = page_count(OWNER_DIRTY);
	unsigned steps = 0;
	pa_t p;

	(void)state;
	do {
		fake_log_clear();
		steps++;
		assert_true(steps < 2000);
		if (!page_scrub_step()) break;
		/* At most 64 KiB a step. */
		assert_int_equal(fake_log_count(), 2);
		assert_true(atoi(strrchr(fake_log_at(0), ' ')) <= 65536);
	} while (true);
	assert_int_equal(page_count(OWNER_DIRTY), 0);
	assert_int_equal(page_count(OWNER_NONE), dirty);
	assert_false(page_scrub_step());
	fake_log_clear();
	assert_int_equal(page_alloc(10, OWNER_HYP, &p), HYP_OK);
	assert_int_equal(page_alloc(12, OWNER_HYP, &p), HYP_OK);
	assert_true(all_bytes(p.raw / PAGE_SIZE, 4096, 0));
	assert_int_equal(fake_log_count(), 0);
	page_free(p, 12);
	/* Now clean memory goes first, also to small requests. */
	assert_int_equal(page_alloc(0, OWNER_HYP, &p), HYP_OK);
	assert_int_equal(fake_log_count(), 0);
}

/* Of a block a part is clean, the rest dirty: it can be had when all is scrubbed. */
static void test_mixed(void **state)
{
	pa_t p, all[64];
	unsigned n = 0;

	(void)state;
	while (page_scrub_step()) {
	}
	while (n < 64 && page_alloc(10, 1, &all[n]) == HYP_OK) n++;
	assert_true(n > 2 && page_alloc(10, 1, &p) == HYP_ENOMEM);
	/* In the first block, every third page stays clean, the others get dirty. */
	page_free(all[0], 10);
	while (page_scrub_step()) {
	}
	while (page_alloc(0, 1, &p) == HYP_OK) {
	}
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < 1024; i++) {
			p = pa(all[0].raw + i * PAGE_SIZE);
			if (page_owner_of(p) == 1 && (i % 3 == 0) == (pass == 0)) page_free(p, 0);
		}
		while (pass == 0 && page_scrub_step()) {
		}
	}
	assert_true(page_check());
	assert_int_equal(page_owner_of(all[0]), OWNER_NONE);
	assert_int_equal(page_owner_of(pa(all[0].raw + PAGE_SIZE)), OWNER_DIRTY);
	/* Not whole yet; once scrubbed it is. */
	assert_int_equal(page_alloc(10, 2, &p), HYP_ENOMEM);
	while (page_scrub_step()) {
	}
	assert_int_equal(page_alloc(10, 2, &p), HYP_OK);
	assert_int_equal(p.raw, all[0].raw);
	assert_true(all_bytes(p.raw / PAGE_SIZE, 1024, 0));
}

static void test_best(void **state)
{
	unsigned order;
	pa_t p, q;

	(void)state;
	assert_int_equal(page_alloc_best(0, 1, &p, &order), HYP_EINVAL);
	assert_int_equal(page_alloc_best(1000, 1, &p, &order), HYP_OK);
	assert_int_equal(order, 9);
	/* Dirty until scrubbed: the owner cannot have it mapped. */
	assert_int_equal(page_owner_of(p), OWNER_DIRTY);
	assert_false(page_owned_by(p, MiB(2), 1));
	assert_int_equal(fake_log_count(), 0);
	for (unsigned i = 0; i < 31; i++) {
		assert_true(page_scrub_block(p));
		assert_int_equal(fake_log_count(), 2 * (i + 1));
	}
	assert_int_equal(page_owner_of(p), OWNER_DIRTY);
	assert_false(page_scrub_block(p));
	assert_false(page_scrub_block(p));
	assert_int_equal(fake_log_count(), 64);
	assert_true(all_bytes(p.raw / PAGE_SIZE, 512, 0));
	assert_int_equal(page_owner_of(p), 1);
	assert_true(page_owned_by(p, MiB(2), 1));
	assert_true(page_owned_by(pa(p.raw + PAGE_SIZE), PAGE_SIZE, 1));
	assert_false(page_owned_by(p, MiB(2) + PAGE_SIZE, 1));
	assert_false(page_owned_by(p, MiB(2), 2));
	assert_false(page_owned_by(p, 0, 1));
	assert_false(page_owned_by(p, UINT64_MAX, 1));
	/* Freed half-way: dirty again. */
	assert_int_equal(page_alloc_best(64, 1, &q, &order), HYP_OK);
	assert_true(page_scrub_block(q));
	page_free(q, order);
	assert_int_equal(page_owner_of(q), OWNER_DIRTY);
	page_free(p, 9);
	/* All of it, in ever smaller blocks. */
	order = PAGE_MAX_ORDER;
	for (unsigned last = order; page_alloc_best(UINT64_MAX, 5, &p, &order) == HYP_OK;
	     last = order)
		assert_true(order <= last);
	assert_int_equal(page_count(OWNER_DIRTY), 0);
	assert_int_equal(page_alloc(0, 1, &p), HYP_ENOMEM);
}

static void test_references(void **state)
{
	pa_t p;

	(void)state;
	assert_int_equal(page_alloc(0, OWNER_SHARED, &p), HYP_OK);
	for (unsigned i = 1; i < 65535; i++) page_ref(p);
	assert_int_equal(page_refcount(p), 65535);
	for (unsigned i = 1; i < 65535; i++) page_free(p, 0);
	assert_int_equal(page_owner_of(p), OWNER_SHARED);
	assert_int_equal(page_refcount(p), 1);
	page_free(p, 0);
	assert_int_equal(page_owner_of(p), OWNER_DIRTY);
	/* Part of a block can be freed. */
	assert_int_equal(page_alloc(4, 2, &p), HYP_OK);
	page_free(pa(p.raw + 8 * PAGE_SIZE), 2);
	assert_int_equal(page_count(2), 12);
	assert_int_equal(page_owner_of(pa(p.raw + 8 * PAGE_SIZE)), OWNER_DIRTY);
	assert_int_equal(page_owner_of(pa(p.raw + 12 * PAGE_SIZE)), 2);
}

static void test_misuse(void **state)
{
	void *v;
	pa_t p;

	(void)state;
	assert_int_equal(page_alloc(3, 2, &p), HYP_OK);
	page_free(p, 3);
	assert_true(fake_panics(page_free(p, 3)));
	(void)setup(NULL);
	assert_true(fake_panics(page_free(pa(0x200000), 0))); /* the image */
	(void)setup(NULL);
	assert_true(fake_panics(page_free(pa(0x1800), 0)));
	(void)setup(NULL);
	assert_true(fake_panics(page_free(pa(GiB(60)), 0)));
	(void)setup(NULL);
	assert_true(fake_panics(page_free(pa(0), 0)));
	(void)setup(NULL);
	/* Several blocks at once; parts of one that is gone in part. */
	assert_int_equal(page_alloc(3, 2, &p), HYP_OK);
	page_free(p, 2);
	assert_true(fake_panics(page_free(p, 3)));
	(void)setup(NULL);
	/* References: only of what somebody has, a single page, and no more than can be counted. */
	assert_int_equal(page_alloc(3, 2, &p), HYP_OK);
	assert_true(fake_panics(page_ref(p)));
	(void)setup(NULL);
	assert_int_equal(page_alloc(0, 2, &p), HYP_OK);
	for (unsigned i = 1; i < 65535; i++) page_ref(p);
	assert_true(fake_panics(page_ref(p)));
	(void)setup(NULL);
	assert_int_equal(page_alloc(0, 2, &p), HYP_OK);
	page_free(p, 0);
	assert_true(fake_panics(page_ref(p)));
	(void)setup(NULL);
	assert_true(fake_panics(page_ref(pa(GiB(3)))));
	(void)setup(NULL);
	/* Somebody writes to memory that was scrubbed and is free: debug builds see it. */
	while (page_scrub_step()) {
	}
	assert_int_equal(page_alloc(0, 2, &p), HYP_OK);
	((uint8_t *)pa_to_ptr(p))[PAGE_SIZE + 4095] = 1; /* its buddy is free */
	assert_true(fake_panics(while (page_alloc(0, 2, &p) == HYP_OK){}));
	(void)setup(NULL);
	/* EL2's own, by size. */
	v = page_alloc_hyp(3 * PAGE_SIZE);
	assert_non_null(v);
	assert_int_equal(page_owner_of(ptr_to_pa(v)), OWNER_HYP);
	assert_int_equal(page_refcount(pa(ptr_to_pa(v).raw + 3 * PAGE_SIZE)), 1);
	page_free_hyp(v, 3 * PAGE_SIZE);
	assert_int_equal(page_owner_of(ptr_to_pa(v)), OWNER_DIRTY);
	assert_null(page_alloc_hyp(0));
	assert_null(page_alloc_hyp(UINT64_MAX));
}

/* --- random, against a model of owners and counts by page --- */
#define MODEL_FRAMES 0x50000u
static uint16_t m_owner[MODEL_FRAMES], m_ref[MODEL_FRAMES];

static bool m_has_block(unsigned order)
{
	for (uint64_t f = 0; f < HIGH_FRAME + HIGH_PAGES; f += BIT(order)) {
		uint64_t i = 0;

		if (f >= LOW_PAGES && f + BIT(order) <= HIGH_FRAME)
			f = ALIGN_DOWN(HIGH_FRAME, BIT(order));
		while (i < BIT(order) && m_owner[f + i] == OWNER_NONE) i++;
		if (i == BIT(order)) return true;
	}
	return false;
}

static void m_give(pa_t p, unsigned order, uint16_t owner)
{
	uint64_t f = p.raw / PAGE_SIZE;

	assert_int_equal(p.raw % (PAGE_SIZE << order), 0);
	assert_true(all_bytes(f, BIT(order), 0));
	for (uint64_t i = f; i < f + BIT(order); i++) {
		assert_int_equal(m_owner[i], OWNER_NONE);
		m_owner[i] = owner;
		m_ref[i] = 1;
	}
	memset(pa_to_ptr(p), 0x5a, PAGE_SIZE << order);
}

static void m_compare(void)
{
	uint64_t count[4] = {0};

	for (uint64_t f = 1; f < MODEL_FRAMES; f += 1) {
		uint16_t owner;

		if (!is_ram(f)) continue;
		owner = page_owner_of(pa(f * PAGE_SIZE));
		assert_int_equal(owner == OWNER_DIRTY ? (uint16_t)OWNER_NONE : owner, m_owner[f]);
		assert_int_equal(page_refcount(pa(f * PAGE_SIZE)), m_ref[f]);
		/* Free memory really is zero. */
		assert_true(owner != OWNER_NONE || f % 8 != 0 || all_bytes(f, 1, 0));
		if (m_owner[f] < 4) count[m_owner[f]]++;
	}
	for (uint16_t o = 1; o < 4; o++) assert_int_equal(page_count(o), count[o]);
}

static void random_alloc(void)
{
	unsigned order = (unsigned)(rand() % 4 == 0 ? rand() % 12 : rand() % 5);
	uint16_t owner = (uint16_t)(1 + rand() % 3);
	enum hyp_err err;
	pa_t p;

	if (rand() % 4 == 0) {
		uint64_t want = 1 + (uint64_t)rand() % 3000;

		err = page_alloc_best(want, owner, &p, &order);
		assert_int_equal(err, m_has_block(0) ? HYP_OK : HYP_ENOMEM);
		if (err == HYP_OK) {
			assert_true(BIT(order) <= want);
			while (page_scrub_block(p)) {
			}
		}
	} else {
		err = page_alloc(order, owner, &p);
		/* Exactly when there is one, clean or dirty; a mixed one once it is scrubbed. */
		if (err != HYP_OK && m_has_block(order)) {
			while (page_scrub_step()) {
			}
			err = page_alloc(order, owner, &p);
		}
		assert_int_equal(err, m_has_block(order) ? HYP_OK : HYP_ENOMEM);
	}
	if (err == HYP_OK) m_give(p, order, owner);
}

/* Frees a random aligned part of somebody's block. */
static void random_free(void)
{
	unsigned order = (unsigned)(rand() % 2 == 0 ? rand() % 12 : rand() % 4);
	uint64_t f = (uint64_t)rand() % (LOW_PAGES + HIGH_PAGES);

	f = f < LOW_PAGES ? f : f - LOW_PAGES + HIGH_FRAME;
	if (m_ref[f] == 0 || m_owner[f] == OWNER_HYP) return; /* the frame table stays */
	order = MIN(order, look_up(pa(f * PAGE_SIZE)).order);
	f = ALIGN_DOWN(f, BIT(order));
	page_free(pa(f * PAGE_SIZE), order);
	for (uint64_t i = f; i < f + BIT(order); i++)
		if (--m_ref[i] == 0) m_owner[i] = OWNER_NONE;
}

static void random_ref(void)
{
	uint64_t f = (uint64_t)rand() % (LOW_PAGES + HIGH_PAGES);

	f = f < LOW_PAGES ? f : f - LOW_PAGES + HIGH_FRAME;
	if (m_ref[f] == 0 || look_up(pa(f * PAGE_SIZE)).order != 0) return;
	page_ref(pa(f * PAGE_SIZE));
	m_ref[f]++;
}

static void test_random(void **state)
{
	(void)state;
	srand(1);
	fake_log_on(false);
	for (uint64_t f = 0; f < MODEL_FRAMES; f++) {
		m_owner[f] = f != 0 && is_ram(f) ? page_owner_of(pa(f * PAGE_SIZE))
		                                 : (uint16_t)OWNER_RESERVED;
		m_owner[f] = m_owner[f] == OWNER_DIRTY ? (uint16_t)OWNER_NONE : m_owner[f];
		m_ref[f] = m_owner[f] == OWNER_HYP;
	}
	for (unsigned step = 0; step < 6000; step++) {
		unsigned phase = step / 500 % 2; /* fill, then drain */
		unsigned what = (unsigned)rand() % 10;

		if (what < (phase == 0 ? 5u : 2u))
			random_alloc();
		else if (what < 8)
			for (unsigned i = 0; i < 4; i++) random_free();
		else if (what == 8)
			(void)page_scrub_step();
		else
			random_ref();
		assert_true(step % 4 != 0 || page_check());
		if (step % 200 == 0) m_compare();
	}
	m_compare();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_boot),           T(test_boot_is_cheap), T(test_no_room), T(test_bank_edge),
	    T(test_alloc_is_clean), T(test_scrub),         T(test_mixed),   T(test_best),
	    T(test_references),     T(test_misuse),        T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
