/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 of IEEE 802.3 in plain C, for CPUs without the instructions and for host tests. Pure.
 */
#pragma once

#include <stdint.h>

/* Running value: start with 0; the result of one call is the start of the next. */
uint32_t crc32(uint32_t crc, const void *data, uint64_t size);
