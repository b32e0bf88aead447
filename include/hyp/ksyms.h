/* SPDX-License-Identifier: Apache-2.0 */
/* Function names for EL2 backtraces: tables that scripts/ksyms.py makes from the linked image (an
 * empty one in the first link), sorted by address. */
#pragma once
#include <stdint.h>

extern const uint32_t ksyms_count;
extern const uint32_t ksyms_addr[]; /* offset from image_start */
extern const uint32_t ksyms_name[]; /* offset into ksyms_str */
extern const char ksyms_str[];
