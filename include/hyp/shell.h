/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management shell on the host console (Ctrl-] h).
 */
#pragma once

#include <hyp/types.h>

struct fit;
struct vcpu;

/* Before the console gets its up-calls. */
void shell_init(const struct fit *bundle);
/* A byte typed while the shell has the keyboard; 0: it has just got it. Console up-call: one CPU at
 * a time, no locks held. It is handled by the shell's job. */
void shell_input(uint8_t c);
/* Text of a verb that runs. */
void shell_out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* dump.c, a vCPU that is out: registers and backtrace; both stages of an address. */
void dump_registers(struct vcpu *v);
void dump_address(struct vcpu *v, uint64_t va);
