/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the standard's <stdlib.h> that libfdt uses (lib/string.c).
 */
#pragma once

#include <stddef.h>

/* Digits only, no blanks or sign; base 0 (0x or decimal), 10, 16; ULONG_MAX on overflow. */
unsigned long strtoul(const char *s, char **end, int base);
