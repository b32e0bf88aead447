/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the loader to the first VM, and the one way to say that it cannot be.
 */
#pragma once

#include <stdnoreturn.h>

/*
 * A start that cannot go on: one sentence on the console, then power-off when bootargs say
 * when-idle=poweroff, else halt. Boot CPU only.
 */
noreturn void boot_stop(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Boot CPU, everything below works, secondaries wait: VMs. */
noreturn void hyp_start(void);
/* A secondary, once the boot CPU has called boot_release(). */
noreturn void hyp_start_secondary(void);
void boot_release(void);
