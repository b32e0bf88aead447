/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lost wake-ups: every point of sched_block() at which another CPU may call vcpu_wake(),
 * vcpu_kick() or vcpu_stop(), and the reverse. The barriers of the protocols are where the other
 * CPU cuts in.
 * links: hyp/deadline.c hyp/pcpu.c hyp/vcpu_wake.c hyp/sched/core.c hyp/sched/job.c hyp/sched/vcpu.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/irq.h>
#include <hyp/sched.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include <tests/fake_arch/timer.h>

struct pcpu *fake_pcpu;
struct vm *vms[MAX_VMS];

static void (*at_barrier)(void);
static unsigned barrier_no, cut_at;

void fake_log_token(const char *token)
{
	if (strcmp(token, "dmb ish") == 0 && at_barrier && ++barrier_no == cut_at) {
		void (*fn)(void) = at_barrier;

		at_barrier = NULL;
		fn();
	}
}

static unsigned locks;

void spin_lock(spinlock_t *l)
{
	locks++;
	assert_int_equal(l->owner, l->next);
	l->next++;
}

void spin_unlock(spinlock_t *l) { l->owner++; }

noreturn void panic(const char *fmt, ...)
{
	fail_msg("%s", fmt);
	abort();
}

static void (*at_irq)(void);

void irq_handle(void)
{
	fake_sgi[fake_pcpu->id] = false;
	if (at_irq) at_irq();
}

#define WORK_OTHER BIT32(20)

static struct vcpu v;
static struct vm vm;

enum call { WAKE, KICK_VGIC, KICK_OTHER, STOP, CALLS };

static void call(enum call c)
{
	switch (c) {
	case WAKE: vcpu_wake(&v); break;
	case KICK_VGIC: vcpu_kick(&v, VCPU_WORK_VGIC); break;
	case KICK_OTHER: vcpu_kick(&v, WORK_OTHER); break;
	case STOP: vcpu_stop(&v); break;
	case CALLS: break;
	}
}

static enum call remote;

static void cut_in(void)
{
	struct pcpu *here = fake_pcpu;

	fake_pcpu = &pcpus[1];
	call(remote);
	fake_pcpu = here;
}

static void block_here(void)
{
	struct pcpu *there = fake_pcpu;

	fake_pcpu = &pcpus[0];
	sched_block(&v);
	fake_pcpu = there;
}

/* v runs on CPU 0. */
static void setup(void)
{
	static const struct vm_config cfg = {.weight = 100};

	at_barrier = NULL;
	barrier_no = 0;
	fake_timer_reset();
	memset(pcpus, 0, sizeof(pcpus));
	nr_pcpus = 2;
	for (unsigned i = 2; i-- > 0;) {
		pcpus[i].id = i;
		pcpus[i].online = true;
		fake_pcpu = &pcpus[i];
		deadline_cpu_init();
		sched_cpu_init();
	}
	memset(&v, 0, sizeof(v));
	v.vm = &vm;
	sched_vcpu_init(&v, &cfg);
	sched_start(&v);
	assert_ptr_equal(sched_next(), &v);
	v.loaded_on = 0;
	v.work = 0; /* as vgic_load() */
	fake_pcpu->loaded = &v;
	assert_int_equal(v.state, VCPU_RUNNING);
	assert_int_equal(fake_pcpu->work, 0);
}

/* The exit of CPU 0 after the race: runs again at once, or is out, or stays asleep. */
static void check(enum call c)
{
	assert_ptr_equal(fake_pcpu, &pcpus[0]);
	switch (c) {
	case WAKE:
	case KICK_VGIC:
		if (v.state == VCPU_RUNNING) {
			/* Undone; the way into the guest takes the bit. */
			assert_int_equal(v.work, VCPU_WORK_VGIC);
		} else {
			assert_int_equal(v.state, VCPU_READY);
			assert_ptr_equal(fake_pcpu->wake_list, &v.se);
			assert_true(fake_pcpu->work & PCPU_WORK_RESCHED);
			assert_ptr_equal(sched_next(), &v);
			assert_int_equal(v.state, VCPU_RUNNING);
		}
		break;
	case KICK_OTHER:
		/* Not what a sleeper waits for. */
		assert_int_equal(v.state, VCPU_BLOCKED);
		assert_null(fake_pcpu->wake_list);
		break;
	case STOP:
		assert_null(sched_next());
		assert_int_equal(v.state, VCPU_OFF);
		assert_false(vcpu_is_out(&v));
		fake_pcpu->loaded = NULL;
		sched_saved(&v);
		assert_true(vcpu_is_out(&v));
		assert_int_equal(v.loaded_on, -1);
		break;
	case CALLS: break;
	}
}

/* Before, at each barrier within, and after sched_block(). */
static void test_block_vs_wake(void **state)
{
	(void)state;
	for (remote = WAKE; remote < CALLS; remote++) {
		unsigned barriers;

		setup();
		at_barrier = cut_in;
		cut_at = 0;
		sched_block(&v);
		barriers = barrier_no;
		assert_true(barriers >= 1);
		for (cut_at = 0; cut_at <= barriers + 1; cut_at++) {
			setup();
			if (cut_at == 0) cut_in();
			at_barrier = cut_in;
			barrier_no = 0;
			sched_block(&v);
			at_barrier = NULL;
			if (cut_at == barriers + 1) cut_in();
			check(remote);
		}
	}
}

/* The reverse: v blocks while another CPU is within vcpu_wake() and the others. */
static void test_wake_vs_block(void **state)
{
	(void)state;
	for (remote = WAKE; remote < CALLS; remote++) {
		setup();
		at_barrier = block_here;
		cut_at = 1;
		cut_in();
		assert_null(at_barrier); /* each has a barrier */
		check(remote);
	}
}

/* Two wakers of one sleeper: on the list once. And a wake-up that came early is not forgotten. */
static void test_twice(void **state)
{
	(void)state;
	setup();
	sched_block(&v);
	call(WAKE);
	call(WAKE);
	call(KICK_VGIC);
	assert_ptr_equal(pcpus[0].wake_list, &v.se);
	assert_null(v.se.next);
	assert_ptr_equal(sched_next(), &v);
	assert_int_equal(v.work, VCPU_WORK_VGIC);
	sched_block(&v);
	assert_int_equal(v.state, VCPU_RUNNING);
	assert_int_equal(fake_pcpu->work, 0);
	v.work = 0; /* the way into the guest */
	sched_block(&v);
	assert_int_equal(v.state, VCPU_BLOCKED);
}

/* Only a CPU in the guest needs the SGI, and of several kicks only the first. */
static void test_sgis(void **state)
{
	(void)state;
	setup();
	fake_pcpu = &pcpus[1];
	fake_sgis = 0;
	call(KICK_VGIC);
	assert_int_equal(fake_sgis, 1);
	fake_pcpu = &pcpus[0];
	call(KICK_VGIC);
	assert_int_equal(fake_sgis, 1);
	v.work = 0;
	sched_block(&v);
	fake_pcpu = &pcpus[1];
	pcpus[0].work = 0; /* it has seen the block: without an SGI it would sleep on */
	call(WAKE);
	assert_int_equal(fake_sgis, 2);
	pcpu_kick(&pcpus[0], PCPU_WORK_RESCHED);
	assert_int_equal(fake_sgis, 2);
}

/* RUNNING is visible before the caller's look at v->work: a barrier between the two. */
static void kick_while_chosen(void)
{
	struct pcpu *here = fake_pcpu;

	assert_int_equal(v.state, VCPU_RUNNING);
	fake_pcpu = &pcpus[1];
	fake_sgis = 0;
	vcpu_kick(&v, VCPU_WORK_VGIC);
	assert_int_equal(fake_sgis, 1);
	fake_pcpu = here;
}

static void test_kick_vs_choice(void **state)
{
	(void)state;
	setup();
	sched_block(&v);
	call(WAKE);
	at_barrier = kick_while_chosen;
	cut_at = 1;
	barrier_no = 0;
	assert_ptr_equal(sched_next(), &v);
	assert_null(at_barrier);
	assert_int_equal(v.work, VCPU_WORK_VGIC);
}

/* Idle in place: the way from the interrupt to the guest takes no lock and no SGI. With anything
 * else to do it takes the long way, and nothing is lost. */
static void idle(void) { fake_now += 1000; }

static void wake_in_irq(void)
{
	call(WAKE);
	locks = 0;
	fake_sgis = 0;
}

static void stop_in_irq(void)
{
	call(WAKE);
	call(STOP);
}

static void wake_two_in_irq(void)
{
	at_irq = NULL;
	call(WAKE);
	pcpu_kick(fake_pcpu, PCPU_WORK_RESCHED);
}

/* As the way out of a trap asks: until no work is pending. */
static struct vcpu *next(void)
{
	struct vcpu *n;

	do {
		n = sched_next();
	} while (n && (fake_pcpu->work != 0 || (n->work & VCPU_WORK_STOP) != 0));
	if (n) n->work &= ~VCPU_WORK_VGIC;
	return n;
}

static void test_in_place(void **state)
{
	(void)state;
	setup();
	fake_idle = idle;
	at_irq = wake_in_irq;
	for (unsigned i = 1; i < 5; i++) {
		sched_block(&v);
		assert_ptr_equal(next(), &v);
		assert_int_equal(locks, 0);
		assert_int_equal(fake_sgis, 0);
		assert_int_equal(v.state, VCPU_RUNNING);
		assert_int_equal(v.stats.nr_wakes, i);
		assert_int_equal(fake_pcpu->idle_ticks, i * 1000);
		assert_int_equal(v.se.run_ticks, 0);
		assert_false(fake_pcpu->idle);
	}
	at_irq = wake_two_in_irq;
	sched_block(&v);
	assert_ptr_equal(next(), &v);
	assert_true(locks > 0);
	assert_null(fake_pcpu->asleep);
	assert_int_equal(v.stats.nr_wakes, 5);
	at_irq = stop_in_irq;
	sched_block(&v);
	assert_null(next());
	assert_int_equal(v.state, VCPU_OFF);
	assert_null(fake_pcpu->asleep);
	fake_idle = NULL;
	at_irq = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_block_vs_wake),  cmocka_unit_test(test_wake_vs_block),
	    cmocka_unit_test(test_twice),          cmocka_unit_test(test_sgis),
	    cmocka_unit_test(test_kick_vs_choice), cmocka_unit_test(test_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
