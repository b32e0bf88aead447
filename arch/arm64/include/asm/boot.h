/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boot.S, mm.c and smp.c share: boot slots, stacks, the register values of the MMU.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/types.h>

struct pcpu;

/*
 * What the CPU that is being started needs. It reads this with its caches off, so it is cleaned to
 * the point of coherency: a line, whose owner is written last. Who takes the owner out has the
 * slot: the CPU that has come, or the boot CPU that waits no longer.
 */
#define SLOT_FREE UINT64_MAX
struct boot_slot {
	uint64_t mpidr; /* affinity fields of its owner, or SLOT_FREE; shared */
	uint8_t *stack_top;
	struct pcpu *pcpu;
} __attribute__((aligned(64)));
extern struct boot_slot boot_slot;

/*
 * A CPU's stacks, from low to high: guard page, emergency stack (faults of EL2 itself), guard
 * page, stack. Guard pages are not mapped.
 */
#define STACK_SIZE KiB(16)
#define EMERGENCY_STACK_SIZE KiB(8)
#define STACK_AREA (PAGE_SIZE + EMERGENCY_STACK_SIZE + PAGE_SIZE + STACK_SIZE)
extern uint8_t cpu_stacks[MAX_PCPUS][STACK_AREA];

/* In the order boot.S loads them. */
struct mm_regs {
	uint64_t mair, tcr, ttbr0, sctlr;
};
extern struct mm_regs mm_regs;

/* boot.S. */
extern uint8_t image_start[], text_end[], rodata_end[], image_end[];
extern uint8_t vectors[], vectors_trace[]; /* entry.S */
void boot_secondary_entry(void);
noreturn void boot_park(void);

/* A page anywhere, read-write through a window of its own for ever; e.g. a spin-table's. */
void *mm_window(pa_t page);

/* A fault before nr_pcpus is 1: of what x0 or the device tree said; hyp/main.c. */
noreturn void boot_fault(uint64_t at);

/* The rest of what is UNKNOWN at reset; every CPU, first thing in C with the MMU on. */
void arch_cpu_init(void);
/* boot.S comes here, on the slot's stack. */
noreturn void smp_secondary(void);
