/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache maintenance by address (contract in include/arch/cache.h) and zeroing by DC ZVA.
 */
#include <string.h>

#include <arch/barrier.h>
#include <arch/cache.h>
#include <asm/dc.h>
#include <asm/sysreg.h>
#include <asm/tlb.h>

/* CTR_EL0.DminLine: log2 of the smallest data line in 4-byte words (Arm ARM D19.2.34). */
#define CTR_DMINLINE GENMASK(19, 16)
/* DCZID_EL0 (D19.2.36): prohibited; log2 of the block in 4-byte words. */
#define DCZID_DZP BIT(4)
#define DCZID_BS GENMASK(3, 0)

/* op(a) for n lines from a on, four at a time. */
#define DC_LINES(op, a, n, line)                                                                   \
	do {                                                                                       \
		for (; (n) >= 4; (n) -= 4, (a) += 4 * (line)) {                                    \
			op(a);                                                                     \
			op((a) + (line));                                                          \
			op((a) + 2 * (line));                                                      \
			op((a) + 3 * (line));                                                      \
		}                                                                                  \
		for (; (n) != 0; (n)--, (a) += (line)) {                                           \
			op(a);                                                                     \
		}                                                                                  \
	} while (0)
#define CLEAN(a) dc(cvac, a)
#define CLEAN_INVAL(a) dc(civac, a)
#define ZERO(a) dc(zva, a)
/* Same address: the zeroing comes first (Arm ARM D7.5.8). */
#define ZERO_CLEAN(a)                                                                              \
	do {                                                                                       \
		dc(zva, a);                                                                        \
		dc(cvac, a);                                                                       \
	} while (0)

/* The lines that [*a, *a + size) touches; *a becomes the first. A count, so that nothing wraps. */
static uint64_t lines_of(uint64_t *a, uint64_t size, uint64_t *line)
{
	uint64_t into;

	*line = UINT64_C(4) << FIELD_GET(CTR_DMINLINE, sysreg_read(CTR_EL0));
	into = *a & (*line - 1);
	*a -= into;
	return size == 0 ? 0 : (into + size - 1) / *line + 1;
}

void arch_dcache_clean_poc(const void *start, uint64_t size)
{
	uint64_t a = (uint64_t)(uintptr_t)start;
	uint64_t line, n = lines_of(&a, size, &line);

	DC_LINES(CLEAN, a, n, line);
	dsb_sy(); /* the point of coherency has it all before a CPU with caches off may look */
}

void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	uint64_t a = (uint64_t)(uintptr_t)start;
	uint64_t line, n = lines_of(&a, size, &line);

	DC_LINES(CLEAN_INVAL, a, n, line);
	dsb_sy(); /* the point of coherency has it all before a CPU with caches off may look */
}

void arch_icache_inval_all(void)
{
	dsb_ish(); /* the new code is cleaned before fetches can take it in again */
	ic(ialluis);
	dsb_ish(); /* complete on all CPUs */
	isb();     /* what this CPU has fetched goes too */
}

/* Bytes that one DC ZVA zeroes, if [start, start + size) can be zeroed so; else 0. */
static uint64_t zva_block(const void *start, uint64_t size)
{
	uint64_t id = sysreg_read(DCZID_EL0);
	uint64_t block = UINT64_C(4) << FIELD_GET(DCZID_BS, id);

	if ((id & DCZID_DZP) != 0 || !IS_ALIGNED((uint64_t)(uintptr_t)start | size, block))
		return 0;
	return block;
}

/* DC ZVA faults on device memory: the MMU is on, and start is RAM. */
void arch_zero(void *start, uint64_t size)
{
	uint64_t block = zva_block(start, size);
	uint64_t a = (uint64_t)(uintptr_t)start;
	uint64_t n;

	if (block == 0) {
		memset(start, 0, size);
		return;
	}
	n = size / block;
	DC_LINES(ZERO, a, n, block);
}

/* Most of what a VM's start costs: so one loop where the two instructions agree on the size. */
void arch_scrub(void *start, uint64_t size)
{
	uint64_t a = (uint64_t)(uintptr_t)start;
	uint64_t line, n = lines_of(&a, size, &line);

	if (zva_block(start, size) != line) {
		arch_zero(start, size);
		arch_dcache_clean_poc(start, size);
		return;
	}
	DC_LINES(ZERO_CLEAN, a, n, line);
	dsb_sy(); /* the point of coherency has it all before a CPU with caches off may look */
}
