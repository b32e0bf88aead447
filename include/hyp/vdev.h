/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual devices of the guest machine: PL011, PL031, absent flash, empty virtio-mmio slots.
 * Guest-visible state is plain data apart from host links.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/mmio.h>
#include <hyp/types.h>
#include <arch/spinlock.h>

struct vcpu;
struct vm;

#define VPL011_FIFO 16u
struct vpl011 {
	spinlock_t lock; /* LOCK_VDEV */
	struct vm *vm;
	uint8_t rx[VPL011_FIFO];
	uint32_t rx_head, rx_tail;
	uint32_t cr, lcr_h, ibrd, fbrd, ifls, imsc, ris, dmacr, rsr, ilpr;
	bool irq_level;
	struct vcpu *waiter; /* held in a DR write until the ring drains */
};
enum hyp_err vpl011_create(struct vm *vm) __must_check;
void vpl011_destroy(struct vm *vm);
void vpl011_reset(struct vm *vm);
/* A byte for the guest; false: its FIFO is full. */
bool vpl011_input(struct vm *vm, uint8_t c);

struct vpl031 {
	spinlock_t lock;
	struct vm *vm;
	uint64_t base; /* counter value at which RTCDR was 0 */
	uint32_t match, load, cr, imsc, ris;
};
enum hyp_err vpl031_create(struct vm *vm) __must_check;
void vpl031_destroy(struct vm *vm);
void vpl031_reset(struct vm *vm);

/* RAZ/WI rest of the flash; empty virtio-mmio transports. */
extern const struct mmio_ops vflash_ops, vvirtio_empty_ops;
