/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set/way cache maintenance of guests: one clean and invalidate of the VM's RAM, by its job.
 */
#pragma once

#include <hyp/types.h>

struct vcpu;
struct vm;

/* Flushes at most 64 KiB more if a vCPU waits for it; true while one does. Step of the VM's job. */
bool setway_step(struct vm *vm);
/*
 * True once a whole flush has run since v first asked; until then v is to be blocked and to ask
 * again when it runs (the flush wakes it). Takes vm->lock.
 */
bool setway_flushed(struct vcpu *v);
