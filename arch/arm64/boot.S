/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the loader to C: arm64 Image header, caches, BSS, relocation, EL2's MMU; secondaries from
 * PSCI and spin-table. Entered with MMU and data cache off (Linux Documentation/arch/arm64/booting).
 */
#include <gen/asm_offsets.h>

#define SCTLR_EL2_MMU_OFF	0x30c50830	/* RES1 bits alone (Arm ARM D19.2.120) */
#define HCR_EL2_NO_GUEST	0x80000038	/* RW, AMO, IMO, FMO: interrupts are EL2's */
#define CPTR_EL2_NO_TRAP	0x33ff		/* RES1; EL2 uses no FP, guests get trap_cpu_init()'s */
#define CURRENT_EL2		0x8
#define R_AARCH64_RELATIVE	0x403

.macro adr_l reg, sym
	adrp	\reg, \sym
	add	\reg, \reg, :lo12:\sym
.endm

/* DC op on every line of [image_start, image_end). Clobbers x0-x3. */
.macro image_dcache op
	mrs	x0, ctr_el0
	ubfx	x0, x0, #16, #4			/* DminLine: log2 of the line in 4-byte words */
	mov	x2, #4
	lsl	x2, x2, x0
	adr_l	x0, image_start			/* page-aligned, so line-aligned */
	adr_l	x1, image_end
1:	dc	\op, x0
	add	x0, x0, x2
	cmp	x0, x1
	b.lo	1b
	dsb	sy				/* the maintenance is complete (B2.3.12) */
.endm

.section .head.text, "ax"
.globl _start
_start:
	b	boot_primary			/* code0 */
	.long	0				/* code1 */
	.quad	0				/* text_offset */
	.long	_image_size, 0			/* as a word: 64-bit ones get relocated */
	.quad	0xa				/* little-endian, 4 KiB pages, anywhere in RAM */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

.section .text.boot, "ax"
boot_primary:
	mov	x19, x0				/* FDT */
	msr	daifset, #0xf
	/*
	 * The loader cleaned the file's part of the image; lines of the rest may still be dirty, and
	 * would be evicted over what is stored below past the caches.
	 */
	image_dcache civac

	adr_l	x0, bss_start
	adr_l	x1, bss_end
1:	cmp	x0, x1
	b.hs	2f
	stp	xzr, xzr, [x0], #16		/* both ends are page-aligned */
	b	1b
2:
	adr_l	x0, image_start			/* linked at 0: the load address is the offset */
	adr_l	x1, rela_start
	adr_l	x2, rela_end
1:	cmp	x1, x2
	b.hs	2f
	ldp	x3, x4, [x1], #16		/* r_offset, r_info */
	ldr	x5, [x1], #8			/* r_addend */
	cmp	w4, #R_AARCH64_RELATIVE
	b.ne	1b				/* the linker made no other (check_elf) */
	add	x5, x5, x0
	str	x5, [x0, x3]
	b	1b
2:	dsb	sy				/* stores done before anything depends on them */

	msr	spsel, #1
	adr_l	x4, cpu_stacks + STACK_AREA
	mov	sp, x4
	mov	x29, xzr
	mov	x30, xzr
	mrs	x20, CurrentEL
	cmp	x20, #CURRENT_EL2
	b.ne	3f
	adr_l	x1, pcpus
	str	x4, [x1, #PCPU_STACK_TOP]	/* faults are told from here on */
	bl	el2_early
3:	mov	x0, x19
	lsr	x1, x20, #2
	bl	boot_early			/* (fdt, el) -> fdt or NULL; builds the tables */
	mov	x19, x0
	/* Stored past the caches so far: what they hold of the image by speculation is stale. */
	image_dcache ivac
	bl	el2_mmu_on
	mov	x0, x19
	mov	x29, xzr
	bl	boot_main
	b	boot_park

/*
 * PSCI CPU_ON and spin-table both arrive here, MMU off: the CPU waits until the slot is its own by
 * MPIDR, since spin-table passes no argument and a release address may be shared.
 */
.globl boot_secondary_entry
boot_secondary_entry:
	msr	daifset, #0xf
	msr	spsel, #1
	mrs	x0, mpidr_el1
	and	x1, x0, #0xff00000000		/* Aff3 */
	and	x0, x0, #0xffffff		/* Aff2-Aff0; not U, MT and bit 31 */
	orr	x0, x0, x1
	adr_l	x2, boot_slot
1:	ldr	x3, [x2, #BOOT_SLOT_MPIDR]
	cmp	x3, x0
	b.eq	2f
	wfe					/* released too early: a SEV follows each change */
	b	1b
2:	ldr	x4, [x2, #BOOT_SLOT_STACK]	/* accesses to Device memory (MMU off): in order */
	ldr	x1, [x2, #BOOT_SLOT_PCPU]
	ldr	x3, [x2, #BOOT_SLOT_MPIDR]	/* still? One that comes too late may find the */
	cmp	x3, x0				/* stack of the next, written in between */
	b.ne	1b
	mov	sp, x4
	bl	el2_early
	bl	el2_mmu_on
	mov	x29, xzr
	mov	x30, xzr
	b	smp_secondary			/* does not return */

/*
 * What C and exceptions need; the rest of EL2's registers is arch_cpu_init(). x1 = struct pcpu.
 * Clobbers x0.
 */
el2_early:
	ldr	x0, =SCTLR_EL2_MMU_OFF
	msr	sctlr_el2, x0
	ldr	x0, =HCR_EL2_NO_GUEST		/* E2H, TGE off: layouts below are those of E2H = 0 */
	msr	hcr_el2, x0
	isb					/* E2H decides what CPTR_EL2 means (D19.2.31) */
	mov	x0, #CPTR_EL2_NO_TRAP
	msr	cptr_el2, x0
	adr_l	x0, vectors
	msr	vbar_el2, x0
	msr	tpidr_el2, x1
	isb					/* vectors in place before the first access that may fault */
	ret

/* Turns the MMU on with the values of mm_regs. The map is flat, so the next fetch is the same. */
el2_mmu_on:
	adr_l	x0, mm_regs
	ldp	x1, x2, [x0]			/* MAIR_EL2, TCR_EL2 */
	ldp	x3, x4, [x0, #16]		/* TTBR0_EL2, SCTLR_EL2 */
	msr	mair_el2, x1
	msr	tcr_el2, x2
	msr	ttbr0_el2, x3
	dsb	sy				/* table stores complete before a walk (D8.2.6) */
	isb					/* registers before the invalidation (K13.5.3) */
	tlbi	alle2				/* entries of before the reset are UNKNOWN */
	ic	iallu
	dsb	nsh				/* both done ... */
	isb					/* ... before fetches go through the tables */
	msr	sctlr_el2, x4
	isb					/* the MMU is on for what follows */
	ret

.globl boot_park
boot_park:
	wfi
	b	boot_park
