/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upper half of the arch (L7): from a guest's exception to its return. Handlers take values and
 * return a verdict; trap_exit() alone advances the PC, injects, or goes to the scheduler.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/types.h>

struct vcpu;

enum trap_result {
	TRAP_RESUME,  /* back to the same instruction (or the next, for HVC) */
	TRAP_ADVANCE, /* the instruction is done: PC moves past it */
	TRAP_UNDEF,   /* Undefined Instruction exception into the guest */
	TRAP_ABORT,   /* synchronous external abort into the guest, at FAR_EL2 */
	TRAP_RESCHED, /* repeat the instruction when the vCPU runs again: it was blocked */
};

/* Leaves the boot stack for ever: schedules. Each CPU, once. */
noreturn void trap_enter_guests(void);
/* This CPU's exits are recorded or not: chooses its vectors, which pass trap_trace() also when
 * arch_errata_entry() has something to do. */
void arch_trace_exits(bool on);
/* Each CPU, once host is filled in; and first thing of an exit. */
void arch_errata_cpu_init(void);
void arch_errata_entry(void);
/* Registers that are the same for every guest. Each CPU, before it. */
void trap_cpu_init(void);
/* Trapped registers, and what every guest of this host reads from the ID group. Boot CPU. */
void sysreg_init(void);

/* Exception syndromes in words, for dumps of EL2 and of guests: "data abort"; never NULL. */
const char *esr_class_name(uint64_t esr);
/* "translation fault": the fault status of an abort's syndrome. */
const char *esr_fault_name(uint64_t esr);
/* The class is an instruction or data abort. */
bool esr_is_abort(uint64_t esr);
