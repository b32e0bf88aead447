/* SPDX-License-Identifier: Apache-2.0 */
/* The real one: what it declares is the test's. */
#pragma once

#include "../../../../arch/arm64/include/asm/boot.h"
