/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU context switch: everything a guest can see of this CPU, to memory and back, in the order
 * that the errata ask for (docs/errata.md).
 */
#include <hyp/pcpu.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>
#include <hyp/vtimer.h>
#include <arch/barrier.h>
#include <arch/pte.h>
#include <arch/tlb.h>

#include <asm/sysreg.h>
#include <asm/vcpu_regs.h>

/* One line per register of enum vcpu_sr but SCTLR_EL1: X(index, name). */
#define FOR_EACH_SR(X)                                                                             \
	X(SR_SP_EL0, SP_EL0)                                                                       \
	X(SR_SP_EL1, SP_EL1)                                                                       \
	X(SR_ELR_EL1, ELR_EL1)                                                                     \
	X(SR_SPSR_EL1, SPSR_EL1)                                                                   \
	X(SR_CPACR_EL1, CPACR_EL1)                                                                 \
	X(SR_TTBR0_EL1, TTBR0_EL1)                                                                 \
	X(SR_TTBR1_EL1, TTBR1_EL1)                                                                 \
	X(SR_TCR_EL1, TCR_EL1)                                                                     \
	X(SR_ESR_EL1, ESR_EL1)                                                                     \
	X(SR_AFSR0_EL1, AFSR0_EL1)                                                                 \
	X(SR_AFSR1_EL1, AFSR1_EL1)                                                                 \
	X(SR_FAR_EL1, FAR_EL1)                                                                     \
	X(SR_MAIR_EL1, MAIR_EL1)                                                                   \
	X(SR_AMAIR_EL1, AMAIR_EL1)                                                                 \
	X(SR_VBAR_EL1, VBAR_EL1)                                                                   \
	X(SR_CONTEXTIDR_EL1, CONTEXTIDR_EL1)                                                       \
	X(SR_TPIDR_EL0, TPIDR_EL0)                                                                 \
	X(SR_TPIDRRO_EL0, TPIDRRO_EL0)                                                             \
	X(SR_TPIDR_EL1, TPIDR_EL1)                                                                 \
	X(SR_CNTKCTL_EL1, CNTKCTL_EL1)                                                             \
	X(SR_PAR_EL1, PAR_EL1)                                                                     \
	X(SR_CSSELR_EL1, CSSELR_EL1)

/* DBG<B|W><V|C>R<n>_EL1 need constant numbers: one line per n. */
#define FOR_EACH_DBG(X)                                                                            \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static unsigned nr_brps(void)
{
	return (unsigned)FIELD_GET(GENMASK(15, 12), sysreg_read(ID_AA64DFR0_EL1)) + 1;
}

static unsigned nr_wrps(void)
{
	return (unsigned)FIELD_GET(GENMASK(23, 20), sysreg_read(ID_AA64DFR0_EL1)) + 1;
}

static void debug_save(struct arch_vcpu_debug *d)
{
	unsigned brps = nr_brps(), wrps = nr_wrps();

	d->mdscr = sysreg_read(MDSCR_EL1);
#define SAVE(n)                                                                                    \
	if ((n) < brps) {                                                                          \
		d->bvr[n] = sysreg_read(DBGBVR##n##_EL1);                                          \
		d->bcr[n] = sysreg_read(DBGBCR##n##_EL1);                                          \
	}                                                                                          \
	if ((n) < wrps) {                                                                          \
		d->wvr[n] = sysreg_read(DBGWVR##n##_EL1);                                          \
		d->wcr[n] = sysreg_read(DBGWCR##n##_EL1);                                          \
	}
	FOR_EACH_DBG(SAVE)
#undef SAVE
}

static void debug_load(const struct arch_vcpu_debug *d)
{
	unsigned brps = nr_brps(), wrps = nr_wrps();

#define LOAD(n)                                                                                    \
	if ((n) < brps) {                                                                          \
		sysreg_write(DBGBVR##n##_EL1, d->bvr[n]);                                          \
		sysreg_write(DBGBCR##n##_EL1, d->bcr[n]);                                          \
	}                                                                                          \
	if ((n) < wrps) {                                                                          \
		sysreg_write(DBGWVR##n##_EL1, d->wvr[n]);                                          \
		sysreg_write(DBGWCR##n##_EL1, d->wcr[n]);                                          \
	}
	FOR_EACH_DBG(LOAD)
#undef LOAD
	sysreg_write(MDSCR_EL1, d->mdscr);
}

void vcpu_debug_take(struct vcpu *v)
{
	v->arch.debug.owned = true;
	debug_load(&v->arch.debug);
	sysreg_write(MDCR_EL2, vcpu_mdcr(v));
}

void vcpu_ctx_save(struct vcpu *v)
{
	struct arch_vcpu *a = &v->arch;

	a->pc = sysreg_read(ELR_EL2);
	a->pstate = sysreg_read(SPSR_EL2);
#define SAVE(i, reg) a->sr[i] = sysreg_read(reg);
	FOR_EACH_SR(SAVE)
#undef SAVE
	a->sr[SR_SCTLR_EL1] = sysreg_read(SCTLR_EL1);
	/* A virtual SError that the guest has taken meanwhile has cleared VSE. */
	a->hcr = (a->hcr & ~HCR_VSE) | (sysreg_read(HCR_EL2) & HCR_VSE);
	fp_save(&a->fp);
	if (a->debug.owned) {
		debug_save(&a->debug);
		/* Nothing of the debugged guest fires in the next one. */
		sysreg_write(MDSCR_EL1, 0);
	}
	vgic_put(v);
	vtimer_put(v);
	/*
	 * From here to the end of the next load no guest's translations may be walked, not even
	 * speculatively by AT (Cortex-A72 erratum 1319367): empty root, reserved VMID.
	 */
	arch_vttbr_write(s2_vttbr_empty());
}

void vcpu_ctx_load(struct vcpu *v)
{
	struct arch_vcpu *a = &v->arch;
	struct pcpu *p = this_pcpu();
	uint64_t vttbr = s2_vttbr(&v->vm->s2, p->id);

#define LOAD(i, reg) sysreg_write(reg, a->sr[i]);
	FOR_EACH_SR(LOAD)
#undef LOAD
	sysreg_write(SCTLR_EL1, a->sr[SR_SCTLR_EL1]);
	/* EL1 registers are complete before the guest's stage 2 can be walked (erratum 1319367). */
	isb();
	arch_vttbr_write(vttbr);
	hcr_write(a->hcr);
	sysreg_write(VMPIDR_EL2, a->vmpidr);
	sysreg_write(CNTHCTL_EL2, vcpu_cnthctl(v));
	sysreg_write(MDCR_EL2, vcpu_mdcr(v));
	sysreg_write(ELR_EL2, a->pc);
	sysreg_write(SPSR_EL2, a->pstate);
	if (a->debug.owned) debug_load(&a->debug);
	/*
	 * Stage-1 entries are tagged by VMID, not by vCPU: another vCPU of this VM may have left
	 * some under the same ASID, or never broadcast its TLBI.
	 */
	if (v->vm->last_ran[p->id] != v) {
		if (v->vm->last_ran[p->id]) arch_tlb_local_stage1();
		v->vm->last_ran[p->id] = v;
	}
	fp_load(&a->fp);
	vgic_load(v);
	vtimer_load(v);
}
