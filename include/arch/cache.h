/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache maintenance by address on the direct map. Ranges need no alignment: lines that are touched
 * partly are maintained whole. Each ends with a DSB. Any context.
 */
#pragma once

#include <hyp/types.h>

/*
 * Clean and invalidate to the point of coherency: what a guest or a CPU with caches off will read,
 * and nothing that hides what it then writes past the caches.
 */
void arch_dcache_clean_inval_poc(const void *start, uint64_t size);
/* Instruction cache: invalidate all, inner shareable, and ISB. After new code was cleaned. */
void arch_icache_inval_all(void);
/* Zero memory, and clean and invalidate it to the point of coherency, in one pass where the CPU
 * permits. */
void arch_scrub(void *start, uint64_t size);
