/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architectural state of a vCPU: plain data, valid in memory only while the vCPU is not loaded
 * on a CPU (struct vcpu.loaded_on), except x[], which are valid during full traps as well.
 */
#pragma once

#include <hyp/types.h>
#include <arch/gic.h>

/* EL1 and EL0 system registers switched with a vCPU, in the order in which they are switched. */
enum vcpu_sr {
	SR_SP_EL0,
	SR_SP_EL1,
	SR_ELR_EL1,
	SR_SPSR_EL1,
	SR_CPACR_EL1,
	SR_TTBR0_EL1,
	SR_TTBR1_EL1,
	SR_TCR_EL1,
	SR_ESR_EL1,
	SR_AFSR0_EL1,
	SR_AFSR1_EL1,
	SR_FAR_EL1,
	SR_MAIR_EL1,
	SR_AMAIR_EL1,
	SR_VBAR_EL1,
	SR_CONTEXTIDR_EL1,
	SR_TPIDR_EL0,
	SR_TPIDRRO_EL0,
	SR_TPIDR_EL1,
	SR_CNTKCTL_EL1,
	SR_PAR_EL1,
	SR_CSSELR_EL1,
	SR_SCTLR_EL1, /* last: docs/errata.md, A72 1319367 */
	SR_COUNT,
};

#define VCPU_MAX_BRPS 16u

/* Owned by nobody (trapped) until first use, by the guest from then on. */
struct arch_vcpu_debug {
	bool owned;
	bool oslk; /* OS lock */
	uint64_t mdscr;
	uint64_t bvr[VCPU_MAX_BRPS], bcr[VCPU_MAX_BRPS];
	uint64_t wvr[VCPU_MAX_BRPS], wcr[VCPU_MAX_BRPS];
};

struct arch_vcpu_fp {
	/* 32 x 128 bits */
	uint64_t v[64] __attribute__((aligned(16)));
	uint64_t fpsr, fpcr;
};

struct arch_vcpu {
	uint64_t x[31]; /* only through vcpu_gpr_get/set */
	uint64_t pc;
	uint64_t pstate;
	uint64_t sr[SR_COUNT];
	uint64_t hcr; /* this vCPU's HCR_EL2 (bits TVM, VSE, TWE change) */
	uint64_t vmpidr;
	struct arch_vcpu_fp fp;
	struct arch_vcpu_debug debug;
	struct arch_gic_vcpu gic;
};
