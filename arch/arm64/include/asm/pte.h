/* SPDX-License-Identifier: Apache-2.0 */
/* arm64: a descriptor is written by one 64-bit store, which a walk sees whole (Arm ARM D8.2). */
#pragma once

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes to it */
static inline void pte_store(uint64_t *pte, uint64_t desc)
{
	__atomic_store_n(pte, desc, __ATOMIC_RELAXED);
}
