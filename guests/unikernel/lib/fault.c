/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exceptions: interrupts go to the GIC driver, everything else to the hook or to a report that
 * uses no newlib (the fault may be newlib's), and then the program ends as a crash.
 */
#include <string.h>

#include "internal.h"

enum vector_kind { VEC_SYNC, VEC_IRQ, VEC_FIQ, VEC_SERROR };

void uk_exception(struct uk_regs *regs, unsigned vector);

static bool (*fault_hook)(struct uk_regs *regs);

void uk_fault_hook(bool (*hook)(struct uk_regs *regs)) { fault_hook = hook; }

static const char *class_name(uint64_t esr)
{
	/* ESR_ELx.EC (Arm ARM D13.2.37). */
	switch (esr >> 26 & 63) {
	case 0x00: return "undefined instruction";
	case 0x01: return "WFI or WFE trapped";
	case 0x07: return "FP access trapped";
	case 0x0e: return "illegal execution state";
	case 0x15: return "SVC";
	case 0x18: return "system register access trapped";
	case 0x20:
	case 0x21: return "instruction abort";
	case 0x22: return "PC not aligned";
	case 0x24:
	case 0x25: return "data abort";
	case 0x26: return "SP not aligned";
	case 0x2c: return "floating-point exception";
	case 0x2f: return "SError";
	case 0x30:
	case 0x31: return "breakpoint";
	case 0x32:
	case 0x33: return "software step";
	case 0x34:
	case 0x35: return "watchpoint";
	case 0x3c: return "BRK instruction";
	default: return "unknown exception class";
	}
}

static const char *abort_name(uint64_t esr)
{
	/* ISS.DFSC/IFSC (Arm ARM D13.2.37, ISS encoding for an exception from a data abort). */
	switch (esr & 63) {
	case 0x00 ... 0x03: return "address size";
	case 0x04 ... 0x07: return "nothing mapped";
	case 0x09 ... 0x0b: return "access flag";
	case 0x0d ... 0x0f: return "permission";
	case 0x10: return "external abort";
	case 0x14 ... 0x17: return "external abort on table walk";
	case 0x21: return "alignment";
	case 0x30: return "TLB conflict";
	default: return "other cause";
	}
}

static void put(const char *s)
{
	while (*s) console_putc_raw(*s++);
}

static void put_hex(const char *name, uint64_t val)
{
	put(name);
	for (int shift = 60; shift >= 0; shift -= 4)
		console_putc_raw("0123456789abcdef"[val >> shift & 15]);
}

static void put_xn(unsigned n)
{
	put(n % 4 == 0 ? "\r\n" : " ");
	put(n < 10 ? " x" : "x");
	if (n >= 10) console_putc_raw((char)('0' + n / 10));
	console_putc_raw((char)('0' + n % 10));
}

/* True when the address lies in the guard page under this CPU's program stack. */
static bool in_guard(uint64_t far)
{
	uint64_t guard = (this_cpu()->sp_exc + UK_PAGE_SIZE - 1) & ~(uint64_t)(UK_PAGE_SIZE - 1);

	return far >= guard && far < guard + UK_PAGE_SIZE;
}

static void report(const struct uk_regs *r, unsigned vector)
{
	static const char *const kinds[] = {"", "IRQ", "FIQ", "SError"};
	unsigned ec = (unsigned)(r->esr >> 26 & 63);

	put("\r\n*** ");
	put((vector & 3) == VEC_SYNC ? class_name(r->esr) : kinds[vector & 3]);
	if ((vector & 3) == VEC_SYNC && (ec == 0x20 || ec == 0x21 || ec == 0x24 || ec == 0x25)) {
		put((ec & 0x3e) == 0x24 && (r->esr & 1 << 6) ? ", write: " : ": ");
		put(abort_name(r->esr));
		put(in_guard(r->far) ? " (stack overflow)" : "");
	}
	put(" on cpu ");
	console_putc_raw((char)('0' + uk_cpu_id()));
	put(vector >= 4 ? ", within an exception\r\n" : "\r\n");
	put_hex(" pc ", r->pc);
	put_hex(" sp ", r->sp);
	put_hex(" esr ", r->esr);
	put_hex("\r\nfar ", r->far);
	put_hex(" pstate ", r->pstate);
	for (unsigned n = 0; n < 31; n++) {
		put_xn(n);
		put_hex(" ", r->x[n]);
	}
	put("\r\n");
}

void uk_exception(struct uk_regs *regs, unsigned vector)
{
	struct cpu *cpu = this_cpu();

	if ((vector & 3) == VEC_IRQ && vector < 8) {
		irq_dispatch();
		return;
	}
	if (vector == VEC_SYNC && fault_hook && fault_hook(regs)) return;
	if (!cpu->in_fault) {
		cpu->in_fault = true;
		report(regs, vector);
	} else {
		uk_mach.on_atoll = false; /* the report's own call faulted: PSCI is left */
	}
	power_crash(regs->esr, regs->far, regs->pc);
}
