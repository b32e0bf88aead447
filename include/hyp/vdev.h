/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual devices of the guest machine: PL011, PL031, absent flash, empty virtio-mmio slots.
 * Guest-visible state is plain data apart from host links.
 */
#pragma once

#include <hyp/console.h>
#include <hyp/deadline.h>
#include <hyp/err.h>
#include <hyp/mmio.h>
#include <hyp/types.h>
#include <arch/spinlock.h>

struct vcpu;
struct vm;

/*
 * The interrupt output of a device, kept in step with its registers without holding the device's
 * lock while the vGIC's (which comes before it) is taken.
 */
struct vdev_line {
	struct vm *vm;
	uint32_t intid;
	spinlock_t *lock;           /* the device's; its registers: */
	const uint32_t *ris, *imsc; /* the level is *ris & *imsc */
	bool level;                 /* what the vGIC was told last */
	bool updating;              /* a CPU is telling it: it will look again */
};

#define VPL011_FIFO 16u
#define VPL011_REGS 19u
struct vpl011 {
	spinlock_t lock; /* LOCK_VDEV: all but waiters */
	struct vm *vm;
	uint8_t rx[VPL011_FIFO];
	uint32_t rx_head, rx_tail;
	uint32_t reg[VPL011_REGS]; /* by offset / 4 */
	struct vdev_line line;
	uint32_t waiters; /* atomic: vCPUs held in a DR write until the ring has room */
};
/* Adds the MMIO region and the VM's console port. vm: slot, name, cfg, machine are set. */
enum hyp_err vpl011_create(struct vm *vm) __must_check;
/* No vCPU of the VM runs any more. What it has written is shown first. */
void vpl011_destroy(struct vm *vm);
/* Registers as after reset; what the console has of the guest, and for it, stays. */
void vpl011_reset(struct vm *vm);
/* Up-calls of the console, without locks: there is input for the guest; its full ring has room. */
void vpl011_input(struct vm *vm);
void vpl011_room(struct vm *vm);

struct vpl031 {
	spinlock_t lock;
	uint64_t base; /* counter value at which RTCDR was 0 (may have wrapped) */
	uint32_t match, load, imsc, ris;
	uint64_t when; /* the match interrupt is to come then; TIMER_NEVER: not */
	struct vdev_line line;
	struct deadline alarm;
};
enum hyp_err vpl031_create(struct vm *vm) __must_check;
void vpl031_destroy(struct vm *vm);
void vpl031_reset(struct vm *vm);
/* The clock and its alarm stand still; they go on, having stood for `ticks`. */
void vpl031_freeze(struct vm *vm);
void vpl031_thaw(struct vm *vm, uint64_t ticks);

/* The rest of the absent flash (0, ignored); a row of empty virtio-mmio transports, 0x200 each. */
extern const struct mmio_ops vflash_ops, vvirtio_empty_ops;

/* For devices, their lock not held. Tells the vGIC a changed level. */
void vdev_line_sync(struct vdev_line *line);
/* No CPU is telling it any more: for a VM that goes away, whose registers change no more. */
void vdev_line_wait(struct vdev_line *line);
/* Byte n of the PrimeCell identification at 0xfe0: part is bytes 0 and 1 (DDI 0183G 3.3.16). */
uint32_t vdev_primecell_id(uint32_t part, uint32_t off);
