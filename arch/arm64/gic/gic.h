/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the physical side (gic.c) and the virtual CPU interface (gich.c).
 */
#pragma once

#include <arch/gic.h>
#include <asm/io.h>

#include <asm/sysreg.h>

extern struct arch_gic_info gic_info;
extern bool gic_v3; /* the version, as each access asks for it */
extern uint64_t gic_gich;

/* A register of both versions: system register on v3, in memory on v2. */
#define TWIN_READ(reg, addr) (gic_v3 ? (uint32_t)sysreg_read(reg) : io_read32(addr))
#define TWIN_WRITE(reg, addr, val)                                                                 \
	do {                                                                                       \
		if (gic_v3)                                                                        \
			sysreg_write(reg, val);                                                    \
		else                                                                               \
			io_write32(addr, val);                                                     \
	} while (0)

/* Active priority registers of a group that there are: 1, 2 or 4 for up to 5, 6, 7 bits. */
#define FOR_EACH_APR(bits, op)                                                                     \
	do {                                                                                       \
		op(0);                                                                             \
		if ((bits) > 5) op(1);                                                             \
		if ((bits) > 6) {                                                                  \
			op(2);                                                                     \
			op(3);                                                                     \
		}                                                                                  \
	} while (0)

/* Facts about the virtual CPU interface, into gic_info. */
void gich_init(void);
