/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MMIO dispatch: the region, checks of size and alignment, then the device.
 */
#include <hyp/mmio.h>

#include <hyp/vcpu.h>
#include <hyp/vm.h>

enum hyp_err mmio_add(struct mmio_map *m, ipa_t base, uint64_t size, const struct mmio_ops *ops,
                      void *dev)
{
	/* Last bytes are compared: the end of the last possible region would not fit. */
	uint64_t start = ipa_raw(base), last = start + size - 1;

	if (size == 0 || last < start) return HYP_EINVAL;
	if (m->n == MMIO_MAX_REGIONS) return HYP_EFULL;
	for (const struct mmio_region *r = m->r; r < m->r + m->n; r++)
		if (start <= r->base + r->size - 1 && r->base <= last) return HYP_EEXIST;
	if (!IS_ALIGNED(size, 8)) return HYP_EINVAL;
	m->r[m->n++] = (struct mmio_region){.base = start, .size = size, .ops = ops, .dev = dev};
	return HYP_OK;
}

const struct mmio_region *mmio_find(const struct mmio_map *m, uint64_t addr, unsigned size)
{
	for (const struct mmio_region *r = m->r; r < m->r + m->n; r++)
		if (addr - r->base < r->size) return size <= r->size - (addr - r->base) ? r : NULL;
	return NULL;
}

const struct mmio_region *mmio_region(struct vcpu *v, uint64_t addr, unsigned size)
{
	const struct mmio_region *r = mmio_find(&v->vm->mmio, addr, size);

	if (r == NULL || !mmio_takes(r, addr, size)) return NULL;
	v->mmio_last = r;
	return r;
}
