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
	do {                                                                                       \
		uint64_t sr_new_ = (val);                                                          \
		__asm__ volatile("msr " #reg ", %x0" ::"rZ"(sr_new_) : "memory");                  \
	} while (0)

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
#define FSC_ADDR_SIZE 0x00u
#define FSC_TRANSLATION 0x04u
#define FSC_ACCESS 0x08u
#define FSC_PERMISSION 0x0cu
#define FSC_EXTERNAL 0x10u
#define FSC_EXTERNAL_WALK 0x14u
#define FSC_GROUP 0x30u /* 0: the four above; 0x10: external, parity or ECC, on a walk or not */
#define FSC_ALIGNMENT 0x21u
/* ISS of MSR, MRS and SYS. */
#define ESR_SYS_READ BIT(0)
#define ESR_SYS_RT GENMASK(9, 5)
/* ISS of WFI and WFE. */
#define ESR_WFX_TI GENMASK(1, 0)

/* Exception classes, in words for dumps. */
#define ESR_CLASSES(X)                                                                             \
	X(0x00, UNKNOWN, "undefined instruction")                                                  \
	X(0x01, WFX, "WFI or WFE trapped")                                                         \
	X(0x03, CP15_32, "CP15 access trapped")                                                    \
	X(0x04, CP15_64, "CP15 access trapped")                                                    \
	X(0x07, FP, "FP/SIMD access trapped")                                                      \
	X(0x09, PAUTH, "pointer authentication trapped")                                           \
	X(0x0d, BTI, "branch target exception")                                                    \
	X(0x0e, ILLEGAL, "illegal execution state")                                                \
	X(0x11, SVC32, "SVC (AArch32)")                                                            \
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
#define PSR_M_EL0T UINT64_C(0x0)
#define PSR_M_EL1T UINT64_C(0x4)
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

static inline bool pstate_is_el0(uint64_t pstate)
{
	return (pstate & PSR_AARCH32) != 0 || (pstate & PSR_M) == PSR_M_EL0T;
}

/* HCR_EL2. */
#define HCR_VM BIT(0)
#define HCR_SWIO BIT(1)
#define HCR_PTW BIT(2)
#define HCR_FMO BIT(3)
#define HCR_IMO BIT(4)
#define HCR_AMO BIT(5)
#define HCR_VSE BIT(8)
#define HCR_FB BIT(9)
#define HCR_BSU_IS BIT(10)
#define HCR_TWI BIT(13)
#define HCR_TWE BIT(14)
#define HCR_TID3 BIT(18)
#define HCR_TSC BIT(19)
#define HCR_TIDCP BIT(20)
#define HCR_TACR BIT(21)
#define HCR_TSW BIT(22)
#define HCR_TVM BIT(26)
#define HCR_RW BIT(31)
#define HCR_TLOR BIT(35)
#define HCR_TERR BIT(36)

/* CPTR_EL2 (E2H = 0), MDCR_EL2, CNTHCTL_EL2 (E2H = 0). */
#define CPTR_RES1 UINT64_C(0x32ff)
#define CPTR_TZ BIT(8)
#define CPTR_TFP BIT(10)
#define CPTR_TSM BIT(12)
#define CPTR_TTA BIT(20)
#define CPTR_TAM BIT(30)
#define MDCR_TPMCR BIT(5)
#define MDCR_TPM BIT(6)
#define MDCR_TDA BIT(9)
#define MDCR_TDOSA BIT(10)
#define MDCR_TDRA BIT(11)
#define MDCR_TPMS BIT(14)
#define MDCR_TTRF BIT(19)
#define CNTHCTL_EL1PCTEN BIT(0)
#define CNTKCTL_EL0PTEN BIT(9)

/* TCR_EL1: no walks from TTBR0, from TTBR1. */
#define TCR_EPD0 BIT(7)
#define TCR_EPD1 BIT(23)

/* SCTLR_EL1, SCTLR_EL2. */
#define SCTLR_M BIT(0)
#define SCTLR_C BIT(2)
#define SCTLR_SA BIT(3)
#define SCTLR_I BIT(12)
#define SCTLR_WXN BIT(19)
#define SCTLR_SPAN BIT(23)
#define SCTLR_EL1_RES1 UINT64_C(0x30d00800) /* bits 29 28 23 22 20 11: reset value on Armv8.0 */
#define SCTLR_EL2_RES1 UINT64_C(0x30c50830) /* bits 29 28 23 22 18 16 11 5 4 */

/* HPFAR_EL2: FIPA<43:4> is IPA<51:12> (D19.2.57); the low 12 bits come from FAR_EL2. */
#define HPFAR_FIPA GENMASK(43, 4)
#define hpfar_ipa(far)                                                                             \
	(FIELD_GET(HPFAR_FIPA, sysreg_read(HPFAR_EL2)) << PAGE_SHIFT | ((far)&PAGE_MASK))

/* PAR_EL1. */
#define PAR_F BIT(0)
#define PAR_PA GENMASK(47, 12)

/* ID_AA64DFR0_EL1: breakpoints and watchpoints less 1; PMU: 0 none, 0xf not Arm's. */
#define DFR0_PMUVER GENMASK(11, 8)
#define DFR0_BRPS GENMASK(15, 12)
#define DFR0_WRPS GENMASK(23, 20)

#define MPIDR_AFF GENMASK(23, 0)
#define MPIDR_AFF3 GENMASK(39, 32)
