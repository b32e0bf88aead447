/* SPDX-License-Identifier: Apache-2.0 */
/* Host tests: CRC-32 in plain C. */
#include <arch/cpu.h>
#include <lib/crc32.h>

uint32_t arch_crc32(uint32_t crc, const void *data, uint64_t size)
{
	return crc32(crc, data, size);
}
