/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks, caught exceptions, extra mappings: see tg.h.
 */
#include "tg.h"

#include <inttypes.h>
#include <stdio.h>

/* Stage-1 block of the runtime's tables (Arm ARM D5.3): ISH, AF, nG, UXN; PXN or read-only. */
#define BLOCK (1ul | 3ul << 8 | 1ul << 10 | 1ul << 11 | 1ul << 54)
#define BLOCK_DEVICE (1ul << 2 | 1ul << 53)
#define BLOCK_RO (2ul << 6)
#define GIB_SHIFT 30u
#define FIRST_FREE 400u /* of 512 entries: far above what RAM takes */

static const char *prog;
static unsigned checks, failed;

static struct {
	bool armed;
	struct tg_fault fault;
} catch[UK_MAX_CPUS];

static bool on_fault(struct uk_regs *regs)
{
	unsigned cpu = uk_cpu_id();
	struct tg_fault *f = &catch[cpu].fault;
	unsigned ec = (unsigned)(regs->esr >> 26 & 63);

	if (!catch[cpu].armed) return false;
	f->count++;
	f->esr = regs->esr;
	f->far = regs->far;
	f->pc = regs->pc;
	f->pstate = regs->pstate;
	regs->pc = ec == EC_IABT || ec == 0x22 ? regs->x[30] : regs->pc + 4;
	return true;
}

void tg_start(const char *name)
{
	prog = name;
	uk_fault_hook(on_fault);
}

bool tg_check(bool ok, const char *what)
{
	checks++;
	failed += !ok;
	printf("%s: %s ... %s\n", prog, what, ok ? "ok" : "FAIL");
	return ok;
}

bool tg_eq(uint64_t got, uint64_t expected, const char *what)
{
	if (got == expected) return tg_check(true, what);
	checks++;
	failed++;
	printf("%s: %s ... FAIL (0x%" PRIx64 ", expected 0x%" PRIx64 ")\n", prog, what, got,
	       expected);
	return false;
}

int tg_end(void)
{
	printf("%s: %u checks, %u failed\n", prog, checks, failed);
	return failed || checks == 0;
}

static uint64_t us_to_ticks(uint64_t us) { return us * uk_tick_hz() / 1000000; }

bool tg_until(bool (*fn)(void *), void *arg, uint64_t us)
{
	uint64_t end = uk_ticks() + us_to_ticks(us);

	while (!fn(arg)) {
		if (uk_ticks() > end) return fn(arg);
		uk_cpu_relax();
	}
	return true;
}

bool tg_until_u32(const volatile uint32_t *p, uint32_t at_least, uint64_t us)
{
	uint64_t end = uk_ticks() + us_to_ticks(us);

	while (__atomic_load_n(p, __ATOMIC_ACQUIRE) < at_least) {
		if (uk_ticks() > end) return __atomic_load_n(p, __ATOMIC_ACQUIRE) >= at_least;
		uk_cpu_relax();
	}
	return true;
}

void tg_spin_us(uint64_t us)
{
	uint64_t end = uk_ticks() + us_to_ticks(us);

	while (uk_ticks() < end) uk_cpu_relax();
}

void tg_fault_arm(void)
{
	unsigned cpu = uk_cpu_id();

	catch[cpu].fault = (struct tg_fault){0};
	__atomic_store_n(&catch[cpu].armed, true, __ATOMIC_SEQ_CST);
}

struct tg_fault tg_fault_disarm(void)
{
	unsigned cpu = uk_cpu_id();

	__atomic_store_n(&catch[cpu].armed, false, __ATOMIC_SEQ_CST);
	return catch[cpu].fault;
}

uint64_t tg_map(uint64_t pa, enum tg_map how)
{
	static unsigned next = FIRST_FREE;
	uint64_t *root = (uint64_t *)(sysreg_read(ttbr0_el1) & 0x0000fffffffff000ul);
	uint64_t va = (uint64_t)next << GIB_SHIFT;
	uint64_t mask = (1ul << GIB_SHIFT) - 1;

	root[next] = (pa & ~mask) | BLOCK | (how == TG_MAP_EXEC ? BLOCK_RO : BLOCK_DEVICE);
	next++;
	/* The entry before its first walk; it was invalid, so no TLB holds it. */
	__asm__ volatile("dsb ish\n\tisb" : : : "memory");
	return va | (pa & mask);
}
