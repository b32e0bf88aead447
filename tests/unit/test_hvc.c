/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMCCC dispatch: what each range answers, that everything else is NOT_SUPPORTED and touches no
 * other register, Atoll's own calls.
 * links: hyp/hvc.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <abi/hvc.h>
#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/management.h>
#include <hyp/vm.h>

static struct vm vm;
static struct vcpu vcpu;
static unsigned psci_calls, stops, crashes, managed;
static enum management_call managed_fn;
static uint32_t psci_fn, status;
static struct crash_info crash;

uint64_t vpsci_call(struct vcpu *v, uint32_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	assert_ptr_equal(v, &vcpu);
	assert_true(a1 == 1001 && a2 == 1002 && a3 == 1003);
	psci_calls++;
	psci_fn = fn;
	return 42;
}

bool vpsci_supported(uint32_t fn) { return fn == 0x84000000; }

enum hyp_err vm_stop(struct vm *of, enum stop_reason reason, uint32_t s)
{
	assert_ptr_equal(of, &vm);
	assert_int_equal(reason, STOP_EXIT);
	status = s;
	stops++;
	return HYP_OK;
}

void vm_crash(struct vm *of, const struct crash_info *c)
{
	assert_ptr_equal(of, &vm);
	crash = *c;
	crashes++;
}

uint64_t management_call(struct vcpu *v, enum management_call fn)
{
	assert_ptr_equal(v, &vcpu);
	managed++;
	managed_fn = fn;
	return 43;
}

/* x0 after the call; what else changed, as a mask of registers. */
static uint64_t call(uint64_t fn, uint32_t *changed)
{
	*changed = 0;
	for (unsigned i = 0; i < 31; i++) vcpu.arch.x[i] = 1000 + i;
	vcpu.arch.x[0] = fn;
	hvc_call(&vcpu);
	for (unsigned i = 1; i < 31; i++) *changed |= vcpu.arch.x[i] != 1000 + i ? BIT32(i) : 0;
	return vcpu.arch.x[0];
}

static int setup(void **state)
{
	(void)state;
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	vcpu.id = 3;
	vm.slot = 0;
	psci_calls = stops = crashes = managed = 0;
	return 0;
}

static void test_arch(void **state)
{
	static const struct {
		uint64_t query, want;
	} features[] = {
	    {0x80000000, 0},          {0x80000001, 0},          {0x80008000, UINT64_MAX},
	    {0x80003fff, UINT64_MAX}, {0x84000000, 0},          {0x80007fff, UINT64_MAX},
	    {0x80000002, UINT64_MAX}, {0xc6000001, UINT64_MAX}, {0, UINT64_MAX},
	};
	uint32_t changed;

	(void)state;
	assert_int_equal(call(0x80000000, &changed), 0x10001);
	assert_int_equal(changed, 0);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		/* Upper halves do not count: function ids have 32 bits. */
		vcpu.arch.x[0] = UINT64_C(0xabcd00000000) | 0x80000001;
		vcpu.arch.x[1] = UINT64_C(0x123400000000) | features[i].query;
		hvc_call(&vcpu);
		assert_int_equal(vcpu.arch.x[0], features[i].want);
	}
	assert_true(call(0x80008000, &changed) == UINT64_MAX);
	assert_true(call(0x80003fff, &changed) == UINT64_MAX);
	assert_int_equal(changed, 0);
	assert_int_equal(vcpu.stats.nr_hvc, 3 + ARRAY_SIZE(features));
}

/* Both conventions, 32 functions each; not one more. */
static void test_psci_range(void **state)
{
	uint32_t changed;

	(void)state;
	for (unsigned n = 0; n < 0x40; n++) {
		for (unsigned w = 0; w < 2; w++) {
			uint32_t fn = (w ? 0xc4000000u : 0x84000000u) + n;
			uint64_t r = call(BIT(35) | fn, &changed);

			assert_int_equal(r, n < 0x20 ? 42 : UINT64_MAX);
			assert_int_equal(changed, 0);
			assert_int_equal(n < 0x20 ? psci_fn : fn, fn);
		}
	}
	assert_int_equal(psci_calls, 0x40);
}

static void test_vendor(void **state)
{
	/* 2d1c6f5a-9f1e-4d0b-8a57-61746f6c6c31, its bytes in order. */
	static const uint8_t uid[16] = {0x2d, 0x1c, 0x6f, 0x5a, 0x9f, 0x1e, 0x4d, 0x0b,
	                                0x8a, 0x57, 0x61, 0x74, 0x6f, 0x6c, 0x6c, 0x31};
	uint32_t changed;

	(void)state;
	call(ATOLL_HVC_CALL_UID, &changed);
	assert_int_equal(changed, 0xe);
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(vcpu.arch.x[i / 4] >> (i % 4 * 8) & 0xff, uid[i]);
		assert_int_equal(vcpu.arch.x[i / 4] >> 32, 0);
	}
	assert_int_equal(call(ATOLL_HVC_REVISION, &changed), ATOLL_ABI_MAJOR);
	assert_int_equal(vcpu.arch.x[1], ATOLL_ABI_MINOR);
	assert_int_equal(call(ATOLL_HVC_CALL_COUNT, &changed), 6);

	vcpu.arch.x[0] = ATOLL_HVC_EXIT;
	vcpu.arch.x[1] = UINT64_C(0x700000003); /* bits 31:0 */
	hvc_call(&vcpu);
	assert_int_equal(stops, 1);
	assert_int_equal(status, 3);
	call(ATOLL_HVC_CRASH, &changed);
	assert_int_equal(crashes, 1);
	assert_int_equal(crash.esr, 1001);
	assert_int_equal(crash.far, 1002);
	assert_int_equal(crash.pc, 1003);
	assert_int_equal(crash.vcpu, 3);
	assert_non_null(crash.what);
	assert_int_equal(changed, 0);
	assert_false(vm.healthy);
	assert_int_equal(call(ATOLL_HVC_HEALTHY, &changed), SMCCC_RET_SUCCESS);
	assert_true(vm.healthy);
	assert_int_equal(changed, 0);
}

/* Other hypervisors' ids, yielding calls, reserved owners: refused, nothing touched. */
static void test_unknown(void **state)
{
	static const uint32_t fns[] = {
	    0,          1,          0x4b000000, 0xffffffff, 0x86000000, 0x8600ff02, 0x86000001,
	    0xc6000000, 0xc6000004, 0xc600ff01, 0x46000001, 0x06000001, 0x85000000, 0x83000001,
	    0x82000000, 0x87000000, 0xb0000000, 0xbf000000, 0x04000003, 0x44000003, 0x84000020,
	    0xc0000000, 0xc0008000, 0x80007fff, 0x80000002, 0x8400ff01, 0x95000000,
	};
	uint32_t changed;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
		assert_int_equal(call(fns[i], &changed), UINT64_MAX);
		assert_int_equal(changed, 0);
	}
	/* And one in a thousand of all. */
	for (uint64_t fn = 0; fn < BIT(32); fn += 997) {
		uint64_t r = call(fn, &changed);
		bool psci = (fn & 0xbfffffe0) == 0x84000000;

		assert_int_equal(r, psci ? 42 : UINT64_MAX);
		assert_int_equal(changed, 0);
	}
	assert_int_equal(stops + crashes, 0);
}

/* The management guest's calls are its own; it has everybody's as well. */
static void test_management(void **state)
{
	uint32_t changed;

	(void)state;
	for (unsigned slot = 0; slot <= MANAGEMENT_SLOT; slot++) {
		bool its = slot == MANAGEMENT_SLOT;

		vm.slot = slot;
		for (uint32_t n = 0; n < NR_MANAGEMENT_CALLS; n++) {
			managed_fn = NR_MANAGEMENT_CALLS;
			assert_true(call(BIT(40) | (MANAGEMENT_CALLS + n), &changed) ==
			            (its ? 43 : UINT64_MAX));
			assert_int_equal(managed_fn, its ? n : NR_MANAGEMENT_CALLS);
			assert_int_equal(changed, 0);
		}
		assert_int_equal(managed, its ? NR_MANAGEMENT_CALLS : 0);
	}
	managed = 0;
	for (uint32_t n = NR_MANAGEMENT_CALLS; n < 256; n++)
		assert_true(call(MANAGEMENT_CALLS + n, &changed) == UINT64_MAX);
	for (uint32_t fn = ATOLL_HVC_HEALTHY + 1; fn < MANAGEMENT_CALLS; fn++)
		assert_true(call(fn, &changed) == UINT64_MAX);
	assert_int_equal(call(0x84000000, &changed), 42);
	assert_int_equal(call(ATOLL_HVC_EXIT, &changed), SMCCC_RET_SUCCESS);
	assert_int_equal(stops, 1);
	assert_int_equal(managed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_arch, setup),
	    cmocka_unit_test_setup(test_psci_range, setup),
	    cmocka_unit_test_setup(test_vendor, setup),
	    cmocka_unit_test_setup(test_unknown, setup),
	    cmocka_unit_test_setup(test_management, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
