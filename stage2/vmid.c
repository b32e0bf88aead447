/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMIDs by generation: a space's vmid_gen is good as long as its generation is the current one.
 * When the numbers run out a new generation begins; spaces that run somewhere keep their number.
 */
#include <arch/barrier.h>
#include <arch/tlb.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <string.h>
#include "pgtable.h"

/* 255 are more than there are VMs: the 16-bit form (VTCR_EL2.VS) would only cost a bigger map. */
#define VMID_MAX_BITS 8u
#define GEN_SHIFT 16u
#define VMID_MASK (BIT(GEN_SHIFT) - 1)

static struct vmids {
	spinlock_t lock;
	uint64_t generation;           /* << GEN_SHIFT; changed under lock, read without */
	unsigned count;                /* numbers 0 .. count-1; 0 is the empty root's */
	bool used[BIT(VMID_MAX_BITS)]; /* in this generation; lock */
	/* vmid_gen that CPU i runs with. Written by CPU i, and set to 0 by a roll-over. */
	uint64_t active[MAX_PCPUS];
	uint64_t reserved[MAX_PCPUS]; /* active at the last roll-over; lock */
} vmids;

void vmid_init(unsigned bits)
{
	vmids = (struct vmids){.lock = SPINLOCK_INIT(LOCK_VMID),
	                       .generation = BIT(GEN_SHIFT),
	                       .count = 1u << MIN(bits, VMID_MAX_BITS)};
}

/* Marks n; false if it was marked. */
static bool vmid_take(uint64_t n)
{
	bool was_free = !vmids.used[n];

	vmids.used[n] = true;
	return was_free;
}

static uint64_t vmid_find_free(void)
{
	uint64_t n = 1;

	while (n < vmids.count && !vmid_take(n)) n++;
	return n < vmids.count ? n : 0;
}

/*
 * New generation: what CPUs run with now stays taken. A CPU that finds its active entry zeroed
 * comes to vmid_slow(), so it cannot start to use an old number unseen.
 */
static void vmid_roll_over(void)
{
	memset(vmids.used, 0, sizeof(vmids.used));
	store_relaxed(&vmids.generation, vmids.generation + BIT(GEN_SHIFT));
	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		/* Fully ordered: after the new generation is there. */
		uint64_t was = atomic_exchange_full(&vmids.active[i], 0);

		/* 0: it has chosen nothing since the roll-over before, so still runs that. */
		if (was != 0) vmids.reserved[i] = was;
		(void)vmid_take(vmids.reserved[i] & VMID_MASK);
	}
	arch_tlb_all_vmids();
}

static uint64_t vmid_new(uint64_t old)
{
	uint64_t n = old & VMID_MASK;
	bool kept = false;

	for (unsigned i = 0; i < MAX_PCPUS; i++) {
		if (n != 0 && vmids.reserved[i] == old) {
			vmids.reserved[i] = vmids.generation | n;
			kept = true;
		}
	}
	if (kept || (n != 0 && vmid_take(n))) return vmids.generation | n;
	n = vmid_find_free();
	if (n == 0) {
		vmid_roll_over();
		n = vmid_find_free();
		CHECK(n != 0); /* there are more VMIDs than CPUs */
	}
	return vmids.generation | n;
}

static uint64_t vmid_slow(struct s2 *s, unsigned cpu)
{
	uint64_t id;

	spin_lock(&vmids.lock);
	id = s->vmid_gen;
	if ((id & ~VMID_MASK) != vmids.generation) {
		id = vmid_new(id);
		store_relaxed(&s->vmid_gen, id);
	}
	store_relaxed(&vmids.active[cpu], id);
	spin_unlock(&vmids.lock);
	dsb_ish(); /* vmid_gen is there before the guest's walks read descriptors: see pt_flush() */
	return id;
}

uint64_t s2_vttbr(struct s2 *s, unsigned cpu)
{
	uint64_t id = load_relaxed(&s->vmid_gen);
	uint64_t was = load_relaxed(&vmids.active[cpu]);

	/*
	 * The same space as before and no roll-over since: done. Another one: it takes the place
	 * unless a roll-over zeroes the entry at the same time; one that comes later sees it there.
	 */
	if (was == 0 || (was != id && ((id & ~VMID_MASK) != load_relaxed(&vmids.generation) ||
	                               !atomic_cas_full(&vmids.active[cpu], &was, id))))
		id = vmid_slow(s, cpu);
	return (id & VMID_MASK) << VTTBR_VMID_SHIFT | pa_raw(s->root);
}
