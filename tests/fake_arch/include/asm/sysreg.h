/* SPDX-License-Identifier: Apache-2.0 */
/* Host tests: system registers are a map from name to value (tests/fake_arch/sysreg.c). */
#pragma once

#include "../../../../arch/arm64/include/asm/sysreg.h"
#include <stdint.h>

/* What the tests expect of registers whose values the code writes as a whole. */
#define PSR_M_EL0T UINT64_C(0x0)
#define PSR_M_EL1T UINT64_C(0x4)
#define FSC_ADDR_SIZE 0x00u
#define FSC_ACCESS 0x08u
#define FSC_ALIGNMENT 0x21u
#define MDCR_TPMCR BIT(5)
#define MDCR_TPM BIT(6)
#define MDCR_TDA BIT(9)
#define MDCR_TDOSA BIT(10)
#define MDCR_TDRA BIT(11)
#define MDCR_TPMS BIT(14)
#define MDCR_TTRF BIT(19)
#define CNTHCTL_EL1PCTEN BIT(0)
#define CNTKCTL_EL0PTEN BIT(9)

uint64_t fake_sysreg_read(const char *name);
void fake_sysreg_write(const char *name, uint64_t val);

#undef sysreg_read
#undef sysreg_write
#define sysreg_read(reg) fake_sysreg_read(#reg)
#define sysreg_write(reg, val) fake_sysreg_write(#reg, (val))
