/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the registers that decide what traps (HCR_EL2, CPTR_EL2, MDCR_EL2, CNTHCTL_EL2,
 * HSTR_EL2), each bit with its reason, and a vCPU's state at reset.
 */
#include <hyp/vcpu.h>
#include <hyp/vm.h>
#include <arch/tlb.h>
#include <arch/trap.h>
#include <string.h>

#include <asm/sysreg.h>
#include <asm/trap.h>

const uint64_t vcpu_hcr_base =
    BIT(0) |           /* VM: stage 2 on */
    BIT(1) |           /* SWIO: a set/way invalidate also cleans: never drops others' data */
    BIT(2) |           /* PTW: a table walk into device memory faults instead of reading a device */
    BIT(3) | BIT(4) |  /* FMO, IMO: physical interrupts to EL2, virtual ones to EL1 */
    BIT(5) |           /* AMO: physical SErrors to EL2 */
    BIT(9) | BIT(10) | /* FB, BSU_IS: a UP guest's local TLBI and barriers hold when it moves */
    BIT(13) |          /* TWI: WFI gives the CPU away (or waits in EL2 in place) */
    BIT(18) |          /* TID3: ID registers by allow-list */
    BIT(19) |          /* TSC: SMC is emulated: there may be nobody at EL3 */
    BIT(20) |          /* TIDCP: implementation-defined registers are undefined */
    BIT(21) |          /* TACR: auxiliary control must not reach the CPU */
    BIT(22) |          /* TSW: set/way maintenance cannot be virtualised: one flush instead */
    BIT(31) |          /* RW: EL1 is AArch64 */
    BIT(35) |          /* TLOR: LORegions hidden (RES0 before v8.1) */
    BIT(36);           /* TERR: RAS records hidden (RES0 before v8.2) */

/* EL1PCTEN: CNTPCT native. CNTP_* trapped: the physical timer is emulated. */
uint64_t vcpu_cnthctl(const struct vcpu *v) { return v->vm->cntpct_off ? 0 : BIT(0); }

/* MDCR_EL2.HPMN: all counters; less is CONSTRAINED UNPREDICTABLE for 0. The same on each CPU. */
static uint64_t mdcr_hpmn;

/* TPMCR, TPM: no PMU; TDOSA, TDRA: OS lock and ROM; TPMS, TTRF: no SPE, no trace filter. */
#define MDCR_BASE (BIT(5) | BIT(6) | BIT(10) | BIT(11) | BIT(14) | BIT(19))

uint64_t vcpu_mdcr(const struct vcpu *v)
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
	if (id_field(ID_AA64PFR0_EL1, 28) != 0)
		sysreg_write(S3_4_C5_C2_3, 0); /* VSESR_EL2: what virtual SErrors say (FEAT_RAS) */
	sysreg_write(VTCR_EL2, s2_vtcr());
	sysreg_write(OSLAR_EL1, 0); /* a set OS lock would mask guests' debug exceptions */
	arch_vttbr_write(s2_vttbr_empty());
}

void hcr_write(uint64_t hcr) { sysreg_write(HCR_EL2, hcr); }

void vcpu_hcr_change(struct vcpu *v, uint64_t clear, uint64_t set)
{
	/* A virtual SError that was taken has cleared VSE in the register alone (D19.2.48). */
	uint64_t vse = sysreg_read(HCR_EL2) & HCR_VSE;

	v->arch.hcr = (v->arch.hcr & ~(HCR_VSE | clear)) | vse | set;
	hcr_write(v->arch.hcr);
}

void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t x0)
{
	struct arch_vcpu *a = &v->arch;

	memset(a, 0, sizeof(*a));
	/*
	 * As Cortex-A72 (TRM 4.3.36) and QEMU: MMU, caches and alignment checks off, stack checks,
	 * CP15BEN and WFx at EL0 on.
	 */
	a->sr[SR_SCTLR_EL1] = SCTLR_EL1_RES1 | BIT(18) | BIT(16) | BIT(5) | BIT(4) | BIT(3);
	a->hcr = vcpu_hcr_base;
	a->vmpidr = vm_vcpu_mpidr(v->vm->vgic.version, v->id);
	a->x[0] = x0;
	a->pc = entry;
	a->pstate = PSR_M_EL1H | PSR_DAIF;
	arch_gic_vcpu_reset(&a->gic);
	vgic_vcpu_reset(v);
	vtimer_vcpu_reset(v);
}
