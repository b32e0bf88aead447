/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 by CRC32X where the CPU has it: optional in Armv8.0, the Cortex-A72 does.
 */
#include <string.h>

#include <hyp/types.h>
#include <arch/crc.h>
#include <asm/sysreg.h>
#include <lib/crc32.h>

/* Arm ARM D19.2.61: ID_AA64ISAR0_EL1.CRC32, 1: the instructions are there. */
#define ISAR0_CRC32 GENMASK(19, 16)

static uint32_t crc_word(uint32_t crc, uint64_t word)
{
	__asm__(".arch_extension crc\n\tcrc32x %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	return crc;
}

static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
	__asm__(".arch_extension crc\n\tcrc32b %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)byte));
	return crc;
}

uint32_t arch_crc32(uint32_t crc, const void *data, uint64_t size)
{
	const uint8_t *p = data;
	uint64_t word;

	if (FIELD_GET(ISAR0_CRC32, sysreg_read(ID_AA64ISAR0_EL1)) == 0)
		return crc32(crc, data, size);
	crc = ~crc;
	for (; size > 0 && !IS_ALIGNED((uintptr_t)p, 8); size--) crc = crc_byte(crc, *p++);
	for (; size >= 8; size -= 8) {
		memcpy(&word, __builtin_assume_aligned(p, 8), 8);
		crc = crc_word(crc, word);
		p += 8;
	}
	for (; size > 0; size--) crc = crc_byte(crc, *p++);
	return ~crc;
}
