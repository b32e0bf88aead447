/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management shell on the host console (Ctrl-] h).
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/types.h>

struct fit;
struct vcpu;

noreturn void shell_run(const struct fit *bundle);
/* Text of a verb that runs. */
void shell_out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* dump.c, a vCPU that is out: registers and backtrace; both stages of an address. */
void dump_registers(struct vcpu *v);
void dump_address(struct vcpu *v, uint64_t va);
