/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache maintenance by address (contract in include/arch/cache.h) and zeroing by DC ZVA.
 */
#include <string.h>

#include <arch/barrier.h>
#include <arch/cache.h>
#include <asm/maint.h>
#include <asm/sysreg.h>

/* CTR_EL0.DminLine: log2 of the smallest data line in 4-byte words (Arm ARM D19.2.34). */
static uint64_t line_size(void) { return UINT64_C(4) << (sysreg_read(CTR_EL0) >> 16 & 15); }

/* Every line that [start, start + size) touches. Nothing wraps: a count. */
__attribute__((always_inline)) static inline void lines(uintptr_t start, uint64_t size, bool zero)
{
	uint64_t line = line_size(), a = ALIGN_DOWN(start, line);
	uint64_t n = size == 0 ? 0 : (start - a + size - 1) / line + 1;

	for (; n != 0; n--, a += line) {
		if (zero) dc(zva, a); /* same address: the zeroing comes first (D7.5.8) */
		dc(civac, a);
	}
	dsb_sy(); /* the point of coherency has it all before a CPU with caches off may look */
}

void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	lines((uintptr_t)start, size, false);
}

void arch_icache_inval_all(void)
{
	dsb_ish(); /* the new code is cleaned before fetches can take it in again */
	ic(ialluis);
	dsb_ish(); /* complete on all CPUs */
	isb();     /* what this CPU has fetched goes too */
}

/*
 * Most of what a VM's start costs: so one loop where DC ZVA is permitted and takes lines, as it
 * does on all CPUs known here. It faults on device memory: the MMU is on, and start is RAM.
 */
void arch_scrub(void *start, uint64_t size)
{
	/* DZP (prohibited), BS: log2 of the block in 4-byte words (D19.2.36). */
	uint64_t id = sysreg_read(DCZID_EL0), block = UINT64_C(4) << (id & 15);

	if (!(id & BIT(4)) && block == line_size() && IS_ALIGNED((uintptr_t)start | size, block)) {
		lines((uintptr_t)start, size, true);
	} else {
		memset(start, 0, size);
		arch_dcache_clean_inval_poc(start, size);
	}
}
