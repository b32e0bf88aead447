/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atoll's unikernel runtime: what an application may call beside newlib. The machine is QEMU virt,
 * run bare or under Atoll; all CPUs share one address space and run at EL1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UK_MAX_CPUS 8u
#define UK_PAGE_SIZE 4096u

enum uk_timer { UK_TIMER_VIRT, UK_TIMER_PHYS, UK_NR_TIMERS };

/* What the device tree said. Absent devices have base 0; absent interrupts are 0 (an SGI number).
 */
struct uk_machine {
	const void *fdt; /* the runtime's own copy, for libfdt */
	const char *bootargs;
	uint64_t ram_base, ram_size;
	uint64_t initrd_base, initrd_size;
	uint64_t uart_base, rtc_base;
	uint64_t gicd_base, gicc_base, gicr_base, gicr_size;
	uint64_t mpidr[UK_MAX_CPUS]; /* affinity fields; index 0 is the boot CPU */
	unsigned nr_cpus;
	unsigned gic_version; /* 2 or 3 */
	unsigned uart_irq;
	unsigned timer_irq[UK_NR_TIMERS];
	bool psci_smc; /* conduit of PSCI: SMC, else HVC */
	bool has_psci;
	bool on_atoll; /* ATOLL_HVC_* calls exist */
};

const struct uk_machine *uk_machine(void);

/* Arguments of the form name=value (decimal, 0x hexadecimal). A malformed value ends the program.
 */
uint64_t uk_arg_u64(int argc, char **argv, const char *name, uint64_t fallback);
bool uk_arg_flag(int argc, char **argv, const char *name);

/* ---- interrupts -------------------------------------------------------------------------- */

typedef void (*uk_irq_fn)(unsigned intid, void *arg);

/*
 * Handlers run on the CPU that took the interrupt, with interrupts masked; SGIs and PPIs share one
 * handler between the CPUs. Registering enables the interrupt (SGI and PPI: on the calling CPU
 * only) and routes an SPI to the calling CPU. 0, or -1 when the number is out of range or taken.
 */
int uk_irq_register(unsigned intid, uk_irq_fn fn, void *arg);
void uk_irq_unregister(unsigned intid);
void uk_irq_enable(unsigned intid);
void uk_irq_disable(unsigned intid);
void uk_irq_set_priority(unsigned intid, uint8_t priority); /* smaller is more urgent */
void uk_irq_set_edge(unsigned intid, bool edge);            /* SPI only; level by default */
void uk_sgi_send(unsigned cpu, unsigned intid);             /* intid 0..15 */

/* Mask interrupts on this CPU; returns what uk_irq_restore() takes. Nests. */
static inline uint64_t uk_irq_save(void)
{
	uint64_t daif;

	__asm__ volatile("mrs %0, daif\n\tmsr daifset, #2" : "=r"(daif) : : "memory");
	return daif;
}

static inline void uk_irq_restore(uint64_t daif)
{
	__asm__ volatile("msr daif, %0" : : "r"(daif) : "memory");
}

/*
 * Wait for an interrupt and serve it. Call with interrupts masked, after finding nothing to do;
 * returns with them masked. WFI ends for a masked pending interrupt too, so none is lost between
 * the test and the wait.
 */
static inline void uk_wfi(void)
{
	/* DSB: what this CPU wrote is visible before it sleeps. ISB: what is pending is taken here.
	 */
	__asm__ volatile("dsb sy\n\twfi\n\tmsr daifclr, #2\n\tisb\n\tmsr daifset, #2"
	                 :
	                 :
	                 : "memory");
}

/* ---- time -------------------------------------------------------------------------------- */

uint64_t uk_ticks(void);     /* CNTVCT_EL0 */
uint64_t uk_tick_hz(void);   /* CNTFRQ_EL0 */
uint64_t uk_uptime_us(void); /* since the counter's zero */

/*
 * Call fn on this CPU once in us microseconds, or with periodic every us microseconds; late
 * periods are made up for, one interrupt each. One user per timer and CPU; restarting replaces.
 */
int uk_timer_start(enum uk_timer timer, uint64_t us, bool periodic, void (*fn)(void *), void *arg);
void uk_timer_stop(enum uk_timer timer);
void uk_sleep_us(uint64_t us); /* WFI; interrupts, which must be on, are served meanwhile */

/* ---- processors -------------------------------------------------------------------------- */

typedef struct {
	uint32_t locked;
} uk_spinlock_t;

unsigned uk_cpu_id(void); /* 0 is the boot CPU */

/*
 * Start a CPU by PSCI; it runs fn(arg) with interrupts on and is switched off when fn returns,
 * after which it may be started again. 0, or the (negative) PSCI error.
 */
int uk_cpu_start(unsigned cpu, void (*fn)(void *), void *arg);
bool uk_cpu_is_off(unsigned cpu); /* it may be started */

static inline void uk_spin_lock(uk_spinlock_t *lock)
{
	uint32_t tmp;

	/* LDAXR: acquire. The holder's STLR clears the monitor, which wakes WFE. */
	__asm__ volatile("	sevl\n"
	                 "1:	wfe\n"
	                 "2:	ldaxr	%w0, %1\n"
	                 "	cbnz	%w0, 1b\n"
	                 "	stxr	%w0, %w2, %1\n"
	                 "	cbnz	%w0, 2b\n"
	                 : "=&r"(tmp), "+Q"(lock->locked)
	                 : "r"(1)
	                 : "memory");
}

static inline void uk_spin_unlock(uk_spinlock_t *lock)
{
	__asm__ volatile("stlr wzr, %0" : "=Q"(lock->locked) : : "memory");
}

/* All 0 at first. Returns once `cpus` of them have called it, and what they wrote is seen; then the
 * next round begins. */
typedef struct {
	uint32_t arrived, round;
} uk_barrier_t;

void uk_barrier_wait(uk_barrier_t *b, unsigned cpus);

static inline void uk_cpu_relax(void) { __asm__ volatile("yield" : : : "memory"); }

/* ---- console, memory, the end ------------------------------------------------------------- */

/*
 * Every CPU has its own newlib state: stdio, line-buffered, so that whole lines come out, errno,
 * strtok() and so on; and so have its interrupt handlers. malloc is shared and locked. Read stdin,
 * a terminal with echo and line editing unless raw, on one CPU only.
 */
void uk_console_raw(bool raw);
int uk_console_getc(bool wait); /* -1: nothing there */

/* Zeroed whole pages for devices and stacks, from the top of RAM; never given back. */
void *uk_pages_alloc(size_t pages);
size_t uk_heap_free(void); /* bytes not yet taken from the system by malloc or pages */

/* The state an exception interrupted. */
struct uk_regs {
	uint64_t x[31];
	uint64_t sp, pc, pstate;
	uint64_t esr, far;
	uint64_t fpsr, fpcr;
	__uint128_t q[32];
};

/*
 * A synchronous exception outside an interrupt handler is first offered to the hook; true: resume
 * with regs as the hook left them (regs->pc unchanged means try again).
 */
void uk_fault_hook(bool (*hook)(struct uk_regs *regs));

/* End at once, without flushing stdio: as a crash, by restart. exit() and abort() do the rest. */
_Noreturn void uk_crash(const char *why);
_Noreturn void uk_reset(void);

/* The program does what it is there for: an update on trial whose manifest says reports-health for
 * this VM waits for that. No effect natively. */
void uk_report_healthy(void);

/* Raw calls. Natively only PSCI calls may be made, by uk_psci(). */
int64_t uk_psci(uint32_t id, uint64_t a1, uint64_t a2, uint64_t a3);
int64_t uk_hvc(uint32_t id, uint64_t a1, uint64_t a2, uint64_t a3);
