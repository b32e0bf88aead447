/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 address spaces: creation, transactions, lookup (contract in include/hyp/s2.h).
 */
#include <arch/mm.h>
#include <arch/tlb.h>
#include <hyp/check.h>
#include "pgtable.h"

/* VTCR_EL2 (Arm ARM D19.2.161). */
#define VTCR_T0SZ GENMASK(5, 0)
#define VTCR_SL0 GENMASK(7, 6)
#define VTCR_SL0_LEVEL1 UINT64_C(1) /* 4 KiB granule */
#define VTCR_IRGN0_WBWA FIELD_PREP(GENMASK(9, 8), UINT64_C(1))
#define VTCR_ORGN0_WBWA FIELD_PREP(GENMASK(11, 10), UINT64_C(1))
#define VTCR_SH0_INNER FIELD_PREP(GENMASK(13, 12), UINT64_C(3))
#define VTCR_PS GENMASK(18, 16)
#define VTCR_RES1 BIT(31)

static struct {
	unsigned pa_bits, ipa_bits;
	uint64_t ps; /* ID_AA64MMFR0_EL1.PARange */
	pa_t empty;
} s2_host;

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
	return FIELD_PREP(VTCR_T0SZ, 64 - s2_host.ipa_bits) |
	       FIELD_PREP(VTCR_SL0, VTCR_SL0_LEVEL1) | VTCR_IRGN0_WBWA | VTCR_ORGN0_WBWA |
	       VTCR_SH0_INNER | FIELD_PREP(VTCR_PS, s2_host.ps) | VTCR_RES1;
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
	CHECK(op->s->in_txn);
	if (!s2_range_ok(op->start, size, op->s->ipa_bits)) return HYP_EINVAL;
	op->end = op->start + size;
	return pt_run(op);
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
	unsigned level = PT_START;

	spin_lock(&s->lock);
	if (a < BIT(s->ipa_bits)) desc = pt_find(s, a, &level);
	spin_unlock(&s->lock);
	if (desc == 0) return HYP_ENOENT;
	off = a & (pt_size(level) - 1);
	*out = (struct s2_walk){
	    .pa = pa((desc & PTE_ADDR_MASK) + off),
	    .len = pt_size(level) - off,
	    .attr = pt_attr_of(desc),
	    .level = (uint8_t)level,
	};
	return HYP_OK;
}
