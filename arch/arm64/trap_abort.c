/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stage-2 aborts of guests: the decision ladder (docs/architecture.md), MMIO emulation with and
 * without a syndrome.
 */
#include <hyp/gmem.h>
#include <hyp/mmio.h>
#include <hyp/vm.h>
#include <arch/barrier.h>

#include <asm/maint.h>
#include <asm/sysreg.h>
#include <asm/trap.h>

/* Stage-1 translation of va by the loaded guest's own tables; its PAR_EL1 is preserved. */
static bool guest_va_to_ipa(uint64_t va, uint64_t *out)
{
	uint64_t guest_par = sysreg_read(PAR_EL1), par;

	if (pstate_is_el0(sysreg_read(SPSR_EL2)))
		at(s1e0r, va);
	else
		at(s1e1r, va);
	isb(); /* AT completes before PAR_EL1 is read (D8.10) */
	par = sysreg_read(PAR_EL1);
	sysreg_write(PAR_EL1, guest_par);
	if (par & PAR_F) return false;
	*out = (par & PAR_PA) | (va & PAGE_MASK);
	return true;
}

static unsigned access_size(uint64_t esr) { return 1u << FIELD_GET(ESR_SAS, esr); }

/* r takes it. */
static enum trap_result mmio_syndrome(struct vcpu *v, uint64_t esr, uint64_t fipa,
                                      const struct mmio_region *r)
{
	unsigned size = access_size(esr), rt = (unsigned)FIELD_GET(ESR_SRT, esr);
	uint32_t off = (uint32_t)(fipa - r->base);
	enum mmio_result res;
	uint64_t val = 0;

	if (esr & ESR_WNR) {
		val = ldst_extend(vcpu_gpr_get(v, rt), size, false, true);
		return (enum trap_result)r->ops->write(v, r->dev, off, size, val);
	}
	res = r->ops->read(v, r->dev, off, size, &val);
	if (res == MMIO_OK)
		vcpu_gpr_set(v, rt, ldst_extend(val, size, esr & ESR_SSE, esr & ESR_SF));
	return (enum trap_result)res;
}

/* Pairs and write-back: nothing is written back unless every access succeeds. */
static enum trap_result mmio_decoded(struct vcpu *v, uint64_t far, uint64_t fipa)
{
	uint64_t pc = sysreg_read(ELR_EL2), pstate = sysreg_read(SPSR_EL2), pc_ipa, addr, first;
	bool sp_el1 = (pstate & PSR_M) == PSR_M_EL1H; /* PSTATE.SP chooses; EL0 and EL1t: SP_EL0 */
	struct ldst d;
	unsigned size;
	uint32_t insn;

	if ((pstate & PSR_AARCH32) || (pc & 3) || !guest_va_to_ipa(pc, &pc_ipa) ||
	    gmem_read(&v->vm->s2, ipa(pc_ipa), &insn, sizeof(insn)) != HYP_OK ||
	    !decode_ldst(insn, &d))
		return TRAP_ABORT;
	size = access_size(d.iss);
	addr = d.rn != 31 ? vcpu_gpr_get(v, d.rn)
	       : sp_el1   ? sysreg_read(SP_EL1)
	                  : sysreg_read(SP_EL0);
	if (!d.post) addr += (uint64_t)d.imm;
	/* The abort is for the first byte that faults: it has to be this instruction's first. */
	if (addr != far || (fipa & PAGE_MASK) + d.n * size > PAGE_SIZE) return TRAP_ABORT;
	first = vcpu_gpr_get(v, d.rt[0]);
	for (unsigned i = 0; i < d.n; i++, fipa += size) {
		const struct mmio_region *r = mmio_region(v, fipa, size);
		uint64_t iss = d.iss | FIELD_PREP(ESR_SRT, d.rt[i]);
		enum trap_result res = r ? mmio_syndrome(v, iss, fipa, r) : TRAP_ABORT;

		if (res == TRAP_ADVANCE) continue;
		vcpu_gpr_set(v, d.rt[0], first);
		return res;
	}
	if (d.post) addr += (uint64_t)d.imm;
	if (d.writeback && d.rn != 31)
		vcpu_gpr_set(v, d.rn, addr);
	else if (d.writeback && sp_el1)
		sysreg_write(SP_EL1, addr);
	else if (d.writeback)
		sysreg_write(SP_EL0, addr);
	return TRAP_ADVANCE;
}

/*
 * A translation fault in RAM: stage 2 has changed meanwhile. What is mapped by now is simply
 * accessed again. Nothing but RAM and the GICV pages is ever mapped for data.
 */
static bool mapped_meanwhile(struct vcpu *v, uint64_t esr, uint64_t fipa)
{
	struct s2_walk w;

	return fipa - v->vm->machine->ram_base < v->vm->cfg->memory &&
	       (FIELD_GET(ESR_FSC, esr) & FSC_TYPE) == FSC_TRANSLATION &&
	       s2_lookup(&v->vm->s2, ipa(fipa), &w) == HYP_OK;
}

/*
 * The ladder (docs/architecture.md), of data and of instruction aborts: nothing outside RAM can be
 * executed, emulated devices and holes abort alike. Not inline: the hot path needs no frame.
 */
__attribute__((noinline)) static enum trap_result abort_ladder(struct vcpu *v, uint64_t esr,
                                                               uint64_t far)
{
	uint64_t fsc = FIELD_GET(ESR_FSC, esr), fipa;
	bool data = FIELD_GET(ESR_EC, esr) == EC_DABT_LOWER;
	const struct mmio_region *r;

	if ((fsc & FSC_GROUP) == FSC_EXTERNAL) return trap_serror(v, esr); /* of the host's bus */
	if ((fsc & FSC_GROUP) != 0) return TRAP_ABORT; /* alignment and the like */
	if ((fsc & FSC_TYPE) == FSC_PERMISSION && !(esr & ESR_S1PTW)) {
		/* HPFAR_EL2 is UNKNOWN then (D19.2.57): the guest's tables are asked. */
		if (!data)
			return TRAP_ABORT; /* AT reads: it cannot tell an execute-only page's IPA */
		/* No: another vCPU changed them, and the access, repeated, faults in stage 1. */
		if (!guest_va_to_ipa(far, &fipa)) return TRAP_RESUME;
	} else {
		fipa = hpfar_ipa(far);
	}
	if (mapped_meanwhile(v, esr, fipa)) return TRAP_RESUME;
	/* Stage-1 tables in MMIO or outside RAM; instructions there. */
	if ((esr & ESR_S1PTW) || !data) return TRAP_ABORT;
	v->stats.nr_mmio++;
	if (!mmio_find(&v->vm->mmio, fipa, 1)) return TRAP_ABORT;
	if (esr & ESR_CM) return TRAP_ADVANCE; /* maintenance by address: no effect on a device */
	if (!(esr & ESR_ISV)) return mmio_decoded(v, far, fipa);
	r = mmio_region(v, fipa, access_size(esr));
	return r ? mmio_syndrome(v, esr, fipa, r) : TRAP_ABORT;
}

enum trap_result trap_abort(struct vcpu *v, uint64_t esr)
{
	uint64_t far = sysreg_read(FAR_EL2), fipa;
	const struct mmio_region *last = v->mmio_last;

	/*
	 * The hot path: most accesses go where the last one went. What a device takes is not RAM,
	 * so nothing of the ladder is missed. Instruction aborts have no ISV.
	 */
	if (last &&
	    (esr & (ESR_ISV | ESR_CM | ESR_S1PTW | FSC_TYPE)) == (ESR_ISV | FSC_TRANSLATION)) {
		fipa = hpfar_ipa(far);
		if (mmio_takes(last, fipa, access_size(esr))) {
			v->stats.nr_mmio++;
			return mmio_syndrome(v, esr, fipa, last);
		}
	}
	return abort_ladder(v, esr, far);
}
