/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HCR_EL2: each bit that traps with its reason, its one writer; a vCPU's state at reset. The other
 * registers that decide what traps are in switch.c.
 */
#include <hyp/vm.h>
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
