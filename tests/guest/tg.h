/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest test programs share: checks with a line each, exceptions caught on purpose, and
 * translation-table entries for addresses that the runtime does not map.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uk.h>
#include <uk_arch.h>

/* "name: what ... ok" or "... FAIL"; the end is "name: N checks, M failed" and main()'s status. */
void tg_start(const char *name);
bool tg_check(bool ok, const char *what);
bool tg_eq(uint64_t got, uint64_t expected, const char *what);
int tg_end(void);

/* Wait with an end: false when fn(arg) is not true within the time. */
bool tg_until(bool (*fn)(void *), void *arg, uint64_t us);
bool tg_until_u32(const volatile uint32_t *p, uint32_t at_least, uint64_t us);
void tg_spin_us(uint64_t us);

/*
 * Synchronous exceptions of this CPU between arm and disarm are counted and stepped over (after an
 * instruction abort or a misaligned PC: return to the caller).
 */
struct tg_fault {
	unsigned count;
	uint64_t esr, far, pc, pstate;
};
void tg_fault_arm(void);
struct tg_fault tg_fault_disarm(void);

#define TG_EC(f) ((unsigned)((f).esr >> 26 & 63)) /* ESR_ELx.EC */
#define TG_FSC(f) ((unsigned)((f).esr & 63))      /* ISS.DFSC, ISS.IFSC */
#define EC_UNDEF 0x00u
#define EC_IABT 0x21u
#define EC_DABT 0x25u
#define FSC_EXTERNAL 0x10u

/* Run statements, and what exceptions they caused. */
#define TG_TRY(...)                                                                                \
	({                                                                                         \
		tg_fault_arm();                                                                    \
		__VA_ARGS__;                                                                       \
		isb();                                                                             \
		tg_fault_disarm();                                                                 \
	})

enum tg_map { TG_MAP_DEVICE, TG_MAP_EXEC }; /* EXEC: read-only, as WXN demands */

/* The GiB of physical memory that holds pa, at an address of its own; gives pa's address there. */
uint64_t tg_map(uint64_t pa, enum tg_map how);
