/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a VM: create, load, start, pause, stop, restart with back-off, destroy, when-idle.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/vm.h>

/* Page tables from the page allocator, ownership by the frame table: for s2_init(). */
extern const struct s2_mem_ops life_s2_ops;
enum hyp_err lifecycle_init(void) __must_check;
/* A VM of the manifest was refused or could not be created: the verdict at the end counts it. */
void lifecycle_vm_refused(void);
/* Any that was, or that failed for good. A VM that failed is STOPPED only after this is true. */
bool lifecycle_any_failed(void);
/* The last words, and what when-idle says, if no VM is alive. No locks held. */
void lifecycle_check_idle(void);
/* Once: every VM with autostart is loaded by its job and runs. */
void lifecycle_start_all(enum when_idle idle);

/*
 * All of these: a hypercall of the management guest, one at a time (EL2, interrupts masked), no
 * locks held. They set states and start jobs; what takes time comes later, in the VM's own job.
 * EBUSY: not in this state.
 */
/* ENOMEM etc. leave nothing behind. The VM keeps a copy of cfg, which config_check() let through,
 * and is loaded from the bundle at each start. Its RAM comes from its job. It is NEW, not started.
 */
enum hyp_err vm_create(const struct vm_config *cfg, struct vm **out) __must_check;
/* Its device tree, cfg.plan.fdt_size bytes: whoever creates it fills it, before vm_start(). */
uint8_t *vm_tree(struct vm *vm);
/* The management guest, once: it starts, and is none of those that lifecycle counts. */
enum hyp_err vm_create_management(const struct vm_config *cfg, struct vm **out) __must_check;
/* NEW or STOPPED: loads and runs; restart-limit counts anew. */
enum hyp_err vm_start(struct vm *vm) __must_check;
/* RUNNING: its vCPUs leave their CPUs, its time stands still. It stays one of those alive. */
enum hyp_err vm_pause(struct vm *vm) __must_check;
enum hyp_err vm_resume(struct vm *vm) __must_check;
/* Stops and loads again, not counted against restart-limit; one that does not run is started. */
enum hyp_err vm_restart(struct vm *vm) __must_check;
/* In any state, once. It is stopped if need be, disappears from vms[], and its slot and memory come
 * back, the memory scrubbed. The caller's pointer is good until it returns from EL2. */
enum hyp_err vm_destroy(struct vm *vm);
/* Bit: not all of the VM that has or had that slot has come back yet. */
const uint64_t *lifecycle_slots(void);
/*
 * Stops the VM in any state in which it is alive, from any of its traps or from outside: records
 * the reason (the first one wins) and starts the job that sees every vCPU off its CPU and applies
 * the policy.
 */
enum hyp_err vm_stop(struct vm *vm, enum stop_reason reason, uint32_t status);
/* Same with reason crash; c is copied. */
void vm_crash(struct vm *vm, const struct crash_info *c);
/* hyp/crash.c: one screen of why, where, registers of the vCPU at fault, its last events, the
 * manifest node. All vCPUs are out. */
void crash_explain(const struct vm *vm);
