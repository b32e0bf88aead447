/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 by CRC32X where the CPU has it: optional in Armv8.0, the Cortex-A72 does.
 */
#include <arch/cpu.h>
#include <asm/sysreg.h>
#include <lib/crc32.h>

#define CRC(insn, crc, val) __asm__(".arch_extension crc\n\t" insn : "+r"(crc) : "r"(val))

uint32_t arch_crc32(uint32_t crc, const void *data, uint64_t size)
{
	const uint8_t *p = data;

	if (id_field(ID_AA64ISAR0_EL1, 16) == 0) /* CRC32 (D19.2.61) */
		return crc32(crc, data, size);
	crc = ~crc;
	while (size > 0) {
		for (; size >= 8 && IS_ALIGNED((uintptr_t)p, 8); size -= 8, p += 8)
			CRC("crc32x %w0, %w0, %x1", crc, *(const uint64_t *)(const void *)p);
		for (; size > 0 && (size < 8 || !IS_ALIGNED((uintptr_t)p, 8)); size--)
			CRC("crc32b %w0, %w0, %w1", crc, (uint32_t)*p++);
	}
	return ~crc;
}
