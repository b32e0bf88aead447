/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 address spaces: descriptors as values, the order of writes and flushes as recorded by the
 * fake arch, failures that change nothing, and a random run against a model behind a hostile TLB.
 * links: stage2/s2.c stage2/vmid.c tests/fake_arch/fake.c tests/fake_arch/tlb.c
 */
#include "s2_env.h"

static struct s2 s;
static uint64_t vttbr;

/* A space that runs on CPU 0, and an empty log. */
static int setup(void **state)
{
	(void)state;
	env_init(44, 8);
	assert_int_equal(s2_create(&s, 7), HYP_OK);
	vttbr = s2_vttbr(&s, 0);
	fake_log_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (s.root.raw != 0) s2_destroy(&s);
	assert_int_equal(env_live, 2); /* the empty root */
	assert_int_equal(fake_locks_held(), 0);
	return 0;
}

static enum hyp_err map(uint64_t ipa_, uint64_t pa_, uint64_t size, enum s2_attr attr)
{
	return s2_map(&s, ipa(ipa_), pa(pa_), size, attr);
}

/* Size of the block that went; 0: nothing was there. */
static uint64_t unmap(uint64_t ipa_)
{
	struct s2_walk w, before;
	bool there = s2_lookup(&s, ipa(ipa_), &before) == HYP_OK;
	uint64_t size;

	assert_int_equal(s2_unmap(&s, ipa(ipa_), &w), there ? HYP_OK : HYP_ENOENT);
	if (!there) return 0;
	assert_int_equal(w.pa.raw, before.pa.raw);
	assert_int_equal(w.level, before.level);
	size = PAGE_SIZE << (9 * (3 - w.level));
	assert_int_equal(w.len, size - ipa_ % size);
	assert_int_equal(s2_lookup(&s, ipa(ipa_), &w), HYP_ENOENT);
	return size;
}

/* The leaf descriptor a guest's access would use, 0 for a fault. */
static uint64_t leaf(uint64_t ipa_, unsigned *level)
{
	struct fake_tlb_hit h;

	if (!fake_tlb_translate(vttbr, ipa(ipa_), &h)) return 0;
	*level = h.level;
	return h.desc;
}

#define assert_leaf(ipa_, want_level, want_desc)                                                   \
	do {                                                                                       \
		unsigned level_ = 0;                                                               \
		assert_int_equal(leaf((ipa_), &level_), (want_desc));                              \
		assert_int_equal(level_, (want_level));                                            \
	} while (0)

static void test_vtcr(void **state)
{
	static const struct {
		unsigned pa_bits;
		uint64_t vtcr;
		unsigned order;
	} row[] = {
	    /* RES1 | PS << 16 | SH inner, ORGN, IRGN | SL0 level 1 | T0SZ */
	    {32, 0x80003560, 0}, {36, 0x8001355c, 0}, {39, 0x8001355c, 0}, {40, 0x80023558, 1},
	    {42, 0x80033558, 1}, {44, 0x80043558, 1}, {48, 0x80053558, 1}, {52, 0x80053558, 1},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		unsigned ipa_bits;

		env_init(row[i].pa_bits, 8);
		assert_int_equal(s2_vtcr(), row[i].vtcr);
		assert_int_equal(env_max_order, row[i].order);
		assert_int_equal(s2_create(&s, 7), HYP_OK);
		ipa_bits = MIN(row[i].pa_bits == 39 ? 36 : row[i].pa_bits, 40);
		assert_int_equal(s.root.raw % (PAGE_SIZE << row[i].order), 0);
		/* The last page is inside, the one after it is not. */
		assert_int_equal(map(BIT(ipa_bits) - PAGE_SIZE, 0x1000, PAGE_SIZE, S2_RWX), HYP_OK);
		assert_int_equal(map(BIT(ipa_bits), 0x1000, PAGE_SIZE, S2_RWX), HYP_EINVAL);
		s2_destroy(&s);
		assert_int_equal(env_live, 1u << row[i].order);
	}
	assert_int_equal(s2_init(31, 8, &env_ops), HYP_EINVAL);
	env_fail_after = 0;
	assert_int_equal(s2_init(40, 8, &env_ops), HYP_ENOMEM);
	assert_int_equal(s2_create(&s, 7), HYP_ENOMEM);
	env_fail_after = -1;
}

static void test_descriptors(void **state)
{
	/* Arm ARM D8.3: AF, SH inner, S2AP, MemAttr; XN is bit 54; bits 1:0 = 3 at level 3. */
	static const struct {
		enum s2_attr attr;
		uint64_t bits;
	} row[] = {
	    {S2_RWX, 0x7ff},
	    {S2_RO, BIT(54) | 0x77f},
	    {S2_DEVICE, BIT(54) | 0x4c7},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		uint64_t at = 0x40000000 + i * PAGE_SIZE;
		struct s2_walk w;

		assert_int_equal(map(at, 0x12345000, PAGE_SIZE, row[i].attr), HYP_OK);
		assert_leaf(at, 3, 0x12345000 | row[i].bits);
		assert_int_equal(s2_lookup(&s, ipa(at + 0x123), &w), HYP_OK);
		assert_int_equal(w.pa.raw, 0x12345123);
		assert_int_equal(w.len, PAGE_SIZE - 0x123);
		assert_int_equal(w.attr, row[i].attr);
		assert_int_equal(w.level, 3);
	}
	assert_int_equal(env_live, 4 + 2); /* two roots of two pages, two tables */
}

static void test_block_sizes(void **state)
{
	struct s2_walk w;

	(void)state;
	/* 1 GiB + 2 MiB + 4 KiB on either side of a GiB boundary. */
	assert_int_equal(map(0x7fdff000, 0x7fdff000, GiB(1) + MiB(4) + 2 * PAGE_SIZE, S2_RWX),
	                 HYP_OK);
	assert_leaf(0x7fdff000, 3, 0x7fdff7ff);
	assert_leaf(0x7fe00000, 2, 0x7fe007fd);
	assert_leaf(0x80000000, 1, 0x800007fd);
	assert_leaf(0xbffff000, 1, 0x800007fd);
	assert_leaf(0xc0000000, 2, 0xc00007fd);
	assert_leaf(0xc0200000, 3, 0xc02007ff);
	assert_int_equal(leaf(0x7fdfe000, &(unsigned){0}), 0);
	assert_int_equal(leaf(0xc0201000, &(unsigned){0}), 0);
	assert_int_equal(s2_lookup(&s, ipa(0x80000010), &w), HYP_OK);
	assert_int_equal(w.len, GiB(1) - 0x10);
	assert_int_equal(w.level, 1);
	/* An address that differs below 2 MiB forces pages. */
	assert_int_equal(map(0x10000000, 0x10001000, MiB(2), S2_RWX), HYP_OK);
	assert_leaf(0x10000000, 3, 0x100017ff);
	/* A root index of the second, concatenated table. */
	assert_int_equal(map(BIT(39) + MiB(2), 0x200000, MiB(2), S2_RO), HYP_OK);
	assert_leaf(BIT(39) + MiB(2), 2, BIT(54) | 0x20077d);
	assert_int_equal(leaf(MiB(2), &(unsigned){0}), 0);
}

/* New mappings: no TLBI; the root first, a barrier before each link, what they lead to is empty. */
static void test_map_order(void **state)
{
	char link1[64];
	int l1, l2, page;

	(void)state;
	assert_int_equal(map(0x40001000, 0x1000, PAGE_SIZE, S2_RWX), HYP_OK);
	assert_int_equal(fake_log_matches("tlbi"), 0);
	assert_int_equal(fake_log_matches("dsb ishst"), 1);
	assert_int_equal(fake_log_matches("pte"), 3);
	l1 = fake_log_find("pte", 0);
	l2 = fake_log_find("pte", (unsigned)l1 + 1);
	page = fake_log_find("pte", (unsigned)l2 + 1);
	assert_string_equal(fake_log_at((unsigned)l1 - 1), "dmb ishst");
	assert_string_equal(fake_log_at((unsigned)l2 - 1), "dmb ishst");
	assert_true(fake_log_find("dsb ishst", 0) > page);
	snprintf(link1, sizeof(link1), "pte table=0x%llx idx=1 ", (unsigned long long)s.root.raw);
	assert_int_equal(fake_log_find(link1, 0), l1);
	assert_non_null(strstr(fake_log_at((unsigned)page), "new=0x17ff"));
}

static void test_flush(void **state)
{
	uint16_t vmid = (uint16_t)(vttbr >> 48);
	char want[96];
	int clear, dsb, tlbi, gone;

	(void)state;
	assert_int_not_equal(vmid, 0);
	assert_int_equal(map(0x40000000, 0x40000000, MiB(8), S2_RWX), HYP_OK);
	assert_int_equal(map(0x80000000, 0x80000000, GiB(1), S2_RWX), HYP_OK);
	assert_int_equal(map(0x50003000, 0x1000, 2 * PAGE_SIZE, S2_RWX), HYP_OK);
	fake_log_clear();
	assert_int_equal(unmap(0x50003123), PAGE_SIZE);
	snprintf(want, sizeof(want), "tlbi range vmid=%u ipa=0x50003000 pages=1", vmid);
	assert_int_equal(fake_log_matches("tlbi"), 1);
	tlbi = fake_log_find(want, 0);
	clear = fake_log_find("pte", 0);
	dsb = fake_log_find("dsb ish", 0);
	assert_true(clear >= 0 && clear < dsb && dsb < tlbi);
	assert_int_equal(fake_log_find("pte", (unsigned)clear + 1), -1);
	assert_int_equal(fake_log_matches("free"), 0);
	/* A hole costs nothing. */
	fake_log_clear();
	assert_int_equal(unmap(0x50003123), 0);
	assert_int_equal(unmap(0x20000000), 0);
	assert_int_equal(unmap(UINT64_MAX), 0);
	assert_int_equal(fake_log_matches("tlbi"), 0);
	/* The last page: its table goes, but after the flush. The one above is used still. */
	assert_int_equal(unmap(0x50004000), PAGE_SIZE);
	snprintf(want, sizeof(want), "tlbi range vmid=%u ipa=0x50004000 pages=1", vmid);
	tlbi = fake_log_find(want, 0);
	gone = fake_log_find("free", 0);
	assert_int_equal(fake_log_matches("pte"), 2);
	assert_true(tlbi > fake_log_find("pte", 0) && gone > tlbi);
	assert_int_equal(fake_log_find("pte", (unsigned)tlbi), -1);
	assert_int_equal(fake_log_matches("free"), 1);
	/* 512 pages by address, more by VMID. */
	fake_log_clear();
	assert_int_equal(unmap(0x401fffff), MiB(2));
	snprintf(want, sizeof(want), "tlbi range vmid=%u ipa=0x40000000 pages=512", vmid);
	assert_int_equal(fake_log_matches(want), 1);
	fake_log_clear();
	assert_int_equal(unmap(0x80000000), GiB(1));
	snprintf(want, sizeof(want), "tlbi vmid=%u", vmid);
	assert_int_equal(fake_log_matches(want), 1);
	assert_int_equal(fake_log_matches("tlbi"), 1);
	/* Only the block that was named went. */
	assert_leaf(0x40200000, 2, 0x402007fd);
}

/* A space that never ran has nothing in any TLB. */
static void test_no_vmid_no_flush(void **state)
{
	struct s2 t;
	struct s2_walk w;

	(void)state;
	assert_int_equal(s2_create(&t, 7), HYP_OK);
	assert_int_equal(s2_map(&t, ipa(0), pa(0), MiB(2), S2_RWX), HYP_OK);
	assert_int_equal(s2_unmap(&t, ipa(PAGE_SIZE), &w), HYP_OK);
	assert_int_equal(fake_log_matches("tlbi"), 0);
	assert_true(fake_log_matches("dsb ish") > 0);
	s2_destroy(&t);
	assert_int_equal(fake_log_matches("tlbi"), 0);
}

/* Another page in the same place: the flush comes between, the tables are new ones. */
static void test_remap(void **state)
{
	int brk, tlbi, make;

	(void)state;
	assert_int_equal(map(0x40000000, 0x1000, PAGE_SIZE, S2_RWX), HYP_OK);
	assert_leaf(0x40000000, 3, 0x17ff);
	fake_log_clear();
	assert_int_equal(unmap(0x40000000), PAGE_SIZE);
	assert_int_equal(map(0x40000000, 0x9000, PAGE_SIZE, S2_RWX), HYP_OK);
	brk = fake_log_find("pte", 0);
	tlbi = fake_log_find("tlbi range", 0);
	make = fake_log_find("pte", (unsigned)tlbi);
	assert_true(brk >= 0 && brk < tlbi && tlbi < make);
	assert_int_equal(fake_log_matches("free"), 2);
	assert_leaf(0x40000000, 3, 0x97ff);
}

/* Contents of all tables that are in use. */
static uint64_t snapshot(void)
{
	const uint64_t *p = pa_to_ptr(pa(ENV_BASE));
	uint64_t h = env_live * UINT64_C(1000003);

	for (unsigned i = 0; i < ENV_PAGES; i++)
		for (unsigned k = 0; env_used[i] != 0 && k < 512; k++)
			h = (h ^ p[i * 512 + k]) * UINT64_C(0x100000001b3) + i;
	return h;
}

#define assert_refused(call, err)                                                                  \
	do {                                                                                       \
		uint64_t before_ = snapshot();                                                     \
		assert_int_equal((call), (err));                                                   \
		assert_int_equal(snapshot(), before_);                                             \
	} while (0)

static void test_refusals(void **state)
{
	struct s2_walk w;

	(void)state;
	assert_int_equal(map(0x40000000, 0x40000000, MiB(4), S2_RWX), HYP_OK);
	fake_log_clear();
	/* Alignment, emptiness, range, wrap. */
	assert_refused(map(0x1001, 0x1000, PAGE_SIZE, S2_RWX), HYP_EINVAL);
	assert_refused(map(0x1000, 0x1001, PAGE_SIZE, S2_RWX), HYP_EINVAL);
	assert_refused(map(0x1000, 0x1000, 0, S2_RWX), HYP_EINVAL);
	assert_refused(map(0x1000, 0x1000, 0x1001, S2_RWX), HYP_EINVAL);
	assert_refused(map(BIT(40), 0x1000, PAGE_SIZE, S2_RWX), HYP_EINVAL);
	assert_refused(map(BIT(40) - PAGE_SIZE, 0x1000, 2 * PAGE_SIZE, S2_RWX), HYP_EINVAL);
	assert_refused(map(0x1000, BIT(44), PAGE_SIZE, S2_RWX), HYP_EINVAL);
	assert_refused(map(0x1000, 0x1000, UINT64_MAX & ~PAGE_MASK, S2_RWX), HYP_EINVAL);
	assert_refused(map(UINT64_MAX & ~PAGE_MASK, 0x1000, 2 * PAGE_SIZE, S2_RWX), HYP_EINVAL);
	/* Remaps: the same, another address, a page in a block, a block over pages, a last page. */
	assert_refused(map(0x40000000, 0x40000000, MiB(4), S2_RWX), HYP_EEXIST);
	assert_refused(map(0x40201000, 0x1000, PAGE_SIZE, S2_RWX), HYP_EEXIST);
	assert_refused(map(0x3fe00000, 0x0, MiB(2) + PAGE_SIZE, S2_RWX), HYP_EEXIST);
	assert_refused(map(0x40000000, GiB(2), GiB(1), S2_RWX), HYP_EEXIST);
	/* Ownership. */
	assert_refused(map(0x1000, ENV_FORBIDDEN - PAGE_SIZE, 2 * PAGE_SIZE, S2_RWX), HYP_EPERM);
	assert_int_equal(map(0x1000, ENV_FORBIDDEN, PAGE_SIZE, S2_RO), HYP_OK);
	assert_int_equal(s2_lookup(&s, ipa(BIT(40)), &w), HYP_ENOENT);
	assert_int_equal(s2_lookup(&s, ipa(UINT64_MAX), &w), HYP_ENOENT);
	assert_int_equal(s2_lookup(&s, ipa(0x2000), &w), HYP_ENOENT);
	assert_int_equal(fake_log_matches("tlbi"), 0);
}

/* Every allocation fails once. What was mapped before it did is not there, nor in any TLB. */
static void test_no_memory(void **state)
{
	unsigned steps = 0;
	enum hyp_err err;

	(void)state;
	assert_int_equal(map(0x90000000, 0x40000000, MiB(2), S2_RWX), HYP_OK);
	do {
		uint64_t before = snapshot();

		fake_log_clear();
		env_fail_after = (int)steps++;
		/* Three levels on both ends. */
		err = map(0x3fdff000, 0xfdff000, GiB(1) + 2 * PAGE_SIZE, S2_RWX);
		if (err == HYP_OK) break;
		assert_int_equal(err, HYP_ENOMEM);
		assert_int_equal(snapshot(), before);
		assert_int_equal(fake_log_matches("dsb ishst"), 0);
		for (uint64_t a = 0x3fdff000; a < 0x7fe00000; a += MiB(1))
			assert_int_equal(leaf(a, &(unsigned){0}), 0);
	} while (true);
	/* The table of the second page is there already, that of the first root entry not. */
	assert_int_equal(steps, 5);
	env_fail_after = -1;
}

static void test_destroy(void **state)
{
	int tlbi;

	(void)state;
	assert_int_equal(map(0x3ffff000, 0x1000, MiB(4), S2_RWX), HYP_OK);
	(void)leaf(0x40000000, &(unsigned){0});
	fake_log_clear();
	s2_destroy(&s);
	tlbi = fake_log_find("tlbi vmid", 0);
	assert_true(tlbi >= 0 && tlbi < fake_log_find("free", 0));
	assert_int_equal(env_live, 2);
}

/* --- random operations against an array; 8 MiB on either side of a GiB boundary --- */
#define WIN_BASE UINT64_C(0x3f800000)
#define WIN_PAGES 4096u
static struct {
	bool valid;
	uint64_t pa;
	enum s2_attr attr;
} model[WIN_PAGES];

static uint64_t rnd_state = 88172645463325252u;

static uint64_t rnd(uint64_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state % n;
}

/* The first page of [at, at + n) that is valid; n: none. */
static unsigned model_find(unsigned at, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (model[at + i].valid) return i;
	return n;
}

static void random_step(void)
{
	static const enum s2_attr attrs[] = {S2_RWX, S2_RO, S2_DEVICE};
	enum s2_attr attr = attrs[rnd(3)];
	unsigned at = (unsigned)rnd(WIN_PAGES), n, kind = (unsigned)rnd(6);
	uint64_t to;
	enum hyp_err err;

	at = rnd(2) != 0 ? at & ~511u : at;
	n = rnd(2) != 0 ? 512u * (1 + (unsigned)rnd(4))
	                : 1 + (unsigned)rnd(rnd(4) == 0 ? 2000 : 40);
	n = MIN(n, WIN_PAGES - at);
	to = 0x100000000 + (rnd(3) != 0 ? WIN_BASE + at * PAGE_SIZE : rnd(1u << 20) * PAGE_SIZE);
	if (kind < 4) {
		err = map(WIN_BASE + at * PAGE_SIZE, to, n * PAGE_SIZE, attr);
		assert_int_equal(err, model_find(at, n) == n ? HYP_OK : HYP_EEXIST);
	} else {
		uint64_t size = unmap(WIN_BASE + at * PAGE_SIZE);

		assert_int_equal(size != 0, model[at].valid);
		if (size == 0) return;
		n = (unsigned)(size / PAGE_SIZE);
		at &= ~(n - 1);
		err = HYP_OK;
		/* A block is never part of what one map made and part of another. */
		for (unsigned i = at; i < at + n; i++) {
			assert_true(model[i].valid);
			assert_int_equal(model[i].pa, model[at].pa + (i - at) * PAGE_SIZE);
		}
	}
	for (unsigned i = at; err == HYP_OK && i < at + n; i++) {
		if (kind < 4) model[i].pa = to + (i - at) * PAGE_SIZE;
		model[i].valid = kind < 4;
		model[i].attr = attr;
	}
}

/* Every page as a guest with a full TLB sees it; that fills the TLB again. */
static void compare(void)
{
	for (unsigned i = 0; i < WIN_PAGES; i++) {
		struct fake_tlb_hit h;
		struct s2_walk w;
		ipa_t a = ipa(WIN_BASE + i * PAGE_SIZE);
		bool valid = fake_tlb_translate(vttbr, a, &h);

		assert_int_equal(valid, model[i].valid);
		if (!valid) continue;
		assert_int_equal(h.pa.raw, model[i].pa);
		if (i % 16 == 0) {
			assert_int_equal(s2_lookup(&s, a, &w), HYP_OK);
			assert_int_equal(w.pa.raw, model[i].pa);
			assert_int_equal(w.attr, model[i].attr);
			assert_int_equal(w.level, h.level);
		}
		assert_int_equal((h.desc >> 54 & 1) == 0, model[i].attr == S2_RWX);
		assert_int_equal((h.desc >> 7 & 1) != 0,
		                 model[i].attr == S2_RWX || model[i].attr == S2_DEVICE);
	}
}

static void test_random(void **state)
{
	(void)state;
	fake_log_on(false);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 2000; i++) {
		if (rnd(40) == 0) {
			for (unsigned k = 0; k < WIN_PAGES; k++)
				(void)unmap(WIN_BASE + k * PAGE_SIZE);
			memset(model, 0, sizeof(model));
			assert_int_equal(env_live, 4); /* no table is left but the roots */
		}
		random_step();
		compare();
	}
	fake_log_on(true);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vtcr),
	    T(test_descriptors),
	    T(test_block_sizes),
	    T(test_map_order),
	    T(test_flush),
	    T(test_no_vmid_no_flush),
	    T(test_remap),
	    T(test_refusals),
	    T(test_no_memory),
	    T(test_destroy),
	    T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
