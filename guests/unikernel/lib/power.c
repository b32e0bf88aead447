/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the firmware or the hypervisor, and the ways a program ends.
 */
#include <string.h>

#include <abi/hvc.h>

#include "internal.h"

/* PSCI 1.1 (Arm DEN0022), chapter 5. */
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

/* SMCCC: x0..x3 carry arguments and results, x4..x17 may be clobbered (DEN0028 section 2.6). */
#define CALL(insn, id, a1, a2, a3)                                                                 \
	({                                                                                         \
		register uint64_t r0 __asm__("x0") = (id);                                         \
		register uint64_t r1 __asm__("x1") = (a1);                                         \
		register uint64_t r2 __asm__("x2") = (a2);                                         \
		register uint64_t r3 __asm__("x3") = (a3);                                         \
		__asm__ volatile(insn " #0"                                                        \
		                 : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)                          \
		                 :                                                                 \
		                 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", \
		                   "x14", "x15", "x16", "x17", "memory");                          \
		(int64_t) r0;                                                                      \
	})

int64_t uk_hvc(uint32_t id, uint64_t a1, uint64_t a2, uint64_t a3)
{
	return CALL("hvc", id, a1, a2, a3);
}

int64_t uk_psci(uint32_t id, uint64_t a1, uint64_t a2, uint64_t a3)
{
	int64_t ret;

	if (!uk_mach.has_psci) return -1; /* NOT_SUPPORTED */
	ret = uk_mach.psci_smc ? CALL("smc", id, a1, a2, a3) : CALL("hvc", id, a1, a2, a3);
	/* A call with a 32-bit id returns 32 bits (DEN0028 section 3.1). */
	return (id & 1u << 30) ? ret : (int32_t)ret;
}

static _Noreturn void power_off(void)
{
	console_drain();
	(void)uk_psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;) /* no PSCI: nothing more can be done */
		__asm__ volatile("msr daifset, #15\n\twfi" : : : "memory");
}

static void put_line(const char *s, const char *t)
{
	console_write(s, strlen(s));
	console_write(t, strlen(t));
	console_write("\n", 1);
}

_Noreturn void power_exit(int status)
{
	char num[12], *p = &num[11];
	unsigned val = status < 0 ? 0u - (unsigned)status : (unsigned)status;

	if (uk_mach.on_atoll) {
		console_drain();
		(void)uk_hvc(ATOLL_HVC_EXIT, (uint32_t)status, 0, 0);
	}
	*p = 0;
	do {
		*--p = (char)('0' + val % 10);
		val /= 10;
	} while (val);
	if (status < 0) *--p = '-';
	put_line("exit status ", p);
	power_off();
}

_Noreturn void power_crash(uint64_t esr, uint64_t far, uint64_t elr)
{
	if (uk_mach.on_atoll) {
		console_drain();
		(void)uk_hvc(ATOLL_HVC_CRASH, esr, far, elr);
	}
	put_line("crashed", "");
	power_off();
}

void uk_report_healthy(void)
{
	if (uk_mach.on_atoll) (void)uk_hvc(ATOLL_HVC_HEALTHY, 0, 0, 0);
}

_Noreturn void uk_crash(const char *why)
{
	put_line("crash: ", why);
	power_crash(0, 0, 0);
}

_Noreturn void uk_reset(void)
{
	console_drain();
	(void)uk_psci(PSCI_SYSTEM_RESET, 0, 0, 0);
	uk_crash("SYSTEM_RESET refused");
}
