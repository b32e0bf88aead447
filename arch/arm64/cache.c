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
#define CTR_DMINLINE GENMASK(19, 16)
/* DCZID_EL0 (D19.2.36): prohibited; log2 of the block in 4-byte words. */
#define DCZID_DZP BIT(4)
#define DCZID_BS GENMASK(3, 0)

#define CLEAN_INVAL(a) dc(civac, a)
/* Same address: the zeroing comes first (Arm ARM D7.5.8). */
#define ZERO_CLEAN_INVAL(a)                                                                        \
	do {                                                                                       \
		dc(zva, a);                                                                        \
		dc(civac, a);                                                                      \
	} while (0)
/* op on every line that [start, start + size) touches, four at a time. Nothing wraps: a count. */
#define DC_LINES(op, start, size)                                                                  \
	do {                                                                                       \
		uint64_t line = line_size(), a = ALIGN_DOWN((uintptr_t)(start), line);             \
		uint64_t n = (size) == 0 ? 0 : ((uintptr_t)(start)-a + (size)-1) / line + 1;       \
		for (; n >= 4; n -= 4, a += 4 * line) {                                            \
			op(a);                                                                     \
			op(a + line);                                                              \
			op(a + 2 * line);                                                          \
			op(a + 3 * line);                                                          \
		}                                                                                  \
		for (; n != 0; n--, a += line) op(a);                                              \
		/* The point of coherency has it all before a CPU with caches off may look. */     \
		dsb_sy();                                                                          \
	} while (0)

static uint64_t line_size(void)
{
	return UINT64_C(4) << FIELD_GET(CTR_DMINLINE, sysreg_read(CTR_EL0));
}

void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	DC_LINES(CLEAN_INVAL, start, size);
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
	uint64_t id = sysreg_read(DCZID_EL0), block = UINT64_C(4) << FIELD_GET(DCZID_BS, id);

	if (!(id & DCZID_DZP) && block == line_size() &&
	    IS_ALIGNED((uintptr_t)start | size, block)) {
		DC_LINES(ZERO_CLEAN_INVAL, start, size);
	} else {
		memset(start, 0, size);
		arch_dcache_clean_inval_poc(start, size);
	}
}
