/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of a VM's life: devices, scheduler, console and files as simple stand-ins. The test
 * brings pages and calls env_forget() for those that are freed. Include it once, after
 * hyp/lifecycle.c.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/gic.h>
#include <arch/mm.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/setway.h>
#include <hyp/trial.h>
#include <hyp/vdev.h>
#include <hyp/vtimer.h>
#include "tests/fake_arch/clock.h"

#define RAM UINT64_C(0x40000000)
#define IMAGE_TO (RAM + 0x1000)
#define IMAGE_SIZE KiB(100) /* two steps */
#define FDT_TO (RAM + 0x30000)
#define FDT_SIZE 4001u

/* --- an update on trial --- */
static bool on_trial;

bool trial_is_on(void) { return on_trial; }

/* Called when all that are to start were told to. */
void trial_vms_started(void)
{
	for (unsigned i = 0; i < MAX_VMS; i++)
		assert_false(vms[i] && vms[i]->cfg->autostart && vms[i]->state == VM_NEW);
}

/* --- the management guest's --- */
static unsigned losses;

void management_lost(void)
{
	assert_int_equal(fake_locks_held(), 0);
	losses++;
}

static bool shell_works;

bool management_rests(void) { return !shell_works; }

/* --- devices --- */
static unsigned objects; /* ports added and not removed */
static struct arch_gic_info gic = {.version = 3, .nr_lrs = 4};

const struct arch_gic_info *arch_gic_info(void) { return &gic; }

enum hyp_err vgic_vm_init(struct vm *vm, unsigned version, unsigned nr_spis)
{
	assert_int_equal(nr_spis, 48);
	vm->vgic.version = version;
	vm->vgic.spis = page_alloc_hyp(PAGE_SIZE);
	return vm->vgic.spis ? HYP_OK : HYP_ENOMEM;
}

void vgic_vm_fini(struct vm *vm)
{
	if (vm->vgic.spis) page_free_hyp(vm->vgic.spis, PAGE_SIZE);
}

void vgic_vm_reset(struct vm *vm)
{
	vm->frozen_at = 0; /* a new life has a time of its own */
	for (unsigned i = 0; i < vm->nr_vcpus; i++) assert_true(vcpu_is_out(vm->vcpus[i]));
}

void vgic_vcpu_init(struct vcpu *v) { (void)v; }

void vtimer_vcpu_reset(struct vcpu *v) { assert_true(vcpu_is_out(v)); }

/* frozen_at: its time stands still. */
void vtimer_vm_freeze(struct vm *vm)
{
	assert_int_equal(vm->frozen_at++, 0);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) assert_true(vcpu_is_out(vm->vcpus[i]));
}

void vtimer_vm_thaw(struct vm *vm)
{
	assert_int_equal(--vm->frozen_at, 0);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) assert_true(vcpu_is_out(vm->vcpus[i]));
}

void vtimer_vcpu_init(struct vcpu *v)
{
	deadline_init(&v->vtimer.virt_dl, NULL);
	deadline_init(&v->vtimer.phys_dl, NULL);
}

#define DEVICE(x)                                                                                  \
	enum hyp_err v##x##_create(struct vm *vm)                                                  \
	{                                                                                          \
		vm->x.dev.vm = vm;                                                                 \
		return HYP_OK;                                                                     \
	}                                                                                          \
	void v##x##_reset(struct vm *vm) { assert_ptr_equal(vm->x.dev.vm, vm); }
DEVICE(pl011)
DEVICE(pl031)

/* Only of VMs that can be found. */
const struct console_up vpl011_console;

void console_port_add(struct console_port *p, struct vm *vm, const char *name, unsigned index,
                      const struct console_up *up)
{
	assert_ptr_equal(p, &vm->port);
	assert_string_equal(name, vm->name);
	assert_int_equal(index, vm->slot);
	assert_ptr_equal(up, &vpl011_console);
	objects++;
}

void console_port_remove(struct console_port *p)
{
	for (unsigned i = 0; i < MAX_VMS; i++) assert_true(!vms[i] || &vms[i]->port != p);
	objects--;
}

enum hyp_err assigned_create(struct vm *vm, struct vm_assign *a)
{
	assert_int_equal(a->nr_devs, vm->cfg->assign.nr_devs);
	return HYP_OK;
}

/* From a start, which may have been overtaken, to a stop. */
void assigned_start(struct vm *vm)
{
	assert_true(vm->state == VM_LOADING || vm->state == VM_STOPPING);
}

void assigned_stop(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++) assert_true(vcpu_is_out(vm->vcpus[i]));
}

bool assigned_may_map(const struct vm_assign *a, pa_t p, uint64_t size) { return false; }

const struct mmio_ops vflash_ops, vvirtio_empty_ops;

/* --- what EL2 has mapped as normal memory, in order --- */
static struct host_range el2_memory[4];

bool arch_mm_next(pa_t *at, uint64_t *size)
{
	for (unsigned i = 0; i < ARRAY_SIZE(el2_memory); i++) {
		uint64_t start = MAX(el2_memory[i].base.raw, at->raw);
		uint64_t end = el2_memory[i].base.raw + el2_memory[i].size;

		if (start >= end) continue;
		*at = pa(start);
		*size = end - start;
		return true;
	}
	return false;
}

/* --- scheduler, jobs --- */
static bool slow_vcpus; /* they take their time to leave */
static struct job *jobs[1024];
static unsigned nr_jobs;

void sched_vcpu_init(struct vcpu *v, const struct vm_config *cfg)
{
	(void)cfg;
	v->work = VCPU_WORK_OUT;
}

void sched_start(struct vcpu *v)
{
	assert_true(v->work & VCPU_WORK_OUT);
	v->work = 0;
}

void vcpu_stop(struct vcpu *v)
{
	v->work |= VCPU_WORK_STOP;
	if (!slow_vcpus) v->work |= VCPU_WORK_OUT;
}

void vcpu_wake(struct vcpu *v) { (void)v; }

void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t x0)
{
	assert_true(vcpu_is_out(v));
	v->arch.pc = entry;
	v->arch.x[0] = x0;
}

void job_init(struct job *j, const struct job_ops *ops, struct vm *vm, uint32_t weight)
{
	unsigned i = 0;

	*j = (struct job){.ops = ops, .vm = vm};
	while (i < nr_jobs && jobs[i] != j) i++;
	assert_true(i < ARRAY_SIZE(jobs));
	jobs[i] = j;
	nr_jobs += i == nr_jobs;
}

static bool step_job(struct job *j);

void job_start(struct job *j)
{
	/* Another CPU may be in the job at once: why the VM stops is there before. */
	if (j->vm && j->vm->state == VM_STOPPING) assert_int_not_equal(j->vm->reason, STOP_NONE);
	j->starts = 1;
	/* The host's own on an idle CPU: before the caller goes on. */
	while (!j->vm && step_job(j)) {
	}
}

/* The memory goes: nothing in it may be waiting to run. */
static void env_forget(pa_t at, uint64_t size)
{
	for (unsigned i = nr_jobs; i-- > 0;) {
		uint64_t off = (uint64_t)((uint8_t *)jobs[i] - (uint8_t *)pa_to_ptr(at));

		if (off >= size) continue;
		assert_int_equal(jobs[i]->starts, 0);
		jobs[i] = jobs[--nr_jobs];
	}
}

static bool step_job(struct job *j)
{
	if (j->starts == 0) return false;
	j->starts = 0;
	pcpus[0].passes++;
	pcpus[0].online = true;
	if (j->ops->step(j))
		j->starts = 1;
	else if (j->starts == 0 && j->ops->done)
		j->ops->done(j);
	assert_int_equal(fake_locks_held(), 0);
	return true;
}

static inline bool step(struct vm *vm) { return step_job(&vm->job); }

static void run_jobs(void)
{
	bool any = true;

	for (unsigned n = 0; any; n++) {
		assert_true(n < 1000000);
		any = false;
		for (unsigned i = 0; i < nr_jobs; i++) any = step_job(jobs[i]) || any;
	}
}

/* --- host --- */
static char said[1024], logged[8192];
static unsigned system_offs;

void say(const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	assert_true(n + (size_t)vsnprintf(said + n, sizeof(said) - n, fmt, ap) < sizeof(said));
	va_end(ap);
}

void console_flush(void) {}

void arch_system_off(void) { system_offs++; }

void log_write(enum log_level level, const char *fmt, ...)
{
	size_t n = strlen(logged);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(logged + n, sizeof(logged) - n, fmt, ap);
	va_end(ap);
	strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
	if (strlen(logged) > sizeof(logged) / 2) logged[0] = '\0';
}

struct trace_ring trace_rings[MAX_PCPUS];

const char *trace_text(const struct trace_ring *rings, int cpu, const struct vm *vm, char *buf,
                       size_t n)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "one of %s on %d%ctwo", vm->name, cpu, 0) + 1;

	assert_ptr_equal(rings, trace_rings);
	return memcpy(buf + n - len, text, (size_t)len);
}

static void (*at_icache)(void); /* just before a VM starts */

void arch_icache_inval_all(void)
{
	void (*fn)(void) = at_icache;

	at_icache = NULL;
	if (fn) fn();
}

/* --- files --- */
static uint8_t file_data[IMAGE_SIZE];
static uint32_t file_index;
static const char *verify_why;
static unsigned verifies;

void verify_init(struct verify *v, const struct fit_image *image, bool sha)
{
	(void)sha;
	verifies++;
	v->image = image;
	v->at = 0;
}

bool verify_step(struct verify *v)
{
	v->at += VERIFY_STEP;
	return v->at < v->image->size;
}

enum hyp_err verify_done(struct verify *v, const char **why)
{
	assert_true(v->at >= v->image->size);
	*why = verify_why;
	return verify_why ? HYP_ECORRUPT : HYP_OK;
}

/* What the management guest would have made of an image and no more. */
static void plan_image(struct vm_config *cfg)
{
	cfg->files[FILE_IMAGE] =
	    (struct fit_image){.data = file_data, .size = IMAGE_SIZE, .index = file_index};
	cfg->plan = (struct load_plan){.n = 1,
	                               .entry = ipa(IMAGE_TO),
	                               .fdt = ipa(FDT_TO),
	                               .fdt_size = FDT_SIZE,
	                               .fdt_at_base = true};
	cfg->plan.seg[0] = (struct load_segment){ipa(IMAGE_TO), file_data, IMAGE_SIZE};
}

/* As the management guest's hypercall does it. */
static enum hyp_err create_with_tree(const struct vm_config *cfg, struct vm **out)
{
	enum hyp_err err = vm_create(cfg, out);

	if (err == HYP_OK) memset(vm_tree(*out), 0xfd, cfg->plan.fdt_size);
	return err;
}
