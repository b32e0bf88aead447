/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System registers and device access for the runtime and for applications that drive devices.
 * Device accesses are single-register loads and stores, so that a hypervisor gets a valid syndrome.
 */
#pragma once

#include <stdint.h>

#define sysreg_read(reg)                                                                           \
	({                                                                                         \
		uint64_t sysreg_val;                                                               \
		__asm__ volatile("mrs %0, " #reg : "=r"(sysreg_val) : : "memory");                 \
		sysreg_val;                                                                        \
	})

#define sysreg_write(reg, val)                                                                     \
	__asm__ volatile("msr " #reg ", %0" : : "r"((uint64_t)(val)) : "memory")

static inline void isb(void) { __asm__ volatile("isb" : : : "memory"); }

static inline void dsb_sy(void) { __asm__ volatile("dsb sy" : : : "memory"); }

static inline void mmio_write32(uint64_t addr, uint32_t val)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(val), "r"(addr) : "memory");
}

static inline uint32_t mmio_read32(uint64_t addr)
{
	uint32_t val;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(val) : "r"(addr) : "memory");
	return val;
}

static inline void mmio_write8(uint64_t addr, uint8_t val)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"((uint32_t)val), "r"(addr) : "memory");
}

static inline uint8_t mmio_read8(uint64_t addr)
{
	uint32_t val;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(val) : "r"(addr) : "memory");
	return (uint8_t)val;
}

static inline void mmio_write64(uint64_t addr, uint64_t val)
{
	__asm__ volatile("str %0, [%1]" : : "r"(val), "r"(addr) : "memory");
}

static inline uint64_t mmio_read64(uint64_t addr)
{
	uint64_t val;

	__asm__ volatile("ldr %0, [%1]" : "=r"(val) : "r"(addr) : "memory");
	return val;
}
