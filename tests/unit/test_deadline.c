/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadline queues: order, CNTHP, bounds, other CPUs.
 * links: hyp/deadline.c hyp/pcpu.c tests/fake_arch/fake.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/timer.h>
#include <hyp/deadline.h>
#include <hyp/pcpu.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/timer.h>

struct item {
	struct deadline d;
	unsigned fired;
	uint64_t again; /* sets itself so much later */
	uint64_t due;
};

static struct item *order[1024];
static unsigned nr_fired;

/* As deadline_set(), but it must not fire before. */
static void set(struct item *it, uint64_t when)
{
	it->due = when;
	deadline_set(&it->d, when);
}

/* Whose queue it is in; 4: none. */
static unsigned queue_of(const struct deadline *d)
{
	unsigned cpu = 0;

	for (; cpu < nr_pcpus; cpu++)
		list_for_each (n, &pcpus[cpu].deadlines)
			if (n == &d->node) return cpu;
	return cpu;
}

static void fire(struct deadline *d, uint64_t now)
{
	struct item *it = container_of(d, struct item, d);

	assert_int_equal(fake_locks_held(), 0);
	assert_true(it->due <= now);
	assert_int_equal(d->when, TIMER_NEVER);
	assert_int_equal(queue_of(d), 4);
	it->fired++;
	order[nr_fired++ % 1024] = it;
	if (it->again) set(it, now + it->again);
}

static const struct deadline_ops ops = {fire};

static void on_cpu(unsigned cpu) { fake_pcpu = &pcpus[cpu]; }

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_timer_reset();
	memset(pcpus, 0, sizeof(pcpus));
	nr_pcpus = 4;
	nr_fired = 0;
	for (unsigned i = nr_pcpus; i-- > 0;) {
		pcpus[i].id = i;
		on_cpu(i);
		deadline_cpu_init();
		assert_int_equal(fake_cnthp[i], TIMER_NEVER);
	}
	fake_cnthp_writes = 0;
	return 0;
}

/* Sorted; equal times in the order of setting; CNTHP written only when the earliest changes. */
static void test_order(void **state)
{
	struct item a = {0}, b = {0}, c = {0}, d = {0};

	(void)state;
	deadline_init(&a.d, &ops);
	deadline_init(&b.d, &ops);
	deadline_init(&c.d, &ops);
	deadline_init(&d.d, &ops);
	set(&a, 100);
	assert_int_equal(fake_cnthp[0], 100);
	set(&b, 300);
	set(&c, 200);
	set(&d, 200);
	assert_int_equal(fake_cnthp[0], 100);
	assert_int_equal(fake_cnthp_writes, 1);
	fake_now = 99;
	deadline_irq();
	assert_int_equal(nr_fired, 0);
	assert_int_equal(fake_cnthp_writes, 1);
	fake_now = 200;
	deadline_irq();
	assert_int_equal(nr_fired, 3);
	assert_ptr_equal(order[0], &a);
	assert_ptr_equal(order[1], &c);
	assert_ptr_equal(order[2], &d);
	assert_int_equal(fake_cnthp[0], 300);
	deadline_cancel(&b.d);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	deadline_cancel(&b.d);
	fake_now = 1000;
	deadline_irq();
	assert_int_equal(nr_fired, 3);
}

/* Moved earlier, later, within the queue; TIMER_NEVER cancels; the far end of time. */
static void test_move(void **state)
{
	struct item a = {0}, b = {0};

	(void)state;
	deadline_init(&a.d, &ops);
	deadline_init(&b.d, &ops);
	set(&a, 100);
	set(&b, 200);
	set(&a, 300);
	assert_int_equal(fake_cnthp[0], 200);
	set(&a, 50);
	assert_int_equal(fake_cnthp[0], 50);
	set(&a, TIMER_NEVER);
	assert_int_equal(queue_of(&a.d), 4);
	assert_int_equal(fake_cnthp[0], 200);
	/* A guest's CVAL at the end of time is not in the past. */
	set(&a, TIMER_NEVER - 1);
	fake_now = UINT64_C(1) << 63;
	deadline_irq();
	assert_int_equal(b.fired, 1);
	assert_int_equal(a.fired, 0);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER - 1);
	/* In the past: CNTHP is set to it, so it fires at once, from the interrupt. */
	set(&a, 7);
	assert_int_equal(a.fired, 0);
	assert_int_equal(fake_cnthp[0], 7);
	deadline_irq();
	assert_int_equal(a.fired, 1);
}

/* One that always sets itself to now must not hold the CPU. */
static void test_bound(void **state)
{
	static struct item many[200];
	struct item again = {.again = 1};

	(void)state;
	memset(many, 0, sizeof(many));
	for (unsigned i = 0; i < 200; i++) {
		deadline_init(&many[i].d, &ops);
		set(&many[i], 200 - i);
	}
	fake_now = 500;
	deadline_irq();
	assert_int_equal(nr_fired, 64);
	assert_int_equal(fake_cnthp[0], 65);
	deadline_irq();
	deadline_irq();
	deadline_irq();
	assert_int_equal(nr_fired, 200);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	for (unsigned i = 0; i < 200; i++) assert_ptr_equal(order[i], &many[199 - i]);
	deadline_init(&again.d, &ops);
	set(&again, 1);
	deadline_irq();
	assert_int_equal(again.fired, 1);
	assert_int_equal(fake_cnthp[0], 501);
}

/* Set and cancelled from another CPU: moves there; the old CPU's CNTHP is only stale. */
static void test_remote(void **state)
{
	struct item a = {0}, b = {0};

	(void)state;
	deadline_init(&a.d, &ops);
	deadline_init(&b.d, &ops);
	set(&a, 100);
	set(&b, 200);
	on_cpu(3);
	set(&a, 150);
	assert_int_equal(queue_of(&a.d), 3);
	assert_int_equal(fake_cnthp[3], 150);
	assert_int_equal(fake_cnthp[0], 100);
	deadline_cancel(&b.d);
	assert_int_equal(fake_cnthp[3], 150);
	fake_now = 150;
	on_cpu(0);
	deadline_irq(); /* spurious */
	assert_int_equal(nr_fired, 0);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	on_cpu(3);
	deadline_irq();
	assert_int_equal(a.fired, 1);
}

/* Random operations against a plain array. */
static void test_random(void **state)
{
	enum { N = 40 };
	static struct item it[N];
	uint64_t model[N];
	uint32_t seed = 12345;

	(void)state;
	memset(it, 0, sizeof(it));
	for (unsigned i = 0; i < N; i++) {
		deadline_init(&it[i].d, &ops);
		model[i] = TIMER_NEVER;
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i, cpu;
		uint64_t min[4] = {TIMER_NEVER, TIMER_NEVER, TIMER_NEVER, TIMER_NEVER};

		seed = seed * 1664525u + 1013904223u;
		i = (seed >> 8) % N;
		cpu = (seed >> 20) % 4;
		on_cpu(cpu);
		switch (seed >> 29) {
		case 0:
			deadline_cancel(&it[i].d);
			model[i] = TIMER_NEVER;
			break;
		case 1:
			fake_now += (seed >> 4) % 300;
			for (unsigned c = 0; c < 4; c++) {
				on_cpu(c);
				if (fake_cnthp[c] <= fake_now) deadline_irq();
			}
			for (unsigned k = 0; k < N; k++) {
				if (model[k] <= fake_now) {
					assert_int_equal(it[k].fired, 1);
					it[k].fired = 0;
					model[k] = TIMER_NEVER;
				}
			}
			break;
		default:
			model[i] = fake_now + (seed >> 6) % 1000;
			set(&it[i], model[i]);
			break;
		}
		for (unsigned k = 0; k < N; k++) {
			unsigned on = queue_of(&it[k].d);

			assert_int_equal(it[k].fired, 0);
			assert_int_equal(on < 4, model[k] != TIMER_NEVER);
			if (on < 4) min[on] = MIN(min[on], model[k]);
		}
		for (unsigned c = 0; c < 4; c++) {
			/* Never later than the earliest. */
			assert_true(fake_cnthp[c] <= min[c]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order, setup),  cmocka_unit_test_setup(test_move, setup),
	    cmocka_unit_test_setup(test_bound, setup),  cmocka_unit_test_setup(test_remote, setup),
	    cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
