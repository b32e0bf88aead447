/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtual devices share, and those that are hardly there: flash, empty virtio-mmio slots.
 */
#include <hyp/vdev.h>

#include <arch/barrier.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>

#define VIRTIO_STRIDE 0x200u

enum hyp_err vdev_create(struct vdev *d, struct vm *vm, const struct vdev_type *type, uint64_t base,
                         uint32_t intid)
{
	*d = (struct vdev){SPINLOCK_INIT(LOCK_VDEV), .vm = vm, .type = type, .intid = intid};
	return mmio_add(&vm->mmio, ipa(base), PAGE_SIZE, type->ops, d);
}

static uint32_t output(const struct vdev *d) REQUIRES(d->lock)
{
	return d->reg[d->type->imsc] & d->reg[d->type->imsc + 1];
}

uint32_t vdev_read(const struct vdev *d, uint32_t off)
{
	const struct vdev_type *t = d->type;
	/* From 0xfe0 on, a byte each. Peripheral ID: part, designer 0x41, revision 1; PrimeCell ID
	 * 0xb105f00d (DDI 0183G 3.3.16). As QEMU's. */
	const uint32_t id[8] = {t->part & 0xff, t->part >> 8, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	uint32_t i = off / 4, val = off >= 0xfe0 ? id[i % 8] : 0;

	if (i < t->nr) val = i == t->imsc + 2u ? output(d) : d->reg[array_index_nospec(i, t->nr)];
	return val >> 8 * (off % 4);
}

void vdev_write(struct vdev *d, uint32_t off, uint32_t val)
{
	const struct vdev_type *t = d->type;
	uint32_t i = (uint32_t)array_index_nospec(off / 4, t->nr);

	if (off / 4 >= t->nr || off % 4 != 0) return;
	if (i == t->imsc + 3u) d->reg[t->imsc + 1] &= ~val;
	if (t->writable[i] != 0) d->reg[i] = val & t->writable[i];
}

void vdev_unlock(struct vdev *d)
{
	bool level = output(d) != 0;

	if (d->level != level) vgic_set_line(d->vm, NULL, d->intid, level);
	d->level = level;
	spin_unlock(&d->lock);
}

static enum mmio_result zero_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	*val = 0;
	return MMIO_OK;
}

static enum mmio_result ignore_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
	return MMIO_OK;
}

static enum mmio_result virtio_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                    uint64_t *val)
{
	/* Virtio 1.1, 4.2.2: "virt", version, no device, vendor "QEMU"; the rest reads as 0. */
	static const uint32_t regs[VIRTIO_STRIDE / 4] = {0x74726976, 2, 0, 0x554d4551};

	*val = size == 4 ? regs[off % VIRTIO_STRIDE / 4] : 0;
	return MMIO_OK;
}

const struct mmio_ops vflash_ops = {1 | 2 | 4 | 8, zero_read, ignore_write};
const struct mmio_ops vvirtio_empty_ops = {1 | 2 | 4, virtio_read, ignore_write};
