/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's vectors (Arm ARM D1.3.1.5). From a guest: two-stage save (x0-x17 and x30 for what returns
 * to the same vCPU, the rest for a full view or a switch), and the one way back. From EL2 itself: a
 * fault of the hypervisor, which ends in panic_exception() on a stack of its own.
 */
#include <gen/asm_offsets.h>

/* Pairs of general registers at offset `at` of an array that begins with x0. */
#define X(op, base, at, a, b) op x##a, x##b, [base, at + a * 8]
#define X2_X17(op, base, at)                                                                       \
	X(op, base, at, 2, 3); X(op, base, at, 4, 5); X(op, base, at, 6, 7);                       \
	X(op, base, at, 8, 9); X(op, base, at, 10, 11); X(op, base, at, 12, 13);                   \
	X(op, base, at, 14, 15); X(op, base, at, 16, 17)
#define X18_X29(op, base, at)                                                                      \
	X(op, base, at, 18, 19); X(op, base, at, 20, 21); X(op, base, at, 22, 23);                 \
	X(op, base, at, 24, 25); X(op, base, at, 26, 27); X(op, base, at, 28, 29)

/*
 * EL2t and EL2h: sync, IRQ, FIQ, SError; the same of AArch64 EL1 or EL0, and of AArch32 EL0. The
 * guest's SP_EL0 and TPIDR*_EL0 serve as scratch in a fault: no guest runs on this CPU any more.
 * FIQs are not expected (group 1 only), but handled alike; SError has a class as all others.
 */
.macro vector_table name, sync, irq
.balign 2048
.globl \name
\name:
	.irp	kind, 0, 1, 2, 3, 0, 1, 2, 3
	.balign	128
	msr	sp_el0, x0
	mov	x0, #\kind
	b	vector_fatal
	.endr
	.irp	label, \sync, \irq, \irq, \sync, \sync, \irq, \irq, \sync
	.balign	128
	b	\label
	.endr
.endm

.section .text.vectors, "ax"
vector_table vectors, guest_sync, guest_irq
vector_table vectors_trace, trace_sync, trace_irq

.section .text, "ax"
/* x0 = kind, SP_EL0 = x0 at the fault. SP may be in a guard page: nothing is pushed on it. */
vector_fatal:
	msr	tpidrro_el0, x1
	msr	tpidr_el0, x2
	mrs	x1, tpidr_el2
	ldr	x1, [x1, #PCPU_STACK_TOP]
	sub	x1, x1, #EMERGENCY_BELOW_TOP
	sub	x1, x1, #EXC_FRAME_SIZE
	mov	x2, sp
	str	x2, [x1, #EXC_SP]
	str	x0, [x1, #EXC_KIND]
	mrs	x2, tpidr_el0
	X2_X17(stp, x1, EXC_X)
	X18_X29(stp, x1, EXC_X)
	str	x30, [x1, #EXC_X + 30 * 8]
	mrs	x0, sp_el0
	mrs	x2, tpidrro_el0
	stp	x0, x2, [x1, #EXC_X]
	mrs	x0, elr_el2
	mrs	x2, spsr_el2
	stp	x0, x2, [x1, #EXC_PC]
	mrs	x0, esr_el2
	mrs	x2, far_el2
	stp	x0, x2, [x1, #EXC_ESR]
	mov	sp, x1
	msr	spsel, #1
	mov	sp, x1
	mov	x0, x1
	mov	x29, xzr
	mov	x30, xzr
	b	panic_exception

.macro loaded_vcpu
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
.endm

/*
 * x18 and x19-x29 are still the guest's: EL2 is built with -ffixed-x18 and C preserves x19-x29.
 * Leaves x0 = the loaded vCPU. SP_EL2 is the top of this CPU's stack whenever a guest runs.
 */
.macro save_light
	stp	x0, x1, [sp, #-16]!
	loaded_vcpu
	X2_X17(stp, x0, VCPU_X)
	ldp	x2, x3, [sp], #16
	stp	x2, x3, [x0, #VCPU_X]
	str	x30, [x0, #VCPU_X + 30 * 8]
.endm

/* x0 = vCPU. */
.macro restore_light
	X2_X17(ldp, x0, VCPU_X)
	ldr	x30, [x0, #VCPU_X + 30 * 8]
	ldp	x0, x1, [x0, #VCPU_X]
.endm

.macro restore_light_eret
	restore_light
	eret
	dsb	nsh	/* no straight-line speculation past the return (docs/errata.md) */
	isb
.endm

/*
 * Each label is reached by a branch from its vector slot with all registers the guest's.
 * Frame record: x29 is the guest's while light code runs, so a backtrace ends at these labels.
 */
guest_sync:
	save_light
	mrs	x1, esr_el2
	ubfx	x2, x1, #26, #6
	cmp	x2, #0x16		/* EC_HVC64: needs x0-x17 only */
	b.ne	1f
	bl	trap_hvc
	cbnz	w0, guest_slow
	loaded_vcpu
	restore_light_eret
1:	X18_X29(stp, x0, VCPU_X)
	mov	x29, xzr		/* ends EL2's frame chain */
	bl	trap_sync		/* (vcpu, esr) -> vCPU to run */
	b	guest_resume

guest_irq:
	save_light
	bl	trap_irq
	cbnz	w0, guest_slow
	loaded_vcpu
	restore_light_eret

/* Work is pending after a light handler: x19-x29 are the guest's again, save and decide. */
guest_slow:
	loaded_vcpu
	X18_X29(stp, x0, VCPU_X)
	mov	x29, xzr
	bl	trap_exit_slow		/* -> vCPU to run */

/* x0 = the loaded vCPU, its system registers in place. SP is at the top of the stack. */
guest_resume:
	X18_X29(ldp, x0, VCPU_X)
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

/* While tracing is on: recorded, and then on as if nothing had been. */
.macro traced what, kind
trace_\what:
	save_light
	mov	w1, #\kind
	bl	trap_trace		/* (vcpu, kind) */
	loaded_vcpu
	restore_light
	b	guest_\what
.endm
traced sync, TRACE_SYNC
traced irq, TRACE_IRQ

/*
 * void fp_save(struct arch_vcpu_fp *), fp_load(const struct arch_vcpu_fp *): 32 Q registers, FPSR,
 * FPCR; the only FP code of EL2 (scripts/check_elf.py).
 */
.section .text.fpsimd, "ax"
.arch_extension fp
.arch_extension simd
#define Q(op, a, b) op q##a, q##b, [x0, a * 16]
#define Q_ALL(op)                                                                                  \
	Q(op, 0, 1); Q(op, 2, 3); Q(op, 4, 5); Q(op, 6, 7); Q(op, 8, 9); Q(op, 10, 11);            \
	Q(op, 12, 13); Q(op, 14, 15); Q(op, 16, 17); Q(op, 18, 19); Q(op, 20, 21);                 \
	Q(op, 22, 23); Q(op, 24, 25); Q(op, 26, 27); Q(op, 28, 29); Q(op, 30, 31)

.globl fp_save
fp_save:
	Q_ALL(stp)
	mrs	x1, fpsr
	mrs	x2, fpcr
	add	x0, x0, #512
	stp	x1, x2, [x0]
	ret

.globl fp_load
fp_load:
	Q_ALL(ldp)
	add	x0, x0, #512
	ldp	x1, x2, [x0]
	msr	fpsr, x1
	msr	fpcr, x2
	ret
