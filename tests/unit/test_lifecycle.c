/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of VMs and of the management guest: policy for every way to stop, back-off, the verdict,
 * loading and its failures, creation that fails at any allocation, stops that cut into loading.
 * links: hyp/gmem.c hyp/setway.c hyp/crash.c hyp/vm.c hyp/deadline.c hyp/pcpu.c hyp/mmio.c
 * links: arch/arm64/esr.c stage2/s2.c stage2/vmid.c lib/str.c
 * links: tests/fake_arch/fake.c tests/fake_arch/tlb.c tests/fake_arch/timer.c
 * links: tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "hyp/lifecycle.c" /* its counters are to start anew with each test */

#include <hyp/management.h>
#include <hyp/vtimer.h>
#include "tests/fake_arch/clock.h"

#define HOST UINT64_C(0x100000000)
#define PAGES 2048u
#define MEMORY KiB(256)

/* --- pages --- */
static struct {
	uint16_t owner;
} frames[PAGES];
static unsigned used, used_at_start;
static unsigned zero_refs; /* VMs that have the zero page */
static int fail_after;     /* this many allocations succeed; < 0: all */

static unsigned frame_of(pa_t p)
{
	assert_true(p.raw >= HOST && p.raw < HOST + PAGES * PAGE_SIZE);
	return (unsigned)((p.raw - HOST) / PAGE_SIZE);
}

enum hyp_err page_alloc(unsigned order, uint16_t owner, pa_t *out)
{
	unsigned n = 1u << order;

	if (fail_after == 0) return HYP_ENOMEM;
	fail_after -= fail_after > 0;
	for (unsigned i = 0; i < PAGES; i += n) {
		bool taken = false;

		for (unsigned k = 0; k < n; k++) taken = taken || frames[i + k].owner != OWNER_NONE;
		if (!taken) {
			for (unsigned k = 0; k < n; k++) frames[i + k].owner = owner;
			used += n;
			*out = pa(HOST + i * PAGE_SIZE);
			memset(pa_to_ptr(*out), 0, n * PAGE_SIZE);
			return HYP_OK;
		}
	}
	return HYP_ENOMEM;
}

enum hyp_err page_alloc_best(uint64_t want, uint16_t owner, pa_t *out, unsigned *order)
{
	*order = want >= 16 ? 4 : 0; /* several blocks */
	return page_alloc(*order, owner, out);
}

bool page_scrub_block(pa_t base)
{
	(void)frame_of(base);
	return false;
}

bool page_scrub_step(void) { return false; }

void page_ref(pa_t p) { zero_refs++; }

uint64_t page_count(uint16_t owner)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < PAGES; i++) n += frames[i].owner == owner;
	return n;
}

void page_counts(uint64_t n[NR_OWNERS])
{
	for (uint16_t i = 0; i < NR_OWNERS; i++) n[i] = page_count(i);
}

static void env_forget(pa_t at, uint64_t size);

void page_free(pa_t base, unsigned order)
{
	env_forget(base, PAGE_SIZE << order);
	for (unsigned k = 0; k < 1u << order; k++) {
		unsigned i = frame_of(base) + k;

		assert_int_not_equal(frames[i].owner, OWNER_NONE);
		if (frames[i].owner == OWNER_SHARED) {
			assert_true(zero_refs-- != 0);
			return;
		}
		frames[i].owner = OWNER_NONE;
		used--;
	}
}

static unsigned order_of(uint64_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size) order++;
	return order;
}

void *page_alloc_hyp(uint64_t size)
{
	pa_t p;

	return page_alloc(order_of(size), OWNER_HYP, &p) == HYP_OK ? pa_to_ptr(p) : NULL;
}

void page_free_hyp(void *p, uint64_t size) { page_free(ptr_to_pa(p), order_of(size)); }

bool page_owned_by(pa_t p, uint64_t size, uint16_t owner)
{
	for (uint64_t off = 0; off < size; off += PAGE_SIZE)
		if (frames[frame_of(pa(p.raw + off))].owner != owner) return false;
	return true;
}

#include "tests/unit/life_env.h"

/* --- tests --- */
static struct vm_config cfgs[4];
static enum when_idle idle;

static int setup(void **state)
{
	(void)state;
	clock_reset(1000);
	fake_tlb_reset();
	fake_ram_add(pa(HOST), PAGES * PAGE_SIZE);
	memset(frames, 0, sizeof(frames));
	memset(vms, 0, sizeof(vms));
	zero_refs = used = objects = losses = nr_jobs = system_offs = verifies = 0;
	nr_foreground = nr_alive = nr_stopped = nr_crashed = 0;
	started = going_down = told = slow_vcpus = false;
	slots = 0;
	said[0] = logged[0] = '\0';
	fail_after = -1;
	verify_why = NULL;
	file_index = 1000; /* beyond what is remembered */
	at_icache = NULL;
	memset(el2_memory, 0, sizeof(el2_memory));
	nr_pcpus = 1;
	for (unsigned i = 0; i < IMAGE_SIZE; i++) file_data[i] = (uint8_t)(i % 251 + 1);
	for (unsigned i = 0; i < 4; i++) {
		cfgs[i] = (struct vm_config){.image = "image",
		                             .memory = MEMORY,
		                             .cpus = 2,
		                             .gic = 3,
		                             .restart_limit = 3,
		                             .autostart = true,
		                             .on_crash = ON_CRASH_STOP};
		snprintf(cfgs[i].name, sizeof(cfgs[i].name), "vm%u", i);
		plan_image(&cfgs[i]);
	}
	idle = IDLE_POWEROFF;
	assert_int_equal(s2_init(40, 8, &life_s2_ops), HYP_OK);
	used_at_start = used + 1; /* and the zero page */
	return 0;
}

/* n VMs, loaded and running. */
static void start(unsigned n)
{
	assert_int_equal(lifecycle_init(), HYP_OK);
	for (unsigned i = 0; i < n; i++) {
		struct vm *vm;

		assert_int_equal(create_with_tree(&cfgs[i], &vm), HYP_OK);
		assert_ptr_equal(vm, vms[i]);
		assert_int_equal(vm->state, VM_NEW);
	}
	lifecycle_start_all(idle);
	run_jobs();
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(vms[i]->state, cfgs[i].autostart ? VM_RUNNING : VM_NEW);
}

/* What a CPU whose caches are off sees, as a guest does at first. */
static uint8_t poc[PAGES * PAGE_SIZE];

void arch_dcache_clean_inval_poc(const void *from, uint64_t size)
{
	memcpy(poc + (ptr_to_pa(from).raw - HOST), from, size);
}

static uint8_t *guest(struct vm *vm, uint64_t at)
{
	struct s2_walk w;

	assert_int_equal(s2_lookup(&vm->s2, ipa(at), &w), HYP_OK);
	return pa_to_ptr(w.pa);
}

static void test_start(void **state)
{
	struct vm *vm;

	(void)state;
	fake_now = 777;
	start(1);
	vm = vms[0];
	assert_int_equal(vm->vcpus[0]->arch.pc, IMAGE_TO);
	assert_int_equal(vm->vcpus[0]->arch.x[0], FDT_TO);
	assert_int_equal(vm->vcpus[0]->work, 0);
	assert_true(vm->vcpus[0]->on);
	assert_false(vm->vcpus[1]->on);
	assert_true(vcpu_is_out(vm->vcpus[1]));
	assert_int_equal(vm->nr_online, 1);
	assert_int_equal(vm->cntvoff, 777);
	for (uint64_t i = 0; i < IMAGE_SIZE; i += 1111)
		assert_int_equal(*guest(vm, IMAGE_TO + i), i % 251 + 1);
	for (uint64_t at = RAM; at < RAM + MEMORY; at += PAGE_SIZE)
		assert_memory_equal(guest(vm, at), poc + (ptr_to_pa(guest(vm, at)).raw - HOST),
		                    PAGE_SIZE);
	assert_int_equal(*guest(vm, FDT_TO), 0xfd);
	assert_int_equal(*guest(vm, FDT_TO + FDT_SIZE - 1), 0xfd);
	assert_int_equal(*guest(vm, RAM), 0xfd);
	assert_int_equal(*guest(vm, FDT_TO + FDT_SIZE), 0);
	assert_string_equal(said, "");
	/* The second start of a job does nothing. */
	job_start(&vm->job);
	run_jobs();
	assert_int_equal(vm->state, VM_RUNNING);
}

/* One screen: why, where, registers, events, the node and its policy, what came of it. */
static void assert_crash_told(bool restart_it)
{
	static const char *const words[] = {
	    "VM vm0 crashed: a test\n",
	    "ESR 0x96000000: ",
	    "FAR ",
	    "vCPU 1: pc ",
	    "x28 ",
	    "event one of vm0 on -1\n",
	    "event two\n",
	    "manifest node /chosen/hypervisor/vm0, on-crash = ",
	    "vm0: crash\n",
	};
	const char *at = logged;

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		at = strstr(at, words[i]);
		assert_non_null(at);
	}
	assert_non_null(strstr(at, restart_it ? "restart" : "stays stopped: on-crash = \"stop\""));
}

/* reason x status x on-crash: who starts again, when, and who counts as crashed. */
static void test_policy(void **state)
{
	static const struct {
		enum stop_reason reason;
		uint32_t status;
		bool failed, reset;
	} ends[] = {
	    {STOP_OFF, 0, false, false},  {STOP_RESET, 0, false, true},
	    {STOP_EXIT, 0, false, false}, {STOP_EXIT, 3, true, false},
	    {STOP_CRASH, 0, true, false}, {STOP_ADMIN, 0, false, false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ends) * 4; i++) {
		bool restart_it = i & 1, limit = i & 2;
		const struct crash_info c = {.what = "a test", .vcpu = 1, .esr = 0x96000000};
		bool again;
		char want[80];

		setup(state);
		cfgs[0].on_crash = restart_it ? ON_CRASH_RESTART : ON_CRASH_STOP;
		cfgs[0].restart_limit = limit ? 1 : 0;
		start(1);
		memset(guest(vms[0], RAM + 0x20000), 0x55, 100); /* what the guest left behind */
		if (ends[i / 4].reason == STOP_CRASH)
			vm_crash(vms[0], &c);
		else
			vm_stop(vms[0], ends[i / 4].reason, ends[i / 4].status);
		assert_int_equal(vms[0]->state, VM_STOPPING);
		run_jobs();
		again = limit && (ends[i / 4].reset || (ends[i / 4].failed && restart_it));
		if (again) {
			if (ends[i / 4].failed) {
				assert_int_equal(vms[0]->state, VM_BACKOFF);
				clock_advance(9999);
				run_jobs();
				assert_int_equal(vms[0]->state, VM_BACKOFF);
				clock_advance(1);
				run_jobs();
			}
			assert_int_equal(vms[0]->state, VM_RUNNING);
			assert_int_equal(vms[0]->restarts, 1);
			assert_int_equal(vms[0]->reason, STOP_NONE);
			assert_int_equal(*guest(vms[0], RAM + 0x20000), 0);
			assert_int_equal(*guest(vms[0], IMAGE_TO), 1);
			assert_string_equal(said, "");
			/* The limit. */
			vm_stop(vms[0], STOP_RESET, 0);
			run_jobs();
			assert_int_equal(vms[0]->state, VM_STOPPED);
			assert_string_equal(said, "atoll: 1 VMs stopped, 0 crashed\n");
			assert_non_null(strstr(logged, "restart-limit 1 is used up"));
		} else {
			assert_int_equal(vms[0]->state, VM_STOPPED);
			snprintf(want, sizeof(want), "atoll: 1 VMs stopped, %d crashed\n",
			         ends[i / 4].failed);
			assert_string_equal(said, want);
		}
		assert_int_equal(system_offs, 1);
		if (ends[i / 4].reason == STOP_CRASH) assert_crash_told(restart_it);
	}
}

static void test_panic(void **state)
{
	(void)state;
	cfgs[0].on_crash = ON_CRASH_PANIC;
	start(1);
	vm_stop(vms[0], STOP_EXIT, 1);
	assert_true(fake_panics(run_jobs()));
	assert_non_null(strstr(fake_panic_msg, "vm0"));
	setup(state);
	cfgs[0].on_crash = ON_CRASH_PANIC;
	start(1);
	vm_stop(vms[0], STOP_EXIT, 0);
	run_jobs();
	assert_int_equal(vms[0]->state, VM_STOPPED);
}

/* 10 ms, doubling, at most 5 s; after the limit it stays and has crashed. */
static void test_backoff(void **state)
{
	uint64_t want = 10000;

	(void)state;
	cfgs[0].on_crash = ON_CRASH_RESTART;
	cfgs[0].restart_limit = 40;
	start(1);
	for (unsigned i = 1; i <= 40; i++) {
		vm_stop(vms[0], STOP_EXIT, 7);
		run_jobs();
		assert_int_equal(vms[0]->state, VM_BACKOFF);
		assert_int_equal(life_of(vms[0])->backoff.when - fake_now, want);
		assert_int_equal(vms[0]->restarts, i);
		clock_advance(want);
		run_jobs();
		assert_int_equal(vms[0]->state, VM_RUNNING);
		want = MIN(2 * want, UINT64_C(5000000));
		logged[0] = '\0';
	}
	vm_stop(vms[0], STOP_EXIT, 7);
	run_jobs();
	assert_int_equal(vms[0]->state, VM_STOPPED);
	assert_string_equal(said, "atoll: 1 VMs stopped, 1 crashed\n");
}

/* The first of two stops counts; the policy waits until every vCPU has left. */
static void test_two_stops(void **state)
{
	const struct crash_info c = {.what = "too late"};

	(void)state;
	cfgs[0].restart_limit = 0;
	start(1);
	slow_vcpus = true;
	vms[0]->vcpus[1]->work = 0; /* it was on */
	vm_stop(vms[0], STOP_EXIT, 5);
	vm_crash(vms[0], &c);
	vm_stop(vms[0], STOP_RESET, 0);
	assert_int_equal(vms[0]->reason, STOP_EXIT);
	assert_null(vms[0]->crash.what);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(step(vms[0]));
		assert_int_equal(vms[0]->state, VM_STOPPING);
	}
	vms[0]->vcpus[0]->work |= VCPU_WORK_OUT;
	assert_true(step(vms[0]));
	assert_int_equal(vms[0]->state, VM_STOPPING);
	vms[0]->vcpus[1]->work |= VCPU_WORK_OUT;
	run_jobs();
	assert_int_equal(vms[0]->state, VM_STOPPED);
	assert_int_equal(vms[0]->exit_status, 5);
	/* And afterwards nothing. */
	vm_stop(vms[0], STOP_RESET, 0);
	run_jobs();
	assert_int_equal(vms[0]->state, VM_STOPPED);
	assert_int_equal(vms[0]->reason, STOP_EXIT);
	assert_int_equal(system_offs, 1);
}

/* Foreground, background, and one that does not start by itself. */
static void test_idle(void **state)
{
	for (unsigned wait = 0; wait < 2; wait++) {
		setup(state);
		idle = wait ? IDLE_WAIT : IDLE_POWEROFF;
		cfgs[1].background = true;
		cfgs[3].autostart = false;
		start(4);
		vm_stop(vms[0], STOP_OFF, 0);
		run_jobs();
		assert_string_equal(said, "");
		vm_stop(vms[2], STOP_EXIT, 1);
		run_jobs();
		if (wait) {
			assert_string_equal(said, "atoll: 2 VMs stopped, 1 crashed\n");
			assert_int_equal(vms[1]->state, VM_RUNNING);
			vm_stop(vms[1], STOP_OFF, 0);
			run_jobs();
			/* Once. */
			assert_string_equal(said, "atoll: 2 VMs stopped, 1 crashed\n");
			assert_int_equal(system_offs, 0);
		} else {
			assert_string_equal(said, "atoll: 3 VMs stopped, 1 crashed\n");
			assert_int_equal(vms[1]->reason, STOP_ADMIN);
			assert_int_equal(system_offs, 1);
		}
		assert_int_equal(vms[3]->state, VM_NEW);
	}
	/* The background stops first. */
	setup(state);
	cfgs[1].background = true;
	start(2);
	vm_stop(vms[1], STOP_OFF, 0);
	run_jobs();
	assert_string_equal(said, "");
	vm_stop(vms[0], STOP_OFF, 0);
	run_jobs();
	assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
	assert_int_equal(system_offs, 1);
	/* A trial goes off later, when it has confirmed. */
	setup(state);
	on_trial = true;
	start(1);
	vm_stop(vms[0], STOP_OFF, 0);
	run_jobs();
	assert_string_equal(said, "");
	lifecycle_check_idle();
	assert_int_equal(system_offs, 0);
	on_trial = false;
	lifecycle_check_idle();
	lifecycle_check_idle();
	assert_string_equal(said, "atoll: 1 VMs stopped, 0 crashed\n");
	assert_int_equal(system_offs, 1);
	/* Nothing but background: the end is when the last has stopped. */
	for (unsigned wait = 0; wait < 2; wait++) {
		setup(state);
		idle = wait ? IDLE_WAIT : IDLE_POWEROFF;
		cfgs[0].background = cfgs[1].background = true;
		start(2);
		vm_stop(vms[0], STOP_OFF, 0);
		run_jobs();
		assert_string_equal(said, "");
		vm_stop(vms[1], STOP_OFF, 0);
		run_jobs();
		assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
		assert_int_equal(system_offs, 1 - wait);
	}
}

/* The host goes down while a background VM is at any step of loading: it ends all the same. */
static void stop_foreground(void)
{
	vm_stop(vms[0], STOP_OFF, 0);
	while (step(vms[0])) {
	}
}

static void test_going_down_while_loading(void **state)
{
	bool ran_out = false;

	for (unsigned at = 0; !ran_out; at++) {
		unsigned n = 0;

		setup(state);
		cfgs[1].background = true;
		assert_true(at < 300);
		start(2);
		/* The background loads again, from RAM that was used. */
		vm_stop(vms[1], STOP_RESET, 0);
		while (n < at && step(vms[1])) n++;
		ran_out = n < at;
		stop_foreground();
		run_jobs();
		assert_int_equal(vms[1]->state, VM_STOPPED);
		assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
		assert_int_equal(system_offs, 1);
	}
	/* Between the last look and the start. */
	setup(state);
	cfgs[1].background = true;
	start(2);
	vm_stop(vms[1], STOP_RESET, 0);
	at_icache = stop_foreground;
	run_jobs();
	assert_null(at_icache);
	assert_int_equal(vms[1]->state, VM_STOPPED);
	assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
	/* While it waits for its next try. */
	setup(state);
	cfgs[1].background = true;
	cfgs[1].on_crash = ON_CRASH_RESTART;
	start(2);
	vm_stop(vms[1], STOP_EXIT, 1);
	run_jobs();
	assert_int_equal(vms[1]->state, VM_BACKOFF);
	stop_foreground();
	run_jobs();
	assert_int_equal(vms[1]->state, VM_STOPPED);
	assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
	/* Its late deadline finds nothing to do. */
	clock_advance(20000);
	run_jobs();
	assert_int_equal(vms[1]->state, VM_STOPPED);
	assert_int_equal(system_offs, 1);
}

static void test_refused(void **state)
{
	struct vm *vm = NULL;

	(void)state;
	assert_int_equal(lifecycle_init(), HYP_OK);
	cfgs[0].memory = GiB(1);
	assert_int_equal(create_with_tree(&cfgs[0], &vm), HYP_ENOMEM);
	lifecycle_vm_refused();
	assert_null(vm);
	lifecycle_vm_refused();
	assert_int_equal(used, used_at_start);
	lifecycle_start_all(idle);
	assert_string_equal(said, "atoll: 0 VMs stopped, 2 crashed\n");
	assert_int_equal(system_offs, 1);
}

static void test_load_failures(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned before;

		setup(state);
		cfgs[0].on_crash = ON_CRASH_RESTART; /* not for an image that is at fault */
		cfgs[1].background = i & 1;
		assert_int_equal(lifecycle_init(), HYP_OK);
		for (unsigned n = 0; n < 2; n++) {
			struct vm *vm;

			assert_int_equal(create_with_tree(&cfgs[n], &vm), HYP_OK);
		}
		run_jobs(); /* for their RAM */
		before = used;
		lifecycle_start_all(idle);
		while (vms[1]->state != VM_RUNNING) assert_true(step(vms[1]));
		verify_why = "its crc32 is wrong";
		run_jobs();
		assert_int_equal(vms[0]->state, VM_STOPPED);
		assert_int_equal(used, before);
		assert_non_null(strstr(logged, "vm0: cannot be loaded: image: its crc32 is wrong"));
		vm_stop(vms[1], STOP_OFF, 0);
		run_jobs();
		assert_string_equal(said, "atoll: 2 VMs stopped, 1 crashed\n");
	}
}

/* The device tree: at its place, and at RAM base if the plan says so; the same at each start. */
static void test_tree(void **state)
{
	for (unsigned i = 0; i < 12; i++) {
		bool base = i & 1, whole = i & 2; /* as many pieces as there can be */
		uint64_t size = i < 4 ? FDT_SIZE : i < 8 ? KiB(64) : 0;
		struct load_plan *plan;
		struct vm *vm;

		setup(state);
		plan = &cfgs[0].plan;
		plan->fdt = ipa(RAM + MEMORY - KiB(64));
		plan->fdt_size = size;
		plan->fdt_at_base = base;
		plan->n = whole ? LOAD_MAX_SEGMENTS - 2 : 0;
		for (unsigned k = 0; k < plan->n; k++)
			plan->seg[k] =
			    (struct load_segment){ipa(RAM + KiB(64) + k * 10), file_data + k, 10};
		assert_int_equal(lifecycle_init(), HYP_OK);
		assert_int_equal(vm_create(&cfgs[0], &vm), HYP_OK);
		for (uint64_t at = 0; at < size; at++) vm_tree(vm)[at] = (uint8_t)(at % 253 + 1);
		lifecycle_start_all(idle);
		for (unsigned life = 0; life < 3; life++) {
			run_jobs();
			assert_int_equal(vm->state, VM_RUNNING);
			assert_int_equal(vm->vcpus[0]->arch.x[0], RAM + MEMORY - KiB(64));
			for (uint64_t at = 0; at < KiB(64);
			     at += at == 0 || at > size - 3 ? 1 : 61) {
				uint8_t want = at < size ? (uint8_t)(at % 253 + 1) : 0;

				if (at > size + PAGE_SIZE) break;
				assert_int_equal(*guest(vm, RAM + MEMORY - KiB(64) + at), want);
				assert_int_equal(*guest(vm, RAM + at), base ? want : 0);
			}
			for (unsigned k = 0; whole && k < LOAD_MAX_SEGMENTS - 2; k++)
				assert_int_equal(*guest(vm, RAM + KiB(64) + k * 10 + 9), k + 10);
			/* What the guest makes of it is gone with its life. */
			for (uint64_t at = RAM; at < RAM + MEMORY; at += PAGE_SIZE)
				memset(guest(vm, at), 0x77, PAGE_SIZE);
			assert_int_equal(vm_restart(vm), HYP_OK);
		}
	}
}

/* Without RAM before its start: it goes, the verdict knows it, and the others start. */
static void test_no_ram_at_start(void **state)
{
	for (unsigned late = 0; late < 2; late++) {
		struct vm *vm;

		setup(state);
		assert_int_equal(lifecycle_init(), HYP_OK);
		for (unsigned n = 0; n < 2; n++)
			assert_int_equal(create_with_tree(&cfgs[n], &vm), HYP_OK);
		if (late) lifecycle_start_all(idle);
		fail_after = 0;
		assert_true(step(vms[0]));
		fail_after = -1;
		/* On its way out, and still there. */
		assert_int_equal(vms[0]->state, late ? VM_STOPPING : VM_GONE);
		assert_int_equal(lifecycle_any_failed(), !late);
		if (!late) lifecycle_start_all(idle);
		run_jobs();
		assert_int_equal(vms[1]->state, VM_RUNNING);
		assert_true(lifecycle_any_failed());
		if (!late) assert_null(vms[0]);
		assert_int_equal(slots, late ? 3 : 2);
		vm_stop(vms[1], STOP_OFF, 0);
		run_jobs();
		assert_string_equal(said, late ? "atoll: 2 VMs stopped, 1 crashed\n"
		                               : "atoll: 1 VMs stopped, 1 crashed\n");
	}
	/* One that the shell makes later is its own affair. */
	setup(state);
	start(1);
	assert_int_equal(create_with_tree(&cfgs[1], &vms[2]), HYP_OK);
	vms[2] = NULL;
	fail_after = 0;
	assert_true(step(vms[1]));
	fail_after = -1;
	run_jobs();
	assert_null(vms[1]);
	assert_false(lifecycle_any_failed());
}

/* Before the VMs of the manifest were started nothing is over, whoever ran and ended. */
static void test_no_verdict_before(void **state)
{
	struct vm *vm;

	(void)state;
	cfgs[0].autostart = false;
	assert_int_equal(lifecycle_init(), HYP_OK);
	assert_int_equal(create_with_tree(&cfgs[0], &vm), HYP_OK);
	assert_false(started);
	lifecycle_check_idle();
	assert_int_equal(vm_start(vm), HYP_OK);
	run_jobs();
	assert_int_equal(vm->state, VM_RUNNING);
	vm_stop(vm, STOP_OFF, 0);
	run_jobs();
	assert_int_equal(vm->state, VM_STOPPED);
	assert_string_equal(said, "");
	assert_int_equal(system_offs, 0);
	lifecycle_start_all(idle);
	assert_true(started);
	assert_string_equal(said, "atoll: 1 VMs stopped, 0 crashed\n");
	assert_int_equal(system_offs, 1);
}

/* Hashes are checked once per bundle, also for a file with a high number once per start. */
static void test_verify_once(void **state)
{
	(void)state;
	cfgs[0].files[FILE_IMAGE].index = 255;
	start(1);
	assert_int_equal(verifies, 1);
	vm_stop(vms[0], STOP_RESET, 0);
	run_jobs();
	assert_int_equal(verifies, 1);
	setup(state);
	cfgs[0].files[FILE_IMAGE].index = 255 + 256; /* another file */
	start(1);
	assert_int_equal(verifies, 1);
	setup(state);
	cfgs[0].files[FILE_IMAGE].index = 255;
	cfgs[0].verify = VERIFY_SHA256; /* the other hash of the same file */
	start(1);
	assert_int_equal(verifies, 1);
}

/* Creation fails cleanly at every allocation. */
static void test_create_failures(void **state)
{
	struct s2_walk w;
	uint64_t mapped = 0;
	struct vm *vm;
	int n = 0;

	(void)state;
	assert_int_equal(lifecycle_init(), HYP_OK);
	for (;; n++) {
		enum hyp_err err;

		fail_after = n;
		err = create_with_tree(&cfgs[0], &vm);
		if (err == HYP_OK) break;
		assert_int_equal(err, HYP_ENOMEM);
		assert_null(vms[0]);
		assert_int_equal(used, used_at_start);
		assert_int_equal(objects, 0);
		assert_int_equal(slots, 0);
		assert_int_equal(fake_locks_held(), 0);
	}
	assert_true(n > 4);
	assert_int_equal(slots, 1);
	fail_after = -1;
	run_jobs();
	/* RAM in several blocks, the flash, nothing else. */
	assert_true(page_owned_by(ptr_to_pa(guest(vms[0], RAM + MEMORY - 1)), 1, 1));
	for (uint64_t a = 0; a < BIT(32); a += PAGE_SIZE)
		mapped += s2_lookup(&vms[0]->s2, ipa(a), &w) == HYP_OK;
	assert_int_equal(mapped, MEMORY / PAGE_SIZE + 64);
}

/* A flush for set/way that was under way when the VM stopped serves nobody of the next start. */
static void test_setway_reset(void **state)
{
	(void)state;
	start(1);
	assert_false(setway_flushed(vms[0]->vcpus[1]));
	assert_true(step(vms[0]));
	vm_stop(vms[0], STOP_RESET, 0);
	run_jobs();
	assert_int_equal(vms[0]->state, VM_RUNNING);
	assert_int_equal(vms[0]->vcpus[1]->flush_until, 0);
	/* The new vCPU gets all of a flush of its own. */
	assert_false(setway_flushed(vms[0]->vcpus[1]));
	for (uint64_t done = 0; done < MEMORY; done += KiB(64)) {
		assert_false(setway_flushed(vms[0]->vcpus[1]));
		assert_true(step(vms[0]));
	}
	/* A pause holds it up, no more. */
	assert_int_equal(vm_pause(vms[0]), HYP_OK);
	run_jobs();
	assert_false(setway_flushed(vms[0]->vcpus[1]));
	assert_int_equal(vm_resume(vms[0]), HYP_OK);
	run_jobs();
	assert_true(setway_flushed(vms[0]->vcpus[1]));
}

/* The next life has a VMID of its own: nothing of this one is hit in a TLB. */
static void test_next_life(void **state)
{
	(void)state;
	start(1);
	vms[0]->s2.vmid_gen = 0x10001;
	vm_stop(vms[0], STOP_RESET, 0);
	run_jobs();
	assert_int_equal(vms[0]->state, VM_RUNNING);
	assert_int_equal(vms[0]->s2.vmid_gen, 0);
}

/* A VM is there until each CPU has come to its scheduler twice, and the management guest rests: one
 * may hold a pointer to it. */
static void test_grace(void **state)
{
	struct life *l;
	uint64_t n;

	(void)state;
	start(1);
	l = life_of(vms[0]);
	nr_pcpus = 2;
	pcpus[1].online = true;
	assert_int_equal(vm_destroy(vms[0]), HYP_OK);
	for (n = 0; l->phase != LIFE_GRACE; n++) assert_true(n < 1000 && step(&l->vm));
	for (unsigned passes = 0; passes < 2; passes++) {
		for (n = 0; n < 10; n++) assert_true(step(&l->vm) && l->phase == LIFE_GRACE);
		pcpus[1].passes++;
	}
	shell_works = true;
	for (n = 0; n < 10; n++) assert_true(step(&l->vm) && l->phase == LIFE_GRACE);
	shell_works = false;
	run_jobs();
	assert_null(vms[0]);
	assert_int_equal(used, used_at_start);
	pcpus[1].online = false;
}

/* What stage 2 may map, by owner. */
static void test_may_map(void **state)
{
	pa_t mine, other, shared;

	(void)state;
	assert_int_equal(page_alloc(0, 5, &mine), HYP_OK);
	assert_int_equal(page_alloc(0, 6, &other), HYP_OK);
	assert_int_equal(page_alloc(0, OWNER_SHARED, &shared), HYP_OK);
	gic.gicv = pa(0x8040000);
	assert_true(life_s2_ops.may_map(5, mine, PAGE_SIZE, S2_RWX));
	assert_false(life_s2_ops.may_map(5, other, PAGE_SIZE, S2_RWX));
	assert_false(life_s2_ops.may_map(5, shared, PAGE_SIZE, S2_RWX));
	assert_false(life_s2_ops.may_map(5, mine, 2 * PAGE_SIZE, S2_RWX));
	assert_true(life_s2_ops.may_map(5, mine, PAGE_SIZE, S2_RO));
	assert_true(life_s2_ops.may_map(5, shared, PAGE_SIZE, S2_RO));
	assert_false(life_s2_ops.may_map(5, other, PAGE_SIZE, S2_RO));
	assert_true(life_s2_ops.may_map(5, gic.gicv, KiB(4), S2_DEVICE));
	assert_false(life_s2_ops.may_map(5, gic.gicv, KiB(12), S2_DEVICE));
	assert_false(life_s2_ops.may_map(5, mine, PAGE_SIZE, S2_DEVICE));
	/* The management guest reads all, and has what is its own. */
	assert_int_equal(page_alloc(0, MANAGEMENT_SLOT + 1, &mine), HYP_OK);
	assert_true(life_s2_ops.may_map(MANAGEMENT_SLOT + 1, mine, PAGE_SIZE, S2_RWX));
	assert_true(life_s2_ops.may_map(MANAGEMENT_SLOT + 1, other, PAGE_SIZE, S2_RO));
	assert_false(life_s2_ops.may_map(MANAGEMENT_SLOT + 1, other, PAGE_SIZE, S2_RWX));
	assert_false(life_s2_ops.may_map(MANAGEMENT_SLOT + 1, shared, PAGE_SIZE, S2_RWX));
	assert_false(life_s2_ops.may_map(MANAGEMENT_SLOT + 1, other, PAGE_SIZE, S2_DEVICE));
	/* The last VM is none. */
	assert_false(life_s2_ops.may_map(MAX_VMS, other, PAGE_SIZE, S2_RO));
	gic.gicv = pa(0);
}

/* --- the management guest --- */
static struct vm *management;
static struct vm_config management_cfg;

/* All EL2's; the last is beyond what fits. */
static void setup_management(void)
{
	assert_int_equal(lifecycle_init(), HYP_OK);
	el2_memory[0] = (struct host_range){pa(0x1000), 3 * PAGE_SIZE};
	el2_memory[1] = (struct host_range){pa(HOST - PAGE_SIZE), MiB(4) + PAGE_SIZE};
	el2_memory[2] = (struct host_range){pa(GiB(8)), GiB(2)};
	el2_memory[3] = (struct host_range){pa(MANAGEMENT_VIEW), MiB(2)};
	management_cfg = (struct vm_config){.name = "management",
	                                    .memory = KiB(512),
	                                    .cpus = 1,
	                                    .gic = 3,
	                                    .on_crash = ON_CRASH_RESTART,
	                                    .restart_limit = 3};
	management_cfg.plan.n = 1;
	management_cfg.plan.seg[0] = (struct load_segment){ipa(RAM), file_data, IMAGE_SIZE};
	management_cfg.plan.entry = ipa(RAM);
}

/* Every page that its tables map, by what the page at that IPA is to be. */
static uint64_t check_view(pa_t table, unsigned level, uint64_t at)
{
	const uint64_t *t = pa_to_ptr(table);
	uint64_t size = PAGE_SIZE << (9 * (3 - level)), mapped = 0;

	for (unsigned i = 0; i < (level == 1 ? 1024 : 512); i++, at += size) {
		struct s2_walk w;
		bool known = false;

		if ((t[i] & 1) == 0) continue;
		if (level < 3 && (t[i] & 2) != 0) {
			mapped += check_view(pa(t[i] & GENMASK(47, 12)), level + 1, at);
			continue;
		}
		assert_int_equal(s2_lookup(&management->s2, ipa(at), &w), HYP_OK);
		mapped += w.len;
		if (at < MANAGEMENT_VIEW) { /* its RAM */
			assert_true(at >= RAM && at + w.len <= RAM + KiB(512));
			assert_int_equal(w.attr, S2_RWX);
			assert_true(page_owned_by(w.pa, w.len, MANAGEMENT_SLOT + 1));
			continue;
		}
		assert_int_equal(w.attr, S2_RO);
		assert_int_equal(w.pa.raw, at - MANAGEMENT_VIEW);
		for (unsigned k = 0; k < 3; k++) {
			const struct host_range *r = &el2_memory[k];

			known = known || (w.pa.raw >= r->base.raw &&
			                  w.pa.raw + w.len <= r->base.raw + r->size);
		}
		assert_true(known);
	}
	return mapped;
}

static void assert_view(void)
{
	assert_int_equal(check_view(management->s2.root, 1, 0),
	                 KiB(512) + 3 * PAGE_SIZE + MiB(4) + PAGE_SIZE + GiB(2));
}

/* It is in no list, no count; it comes back as its policy says, and when it does not, no VM and no
 * verdict knows. */
static void test_management(void **state)
{
	const struct crash_info c = {.what = "a test", .esr = 0x96000000};
	uint64_t wait = 10000;

	(void)state;
	setup_management();
	assert_int_equal(vm_create_management(&management_cfg, &management), HYP_OK);
	assert_int_equal(management->state, VM_LOADING);
	assert_true(vm_is_management(management));
	run_jobs();
	assert_int_equal(management->state, VM_RUNNING);
	assert_int_equal(management->vcpus[0]->arch.pc, RAM);
	assert_int_equal(objects + slots + nr_alive + nr_foreground, 0);
	for (unsigned i = 0; i < MAX_VMS; i++) assert_null(vms[i]);
	assert_view();
	for (unsigned i = 0; i < 2; i++) {
		struct vm *vm;

		assert_int_equal(create_with_tree(&cfgs[i], &vm), HYP_OK);
	}
	lifecycle_start_all(idle);
	run_jobs();
	for (unsigned life = 0; life < 4; life++, wait *= 2) {
		assert_int_equal(management->state, VM_RUNNING);
		assert_int_equal(*guest(management, RAM + 5), 6);
		assert_int_equal(*guest(management, RAM + IMAGE_SIZE), 0);
		assert_int_equal(*guest(management, RAM + KiB(512) - 1), 0);
		for (uint64_t at = 0; at < KiB(512); at += PAGE_SIZE)
			memset(guest(management, RAM + at), 0x55, PAGE_SIZE);
		logged[0] = '\0';
		vm_crash(management, &c);
		run_jobs();
		assert_non_null(strstr(logged, "VM management crashed: a test"));
		assert_null(strstr(logged, "manifest node"));
		if (life == 3) break;
		assert_int_equal(management->state, VM_BACKOFF);
		clock_advance(wait - 1);
		run_jobs();
		assert_int_equal(management->state, VM_BACKOFF);
		clock_advance(1);
		run_jobs();
	}
	assert_int_equal(management->state, VM_STOPPED);
	assert_int_equal(losses, 1);
	assert_non_null(strstr(logged, "restart-limit 3 is used up"));
	assert_view();
	assert_int_equal(slots, 3);
	assert_int_equal(nr_alive, 2);
	assert_int_equal(nr_foreground, 2);
	assert_int_equal(nr_stopped, 0);
	assert_false(lifecycle_any_failed());
	for (unsigned i = 0; i < 2; i++) assert_int_equal(vms[i]->state, VM_RUNNING);
	assert_string_equal(said, "");
	for (unsigned i = 0; i < 2; i++) vm_stop(vms[i], STOP_OFF, 0);
	run_jobs();
	assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
	assert_int_equal(system_offs, 1);
}

/* It is alive when the VMs are not: the host goes off all the same, the background first. */
static void test_management_at_the_end(void **state)
{
	struct vm *vm;

	(void)state;
	setup_management();
	cfgs[1].background = true;
	assert_int_equal(vm_create_management(&management_cfg, &management), HYP_OK);
	for (unsigned i = 0; i < 2; i++) assert_int_equal(create_with_tree(&cfgs[i], &vm), HYP_OK);
	lifecycle_start_all(idle);
	run_jobs();
	vm_stop(vms[0], STOP_OFF, 0);
	run_jobs();
	assert_int_equal(vms[1]->state, VM_STOPPED);
	assert_int_equal(management->state, VM_RUNNING);
	assert_string_equal(said, "atoll: 2 VMs stopped, 0 crashed\n");
	assert_int_equal(system_offs, 1);
	/* It ends of itself: nobody asks when. */
	vm_stop(management, STOP_OFF, 0);
	run_jobs();
	assert_int_equal(management->state, VM_STOPPED);
	assert_int_equal(system_offs, 1);
	assert_int_equal(nr_stopped, 2);
	assert_int_equal(nr_alive, 0);
}

/* No memory, at each place: nothing stays, or it stops and is no failure of a VM. */
static void test_management_failures(void **state)
{
	unsigned refused = 0, stopped_ones = 0;
	bool all = false;

	(void)state;
	for (int n = 0; !all; n++) {
		enum hyp_err err;

		setup(state);
		setup_management();
		fail_after = n;
		err = vm_create_management(&management_cfg, &management);
		if (err == HYP_OK) {
			run_jobs();
			all = management->state == VM_RUNNING;
			stopped_ones += !all;
			assert_int_equal(losses, !all);
			assert_true(all || management->state == VM_STOPPED);
		} else {
			assert_int_equal(err, HYP_ENOMEM);
			refused++;
			assert_int_equal(used, used_at_start);
			assert_int_equal(zero_refs, 0);
			assert_int_equal(nr_jobs, 1); /* the scrub */
		}
		fail_after = -1;
		assert_int_equal(slots + objects + nr_alive, 0);
		assert_false(lifecycle_any_failed());
		assert_int_equal(fake_locks_held(), 0);
		for (unsigned i = 0; i < MAX_VMS; i++) assert_null(vms[i]);
	}
	assert_view();
	assert_true(refused > 6 && stopped_ones > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_start, setup),
	    cmocka_unit_test_setup(test_policy, setup),
	    cmocka_unit_test_setup(test_panic, setup),
	    cmocka_unit_test_setup(test_backoff, setup),
	    cmocka_unit_test_setup(test_two_stops, setup),
	    cmocka_unit_test_setup(test_idle, setup),
	    cmocka_unit_test_setup(test_going_down_while_loading, setup),
	    cmocka_unit_test_setup(test_refused, setup),
	    cmocka_unit_test_setup(test_load_failures, setup),
	    cmocka_unit_test_setup(test_verify_once, setup),
	    cmocka_unit_test_setup(test_create_failures, setup),
	    cmocka_unit_test_setup(test_setway_reset, setup),
	    cmocka_unit_test_setup(test_next_life, setup),
	    cmocka_unit_test_setup(test_grace, setup),
	    cmocka_unit_test_setup(test_may_map, setup),
	    cmocka_unit_test_setup(test_tree, setup),
	    cmocka_unit_test_setup(test_no_ram_at_start, setup),
	    cmocka_unit_test_setup(test_no_verdict_before, setup),
	    cmocka_unit_test_setup(test_management, setup),
	    cmocka_unit_test_setup(test_management_at_the_end, setup),
	    cmocka_unit_test_setup(test_management_failures, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
