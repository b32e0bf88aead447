/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled log lines "[sec.usec cpuN] level: text" on the host console. Never in an interrupt fast
 * path. Lines never contain guest memory or keys.
 */
#pragma once

#include <stdint.h>

enum log_level {
	LOG_ERR,
	LOG_WARN,
	LOG_INFO,
	LOG_DBG,
};

/* Any context, no lock of class LOCK_CONSOLE or above held. A newline is added. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A message caused by a guest: prefixed with the VM's name, rate-limited per VM (a burst of 10,
 * then 5 a second; what was dropped is counted and said), dropped below guest_loglvl.
 */
#define log_guest(vm, ...) log_limited(&(vm)->log_limit, (vm)->name, __VA_ARGS__)
struct log_limit {
	uint64_t refill;  /* atomic: when the bucket will be full again */
	uint32_t dropped; /* atomic: lines not shown since the last one that was */
};
void log_limited(struct log_limit *l, const char *who, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_err(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_dbg(...) log_write(LOG_DBG, __VA_ARGS__)

/* Thresholds from the host's bootargs (loglvl=, guest_loglvl=). Boot CPU only. */
void log_set_levels(enum log_level host, enum log_level guest);
