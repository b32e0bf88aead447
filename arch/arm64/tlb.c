/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLB maintenance (contract in include/arch/tlb.h), each with its whole sequence: DSB so that
 * walks see the descriptors, TLBI, DSB so that it is complete, ISB (Arm ARM D8.14.2, K13.5.3).
 */
#include <arch/barrier.h>
#include <arch/tlb.h>
#include <asm/sysreg.h>
#include <asm/maint.h>

void arch_vttbr_write(uint64_t vttbr)
{
	sysreg_write(VTTBR_EL2, vttbr);
	isb(); /* the new space before whatever walks, TLBI or ERET follows (D19.1.2) */
}

/*
 * TLBI acts on the VMID in VTTBR_EL2. IRQs are masked: nobody sees vttbr's in between. EL1
 * registers may be another VM's, and what is walked with them, even speculatively by AT, would be
 * kept under the borrowed VMID (Cortex-A72 erratum 1319367): with the MMU on and both EPD set
 * nothing is walked, until the own root is back.
 */
void arch_tlb_s2(uint64_t vttbr, ipa_t start, uint64_t pages)
{
	uint64_t own = sysreg_read(VTTBR_EL2), tcr = sysreg_read(TCR_EL1);
	uint64_t sctlr = sysreg_read(SCTLR_EL1);

	sysreg_write(TCR_EL1, tcr | BIT(7) | BIT(23)); /* EPD0, EPD1 */
	isb(); /* no walks before the MMU is on: it may have been off, and TTBRs be garbage */
	sysreg_write(SCTLR_EL1, sctlr | SCTLR_M);
	isb();
	dsb_ishst(); /* descriptor writes are seen by all walks before the TLBI */
	arch_vttbr_write(vttbr);
	for (uint64_t i = 0; i < pages; i++)
		tlbi_arg(ipas2e1is, (ipa_raw(start) >> PAGE_SHIFT) + i);
	if (pages == 0) {
		tlbi(vmalls12e1is);
	} else {
		/* Stage-2 entries are gone everywhere before the stage-1 ones made of them go. */
		dsb_ish();
		tlbi(vmalle1is); /* TLBs keep VA -> PA whole, and IPAS2E1 does not touch those */
	}
	dsb_ish(); /* complete on all CPUs before the caller makes or frees anything */
	isb();     /* and for this CPU's own later accesses */
	arch_vttbr_write(own);
	sysreg_write(SCTLR_EL1, sctlr);
	isb(); /* the MMU off, if it was, before there are walks */
	sysreg_write(TCR_EL1, tcr);
	isb();
}

void arch_tlb_all_vmids(void)
{
	dsb_ishst(); /* descriptor writes are seen by all walks before the TLBI */
	tlbi(alle1is);
	ic(ialluis); /* instruction caches may be tagged by VMID (D7.5.9) */
	dsb_ish();   /* complete on all CPUs before a VMID is used again */
	isb();       /* and for this CPU's own later accesses */
}

void arch_tlb_local_stage1(void)
{
	dsb_nshst(); /* this CPU's stores to tables are seen by its walks before the TLBI */
	tlbi(vmalle1);
	ic(iallu);
	dsb_nsh(); /* complete on this CPU before the next vCPU's first fetch */
	isb();     /* which must not use anything fetched before */
}
