/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 address spaces (contract in include/hyp/s2.h): pt_replace(), the one writer of
 * descriptors; a walk over a range, first to check and to allocate tables, then to apply.
 */
#include <arch/barrier.h>
#include <arch/mm.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/s2.h>

/* 4 KiB granule: 9 bits a level (Arm ARM D8.2.7). Level 1 is every root, concatenated or not. */
#define PT_START 1u
#define PT_LEAF 3u
/* A change that concerns more pages than this is flushed by VMID. */
#define PT_FLUSH_MAX 512u

static uint64_t pt_size(unsigned level) { return PAGE_SIZE << (9 * (PT_LEAF - level)); }

static bool pt_is_table(uint64_t desc, unsigned level)
{
	return level < PT_LEAF &&
	       (desc & (PTE_VALID | PTE_TYPE_TABLE)) == (PTE_VALID | PTE_TYPE_TABLE);
}

/* Index of a in its table of that level; the root's tables are one after the other. */
static uint64_t pt_index(uint64_t a, unsigned level)
{
	uint64_t i = a / pt_size(level);

	return level == PT_START ? i : i & 511;
}

#define PT_ATTR_MASK (S2_PTE_MEMATTR | S2_PTE_S2AP | S2_PTE_SH | S2_PTE_AF | S2_PTE_XN)
#define PT_READ (S2_PTE_AF | FIELD_PREP(S2_PTE_S2AP, S2_AP_R))
#define PT_WRITE FIELD_PREP(S2_PTE_S2AP, S2_AP_W)
#define PT_WB                                                                                      \
	(FIELD_PREP(S2_PTE_MEMATTR, S2_MEMATTR_NORMAL_WB) | FIELD_PREP(S2_PTE_SH, S2_SH_INNER))
#define PT_DEVICE FIELD_PREP(S2_PTE_MEMATTR, S2_MEMATTR_DEVICE_nGnRE)

static const uint64_t pt_attr_bits[] = {
    [S2_RWX] = PT_WB | PT_READ | PT_WRITE,
    [S2_RO] = PT_WB | PT_READ | S2_PTE_XN,
    [S2_ROX] = PT_WB | PT_READ,
    [S2_DEVICE] = PT_DEVICE | PT_READ | PT_WRITE | S2_PTE_XN,
};

/* VTCR_EL2 (Arm ARM D19.2.161): SL0 level 1 of the 4 KiB granule, walks inner shareable write-back
 * write-allocate, RES1. */
#define VTCR_T0SZ GENMASK(5, 0)
#define VTCR_SL0_LEVEL1 BIT(6)
#define VTCR_WALKS (BIT(8) | BIT(10) | GENMASK(13, 12)) /* IRGN0, ORGN0, SH0 */
#define VTCR_PS GENMASK(18, 16)
#define VTCR_RES1 BIT(31)

static struct {
	unsigned pa_bits, ipa_bits;
	uint64_t ps; /* ID_AA64MMFR0_EL1.PARange */
	pa_t empty;
} s2_host;

/* One change of [start, end). */
struct pt_op {
	struct s2 *s;
	bool map;          /* else unmap */
	uint64_t start;    /* IPA */
	uint64_t pa;       /* map: where start goes */
	enum s2_attr attr; /* map */
	bool apply;        /* second pass: nothing can fail any more */
	pa_t spare;        /* tables for it, chained through their first word */
};

static uint64_t *pt_table(uint64_t desc) { return pa_to_ptr(pa(desc & PTE_ADDR_MASK)); }

/* Entry i of the table that takes the place of `parent`: a part of that block, or nothing. */
static uint64_t pt_child(uint64_t parent, unsigned level, uint64_t i)
{
	if ((parent & PTE_VALID) == 0) return 0;
	return (parent + i * pt_size(level)) | (level == PT_LEAF ? PTE_TYPE_TABLE : 0);
}

static void pt_flush(struct s2 *s, uint64_t start, uint64_t end)
{
	uint64_t pages = (end - start) / PAGE_SIZE;
	uint64_t id, vttbr;

	/*
	 * Descriptor writes are complete before vmid_gen is read; s2_vttbr() writes vmid_gen before
	 * the guest's walks. So either we see the VMID of a space that starts to run on another CPU
	 * just now, or its walks see our descriptors.
	 */
	dsb_ish();
	id = load_relaxed(&s->vmid_gen) & 0xffff;
	if (id == 0) return; /* has never run: no TLB holds anything of it */
	vttbr = id << VTTBR_VMID_SHIFT | s2_vttbr_empty();
	if (pages > PT_FLUSH_MAX)
		arch_tlb_s2_vmid(vttbr);
	else
		arch_tlb_s2_range(vttbr, ipa(start), pages);
}

static void pt_flush_pending(struct s2 *s)
{
	if (s->flush_start < s->flush_end) pt_flush(s, s->flush_start, s->flush_end);
	s->flush_start = UINT64_MAX;
	s->flush_end = 0;
}

/*
 * The one writer of stage-2 descriptors. base: the IPA that the entry begins to translate. live:
 * the table can be reached by walks. A valid entry is never changed into another valid one while
 * a TLB may hold it (break-before-make, Arm ARM D8.14.1): write 0, flush, write the new one. What
 * only goes away is flushed with the transaction; a table that goes needs no flush of its own, for
 * the pages that were the last in it are in the same flush, which takes the cached descriptors of
 * all levels of their walks.
 */
static void pt_replace(struct s2 *s, uint64_t *pte, unsigned level, uint64_t base, uint64_t desc,
                       bool live)
{
	/* pt_walk() without a table only looks. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	uint64_t old = load_relaxed(pte);
	uint64_t end = base + pt_size(level);

	if ((old & PTE_VALID) != 0) {
		pte_store(pte, 0);
		if (!live) {
			/* no walk has come here */
		} else if (desc != 0) {
			pt_flush(s, base, end);
		} else if (!pt_is_table(old, level)) {
			s->flush_start = MIN(s->flush_start, base);
			s->flush_end = MAX(s->flush_end, end);
		}
	}
	if (pt_is_table(desc, level)) {
		smp_wmb(); /* a new table's content before the link to it: other CPUs walk at once
		            */
	}
	if (desc != 0) pte_store(pte, desc);
}

enum pt_action { PT_SKIP, PT_SET, PT_DESCEND, PT_NEW_TABLE, PT_REFUSE };

/* What op does with an entry, `old`, of which [a, b) concerns it; PT_SET: writes *desc. */
static enum pt_action pt_decide(const struct pt_op *op, uint64_t old, unsigned level, uint64_t a,
                                uint64_t b, uint64_t *desc)
{
	bool valid = (old & PTE_VALID) != 0, whole = b - a == pt_size(level);
	uint64_t to = op->pa + (a - op->start);

	if (pt_is_table(old, level)) return PT_DESCEND;
	*desc = 0;
	if (!op->map) return !valid ? PT_SKIP : whole ? PT_SET : PT_NEW_TABLE;
	if (valid) return PT_REFUSE;
	*desc = to | pt_attr_bits[op->attr] | PTE_VALID | (level == PT_LEAF ? PTE_TYPE_TABLE : 0);
	return whole && IS_ALIGNED(to, pt_size(level)) ? PT_SET : PT_NEW_TABLE;
}

static enum hyp_err pt_new_spare(struct pt_op *op)
{
	pa_t t;

	TRY(op->s->ops->table_alloc(0, &t));
	*(uint64_t *)pa_to_ptr(t) = pa_raw(op->spare);
	op->spare = t;
	return HYP_OK;
}

static uint64_t *pt_take_spare(struct pt_op *op)
{
	uint64_t *p = pa_to_ptr(op->spare);

	CHECK(pa_raw(op->spare) != 0); /* the first pass counted them */
	op->spare = pa(*p);
	*p = 0;
	op->s->nr_tables++;
	return p;
}

/* Frees tables that are chained through their first word. */
static void pt_free_chain(struct s2 *s, pa_t t)
{
	while (pa_raw(t) != 0) {
		uint64_t *p = pa_to_ptr(t);
		pa_t next = pa(*p);

		*p = 0;
		s->ops->table_free(t, 0);
		t = next;
	}
}

static bool pt_empty(const uint64_t *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (load_relaxed(&table[i]) != 0) return false;
	return true;
}

/*
 * One pass over [a, b). The first allocates each table that the second will take. table NULL: one
 * that will be made from `parent`. live: walks of CPUs come here. Recursion: at most three levels.
 */
static enum hyp_err pt_walk(struct pt_op *op, uint64_t *table, uint64_t parent, unsigned level,
                            uint64_t a, uint64_t b, bool live)
{
	struct s2 *s = op->s;
	uint64_t next, old, desc, *child;

	for (; a < b; a = next) {
		uint64_t base = ALIGN_DOWN(a, pt_size(level)), i = pt_index(a, level);
		uint64_t pages = pt_size(level) / PAGE_SIZE;
		enum pt_action act;

		next = MIN(b, base + pt_size(level));
		old = table ? load_relaxed(&table[i]) : pt_child(parent, level, i & 511);
		act = pt_decide(op, old, level, a, next, &desc);
		if (act == PT_REFUSE) return HYP_EEXIST;
		if (act == PT_SET && op->apply) {
			pt_replace(s, &table[i], level, base, desc, live);
			s->mapped_pages += op->map ? pages : -pages;
		} else if (act == PT_NEW_TABLE && !op->apply) {
			TRY(pt_new_spare(op));
			TRY(pt_walk(op, NULL, old, level + 1, a, next, false));
		} else if (act == PT_NEW_TABLE) {
			/* In place of a block or hole: complete before it is linked. */
			child = pt_take_spare(op);
			for (unsigned k = 0; (old & PTE_VALID) != 0 && k < 512; k++)
				pt_replace(s, &child[k], level + 1, 0, pt_child(old, level + 1, k),
				           false);
			TRY(pt_walk(op, child, 0, level + 1, a, next, false));
			pt_replace(s, &table[i], level, base,
			           pa_raw(ptr_to_pa(child)) | PTE_TYPE_TABLE | PTE_VALID, live);
		} else if (act == PT_DESCEND) {
			child = pt_table(old);
			TRY(pt_walk(op, child, 0, level + 1, a, next, live));
			if (!op->apply || op->map || !pt_empty(child)) continue;
			pt_replace(s, &table[i], level, base, 0, live);
			/* Walks may be in it until the flush: the link is no valid entry. */
			child[0] = pa_raw(s->dead_tables);
			s->dead_tables = ptr_to_pa(child);
			s->nr_tables--;
		}
	}
	return HYP_OK;
}

/* Concatenated level-1 tables: 39 bits are one table (Arm ARM D8.2.7). */
static uint8_t s2_root_order(void)
{
	return (uint8_t)(s2_host.ipa_bits > 39 ? s2_host.ipa_bits - 39 : 0);
}

enum hyp_err s2_init(unsigned pa_bits, unsigned vmid_bits, const struct s2_mem_ops *ops)
{
	static const uint8_t pa_range[] = {32, 36, 40, 42, 44, 48};
	uint64_t ps = 0;

	if (pa_bits < pa_range[0] || vmid_bits < 2) return HYP_EINVAL;
	while (ps + 1 < ARRAY_SIZE(pa_range) && pa_range[ps + 1] <= pa_bits) ps++;
	s2_host.ps = ps;
	s2_host.pa_bits = pa_range[ps];
	s2_host.ipa_bits = MIN(S2_IPA_BITS, s2_host.pa_bits);
	TRY(ops->table_alloc(s2_root_order(), &s2_host.empty));
	vmid_init(vmid_bits);
	return HYP_OK;
}

/* VS stays 0, 8-bit VMIDs: stage2/vmid.c never uses more. */
uint64_t s2_vtcr(void)
{
	return FIELD_PREP(VTCR_T0SZ, 64 - s2_host.ipa_bits) | VTCR_SL0_LEVEL1 | VTCR_WALKS |
	       FIELD_PREP(VTCR_PS, s2_host.ps) | VTCR_RES1;
}

uint64_t s2_vttbr_empty(void) { return pa_raw(s2_host.empty); }

enum hyp_err s2_create(struct s2 *s, uint16_t owner, const struct s2_mem_ops *ops)
{
	pa_t root;

	TRY(ops->table_alloc(s2_root_order(), &root));
	*s = (struct s2){
	    .lock = SPINLOCK_INIT(LOCK_S2),
	    .ops = ops,
	    .root = root,
	    .ipa_bits = (uint8_t)s2_host.ipa_bits,
	    .root_order = s2_root_order(),
	    .owner = owner,
	    .flush_start = UINT64_MAX,
	    .nr_tables = 1,
	};
	return HYP_OK;
}

/* Frees a table and all below it. */
static void pt_free_tree(struct s2 *s, pa_t table, unsigned level)
{
	const uint64_t *t = pa_to_ptr(table);
	uint64_t n = level == PT_START ? UINT64_C(512) << s->root_order : 512;

	for (uint64_t i = 0; level < PT_LEAF && i < n; i++)
		if (pt_is_table(t[i], level)) pt_free_tree(s, pa(t[i] & PTE_ADDR_MASK), level + 1);
	s->ops->table_free(table, level == PT_START ? s->root_order : 0);
}

void s2_destroy(struct s2 *s)
{
	CHECK(!s->in_txn);
	/* All of it: walks that a TLB cached lead into the tables. */
	pt_flush(s, 0, BIT(s->ipa_bits));
	pt_free_tree(s, s->root, PT_START);
	*s = (struct s2){.lock = SPINLOCK_INIT(LOCK_S2)};
}

void s2_begin(struct s2 *s)
{
	spin_lock(&s->lock);
	s->in_txn = true;
}

void s2_commit(struct s2 *s)
{
	CHECK(s->in_txn);
	if (s->flush_start < s->flush_end)
		pt_flush_pending(s);
	else
		arch_tlb_s2_publish();
	pt_free_chain(s, s->dead_tables);
	s->dead_tables = pa(0);
	s->in_txn = false;
	spin_unlock(&s->lock);
}

static bool s2_range_ok(uint64_t start, uint64_t size, unsigned bits)
{
	return size != 0 && IS_ALIGNED(start | size, PAGE_SIZE) && start < BIT(bits) &&
	       size <= BIT(bits) - start;
}

static enum hyp_err s2_run(struct pt_op *op, uint64_t size)
{
	struct s2 *s = op->s;
	uint64_t end = op->start + size;
	enum hyp_err err;

	CHECK(s->in_txn);
	if (!s2_range_ok(op->start, size, s->ipa_bits)) return HYP_EINVAL;
	err = pt_walk(op, pa_to_ptr(s->root), 0, PT_START, op->start, end, true);
	if (err != HYP_OK) {
		pt_free_chain(s, op->spare);
		return err;
	}
	/*
	 * What an earlier step of this transaction took away may be cached still: a new valid entry
	 * or table in its place would be a change without a break.
	 */
	if (op->map) pt_flush_pending(s);
	op->apply = true;
	err = pt_walk(op, pa_to_ptr(s->root), 0, PT_START, op->start, end, true);
	CHECK(err == HYP_OK && pa_raw(op->spare) == 0);
	return HYP_OK;
}

enum hyp_err s2_map(struct s2 *s, ipa_t ipa, pa_t p, uint64_t size, enum s2_attr attr)
{
	struct pt_op op = {
	    .s = s, .map = true, .start = ipa_raw(ipa), .pa = pa_raw(p), .attr = attr};

	if (!s2_range_ok(pa_raw(p), size, s2_host.pa_bits)) return HYP_EINVAL;
	if (!s->ops->may_map(s->owner, p, size, attr)) return HYP_EPERM;
	return s2_run(&op, size);
}

enum hyp_err s2_unmap(struct s2 *s, ipa_t ipa, uint64_t size)
{
	return s2_run(&(struct pt_op){.s = s, .start = ipa_raw(ipa)}, size);
}

enum hyp_err s2_lookup(struct s2 *s, ipa_t ipa, struct s2_walk *out)
{
	uint64_t a = ipa_raw(ipa), desc = 0, off;
	const uint64_t *table = pa_to_ptr(s->root);
	enum s2_attr attr = S2_RWX;
	unsigned level = PT_START;

	spin_lock(&s->lock);
	if (a < BIT(s->ipa_bits)) desc = load_relaxed(&table[pt_index(a, level)]);
	while (pt_is_table(desc, level)) {
		table = pt_table(desc);
		level++;
		desc = load_relaxed(&table[pt_index(a, level)]);
	}
	spin_unlock(&s->lock);
	if ((desc & PTE_VALID) == 0) return HYP_ENOENT;
	while (attr < S2_DEVICE && pt_attr_bits[attr] != (desc & PT_ATTR_MASK)) attr++;
	off = a & (pt_size(level) - 1);
	*out = (struct s2_walk){
	    .pa = pa((desc & PTE_ADDR_MASK) + off),
	    .len = pt_size(level) - off,
	    .attr = attr,
	    .level = (uint8_t)level,
	};
	return HYP_OK;
}
