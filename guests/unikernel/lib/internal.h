/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runtime's files share among themselves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uk.h>
#include <uk_arch.h>

#include "layout.h"

#define EMERGENCY_STACK_SIZE 4096u

/* Where QEMU virt's RAM starts: only for the map that the FDT is read with. */
#define RAM_GUESS 0x40000000ul

struct cpu {
	uint64_t sp_main;      /* SP_EL0: what programs run on */
	uint64_t sp_exc;       /* SP_EL1: exceptions and interrupts */
	uint64_t sp_emergency; /* SP_EL1 for an exception within an exception */
	uint64_t ttbr;
	unsigned id;
	bool in_fault;
	bool on; /* from uk_cpu_start() until it has finished */
	void (*fn)(void *);
	void *arg;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct uk_regs, sp) == REGS_SP, "layout.h");
_Static_assert(offsetof(struct uk_regs, pc) == REGS_PC, "layout.h");
_Static_assert(offsetof(struct uk_regs, esr) == REGS_ESR, "layout.h");
_Static_assert(offsetof(struct uk_regs, fpsr) == REGS_FPSR, "layout.h");
_Static_assert(offsetof(struct uk_regs, q) == REGS_Q, "layout.h");
_Static_assert(sizeof(struct uk_regs) == REGS_SIZE, "layout.h");
_Static_assert(offsetof(struct cpu, sp_main) == CPU_SP_MAIN, "layout.h");
_Static_assert(offsetof(struct cpu, sp_exc) == CPU_SP_EXC, "layout.h");
_Static_assert(offsetof(struct cpu, sp_emergency) == CPU_SP_EMERGENCY, "layout.h");
_Static_assert(offsetof(struct cpu, ttbr) == CPU_TTBR, "layout.h");

/* unikernel.lds; all page-aligned */
extern char uk_image_start[], uk_text_end[], uk_rodata_end[], uk_image_end[];

extern const char uk_app_name[]; /* made by unikernel.mk */
extern struct cpu uk_cpus[UK_MAX_CPUS];
extern struct uk_machine uk_mach;

static inline struct cpu *this_cpu(void) { return (struct cpu *)sysreg_read(tpidr_el1); }

/* crt0.S */
void uk_mmu_on(uint64_t ttbr);
void uk_mmu_switch(uint64_t ttbr);
_Noreturn void uk_run_on(struct cpu *cpu, void (*fn)(void));
void uk_cpu_entry(void); /* PSCI CPU_ON: x0 = struct cpu, MMU off */

/* mmu.c */
uint64_t uk_mmu_early(void);
void uk_mmu_final(void);

/* reent.c: stacks shrunk by newlib's state; the memory is mapped */
void cpu_stacks_init(struct cpu *cpu, uint64_t main_top, uint64_t exc_top);
void reent_start(void);
void reent_finish(void);

/* machine.c: false when there is no usable tree; memory.c owns everything above the image */
bool machine_read(const void *fdt);
const void *fdt_relocate(const void *fdt, uint64_t to, uint64_t limit, uint64_t *end);
void memory_init(uint64_t heap_start);

/* gic.c, timer.c, console.c */
void gic_init(void);
void gic_cpu_init(void);
void irq_dispatch(void);
void timer_cpu_init(void);
void console_putc_raw(char c);
void console_write(const char *buf, size_t len);
void console_drain(void);
int console_read(char *buf, size_t len);

/* One irqchip per GIC architecture. Enabling a private interrupt acts on the calling CPU. */
struct irqchip {
	void (*init)(void);
	void (*cpu_init)(void);
	void (*set_enable)(unsigned intid, bool on);
	void (*set_priority)(unsigned intid, uint8_t priority);
	void (*set_edge)(unsigned intid, bool edge);
	void (*route_here)(unsigned intid);
	void (*send_sgi)(unsigned cpu, unsigned intid);
	uint32_t (*ack)(void); /* the raw IAR value */
	void (*eoi)(uint32_t iar);
};

extern const struct irqchip gicv2_chip, gicv3_chip;

/* power.c */
_Noreturn void power_exit(int status);
_Noreturn void power_crash(uint64_t esr, uint64_t far, uint64_t elr);
