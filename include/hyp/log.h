/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled log lines "[sec.usec cpu] level: text" on the host console, and a ring for the shell's
 * `log` verb. Never in an interrupt fast path. Lines never contain guest memory or keys.
 */
#pragma once

#include <stdint.h>

enum log_level {
	LOG_ERR,
	LOG_WARN,
	LOG_INFO,
	LOG_DBG,
};

struct vm;

/* Any context; takes the log lock (last in the lock order). A newline is added. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A message caused by a guest: prefixed with the VM's name, rate-limited per VM (a burst of 10,
 * then 5 a second; what was dropped is counted and said), dropped below guest_loglvl.
 */
void log_guest(struct vm *vm, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_err(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_dbg(...) log_write(LOG_DBG, __VA_ARGS__)

/* Thresholds from the host's bootargs (loglvl=, guest_loglvl=). Boot CPU only. */
void log_set_levels(enum log_level host, enum log_level guest);
