/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the standard's <stdlib.h> that libfdt uses (lib/string.c).
 */
#pragma once

#include <stddef.h>

/* base 0, 8, 10, 16; ULONG_MAX on overflow (there is no errno). */
unsigned long strtoul(const char *s, char **end, int base);
