/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: bounded copy, text in pieces, numbers, words. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies src with a NUL, cut off at n bytes; returns false if it was cut off. n > 0. */
bool str_copy(char *dst, const char *src, size_t n);
/*
 * Appends to the string of length *len in buf; *len stays below n, so calls may follow each other
 * unchecked. For describing functions.
 */
void str_append(char *buf, size_t n, size_t *len, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The whole of s is a number below 2^64 - 1, decimal or with 0x. */
bool str_to_u64(const char *s, uint64_t *out);
/* The value of the last word=... in a blank-separated list, up to a blank or the end; NULL: none.
 */
const char *str_arg(const char *args, const char *word);
/* It is there and says value. */
bool str_arg_is(const char *args, const char *word, const char *value);
