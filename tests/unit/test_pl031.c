/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual PL031: time, load, match interrupt.
 * links: hyp/vdev/pl031.c hyp/vdev/misc.c hyp/mmio.c hyp/deadline.c tests/fake_arch/fake.c
 * links: tests/fake_arch/timer.c tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hyp/mmio.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <tests/fake_arch/clock.h>
#include "tests/mmio_access.h"

#define BASE UINT64_C(0x09010000)
#define DR 0x00u
#define MR 0x04u
#define LR 0x08u
#define CR 0x0cu
#define IMSC 0x10u
#define RIS 0x14u
#define MIS 0x18u
#define ICR 0x1cu
#define SECOND 1000000u

struct pcpu pcpus[MAX_PCPUS];
unsigned nr_pcpus = 1;
const struct machine machine_v1 = {.pl031 = BASE, .pl031_intid = 34};
static struct vm_config cfg;
static struct vm vm;
static struct vcpu vcpu = {.vm = &vm};
static bool line;

void vgic_set_line(struct vm *of, struct vcpu *v, uint32_t intid, bool level)
{
	static spinlock_t vgic = {.cls = LOCK_VGIC};

	spin_lock(&vgic);
	spin_unlock(&vgic);
	assert_ptr_equal(of, &vm);
	assert_null(v);
	assert_int_equal(intid, 34);
	line = level;
}

static uint32_t rd(uint32_t off)
{
	uint64_t val;

	assert_int_equal(mmio_access(&vcpu, BASE + off, false, 4, &val), MMIO_OK);
	return (uint32_t)val;
}

static void wr(uint32_t off, uint32_t x)
{
	uint64_t val = x;

	assert_int_equal(mmio_access(&vcpu, BASE + off, true, 4, &val), MMIO_OK);
}

static void create(uint64_t rtc_base, uint64_t now)
{
	memset(&vm, 0, sizeof(vm));
	clock_reset(now);
	line = false;
	cfg.rtc_base = rtc_base;
	vm.cfg = &cfg;
	vm.machine = &machine_v1;
	assert_int_equal(vpl031_create(&vm), HYP_OK);
	vpl031_reset(&vm);
}

static int setup(void **state)
{
	(void)state;
	create(1700000000, 12345);
	return 0;
}

static void test_registers(void **state)
{
	static const uint32_t id[] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	uint64_t val;

	(void)state;
	for (unsigned i = 0; i < 8; i++) assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
	assert_int_equal(rd(CR), 1);
	wr(CR, 0);
	assert_int_equal(rd(CR), 1); /* cannot be stopped */
	wr(IMSC, 0xffffffff);
	assert_int_equal(rd(IMSC), 1);
	wr(RIS, 1);
	wr(MIS, 1);
	assert_int_equal(rd(RIS) | rd(MIS) | rd(ICR) | rd(0x20) | rd(MR) | rd(LR), 0);
	assert_int_equal(mmio_access(&vcpu, BASE, false, 8, &val), MMIO_ABORT);
	assert_false(line);
}

static void test_time(void **state)
{
	(void)state;
	assert_int_equal(rd(DR), 1700000000);
	clock_advance(SECOND - 1);
	assert_int_equal(rd(DR), 1700000000);
	clock_advance(1);
	assert_int_equal(rd(DR), 1700000001);
	wr(DR, 5); /* read-only */
	assert_int_equal(rd(DR), 1700000001);
	wr(LR, 100);
	assert_int_equal(rd(DR), 100);
	assert_int_equal(rd(LR), 100);
	clock_advance(50 * (uint64_t)SECOND);
	assert_int_equal(rd(DR), 150);
	/* A reset does not stop the clock. */
	vpl031_reset(&vm);
	assert_int_equal(rd(DR), 150);
	assert_int_equal(rd(LR), 0);
	/* It wraps. */
	wr(LR, 0xffffffff);
	clock_advance(2 * SECOND);
	assert_int_equal(rd(DR), 1);
}

static void test_match(void **state)
{
	(void)state;
	wr(IMSC, 1);
	wr(MR, 1700000002);
	assert_int_equal(rd(MR), 1700000002);
	clock_advance(2 * SECOND - 1);
	assert_int_equal(rd(RIS), 0);
	clock_advance(1);
	assert_int_equal(rd(DR), 1700000002);
	assert_int_equal(rd(RIS), 1);
	assert_int_equal(rd(MIS), 1);
	assert_true(line);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	wr(ICR, 0); /* whatever is written */
	assert_int_equal(rd(RIS), 0);
	assert_false(line);
	clock_advance(10 * SECOND);
	assert_false(line);
	/* Masked: only the raw status. */
	wr(IMSC, 0);
	wr(MR, rd(DR) + 1);
	clock_advance(SECOND);
	assert_int_equal(rd(RIS), 1);
	assert_int_equal(rd(MIS), 0);
	assert_false(line);
	wr(IMSC, 1);
	assert_true(line);
	wr(ICR, 1);
	/* Equal counts at once. */
	wr(MR, rd(DR));
	assert_true(line);
}

static void test_match_moves(void **state)
{
	(void)state;
	wr(IMSC, 1);
	wr(MR, 1700000005);
	clock_advance(SECOND);
	wr(MR, 1700000010);
	clock_advance(5 * SECOND);
	assert_false(line);
	clock_advance(4 * SECOND);
	assert_true(line);
	wr(ICR, 1);
	/* Loading the time moves it as well. */
	wr(MR, 1000);
	wr(LR, 990);
	clock_advance(10 * SECOND - 1);
	assert_false(line);
	clock_advance(1);
	assert_true(line);
	wr(ICR, 1);
	/* A match in the past is one in the next round of 2^32 seconds. */
	wr(MR, rd(DR) - 1);
	assert_false(line);
	assert_true(fake_cnthp[0] > fake_now + (uint64_t)0xfffffff0 * SECOND);
	vpl031_reset(&vm);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
}

/* The extremes of rate and time do not overflow. */
static void test_fast_counter(void **state)
{
	(void)state;
	create(0xffffffff, UINT64_C(1) << 62);
	fake_hz = 1000000000;
	assert_int_equal(vm.pl031.base, (UINT64_C(1) << 62) - 0xffffffff * UINT64_C(1000000));
	vm.pl031.base = fake_now - 0xffffffff * UINT64_C(1000000000);
	assert_int_equal(rd(DR), 0xffffffff);
	wr(MR, 0xfffffffe);
	assert_true(vm.pl031.when == fake_now + 0xffffffff * UINT64_C(1000000000));
	wr(MR, 0);
	assert_true(vm.pl031.when == fake_now + UINT64_C(1000000000));
}

static void test_reset_cancels(void **state)
{
	(void)state;
	wr(IMSC, 1);
	wr(MR, 1700000001);
	vpl031_reset(&vm);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	clock_advance(5 * SECOND);
	assert_false(line);
}

/* An alarm that was already firing when the VM went away. */
static void test_late_alarm(void **state)
{
	struct vpl031 *r = &vm.pl031;

	(void)state;
	wr(IMSC, 1);
	wr(MR, 1700000001);
	vpl031_reset(&vm);
	fake_now += 5 * SECOND;
	r->alarm.ops->fire(&r->alarm, fake_now);
	assert_false(line);
	assert_int_equal(r->dev.reg[RIS / 4], 0);
}

/* The VM is paused: neither clock nor alarm go on until it is resumed. */
static void test_freeze(void **state)
{
	(void)state;
	deadline_cancel(&vm.pl031.alarm); /* no alarm set */
	clock_advance(3 * SECOND);
	vpl031_thaw(&vm, 3 * SECOND);
	assert_int_equal(rd(DR), 1700000000);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	wr(IMSC, 1);
	wr(MR, 1700000002);
	clock_advance(SECOND);
	deadline_cancel(&vm.pl031.alarm);
	clock_advance(5 * SECOND);
	assert_false(line);
	vpl031_thaw(&vm, 5 * SECOND);
	assert_int_equal(rd(DR), 1700000001);
	clock_advance(SECOND - 1);
	assert_false(line);
	clock_advance(1);
	assert_true(line);
	assert_int_equal(rd(DR), 1700000002);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    T(test_registers),    T(test_time),          T(test_match),      T(test_match_moves),
	    T(test_fast_counter), T(test_reset_cancels), T(test_late_alarm), T(test_freeze),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
