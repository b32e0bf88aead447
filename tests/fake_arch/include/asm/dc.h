/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-in: the instructions of the real arch/arm64/cache.c go to tests/unit/test_cache.c. */
#pragma once

#include <stdint.h>

void fake_dc(const char *op, uint64_t addr);

#define dc(op, addr) fake_dc(#op, (addr))
