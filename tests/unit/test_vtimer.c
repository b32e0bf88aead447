/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest timers with the real deadline queue: CNTV out and in with the active state of its
 * interrupt, as a deadline meanwhile, sums that wrap; CNTP emulated.
 * links: hyp/vtimer.c hyp/deadline.c hyp/pcpu.c tests/fake_arch/fake.c tests/fake_arch/timer.c
 * links: tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <hyp/vtimer.h>
#include "tests/fake_arch/clock.h"

#define ON TIMER_CTL_ENABLE
#define MASKED (TIMER_CTL_ENABLE | TIMER_CTL_IMASK)
#define HOST_PPI 27u

struct host host;
static struct vm vm;
static struct vcpu vcpus[2], *const v = &vcpus[0];

/* --- this CPU's CNTV and the physical PPI's active state --- */
static struct arch_vtimer hw;
static uint64_t hw_off;
static bool ppi_active;
static unsigned clears;

void arch_vtimer_save(struct arch_vtimer *t)
{
	*t = hw;
	if ((hw.ctl & MASKED) == ON && fake_now - hw_off >= hw.cval) t->ctl |= TIMER_CTL_ISTATUS;
	hw.ctl = 0;
}

void arch_vtimer_load(const struct arch_vtimer *t, uint64_t cntvoff)
{
	hw = (struct arch_vtimer){t->cval, t->ctl & MASKED};
	hw_off = cntvoff;
}

bool arch_vtimer_output(void) { return (hw.ctl & MASKED) == ON && fake_now - hw_off >= hw.cval; }

void arch_gic_set_active(uint32_t intid)
{
	assert_int_equal(intid, HOST_PPI);
	/* Set before the timer may fire for this vCPU. */
	assert_int_equal(hw.ctl, 0);
	ppi_active = true;
}

void arch_gic_drop(uint32_t iar) { assert_int_equal(iar, HOST_PPI); }

void arch_gic_clear_active(uint32_t intid)
{
	assert_int_equal(intid, HOST_PPI);
	/* Only once the timer is off: it would be taken again at once. */
	assert_int_equal(hw.ctl, 0);
	ppi_active = false;
	clears++;
}

/* --- the vGIC's side --- */
static bool line[2][32], hw_active[2];
static unsigned line_calls, injects, wakes;
static unsigned links;

static void (*other_cpu)(void); /* does this before the lock is taken here */

void vgic_set_line(struct vm *of, struct vcpu *c, uint32_t intid, bool level)
{
	void (*other)(void) = other_cpu;

	other_cpu = NULL;
	if (other) other();
	assert_ptr_equal(of, &vm);
	line[c->id][intid] = level;
	line_calls++;
}

bool vgic_hw_active(struct vcpu *c, uint32_t intid)
{
	assert_int_equal(intid, GUEST_VTIMER_INTID);
	return hw_active[c->id];
}

void vgic_inject_hw(struct vcpu *c, uint32_t intid)
{
	assert_int_equal(intid, GUEST_VTIMER_INTID);
	hw_active[c->id] = true;
	injects++;
}

void vgic_link(struct vcpu *c, uint32_t intid, uint32_t pintid)
{
	assert_int_equal(intid, GUEST_VTIMER_INTID);
	assert_int_equal(pintid, HOST_PPI);
	links++;
}

void vcpu_wake(struct vcpu *c)
{
	assert_int_equal(c->state, VCPU_BLOCKED);
	wakes++;
}

/* --- the RTC's side --- */
static uint64_t thawed;

void vpl031_thaw(struct vm *of, uint64_t ticks)
{
	assert_ptr_equal(of, &vm);
	assert_true(vm.pl031.alarm.when == TIMER_NEVER);
	thawed += ticks;
}

static int setup(void **state)
{
	(void)state;
	clock_reset(1000000);
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(line, 0, sizeof(line));
	links = 0;
	hw_active[0] = hw_active[1] = ppi_active = false;
	hw = (struct arch_vtimer){0};
	clears = line_calls = injects = wakes = 0;
	host.timer.virt_intid = HOST_PPI;
	vm.vgic.version = 3;
	vm.cntvoff = 400000;
	vm.nr_vcpus = 2;
	vm.vcpus[0] = &vcpus[0];
	vm.vcpus[1] = &vcpus[1];
	deadline_init(&vm.pl031.alarm, NULL);
	thawed = 0;
	for (unsigned i = 0; i < 2; i++) {
		vcpus[i].id = i;
		vcpus[i].vm = &vm;
		vcpus[i].loaded_on = -1;
		vtimer_vcpu_init(&vcpus[i]);
		vtimer_vcpu_reset(&vcpus[i]);
		assert_int_equal(links, i + 1);
	}
	nr_pcpus = 1;
	return 0;
}

static void load(struct vcpu *c)
{
	vtimer_load(c);
	c->loaded_on = 0;
	fake_pcpu->loaded = c;
}

static void put(struct vcpu *c)
{
	vtimer_put(c);
	c->loaded_on = -1;
	fake_pcpu->loaded = NULL;
	assert_int_equal(hw.ctl, 0);
	assert_false(ppi_active);
}

/* The guest writes its timer: CNTVCT + in. */
static void arm(uint64_t in, uint32_t ctl)
{
	hw.cval = fake_now - hw_off + in;
	hw.ctl = ctl;
}

static bool queued(const struct deadline *d) { return d->when != TIMER_NEVER; }

static bool level(unsigned id) { return vtimer_level(&vcpus[id]); }

static void wr(struct vcpu *c, enum cntp_reg reg, uint64_t val) { vtimer_cntp(c, reg, val, NULL); }

static uint64_t rd(struct vcpu *c, enum cntp_reg reg)
{
	uint64_t val;

	vtimer_cntp(c, reg, 0, &val);
	return val;
}

static void test_deadline(void **state)
{
	(void)state;
	load(v);
	assert_int_equal(hw_off, 400000);
	arm(5000, ON);
	put(v);
	assert_int_equal(v->vtimer.virt_dl.when, 1005000);
	assert_false(level(0));
	clock_advance(4999);
	assert_false(line[0][27]);
	clock_advance(1);
	assert_true(line[0][27]);
	assert_true(level(0));
	/* Back in: no deadline, the hardware speaks. */
	load(v);
	assert_false(queued(&v->vtimer.virt_dl));
	assert_int_equal(hw.cval, 605000);
	assert_int_equal(hw.ctl, ON);
	assert_true(level(0));
	hw.ctl = MASKED;
	assert_false(level(0));
}

/* Off, masked, in its handler, or for ever away: no deadline. Due already: at once. */
static void test_no_deadline(void **state)
{
	(void)state;
	load(v);
	arm(5000, 0);
	put(v);
	assert_false(queued(&v->vtimer.virt_dl));
	load(v);
	arm(5000, MASKED);
	put(v);
	assert_false(queued(&v->vtimer.virt_dl));
	assert_false(level(0));
	load(v);
	arm(5000, ON);
	hw_active[0] = true;
	put(v);
	assert_false(queued(&v->vtimer.virt_dl));
	hw_active[0] = false;
	load(v);
	arm((uint64_t)-10, ON);
	put(v);
	assert_true(queued(&v->vtimer.virt_dl));
	clock_advance(0);
	assert_true(line[0][27]);
}

/* CVAL + offset does not fit into 64 bits: it never comes; the largest that fits is the last. */
static void test_wrap(void **state)
{
	(void)state;
	load(v);
	hw = (struct arch_vtimer){UINT64_MAX, ON};
	put(v);
	assert_false(queued(&v->vtimer.virt_dl));
	assert_false(level(0));
	load(v);
	hw = (struct arch_vtimer){UINT64_MAX - 400000, ON}; /* is TIMER_NEVER */
	put(v);
	assert_false(queued(&v->vtimer.virt_dl));
	load(v);
	hw = (struct arch_vtimer){UINT64_MAX - 400001, ON};
	put(v);
	assert_int_equal(v->vtimer.virt_dl.when, UINT64_MAX - 1);
	load(v);
	hw = (struct arch_vtimer){0, ON}; /* long ago */
	put(v);
	clock_advance(0);
	assert_true(line[0][27]);
	/* No offset: nothing wraps. */
	vm.cntvoff = 0;
	load(v);
	hw = (struct arch_vtimer){UINT64_MAX - 1, ON};
	put(v);
	assert_int_equal(v->vtimer.virt_dl.when, UINT64_MAX - 1);
}

/*
 * Two vCPUs that are preempted inside their timer handlers, on one CPU: neither silences the
 * other, neither is interrupted again in its own.
 */
static void test_active_state(void **state)
{
	struct vcpu *w = &vcpus[1];

	(void)state;
	load(v);
	arm(0, ON);
	ppi_active = true; /* acknowledged; priority drop only */
	vtimer_irq(v, HOST_PPI);
	assert_int_equal(injects, 1);
	assert_int_equal(wakes, 0);
	put(v); /* in its handler */
	assert_int_equal(clears, 1);
	load(w);
	assert_false(ppi_active);
	arm(0, ON);
	ppi_active = true;
	vtimer_irq(w, HOST_PPI);
	assert_int_equal(injects, 2);
	put(w);
	load(v);
	assert_true(ppi_active); /* still in its handler */
	/* The end of it: the guest deactivates, the hardware follows (LR.HW). */
	ppi_active = hw_active[0] = false;
	hw.ctl = MASKED;
	put(v);
	load(w);
	assert_true(ppi_active);
	put(w);
	load(v);
	assert_false(ppi_active);
}

static void test_irq(void **state)
{
	(void)state;
	/* A last edge of one that has left. */
	ppi_active = true;
	vtimer_irq(NULL, HOST_PPI);
	assert_false(ppi_active);
	assert_int_equal(injects, 0);
	/* The one that sleeps in place. */
	load(v);
	v->state = VCPU_BLOCKED;
	vtimer_irq(v, HOST_PPI);
	assert_int_equal(wakes, 1);
	/* A deadline that fires late, on another CPU, finds it loaded: nothing. */
	v->vtimer.virt_dl.ops->fire(&v->vtimer.virt_dl, fake_now);
	assert_int_equal(line_calls, 0);
}

static void test_reset(void **state)
{
	(void)state;
	load(v);
	arm(5000, ON);
	put(v);
	wr(v, CNTP_CVAL, fake_now + 5000);
	wr(v, CNTP_CTL, ON);
	vtimer_vcpu_reset(v);
	clock_advance(10000);
	assert_false(line[0][27]);
	assert_false(line[0][30]);
	assert_int_equal(rd(v, CNTP_CTL), 0);
	load(v);
	assert_int_equal(hw.ctl, 0);
}

/* --- the emulated physical timer --- */

static void test_cntp(void **state)
{
	(void)state;
	wr(v, CNTP_CVAL, fake_now + 300);
	assert_false(queued(&v->vtimer.phys_dl));
	assert_int_equal(rd(v, CNTP_CTL), 0);
	wr(v, CNTP_CTL, UINT64_MAX & ~(uint64_t)TIMER_CTL_IMASK); /* ISTATUS is RO */
	assert_int_equal(rd(v, CNTP_CTL), ON);
	assert_int_equal(rd(v, CNTP_TVAL), 300);
	clock_advance(299);
	assert_false(line[0][30]);
	clock_advance(1);
	assert_true(line[0][30]);
	assert_int_equal(rd(v, CNTP_CTL), ON | TIMER_CTL_ISTATUS);
	/* TVAL goes on below 0. */
	clock_advance(100);
	assert_int_equal(rd(v, CNTP_TVAL), 0xffffff9c);
	/* Masked: the status stays, the line falls. */
	wr(v, CNTP_CTL, MASKED);
	assert_false(line[0][30]);
	assert_int_equal(rd(v, CNTP_CTL), MASKED | TIMER_CTL_ISTATUS);
	wr(v, CNTP_CTL, ON);
	assert_true(line[0][30]);
	/* The next one: the line falls at once. */
	wr(v, CNTP_CVAL, fake_now + 50);
	assert_false(line[0][30]);
	assert_int_equal(rd(v, CNTP_CVAL), fake_now + 50);
	wr(v, CNTP_CTL, 0);
	clock_advance(1000);
	assert_false(line[0][30]);
}

static void test_tval_sign(void **state)
{
	(void)state;
	wr(v, CNTP_CTL, ON);
	wr(v, CNTP_TVAL, 0x7fffffff);
	assert_int_equal(rd(v, CNTP_CVAL), fake_now + 0x7fffffff);
	assert_false(line[0][30]);
	wr(v, CNTP_TVAL, UINT64_C(0xabcd0000ffffffff)); /* -1 */
	assert_int_equal(rd(v, CNTP_CVAL), fake_now - 1);
	assert_true(line[0][30]);
	wr(v, CNTP_TVAL, 0x80000000);
	assert_int_equal(rd(v, CNTP_CVAL), fake_now - 0x80000000);
	assert_int_equal(rd(v, CNTP_TVAL), 0x80000000);
}

/* Where the VM's time was stopped: everything counts from the offset; sums that wrap never come. */
static void test_cntp_offset(void **state)
{
	(void)state;
	vm.cntpct_off = 900000;
	wr(v, CNTP_CTL, ON);
	wr(v, CNTP_CVAL, 100000 + 70); /* now is 100000 */
	assert_false(line[0][30]);
	assert_int_equal(v->vtimer.phys_dl.when, 1000070);
	clock_advance(70);
	assert_true(line[0][30]);
	wr(v, CNTP_CVAL, UINT64_MAX);
	assert_false(line[0][30]);
	assert_false(queued(&v->vtimer.phys_dl));
	wr(v, CNTP_CVAL, UINT64_MAX - 900000);
	assert_false(queued(&v->vtimer.phys_dl));
	/* A deadline that fires although the guest has moved its timer meanwhile. */
	v->vtimer.phys_dl.ops->fire(&v->vtimer.phys_dl, fake_now);
	assert_false(line[0][30]);
}

static void turn_off(void) { wr(v, CNTP_CTL, 0); }

/* The guest turns its timer off, on another CPU, while the deadline fires here. */
static void test_cntp_race(void **state)
{
	(void)state;
	wr(v, CNTP_CVAL, fake_now + 10);
	wr(v, CNTP_CTL, ON);
	other_cpu = turn_off;
	clock_advance(10);
	assert_null(other_cpu);
	assert_false(line[0][30]);
}

/* Time stands still: nothing fires, and afterwards everything is as far away as it was. */
static void test_freeze(void **state)
{
	struct vcpu *w = &vcpus[1];

	(void)state;
	wr(v, CNTP_CVAL, fake_now + 8000);
	wr(v, CNTP_CTL, ON);
	wr(w, CNTP_CVAL, fake_now - 10);
	wr(w, CNTP_CTL, MASKED);
	load(v);
	arm(5000, ON);
	put(v);
	load(w); /* in its handler: the guest's, so no deadline before and after */
	arm(0, ON);
	vtimer_irq(w, HOST_PPI);
	put(w);
	clock_advance(1000);
	for (unsigned i = 1; i <= 2; i++) {
		uint64_t cntvct = fake_now - vm.cntvoff, cntpct = fake_now - vm.cntpct_off;

		vtimer_vm_freeze(&vm);
		clock_advance(50000);
		assert_false(line[0][27] || line[0][30] || line[1][27] || line[1][30]);
		vtimer_vm_thaw(&vm);
		assert_int_equal(fake_now - vm.cntvoff, cntvct);
		assert_int_equal(fake_now - vm.cntpct_off, cntpct);
		assert_int_not_equal(vm.cntpct_off, 0);
		assert_int_equal(thawed, i * 50000);
		assert_int_equal(rd(v, CNTP_TVAL), 7000);
		assert_false(queued(&w->vtimer.virt_dl) || queued(&w->vtimer.phys_dl));
	}
	clock_advance(3999);
	assert_false(line[0][27]);
	clock_advance(1);
	assert_true(line[0][27]);
	clock_advance(2999);
	assert_false(line[0][30]);
	clock_advance(1);
	assert_true(line[0][30]);
	load(v);
	assert_int_equal(hw_off, 500000);
}

/* One that was due when time stopped is due when it goes on. */
static void test_freeze_due(void **state)
{
	(void)state;
	load(v);
	arm(10, ON);
	fake_now += 20; /* no interrupt was taken yet */
	put(v);
	vtimer_vm_freeze(&vm);
	clock_advance(1000);
	assert_false(line[0][27]);
	vtimer_vm_thaw(&vm);
	clock_advance(0);
	assert_true(line[0][27]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_deadline, setup),
	    cmocka_unit_test_setup(test_no_deadline, setup),
	    cmocka_unit_test_setup(test_wrap, setup),
	    cmocka_unit_test_setup(test_active_state, setup),
	    cmocka_unit_test_setup(test_irq, setup),
	    cmocka_unit_test_setup(test_reset, setup),
	    cmocka_unit_test_setup(test_cntp, setup),
	    cmocka_unit_test_setup(test_tval_sign, setup),
	    cmocka_unit_test_setup(test_cntp_offset, setup),
	    cmocka_unit_test_setup(test_cntp_race, setup),
	    cmocka_unit_test_setup(test_freeze, setup),
	    cmocka_unit_test_setup(test_freeze_due, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
