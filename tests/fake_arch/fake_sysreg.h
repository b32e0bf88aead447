/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System registers on the host: a map from name to value. What no test has set reads as poison that
 * differs from name to name, so that code which uses it by mistake does not get away with it.
 */
#pragma once

#include <hyp/types.h>

/* Forgets all values; no hook. */
void fake_sysreg_reset(void);
/* Without a trace in the log. */
void fake_sysreg_set(const char *name, uint64_t val);
uint64_t fake_sysreg_get(const char *name);
uint64_t fake_sysreg_poison(const char *name);
/* Accesses by the code under test since the reset. */
unsigned fake_sysreg_reads(const char *name);
unsigned fake_sysreg_writes(const char *name);
#define fake_sr_set(reg, val) fake_sysreg_set(#reg, (val))
#define fake_sr(reg) fake_sysreg_get(#reg)

/* What AT leaves in PAR_EL1 (op: "s1e0r", "s1e1r"); NULL: the address itself, mapped flat. */
extern uint64_t (*fake_at_hook)(const char *op, uint64_t va);
