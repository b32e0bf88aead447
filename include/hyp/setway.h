/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set/way cache maintenance of guests: one clean and invalidate of the VM's RAM, as a job.
 */
#pragma once

#include <hyp/types.h>

struct vcpu;
struct vm;

void setway_vm_init(struct vm *vm);
/* The VM starts anew: no vCPU waits, none has been served. vm->lock held. */
void setway_vm_reset(struct vm *vm);
/*
 * True once a whole flush has run since v first asked; until then v is to be blocked and to ask
 * again when it runs (the flush wakes it). Takes vm->lock.
 */
bool setway_flushed(struct vcpu *v);
