/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU's timers: CNTV in hardware while loaded (PPI 27, linked to the host's), a software
 * deadline while not; CNTP emulated (PPI 30).
 */
#pragma once

#include <hyp/deadline.h>
#include <hyp/types.h>
#include <arch/timer.h>

struct vcpu;
struct vm;

struct vtimer {
	struct arch_vtimer virt; /* valid while not loaded */
	struct deadline virt_dl; /* armed while not loaded and the timer could fire */
	uint64_t phys_cval;
	uint32_t phys_ctl; /* ENABLE, IMASK */
	struct deadline phys_dl;
	bool phys_active_set; /* this CPU's physical vtimer PPI was set active for this vCPU */
};

void vtimer_vcpu_init(struct vcpu *v);
void vtimer_vcpu_reset(struct vcpu *v);
void vtimer_load(struct vcpu *v);
void vtimer_put(struct vcpu *v);
/* Host virtual timer PPI on this CPU; v = loaded vCPU or NULL. */
void vtimer_irq(struct vcpu *v);

/*
 * Guest time stands still between the two: CNTVCT, CNTPCT (trapped and offset ever after), both
 * timers, the PL031. All vCPUs are out (vcpu_is_out()) from before the freeze until after the thaw;
 * serialised by the caller. A load (restart) starts a new time and needs no thaw.
 */
void vtimer_vm_freeze(struct vm *vm);
void vtimer_vm_thaw(struct vm *vm);

/* Trapped CNTP_* registers. Time is CNTPCT as the guest reads it. */
uint64_t vtimer_cntp_read_ctl(struct vcpu *v);
uint64_t vtimer_cntp_read_cval(struct vcpu *v);
uint64_t vtimer_cntp_read_tval(struct vcpu *v);
void vtimer_cntp_write_ctl(struct vcpu *v, uint64_t val);
void vtimer_cntp_write_cval(struct vcpu *v, uint64_t val);
void vtimer_cntp_write_tval(struct vcpu *v, uint64_t val);
