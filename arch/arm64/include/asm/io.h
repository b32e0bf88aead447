/* SPDX-License-Identifier: Apache-2.0 */
/* arm64: single-register forms without write-back, which a hypervisor below us could decode too. */
#pragma once

#include <stdint.h>

#define IO_ACCESSORS(bits, insn, mod)                                                              \
	static inline uint##bits##_t io_read##bits(uint64_t addr)                                  \
	{                                                                                          \
		uint##bits##_t val;                                                                \
                                                                                                   \
		__asm__ volatile("ldr" insn " %" mod "0, [%1]"                                     \
		                 : "=r"(val)                                                       \
		                 : "r"(addr)                                                       \
		                 : "memory");                                                      \
		return val;                                                                        \
	}                                                                                          \
	static inline void io_write##bits(uint64_t addr, uint##bits##_t val)                       \
	{                                                                                          \
		__asm__ volatile("str" insn " %" mod "0, [%1]" ::"r"(val), "r"(addr) : "memory");  \
	}

IO_ACCESSORS(8, "b", "w")
IO_ACCESSORS(16, "h", "w")
IO_ACCESSORS(32, "", "w")
IO_ACCESSORS(64, "", "x")
