/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 address spaces (contract in include/hyp/s2.h): pt_write(), the one writer of descriptors,
 * on top of it mapping by the largest blocks and unmapping block by block.
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
	const struct s2_mem_ops *ops;
	unsigned pa_bits, ipa_bits;
	uint64_t ps; /* ID_AA64MMFR0_EL1.PARange */
	pa_t empty;
} s2_host;

/* Where the entry that translates a in its table of that level ends. */
static uint64_t pt_end(uint64_t a, unsigned level)
{
	return ALIGN_DOWN(a, pt_size(level)) + pt_size(level);
}

/* The entry for a, at level `last` or at the one above where there is no table below. */
static uint64_t *pt_find(struct s2 *s, uint64_t a, unsigned last, unsigned *level)
{
	uint64_t *pte = (uint64_t *)pa_to_ptr(s->root) + pt_index(a, PT_START);
	uint64_t desc;

	for (*level = PT_START; *level < last; pte += pt_index(a, *level)) {
		desc = load_relaxed(pte);
		if (!pt_is_table(desc, *level)) break;
		pte = pa_to_ptr(pa(desc & PTE_ADDR_MASK));
		*level += 1;
	}
	return pte;
}

/*
 * The one writer of stage-2 descriptors. A valid entry is never changed into another valid one
 * (break-before-make, Arm ARM D8.14.1): what was mapped is unmapped, which flushes, first.
 */
/* NOLINTNEXTLINE(readability-non-const-parameter): the compiler's atomic store is not seen */
static void pt_write(uint64_t *pte, uint64_t desc)
{
	CHECK((load_relaxed(pte) & desc & PTE_VALID) == 0);
	smp_wmb(); /* a new table's content before the link to it: other CPUs walk at once */
	pte_store(pte, desc);
}

static void pt_flush(struct s2 *s, uint64_t start, uint64_t pages)
{
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
	arch_tlb_s2(vttbr, ipa(start), pages > PT_FLUSH_MAX ? 0 : pages);
}

static bool pt_empty(const uint64_t *table)
{
	for (unsigned i = 0; i < 512; i++)
		if (load_relaxed(&table[i]) != 0) return false;
	return true;
}

/*
 * Unmaps the block that a is in, if any, and takes the tables that are empty then. They need no
 * flush of their own: what was the last in them is flushed, which takes the cached descriptors of
 * all levels of its walks. Returns where the block, or the hole, ends.
 */
static uint64_t pt_clear(struct s2 *s, uint64_t a)
{
	pa_t dead[PT_LEAF - PT_START];
	unsigned level, top, n = 0;
	uint64_t *pte = pt_find(s, a, PT_LEAF, &level), *table;

	top = level;
	if (load_relaxed(pte) != 0) pt_write(pte, 0);
	for (; top > PT_START; pt_write(pte, 0)) {
		table = (uint64_t *)ALIGN_DOWN((uintptr_t)pte, PAGE_SIZE);
		if (!pt_empty(table)) break;
		dead[n++] = ptr_to_pa(table);
		pte = pt_find(s, a, top - 1, &top);
	}
	pt_flush(s, ALIGN_DOWN(a, pt_size(level)), pt_size(level) / PAGE_SIZE);
	while (n > 0) s2_host.ops->table_free(dead[--n], 0);
	return pt_end(a, level);
}

/* Maps [a, a + size of level): makes the tables above it, and the entry. */
static enum hyp_err pt_set(struct s2 *s, uint64_t a, unsigned level, uint64_t desc)
{
	unsigned at;
	uint64_t *pte = pt_find(s, a, level, &at);
	pa_t table;

	while (at < level) {
		TRY(s2_host.ops->table_alloc(0, &table));
		pt_write(pte, pa_raw(table) | PTE_TYPE_TABLE | PTE_VALID);
		pte = pt_find(s, a, level, &at);
	}
	pt_write(pte, desc | PTE_VALID | (level == PT_LEAF ? PTE_TYPE_TABLE : 0));
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
	s2_host.ops = ops;
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

enum hyp_err s2_create(struct s2 *s, uint16_t owner)
{
	pa_t root;

	TRY(s2_host.ops->table_alloc(s2_root_order(), &root));
	*s = (struct s2){.lock = SPINLOCK_INIT(LOCK_S2), .root = root, .owner = owner};
	return HYP_OK;
}

/* Frees a table and all below it. */
static void pt_free_tree(pa_t table, unsigned level)
{
	const uint64_t *t = pa_to_ptr(table);
	unsigned order = level == PT_START ? s2_root_order() : 0;

	for (unsigned i = 0; level < PT_LEAF && i < 512u << order; i++)
		if (pt_is_table(t[i], level)) pt_free_tree(pa(t[i] & PTE_ADDR_MASK), level + 1);
	s2_host.ops->table_free(table, order);
}

void s2_destroy(struct s2 *s)
{
	/* All of it: walks that a TLB cached lead into the tables. */
	pt_flush(s, 0, BIT(s2_host.ipa_bits) / PAGE_SIZE);
	pt_free_tree(s->root, PT_START);
	*s = (struct s2){.lock = SPINLOCK_INIT(LOCK_S2)};
}

static bool s2_range_ok(uint64_t start, uint64_t size, unsigned bits)
{
	return size != 0 && IS_ALIGNED(start | size, PAGE_SIZE) && start < BIT(bits) &&
	       size <= BIT(bits) - start;
}

static enum hyp_err map_locked(struct s2 *s, uint64_t start, uint64_t p, uint64_t size,
                               uint64_t attr) REQUIRES(s->lock)
{
	uint64_t a, end = start + size;
	unsigned level;

	for (a = start; a < end; a = pt_end(a, level))
		if (load_relaxed(pt_find(s, a, PT_LEAF, &level)) != 0) return HYP_EEXIST;
	for (a = start; a < end; a = pt_end(a, level)) {
		uint64_t to = p + (a - start);

		level = PT_START; /* the largest block that fits */
		while (end - a < pt_size(level) || !IS_ALIGNED(a | to, pt_size(level))) level++;
		if (pt_set(s, a, level, to | attr) == HYP_OK) continue;
		end = a + PAGE_SIZE; /* with the tables above what failed */
		for (a = start; a < end;) a = pt_clear(s, a);
		return HYP_ENOMEM;
	}
	dsb_ishst(); /* seen by all walks; ERET synchronises the fetches (D8.2.6) */
	return HYP_OK;
}

enum hyp_err s2_map(struct s2 *s, ipa_t ipa, pa_t p, uint64_t size, enum s2_attr attr)
{
	enum hyp_err err;

	if (!s2_range_ok(pa_raw(p), size, s2_host.pa_bits) ||
	    !s2_range_ok(ipa_raw(ipa), size, s2_host.ipa_bits))
		return HYP_EINVAL;
	if (!s2_host.ops->may_map(s->owner, p, size, attr)) return HYP_EPERM;
	spin_lock(&s->lock);
	err = map_locked(s, ipa_raw(ipa), pa_raw(p), size, pt_attr_bits[attr]);
	spin_unlock(&s->lock);
	return err;
}

/* Where a goes; that block is unmapped if it is to be. */
static enum hyp_err look(struct s2 *s, uint64_t a, bool unmap, struct s2_walk *out)
{
	uint64_t desc = 0, off;
	enum s2_attr attr = S2_RWX;
	unsigned level = PT_START;

	spin_lock(&s->lock);
	if (a < BIT(s2_host.ipa_bits)) desc = load_relaxed(pt_find(s, a, PT_LEAF, &level));
	if (unmap && desc != 0) (void)pt_clear(s, a);
	spin_unlock(&s->lock);
	if (desc == 0) return HYP_ENOENT;
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

enum hyp_err s2_lookup(struct s2 *s, ipa_t ipa, struct s2_walk *out)
{
	return look(s, ipa_raw(ipa), false, out);
}

enum hyp_err s2_unmap(struct s2 *s, ipa_t ipa, struct s2_walk *was)
{
	return look(s, ipa_raw(ipa), true, was);
}
