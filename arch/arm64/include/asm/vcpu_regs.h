/* SPDX-License-Identifier: Apache-2.0 */
/* Trap-control values of a vCPU; the only file that computes them is arch/arm64/vcpu_regs.c. */
#pragma once

#include <hyp/types.h>

struct vcpu;
struct arch_vcpu_fp;

extern const uint64_t vcpu_hcr_base;
extern const uint64_t vcpu_cptr;
uint64_t vcpu_cnthctl(const struct vcpu *v);
uint64_t vcpu_mdcr(const struct vcpu *v);
/* The one writer of HCR_EL2 while guests run; the caller sees to the ISB (or the ERET). */
void hcr_write(uint64_t hcr);
/* Changes bits of v, which is loaded here, in memory and in the register. */
void vcpu_hcr_change(struct vcpu *v, uint64_t clear, uint64_t set);

/* switch.c: all of v's state between memory and this CPU. v->loaded_on is the caller's. */
void vcpu_ctx_save(struct vcpu *v);
void vcpu_ctx_load(struct vcpu *v);
/* The debug registers are v's from now on; v is loaded here. */
void vcpu_debug_take(struct vcpu *v);

void fp_save(struct arch_vcpu_fp *fp);
void fp_load(const struct arch_vcpu_fp *fp);
