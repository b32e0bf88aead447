/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-ins: the test that uses devices defines fake_io_read() and fake_io_write(). */
#pragma once

#include <stdint.h>

uint64_t fake_io_read(uint64_t addr, unsigned size);
void fake_io_write(uint64_t addr, unsigned size, uint64_t val);

#define IO_ACCESSORS(bits)                                                                         \
	static inline uint##bits##_t io_read##bits(uint64_t addr)                                  \
	{                                                                                          \
		return (uint##bits##_t)fake_io_read(addr, bits / 8);                               \
	}                                                                                          \
	static inline void io_write##bits(uint64_t addr, uint##bits##_t val)                       \
	{                                                                                          \
		fake_io_write(addr, bits / 8, val);                                                \
	}

IO_ACCESSORS(8)
IO_ACCESSORS(16)
IO_ACCESSORS(32)
IO_ACCESSORS(64)
