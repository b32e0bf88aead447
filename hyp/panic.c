/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the hypervisor: other CPUs stopped, cause, registers and backtrace, then the policy.
 * No locks, no allocation; a second fault on the way cuts the dump short.
 */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/trap.h>
#include <arch/gic.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/console.h>
#include <hyp/host.h>
#include <hyp/ksyms.h>
#include <hyp/panic.h>
#include <hyp/pcpu.h>
#include <lib/str.h>

#include <asm/boot.h>
#include <asm/sysreg.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_FRAMES 24u
#define STOP_WAIT_US 20000u

static uint32_t panic_owner; /* CPU number + 1 of the first to panic */
static bool dump_faulted;
static uint32_t nr_parked;

noreturn void panic_park(void)
{
	atomic_fetch_add_full(&nr_parked, 1u);
	for (;;) arch_cpu_idle();
}

/* back: 4 for a return address, whose call may be the last instruction of its function. */
static void say_address(const char *what, uint64_t at, unsigned back)
{
	uint64_t image = at - (uint64_t)(uintptr_t)image_start;
	uint32_t n = 0;

	while (image - back < (uint64_t)((uintptr_t)text_end - (uintptr_t)image_start) &&
	       n < ksyms_count && ksyms_addr[n] <= image - back)
		n++;
	say("  %-4s %016lx", what, at);
	if (n != 0)
		say("  %s+0x%lx (image+0x%lx)", ksyms_str + ksyms_name[n - 1],
		    image - ksyms_addr[n - 1], image);
	say("\n");
}

/* The page below this CPU's stack, or below its emergency stack. */
static bool in_guard(uint64_t at)
{
	uint64_t into = at - (uint64_t)(uintptr_t)this_pcpu()->stack_top + STACK_AREA;

	return into < PAGE_SIZE || into - (PAGE_SIZE + EMERGENCY_STACK_SIZE) < PAGE_SIZE;
}

/* Frame records (AAPCS64 6.4.6) as long as they lie in this CPU's stacks and go upwards. */
static void backtrace(uint64_t fp)
{
	uint64_t low = (uint64_t)(uintptr_t)this_pcpu()->stack_top - STACK_AREA, last = 0;

	say("backtrace:\n");
	for (unsigned i = 0; i < MAX_FRAMES && fp > last && IS_ALIGNED(fp, 16) &&
	                     fp - low < STACK_AREA && !in_guard(fp);
	     i++) {
		const uint64_t *record = (const uint64_t *)(uintptr_t)fp;

		say_address("", record[1], 4);
		last = fp;
		fp = record[0];
	}
}

static void dump(const struct exc_frame *f)
{
	if (esr_is_abort(f->esr))
		say("  %s at 0x%lx (%s)%s\n", esr_fault_name(f->esr), f->far,
		    FIELD_GET(ESR_EC, f->esr) != EC_DABT_SAME ? "fetch"
		    : (f->esr & ESR_WNR) != 0                 ? "write"
		                                              : "read",
		    in_guard(f->far) ? ": stack overflow" : "");
	say_address("pc", f->pc, 0);
	say_address("lr", f->x[30], 4);
	say("  sp   %016lx  pstate %08lx  esr %08lx  far %016lx\n", f->sp, f->pstate, f->esr,
	    f->far);
	for (unsigned i = 0; i < 30; i += 3)
		say("  x%-2u %016lx  x%-2u %016lx  x%-2u %016lx\n", i, f->x[i], i + 1, f->x[i + 1],
		    i + 2, f->x[i + 2]);
}

/* Stops the others. False: this is a fault within the dump; only the policy is left. */
static bool stop_others(void)
{
	uint64_t end = arch_counter() + arch_us_to_ticks(STOP_WAIT_US);
	uint32_t self = this_pcpu()->id + 1, owner = 0;

	if (!atomic_cas_full(&panic_owner, &owner, self)) {
		if (owner != self || dump_faulted) panic_park();
		dump_faulted = true;
		return false;
	}
	if (arch_gic_info()->version != 0) {
		arch_gic_send_sgi_others(GIC_SGI_STOP);
		/* One that spins with interrupts masked does not come: go on. */
		while (load_acquire(&nr_parked) + 1 < nr_pcpus && arch_counter() < end) cpu_relax();
	}
	return true;
}

/* f NULL: no exception, but a call. fp: of the first frame of the backtrace. */
static noreturn void end(const char *what, const struct exc_frame *f, uint64_t fp)
{
	bool first = stop_others();

	console_take_over();
	say("\n*** hypervisor %s on CPU %u: %s\n", f != NULL ? "fault" : "panic", this_pcpu()->id,
	    what);
	if (first && f != NULL) dump(f);
	if (first) backtrace(fp);
	if (str_arg_is(host.bootargs, "panic", "reboot")) arch_system_reset();
	if (str_arg_is(host.bootargs, "panic", "poweroff")) arch_system_off();
	say("*** halted\n");
	panic_park();
}

noreturn void panic(const char *fmt, ...)
{
	char msg[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	end(msg, NULL, (uint64_t)(uintptr_t)__builtin_frame_address(0));
}

noreturn void panic_exception(bool interrupt, struct exc_frame *f)
{
	f->pc = sysreg_read(ELR_EL2);
	f->pstate = sysreg_read(SPSR_EL2);
	f->esr = interrupt ? 0 : sysreg_read(ESR_EL2); /* not written then (D1.3.4) */
	f->far = sysreg_read(FAR_EL2);
	if (nr_pcpus == 0) boot_fault(f->far);
	end(interrupt ? "unexpected interrupt" : esr_class_name(f->esr), f, f->x[29]);
}
