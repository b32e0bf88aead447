/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firmware at EL3 of QEMU virt (secure=on, one CPU): enters Atoll at EL2, offers SMCCC's branch workaround 1, counts nothing and
 * does nothing in it: QEMU's log of exceptions is what the test looks at. PSCI: SYSTEM_OFF alone.
 */
	.text
	.globl	_start
_start:
	adr	x0, vectors
	msr	vbar_el3, x0
	mov	x0, #0xf
	msr	s3_6_c12_c12_5, x0		/* ICC_SRE_EL3: system registers, also below */
	mov	x0, #0x531			/* SCR_EL3: NS, RES1, HCE, RW */
	msr	scr_el3, x0
	msr	cptr_el3, xzr
	msr	mdcr_el3, xzr
	isb
	ldr	x0, =0x08000000			/* GICD_CTLR.DS: no groups of interrupts for EL3 */
	mov	w1, #0x40
	str	w1, [x0]
	mov	x0, #0x3c9			/* EL2h, all masked */
	msr	spsr_el3, x0
	ldr	x0, =0x40200000
	msr	elr_el3, x0
	ldr	x0, =0x48000000
	eret

	.balign	2048
vectors:
	.rept	8
	b	.
	.balign	128
	.endr
	/* Synchronous, from AArch64 below: an SMC. Keeps x4 to x30 (SMCCC 1.1). */
	ldr	w2, =0x80000000			/* SMCCC_VERSION: 1.1 */
	cmp	w0, w2
	b.eq	1f
	ldr	w2, =0x8400000a			/* PSCI_FEATURES: of SMCCC_VERSION alone */
	ldr	w3, =0x80000001			/* SMCCC_ARCH_FEATURES: of workaround 1 */
	cmp	w0, w2
	b.eq	2f
	cmp	w0, w3
	b.eq	3f
	ldr	w2, =0x80008000
	cmp	w0, w2
	b.eq	4f
	ldr	w2, =0x84000008			/* SYSTEM_OFF */
	cmp	w0, w2
	b.eq	5f
	mov	x0, #-1
	eret
	.balign	128
	.rept	7
	b	.
	.balign	128
	.endr
1:	ldr	w0, =0x10001
	eret
2:	ldr	w2, =0x80000000
	b	6f
3:	ldr	w2, =0x80008000
6:	cmp	w1, w2
	csetm	x0, ne
4:	eret
5:	adr	x1, status
	mov	w0, #0x18			/* semihosting, SYS_EXIT */
	hlt	#0xf000
	b	.
	.balign	8
status:	.quad	0x20026, 0
