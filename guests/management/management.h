/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management guest's own: what it looks at, and its hypercalls where they are not EL2's
 * functions by their own names (calls.c).
 */
#pragma once

#include <hyp/management.h>
#include <hyp/vm.h>

extern const struct management_view *view;

/* vms[] as it is now: what it points to is EL2's. */
void management_refresh(void);

/* Waits for a key of the shell's. */
uint8_t management_key(void);
void management_sleep(uint64_t us);
noreturn void management_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void management_refused(void);
void management_ready(enum when_idle idle);
/* Not all of the VM that has or had that slot has come back yet. */
bool vm_slot_used(unsigned slot);
struct vm *vm_find(const char *name_or_number);

/* main.c: cfg with its device tree. EINVAL: that cannot be made, which was logged. */
enum hyp_err management_create(struct vm_config *cfg, struct vm **out);

/* Run time of v including the slice it is in. */
uint64_t sched_run_ticks(const struct vcpu *v);
/* Time for which that CPU had nothing to run, until now. */
uint64_t sched_idle_ticks(unsigned cpu);
/* Words for the shell. */
const char *vcpu_state_name(const struct vcpu *v);
const char *vm_state_name(const struct vm *vm);
