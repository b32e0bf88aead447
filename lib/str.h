/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: bounded copy, numbers, words. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies src with a NUL, cut off at n bytes; returns false if it was cut off. n > 0. */
bool str_copy(char *dst, const char *src, size_t n);
/*
 * The standard's, but for digits alone: no blanks, no sign, and base 0 knows no octal. ULONG_MAX on
 * overflow.
 */
/* NOLINTNEXTLINE(readability-*): <stdlib.h> of newlib, which libfdt includes, has it as well */
unsigned long strtoul(const char *s, char **end, int base);
/* The whole of s is a number below 2^64 - 1, decimal or with 0x. */
bool str_to_u64(const char *s, uint64_t *out);
/* Takes the next blank-separated word off *s and ends it with a NUL; NULL: none left. */
char *str_word(char **s);
/* The last word=... in a blank-separated list says value. */
bool str_arg_is(const char *args, const char *word, const char *value);
