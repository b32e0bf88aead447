/* SPDX-License-Identifier: Apache-2.0 */
/* For host tests of devices: one access as a guest makes it, past the decoding of the trap. */
#pragma once

#include <hyp/mmio.h>

/* val: in for writes, out for reads. */
static __attribute__((unused)) enum mmio_result
mmio_access(struct vcpu *v, uint64_t addr, bool write, unsigned size, uint64_t *val)
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
