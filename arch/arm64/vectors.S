/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's vectors (Arm ARM D1.3.1.5). Exceptions from a guest go to entry_guest.S; one taken in EL2
 * itself is a fault of the hypervisor and ends in panic_exception(), on a stack of its own.
 */
#include <gen/asm_offsets.h>

/* The guest's SP_EL0 and TPIDR*_EL0 serve as scratch: no guest runs on this CPU any more. */
.macro fatal kind
	.balign	128
	msr	sp_el0, x0
	mov	x0, #\kind
	b	vector_fatal
.endm

.macro lower label
	.balign	128
	b	\label
.endm

.section .text.vectors, "ax"
.balign 2048
.globl vectors
vectors:
	fatal	0			/* EL2t: sync, IRQ, FIQ, SError */
	fatal	1
	fatal	2
	fatal	3
	fatal	0			/* EL2h */
	fatal	1
	fatal	2
	fatal	3
	lower	guest_sync		/* AArch64 EL1, EL0 */
	lower	guest_irq
	lower	guest_fiq
	lower	guest_serror
	lower	guest_sync		/* AArch32 EL0 */
	lower	guest_irq
	lower	guest_fiq
	lower	guest_serror

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
	mrs	x0, sp_el0
	mrs	x2, tpidrro_el0
	stp	x0, x2, [x1, #EXC_X]
	mrs	x2, tpidr_el0
	stp	x2, x3, [x1, #EXC_X + 2 * 8]
	stp	x4, x5, [x1, #EXC_X + 4 * 8]
	stp	x6, x7, [x1, #EXC_X + 6 * 8]
	stp	x8, x9, [x1, #EXC_X + 8 * 8]
	stp	x10, x11, [x1, #EXC_X + 10 * 8]
	stp	x12, x13, [x1, #EXC_X + 12 * 8]
	stp	x14, x15, [x1, #EXC_X + 14 * 8]
	stp	x16, x17, [x1, #EXC_X + 16 * 8]
	stp	x18, x19, [x1, #EXC_X + 18 * 8]
	stp	x20, x21, [x1, #EXC_X + 20 * 8]
	stp	x22, x23, [x1, #EXC_X + 22 * 8]
	stp	x24, x25, [x1, #EXC_X + 24 * 8]
	stp	x26, x27, [x1, #EXC_X + 26 * 8]
	stp	x28, x29, [x1, #EXC_X + 28 * 8]
	str	x30, [x1, #EXC_X + 30 * 8]
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
