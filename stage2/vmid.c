/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMIDs by generation: a space's vmid_gen is good as long as its generation is the current one.
 * When the numbers run out a new generation begins; spaces that run somewhere keep their number.
 */
#include <arch/barrier.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/s2.h>
#include <string.h>

#define GEN_SHIFT 16u
#define VMID_MASK (BIT(GEN_SHIFT) - 1)

static struct vmids {
	spinlock_t lock;
	uint64_t generation;          /* << GEN_SHIFT */
	unsigned count;               /* numbers 0 .. count-1; 0 is the empty root's */
	bool used[BIT(S2_VMID_BITS)]; /* in this generation */
	uint64_t active[MAX_PCPUS];   /* vmid_gen that CPU i runs with, or ran with last */
} vmids;

void vmid_init(unsigned bits)
{
	vmids = (struct vmids){.lock = SPINLOCK_INIT(LOCK_VMID),
	                       .generation = BIT(GEN_SHIFT),
	                       .count = 1u << MIN(bits, S2_VMID_BITS)};
}

static uint64_t vmid_find_free(void)
{
	uint64_t n = 1;

	while (n < vmids.count && vmids.used[n]) n++;
	return n < vmids.count ? n : 0;
}

/* New generation: what CPUs run with stays taken, and theirs. */
static void vmid_roll_over(void)
{
	memset(vmids.used, 0, sizeof(vmids.used));
	vmids.generation += BIT(GEN_SHIFT);
	for (unsigned i = 0; i < MAX_PCPUS; i++) vmids.used[vmids.active[i] & VMID_MASK] = true;
	arch_tlb_all_vmids();
}

static uint64_t vmid_new(uint64_t old)
{
	uint64_t n = old & VMID_MASK;
	bool runs = false;

	/* One that ran somewhere through the roll-overs since keeps its number. */
	for (unsigned i = 0; n != 0 && i < MAX_PCPUS; i++) {
		if (vmids.active[i] == old) {
			vmids.active[i] = vmids.generation | n;
			runs = true;
		}
	}
	if (!runs && (n == 0 || vmids.used[n])) n = vmid_find_free();
	if (n == 0) {
		vmid_roll_over();
		n = vmid_find_free();
		CHECK(n != 0); /* there are more VMIDs than CPUs */
	}
	vmids.used[n] = true;
	return vmids.generation | n;
}

uint64_t s2_vttbr(struct s2 *s, unsigned cpu)
{
	uint64_t id;

	spin_lock(&vmids.lock);
	id = s->vmid_gen;
	if ((id & ~VMID_MASK) != vmids.generation) {
		id = vmid_new(id);
		store_relaxed(&s->vmid_gen, id);
		/* Before the guest's walks read descriptors: see pt_flush(). */
		dsb_ish();
	}
	vmids.active[cpu] = id;
	spin_unlock(&vmids.lock);
	return (id & VMID_MASK) << VTTBR_VMID_SHIFT | pa_raw(s->root);
}
