/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 address spaces: 4 KiB granule, 40-bit IPA (fewer where PARange is smaller), start level
 * 1 with concatenated roots where the size asks for it. Each change is a transaction: all of it or
 * nothing, with what TLB maintenance is due. One function, pt_write(), writes descriptors, and none
 * that is valid is replaced by another: blocks are not split, permissions do not change.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>
#include <arch/spinlock.h>

#define S2_IPA_BITS 40u
/* Every CPU has them; more than there are VMs: VTCR_EL2.VS would only cost a bigger map. */
#define S2_VMID_BITS 8u

enum s2_attr {
	S2_RWX,    /* guest RAM */
	S2_RO,     /* normal memory, read-only, never executable */
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
	uint16_t owner; /* frame owner whose pages may be mapped */
	pa_t root;
	uint64_t vmid_gen; /* generation << 16 | VMID; 0: none yet (stage2/vmid.c) */
};

/*
 * Once, on the boot CPU: sizes (arch_pa_bits(), S2_VMID_BITS; tests may give 2 VMID bits), the
 * empty root, the VMID allocator. ops is const and lives for ever.
 */
enum hyp_err s2_init(unsigned pa_bits, unsigned vmid_bits, const struct s2_mem_ops *ops)
    __must_check;
/* Its part in stage2/vmid.c. */
void vmid_init(unsigned bits);
/* VTCR_EL2 for every space on this host. After s2_init(). */
uint64_t s2_vtcr(void);
/* Space with nothing mapped. */
enum hyp_err s2_create(struct s2 *s, uint16_t owner) __must_check;
/* Frees all tables, after a flush; the pages that were mapped are the caller's. No CPU has the
 * space in its VTTBR_EL2 (those that had it went through s2_vttbr_empty() since). */
void s2_destroy(struct s2 *s);

/*
 * All addresses and sizes are multiples of 4 KiB; the largest blocks that alignment permits are
 * used. EINVAL: misaligned, empty or beyond the IPA size. EEXIST: part of the range is mapped
 * already (a silent remap is refused). EPERM: ownership. ENOMEM: no tables; what had been mapped is
 * unmapped again.
 */
enum hyp_err s2_map(struct s2 *s, ipa_t ipa, pa_t p, uint64_t size, enum s2_attr attr) __must_check;

/* Where ipa goes: address of that byte, bytes left in the mapping's block, attribute. Locks. */
struct s2_walk {
	pa_t pa;
	uint64_t len;
	enum s2_attr attr;
	uint8_t level;
};
enum hyp_err s2_lookup(struct s2 *s, ipa_t ipa, struct s2_walk *out) __must_check;
/* Unmaps all of the block, as it is mapped, that ipa is in, and says where ipa went. ENOENT. No TLB
 * knows it any more. Never fails for want of memory. */
enum hyp_err s2_unmap(struct s2 *s, ipa_t ipa, struct s2_walk *was) __must_check;

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
