/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU's timers: CNTV in hardware while loaded (PPI 27, linked to the host's), a software
 * deadline while not; CNTP emulated (PPI 30).
 */
#pragma once

#include <hyp/deadline.h>
#include <arch/timer.h>

struct vcpu;
struct vm;

struct vtimer {
	struct arch_vtimer virt; /* valid while not loaded */
	struct deadline virt_dl; /* armed while not loaded and the timer could fire */
	struct arch_vtimer phys; /* ctl: ENABLE, IMASK */
	struct deadline phys_dl;
};

void vtimer_vcpu_init(struct vcpu *v);
void vtimer_vcpu_reset(struct vcpu *v);
void vtimer_load(struct vcpu *v);
void vtimer_put(struct vcpu *v);
/* The virtual timer's output, for the vGIC: under its lock, on the CPU v is loaded on, or on any
 * while it is not loaded. */
bool vtimer_level(struct vcpu *v);
/* Host virtual timer PPI, acknowledged as iar, on this CPU; v = loaded vCPU or NULL. */
void vtimer_irq(struct vcpu *v, uint32_t iar);

/*
 * Guest time stands still between the two: CNTVCT, CNTPCT (trapped and offset ever after), both
 * timers, the PL031. All vCPUs are out (vcpu_is_out()) from before the freeze until after the thaw;
 * serialised by the caller. A load (restart) starts a new time and needs no thaw.
 */
void vtimer_vm_freeze(struct vm *vm);
void vtimer_vm_thaw(struct vm *vm);

/* op2 of CNTP_*_EL0. */
enum cntp_reg { CNTP_TVAL, CNTP_CTL, CNTP_CVAL };
/* A trapped access; out: a read. Time is CNTPCT as the guest reads it. */
void vtimer_cntp(struct vcpu *v, enum cntp_reg reg, uint64_t val, uint64_t *out);
