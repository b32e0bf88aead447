/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception vectors: save everything, FP included, into a struct uk_regs and call C. Programs run
 * on SP_EL0, handlers on SP_EL1, so a stack overflow still has a stack to be reported on.
 */
#include "layout.h"

/* One slot; \mode: 0 from SP_EL0, 1 from SP_EL1, 2 a fault on SP_EL1, whose stack may be the cause */
	.macro	slot n, mode
	.balign	128
	.if	\mode == 2
	msr	tpidrro_el0, x0		/* both are free, and the way back is closed anyway */
	mov	x0, sp
	msr	tpidr_el0, x0
	mrs	x0, tpidr_el1
	ldr	x0, [x0, #CPU_SP_EMERGENCY]
	mov	sp, x0
	mrs	x0, tpidrro_el0
	.endif
	sub	sp, sp, #REGS_SIZE
	stp	x0, x1, [sp]
	.if	\mode == 0
	mrs	x0, sp_el0
	.elseif	\mode == 1
	add	x0, sp, #REGS_SIZE
	.else
	mrs	x0, tpidr_el0
	.endif
	mov	x1, #\n
	b	exception
	.endm

/* All of q0..q31 by pairs; .altmacro turns %i into the number. */
	.altmacro
	.macro	q_pair op, a, b
	\op	q\a, q\b, [sp, #REGS_Q + 16 * \a]
	.endm
	.macro	q_all op
	.set	i, 0
	.rept	16
	q_pair	\op, %i, %(i + 1)
	.set	i, i + 2
	.endr
	.endm

	.text
	.balign	2048
	.globl	uk_vectors
uk_vectors:
	slot	0, 0
	slot	1, 0
	slot	2, 0
	slot	3, 0
	slot	4, 2
	slot	5, 1
	slot	6, 1
	slot	7, 1
	.irp	n, 8, 9, 10, 11, 12, 13, 14, 15	/* EL0: nothing runs there */
	slot	\n, 2
	.endr

exception:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x19, [sp, #144]
	stp	x20, x21, [sp, #160]
	stp	x22, x23, [sp, #176]
	stp	x24, x25, [sp, #192]
	stp	x26, x27, [sp, #208]
	stp	x28, x29, [sp, #224]
	stp	x30, x0, [sp, #240]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [sp, #REGS_PC]
	mrs	x2, esr_el1
	mrs	x3, far_el1
	stp	x2, x3, [sp, #REGS_ESR]
	mrs	x2, fpsr
	mrs	x3, fpcr
	stp	x2, x3, [sp, #REGS_FPSR]
	q_all	stp
	mov	x19, x1
	mov	x0, sp
	bl	uk_exception
	q_all	ldp
	ldp	x2, x3, [sp, #REGS_FPSR]
	msr	fpsr, x2
	msr	fpcr, x3
	ldp	x2, x3, [sp, #REGS_PC]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	cmp	x19, #4			/* vectors 0..3 came from SP_EL0 */
	b.hs	1f
	ldr	x2, [sp, #REGS_SP]
	msr	sp_el0, x2
1:	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x19, [sp, #144]
	ldp	x20, x21, [sp, #160]
	ldp	x22, x23, [sp, #176]
	ldp	x24, x25, [sp, #192]
	ldp	x26, x27, [sp, #208]
	ldp	x28, x29, [sp, #224]
	ldr	x30, [sp, #240]
	ldp	x0, x1, [sp]
	add	sp, sp, #REGS_SIZE
	eret

	.section .note.GNU-stack, "", @progbits
