/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architectural state of a vCPU: plain data, valid in memory only while the vCPU is not loaded
 * on a CPU (struct vcpu.loaded_on), except x[], which are valid during full traps as well.
 */
#pragma once

#include <hyp/types.h>
#include <arch/gic.h>

/*
 * EL1 and EL0 system registers switched with a vCPU, in the order in which they are switched;
 * SCTLR_EL1 is last: docs/errata.md, A72 1319367. Writes of those with an encoding (CRn, CRm, op2;
 * op0 = 3, op1 = 0) trap while HCR_EL2.TVM is set.
 */
/* clang-format off */
#define FOR_EACH_TVM_SR(X) \
	X(TTBR0_EL1, 2, 0, 0) X(TTBR1_EL1, 2, 0, 1) X(TCR_EL1, 2, 0, 2) X(AFSR0_EL1, 5, 1, 0) \
	X(AFSR1_EL1, 5, 1, 1) X(ESR_EL1, 5, 2, 0) X(FAR_EL1, 6, 0, 0) X(MAIR_EL1, 10, 2, 0) \
	X(AMAIR_EL1, 10, 3, 0) X(CONTEXTIDR_EL1, 13, 0, 1) X(SCTLR_EL1, 1, 0, 0)
#define FOR_EACH_SR(X) \
	X(SP_EL0) X(SP_EL1) X(ELR_EL1) X(SPSR_EL1) X(CPACR_EL1) X(VBAR_EL1) X(TPIDR_EL0) \
	X(TPIDRRO_EL0) X(TPIDR_EL1) X(CNTKCTL_EL1) X(PAR_EL1) X(CSSELR_EL1) FOR_EACH_TVM_SR(X)
/* clang-format on */
#define SR_INDEX(reg, ...) SR_##reg,
enum vcpu_sr { FOR_EACH_SR(SR_INDEX) SR_COUNT };

/* Owned by nobody (trapped) until first use, by the guest from then on. */
struct arch_vcpu_debug {
	bool owned;
	bool oslk; /* OS lock */
	uint64_t mdscr;
	uint64_t claim; /* claim tags */
	uint64_t bvr[16], bcr[16];
	uint64_t wvr[16], wcr[16];
};

/* As entry.S has it. */
struct arch_vcpu_fp {
	uint64_t fpsr, fpcr;
	uint64_t v[64] __attribute__((aligned(16))); /* 32 x 128 bits */
};

struct arch_vcpu {
	uint64_t x[31]; /* only through vcpu_gpr_get/set */
	uint64_t pc;
	uint64_t pstate;
	uint64_t sr[SR_COUNT];
	uint64_t hcr; /* this vCPU's HCR_EL2 (bits TVM, VSE, TWE change) */
	uint64_t vmpidr;
	uint64_t vdisr; /* VDISR_EL2, which is DISR_EL1 to the guest, on CPUs with FEAT_RAS */
	struct arch_vcpu_fp fp;
	struct arch_vcpu_debug debug;
	struct arch_gic_vcpu gic;
};
