/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions from a guest: two-stage save (x0-x17 and x30 for what returns to the same vCPU, the
 * rest for a full view or a switch), and the one way back. vectors.S branches to guest_*.
 */
#include <gen/asm_offsets.h>

/*
 * x18 and x19-x29 are still the guest's: EL2 is built with -ffixed-x18 and C preserves x19-x29.
 * Leaves x0 = the loaded vCPU. SP_EL2 is the top of this CPU's stack whenever a guest runs.
 */
.macro save_light
	stp	x0, x1, [sp, #-16]!
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
	stp	x2, x3, [x0, #VCPU_X + 2 * 8]
	ldp	x2, x3, [sp], #16
	stp	x4, x5, [x0, #VCPU_X + 4 * 8]
	stp	x6, x7, [x0, #VCPU_X + 6 * 8]
	stp	x8, x9, [x0, #VCPU_X + 8 * 8]
	stp	x10, x11, [x0, #VCPU_X + 10 * 8]
	stp	x12, x13, [x0, #VCPU_X + 12 * 8]
	stp	x14, x15, [x0, #VCPU_X + 14 * 8]
	stp	x16, x17, [x0, #VCPU_X + 16 * 8]
	stp	x2, x3, [x0, #VCPU_X]
	str	x30, [x0, #VCPU_X + 30 * 8]
.endm

.macro save_rest
	stp	x18, x19, [x0, #VCPU_X + 18 * 8]
	stp	x20, x21, [x0, #VCPU_X + 20 * 8]
	stp	x22, x23, [x0, #VCPU_X + 22 * 8]
	stp	x24, x25, [x0, #VCPU_X + 24 * 8]
	stp	x26, x27, [x0, #VCPU_X + 26 * 8]
	stp	x28, x29, [x0, #VCPU_X + 28 * 8]
.endm

/* x0 = vCPU. Straight-line speculation past ERET is stopped (docs/errata.md). */
.macro restore_light_eret
	ldp	x2, x3, [x0, #VCPU_X + 2 * 8]
	ldp	x4, x5, [x0, #VCPU_X + 4 * 8]
	ldp	x6, x7, [x0, #VCPU_X + 6 * 8]
	ldp	x8, x9, [x0, #VCPU_X + 8 * 8]
	ldp	x10, x11, [x0, #VCPU_X + 10 * 8]
	ldp	x12, x13, [x0, #VCPU_X + 12 * 8]
	ldp	x14, x15, [x0, #VCPU_X + 14 * 8]
	ldp	x16, x17, [x0, #VCPU_X + 16 * 8]
	ldr	x30, [x0, #VCPU_X + 30 * 8]
	ldp	x0, x1, [x0, #VCPU_X]
	eret
	dsb	nsh	/* no speculation past the return */
	isb
.endm

.section .text, "ax"

/*
 * Each label is reached by a branch from its vector slot with all registers the guest's.
 * Frame record: x29 is the guest's while light code runs, so a backtrace ends at these labels.
 */
.globl guest_sync
guest_sync:
	save_light
	mrs	x1, esr_el2
	ubfx	x2, x1, #26, #6
	cmp	x2, #0x16		/* EC_HVC64: needs x0-x17 only */
	b.ne	1f
	bl	trap_hvc
	cbnz	w0, guest_slow
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
	restore_light_eret
1:	save_rest
	mov	x29, xzr		/* ends EL2's frame chain */
	bl	trap_sync		/* (vcpu, esr) -> vCPU to run */
	b	guest_resume

/* Physical FIQs are not expected (group 1 only), but handled alike. */
.globl guest_irq
.globl guest_fiq
guest_irq:
guest_fiq:
	save_light
	bl	trap_irq
	cbnz	w0, guest_slow
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
	restore_light_eret

.globl guest_serror
guest_serror:
	save_light
	save_rest
	mov	x29, xzr
	mrs	x1, esr_el2
	bl	trap_serror		/* (vcpu, esr) -> vCPU to run */
	b	guest_resume

/* Work is pending after a light handler: x19-x29 are the guest's again, save and decide. */
guest_slow:
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
	save_rest
	mov	x29, xzr
	bl	trap_exit_slow		/* -> vCPU to run */

/* x0 = the loaded vCPU, its system registers in place. SP is at the top of the stack. */
guest_resume:
	ldp	x18, x19, [x0, #VCPU_X + 18 * 8]
	ldp	x20, x21, [x0, #VCPU_X + 20 * 8]
	ldp	x22, x23, [x0, #VCPU_X + 22 * 8]
	ldp	x24, x25, [x0, #VCPU_X + 24 * 8]
	ldp	x26, x27, [x0, #VCPU_X + 26 * 8]
	ldp	x28, x29, [x0, #VCPU_X + 28 * 8]
	restore_light_eret

/* The first way into a guest on this CPU: nothing is loaded yet; the boot stack is left behind. */
.globl trap_enter_guests
trap_enter_guests:
	mrs	x0, tpidr_el2
	ldr	x1, [x0, #PCPU_STACK_TOP]
	mov	sp, x1
	mov	x29, xzr
	bl	trap_exit_slow
	b	guest_resume

/*
 * void fp_save(struct arch_vcpu_fp *), fp_load(const struct arch_vcpu_fp *): 32 Q registers, FPSR,
 * FPCR; the only FP code of EL2 (scripts/check_elf.py).
 */
.section .text.fpsimd, "ax"
.arch_extension fp
.arch_extension simd
.macro fp_all op
	\op	q0, q1, [x0]
	\op	q2, q3, [x0, #32]
	\op	q4, q5, [x0, #64]
	\op	q6, q7, [x0, #96]
	\op	q8, q9, [x0, #128]
	\op	q10, q11, [x0, #160]
	\op	q12, q13, [x0, #192]
	\op	q14, q15, [x0, #224]
	\op	q16, q17, [x0, #256]
	\op	q18, q19, [x0, #288]
	\op	q20, q21, [x0, #320]
	\op	q22, q23, [x0, #352]
	\op	q24, q25, [x0, #384]
	\op	q26, q27, [x0, #416]
	\op	q28, q29, [x0, #448]
	\op	q30, q31, [x0, #480]
.endm

.globl fp_save
fp_save:
	fp_all	stp
	mrs	x1, fpsr
	mrs	x2, fpcr
	add	x0, x0, #512
	stp	x1, x2, [x0]
	ret

.globl fp_load
fp_load:
	fp_all	ldp
	add	x0, x0, #512
	ldp	x1, x2, [x0]
	msr	fpsr, x1
	msr	fpcr, x2
	ret
