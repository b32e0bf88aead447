/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-in: firmware is the test's. */
#pragma once

#include <stdint.h>

uint64_t smccc_smc(uint64_t fn, uint64_t a1, uint64_t a2, uint64_t a3);
