/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a VM: create, load, start, stop, restart with back-off, when-idle.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/fit.h>
#include <hyp/vm.h>

/* The bundle stays mapped and read-only for ever: restarts load from it. */
void lifecycle_init(const struct fit *bundle, const struct manifest *m);
/* Allocates everything a VM needs; ENOMEM etc. leave nothing behind. Loading is started as a job. */
enum hyp_err lifecycle_create(const struct vm_config *cfg, struct vm **out) __must_check;
/* All vCPUs have left their CPUs: called by the last one on its way out (L7). */
void lifecycle_vm_left(struct vm *vm);
