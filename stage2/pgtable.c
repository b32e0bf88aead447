/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 page tables: pt_replace(), the one writer of descriptors, and a walk over a range, first
 * to check and to allocate tables, then to apply. Callers hold s->lock.
 */
#include <arch/barrier.h>
#include <arch/mm.h>
#include <arch/tlb.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include "pgtable.h"

#define PT_ATTR_MASK (S2_PTE_MEMATTR | S2_PTE_S2AP | S2_PTE_SH | S2_PTE_AF | S2_PTE_XN)
#define PT_READ (S2_PTE_AF | FIELD_PREP(S2_PTE_S2AP, S2_AP_R))
#define PT_WRITE FIELD_PREP(S2_PTE_S2AP, S2_AP_W)
#define PT_NORMAL                                                                                  \
	(PT_READ | FIELD_PREP(S2_PTE_MEMATTR, S2_MEMATTR_NORMAL_WB) |                              \
	 FIELD_PREP(S2_PTE_SH, S2_SH_INNER))
#define PT_DEVICE (PT_READ | FIELD_PREP(S2_PTE_MEMATTR, S2_MEMATTR_DEVICE_nGnRE))

static const uint64_t pt_attr_bits[] = {
    [S2_RWX] = PT_NORMAL | PT_WRITE,
    [S2_RO] = PT_NORMAL | S2_PTE_XN,
    [S2_ROX] = PT_NORMAL,
    [S2_DEVICE] = PT_DEVICE | PT_WRITE | S2_PTE_XN,
};

enum s2_attr pt_attr_of(uint64_t desc)
{
	enum s2_attr attr = S2_RWX;

	while (attr < S2_DEVICE && pt_attr_bits[attr] != (desc & PT_ATTR_MASK)) attr++;
	return attr;
}

static uint64_t *pt_table(uint64_t desc) { return pa_to_ptr(pa(desc & PTE_ADDR_MASK)); }

/* Entry i of the table that takes the place of `parent`: a part of that block, or nothing. */
static uint64_t pt_child(uint64_t parent, unsigned level, uint64_t i)
{
	if ((parent & PTE_VALID) == 0) return 0;
	return (parent + i * pt_size(level)) | (level == PT_LEAF ? PTE_TYPE_TABLE : 0);
}

void pt_flush(struct s2 *s, uint64_t start, uint64_t end)
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

void pt_flush_pending(struct s2 *s)
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

static pa_t pt_take_spare(struct pt_op *op)
{
	pa_t t = op->spare;
	uint64_t *p = pa_to_ptr(t);

	CHECK(pa_raw(t) != 0); /* pt_check() counted them */
	op->spare = pa(*p);
	*p = 0;
	op->s->nr_tables++;
	return t;
}

void pt_free_chain(struct s2 *s, pa_t t)
{
	while (pa_raw(t) != 0) {
		uint64_t *p = pa_to_ptr(t);
		pa_t next = pa(*p);

		*p = 0;
		s->ops->table_free(t, 0);
		t = next;
	}
}

/*
 * Walks [a, b) without a change; allocates each table that pt_change() will take. table NULL: one
 * that will be made from `parent`.
 */
static enum hyp_err pt_check(struct pt_op *op, const uint64_t *table, uint64_t parent,
                             unsigned level, uint64_t a, uint64_t b)
{
	uint64_t next, old, i, desc;

	for (; a < b; a = next) {
		enum pt_action act;

		next = MIN(b, ALIGN_DOWN(a, pt_size(level)) + pt_size(level));
		i = pt_index(a, level);
		old = table != NULL ? load_relaxed(&table[i]) : pt_child(parent, level, i & 511);
		act = pt_decide(op, old, level, a, next, &desc);
		if (act == PT_REFUSE) return HYP_EEXIST;
		if (act == PT_DESCEND) {
			TRY(pt_check(op, pt_table(old), 0, level + 1, a, next));
		} else if (act == PT_NEW_TABLE) {
			TRY(pt_new_spare(op));
			TRY(pt_check(op, NULL, old, level + 1, a, next));
		}
	}
	return HYP_OK;
}

static bool pt_empty(const uint64_t *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (load_relaxed(&table[i]) != 0) return false;
	return true;
}

static void pt_change(struct pt_op *op, uint64_t *table, unsigned level, uint64_t a, uint64_t b,
                      bool live);

/* Replaces the block or hole *pte by a table that is complete before it is linked. */
static void pt_split(struct pt_op *op, uint64_t *pte, unsigned level, uint64_t a, uint64_t b,
                     bool live)
{
	uint64_t old = load_relaxed(pte);
	uint64_t base = ALIGN_DOWN(a, pt_size(level));
	pa_t t = pt_take_spare(op);
	uint64_t *child = pa_to_ptr(t);

	for (unsigned i = 0; (old & PTE_VALID) != 0 && i < 512; i++) {
		pt_replace(op->s, &child[i], level + 1, base + i * pt_size(level + 1),
		           pt_child(old, level + 1, i), false);
	}
	pt_change(op, child, level + 1, a, b, false);
	pt_replace(op->s, pte, level, base, pa_raw(t) | PTE_TYPE_TABLE | PTE_VALID, live);
}

/* Recursion: at most three levels. */
static void pt_change(struct pt_op *op, uint64_t *table, unsigned level, uint64_t a, uint64_t b,
                      bool live)
{
	struct s2 *s = op->s;
	uint64_t next, old, desc;

	for (; a < b; a = next) {
		uint64_t *pte = &table[pt_index(a, level)];
		uint64_t base = ALIGN_DOWN(a, pt_size(level));
		uint64_t pages = pt_size(level) / PAGE_SIZE;
		enum pt_action act;

		next = MIN(b, base + pt_size(level));
		old = load_relaxed(pte);
		act = pt_decide(op, old, level, a, next, &desc);
		CHECK(act != PT_REFUSE);
		if (act == PT_SET) {
			pt_replace(s, pte, level, base, desc, live);
			s->mapped_pages += op->map ? pages : -pages;
		} else if (act == PT_NEW_TABLE) {
			pt_split(op, pte, level, a, next, live);
		} else if (act == PT_DESCEND) {
			uint64_t *child = pt_table(old);

			pt_change(op, child, level + 1, a, next, live);
			if (!op->map && pt_empty(child)) {
				pt_replace(s, pte, level, base, 0, live);
				/* Walks may be in it until the flush: the link is no valid entry.
				 */
				child[0] = pa_raw(s->dead_tables);
				s->dead_tables = ptr_to_pa(child);
				s->nr_tables--;
			}
		}
	}
}

enum hyp_err pt_run(struct pt_op *op)
{
	enum hyp_err err = pt_check(op, pa_to_ptr(op->s->root), 0, PT_START, op->start, op->end);

	if (err != HYP_OK) {
		pt_free_chain(op->s, op->spare);
		return err;
	}
	/*
	 * What an earlier step of this transaction took away may be cached still: a new valid entry
	 * or table in its place would be a change without a break.
	 */
	if (op->map) pt_flush_pending(op->s);
	pt_change(op, pa_to_ptr(op->s->root), PT_START, op->start, op->end, true);
	CHECK(pa_raw(op->spare) == 0);
	return HYP_OK;
}

uint64_t pt_find(const struct s2 *s, uint64_t a, unsigned *level)
{
	const uint64_t *table = pa_to_ptr(s->root);

	for (unsigned l = PT_START;; l++) {
		uint64_t desc = load_relaxed(&table[pt_index(a, l)]);

		if (!pt_is_table(desc, l)) {
			*level = l;
			return (desc & PTE_VALID) != 0 ? desc : 0;
		}
		table = pt_table(desc);
	}
}

void pt_free_tree(struct s2 *s, pa_t table, unsigned level)
{
	const uint64_t *t = pa_to_ptr(table);
	uint64_t n = level == PT_START ? UINT64_C(512) << s->root_order : 512;

	for (uint64_t i = 0; level < PT_LEAF && i < n; i++)
		if (pt_is_table(t[i], level)) pt_free_tree(s, pa(t[i] & PTE_ADDR_MASK), level + 1);
	s->ops->table_free(table, level == PT_START ? s->root_order : 0);
}
