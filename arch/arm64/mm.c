/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's translation tables: flat but for windows, 48-bit, 4 KiB granule, from a pool in .bss.
 * Entries are only ever added, so no break-before-make is needed (Arm ARM D8.13.1).
 */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/pte.h>
#include <hyp/check.h>
#include <hyp/host.h>

#include <asm/boot.h>
#include <asm/sysreg.h>

/*
 * Stage-1 descriptors of the EL2 regime (D8.3). VALID, table or page, AF, SH, XN and the address
 * are where stage 2 has them. AP[1] is RES1: one privilege level.
 */
#define S1_DEVICE (PTE_VALID | S2_PTE_AF | BIT(6) | S2_PTE_XN) /* attribute 0 */
#define S1_NORMAL                                                                                  \
	(PTE_VALID | S2_PTE_AF | BIT(6) | FIELD_PREP(S2_PTE_SH, S2_SH_INNER) | S1_ATTR_NORMAL)
#define S1_ATTR_NORMAL BIT(2) /* attribute 1 */
#define S1_RO BIT(7)
#define S1_TABLE (PTE_VALID | PTE_TYPE_TABLE)

static uint64_t window_va = BIT(48); /* each window lies below the one before */

/* 8 banks and 32 reserved ranges with ragged ends in the worst case; a Pi takes 20. */
#define POOL_TABLES 128u
static uint64_t tables[POOL_TABLES][512] __attribute__((aligned(4096))); /* [0]: the root */
static unsigned tables_used = 1;

struct mm_regs mm_regs;
uint8_t cpu_stacks[MAX_PCPUS][STACK_AREA] __attribute__((aligned(4096)));

#define MM_HOLE 4 /* invalid, but not free: stays unmapped when RAM is filled in */
static const uint64_t attr_bits[] = {
    [MM_RW] = S1_NORMAL | S2_PTE_XN,
    [MM_RO] = S1_NORMAL | S1_RO | S2_PTE_XN,
    [MM_RX] = S1_NORMAL | S1_RO,
    [MM_DEVICE] = S1_DEVICE,
    [MM_HOLE] = BIT(2),
};

/*
 * The entry of `at` that covers 1 << *shift bytes, with the tables above it; or above or below
 * that, where there is a block or a table already: *shift is what it covers. NULL: the pool is
 * empty.
 */
static uint64_t *entry_of(uint64_t at, unsigned *shift)
{
	uint64_t *t = tables[0];

	for (unsigned s = 39;; s -= 9) { /* level 0; 30, 21, 12 */
		uint64_t *e = &t[(at >> s) & 511];

		if (*e == 0 && s > *shift) {
			if (tables_used == POOL_TABLES) return NULL;
			*e = (uint64_t)(uintptr_t)tables[tables_used++] | S1_TABLE;
		}
		if (s == PAGE_SHIFT || (*e & S1_TABLE) != S1_TABLE) {
			*shift = s;
			return e;
		}
		t = (uint64_t *)(uintptr_t)(*e & PTE_ADDR_MASK);
	}
}

/*
 * Flat map of the pages that [at, at + size) touches, as far as the CPU can address them, in the
 * largest blocks. What is there already stays; unless fill it has to be the same: else EEXIST.
 */
static enum hyp_err map_range(uint64_t at, uint64_t size, unsigned attr, bool fill)
{
	uint64_t limit = BIT(arch_pa_bits()), end = at < limit ? at + MIN(size, limit - at) : at;

	end = ALIGN_UP(end, PAGE_SIZE);
	at = ALIGN_DOWN(at, PAGE_SIZE);
	while (at < end) {
		unsigned fit = 30, shift;
		uint64_t *e, want;

		while (!IS_ALIGNED(at, BIT(fit)) || end - at < BIT(fit)) fit -= 9;
		shift = fit;
		e = entry_of(at, &shift);
		if (e == NULL) return HYP_ENOMEM;
		want = at | attr_bits[attr] | (shift == PAGE_SHIFT ? PTE_TYPE_TABLE : 0);
		if (*e == 0)
			*e = want;
		else if (!fill && (shift > fit || *e != want))
			return HYP_EEXIST;
		at = (at | (BIT(shift) - 1)) + 1;
	}
	dsb_ishst(); /* entries are visible to walks ... */
	isb();       /* ... of the next instructions (D8.2.6) */
	return HYP_OK;
}

static enum hyp_err map_own(const uint8_t *from, const uint8_t *to, unsigned attr, bool fill)
{
	return map_range((uintptr_t)from, (uintptr_t)to - (uintptr_t)from, attr, fill);
}

static enum hyp_err map_image(void)
{
	TRY(map_range(0, PAGE_SIZE, MM_HOLE, false));
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		const uint8_t *low = cpu_stacks[i], *mid = low + PAGE_SIZE + EMERGENCY_STACK_SIZE;

		TRY(map_own(low, low + PAGE_SIZE, MM_HOLE, false));
		TRY(map_own(mid, mid + PAGE_SIZE, MM_HOLE, false));
	}
	TRY(map_own(image_start, text_end, MM_RX, false));
	TRY(map_own(text_end, rodata_end, MM_RO, false));
	return map_own(rodata_end, image_end, MM_RW, true); /* around the guard pages */
}

enum hyp_err arch_mm_map(pa_t at, uint64_t size, enum mm_attr attr)
{
	uint64_t limit = BIT(arch_pa_bits());

	if (size == 0 || pa_raw(at) >= limit || size > limit - pa_raw(at)) return HYP_ERANGE;
	return map_range(pa_raw(at), size, attr, false);
}

enum hyp_err arch_mm_boot(const void *fdt, uint64_t fdt_size, pa_t uart)
{
	uint64_t ps = id_field(ID_AA64MMFR0_EL1, 0);

	mm_regs = (struct mm_regs){
	    /* Attribute 0 device nGnRE, 1 normal write-back read/write-allocate (D19.2.101). */
	    .mair = 0xff04,
	    /* RES1, walks inner shareable write-back, 4 KiB, T0SZ = 16; PS, 5: 48 (D19.2.144). */
	    .tcr = UINT64_C(0x80803510) | MIN(ps, UINT64_C(5)) << 16,
	    .ttbr0 = (uint64_t)(uintptr_t)tables[0],
	    /* RES1 (bits 29 28 23 22 18 16 11 5 4), WXN, I, SA, C, M (D19.2.120). */
	    .sctlr = 0x30cd183d,
	};
	TRY(map_image());
	TRY(arch_mm_map(uart, 1, MM_DEVICE));
	return fdt_size == 0 ? HYP_OK : arch_mm_map(ptr_to_pa(fdt), fdt_size, MM_RO);
}

enum hyp_err arch_mm_init(const struct host *h)
{
	if (h->initrd.size != 0) TRY(arch_mm_map(h->initrd.base, h->initrd.size, MM_RO));
	/* In what order and how they overlap does not matter: what comes first stays. */
	for (unsigned i = 0; i < h->nr_reserved; i++)
		TRY(map_range(pa_raw(h->reserved[i].base), h->reserved[i].size, MM_HOLE, true));
	for (unsigned i = 0; i < h->nr_ram; i++)
		TRY(map_range(pa_raw(h->ram[i].base), h->ram[i].size, MM_RW, true));
	return HYP_OK;
}

bool arch_mm_next(pa_t *at, uint64_t *size)
{
	unsigned shift = 48;
	uint64_t a = pa_raw(*at);

	for (; a < BIT(arch_pa_bits()); a = (a | (BIT(shift) - 1)) + 1) {
		shift = 48; /* no new tables */
		uint64_t e = *entry_of(a, &shift);

		if ((e & PTE_VALID) != 0 && (e & S1_ATTR_NORMAL) != 0) break;
	}
	*at = pa(a);
	*size = BIT(shift);
	return a < BIT(arch_pa_bits());
}

void *mm_window(pa_t page)
{
	unsigned shift = PAGE_SHIFT;
	uint64_t *e = entry_of(window_va -= PAGE_SIZE, &shift);

	CHECK(e != NULL && shift == PAGE_SHIFT);
	*e = ALIGN_DOWN(pa_raw(page), PAGE_SIZE) | attr_bits[MM_RW] | PTE_TYPE_TABLE;
	dsb_ishst(); /* as in map_range() */
	isb();
	return (void *)(uintptr_t)(window_va | (pa_raw(page) & PAGE_MASK));
}
