/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the hypervisor: other CPUs stopped, cause, registers and backtrace, then the policy.
 * No locks, no allocation; a second fault on the way cuts the dump short.
 */
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/esr.h>
#include <arch/gic.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/config.h>
#include <hyp/console.h>
#include <hyp/host.h>
#include <hyp/ksyms.h>
#include <hyp/panic.h>
#include <hyp/pcpu.h>
#include <lib/str.h>
#include <lib/printf.h>

#include <asm/boot.h>
#include <asm/sysreg.h>
#include <string.h>

#define MAX_FRAMES 24u
#define STOP_WAIT_US 20000u

static uint32_t panic_owner; /* CPU number + 1 of the first to panic */
static uint32_t panic_depth; /* of the owner: 1, or more by a fault in the dump itself */
static uint32_t nr_parked;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	console_write_sync(line, strlen(line));
}

noreturn void panic_park(void)
{
	atomic_fetch_add_full(&nr_parked, 1u);
	for (;;) {
		arch_cpu_idle();
	}
}

static void stop_others(void)
{
	uint64_t end;

	if (arch_gic_info()->version == 0 || nr_pcpus < 2) {
		return;
	}
	arch_gic_send_sgi_others(GIC_SGI_STOP);
	end = arch_counter() + arch_us_to_ticks(STOP_WAIT_US);
	while (load_acquire(&nr_parked) < nr_pcpus - 1 && arch_counter() < end) {
		cpu_relax(); /* one that spins with interrupts masked does not come: go on */
	}
}

/* False: this is a fault within the dump; only the policy is left. */
static bool panic_begin(void)
{
	uint32_t self = this_pcpu()->id + 1, owner = 0;

	if (!atomic_cas_full(&panic_owner, &owner, self) && owner != self) {
		panic_park();
	}
	panic_depth++;
	if (panic_depth == 1) {
		stop_others();
	} else if (panic_depth > 2) {
		panic_park();
	}
	return panic_depth == 1;
}

static noreturn void panic_end(void)
{
	char policy[16] = "halt";

	str_arg(host.bootargs, "panic", policy, sizeof(policy));
	if (strcmp(policy, "reboot") == 0) {
		arch_system_reset();
	} else if (strcmp(policy, "poweroff") == 0) {
		arch_system_off();
	}
	say("*** halted\n");
	panic_park();
}

/* "function+0x10" of an address in our code, else nothing. */
static const char *symbol(uint64_t at, uint64_t *offset)
{
	uint64_t base = (uint64_t)(uintptr_t)image_start;
	uint32_t lo = 0, hi = ksyms_count;

	if (at < base || at >= (uint64_t)(uintptr_t)text_end) {
		return NULL;
	}
	at -= base;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ksyms_addr[mid] <= at) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	if (lo == 0) {
		return NULL;
	}
	*offset = at - ksyms_addr[lo - 1];
	return ksyms_str + ksyms_name[lo - 1];
}

/* back: 4 for a return address, whose call may be the last instruction of its function. */
static void say_address(const char *what, uint64_t at, unsigned back)
{
	uint64_t offset = 0, image = at - (uint64_t)(uintptr_t)image_start;
	const char *name = symbol(at - back, &offset);

	if (name != NULL) {
		say("  %-4s %016lx  %s+0x%lx (image+0x%lx)\n", what, (unsigned long)at, name,
		    (unsigned long)(offset + back), (unsigned long)image);
	} else {
		say("  %-4s %016lx\n", what, (unsigned long)at);
	}
}

/* Frame records (AAPCS64 6.4.6) as long as they lie in this CPU's stacks and go upwards. */
static void backtrace(uint64_t fp)
{
	uint64_t top = (uint64_t)(uintptr_t)this_pcpu()->stack_top, low = top - STACK_AREA;

	say("backtrace:\n");
	for (unsigned i = 0; i < MAX_FRAMES; i++) {
		const uint64_t *record = (const uint64_t *)(uintptr_t)fp;
		uint64_t in_stack = fp - low;

		/* Both stacks, not their guard pages. */
		if (!IS_ALIGNED(fp, 16) || fp < low || fp > top - 16 || in_stack < PAGE_SIZE ||
		    (in_stack >= PAGE_SIZE + EMERGENCY_STACK_SIZE &&
		     in_stack < STACK_AREA - STACK_SIZE)) {
			return;
		}
		say_address("", record[1], 4);
		if (record[0] <= fp) {
			return;
		}
		fp = record[0];
	}
}

noreturn void panic(const char *fmt, ...)
{
	char msg[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (panic_begin()) {
		say("\n*** hypervisor panic on CPU %u: %s\n", this_pcpu()->id, msg);
		backtrace((uint64_t)(uintptr_t)__builtin_frame_address(0));
	}
	panic_end();
}

/* The page below this CPU's stack, or below its emergency stack. */
static bool in_guard(uint64_t far)
{
	uint64_t low = (uint64_t)(uintptr_t)this_pcpu()->stack_top - STACK_AREA;

	return far - low < PAGE_SIZE || far - (low + PAGE_SIZE + EMERGENCY_STACK_SIZE) < PAGE_SIZE;
}

static void say_cause(const struct exc_frame *f)
{
	static const char *const kinds[] = {"", "unexpected IRQ", "unexpected FIQ", "SError"};

	say("\n*** hypervisor fault on CPU %u: ", this_pcpu()->id);
	if (f->kind != EXC_SYNC) {
		say("%s, ESR 0x%lx\n", kinds[f->kind & 3], (unsigned long)f->esr);
	} else if (esr_is_abort(f->esr)) {
		bool data = FIELD_GET(ESR_EC, f->esr) == EC_DABT_SAME;

		say("%s%s, %s at 0x%lx%s\n", esr_class_name(f->esr),
		    !data                     ? ""
		    : (f->esr & ESR_WNR) != 0 ? " (write)"
		                              : " (read)",
		    esr_fault_name(f->esr), (unsigned long)f->far,
		    in_guard(f->far) ? ": stack overflow" : "");
	} else {
		say("%s, ESR 0x%lx\n", esr_class_name(f->esr), (unsigned long)f->esr);
	}
}

noreturn void panic_exception(const struct exc_frame *f)
{
	if (!panic_begin()) {
		say("*** and a fault in the dump: %s at PC 0x%lx\n", esr_class_name(f->esr),
		    (unsigned long)f->pc);
		panic_end();
	}
	say_cause(f);
	say_address("pc", f->pc, 0);
	say_address("lr", f->x[30], 4);
	say("  sp   %016lx  pstate %08lx  esr %08lx  far %016lx\n", (unsigned long)f->sp,
	    (unsigned long)f->pstate, (unsigned long)f->esr, (unsigned long)f->far);
	for (unsigned i = 0; i < 30; i += 3) {
		say("  x%-2u %016lx  x%-2u %016lx  x%-2u %016lx\n", i, (unsigned long)f->x[i],
		    i + 1, (unsigned long)f->x[i + 1], i + 2, (unsigned long)f->x[i + 2]);
	}
	backtrace(f->x[29]);
	panic_end();
}
