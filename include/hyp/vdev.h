/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual devices of the guest machine: PL011, PL031, absent flash, empty virtio-mmio slots.
 * Guest-visible state is plain data apart from host links.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/console.h>
#include <hyp/deadline.h>
#include <hyp/err.h>
#include <hyp/mmio.h>
#include <hyp/types.h>
#include <arch/spinlock.h>

struct vcpu;
struct vm;

/* Registers of a PrimeCell, by offset / 4, and what of each can be written and read back. */
#define VDEV_REGS 19u
struct vdev_type {
	uint8_t nr, imsc; /* how many; after IMSC come RIS, MIS and ICR */
	uint16_t part;    /* bytes 0 and 1 of the identification */
	const uint32_t *writable;
	const struct mmio_ops *ops;
};

/* A device with one interrupt output, whose level is RIS & IMSC. */
struct vdev {
	spinlock_t lock; /* LOCK_VDEV: all but what says otherwise */
	struct vm *vm;
	const struct vdev_type *type;
	uint32_t intid;
	uint32_t reg[VDEV_REGS];
	bool level; /* what the vGIC was told last */
};
/* Adds the region at base, a page, with d as its device. Its reset follows. */
enum hyp_err vdev_create(struct vdev *d, struct vm *vm, const struct vdev_type *type, uint64_t base,
                         uint32_t intid) __must_check;
/* A register as it reads, a narrow access to its middle included; the identification; else 0. */
uint32_t vdev_read(const struct vdev *d, uint32_t off) REQUIRES(d->lock);
/* Stores what can be written; to ICR: clears bits of RIS. */
void vdev_write(struct vdev *d, uint32_t off, uint32_t val) REQUIRES(d->lock);
/* After each change: tells the vGIC a changed level. */
void vdev_unlock(struct vdev *d) RELEASES(d->lock);

#define VPL011_FIFO 16u
struct vpl011 {
	struct vdev dev;
	uint8_t rx[VPL011_FIFO];
	uint32_t rx_head, rx_tail;
	uint32_t waiters; /* atomic: vCPUs held in a DR write until the ring has room */
};
/* Adds the MMIO region. vm: cfg and machine are set. Its far side is vm->port. */
enum hyp_err vpl011_create(struct vm *vm) __must_check;
/* Registers as after reset; what the console has of the guest, and for it, stays. */
void vpl011_reset(struct vm *vm);
/* What vm->port tells it. */
extern const struct console_up vpl011_console;

struct vpl031 {
	struct vdev dev;
	uint64_t base; /* counter value at which RTCDR was 0 (may have wrapped) */
	uint64_t when; /* the match interrupt is to come then; TIMER_NEVER: not */
	struct deadline alarm;
};
enum hyp_err vpl031_create(struct vm *vm) __must_check;
/* The time goes on, as with a battery; no alarm is set. */
void vpl031_reset(struct vm *vm);
/* The clock, whose alarm was cancelled meanwhile, goes on, having stood for `ticks`. */
void vpl031_thaw(struct vm *vm, uint64_t ticks);

/*
 * Host devices given to the VM (config_check() let them through). create: stage 2 or MMIO
 * regions, links of interrupts; a is what vm->cfg points to. From start to stop interrupts come;
 * every vCPU is out at both.
 */
enum hyp_err assigned_create(struct vm *vm, struct vm_assign *a) __must_check;
void assigned_start(struct vm *vm);
void assigned_stop(struct vm *vm);
/* Is it one of those that stage 2 may map? */
bool assigned_may_map(const struct vm_assign *a, pa_t p, uint64_t size);
/* An SPI was acknowledged and is held: the VM's that has it. */
void assigned_irq(uint32_t intid);

/* The rest of the absent flash (0, ignored); a row of empty virtio-mmio transports, 0x200 each. */
extern const struct mmio_ops vflash_ops, vvirtio_empty_ops;
