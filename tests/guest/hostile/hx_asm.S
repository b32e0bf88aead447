/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe: run a function in a state of its own and come back whatever happens. Every exception
 * ends it, taken by vectors that need neither a stack nor anything of the runtime.
 */
#include "hx_offsets.h"

#define SAVE_SP (HX_SAVE + 0)
#define SAVE_SP1 (HX_SAVE + 8)
#define SAVE_GPR (HX_SAVE + 16)	/* x19 to x30 */
#define SAVE_SCTLR (HX_SAVE + 112)
#define SAVE_VBAR (HX_SAVE + 120)
#define SAVE_DAIF (HX_SAVE + 128)
#define SAVE_TTBR0 (HX_SAVE + 136)
#define SAVE_TTBR1 (HX_SAVE + 144)
#define SAVE_TCR (HX_SAVE + 152)
#define SAVE_MAIR (HX_SAVE + 160)
#define SAVE_MDSCR (HX_SAVE + 168)
#define SAVE_TPIDR (HX_SAVE + 176)
#define SAVE_CPACR (HX_SAVE + 184)
#define SAVE_CNTKCTL (HX_SAVE + 192)

	.macro	slot n
	.balign	128
	msr	tpidr_el0, x0
	mrs	x0, tpidrro_el0
	stp	x1, x2, [x0, #HX_X + 8]
	mov	x1, #\n
	b	taken
	.endm

	.text
	.balign	2048
	.globl	hx_vectors
hx_vectors:
	.irp	n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	slot	\n
	.endr

taken:
	str	x1, [x0, #HX_VECTOR]
	str	x3, [x0, #HX_X + 24]
	mrs	x1, tpidr_el0
	str	x1, [x0, #HX_X]
	mrs	x1, esr_el1
	mrs	x2, far_el1
	stp	x1, x2, [x0, #HX_ESR]
	mrs	x1, elr_el1
	mrs	x2, spsr_el1
	stp	x1, x2, [x0, #HX_ELR]
	b	restore

/* void hx_run(struct hx *c); interrupts are masked throughout. */
	.globl	hx_run
hx_run:
	stp	x19, x20, [x0, #SAVE_GPR]
	stp	x21, x22, [x0, #SAVE_GPR + 16]
	stp	x23, x24, [x0, #SAVE_GPR + 32]
	stp	x25, x26, [x0, #SAVE_GPR + 48]
	stp	x27, x28, [x0, #SAVE_GPR + 64]
	stp	x29, x30, [x0, #SAVE_GPR + 80]
	mrs	x1, daif
	str	x1, [x0, #SAVE_DAIF]
	msr	daifset, #15
	mov	x1, sp
	msr	spsel, #1
	mov	x2, sp
	msr	spsel, #0
	stp	x1, x2, [x0, #SAVE_SP]
	mrs	x1, sctlr_el1
	mrs	x2, vbar_el1
	stp	x1, x2, [x0, #SAVE_SCTLR]
	mrs	x1, ttbr0_el1
	mrs	x2, ttbr1_el1
	stp	x1, x2, [x0, #SAVE_TTBR0]
	mrs	x1, tcr_el1
	mrs	x2, mair_el1
	stp	x1, x2, [x0, #SAVE_TCR]
	mrs	x1, mdscr_el1
	mrs	x2, tpidr_el1
	stp	x1, x2, [x0, #SAVE_MDSCR]
	mrs	x1, cpacr_el1
	mrs	x2, cntkctl_el1
	stp	x1, x2, [x0, #SAVE_CPACR]

	/* If the MMU goes off, nothing dirty may be between us and memory. */
	ldr	x1, [x0, #HX_SCTLR]
	tbnz	x1, #0, 9f
	mov	x1, #0
1:	add	x2, x0, x1
	dc	civac, x2
	add	x1, x1, #16
	cmp	x1, #HX_SIZE
	b.lo	1b
	dsb	sy			/* cleaned before what follows */
9:
	msr	tpidrro_el0, x0
	adr	x1, hx_vectors
	msr	vbar_el1, x1
	ldr	x1, [x0, #HX_MDSCR]
	msr	mdscr_el1, x1
	isb				/* these vectors from here on */
	ldr	x9, [x0, #HX_FLAGS]
	ldr	x10, [x0, #HX_SCTLR]
	ldr	x11, [x0, #HX_DAIF]
	ldr	x12, [x0, #HX_PSTATE]
	ldr	x13, [x0, #HX_FN]
	ldp	x14, x15, [x0, #HX_TTBR0]
	ldp	x16, x17, [x0, #HX_TCR]
	ldp	x2, x3, [x0, #HX_X + 16]
	ldp	x4, x5, [x0, #HX_X + 32]
	ldp	x6, x7, [x0, #HX_X + 48]
	ldp	x0, x1, [x0, #HX_X]
	tbz	x9, #HX_F_TABLES_BIT, 2f
	msr	mair_el1, x17
	msr	ttbr0_el1, x14
	msr	ttbr1_el1, x15
	msr	tcr_el1, x16
	isb				/* new tables before old translations go */
	tlbi	vmalle1
	dsb	nsh			/* old translations gone */
	isb
2:	msr	sctlr_el1, x10
	isb				/* MMU off, or as it was */
	tbnz	x9, #HX_F_ERET_BIT, 3f
	msr	daif, x11
	blr	x13
	dsb	sy			/* an SError of the probe's is taken here, not later */
	isb
	nop
	msr	daifset, #15
	mrs	x9, tpidrro_el0
	stp	x0, x1, [x9, #HX_X]
	stp	x2, x3, [x9, #HX_X + 16]
	mov	x0, x9
	mov	x1, #-1
	str	x1, [x0, #HX_VECTOR]
	b	restore
3:	msr	spsr_el1, x12
	msr	elr_el1, x13
	eret
	dsb	nsh			/* not beyond ERET, not even speculatively */
	isb

/*
 * x0 = struct hx. With new tables this runs in TTBR1's half, which the old TCR maps as well: all but
 * TTBR1 is put back, and from its own address TTBR1, too.
 */
restore:
	msr	spsel, #1
	ldr	x9, [x0, #HX_FLAGS]
	tbz	x9, #HX_F_TABLES_BIT, 4f
	ldr	x1, [x0, #SAVE_TTBR0]
	msr	ttbr0_el1, x1
	ldp	x1, x2, [x0, #SAVE_TCR]
	msr	tcr_el1, x1
	msr	mair_el1, x2
	isb				/* the good tables before bad translations go */
	tlbi	vmalle1
	dsb	nsh			/* bad translations gone */
	isb
	and	x0, x0, #(1 << HX_VA_BITS) - 1
	adr	x1, 5f
	and	x1, x1, #(1 << HX_VA_BITS) - 1
	br	x1
5:	ldr	x1, [x0, #SAVE_TTBR1]
	msr	ttbr1_el1, x1
	isb				/* all as it was */
4:	ldp	x1, x2, [x0, #SAVE_SCTLR]
	msr	sctlr_el1, x1
	isb				/* MMU on again */
	msr	vbar_el1, x2
	ldp	x1, x2, [x0, #SAVE_MDSCR]
	msr	mdscr_el1, x1
	msr	tpidr_el1, x2
	ldp	x1, x2, [x0, #SAVE_CPACR]
	msr	cpacr_el1, x1
	msr	cntkctl_el1, x2
	isb				/* all of it before the caller goes on */
	ldp	x1, x2, [x0, #SAVE_SP]
	mov	sp, x2
	msr	spsel, #0
	mov	sp, x1
	ldp	x19, x20, [x0, #SAVE_GPR]
	ldp	x21, x22, [x0, #SAVE_GPR + 16]
	ldp	x23, x24, [x0, #SAVE_GPR + 32]
	ldp	x25, x26, [x0, #SAVE_GPR + 48]
	ldp	x27, x28, [x0, #SAVE_GPR + 64]
	ldp	x29, x30, [x0, #SAVE_GPR + 80]
	ldr	x1, [x0, #SAVE_DAIF]
	msr	daif, x1
	ret

/* void hx_hvc(uint64_t x[30]), hx_smc: a call with x0 to x29, and what they are afterwards. */
	.macro	call_all insn
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	mov	x30, x0
	.irp	n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
	pair	ldp, \n, %(\n + 1)
	.endr
	\insn	#0
	.irp	n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28
	pair	stp, \n, %(\n + 1)
	.endr
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret
	.endm
	.macro	pair op, a, b
	\op	x\a, x\b, [x30, #8 * \a]
	.endm

	.altmacro
	.globl	hx_hvc, hx_smc
hx_hvc:	call_all hvc
hx_smc:	call_all smc
	.noaltmacro

/*
 * The accesses: x0 = address, x1 and x2 data, x3 a status. hx_ops[] of { name, function, flags,
 * bytes }; flags as in hx.h.
 */
	.arch	armv8.2-a+lse+fp16
	.macro	op name, flags, bytes, insn:vararg
	.section .rodata.hx_str, "aMS", @progbits, 1
7:	.asciz	"\name"
	.text
	.balign	8
8:	\insn
	ret
	.section .data.hx_ops, "aw"
	.quad	7b, 8b, \flags, \bytes
	.endm

	.macro	exclusive
	ldxr	w2, [x0]
	stxr	w3, w1, [x0]
	.endm

#define R 0	/* loads */
#define W 1	/* stores */
#define M 2	/* maintenance, hints, loads into SIMD registers: no data to show */
#define J 4	/* a jump there */

	.section .data.hx_ops, "aw"
	.balign	8
	.globl	hx_ops
hx_ops:
	op	"ldrb w", R, 1, ldrb w1, [x0]
	op	"ldrh w", R, 2, ldrh w1, [x0]
	op	"ldr w", R, 4, ldr w1, [x0]
	op	"ldr x", R, 8, ldr x1, [x0]
	op	"strb w", W, 1, strb w1, [x0]
	op	"strh w", W, 2, strh w1, [x0]
	op	"str w", W, 4, str w1, [x0]
	op	"str x", W, 8, str x1, [x0]
	.globl	hx_ops_more
hx_ops_more:
	op	"ldrsb x", R, 1, ldrsb x1, [x0]
	op	"ldrsh w", R, 2, ldrsh w1, [x0]
	op	"ldrsw x", R, 4, ldrsw x1, [x0]
	op	"ldr w post", R, 4, ldr w1, [x0], #4
	op	"ldr w pre", R, 4, ldr w1, [x0, #0]!
	op	"ldrb w post", R, 1, ldrb w1, [x0], #-1
	op	"ldr x post", R, 8, ldr x1, [x0], #8
	op	"str w post", W, 4, str w1, [x0], #4
	op	"str x pre", W, 8, str x1, [x0, #0]!
	op	"strh w post", W, 2, strh w1, [x0], #2
	op	"ldr w into base", R, 4, .inst 0xb8404400 /* ldr w0, [x0], #4: unpredictable */
	op	"ldp w", R, 8, ldp w1, w2, [x0]
	op	"ldp x", R, 16, ldp x1, x2, [x0]
	op	"ldpsw", R, 8, ldpsw x1, x2, [x0]
	op	"ldp w post", R, 8, ldp w1, w2, [x0], #8
	op	"ldp w twice", R, 8, .inst 0x29400401 /* ldp w1, w1, [x0]: unpredictable */
	op	"ldnp w", R, 8, ldnp w1, w2, [x0]
	op	"stp w", W, 8, stp w1, w2, [x0]
	op	"stp x", W, 16, stp x1, x2, [x0]
	op	"stp x pre", W, 16, stp x1, x2, [x0, #0]!
	op	"stnp x", W, 16, stnp x1, x2, [x0]
	op	"ldtr w", R, 4, ldtr w1, [x0]
	op	"sttr w", W, 4, sttr w1, [x0]
	op	"ldar w", R, 4, ldar w1, [x0]
	op	"stlr w", W, 4, stlr w1, [x0]
	op	"ldxr w", R, 4, ldxr w1, [x0]
	op	"ldaxr x", R, 8, ldaxr x1, [x0]
	op	"ldxp w", R, 8, ldxp w1, w2, [x0]
	op	"ldxr stxr", W, 4, exclusive
	op	"stxr", W, 4, stxr w3, w1, [x0]
	op	"cas w", W, 4, cas w2, w1, [x0]
	op	"swpal x", W, 8, swpal x1, x2, [x0]
	op	"ldadd w", W, 4, ldadd w1, w2, [x0]
	op	"stclr x", W, 8, stclr x1, [x0]
	op	"casp x", W, 16, casp x4, x5, x6, x7, [x0]
	op	"ldr b", M, 1, ldr b0, [x0]
	op	"ldr s", M, 4, ldr s0, [x0]
	op	"ldr d", M, 8, ldr d0, [x0]
	op	"ldr q", M, 16, ldr q0, [x0]
	op	"str s", W, 4, str s0, [x0]
	op	"str q", W, 16, str q0, [x0]
	op	"ldp q", M, 32, ldp q0, q1, [x0]
	op	"stp d post", W, 16, stp d0, d1, [x0], #16
	op	"ld1 4x16b", M, 64, ld1 {v0.16b-v3.16b}, [x0]
	op	"st4 4s post", W, 64, st4 {v0.4s-v3.4s}, [x0], #64
	op	"ld1r 4s", M, 4, ld1r {v0.4s}, [x0]
	op	"st1 h lane", W, 2, st1 {v0.h}[3], [x0]
	op	"dc zva", W, 64, dc zva, x0
	op	"dc civac", M, 64, dc civac, x0
	op	"dc cvac", M, 64, dc cvac, x0
	op	"dc ivac", M, 64, dc ivac, x0
	op	"ic ivau", M, 64, ic ivau, x0
	op	"prfm", M, 0, prfm pldl1keep, [x0]
	op	"at s1e1r", M, 0, at s1e1r, x0
	op	"at s1e0w", M, 0, at s1e0w, x0
	op	"jump", J, 4, br x0
	.section .data.hx_ops, "aw"
	.globl	hx_ops_end
hx_ops_end:

	.section .note.GNU-stack, "", @progbits
