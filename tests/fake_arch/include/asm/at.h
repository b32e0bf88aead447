/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-in: tests/fake_arch/sysreg.c answers in PAR_EL1. */
#pragma once

#include <stdint.h>

void fake_at(const char *op, uint64_t va);

#define at(op, va) fake_at(#op, (va))
