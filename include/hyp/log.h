/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leveled log lines "[sec.usec cpuN] level: text" on the host console, and a ring for the shell's
 * `log` verb. Never in an interrupt fast path. Lines never contain guest memory or keys.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_ERR,
	LOG_WARN,
	LOG_INFO,
	LOG_DBG,
};

struct vm;

/* Any context, no lock of class LOCK_CONSOLE or above held. A newline is added. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same whatever the level; who (may be NULL) stands before the text. */
void log_vwrite(enum log_level level, const char *who, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

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
enum log_level log_guest_level(void);

/* The last 16 KiB of log: copies at most n bytes from *pos (0: the oldest) on and moves it. */
size_t log_read(uint64_t *pos, char *buf, size_t n);
