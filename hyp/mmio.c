/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MMIO dispatch: sorted regions, binary search, checks of size and alignment, then the device.
 */
#include <hyp/mmio.h>

#include <hyp/vcpu.h>
#include <hyp/vm.h>

enum hyp_err mmio_add(struct mmio_map *m, ipa_t base, uint64_t size, const struct mmio_ops *ops,
                      void *dev)
{
	uint64_t start = ipa_raw(base);
	unsigned at = 0;

	if (size == 0 || start + size - 1 < start) return HYP_EINVAL;
	if (m->n == MMIO_MAX_REGIONS) return HYP_EFULL;
	/* Last bytes are compared: the end of the last possible region would not fit. */
	while (at < m->n && m->r[at].base + m->r[at].size - 1 < start) at++;
	if (at < m->n && m->r[at].base <= start + size - 1) return HYP_EEXIST;
	if (!IS_ALIGNED(size, 8)) return HYP_EINVAL;
	for (unsigned i = m->n; i > at; i--) m->r[i] = m->r[i - 1];
	m->r[at] = (struct mmio_region){.base = start, .size = size, .ops = ops, .dev = dev};
	m->n++;
	return HYP_OK;
}

const struct mmio_region *mmio_find(const struct mmio_map *m, uint64_t addr, unsigned size)
{
	unsigned lo = 0, hi = m->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		const struct mmio_region *r = &m->r[mid];

		if (addr < r->base)
			hi = mid;
		else if (addr - r->base >= r->size)
			lo = mid + 1;
		else
			return size <= r->size - (addr - r->base) ? r : NULL;
	}
	return NULL;
}

const struct mmio_region *mmio_region(struct vcpu *v, uint64_t addr, unsigned size)
{
	const struct mmio_region *r = mmio_find(&v->vm->mmio, addr, size);

	if (r == NULL || !mmio_takes(r, addr, size)) return NULL;
	v->mmio_last = r;
	return r;
}

enum mmio_result mmio_access(struct vcpu *v, uint64_t addr, bool write, unsigned size,
                             uint64_t *val)
{
	const struct mmio_region *r = mmio_region(v, addr, size);
	uint64_t mask = UINT64_MAX >> (64 - 8 * size), got = 0;
	enum mmio_result res;

	if (r == NULL) return MMIO_ABORT;
	if (write) return r->ops->write(v, r->dev, (uint32_t)(addr - r->base), size, *val & mask);
	res = r->ops->read(v, r->dev, (uint32_t)(addr - r->base), size, &got);
	if (res == MMIO_OK) *val = got & mask;
	return res;
}
