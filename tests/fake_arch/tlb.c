/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fake arch: TLB maintenance is logged and acts on a software TLB (fake.h); descriptor writes are
 * logged, and one that changes a valid descriptor into another valid one panics.
 */
#include <stdio.h>
#include <string.h>

#include <arch/mm.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <hyp/check.h>
#include "fake.h"

uint64_t fake_vttbr;

#define NR_ENTRIES 65536u
static struct {
	bool used;
	uint8_t level;
	uint16_t vmid;
	uint64_t base, desc;
} tlb[NR_ENTRIES];

static unsigned level_shift(unsigned level) { return 12 + 9 * (3 - level); }

/* The slot for a key. Another key may live there: then it is evicted, which a TLB may always do. */
static unsigned slot_of(uint16_t vmid, unsigned level, uint64_t base)
{
	uint64_t h = (base >> level_shift(level)) * 3 + level + (uint64_t)vmid * 7919;

	return (unsigned)(h % NR_ENTRIES);
}

static bool cached(uint16_t vmid, unsigned level, uint64_t base, unsigned *slot)
{
	unsigned i = slot_of(vmid, level, base);

	*slot = i;
	return tlb[i].used && tlb[i].vmid == vmid && tlb[i].level == level && tlb[i].base == base;
}

static bool is_leaf(uint64_t desc, unsigned level)
{
	return ((desc & PTE_TYPE_TABLE) != 0) == (level == 3);
}

bool fake_tlb_translate(uint64_t vttbr, ipa_t a, struct fake_tlb_hit *out)
{
	uint16_t vmid = (uint16_t)(vttbr >> VTTBR_VMID_SHIFT);
	uint64_t table = vttbr & VTTBR_BADDR_MASK;
	uint64_t desc = 0;
	unsigned level, i;
	bool hit = false;

	/* A cached leaf wins over everything in memory. */
	for (level = 3; level >= 1 && !hit; level--) {
		hit = cached(vmid, level, ALIGN_DOWN(a.raw, BIT(level_shift(level))), &i) &&
		      is_leaf(tlb[i].desc, level);
		if (hit) {
			desc = tlb[i].desc;
			break;
		}
	}
	for (unsigned l = 1; !hit && l <= 3; l++) {
		unsigned shift = level_shift(l);
		uint64_t base = ALIGN_DOWN(a.raw, BIT(shift));
		uint64_t index = l == 1 ? a.raw >> shift : (a.raw >> shift) & 511;

		if (cached(vmid, l, base, &i)) {
			desc = tlb[i].desc;
		} else {
			desc = ((const uint64_t *)pa_to_ptr(pa(table)))[index];
			if ((desc & PTE_VALID) == 0) return false;
			tlb[i].used = true;
			tlb[i].level = (uint8_t)l;
			tlb[i].vmid = vmid;
			tlb[i].base = base;
			tlb[i].desc = desc;
		}
		level = l;
		hit = is_leaf(desc, l);
		table = desc & PTE_ADDR_MASK;
	}
	if (!hit) panic("walk: reserved descriptor 0x%llx at level 3", (unsigned long long)desc);
	out->desc = desc;
	out->level = level;
	out->pa = pa((desc & PTE_ADDR_MASK & ~(BIT(level_shift(level)) - 1)) |
	             (a.raw & (BIT(level_shift(level)) - 1)));
	return true;
}

bool fake_tlb_refers(pa_t table)
{
	for (unsigned i = 0; i < NR_ENTRIES; i++)
		if (tlb[i].used && !is_leaf(tlb[i].desc, tlb[i].level) &&
		    (tlb[i].desc & PTE_ADDR_MASK) == table.raw)
			return true;
	return false;
}

void fake_tlb_reset(void) { memset(tlb, 0, sizeof(tlb)); }

void pte_store(uint64_t *pte, uint64_t desc)
{
	pa_t at = ptr_to_pa(pte);

	fake_logf("pte table=0x%llx idx=%u old=0x%llx new=0x%llx",
	          (unsigned long long)ALIGN_DOWN(at.raw, PAGE_SIZE),
	          (unsigned)(at.raw % PAGE_SIZE / 8), (unsigned long long)*pte,
	          (unsigned long long)desc);
	if ((*pte & PTE_VALID) != 0 && (desc & PTE_VALID) != 0 && *pte != desc) {
		panic("no break before make: 0x%llx -> 0x%llx", (unsigned long long)*pte,
		      (unsigned long long)desc);
	}
	*pte = desc;
}

void arch_tlb_s2(uint64_t vttbr, ipa_t start, uint64_t pages)
{
	uint16_t vmid = (uint16_t)(vttbr >> VTTBR_VMID_SHIFT);
	unsigned slot;

	if (pages == 0) {
		fake_logf("tlbi vmid=%u", vmid);
		for (unsigned i = 0; i < NR_ENTRIES; i++)
			tlb[i].used = tlb[i].used && tlb[i].vmid != vmid;
		return;
	}
	fake_logf("tlbi range vmid=%u ipa=0x%llx pages=%llu", vmid, (unsigned long long)start.raw,
	          (unsigned long long)pages);
	for (uint64_t i = 0; i < pages; i++) {
		for (unsigned l = 1; l <= 3; l++) {
			uint64_t a = start.raw + i * PAGE_SIZE;

			if (cached(vmid, l, ALIGN_DOWN(a, BIT(level_shift(l))), &slot))
				tlb[slot].used = false;
		}
	}
}

void arch_tlb_all_vmids(void)
{
	fake_log_token("tlbi all");
	fake_tlb_reset();
}

/* Stage-2 entries may stay: it is for stage 1 and instruction caches. */
void arch_tlb_local_stage1(void) { fake_log_token("tlbi local"); }

void arch_vttbr_write(uint64_t vttbr)
{
	fake_logf("vttbr vmid=%u root=0x%llx", (unsigned)(vttbr >> VTTBR_VMID_SHIFT),
	          (unsigned long long)(vttbr & VTTBR_BADDR_MASK));
	fake_vttbr = vttbr;
}
