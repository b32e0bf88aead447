/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of struct hx for hx_asm.S; hx.c asserts every one of them.
 */
#pragma once

#define HX_X 0
#define HX_FN 64
#define HX_FLAGS 72
#define HX_PSTATE 80
#define HX_DAIF 88
#define HX_SCTLR 96
#define HX_TTBR0 104
#define HX_TTBR1 112
#define HX_TCR 120
#define HX_MAIR 128
#define HX_MDSCR 136
#define HX_VECTOR 144
#define HX_ESR 152
#define HX_FAR 160
#define HX_ELR 168
#define HX_SPSR 176
#define HX_SAVE 192
#define HX_SIZE 448

#define HX_F_TABLES_BIT 0
#define HX_F_ERET_BIT 1

/* The virtual addresses that TTBR0 maps with 39 bits; those with all bits above set are TTBR1's. */
#define HX_VA_BITS 39
