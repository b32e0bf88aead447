/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structure offsets for assembly: compiled to text, turned into gen/asm_offsets.h, and verified
 * by the assertions below whenever this file is compiled (rule 10).
 */
#include <hyp/pcpu.h>
#include <hyp/vcpu.h>

#define OFFSET(sym, str, mem) __asm__ volatile("\n.ascii \"->" #sym " %0\"" ::"i"(offsetof(str, mem)))
#define VALUE(sym, val) __asm__ volatile("\n.ascii \"->" #sym " %0\"" ::"i"(val))

void asm_offsets(void);

void asm_offsets(void)
{
	OFFSET(PCPU_LOADED, struct pcpu, loaded);
	OFFSET(PCPU_STACK_TOP, struct pcpu, stack_top);
	OFFSET(PCPU_ID, struct pcpu, id);
	VALUE(PCPU_SIZE, sizeof(struct pcpu));
	OFFSET(VCPU_X, struct vcpu, arch.x);
	OFFSET(VCPU_WORK, struct vcpu, work);
	OFFSET(VCPU_FP, struct vcpu, arch.fp.v);
}

/* LDP/STP of x registers reach offsets below 512 (C6.2.164), entry.S relies on it. */
_Static_assert(offsetof(struct vcpu, arch.x) + 31 * 8 < 512, "GPRs in reach of STP");
