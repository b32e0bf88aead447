/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual PL031 real-time clock (DDI 0224C) as QEMU models it. The host has no wall clock: it
 * counts from the manifest's value on, by the counter.
 */
#include <hyp/vdev.h>

#include <arch/timer.h>
#include <hyp/vm.h>
#include <string.h>

/* Registers by offset / 4, DDI 0224C table 3-1. */
enum { DR, MR, LR, CR, IMSC, RIS, MIS, ICR, NR_REGS };

static const uint32_t writable[NR_REGS] = {[MR] = UINT32_MAX, [LR] = UINT32_MAX, [IMSC] = 1};

static void alarm_fire(struct deadline *d, uint64_t now)
{
	struct vpl031 *r = container_of(d, struct vpl031, alarm);

	spin_lock(&r->dev.lock);
	/* The match may have moved meanwhile. */
	if (now >= r->when) {
		r->when = TIMER_NEVER;
		r->dev.reg[RIS] = 1;
	}
	vdev_unlock(&r->dev);
}

static const struct deadline_ops alarm_ops = {alarm_fire};

static void set_alarm(struct vpl031 *r, uint64_t when) REQUIRES(r->dev.lock)
{
	r->when = when;
	deadline_set(&r->alarm, when);
}

static enum mmio_result vpl031_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                    uint64_t *val)
{
	struct vpl031 *r = dev;

	spin_lock(&r->dev.lock);
	r->dev.reg[DR] = (uint32_t)((arch_counter() - r->base) / arch_counter_hz());
	*val = vdev_read(&r->dev, off);
	spin_unlock(&r->dev.lock);
	return MMIO_OK;
}

static enum mmio_result vpl031_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
	struct vpl031 *r = dev;
	uint64_t hz = arch_counter_hz(), elapsed;
	uint32_t left;

	spin_lock(&r->dev.lock);
	/* ICR: whatever is written (DDI 0287B; QEMU). */
	vdev_write(&r->dev, off, off == ICR * 4 ? 1 : (uint32_t)val);
	if (off == LR * 4) r->base = arch_counter() - (uint32_t)val * hz;
	if (off == LR * 4 || off == MR * 4) {
		/* RTCDR wraps at 2^32 seconds. Equal counts at once, as with QEMU. */
		elapsed = (arch_counter() - r->base) / hz;
		left = r->dev.reg[MR] - (uint32_t)elapsed;
		if (left == 0) r->dev.reg[RIS] = 1;
		set_alarm(r, left != 0 ? r->base + (elapsed + left) * hz : TIMER_NEVER);
	}
	vdev_unlock(&r->dev);
	return MMIO_OK;
}

static const struct mmio_ops ops = {1 | 2 | 4, vpl031_read, vpl031_write};
static const struct vdev_type type = {NR_REGS, IMSC, 0x1031, writable, &ops};

enum hyp_err vpl031_create(struct vm *vm)
{
	struct vpl031 *r = &vm->pl031;
	const struct machine *m = vm->machine;

	r->base = arch_counter() - (uint32_t)vm->cfg->rtc_base * arch_counter_hz();
	deadline_init(&r->alarm, &alarm_ops);
	return vdev_create(&r->dev, vm, &type, m->pl031, m->pl031_intid);
}

void vpl031_reset(struct vm *vm)
{
	struct vpl031 *r = &vm->pl031;

	spin_lock(&r->dev.lock);
	memset(r->dev.reg, 0, sizeof(r->dev.reg));
	r->dev.reg[CR] = 1; /* always enabled */
	set_alarm(r, TIMER_NEVER);
	vdev_unlock(&r->dev);
}

void vpl031_thaw(struct vm *vm, uint64_t ticks)
{
	struct vpl031 *r = &vm->pl031;

	spin_lock(&r->dev.lock);
	r->base += ticks;
	set_alarm(r, r->when != TIMER_NEVER ? r->when + ticks : TIMER_NEVER);
	spin_unlock(&r->dev.lock);
}
