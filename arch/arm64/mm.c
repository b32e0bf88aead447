/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's translation tables: flat, 48-bit, 4 KiB granule, from a pool in .bss. Entries are only
 * ever added, so no break-before-make is needed (Arm ARM D8.13.1); the one window is the exception.
 */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/mm.h>
#include <arch/tlb.h>
#include <hyp/check.h>
#include <hyp/host.h>

#include <asm/boot.h>
#include <asm/sysreg.h>

/* Stage-1 descriptors of the EL2 regime (D8.3). */
#define S1_VALID BIT(0)
#define S1_TABLE BIT(1) /* level 3: page */
#define S1_ATTR(n) FIELD_PREP(GENMASK(4, 2), n)
#define S1_AP_RES1 BIT(6) /* AP[1], one privilege level */
#define S1_RO BIT(7)
#define S1_SH_INNER FIELD_PREP(GENMASK(9, 8), 3u)
#define S1_AF BIT(10)
#define S1_XN BIT(54)
#define S1_ADDR GENMASK(47, 12)
/* Invalid, but not free: a page that is to stay unmapped when RAM is filled in. */
#define S1_HOLE BIT(2)

/* MAIR_EL2: attribute 0 device nGnRE, 1 normal write-back read/write-allocate (D19.2.101). */
#define ATTR_DEVICE 0u
#define ATTR_NORMAL 1u
#define MAIR_VALUE UINT64_C(0xff04)
/* TCR_EL2: T0SZ = 16, walks inner shareable write-back, 4 KiB (D19.2.144). PS is added. */
#define TCR_VALUE (BIT(31) | BIT(23) | (UINT64_C(3) << 12) | BIT(10) | BIT(8) | 16)
#define TCR_PS_SHIFT 16

#define VA_BITS 48u
#define WINDOW_VA (BIT(VA_BITS) - PAGE_SIZE)

/* 8 banks and 32 reserved ranges with ragged ends in the worst case; a Pi takes 20. */
#define POOL_TABLES 128u
static uint64_t tables[POOL_TABLES][512] __attribute__((aligned(4096))); /* [0]: the root */
static unsigned tables_used = 1;

struct mm_regs mm_regs;
uint8_t cpu_stacks[MAX_PCPUS][STACK_AREA] __attribute__((aligned(4096)));

static const uint64_t attr_bits[] = {
    [MM_RW] = S1_ATTR(ATTR_NORMAL) | S1_SH_INNER | S1_XN,
    [MM_RO] = S1_ATTR(ATTR_NORMAL) | S1_SH_INNER | S1_XN | S1_RO,
    [MM_RX] = S1_ATTR(ATTR_NORMAL) | S1_SH_INNER | S1_RO,
    [MM_DEVICE] = S1_ATTR(ATTR_DEVICE) | S1_XN,
};
#define MM_HOLE 4 /* stays unmapped */

/* What is there already: EEXIST unless it is the same, or it stays. */
enum map_mode { MAP_NEW, MAP_FILL };

static uint64_t leaf(uint64_t at, unsigned attr, bool page)
{
	if (attr == MM_HOLE) return S1_HOLE;
	return at | attr_bits[attr] | S1_AP_RES1 | S1_AF | S1_VALID | (page ? S1_TABLE : 0);
}

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
			*e = (uint64_t)(uintptr_t)tables[tables_used++] | S1_TABLE | S1_VALID;
		}
		if (s == PAGE_SHIFT || (*e & (S1_TABLE | S1_VALID)) != (S1_TABLE | S1_VALID)) {
			*shift = s;
			return e;
		}
		t = (uint64_t *)(uintptr_t)(*e & S1_ADDR);
	}
}

/* Flat map of [at, end), both page-aligned, in the largest blocks. */
static enum hyp_err map_range(uint64_t at, uint64_t end, unsigned attr, enum map_mode mode)
{
	while (at < end) {
		unsigned fit = 30, shift;
		uint64_t *e, want;

		while (!IS_ALIGNED(at, BIT(fit)) || end - at < BIT(fit)) fit -= 9;
		shift = fit;
		e = entry_of(at, &shift);
		if (e == NULL) return HYP_ENOMEM;
		want = leaf(at, attr, shift == PAGE_SHIFT);
		if (*e == 0)
			*e = want;
		else if (mode == MAP_NEW && (shift > fit || *e != want))
			return HYP_EEXIST;
		at = (at | (BIT(shift) - 1)) + 1;
	}
	return HYP_OK;
}

static uint64_t at_of(const void *p) { return (uint64_t)(uintptr_t)p; }

static enum hyp_err make_hole(const void *page)
{
	return map_range(at_of(page), at_of(page) + PAGE_SIZE, MM_HOLE, MAP_NEW);
}

static enum hyp_err map_image(void)
{
	TRY(make_hole(NULL));
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		TRY(make_hole(cpu_stacks[i]));
		TRY(make_hole(cpu_stacks[i] + PAGE_SIZE + EMERGENCY_STACK_SIZE));
	}
	TRY(map_range(at_of(image_start), at_of(text_end), MM_RX, MAP_NEW));
	TRY(map_range(at_of(text_end), at_of(rodata_end), MM_RO, MAP_NEW));
	/* Around the guard pages. */
	return map_range(at_of(rodata_end), at_of(image_end), MM_RW, MAP_FILL);
}

enum hyp_err arch_mm_map(pa_t at, uint64_t size, enum mm_attr attr)
{
	uint64_t start = ALIGN_DOWN(pa_raw(at), PAGE_SIZE), limit = BIT(arch_pa_bits());
	enum hyp_err err;

	if (size == 0 || pa_raw(at) >= limit || size > limit - pa_raw(at)) return HYP_ERANGE;
	err = map_range(start, ALIGN_UP(pa_raw(at) + size, PAGE_SIZE), attr, MAP_NEW);
	dsb_ishst(); /* entries are visible to walks ... */
	isb();       /* ... of the next instructions (D8.2.6) */
	return err;
}

enum hyp_err arch_mm_boot(const void *fdt, uint64_t fdt_size, pa_t uart)
{
	uint64_t ps = sysreg_read(ID_AA64MMFR0_EL1) & 0xf;

	mm_regs = (struct mm_regs){
	    .mair = MAIR_VALUE,
	    .tcr = TCR_VALUE | MIN(ps, UINT64_C(5)) << TCR_PS_SHIFT, /* 5: 48 bits */
	    .ttbr0 = (uint64_t)(uintptr_t)tables[0],
	    .sctlr = SCTLR_EL2_RES1 | SCTLR_M | SCTLR_C | SCTLR_SA | SCTLR_I | SCTLR_WXN,
	};
	TRY(map_image());
	TRY(arch_mm_map(uart, 1, MM_DEVICE));
	return fdt_size == 0 ? HYP_OK : arch_mm_map(ptr_to_pa(fdt), fdt_size, MM_RO);
}

/* Page-aligned, and within what the CPU can address. */
static enum hyp_err map_host(const struct host_range *r, unsigned attr)
{
	uint64_t limit = BIT(arch_pa_bits()), at = MIN(pa_raw(r->base), limit);
	uint64_t end = at + MIN(r->size, limit - at);

	return map_range(ALIGN_DOWN(at, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE), attr, MAP_FILL);
}

enum hyp_err arch_mm_init(const struct host *h)
{
	if (h->initrd.size != 0) TRY(arch_mm_map(h->initrd.base, h->initrd.size, MM_RO));
	/* In what order and how they overlap does not matter: what comes first stays. */
	for (unsigned i = 0; i < h->nr_reserved; i++) TRY(map_host(&h->reserved[i], MM_HOLE));
	for (unsigned i = 0; i < h->nr_ram; i++) TRY(map_host(&h->ram[i], MM_RW));
	dsb_ishst(); /* as in arch_mm_map() */
	isb();
	return HYP_OK;
}

void *mm_window(pa_t page)
{
	unsigned shift = PAGE_SHIFT;
	uint64_t *e = entry_of(WINDOW_VA, &shift);

	CHECK(e != NULL && shift == PAGE_SHIFT);
	*e = 0;
	arch_tlb_el2_all(); /* break ... */
	*e = leaf(ALIGN_DOWN(pa_raw(page), PAGE_SIZE), MM_RW, true);
	dsb_ishst(); /* ... before make */
	isb();
	return (void *)(uintptr_t)(WINDOW_VA | (pa_raw(page) & PAGE_MASK));
}
