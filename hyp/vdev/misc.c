/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What virtual devices share, and those that are hardly there: flash, empty virtio-mmio slots.
 */
#include <hyp/vdev.h>

#include <arch/barrier.h>
#include <hyp/atomic.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>

#define VIRTIO_STRIDE 0x200u
void vdev_line_sync(struct vdev_line *line)
{
	spin_lock(line->lock);
	/* A further round takes another vCPU's trap in the meantime: not a bound the guest sets. */
	while (!line->updating && line->level != ((*line->ris & *line->imsc) != 0)) {
		bool level = !line->level;

		line->updating = true;
		line->level = level;
		spin_unlock(line->lock);
		vgic_set_line(line->vm, NULL, line->intid, level);
		spin_lock(line->lock);
		line->updating = false;
	}
	spin_unlock(line->lock);
}

void vdev_line_wait(struct vdev_line *line)
{
	while (load_acquire(&line->updating)) cpu_relax();
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
	*val = 0;
	return MMIO_OK;
}

static enum mmio_result ignore_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
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
	/* Virtio 1.1, 4.2.2: "virt", version, no device, vendor "QEMU"; the rest reads as 0. */
	static const uint32_t regs[] = {0x74726976, 2, 0, 0x554d4551};
	uint32_t reg = off % VIRTIO_STRIDE / 4;

	*val = size == 4 && reg < ARRAY_SIZE(regs) ? regs[array_index_nospec(reg, ARRAY_SIZE(regs))]
	                                           : 0;
	return MMIO_OK;
}

const struct mmio_ops vvirtio_empty_ops = {
    .name = "virtio-mmio",
    .sizes = 1 | 2 | 4,
    .read = virtio_read,
    .write = ignore_write,
};
