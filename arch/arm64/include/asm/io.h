/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accesses to device registers by physical address (EL2 maps devices at their own addresses). Each
 * is one load or store of that size and is not merged or reordered with others by the compiler;
 * Device-nGnRE keeps those to one device in order (Arm ARM B2.7.2). Single-register forms without
 * write-back, which a hypervisor below us could decode too.
 */
#pragma once

#include <stdint.h>

#define IO_ACCESSORS(bits, insn, mod)                                                              \
	static inline uint##bits##_t io_read##bits(uint64_t addr)                                  \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
                                                                                                   \
		__asm__ volatile("ldr" insn " %" mod "0, [%1]" : "=r"(v) : "r"(addr) : "memory");  \
		return v;                                                                          \
	}                                                                                          \
	static inline void io_write##bits(uint64_t addr, uint##bits##_t val)                       \
	{                                                                                          \
		__asm__ volatile("str" insn " %" mod "0, [%1]" ::"r"(val), "r"(addr) : "memory");  \
	}

IO_ACCESSORS(8, "b", "w")
IO_ACCESSORS(16, "h", "w")
IO_ACCESSORS(32, "", "w")
IO_ACCESSORS(64, "", "x")
