/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of arch/arm64's upper half: handlers, injection, decoding, trap controls. */
#pragma once

#include <arch/trap.h>
#include <hyp/types.h>

struct vcpu;
struct arch_vcpu_fp;

/* Called by entry.S. */
struct vcpu *trap_sync(struct vcpu *v, uint64_t esr);
struct vcpu *trap_exit_slow(void);
struct vcpu *trap_hvc(struct vcpu *v);
struct vcpu *trap_irq(struct vcpu *v);
struct vcpu *trap_trace(struct vcpu *v, bool interrupt);

/* Full-view handlers, by exception class; registers of v->arch.x are valid. */
enum trap_result trap_sysreg(struct vcpu *v, uint64_t esr);
enum trap_result trap_cp15(struct vcpu *v, uint64_t esr);
enum trap_result trap_abort(struct vcpu *v, uint64_t esr);
/* Pends a virtual SError (HCR_EL2.VSE). */
enum trap_result trap_serror(struct vcpu *v, uint64_t esr);
/* An instruction of AArch32 with this syndrome fails its condition (G1.12: CV, COND). */
bool trap_cond_fails(uint64_t esr, uint64_t pstate);

/* A load or store whose syndrome the CPU did not give (ISV = 0). */
struct ldst {
	uint64_t iss;         /* each access has this one: SAS, SSE, SF, WNR */
	uint8_t n, rt[2], rn; /* n accesses; rn 31: SP */
	bool writeback, post;
	int64_t imm; /* bytes */
};
/* A64 LDP/STP/LDPSW and LDR/STR with write-back, general registers only (Arm ARM C4.1.88). */
bool decode_ldst(uint32_t insn, struct ldst *out);
/* What a load of `size` bytes leaves in the register. */
static inline uint64_t ldst_extend(uint64_t val, unsigned size, bool sign, bool wide)
{
	unsigned shift = 64 - 8 * size;

	val = sign ? (uint64_t)((int64_t)(val << shift) >> shift) : (val << shift) >> shift;
	return wide ? val : (uint32_t)val;
}

extern const uint64_t vcpu_hcr_base;
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
