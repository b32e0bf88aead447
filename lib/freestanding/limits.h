/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <limits.h> for libfdt: gcc's own wants a C library below it.
 */
#pragma once

#define INT_MAX __INT_MAX__
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX (INT_MAX * 2U + 1U)
#define LONG_MAX __LONG_MAX__
#define ULONG_MAX (LONG_MAX * 2UL + 1UL)
