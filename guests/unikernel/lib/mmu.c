/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identity map, W^X, twice: uk_mmu_early() runs with the MMU off (no newlib here, strict alignment)
 * and maps all that RAM could be; uk_mmu_final() maps what there is, with guard pages.
 */
#include "internal.h"

/* Stage-1 descriptors, 4 KiB granule (Arm ARM D5.3). */
#define PTE_VALID (1ul << 0)
#define PTE_TABLE (1ul << 1) /* at level 3: page */
#define PTE_DEVICE (1ul << 2)
#define PTE_RO (2ul << 6)
#define PTE_ISH (3ul << 8)
#define PTE_AF (1ul << 10)
#define PTE_NG (1ul << 11)
#define PTE_PXN (1ul << 53)
#define PTE_UXN (1ul << 54)
#define PTE_ADDR 0x0000fffffffff000ul

#define MAP_RW (PTE_ISH | PTE_PXN)
#define MAP_RO (PTE_ISH | PTE_RO | PTE_PXN)
#define MAP_TEXT (PTE_ISH | PTE_RO)
#define MAP_DEV (PTE_DEVICE | PTE_PXN)
#define MAP_ANY (PTE_VALID | PTE_AF | PTE_NG | PTE_UXN)

#define GIB (1ul << 30)

/* QEMU virt: devices from the end of the flash to the start of RAM; page 0 stays unmapped. */
#define DEV_START 0x08000000ul
#define DEV_END 0x40000000ul
#define RAM_MAX (256 * GIB)

/* Root, devices, first GiB, image (7 MiB: up to 5 tables), and two to spare. */
#define NR_EARLY_TABLES 10u

static uint64_t early_tables[NR_EARLY_TABLES][512] __attribute__((aligned(4096)));
static unsigned nr_early_used;
static bool early_done;

static uint64_t *table_alloc(void)
{
	if (early_done) return uk_pages_alloc(1);
	if (nr_early_used == NR_EARLY_TABLES) return NULL;
	return early_tables[nr_early_used++];
}

static inline unsigned level_shift(unsigned level) { return 39 - 9 * level; }

/* Map [va, end) in blocks as large as fit; no descriptor is ever changed from valid to other. */
static bool map(uint64_t *root, uint64_t va, uint64_t end, uint64_t attr)
{
	while (va < end) {
		uint64_t *table = root;
		unsigned level = 1;

		for (;;) {
			uint64_t size = 1ul << level_shift(level);
			uint64_t *pte = &table[(va >> level_shift(level)) & 511];

			if (level == 3 ||
			    ((va & (size - 1)) == 0 && end - va >= size && *pte == 0)) {
				*pte = va | attr | MAP_ANY | (level == 3 ? PTE_TABLE : 0);
				va += size;
				break;
			}
			if (*pte == 0) {
				uint64_t *next = table_alloc();

				if (!next) return false;
				*pte = (uint64_t)next | PTE_TABLE | PTE_VALID;
			}
			table = (uint64_t *)(*pte & PTE_ADDR);
			level++;
		}
	}
	return true;
}

static bool map_image(uint64_t *root)
{
	return map(root, DEV_START, DEV_END, MAP_DEV) &&
	       map(root, (uint64_t)uk_image_start, (uint64_t)uk_text_end, MAP_TEXT) &&
	       map(root, (uint64_t)uk_text_end, (uint64_t)uk_rodata_end, MAP_RO);
}

uint64_t uk_mmu_early(void)
{
	uint64_t *root = table_alloc();
	uint64_t line = 4ul << ((sysreg_read(ctr_el0) >> 16) & 15); /* CTR_EL0.DminLine */

	if (!map_image(root) || !map(root, RAM_GUESS, (uint64_t)uk_image_start, MAP_RW) ||
	    !map(root, (uint64_t)uk_rodata_end, RAM_MAX, MAP_RW))
		for (;;) __asm__ volatile("wfi");
	/* What was written with caches off must not be hidden by clean lines from before. */
	for (uint64_t p = (uint64_t)uk_rodata_end; p < (uint64_t)uk_image_end; p += line)
		__asm__ volatile("dc civac, %0" : : "r"(p) : "memory");
	return (uint64_t)root;
}

/*
 * Every CPU's stacks lie at the top of RAM with a guard page under each; uk_mach and the page
 * allocator are ready. The early map stays in use for nothing after this.
 */
void uk_mmu_final(void)
{
	uint64_t ram_end = uk_mach.ram_base + uk_mach.ram_size;
	uint64_t main_size = uk_mach.ram_size / 64 & ~0xfffful;
	uint64_t exc_size = 16384, per_cpu, at;
	uint64_t *root;
	bool ok;

	main_size = main_size < 0x10000 ? 0x10000 : main_size > 0x100000 ? 0x100000 : main_size;
	per_cpu = main_size + exc_size + 2 * UK_PAGE_SIZE;
	at = (uint64_t)uk_pages_alloc(per_cpu * uk_mach.nr_cpus / UK_PAGE_SIZE);
	early_done = true;
	root = table_alloc();
	ok = at && root && map_image(root) &&
	     map(root, uk_mach.ram_base, (uint64_t)uk_image_start, MAP_RW) &&
	     map(root, (uint64_t)uk_rodata_end, at, MAP_RW);
	for (unsigned i = 0; ok && i < uk_mach.nr_cpus; i++, at += per_cpu) {
		struct cpu *cpu = &uk_cpus[i];
		uint64_t exc = at + UK_PAGE_SIZE, main = exc + exc_size + UK_PAGE_SIZE;

		ok = map(root, exc, exc + exc_size, MAP_RW) &&
		     map(root, main, main + main_size, MAP_RW);
		cpu_stacks_init(cpu, main + main_size, exc + exc_size);
		cpu->ttbr = (uint64_t)root | 1ul << 48; /* ASID 1 */
	}
	if (!ok || !map(root, at, ram_end, MAP_RW))
		uk_crash("out of memory for stacks and translation tables");
	uk_mmu_switch(uk_cpus[0].ttbr);
}
