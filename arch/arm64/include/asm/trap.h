/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of arch/arm64's upper half: handlers, injection, decoding. */
#pragma once

#include <arch/trap.h>
#include <hyp/types.h>

struct vcpu;

/* Called by entry.S. */
struct vcpu *trap_sync(struct vcpu *v, uint64_t esr);
struct vcpu *trap_serror(struct vcpu *v, uint64_t esr);
struct vcpu *trap_exit_slow(void);
uint32_t trap_hvc(struct vcpu *v);
uint32_t trap_irq(void);
void trap_trace(struct vcpu *v, uint32_t kind);

/* Full-view handlers, by exception class; registers of v->arch.x are valid. */
enum trap_result trap_sysreg(struct vcpu *v, uint64_t esr);
enum trap_result trap_cp15(struct vcpu *v, uint64_t esr);
enum trap_result trap_dabt(struct vcpu *v, uint64_t esr);
enum trap_result trap_iabt(struct vcpu *v, uint64_t esr);
/* Exceptions of AArch32: true if the condition of the trapped instruction fails. */
bool trap_cond_fails(uint64_t esr, uint64_t pstate);

/* Exception entry into the loaded vCPU's EL1; PC and PSTATE change. */
void inject_undef(void);
/* Synchronous external abort at va; walk: on a translation table walk. */
void inject_abort(uint64_t esr, uint64_t va, bool walk);
/* Pends a virtual SError (HCR_EL2.VSE). */
void inject_serror(struct vcpu *v);

/* A load or store whose syndrome the CPU did not give (ISV = 0). */
struct ldst {
	uint8_t rt, rt2, rn;         /* rn 31: SP */
	uint8_t size;                /* bytes of each register's access */
	bool load, pair, sign, wide; /* sign-extend; to 64 bits */
	bool writeback, post;
	int32_t imm; /* bytes */
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

/* What a guest reads from ID_*_EL1 with op0=3 op1=0 CRn=0 CRm=crm op2=op2. */
uint64_t idreg_read(unsigned crm, unsigned op2);
