/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System registers of AArch64: access by name, encodings as ESR_EL2 reports them, and the fields
 * that Atoll uses (Arm ARM D19 unless a line says otherwise).
 */
#pragma once

#include <hyp/types.h>

#define sysreg_read(reg)                                                                           \
	({                                                                                         \
		uint64_t sr_val_;                                                                  \
		__asm__ volatile("mrs %0, " #reg : "=r"(sr_val_));                                 \
		sr_val_;                                                                           \
	})
/* The memory clobber keeps stores on their side of a write that changes translation or traps. */
#define sysreg_write(reg, val)                                                                     \
	({ __asm__ volatile("msr " #reg ", %x0" ::"rZ"((uint64_t)(val)) : "memory"); })

/* An encoding, as the ISS of a trapped MSR or MRS has it; Rt and the direction are between. */
#define SYS_ENC(op0, op1, crn, crm, op2)                                                           \
	((uint32_t)((op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 | (crm) << 1))

/* ESR_EL2 (D19.2.40). */
#define ESR_EC GENMASK(31, 26)
#define ESR_IL BIT(25)
#define ESR_CV BIT(24) /* conditional AArch32 instructions */
#define ESR_COND GENMASK(23, 20)
/* ISS of data and instruction aborts. */
#define ESR_ISV BIT(24)
#define ESR_SAS GENMASK(23, 22)
#define ESR_SSE BIT(21)
#define ESR_SRT GENMASK(20, 16)
#define ESR_SF BIT(15)
#define ESR_CM BIT(8)
#define ESR_S1PTW BIT(7)
#define ESR_WNR BIT(6)
#define ESR_FSC GENMASK(5, 0)
#define FSC_TYPE 0x3cu /* fault type without the level */
#define FSC_TRANSLATION 0x04u
#define FSC_PERMISSION 0x0cu
#define FSC_EXTERNAL 0x10u
#define FSC_EXTERNAL_WALK 0x14u
#define FSC_GROUP 0x30u /* 0: of translation; 0x10: external, parity or ECC, on a walk or not */
/* ISS of MSR, MRS and SYS. */
#define ESR_SYS_READ BIT(0)
#define ESR_SYS_RT GENMASK(9, 5)

/* Exception classes, in words for dumps. */
#define ESR_CLASSES(X)                                                                             \
	X(0x00, UNKNOWN, "undefined instruction")                                                  \
	X(0x01, WFX, "WFI or WFE trapped")                                                         \
	X(0x03, CP15_32, "CP15 access trapped")                                                    \
	X(0x04, CP15_64, "CP15 access trapped")                                                    \
	X(0x07, FP, "FP/SIMD access trapped")                                                      \
	X(0x09, PAUTH, "pointer authentication trapped")                                           \
	X(0x0e, ILLEGAL, "illegal execution state")                                                \
	X(0x15, SVC64, "SVC")                                                                      \
	X(0x16, HVC64, "HVC")                                                                      \
	X(0x17, SMC64, "SMC")                                                                      \
	X(0x18, SYS64, "system register trapped")                                                  \
	X(0x19, SVE, "SVE access trapped")                                                         \
	X(0x20, IABT_LOWER, "instruction abort of a lower level")                                  \
	X(0x21, IABT_SAME, "instruction abort")                                                    \
	X(0x22, PC_ALIGN, "PC alignment fault")                                                    \
	X(0x24, DABT_LOWER, "data abort of a lower level")                                         \
	X(0x25, DABT_SAME, "data abort")                                                           \
	X(0x26, SP_ALIGN, "SP alignment fault")                                                    \
	X(0x2c, FP64, "floating-point exception")                                                  \
	X(0x2f, SERROR, "SError")                                                                  \
	X(0x3c, BRK64, "BRK")
#define ESR_EC_VALUE(ec, name, text) EC_##name = (ec),
enum esr_ec { ESR_CLASSES(ESR_EC_VALUE) };

/* SPSR_EL2 / PSTATE. */
#define PSR_M GENMASK(4, 0)
#define PSR_M_EL1H UINT64_C(0x5)
#define PSR_AARCH32 BIT(4)
#define PSR_T32 BIT(5)
#define PSR_DAIF GENMASK(9, 6)
#define PSR_BTYPE GENMASK(11, 10) /* AArch64 */
#define PSR_SS BIT(21)
#define PSR_PAN BIT(22)
#define PSR_NZCV GENMASK(31, 28)
#define PSR_IT_HI GENMASK(15, 10)
#define PSR_IT_LO GENMASK(26, 25)

#define pstate_is_el0(pstate) (((pstate)&PSR_AARCH32) != 0 || ((pstate)&PSR_M) == 0)

/* HCR_EL2: what changes while a vCPU runs; the others are in vcpu_regs.c. */
#define HCR_VSE BIT(8)
#define HCR_TWE BIT(14)
#define HCR_TVM BIT(26)

/* SCTLR_EL1. */
#define SCTLR_M BIT(0)
#define SCTLR_C BIT(2)
#define SCTLR_SPAN BIT(23)
#define SCTLR_EL1_RES1 UINT64_C(0x30d00800) /* bits 29 28 23 22 20 11: reset value on Armv8.0 */

/* HPFAR_EL2: FIPA<43:4> is IPA<51:12> (D19.2.57); the low 12 bits come from FAR_EL2. */
#define hpfar_ipa(far) ((sysreg_read(HPFAR_EL2) & GENMASK(43, 4)) << 8 | ((far)&PAGE_MASK))

/* PAR_EL1. */
#define PAR_F BIT(0)
#define PAR_PA GENMASK(47, 12)

/* A field of four bits of an ID register. */
#define id_field(reg, lsb) (sysreg_read(reg) >> (lsb)&15)
