/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formatted output into a buffer: %d %u %x %p %s %c %% with l, ll, z, width, precision (also .*)
 * and the flags 0 - #. What it does not know is copied as it stands.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/*
 * At most n - 1 characters and a NUL; returns the length the whole would have had (the standard's
 * snprintf). Pure.
 */
int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
int snprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/*
 * Appends to the string of length *len in buf; *len stays below n, so calls may follow each other
 * unchecked. For describing functions.
 */
void str_append(char *buf, size_t n, size_t *len, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
