/* SPDX-License-Identifier: Apache-2.0 */
/* Host tests: PA 0 is fake_ram_base (tests/fake_arch/fake.h), so that PA and pointer differ. */
#pragma once

#include <hyp/types.h>

extern uint8_t *fake_ram_base;

static inline void *pa_to_ptr(pa_t p) { return fake_ram_base + p.raw; }

static inline pa_t ptr_to_pa(const void *p)
{
	return pa((uint64_t)((const uint8_t *)p - fake_ram_base));
}

/* tests/fake_arch/tlb.c logs descriptor writes and refuses a missing break. */
void pte_store(uint64_t *pte, uint64_t desc);
