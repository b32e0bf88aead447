/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache maintenance by address (contract in include/arch/cache.h) and zeroing by DC ZVA.
 */
#include <arch/barrier.h>
#include <arch/cache.h>
#include <asm/sysreg.h>

/* CTR_EL0.DminLine: log2 of the smallest data line in 4-byte words (Arm ARM D19.2.34). */
#define CTR_DMINLINE GENMASK(19, 16)
/* DCZID_EL0 (D19.2.36): prohibited; log2 of the block in 4-byte words. */
#define DCZID_DZP BIT(4)
#define DCZID_BS GENMASK(3, 0)

static uint64_t line_size(void)
{
	return UINT64_C(4) << FIELD_GET(CTR_DMINLINE, sysreg_read(CTR_EL0));
}

/* Lines as a count, so that a range at the end of the address space does not wrap. */
static uint64_t lines_of(const void *start, uint64_t size, uint64_t line)
{
	uint64_t into = (uint64_t)(uintptr_t)start & (line - 1);

	return size == 0 ? 0 : (into + size - 1) / line + 1;
}

void arch_dcache_clean_poc(const void *start, uint64_t size)
{
	uint64_t line = line_size();
	uint64_t a = ALIGN_DOWN((uint64_t)(uintptr_t)start, line);

	for (uint64_t n = lines_of(start, size, line); n != 0; n--, a += line) {
		__asm__ volatile("dc cvac, %0" ::"r"(a) : "memory");
	}
	dsb_sy(); /* the point of coherency has it all before a CPU with caches off may look */
}

void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	uint64_t line = line_size();
	uint64_t a = ALIGN_DOWN((uint64_t)(uintptr_t)start, line);

	for (uint64_t n = lines_of(start, size, line); n != 0; n--, a += line) {
		__asm__ volatile("dc civac, %0" ::"r"(a) : "memory");
	}
	dsb_sy(); /* the point of coherency has it all before a CPU with caches off may look */
}

void arch_icache_inval_all(void)
{
	dsb_ish(); /* the new code is cleaned before fetches can take it in again */
	__asm__ volatile("ic ialluis" ::: "memory");
	dsb_ish(); /* complete on all CPUs */
	isb();     /* what this CPU has fetched goes too */
}

/* DC ZVA faults on device memory: the MMU is on, and start is RAM. */
void arch_zero(void *start, uint64_t size)
{
	uint64_t id = sysreg_read(DCZID_EL0);
	uint64_t block = UINT64_C(4) << FIELD_GET(DCZID_BS, id);
	uint64_t a = (uint64_t)(uintptr_t)start;
	uint64_t end = a + size;

	if ((id & DCZID_DZP) == 0 && IS_ALIGNED(a | size, block)) {
		for (; a < end; a += block) {
			__asm__ volatile("dc zva, %0" ::"r"(a) : "memory");
		}
		return;
	}
	for (; a < end; a += 16) {
		__asm__ volatile("stp xzr, xzr, [%0]" ::"r"(a) : "memory");
	}
}
