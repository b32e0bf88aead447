/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUs need firmware for, asked on each CPU (docs/errata.md): branch prediction that a guest
 * has trained is cleared before EL2 goes on.
 */
#include <arch/trap.h>
#include <hyp/host.h>
#include <hyp/pcpu.h>

#include <asm/smccc.h>

#define PSCI_FEATURES UINT64_C(0x8400000a) /* DEN 0022 5.15 */
#define SMCCC_VERSION UINT64_C(0x80000000) /* DEN 0028 7 */
#define SMCCC_ARCH_FEATURES UINT64_C(0x80000001)
#define WORKAROUND_1 0x80008000u /* Spectre variant 2 */
#define WORKAROUND_3 0x80003fffu /* and branch history */

void arch_errata_cpu_init(void)
{
	static const uint32_t calls[] = {WORKAROUND_3, WORKAROUND_1};
	struct pcpu *p = this_pcpu();

	if (host.psci_smc && (int32_t)smccc_smc(PSCI_FEATURES, SMCCC_VERSION, 0, 0) >= 0)
		for (unsigned i = 0; p->branch_call == 0 && i < ARRAY_SIZE(calls); i++)
			/* 0: there, and this CPU needs it. */
			if ((int32_t)smccc_smc(SMCCC_ARCH_FEATURES, calls[i], 0, 0) == 0)
				p->branch_call = calls[i];
	arch_trace_exits(false);
}

void arch_errata_entry(void)
{
	if (this_pcpu()->branch_call != 0) smccc_smc(this_pcpu()->branch_call, 0, 0, 0);
}
