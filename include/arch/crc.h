/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 (IEEE 802.3) as fast as the CPU can.
 */
#pragma once

#include <stdint.h>

/* Running value: start with 0; the result of one call is the start of the next. Pure. */
uint32_t arch_crc32(uint32_t crc, const void *data, uint64_t size);
