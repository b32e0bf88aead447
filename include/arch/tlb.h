/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLB maintenance for stage 2, each with its full barrier sequence (Arm ARM D8.13, K13). The
 * caller has written the PTEs; these order those writes before the TLBI and complete before they
 * return. TLBI acts on the VMID in VTTBR_EL2, so the ones that name a space switch VTTBR_EL2 and
 * back (with the empty root in between where speculative AT is an erratum).
 */
#pragma once

#include <hyp/types.h>

/* vttbr: VMID and root of the space whose entries go (VTTBR_EL2 layout). All CPUs. */
void arch_tlb_s2_range(uint64_t vttbr, ipa_t start, uint64_t pages);
void arch_tlb_s2_vmid(uint64_t vttbr);
/* Every VMID, all CPUs, and all instruction caches: VMID roll-over. */
void arch_tlb_all_vmids(void);
/* Stage-1 entries and instruction cache of the current VMID on this CPU: another vCPU ran here. */
void arch_tlb_local_stage1(void);
/* Valid new stage-2 entries become visible to table walks: DSB ISHST, no TLBI. */
void arch_tlb_s2_publish(void);
/* EL2's own map: after arch_mm_map() changed a live entry. All CPUs. */
void arch_tlb_el2_all(void);
