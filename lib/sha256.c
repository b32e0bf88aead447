/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: libavb's source as it is, with the C library of EL2.
 */
#include <string.h>

#define avb_memcpy memcpy
#define avb_memset memset
#include <lib/sha256.h>

/* NOLINTNEXTLINE(bugprone-suspicious-include): that is how it is built */
#include <avb_sha256.c>
