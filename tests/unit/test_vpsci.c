/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSCI for guests: every function in both numberings, who may be turned on when, CPU_OFF of the
 * last, and races of CPU_ON with it and with a stop, between several callers.
 * links: hyp/vpsci.c hyp/vm.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <hyp/deadline.h>
#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/page.h>
#include <hyp/sched.h>

#define NR 4u
#define F32(n) (0x84000000u + (n))
#define F64(n) (0xc4000000u + (n))
#define NOT_SUPPORTED UINT64_MAX /* DEN0022 5.2.2 */
#define INVALID_PARAMETERS ((uint64_t)-2)
#define ALREADY_ON ((uint64_t)-4)
#define INVALID_ADDRESS ((uint64_t)-9)

static struct vm vm;
static struct vcpu vcpus[MAX_VCPUS];
static unsigned locked; /* what a second caller would wait for */
static bool pending;
static unsigned resets, starts, offs, blocks, retargets, stops;
static enum stop_reason stop_reason;

void spin_lock(spinlock_t *l)
{
	assert_ptr_equal(l, &vm.lock);
	assert_int_equal(locked++, 0);
}

void spin_unlock(spinlock_t *l)
{
	assert_ptr_equal(l, &vm.lock);
	assert_int_equal(locked--, 1);
}

void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t x0)
{
	assert_true(vcpu_is_out(v));
	assert_false(v->on);
	v->arch.pc = entry;
	v->arch.x[0] = x0;
	resets++;
}

void sched_start(struct vcpu *v)
{
	assert_true(v->on);
	assert_int_equal(v->state, VCPU_OFF);
	assert_int_equal(locked, 1); /* vm->lock: stops are serialised with it */
	v->state = VCPU_READY;
	v->work &= ~VCPU_WORK_OUT;
	starts++;
}

void sched_off(struct vcpu *v)
{
	assert_int_equal(locked, 0);
	v->state = VCPU_OFF;
	offs++;
}

void sched_block(struct vcpu *v)
{
	(void)v;
	blocks++;
}

bool vgic_pending(struct vcpu *v)
{
	(void)v;
	return pending;
}

void vgic_retarget(struct vm *of)
{
	assert_ptr_equal(of, &vm);
	retargets++;
}

enum hyp_err vm_stop(struct vm *of, enum stop_reason reason, uint32_t status)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(locked, 0);
	assert_int_equal(status, 0);
	stop_reason = reason;
	stops++;
	return HYP_OK;
}

/* For hyp/vm.c, of which the MPIDR functions are used. */
void *page_alloc_hyp(uint64_t size)
{
	(void)size;
	return NULL;
}
void page_free_hyp(void *p, uint64_t size)
{
	(void)p;
	(void)size;
}
void vgic_vcpu_init(struct vcpu *v) { (void)v; }
void vtimer_vcpu_init(struct vcpu *v) { (void)v; }
void deadline_set(struct deadline *d, uint64_t when)
{
	(void)d;
	(void)when;
}
bool str_to_u64(const char *s, uint64_t *out)
{
	(void)s;
	(void)out;
	return false;
}

/* vCPU 0 runs, the others are off. */
static int setup(void **state)
{
	(void)state;
	locked = 0;
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	vm.lock = SPINLOCK_INIT(LOCK_VM);
	vm.state = VM_RUNNING;
	vm.vgic.version = 3;
	vm.nr_vcpus = NR;
	for (unsigned i = 0; i < MAX_VCPUS; i++) {
		vcpus[i] = (struct vcpu){
		    .vm = &vm, .id = i, .state = VCPU_OFF, .loaded_on = -1, .work = VCPU_WORK_OUT};
		vm.vcpus[i] = &vcpus[i];
	}
	vcpus[0].on = true;
	vcpus[0].state = VCPU_RUNNING;
	vcpus[0].loaded_on = 0;
	vcpus[0].work = 0;
	vm.nr_online = 1;
	pending = false;
	resets = starts = offs = blocks = retargets = stops = 0;
	return 0;
}

static uint64_t call(uint32_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	uint64_t r = vpsci_call(&vcpus[0], fn, a1, a2, a3);

	assert_int_equal(locked, 0);
	return r;
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(call(F32(0), 0, 0, 0), 0x10001);
	assert_int_equal(call(F32(6), 0, 0, 0), 2); /* no trusted OS */
	call(F32(8), 0, 0, 0);
	assert_int_equal(stop_reason, STOP_OFF);
	call(F32(9), 0, 0, 0);
	assert_int_equal(stop_reason, STOP_RESET);
	assert_int_equal(stops, 2);
}

/* What exists, in which numbering; FEATURES says the same. */
static void test_functions(void **state)
{
	static const struct {
		uint8_t n;
		bool has64;
	} fns[] = {{0, false}, {1, true},  {2, false}, {3, true},  {4, true},
	           {6, false}, {8, false}, {9, false}, {10, false}};

	(void)state;
	for (unsigned n = 0; n < 0x20; n++) {
		bool has32 = false, has64 = false;

		for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
			has32 = has32 || fns[i].n == n;
			has64 = has64 || (fns[i].n == n && fns[i].has64);
		}
		setup(NULL);
		assert_int_equal(vpsci_supported(F32(n)), has32);
		assert_int_equal(vpsci_supported(F64(n)), has64);
		assert_int_equal(call(F32(10), F32(n), 0, 0), has32 ? 0 : NOT_SUPPORTED);
		assert_int_equal(call(F32(10), F64(n), 0, 0), has64 ? 0 : NOT_SUPPORTED);
		/* Only the low half of a 32-bit call's argument counts. */
		assert_int_equal(call(F32(10), BIT(40) | F32(n), 0, 0), has32 ? 0 : NOT_SUPPORTED);
		if (!has32) assert_int_equal(call(F32(n), 0, 0, 0), NOT_SUPPORTED);
		if (!has64) assert_int_equal(call(F64(n), 0, 0, 0), NOT_SUPPORTED);
		assert_int_equal(stops + offs + blocks + starts, 0);
	}
	/* SMCCC_VERSION is found through here (DEN0028 7.2). */
	assert_int_equal(call(F32(10), 0x80000000, 0, 0), 0);
	assert_int_equal(call(F32(10), 0x80000001, 0, 0), NOT_SUPPORTED);
	assert_int_equal(call(F32(10), 0, 0, 0), NOT_SUPPORTED);
}

static void test_cpu_on(void **state)
{
	const uint64_t entry = UINT64_C(0x1234567890), context = UINT64_C(0xfedcba9876543210);

	(void)state;
	assert_int_equal(call(F64(3), 1, entry, context), 0);
	assert_int_equal(vcpus[1].arch.pc, entry);
	assert_int_equal(vcpus[1].arch.x[0], context);
	assert_int_equal(vm.nr_online, 2);
	assert_int_equal(resets, 1);
	assert_int_equal(starts, 1);
	assert_int_equal(retargets, 1);
	assert_int_equal(call(F64(3), 1, entry, context), ALREADY_ON);
	assert_int_equal(call(F64(3), 0, entry, context), ALREADY_ON);
	/* 32 bits: the upper halves are not arguments. */
	assert_int_equal(call(F32(3), BIT(35) | 2, BIT(33) | 0x40000000, BIT(63) | 7), 0);
	assert_int_equal(vcpus[2].arch.pc, 0x40000000);
	assert_int_equal(vcpus[2].arch.x[0], 7);
	/* MPIDR's bit 31 does not harm. */
	assert_int_equal(call(F64(3), BIT(31) | 3, 0x40000000, 0), 0);
	assert_int_equal(vm.nr_online, 4);
}

static void test_cpu_on_errors(void **state)
{
	static const uint64_t nobody[] = {
	    4,           0x10,        0x100,       0x10001,    BIT(32) | 1,
	    BIT(40) | 1, BIT(24) | 1, BIT(30) | 1, 0xffffffff, UINT64_MAX,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
		assert_int_equal(call(F64(3), nobody[i], 0x40000000, 0), INVALID_PARAMETERS);
		assert_int_equal(call(F64(4), nobody[i], 0, 0), INVALID_PARAMETERS);
	}
	for (unsigned low = 1; low < 4; low++)
		assert_int_equal(call(F64(3), 1, 0x40000000 + low, 0), INVALID_ADDRESS);
	assert_int_equal(starts + resets, 0);
	assert_int_equal(vm.nr_online, 1);
	assert_false(vcpus[1].on);
}

/* The VM is being paused or stopped while its vCPU is in the call: on, but nothing runs yet. */
static void test_cpu_on_while_leaving(void **state)
{
	(void)state;
	for (uint32_t s = VM_NEW; s <= VM_GONE; s++) {
		if (s == VM_RUNNING) continue;
		vm.state = s;
		vcpus[1].on = false;
		assert_int_equal(call(F64(3), 1, 0x40000000, 0), 0);
		assert_true(vcpus[1].on);
		assert_int_equal(vcpus[1].state, VCPU_OFF);
		assert_int_equal(call(F64(3), 1, 0x50000000, 0), ALREADY_ON);
	}
	assert_int_equal(starts, 0);
}

/* 16 vCPUs on v3: one cluster. 8 on v2: another MPIDR means another CPU. */
static void test_mpidr(void **state)
{
	(void)state;
	vm.nr_vcpus = 16;
	assert_int_equal(call(F64(3), 15, 0x40000000, 0), 0);
	assert_true(vcpus[15].on);
	assert_int_equal(call(F64(3), 0x100, 0x40000000, 0), INVALID_PARAMETERS);
	vm.vgic.version = 2;
	vm.nr_vcpus = 8;
	assert_int_equal(call(F64(3), 7, 0x40000000, 0), 0);
	assert_int_equal(call(F64(3), 8, 0x40000000, 0), INVALID_PARAMETERS);
	for (unsigned v = 2; v < 4; v++) {
		for (unsigned i = 0; i < (v == 2 ? 8 : 16); i++) {
			vm.vgic.version = v;
			assert_ptr_equal(vm_vcpu_by_mpidr(&vm, vm_vcpu_mpidr(v, i)),
			                 i < vm.nr_vcpus ? &vcpus[i] : NULL);
		}
	}
}

static void test_affinity_info(void **state)
{
	(void)state;
	assert_int_equal(call(F64(4), 0, 0, 0), 0);
	assert_int_equal(call(F64(4), 1, 0, 0), 1);
	assert_int_equal(call(F32(4), BIT(35) | 1, BIT(32), 0), 1);
	assert_int_equal(call(F64(4), 1, 1, 0), INVALID_PARAMETERS);
	/* The level has 32 bits in both numberings (DEN0022 5.7). */
	assert_int_equal(call(F64(4), 1, BIT(32), 0), 1);
	call(F64(3), 1, 0x40000000, 0);
	assert_int_equal(call(F64(4), 1, 0, 0), 0);
}

static void test_suspend(void **state)
{
	(void)state;
	assert_int_equal(call(F64(1), 0, 0x40000000, 0), 0);
	assert_int_equal(blocks, 1);
	assert_int_equal(call(F32(1), BIT(16), 0x40000000, 0), 0); /* power-down: a standby does */
	assert_int_equal(blocks, 2);
	pending = true;
	assert_int_equal(call(F64(1), 0, 0, 0), 0);
	assert_int_equal(blocks, 2);
}

/* CPU_OFF: on until its context is saved, then it may be turned on again. The last one: off. */
static void test_cpu_off(void **state)
{
	struct vcpu *v = &vcpus[1];

	(void)state;
	call(F64(3), 1, 0x40000000, 0);
	/* Out for a pause: that is not CPU_OFF. */
	v->work |= VCPU_WORK_OUT;
	assert_int_equal(call(F64(4), 1, 0, 0), 0);
	assert_int_equal(call(F64(3), 1, 0x50000000, 0), ALREADY_ON);
	v->work = 0;
	v->state = VCPU_RUNNING;
	v->loaded_on = 1;
	vpsci_call(v, F32(2), 0, 0, 0);
	assert_int_equal(offs, 1);
	assert_int_equal(stops, 0);
	assert_int_equal(vm.nr_online, 1);
	/* Its registers are still on that CPU. */
	assert_false(v->on);
	assert_int_equal(retargets, 2);
	assert_int_equal(call(F64(4), 1, 0, 0), 0);
	assert_int_equal(call(F64(3), 1, 0x50000000, 0), ALREADY_ON);
	assert_int_equal(vm.nr_online, 1);
	v->loaded_on = -1;
	assert_int_equal(call(F64(3), 1, 0x50000000, 0), ALREADY_ON);
	v->work = VCPU_WORK_OUT;
	assert_int_equal(call(F64(4), 1, 0, 0), 1);
	assert_int_equal(call(F64(3), 1, 0x50000000, 0), 0);
	assert_int_equal(v->arch.pc, 0x50000000);
	/* Both go, one after the other. */
	vpsci_call(v, F32(2), 0, 0, 0);
	assert_int_equal(stops, 0);
	call(F32(2), 0, 0, 0);
	assert_int_equal(stops, 1);
	assert_int_equal(stop_reason, STOP_OFF);
	assert_int_equal(offs, 2); /* the last leaves by the stop */
}

/* Of several callers exactly one succeeds: they come one after the other, by vm->lock. */
static void test_on_race(void **state)
{
	unsigned ok = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		ok += vpsci_call(&vcpus[i == 0 ? 0 : i + 1], F64(3), 1, 0x40000000 + 4 * i, i) == 0;
	assert_int_equal(ok, 1);
	assert_int_equal(starts, 1);
	assert_int_equal(vcpus[1].arch.pc, 0x40000000);
	assert_int_equal(vm.nr_online, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_values, setup),
	    cmocka_unit_test_setup(test_functions, setup),
	    cmocka_unit_test_setup(test_cpu_on, setup),
	    cmocka_unit_test_setup(test_cpu_on_errors, setup),
	    cmocka_unit_test_setup(test_cpu_on_while_leaving, setup),
	    cmocka_unit_test_setup(test_mpidr, setup),
	    cmocka_unit_test_setup(test_affinity_info, setup),
	    cmocka_unit_test_setup(test_suspend, setup),
	    cmocka_unit_test_setup(test_cpu_off, setup),
	    cmocka_unit_test_setup(test_on_race, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
