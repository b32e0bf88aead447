/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU context switch: everything a guest can see of this CPU, to memory and back, in the order
 * that the errata ask for (docs/errata.md); CPTR_EL2, MDCR_EL2, CNTHCTL_EL2, HSTR_EL2.
 */
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include <hyp/vtimer.h>
#include <arch/barrier.h>
#include <arch/tlb.h>

#include <asm/sysreg.h>
#include <asm/trap.h>

/* One n each: the numbers of DBG<B|W><V|C>R<n>_EL1 are part of the instruction. */
#define FOR_EACH_DBG(X)                                                                            \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* To memory, or from there. */
#define MOVE(reg, mem) (save ? (void)((mem) = sysreg_read(reg)) : sysreg_write(reg, mem))
#define has_ras() (id_field(ID_AA64PFR0_EL1, 28) != 0)

/* MDCR_EL2.HPMN: all counters; less is CONSTRAINED UNPREDICTABLE for 0. The same on each CPU. */
static uint64_t mdcr_hpmn;

/* TPMCR, TPM: no PMU; TDOSA, TDRA: OS lock and ROM; TPMS, TTRF: no SPE, no trace filter. */
#define MDCR_BASE (BIT(5) | BIT(6) | BIT(10) | BIT(11) | BIT(14) | BIT(19))

static uint64_t vcpu_mdcr(const struct vcpu *v)
{
	/* TDA until debug registers are used. */
	return mdcr_hpmn | MDCR_BASE | (v->arch.debug.owned ? 0 : BIT(9));
}

void trap_cpu_init(void)
{
	uint64_t pmuver = id_field(ID_AA64DFR0_EL1, 8); /* 0: none, 0xf: not Arm's */

	if (pmuver != 0 && pmuver != 0xf)
		mdcr_hpmn = FIELD_GET(GENMASK(15, 11), sysreg_read(PMCR_EL0));
	/* FP native (switched eagerly). RES1 with TSM, then TZ, TTA, TAM: no SME, SVE, trace, AMU.
	 */
	sysreg_write(CPTR_EL2, 0x32ff | BIT(8) | BIT(20) | BIT(30));
	sysreg_write(HSTR_EL2, 0); /* AArch32 is only at EL0: its traps are those of AArch64 */
	sysreg_write(VPIDR_EL2, sysreg_read(MIDR_EL1));
	if (has_ras())
		sysreg_write(S3_4_C5_C2_3, 0); /* VSESR_EL2: what virtual SErrors say (FEAT_RAS) */
	sysreg_write(VTCR_EL2, s2_vtcr());
	sysreg_write(OSLAR_EL1, 0); /* a set OS lock would mask guests' debug exceptions */
	arch_vttbr_write(s2_vttbr_empty());
}

static void debug_move(struct arch_vcpu_debug *d, bool save)
{
	/* Breakpoints and watchpoints that the CPU has; more are UNDEFINED. */
	uint64_t brps = id_field(ID_AA64DFR0_EL1, 12) + 1;
	uint64_t wrps = id_field(ID_AA64DFR0_EL1, 20) + 1;

#define DBG_MOVE(n)                                                                                \
	if ((n) < brps) {                                                                          \
		MOVE(DBGBVR##n##_EL1, d->bvr[n]);                                                  \
		MOVE(DBGBCR##n##_EL1, d->bcr[n]);                                                  \
	}                                                                                          \
	if ((n) < wrps) {                                                                          \
		MOVE(DBGWVR##n##_EL1, d->wvr[n]);                                                  \
		MOVE(DBGWCR##n##_EL1, d->wcr[n]);                                                  \
	}
	FOR_EACH_DBG(DBG_MOVE)
	if (save) {
		d->claim = sysreg_read(DBGCLAIMCLR_EL1);
		d->mdscr = sysreg_read(MDSCR_EL1);
	} else {
		/* With TDA clear these do not trap either: what the last guest left is not ours. */
		sysreg_write(DBGCLAIMCLR_EL1, 0xff); /* all (D19.3.3) */
		sysreg_write(DBGCLAIMSET_EL1, d->claim);
		sysreg_write(OSDTRRX_EL1, 0);
		sysreg_write(OSDTRTX_EL1, 0);
	}
	/* Nothing of a guest that is debugged fires in the next one. */
	sysreg_write(MDSCR_EL1, save ? 0 : d->mdscr);
}

void vcpu_debug_take(struct vcpu *v)
{
	v->arch.debug.owned = true;
	debug_move(&v->arch.debug, false);
	sysreg_write(MDCR_EL2, vcpu_mdcr(v));
}

void vcpu_ctx_save(struct vcpu *v)
{
	struct arch_vcpu *a = &v->arch;

	a->pc = sysreg_read(ELR_EL2);
	a->pstate = sysreg_read(SPSR_EL2);
#define SR_SAVE(reg, ...) a->sr[SR_##reg] = sysreg_read(reg);
	FOR_EACH_SR(SR_SAVE)
	/* A virtual SError that the guest has taken meanwhile has cleared VSE. */
	a->hcr = (a->hcr & ~HCR_VSE) | (sysreg_read(HCR_EL2) & HCR_VSE);
	if (has_ras()) a->vdisr = sysreg_read(S3_4_C12_C1_1); /* VDISR_EL2 */
	fp_save(&a->fp);
	if (a->debug.owned) debug_move(&a->debug, true);
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

#define SR_LOAD(reg, ...) sysreg_write(reg, a->sr[SR_##reg]);
	FOR_EACH_SR(SR_LOAD)
	/* EL1 registers are complete before the guest's stage 2 can be walked (erratum 1319367). */
	isb();
	arch_vttbr_write(vttbr);
	hcr_write(a->hcr);
	sysreg_write(VMPIDR_EL2, a->vmpidr);
	/* EL1PCTEN: CNTPCT native. CNTP_* trapped: the physical timer is emulated. */
	sysreg_write(CNTHCTL_EL2, v->vm->cntpct_off ? 0 : BIT(0));
	sysreg_write(MDCR_EL2, vcpu_mdcr(v));
	if (has_ras()) sysreg_write(S3_4_C12_C1_1, a->vdisr);
	sysreg_write(ELR_EL2, a->pc);
	sysreg_write(SPSR_EL2, a->pstate);
	if (a->debug.owned) debug_move(&a->debug, false);
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
