/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a VM: create, load, start, stop, restart with back-off, when-idle.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/fit.h>
#include <hyp/vm.h>

/* Page tables from the page allocator, ownership by the frame table: for s2_init(). */
extern const struct s2_mem_ops life_s2_ops;
/* The bundle stays mapped and read-only for ever: restarts load from it. */
enum hyp_err lifecycle_init(const struct fit *bundle, const struct manifest *m) __must_check;
/* Allocates everything a VM needs; ENOENT (an image is not in the bundle), ENOMEM etc. leave
 * nothing behind. Boot CPU before guests run, or the shell. cfg stays valid. */
enum hyp_err lifecycle_create(const struct vm_config *cfg, struct vm **out) __must_check;
/* A VM of the manifest could not be created: the host's verdict at the end counts it. */
void lifecycle_vm_refused(void);
/* Boot CPU, once: every VM with autostart is loaded by its job and runs. */
void lifecycle_start_all(void);
/*
 * Stops the VM, from any of its traps or from outside: records the reason (the first one wins)
 * and starts the job that sees every vCPU off its CPU and applies the policy. Any context, no
 * locks held.
 */
void vm_stop(struct vm *vm, enum stop_reason reason, uint32_t status);
/* Same with reason crash; c is copied. */
void vm_crash(struct vm *vm, const struct crash_info *c);
/* For the shell and the last line: "off", "exit(3)", "crash: ...". */
const char *vm_state_name(const struct vm *vm);
const char *stop_reason_name(enum stop_reason r);
