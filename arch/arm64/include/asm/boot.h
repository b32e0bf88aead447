/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boot.S, mm.c and smp.c share: boot slots, stacks, the register values of the MMU.
 */
#pragma once

#include <stdnoreturn.h>

#include <hyp/types.h>

struct pcpu;

/*
 * One attempt to start a CPU. Read by that CPU with its caches off, so cleaned to the point of
 * coherency; a slot is valid once its stack is set, and never used again.
 */
struct boot_slot {
	uint64_t mpidr; /* affinity fields */
	uint8_t *stack_top;
	struct pcpu *pcpu;
	uint64_t state; /* enum boot_state; shared, only with the MMU on */
};

enum boot_state { BOOT_STARTING, BOOT_ARRIVED, BOOT_ABANDONED };

extern struct boot_slot boot_slots[MAX_PCPUS];

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

/* A page anywhere, read-write through a window of its own, for the moment; e.g. a spin-table's. */
void *mm_window(pa_t page);

/* The rest of what is UNKNOWN at reset; every CPU, first thing in C with the MMU on. */
void arch_cpu_init(void);
/* boot.S comes here, on the slot's stack. */
noreturn void smp_secondary(struct boot_slot *slot);
