/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of a unikernel (x0 = FDT, EL1, MMU off), entry of its other CPUs, and the switches of
 * translation table and stack that C cannot do.
 */
#include "layout.h"

/* Attribute 0 normal write-back, 1 device nGnRE (Arm ARM D13.2.97, MAIR_EL1). */
#define MAIR_VALUE 0x04ff
/* T0SZ 25 (39 bits), walks inner-shareable write-back, EPD1, 4 KiB granule (D13.2.131, TCR_EL1). */
#define TCR_VALUE (25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23))
/* RES1 bits of Armv8.0 plus M, C, SA, I, WXN, nTWI, nTWE, DZE, UCT (D13.2.118, SCTLR_EL1). */
#define SCTLR_VALUE (0x30d00800 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 14 | 1 << 15 | \
		     1 << 16 | 1 << 18 | 1 << 19)

	.section .text.start, "ax"
	.globl	_start
_start:
	msr	daifset, #15
	mov	x19, x0
	msr	spsel, #1
	adrp	x1, uk_bss_start
	add	x1, x1, :lo12:uk_bss_start
	adrp	x2, uk_bss_end
	add	x2, x2, :lo12:uk_bss_end
1:	cmp	x1, x2
	b.hs	2f
	stp	xzr, xzr, [x1], #16
	stp	xzr, xzr, [x1], #16
	stp	xzr, xzr, [x1], #16
	stp	xzr, xzr, [x1], #16
	b	1b
2:	adrp	x1, boot_stack + BOOT_STACK_SIZE
	add	x1, x1, :lo12:boot_stack + BOOT_STACK_SIZE
	mov	sp, x1
	adrp	x1, uk_cpus
	add	x1, x1, :lo12:uk_cpus
	msr	tpidr_el1, x1
	bl	cpu_setup
	bl	uk_mmu_early
	bl	uk_mmu_on
	mov	x0, x19
	bl	uk_boot
	b	.

/* Vectors and FP for this CPU. Clobbers x9. */
cpu_setup:
	adrp	x9, uk_vectors
	add	x9, x9, :lo12:uk_vectors
	msr	vbar_el1, x9
	mov	x9, #3 << 20		/* CPACR_EL1.FPEN: no trap (D13.2.30) */
	msr	cpacr_el1, x9
	isb				/* FP usable before the next instruction needs it */
	ret

	.text
/* void uk_mmu_on(uint64_t ttbr): identity map, so it just returns. */
	.globl	uk_mmu_on
uk_mmu_on:
	ldr	x9, =MAIR_VALUE
	msr	mair_el1, x9
	ldr	x9, =TCR_VALUE
	mrs	x10, id_aa64mmfr0_el1
	and	x10, x10, #7		/* PARange; 48 bits is the most that fits */
	cmp	x10, #5
	mov	x11, #5
	csel	x10, x10, x11, ls
	bfi	x9, x10, #32, #3	/* IPS */
	msr	tcr_el1, x9
	msr	ttbr0_el1, x0
	dsb	sy			/* tables written before they are walked */
	tlbi	vmalle1
	ic	iallu
	dsb	nsh			/* invalidation done before translation starts (D5.10) */
	isb
	ldr	x9, =SCTLR_VALUE
	msr	sctlr_el1, x9
	isb				/* translation on from the next instruction */
	ret

/* void uk_mmu_switch(uint64_t ttbr): the new ASID keeps old and new entries apart. */
	.globl	uk_mmu_switch
uk_mmu_switch:
	dsb	ish			/* the new tables' writes before their walks */
	msr	ttbr0_el1, x0
	isb				/* new tables from here */
	tlbi	vmalle1
	dsb	nsh			/* old ASID's entries gone before its tables are reused */
	isb
	ret

/* _Noreturn void uk_run_on(struct cpu *cpu, void (*fn)(void)) */
	.globl	uk_run_on
uk_run_on:
	ldp	x2, x3, [x0, #CPU_SP_MAIN]
	msr	spsel, #1
	mov	sp, x3
	msr	spsel, #0
	mov	sp, x2
	mov	x29, xzr
	mov	x30, xzr
	br	x1

/* Start of another CPU: x0 = its struct cpu, which was cleaned to memory. */
	.globl	uk_cpu_entry
uk_cpu_entry:
	msr	daifset, #15
	mov	x19, x0
	msr	tpidr_el1, x0
	bl	cpu_setup
	ldr	x0, [x19, #CPU_TTBR]
	bl	uk_mmu_on
	mov	x0, x19
	adrp	x1, uk_cpu_main
	add	x1, x1, :lo12:uk_cpu_main
	b	uk_run_on

	.section .bss.boot_stack, "aw", @nobits
	.balign	16
boot_stack:
	.skip	BOOT_STACK_SIZE

	.section .note.GNU-stack, "", @progbits
