/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structure offsets for assembly: compiled to text, turned into gen/asm_offsets.h, and verified
 * by the assertions below whenever this file is compiled (rule 10).
 */
#include <hyp/pcpu.h>
#include <hyp/panic.h>
#include <hyp/vcpu.h>

#include <asm/boot.h>

#define VALUE(sym, val) __asm__ volatile("\n.ascii \"->" #sym " %0\"" ::"i"(val))
#define OFFSET(sym, str, mem) VALUE(sym, offsetof(str, mem))

void asm_offsets(void);

void asm_offsets(void)
{
	OFFSET(PCPU_LOADED, struct pcpu, loaded);
	OFFSET(PCPU_STACK_TOP, struct pcpu, stack_top);
	OFFSET(EXC_X, struct exc_frame, x);
	VALUE(EXC_FRAME_SIZE, sizeof(struct exc_frame));
	VALUE(EMERGENCY_BELOW_TOP, STACK_SIZE + PAGE_SIZE);
	OFFSET(BOOT_SLOT_MPIDR, struct boot_slot, mpidr);
	OFFSET(BOOT_SLOT_STACK, struct boot_slot, stack_top);
	OFFSET(BOOT_SLOT_PCPU, struct boot_slot, pcpu);
	VALUE(STACK_AREA, STACK_AREA);
	OFFSET(VCPU_X, struct vcpu, arch.x);
}

_Static_assert(offsetof(struct exc_frame, sp) == offsetof(struct exc_frame, x[31]), "a pair");
/* LDP/STP of x registers reach offsets below 512 (C6.2.164), entry.S relies on it. */
_Static_assert(offsetof(struct vcpu, arch.x) + 31 * 8 < 512, "GPRs in reach of STP");
