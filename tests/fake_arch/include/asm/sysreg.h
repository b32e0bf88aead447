/* SPDX-License-Identifier: Apache-2.0 */
/* Host tests: system registers are a map from name to value (tests/fake_arch/sysreg.c). */
#pragma once

#include "../../../../arch/arm64/include/asm/sysreg.h"
#include <stdint.h>

uint64_t fake_sysreg_read(const char *name);
void fake_sysreg_write(const char *name, uint64_t val);

#undef sysreg_read
#undef sysreg_write
#define sysreg_read(reg) fake_sysreg_read(#reg)
#define sysreg_write(reg, val) fake_sysreg_write(#reg, (val))
