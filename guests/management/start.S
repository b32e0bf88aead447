/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management guest's first instructions: translation tables and the jump to its link address.
 * TTBR0: all that EL2 sees, at EL2's addresses, read-only. TTBR1: its own RAM, W^X.
 */
#define PAGE 0xf03		/* page, attribute 0, inner shareable, AF, not global */
#define BLOCK 0xf01
#define RO (1 << 7)
#define XN (3 << 53)		/* UXN, PXN */
#define UXN (1 << 54)
#define VIEW (1 << 39)		/* MANAGEMENT_VIEW */

/* TCR_EL1 (Arm ARM D17.2.131): two halves of 39 bits, 4 KiB, walks inner shareable write-back, 40
 * bits of IPA. */
#define TCR (25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30 | 2 << 32)
/* SCTLR_EL1 (D17.2.118): RES1, M, C, SA, I, WXN. */
#define SCTLR (0x30d00800 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19)

	.section .head.text, "ax"
	.globl _start
_start:
	adrp	x9, l1_view
	ldr	x0, =(VIEW | BLOCK | RO | XN)
	mov	x1, #0
	mov	x2, #(1 << 30)
1:	str	x0, [x9, x1, lsl #3]
	add	x0, x0, x2
	add	x1, x1, #1
	cmp	x1, #512
	b.ne	1b

	adrp	x10, l1_own
	adrp	x11, l2_own
	adrp	x12, l3_own
	orr	x0, x11, #3
	str	x0, [x10]
	orr	x0, x12, #3
	str	x0, [x11]
	adrp	x13, _start			/* IPA of RAM */
	adrp	x14, text_end
	adrp	x15, rodata_end
	mov	x1, #0
2:	ldr	x2, =(PAGE | XN)
	ldr	x3, =(PAGE | XN | RO)
	ldr	x4, =(PAGE | UXN | RO)
	cmp	x13, x15
	csel	x2, x3, x2, lo
	cmp	x13, x14
	csel	x2, x4, x2, lo
	orr	x2, x2, x13
	str	x2, [x12, x1, lsl #3]
	add	x13, x13, #4096
	add	x1, x1, #1
	cmp	x1, #512		/* what lies beyond its RAM stage 2 has not */
	b.ne	2b
	adrp	x1, stack_guard
	ubfx	x1, x1, #12, #9
	str	xzr, [x12, x1, lsl #3]

	/* For the jump alone, where it is now as well. */
	adrp	x12, l1_first
	adrp	x13, _start
	ldr	x0, =(BLOCK | UXN | RO)
	orr	x0, x0, x13
	str	x0, [x12, #8]		/* RAM begins at 1 GiB */

	mov	x0, #0xff
	msr	mair_el1, x0
	ldr	x0, =TCR
	msr	tcr_el1, x0
	msr	ttbr0_el1, x12
	msr	ttbr1_el1, x10
	dsb	sy			/* the tables before the walks (D8.2.6) */
	isb				/* the registers before the MMU goes on */
	ldr	x0, =SCTLR
	msr	sctlr_el1, x0
	isb				/* the MMU before the jump */
	ldr	x0, =high
	br	x0
high:	msr	ttbr0_el1, x9
	isb				/* the table before what is forgotten of the other (D8.14.6) */
	tlbi	vmalle1
	dsb	nsh			/* complete before anything is looked at */
	isb
	ldr	x0, =vectors
	msr	vbar_el1, x0
	ldr	x0, =stack_top
	mov	sp, x0
	ldr	x0, =management_main
	mov	x29, #0
	mov	x30, #0
	br	x0
	.ltorg

/* Whatever comes is a fault of its own: EL2 tells of it and starts it again. */
	.balign	2048
vectors:
	.rept	16
	.balign	128
	mrs	x1, esr_el1
	mrs	x2, far_el1
	mrs	x3, elr_el1
	ldr	x0, =0xc6000002		/* ATOLL_HVC_CRASH */
	hvc	#0
	b	.
	.endr
	.ltorg

	.bss
	.balign	4096
l1_view: .skip	4096
l1_first: .skip	4096
l1_own:	.skip	4096
l2_own:	.skip	4096
l3_own:	.skip	4096
stack_guard: .skip 4096
	.skip	32768
stack_top:
