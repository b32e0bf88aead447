/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 address spaces: 4 KiB granule, 40-bit IPA (fewer where PARange is smaller), start level
 * 1 with concatenated roots where the size asks for it. Changes are transactions: s2_begin, then
 * map or unmap, which may fail and then change nothing, then s2_commit, which cannot fail and
 * does what TLB maintenance is due. One function, pt_replace(), writes descriptors.
 *
 * While a block is split, its entry is invalid for a moment (break-before-make): a translation
 * fault whose IPA s2_lookup(), which waits for the lock, finds mapped is spurious, and the guest is
 * resumed. There are no changes of permissions.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>
#include <arch/spinlock.h>

#define S2_IPA_BITS 40u

enum s2_attr {
	S2_RWX,    /* guest RAM */
	S2_RO,     /* normal memory, read-only, never executable */
	S2_ROX,    /* normal memory, read-only, executable */
	S2_DEVICE, /* device nGnRE, read-write, never executable */
};

/* What the library needs from outside (rule: stage2 depends on L0, L1 only). */
struct s2_mem_ops {
	/* One zeroed, clean page for a table (or a contiguous, naturally aligned root of 4 KiB <<
	 * order). */
	enum hyp_err (*table_alloc)(unsigned order, pa_t *out);
	void (*table_free)(pa_t table, unsigned order);
	/* Ownership check before a RAM page is mapped: true if [p, p + size) may be mapped for
	 * owner. */
	bool (*may_map)(uint16_t owner, pa_t p, uint64_t size, enum s2_attr attr);
};

struct s2 {
	spinlock_t lock;
	const struct s2_mem_ops *ops;
	pa_t root;
	uint8_t ipa_bits, root_order; /* concatenation: 4 KiB << order */
	uint16_t owner;               /* frame owner whose pages may be mapped */
	uint64_t vmid_gen;            /* generation << 16 | VMID; 0: none yet (stage2/vmid.c) */
	/* The open transaction: */
	uint64_t flush_start, flush_end; /* IPAs whose TLB entries must go at commit */
	pa_t dead_tables;                /* list of tables to free after the flush */
	bool in_txn;
	/* Statistics. */
	uint32_t nr_tables;
	uint64_t mapped_pages;
};

/*
 * Once, on the boot CPU: sizes (arch_pa_bits(), arch_vmid_bits(); tests may give 2 VMID bits), the
 * empty root, the VMID allocator.
 */
enum hyp_err s2_init(unsigned pa_bits, unsigned vmid_bits, const struct s2_mem_ops *ops)
    __must_check;
/* Its part in stage2/vmid.c. */
void vmid_init(unsigned bits);
/* VTCR_EL2 for every space on this host. After s2_init(). */
uint64_t s2_vtcr(void);
/* Space with nothing mapped. ops is const and lives for ever. */
enum hyp_err s2_create(struct s2 *s, uint16_t owner, const struct s2_mem_ops *ops) __must_check;
/* Frees all tables, after a flush; the pages that were mapped are the caller's. No CPU has the
 * space in its VTTBR_EL2 (those that had it went through s2_vttbr_empty() since). */
void s2_destroy(struct s2 *s);

/* Takes s->lock. Exactly one of s2_commit() follows. */
void s2_begin(struct s2 *s) ACQUIRES(s->lock);
/*
 * All addresses and sizes are multiples of 4 KiB; the largest blocks that alignment permits are
 * used. EINVAL: misaligned, empty or beyond ipa_bits. EEXIST: part of the range is mapped already
 * (a silent remap is refused). EPERM: ownership. ENOMEM: no tables; nothing was changed then.
 */
enum hyp_err s2_map(struct s2 *s, ipa_t ipa, pa_t p, uint64_t size, enum s2_attr attr)
    __must_check REQUIRES(s->lock);
/* Unmapped holes in the range are fine. ENOMEM: a block had to be split and there is no table. */
enum hyp_err s2_unmap(struct s2 *s, ipa_t ipa, uint64_t size) __must_check REQUIRES(s->lock);
void s2_commit(struct s2 *s) RELEASES(s->lock);

/* Where ipa goes: address of that byte, bytes left in the mapping's block, attribute. Locks. */
struct s2_walk {
	pa_t pa;
	uint64_t len;
	enum s2_attr attr;
	uint8_t level;
};
enum hyp_err s2_lookup(struct s2 *s, ipa_t ipa, struct s2_walk *out) __must_check;

/*
 * VMIDs are a cache (8 bits on Cortex-A72): allocated by generation, roll-over flushes all.
 * s2_vttbr() returns the VTTBR_EL2 value to load on CPU `cpu`, the caller's, with a VMID of the
 * current generation; call it at each switch, with the empty root loaded. The VMID stays this CPU's
 * until its next s2_vttbr().
 */
uint64_t s2_vttbr(struct s2 *s, unsigned cpu);
/* The next s2_vttbr() gives another VMID. No CPU has the space loaded. */
static inline void s2_new_vmid(struct s2 *s) { s->vmid_gen = 0; }
/* The empty root with the reserved VMID 0: loaded when no guest is, and between two guests. */
uint64_t s2_vttbr_empty(void);
