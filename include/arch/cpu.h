/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This CPU: its struct pcpu (TPIDR_EL2), idling, identity, physical CPU control.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/err.h>
#include <hyp/types.h>

struct pcpu;

/* asm/cpu.h: struct pcpu *this_pcpu(void), inline. */
#include <asm/cpu.h>

/*
 * Waits until an interrupt is pending for this CPU (it stays masked: the caller acknowledges it),
 * or returns at once if one is. DSB before WFI completes outstanding stores.
 */
void arch_cpu_idle(void);
/* "Cortex-A72 r0p3" and the like; "CPU with MIDR 0x..." if unknown. buf of n bytes. */
void arch_cpu_name(char *buf, size_t n);
/* CRC-32 (IEEE 802.3), fast. Running value: start with 0, then the result of the call before. Pure.
 */
uint32_t arch_crc32(uint32_t crc, const void *data, uint64_t size);
/* Physical address bits implemented (PARange), capped at 48. */
unsigned arch_pa_bits(void);

struct host_cpu;
/* Starts a CPU of the host as pcpus[cpu], one at a time. It is logged if that fails. Boot CPU. */
enum hyp_err arch_cpu_start(const struct host_cpu *c, unsigned cpu) __must_check;
/* This CPU's affinity fields. */
uint64_t arch_cpu_mpidr(void);
/* Where a started CPU arrives, on its own stack with its pcpu set; hyp/main.c. */
noreturn void boot_secondary(void);
/* Power of the whole machine, by PSCI or the board; return only if there is no way. */
void arch_system_off(void);
void arch_system_reset(void);
