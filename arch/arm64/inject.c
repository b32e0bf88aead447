/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions into the loaded vCPU's EL1, as the CPU itself would take them (Arm ARM D1.3).
 */
#include <hyp/pcpu.h>
#include <hyp/trace.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>

#include <asm/sysreg.h>
#include <asm/trap.h>
#include <asm/vcpu_regs.h>

/* Vector offsets: same EL with SP_EL0, same EL with SP_ELx, lower EL AArch64, lower AArch32. */
static uint64_t vector_offset(uint64_t pstate)
{
	if (pstate & PSR_AARCH32) return 0x600;
	switch (pstate & PSR_M) {
	case PSR_M_EL1T: return 0x000;
	case PSR_M_EL1H: return 0x200;
	default: return 0x400;
	}
}

static bool from_el0(uint64_t pstate)
{
	return (pstate & PSR_AARCH32) != 0 || (pstate & PSR_M) == PSR_M_EL0T;
}

static void enter_el1(uint64_t esr)
{
	const struct vcpu *v = this_pcpu()->loaded;
	uint64_t pstate = sysreg_read(SPSR_EL2);
	uint64_t sctlr = sysreg_read(SCTLR_EL1);
	/* D1.3.1: flags kept, PAN kept or set by SCTLR.SPAN = 0, all else as at exception entry. */
	uint64_t next = (pstate & (PSR_NZCV | PSR_PAN)) | PSR_DAIF | PSR_M_EL1H;

	if (!(sctlr & SCTLR_SPAN) && FIELD_GET(GENMASK(23, 20), sysreg_read(ID_AA64MMFR1_EL1)))
		next |= PSR_PAN;
	trace_event(TRACE_INJECT, v->vm, v->id, esr, sysreg_read(ELR_EL2), sysreg_read(FAR_EL1));
	sysreg_write(ESR_EL1, esr);
	sysreg_write(ELR_EL1, sysreg_read(ELR_EL2));
	sysreg_write(SPSR_EL1, pstate);
	sysreg_write(ELR_EL2, sysreg_read(VBAR_EL1) + vector_offset(pstate));
	sysreg_write(SPSR_EL2, next);
}

void inject_undef(void)
{
	/* IL is 1 for this class, whatever the size of the instruction (D19.2.40). */
	enter_el1(FIELD_PREP(ESR_EC, EC_UNKNOWN) | ESR_IL);
}

void inject_abort(uint64_t esr, uint64_t va, bool walk)
{
	uint64_t pstate = sysreg_read(SPSR_EL2);
	uint64_t ec = FIELD_GET(ESR_EC, esr);
	uint64_t out = ESR_IL | (walk ? FSC_EXTERNAL_WALK : FSC_EXTERNAL);

	if (ec == EC_IABT_LOWER) {
		ec = from_el0(pstate) ? EC_IABT_LOWER : EC_IABT_SAME;
	} else {
		out |= esr & (ESR_WNR | ESR_CM);
		ec = from_el0(pstate) ? EC_DABT_LOWER : EC_DABT_SAME;
	}
	sysreg_write(FAR_EL1, va);
	enter_el1(out | FIELD_PREP(ESR_EC, ec));
}

void inject_serror(struct vcpu *v)
{
	trace_event(TRACE_INJECT, v->vm, v->id, FIELD_PREP(ESR_EC, EC_SERROR), sysreg_read(ELR_EL2),
	            0);
	vcpu_hcr_change(v, 0, HCR_VSE);
}
