/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's functions as the management guest calls them: by hypercall, or on what it sees of EL2.
 */
#include <abi/hvc.h>
#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/console.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/trace.h>
#include <lib/str.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "management.h"

#define ROOM_US 1000u /* the UART has sent something meanwhile */

const struct management_view *view;
struct host host;
unsigned nr_pcpus;
bool trace_on;

struct result {
	uint64_t x[4];
};

static struct result call(enum management_call fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	register uint64_t x0 __asm__("x0") = MANAGEMENT_CALLS + fn;
	register uint64_t x1 __asm__("x1") = a1;
	register uint64_t x2 __asm__("x2") = a2;
	register uint64_t x3 __asm__("x3") = a3;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
	return (struct result){{x0, x1, x2, x3}};
}

static enum hyp_err call_err(enum management_call fn, uint64_t a1, uint64_t a2)
{
	return (enum hyp_err)call(fn, a1, a2, 0).x[0];
}

/* Its own memory is in the upper half, EL2's at EL2's addresses. */
static uint64_t gpa(const void *p)
{
	uint64_t at = (uintptr_t)p;

	return at >> 63 ? at - MANAGEMENT_BASE + machine_v1.ram_base : MANAGEMENT_VIEW + at;
}

void management_refresh(void)
{
	if (view == NULL) {
		view = (const struct management_view *)(uintptr_t)call(MANAGEMENT_VIEW_AT, 0, 0, 0)
		           .x[0];
		host = *view->host;
		nr_pcpus = view->nr_pcpus;
	}
	for (unsigned i = 0; i < MAX_VMS; i++) vms[i] = load_acquire(&view->vms[i]);
	trace_on = load_relaxed(view->trace_on);
}

/* --- output ---------------------------------------------------------------------------------- */

static void vtext(enum management_call fn, uint64_t level, const char *fmt, va_list ap)
{
	char line[320];

	vsnprintf(line, sizeof(line), fmt, ap);
	(void)call(fn, gpa(line), strlen(line), level);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtext(MANAGEMENT_SAY, 0, fmt, ap);
	va_end(ap);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtext(MANAGEMENT_LOG, level, fmt, ap);
	va_end(ap);
}

noreturn void management_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtext(MANAGEMENT_FAIL, 0, fmt, ap);
	va_end(ap);
	for (;;) management_sleep(1000000);
}

size_t console_shell_write(const char *s, size_t n)
{
	size_t took = 0;

	while (took < n) {
		uint64_t more = call(MANAGEMENT_WRITE, gpa(s + took), n - took, 0).x[0];

		took += MIN(more, n - took);
		if (more != 0) continue;
		management_sleep(ROOM_US);
		management_refresh(); /* what it saw may have gone meanwhile */
	}
	return n;
}

void console_shell_alone(bool on) { (void)call(MANAGEMENT_ALONE, on, 0, 0); }

void console_show_log(void) { (void)call(MANAGEMENT_SHOW_LOG, 0, 0, 0); }

void console_focus(struct console_port *p)
{
	(void)call(MANAGEMENT_FOCUS, container_of(p, struct vm, port)->slot, 0, 0);
}

uint8_t management_key(void)
{
	uint64_t key;

	do {
		key = call(MANAGEMENT_KEY, 0, 0, 0).x[0];
	} while (key > UINT8_MAX);
	return (uint8_t)key;
}

void management_sleep(uint64_t us) { (void)call(MANAGEMENT_SLEEP, us, 0, 0); }

/* --- VMs ------------------------------------------------------------------------------------- */

static enum hyp_err change(struct vm *vm, enum management_change how)
{
	return call_err(MANAGEMENT_CHANGE, how, vm->slot);
}

enum hyp_err vm_start(struct vm *vm) { return change(vm, CHANGE_START); }

enum hyp_err vm_stop(struct vm *vm, enum stop_reason reason, uint32_t status)
{
	return change(vm, CHANGE_STOP);
}

enum hyp_err vm_pause(struct vm *vm) { return change(vm, CHANGE_PAUSE); }

enum hyp_err vm_resume(struct vm *vm) { return change(vm, CHANGE_RESUME); }

enum hyp_err vm_restart(struct vm *vm) { return change(vm, CHANGE_RESTART); }

enum hyp_err vm_destroy(struct vm *vm) { return change(vm, CHANGE_DESTROY); }

/* Its device tree is where plan.fdt_from says. */
enum hyp_err vm_create(const struct vm_config *cfg, struct vm **out)
{
	struct result r = call(MANAGEMENT_CREATE, gpa(cfg), gpa(cfg->tree), 0);

	if (r.x[0] != HYP_OK) return (enum hyp_err)r.x[0];
	management_refresh();
	*out = vms[r.x[1] % MAX_VMS];
	return HYP_OK;
}

void management_refused(void) { (void)call(MANAGEMENT_REFUSED, 0, 0, 0); }

void management_ready(enum when_idle idle) { (void)call(MANAGEMENT_READY, idle, 0, 0); }

bool vm_slot_used(unsigned slot) { return (load_acquire(view->slots) & BIT(slot)) != 0; }

struct vm *vm_find(const char *name_or_number)
{
	uint64_t n;

	if (str_to_u64(name_or_number, &n))
		return n < MAX_VMS ? vms[array_index_nospec(n, MAX_VMS)] : NULL;
	for (unsigned i = 0; i < MAX_VMS; i++)
		if (vms[i] && strcmp(vms[i]->name, name_or_number) == 0) return vms[i];
	return NULL;
}

enum hyp_err s2_lookup(struct s2 *s, ipa_t ipa, struct s2_walk *out)
{
	struct result r =
	    call(MANAGEMENT_IPA, container_of(s, struct vm, s2)->slot, ipa_raw(ipa), 0);

	*out = (struct s2_walk){pa(r.x[1]), r.x[2], (enum s2_attr)(r.x[3] & 0xff),
	                        (uint8_t)(r.x[3] >> 8)};
	return (enum hyp_err)r.x[0];
}

/* --- the host -------------------------------------------------------------------------------- */

void trace_enable(bool on)
{
	(void)call(MANAGEMENT_TRACE, on, 0, 0);
	trace_on = on;
}

void page_counts(uint64_t n[NR_OWNERS]) { (void)call(MANAGEMENT_PAGES, gpa(n), 0, 0); }

void arch_system_off(void) { (void)call(MANAGEMENT_POWER, 0, 0, 0); }

void arch_system_reset(void) { (void)call(MANAGEMENT_POWER, 1, 0, 0); }

void arch_cpu_name(char *buf, size_t n) { (void)str_copy(buf, view->cpu, n); }

const struct arch_gic_info *arch_gic_info(void) { return view->gic; }

uint64_t arch_counter_hz(void) { return view->counter_hz; }

uint64_t arch_counter(void)
{
	uint64_t now;

	/* As EL2 does: not ahead of what comes before (Arm ARM D11.2.2). */
	__asm__ volatile("isb\n\tmrs %0, cntpct_el0" : "=r"(now) : : "memory");
	return now;
}

uint64_t sched_run_ticks(const struct vcpu *v)
{
	uint64_t ticks = load_relaxed(&v->se.run_ticks);

	if (load_relaxed(&v->state) == VCPU_RUNNING)
		ticks += arch_counter() -
		         load_relaxed(&view->pcpus[load_relaxed(&v->cpu) % MAX_PCPUS].stamp);
	return ticks;
}

uint64_t sched_idle_ticks(unsigned cpu)
{
	uint64_t ticks = load_relaxed(&view->pcpus[cpu].idle_ticks);

	if (load_relaxed(&view->pcpus[cpu].idle))
		ticks += arch_counter() - load_relaxed(&view->pcpus[cpu].stamp);
	return ticks;
}

const char *vcpu_state_name(const struct vcpu *v)
{
	static const char *const names[] = {"off", "ready", "running", "blocked"};

	return names[load_relaxed(&v->state) & 3];
}

const char *vm_state_name(const struct vm *vm)
{
	/* In the order of the enum. */
	static const char *const names[] = {"new",        "loading",  "running",
	                                    "paused",     "resuming", "stopping",
	                                    "restarting", "stopped",  "gone"};

	_Static_assert(ARRAY_SIZE(names) == VM_GONE + 1, "one for each state");
	return names[load_relaxed(&vm->state)];
}
