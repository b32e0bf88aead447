/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accesses to device registers by physical address (EL2 maps devices at their own addresses). Each
 * is one load or store of that size and is not merged or reordered with others by the compiler;
 * Device-nGnRE keeps those to one device in order (Arm ARM B2.7.2). asm/io.h defines, inline:
 *   uint8_t io_read8(uint64_t addr);   void io_write8(uint64_t addr, uint8_t val);
 *   and the same for 16, 32 and 64 bits.
 */
#pragma once

#include <asm/io.h>
