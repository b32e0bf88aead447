/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This CPU: EL2 registers that are UNKNOWN at reset, identity, idling; the machine's power.
 */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <hyp/board.h>
#include <hyp/host.h>
#include <hyp/pcpu.h>

#include <asm/boot.h>
#include <asm/smccc.h>
#include <asm/sysreg.h>
#include <stdio.h>

#define PSCI_SYSTEM_OFF UINT64_C(0x84000008) /* DEN 0022 5.1 */
#define PSCI_SYSTEM_RESET UINT64_C(0x84000009)

#define MIDR_ARM 0x41u /* implementer */
#define MIDR_VARIANT GENMASK(23, 20)
#define MIDR_PART GENMASK(15, 4)
#define MIDR_REVISION GENMASK(3, 0)

/* Arm's. */
static const struct {
	unsigned part;
	const char *name;
} cpu_names[] = {
    {0xd03, "Cortex-A53"},  {0xd04, "Cortex-A35"},  {0xd05, "Cortex-A55"},  {0xd07, "Cortex-A57"},
    {0xd08, "Cortex-A72"},  {0xd09, "Cortex-A73"},  {0xd0a, "Cortex-A75"},  {0xd0b, "Cortex-A76"},
    {0xd0c, "Neoverse-N1"}, {0xd0d, "Cortex-A77"},  {0xd40, "Neoverse-V1"}, {0xd41, "Cortex-A78"},
    {0xd47, "Cortex-A710"}, {0xd49, "Neoverse-N2"},
};

/* Aff3, Aff2-Aff0. */
uint64_t arch_cpu_mpidr(void) { return sysreg_read(MPIDR_EL1) & UINT64_C(0xff00ffffff); }

/* What trap_cpu_init() and the loading of a vCPU write is left out. */
void arch_cpu_init(void)
{
	this_pcpu()->mpidr = arch_cpu_mpidr();
	sysreg_write(CNTVOFF_EL2, 0);
	sysreg_write(CNTHP_CTL_EL2, 0); /* timers of the loader */
	sysreg_write(CNTV_CTL_EL0, 0);
	sysreg_write(CNTP_CTL_EL0, 0);
	sysreg_write(ACTLR_EL2, 0); /* EL1 gets no CPU control registers (A72 TRM 4.3.30) */
	sysreg_write(HACR_EL2, 0);
	/* FEAT_FGT: fine-grained traps off (HFGRTR, HFGWTR, HFGITR, HDFGRTR, HDFGWTR; D19.2.63). */
	if (FIELD_GET(GENMASK(59, 56), sysreg_read(ID_AA64MMFR0_EL1)) != 0) {
		sysreg_write(S3_4_C1_C1_4, 0);
		sysreg_write(S3_4_C1_C1_5, 0);
		sysreg_write(S3_4_C1_C1_6, 0);
		sysreg_write(S3_4_C3_C1_4, 0);
		sysreg_write(S3_4_C3_C1_5, 0);
	}
	/* FEAT_HCX: what HCRX_EL2 would grant is not offered (D19.2.49). */
	if (FIELD_GET(GENMASK(43, 40), sysreg_read(ID_AA64MMFR1_EL1)) != 0)
		sysreg_write(S3_4_C1_C2_2, 0);
	isb(); /* in force before anything relies on it */
}

/* In force from the next ERET on at the latest, and no guest runs before that. */
void arch_trace_exits(bool on)
{
	on |= this_pcpu()->branch_call != 0;
	sysreg_write(VBAR_EL2, (uint64_t)(uintptr_t)(on ? vectors_trace : vectors));
}

void arch_cpu_idle(void)
{
	dsb_sy(); /* stores complete before the CPU may stop its clock (B2.3.12) */
	__asm__ volatile("wfi" ::: "memory");
}

void arch_cpu_name(char *buf, size_t n)
{
	uint64_t midr = sysreg_read(MIDR_EL1);

	snprintf(buf, n, "CPU with MIDR 0x%lx", midr);
	for (size_t i = 0; i < ARRAY_SIZE(cpu_names); i++)
		if (midr >> 24 == MIDR_ARM && cpu_names[i].part == FIELD_GET(MIDR_PART, midr))
			snprintf(buf, n, "%s r%up%u", cpu_names[i].name,
			         (unsigned)FIELD_GET(MIDR_VARIANT, midr),
			         (unsigned)FIELD_GET(MIDR_REVISION, midr));
}

unsigned arch_pa_bits(void)
{
	static const uint8_t bits[] = {32, 36, 40, 42, 44, 48}; /* PARange; more is capped */
	uint64_t range = FIELD_GET(GENMASK(3, 0), sysreg_read(ID_AA64MMFR0_EL1));

	return bits[MIN(range, ARRAY_SIZE(bits) - 1)];
}

/* Firmware by SMC; by HVC only when it was EL1 that we were started at. */
static void system_down(uint64_t fn)
{
	if (host.psci_smc) {
		smccc_smc(fn, 0, 0, 0);
	} else if (host.psci_hvc && sysreg_read(CurrentEL) >> 2 == 1) {
		register uint64_t x0 __asm__("x0") = fn;

		__asm__ volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
	}
	if (board->system_down == NULL) return;
	board->system_down(fn == PSCI_SYSTEM_OFF);
	/* A watchdog takes its time; whoever comes back says that it cannot be done. */
	for (uint64_t start = arch_counter(); arch_counter() - start < arch_us_to_ticks(100000);)
		cpu_relax();
}

void arch_system_off(void) { system_down(PSCI_SYSTEM_OFF); }

void arch_system_reset(void) { system_down(PSCI_SYSTEM_RESET); }
