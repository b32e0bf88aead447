/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's vectors (Arm ARM D1.3.1.5). From a guest: two-stage save (x0-x17 and x30 for what returns
 * to the same vCPU, the rest for a full view or a switch), and the one way back. From EL2 itself: a
 * fault of the hypervisor, which ends in panic_exception() on a stack of its own.
 */
#include <gen/asm_offsets.h>

/* Pairs of registers r (x or q, of 8 or 16 bytes) in an array at base + at that begins with r0. */
#define P(op, r, size, base, at, a, b) op r##a, r##b, [base, at + a * size]
#define P2_P17(op, r, size, base, at)                                                              \
	P(op, r, size, base, at, 2, 3); P(op, r, size, base, at, 4, 5);                            \
	P(op, r, size, base, at, 6, 7); P(op, r, size, base, at, 8, 9);                            \
	P(op, r, size, base, at, 10, 11); P(op, r, size, base, at, 12, 13);                        \
	P(op, r, size, base, at, 14, 15); P(op, r, size, base, at, 16, 17)
#define P18_P29(op, r, size, base, at)                                                             \
	P(op, r, size, base, at, 18, 19); P(op, r, size, base, at, 20, 21);                        \
	P(op, r, size, base, at, 22, 23); P(op, r, size, base, at, 24, 25);                        \
	P(op, r, size, base, at, 26, 27); P(op, r, size, base, at, 28, 29)
/*
 * EL2t and EL2h: sync, IRQ, FIQ, SError; the same of AArch64 EL1 or EL0, and of AArch32 EL0. The
 * guest's SP_EL0 and TPIDRRO_EL0 serve as scratch in a fault: no guest runs on this CPU any more.
 * FIQs are not expected (group 1 only), but handled alike; SError has a class as all others.
 */
.macro vector_table name, sync, irq
.balign 2048
.globl \name
\name:
	.irp	kind, 0, 1, 1, 0, 0, 1, 1, 0	/* 1: an interrupt */
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
/* SP_EL0 = x0 at the fault. SP may be in a guard page: nothing is pushed on it. */
vector_fatal:
	msr	tpidrro_el0, x1
	mrs	x1, tpidr_el2
	ldr	x1, [x1, #PCPU_STACK_TOP]
	sub	x1, x1, #EMERGENCY_BELOW_TOP
	sub	x1, x1, #EXC_FRAME_SIZE
	P2_P17(stp, x, 8, x1, EXC_X)
	P18_P29(stp, x, 8, x1, EXC_X)
	mov	x2, sp
	stp	x30, x2, [x1, #EXC_X + 30 * 8]	/* x30, sp */
	mrs	x2, sp_el0
	mrs	x3, tpidrro_el0
	stp	x2, x3, [x1, #EXC_X]
	msr	spsel, #1
	mov	sp, x1
	b	panic_exception		/* (interrupt, frame); does not return */

/*
 * x18 and x19-x29 are still the guest's: EL2 is built with -ffixed-x18 and C preserves x19-x29.
 * Leaves x0 = the loaded vCPU. SP_EL2 is the top of this CPU's stack whenever a guest runs.
 */
.macro save_light
	stp	x0, x1, [sp, #-16]!
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
	P2_P17(stp, x, 8, x0, VCPU_X)
	ldp	x2, x3, [sp], #16
	stp	x2, x3, [x0, #VCPU_X]
	str	x30, [x0, #VCPU_X + 30 * 8]
.endm

/* x0 = vCPU. */
.macro restore_light
	P2_P17(ldp, x, 8, x0, VCPU_X)
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
	bl	trap_hvc		/* (vcpu) -> vcpu, or NULL: work is pending */
	cbz	x0, guest_slow
	restore_light_eret
1:	P18_P29(stp, x, 8, x0, VCPU_X)
	mov	x29, xzr		/* ends EL2's frame chain */
	bl	trap_sync		/* (vcpu, esr) -> vCPU to run */
	b	guest_resume

guest_irq:
	save_light
	bl	trap_irq		/* as trap_hvc() */
	cbz	x0, guest_slow
	restore_light_eret

/* Work is pending after a light handler: x19-x29 are the guest's again, save and decide. */
guest_slow:
	mrs	x0, tpidr_el2
	ldr	x0, [x0, #PCPU_LOADED]
	P18_P29(stp, x, 8, x0, VCPU_X)
	mov	x29, xzr
	bl	trap_exit_slow		/* -> vCPU to run */

/* x0 = the loaded vCPU, its system registers in place. SP is at the top of the stack. */
guest_resume:
	P18_P29(ldp, x, 8, x0, VCPU_X)
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

/* With tracing on, or firmware to be called: that, and then on as if nothing had been. */
.macro traced what, irq
trace_\what:
	save_light
	mov	w1, #\irq
	bl	trap_trace		/* (vcpu, interrupt) -> vcpu */
	restore_light
	b	guest_\what
.endm
traced sync, 0
traced irq, 1

/*
 * void fp_save(struct arch_vcpu_fp *), fp_load(const struct arch_vcpu_fp *): FPSR, FPCR, 32 Q
 * registers; the only FP code of EL2 (scripts/check_elf.py).
 */
.section .text.fpsimd, "ax"
.arch_extension fp
.arch_extension simd
#define Q_ALL(op)                                                                                  \
	P(op, q, 16, x0, 16, 0, 1); P2_P17(op, q, 16, x0, 16); P18_P29(op, q, 16, x0, 16);         \
	P(op, q, 16, x0, 16, 30, 31)

.globl fp_save
fp_save:
	Q_ALL(stp)
	mrs	x1, fpsr
	mrs	x2, fpcr
	stp	x1, x2, [x0]
	ret

.globl fp_load
fp_load:
	Q_ALL(ldp)
	ldp	x1, x2, [x0]
	msr	fpsr, x1
	msr	fpcr, x2
	ret
