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
/* There is input for console_shell_getc(); the shell's job takes it. No locks held. */
void shell_input(void);
/* Text of a verb that runs. */
void shell_out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* dump.c, a vCPU that is out: registers and backtrace; both stages of an address. */
void dump_registers(struct vcpu *v);
void dump_address(struct vcpu *v, uint64_t va);
