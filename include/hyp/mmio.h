/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MMIO dispatch: the few regions of a VM, frozen before its first vCPU runs, looked up without a
 * lock; a vCPU remembers its last one.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>
#include <arch/trap.h>

struct vcpu;

/* Each is what the trap ends with. */
enum mmio_result {
	MMIO_OK = TRAP_ADVANCE,
	MMIO_ABORT = TRAP_ABORT,  /* size or alignment the device does not take: external abort into
	                             the guest */
	MMIO_AGAIN = TRAP_RESUME, /* not yet: the instruction is repeated at once */
	MMIO_HOLD = TRAP_RESCHED, /* not now: the vCPU was blocked by the handler and repeats the
	                             instruction */
};

/* off: offset in the region. size: 1, 2, 4, 8; off is a multiple of size (checked before). */
struct mmio_ops {
	uint8_t sizes; /* bit mask of the access sizes taken: 1 | 2 | 4 | 8; others: MMIO_ABORT */
	enum mmio_result (*read)(struct vcpu *v, void *dev, uint32_t off, unsigned size,
	                         uint64_t *val);
	enum mmio_result (*write)(struct vcpu *v, void *dev, uint32_t off, unsigned size,
	                          uint64_t val);
};

struct mmio_region {
	uint64_t base, size; /* IPA */
	const struct mmio_ops *ops;
	void *dev;
};

#define MMIO_MAX_REGIONS 16u
struct mmio_map {
	unsigned n;
	struct mmio_region r[MMIO_MAX_REGIONS];
};

/* size: a multiple of 8. EEXIST on overlap, EFULL. Before the VM runs. */
enum hyp_err mmio_add(struct mmio_map *m, ipa_t base, uint64_t size, const struct mmio_ops *ops,
                      void *dev) __must_check;
/* The region that holds all of [addr, addr + size), or NULL. */
const struct mmio_region *mmio_find(const struct mmio_map *m, uint64_t addr, unsigned size);
/*
 * Does r take this access? Sizes are powers of two: a size is also its bit in ops->sizes. What is
 * aligned and begins in a region also ends there.
 */
static inline bool mmio_takes(const struct mmio_region *r, uint64_t addr, unsigned size)
{
	uint64_t off = addr - r->base;

	return off < r->size && (r->ops->sizes & size) != 0 && IS_ALIGNED(off, size);
}

/* The region that takes this access of the guest, or NULL. It becomes v->mmio_last. */
const struct mmio_region *mmio_region(struct vcpu *v, uint64_t addr, unsigned size);
