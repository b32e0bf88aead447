/* SPDX-License-Identifier: Apache-2.0 */
/* The real one: it is between the files of arch/arm64's upper half, which host tests link. */
#pragma once

#include "../../../../arch/arm64/include/asm/vcpu_regs.h"
