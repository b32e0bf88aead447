/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual PL031 real-time clock (DDI 0224C) as QEMU models it. The host has no wall clock: it
 * counts from the manifest's value on, by the counter.
 */
#include <hyp/vdev.h>

#include <arch/barrier.h>
#include <arch/timer.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>

/* Registers that are written, DDI 0224C table 3-1. */
#define MR 0x04
#define LR 0x08
#define IMSC 0x10
#define ICR 0x1c

/* By VM slot. Never freed, so that a late deadline finds memory of the right type. */
static struct vpl031 pl031s[MAX_VMS];

static uint32_t seconds(const struct vpl031 *r, uint64_t now)
{
	return (uint32_t)((now - r->base) / arch_counter_hz());
}

/* When the clock will be at the match value: RTCDR wraps at 2^32 seconds. */
static uint64_t match_time(const struct vpl031 *r, uint64_t now)
{
	uint64_t elapsed = (now - r->base) / arch_counter_hz();

	return r->base + (elapsed + (uint32_t)(r->match - (uint32_t)elapsed)) * arch_counter_hz();
}

/* Sets or raises the alarm after a change of match or time, as QEMU does: equal counts at once. */
static uint64_t set_alarm(struct vpl031 *r) REQUIRES(r->lock)
{
	uint64_t now = arch_counter();

	r->when = match_time(r, now);
	if (seconds(r, now) == r->match) {
		r->ris = 1;
		r->when = TIMER_NEVER;
	}
	return r->when;
}

static void alarm_fire(struct deadline *d, uint64_t now)
{
	struct vpl031 *r = container_of(d, struct vpl031, alarm);

	spin_lock(&r->lock);
	/* The match may have moved meanwhile. */
	if (now >= r->when) {
		r->when = TIMER_NEVER;
		r->ris = 1;
	}
	spin_unlock(&r->lock);
	vdev_line_sync(&r->line);
}

static const struct deadline_ops alarm_ops = {.fire = alarm_fire};

static uint32_t read_reg(const struct vpl031 *r, uint32_t off) REQUIRES(r->lock)
{
	/* From DR to MIS; CR: always enabled. */
	const uint32_t regs[] = {
	    seconds(r, arch_counter()), r->match, r->load, 1, r->imsc, r->ris, r->ris & r->imsc,
	};

	return off / 4 < ARRAY_SIZE(regs) ? regs[array_index_nospec(off / 4, ARRAY_SIZE(regs))]
	                                  : vdev_primecell_id(0x1031, off);
}

static enum mmio_result vpl031_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                    uint64_t *val)
{
	struct vpl031 *r = dev;

	spin_lock(&r->lock);
	/* A narrow access to the middle of a register gets that part of it. */
	*val = read_reg(r, off & ~3u) >> 8 * (off & 3);
	spin_unlock(&r->lock);
	return MMIO_OK;
}

static enum mmio_result vpl031_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
	struct vpl031 *r = dev;
	uint32_t x = (uint32_t)val;
	uint64_t when;

	spin_lock(&r->lock);
	if (off == MR) {
		r->match = x;
	} else if (off == LR) {
		r->load = x;
		r->base = arch_counter() - x * arch_counter_hz();
	} else if (off == IMSC) {
		r->imsc = x & 1;
	} else if (off == ICR) {
		r->ris = 0; /* whatever is written (DDI 0287B; QEMU) */
	}
	when = off == MR || off == LR ? set_alarm(r) : r->when;
	spin_unlock(&r->lock);
	deadline_set(&r->alarm, when);
	vdev_line_sync(&r->line);
	return MMIO_OK;
}

static const struct mmio_ops vpl031_ops = {
    .name = "pl031",
    .sizes = 1 | 2 | 4,
    .read = vpl031_read,
    .write = vpl031_write,
};

enum hyp_err vpl031_create(struct vm *vm)
{
	struct vpl031 *r = &pl031s[vm->slot];

	TRY(mmio_add(&vm->mmio, ipa(vm->machine->pl031), PAGE_SIZE, &vpl031_ops, r));
	*r = (struct vpl031){.lock = SPINLOCK_INIT(LOCK_VDEV), .when = TIMER_NEVER};
	r->line = (struct vdev_line){.vm = vm,
	                             .intid = vm->machine->pl031_intid,
	                             .lock = &r->lock,
	                             .ris = &r->ris,
	                             .imsc = &r->imsc};
	r->base = arch_counter() - (uint32_t)vm->cfg->rtc_base * arch_counter_hz();
	deadline_init(&r->alarm, &alarm_ops);
	vm->pl031 = r;
	return HYP_OK;
}

/* The time goes on, as with a battery. */
void vpl031_reset(struct vm *vm)
{
	struct vpl031 *r = vm->pl031;

	spin_lock(&r->lock);
	r->match = r->load = r->imsc = r->ris = 0;
	r->when = TIMER_NEVER;
	spin_unlock(&r->lock);
	deadline_cancel(&r->alarm);
	vdev_line_sync(&r->line);
}

void vpl031_freeze(struct vm *vm) { deadline_cancel(&vm->pl031->alarm); }

void vpl031_thaw(struct vm *vm, uint64_t ticks)
{
	struct vpl031 *r = vm->pl031;
	uint64_t when;

	spin_lock(&r->lock);
	r->base += ticks;
	if (r->when != TIMER_NEVER) r->when += ticks;
	when = r->when;
	spin_unlock(&r->lock);
	deadline_set(&r->alarm, when);
}

void vpl031_destroy(struct vm *vm)
{
	if (vm->pl031 != NULL) {
		vpl031_reset(vm);
		/* An alarm that fires on another CPU at this moment is then done with the VM. */
		vdev_line_wait(&vm->pl031->line);
		vm->pl031 = NULL;
	}
}
