/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLB maintenance for stage 2, each with its full barrier sequence (Arm ARM D8.13, K13). The
 * caller has written the PTEs; these order those writes before the TLBI and complete before they
 * return. TLBI acts on the VMID in VTTBR_EL2, so the ones that name a VMID load it and switch back.
 */
#pragma once

#include <hyp/types.h>

/*
 * vttbr: VMID whose entries of these pages go, pages 0: of all, with the EMPTY root. Between the
 * two switches nothing is walked with the EL1 registers of whoever runs here (Cortex-A72 erratum
 * 1319367). All CPUs.
 */
void arch_tlb_s2(uint64_t vttbr, ipa_t start, uint64_t pages);
/* Every VMID, all CPUs, and all instruction caches: VMID roll-over. */
void arch_tlb_all_vmids(void);
/* Stage-1 entries and instruction cache of the current VMID on this CPU: another vCPU ran here. */
void arch_tlb_local_stage1(void);
/* VTTBR_EL2: the switch to a space, ISB included. Layer L7 and the TLB code only. */
void arch_vttbr_write(uint64_t vttbr);
