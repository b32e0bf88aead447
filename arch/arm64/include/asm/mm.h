/* SPDX-License-Identifier: Apache-2.0 */
/* arm64: the direct map is the identity (include/arch/mm.h). */
#pragma once

#include <hyp/types.h>

static inline void *pa_to_ptr(pa_t p) { return (void *)(uintptr_t)p.raw; }

static inline pa_t ptr_to_pa(const void *p) { return pa((uint64_t)(uintptr_t)p); }

static inline void pte_store(uint64_t *pte, uint64_t desc) { *(volatile uint64_t *)pte = desc; }
