/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtual devices share, and those that are hardly there: flash, empty virtio-mmio slots.
 */
#include <hyp/vdev.h>

#include <arch/barrier.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>

#define VIRTIO_STRIDE 0x200u
/* Virtio 1.1, 4.2.2: the registers that an empty slot has; the rest read as 0. */
#define VIRTIO_MAGIC 0x00
#define VIRTIO_VERSION 0x04
#define VIRTIO_VENDOR 0x0c

void vdev_line_sync(struct vm *vm, spinlock_t *lock, struct vdev_line *line, const uint32_t *ris,
                    const uint32_t *imsc)
{
	spin_lock(lock);
	/* A further round takes another vCPU's trap in the meantime: not a bound the guest sets. */
	while (!line->updating && line->level != ((*ris & *imsc) != 0)) {
		bool level = !line->level;

		line->updating = true;
		line->level = level;
		spin_unlock(lock);
		vgic_set_line(vm, NULL, line->intid, level);
		spin_lock(lock);
		line->updating = false;
	}
	spin_unlock(lock);
}

void vdev_line_stop(spinlock_t *lock, struct vdev_line *line, uint32_t *imsc)
{
	spin_lock(lock);
	*imsc = 0;
	while (line->updating) {
		spin_unlock(lock);
		cpu_relax();
		spin_lock(lock);
	}
	line->level = false;
	spin_unlock(lock);
}

uint32_t vdev_primecell_id(uint32_t part, uint32_t off)
{
	/* Peripheral ID: part, designer 0x41, revision 1; PrimeCell ID 0xb105f00d. As QEMU's. */
	const uint32_t id[8] = {part & 0xff, part >> 8, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	return off >= 0xfe0 ? id[(off - 0xfe0) / 4 % 8] : 0;
}

static enum mmio_result zero_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t *val)
{
	(void)v;
	(void)dev;
	(void)off;
	(void)size;
	*val = 0;
	return MMIO_OK;
}

static enum mmio_result ignore_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
	(void)v;
	(void)dev;
	(void)off;
	(void)size;
	(void)val;
	return MMIO_OK;
}

const struct mmio_ops vflash_ops = {
    .name = "flash",
    .sizes = 1 | 2 | 4 | 8,
    .read = zero_read,
    .write = ignore_write,
};

static enum mmio_result virtio_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                    uint64_t *val)
{
	uint32_t reg = off % VIRTIO_STRIDE;

	(void)v;
	(void)dev;
	*val = size != 4               ? 0
	       : reg == VIRTIO_MAGIC   ? 0x74726976 /* "virt" */
	       : reg == VIRTIO_VERSION ? 2
	       : reg == VIRTIO_VENDOR  ? 0x554d4551 /* "QEMU" */
	                               : 0;
	return MMIO_OK;
}

const struct mmio_ops vvirtio_empty_ops = {
    .name = "virtio-mmio",
    .sizes = 1 | 2 | 4,
    .read = virtio_read,
    .write = ignore_write,
};
