/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSCI's view of a vCPU that has gone; the calls themselves are reached through hyp/hvc.h.
 */
#pragma once

struct vcpu;

/*
 * v is OFF and its context is saved: from now on CPU_ON may take it. Called by its CPU right
 * before sched_saved(). Takes vm->lock.
 */
void vcpu_left(struct vcpu *v);
