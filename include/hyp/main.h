/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the loader to the first VM, and the one way to say that it cannot be.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/console.h>
#include <hyp/err.h>
#include <hyp/types.h>

/*
 * A start that cannot go on: one sentence on the console, then power-off when bootargs say
 * when-idle=poweroff, else halt. Boot CPU only.
 */
#define boot_stop(...) (console_take_over(), say("\natoll: cannot start: " __VA_ARGS__), boot_end())
noreturn void boot_end(void);
/* The same where err is one: what, and the error in words. */
void boot_need(enum hyp_err err, const char *what);

/* Bytes of all the host's banks. */
uint64_t ram_size(void);

/* Boot CPU, everything below works, secondaries wait: VMs. */
noreturn void hyp_start(void);
/* A secondary, once the boot CPU has called boot_release(). */
noreturn void hyp_start_secondary(void);
void boot_release(void);
