/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler on a simulated machine: shares, priorities, budgets, latency, placement, leaving.
 * links: hyp/deadline.c hyp/pcpu.c hyp/vcpu_wake.c hyp/sched/core.c hyp/sched/job.c hyp/sched/vcpu.c tests/unit/sched_sim.c tests/fake_arch/fake.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/timer.h>
#include <hyp/job.h>
#include <hyp/pcpu.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/timer.h>
#include "sched_sim.h"

/* |a - b| <= permille of b, or a slice */
static void assert_near(uint64_t a, uint64_t b, unsigned permille)
{
	uint64_t d = a > b ? a - b : b - a;

	if (d > MAX(b / 1000 * permille, SCHED_SLICE_US * SIM_US)) {
		fail_msg("%llu is not %llu within %u permille", (unsigned long long)a,
		         (unsigned long long)b, permille);
	}
}

/* Two CPU-bound guests on one CPU get what their weights say, and all time is accounted. */
static void test_weights(void **state)
{
	static const uint32_t pairs[][2] = {{100, 300}, {1, 3},       {100, 100}, {1000, 3000},
	                                    {30, 10},   {10000, 100}, {7, 7},     {256, 1024}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pairs); i++) {
		uint32_t wa = pairs[i][0], wb = pairs[i][1];
		struct sim_guest *a, *b;

		sim_start(1);
		a = sim_fair(wa, 0);
		b = sim_fair(wb, 0);
		sim_boot(a, SIM_FOREVER, 0);
		sim_boot(b, SIM_FOREVER, 0);
		sim_for(2000 * SIM_MS);
		assert_near(a->ran, 2000 * SIM_MS * wa / (wa + wb), 10);
		assert_near(b->ran, 2000 * SIM_MS * wb / (wa + wb), 10);
		assert_int_equal(sim_run_ticks(a) + sim_run_ticks(b), 2000 * SIM_MS);
		/* What one ran, the other had to wait. */
		assert_near(a->v.stats.steal_ticks, b->ran, 10);
		assert_true(a->loads + b->loads < 2100);
		sim_end();
	}
}

/* Equals of a priority take turns, whenever they started and whatever fair ones ran in between. */
static void test_fixed_started_apart(void **state)
{
	struct sim_guest *a, *b, *f;

	(void)state;
	sim_start(1);
	f = sim_fair(100, 0);
	a = sim_fixed(31, 0, 0, 0);
	b = sim_fixed(31, 0, 0, 0);
	sim_boot(f, SIM_FOREVER, 0);
	sim_for(100 * SIM_MS);
	sim_boot(a, 90 * SIM_MS, 10 * SIM_MS);
	sim_for(100 * SIM_MS);
	sim_boot(b, SIM_FOREVER, 0);
	sim_for(1000 * SIM_MS);
	assert_true(a->ran > 400 * SIM_MS && b->ran > 400 * SIM_MS);
	sim_end();
}

/* Five guests, one of them half of the time asleep. */
static void test_many_weights(void **state)
{
	struct sim_guest *g[5];
	uint64_t busy;

	(void)state;
	sim_start(1);
	for (unsigned i = 0; i < 5; i++) {
		g[i] = sim_fair(100 * (i + 1), 0);
		sim_boot(g[i], i == 4 ? 3 * SIM_MS : SIM_FOREVER, i == 4 ? 20 * SIM_MS : 0);
	}
	sim_for(3000 * SIM_MS);
	busy = g[0]->ran + g[1]->ran + g[2]->ran + g[3]->ran;
	assert_near(busy + g[4]->ran, 3000 * SIM_MS, 1);
	for (unsigned i = 0; i < 4; i++) assert_near(g[i]->ran, busy * (i + 1) / 10, 15);
	/* It asks for less than its share, so it gets what it asks for: 3 of 23 ms or a little
	 * less, since it waits for turns within its computation. */
	assert_true(g[4]->ran > 3000 * SIM_MS * 3 / 30);
	sim_end();
}

/* One runnable vCPU: no deadline, no interrupt, whatever its class. */
static void test_nothing_ticks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim_guest *g;

		sim_start(2);
		g = i ? sim_fixed(5, 1, 0, 0) : sim_fair(100, 1);
		sim_boot(g, SIM_FOREVER, 0);
		memset(sim_irqs, 0, sizeof(sim_irqs));
		for (unsigned k = 0; k < 10; k++) {
			sim_for(1000 * SIM_MS);
			assert_int_equal(fake_cnthp[0], TIMER_NEVER);
			assert_int_equal(fake_cnthp[1], TIMER_NEVER);
		}
		assert_int_equal(sim_irqs[0] + sim_irqs[1], 0);
		assert_int_equal(g->ran, 10000 * SIM_MS);
		assert_int_equal(g->loads, 1);
		assert_int_equal(pcpus[0].idle_ticks, 0);
		sim_end();
	}
}

/* A competitor arrives and leaves: deadlines only while there are two. */
static void test_tick_only_while_two(void **state)
{
	struct sim_guest *a, *b;

	(void)state;
	sim_start(1);
	a = sim_fair(100, 0);
	b = sim_fair(100, 0);
	sim_boot(a, SIM_FOREVER, 0);
	sim_for(500 * SIM_MS);
	sim_boot(b, 10 * SIM_MS, SIM_FOREVER / 4);
	assert_true(fake_cnthp[0] <= fake_now + 2 * SIM_MS);
	sim_for(30 * SIM_MS);
	assert_int_equal(b->v.state, VCPU_BLOCKED);
	/* Only b's own alarm is left. */
	assert_true(fake_cnthp[0] > fake_now + 1000 * SIM_MS);
	assert_int_equal(b->ran, 10 * SIM_MS);
	sim_end();
}

/* Alone and sleeping: stays loaded, wakes with no delay, idle time is idle and not run. */
static void test_idle_in_place(void **state)
{
	struct sim_guest *g;

	(void)state;
	sim_start(1);
	g = sim_fair(100, 0);
	sim_boot(g, 1 * SIM_MS, 9 * SIM_MS);
	sim_for(1000 * SIM_MS);
	assert_int_equal(g->ran, 100 * SIM_MS);
	assert_int_equal(g->loads, 1);
	assert_int_equal(g->wakes, 100);
	assert_int_equal(g->wake_max, 0);
	assert_near(pcpus[0].idle_ticks, 900 * SIM_MS, 20);
	assert_int_equal(g->v.stats.nr_wakes, 100);
	assert_int_equal(g->v.stats.steal_ticks, 0);
	sim_end();
}

/* A sleeper among CPU-bound guests of its weight runs at once when it wakes. */
static void test_wake_latency(void **state)
{
	struct sim_guest *hog, *s;

	(void)state;
	sim_start(1);
	hog = sim_fair(100, 0);
	s = sim_fair(100, 0);
	sim_boot(hog, SIM_FOREVER, 0);
	sim_boot(s, 100 * SIM_US, 5 * SIM_MS);
	sim_for(1000 * SIM_MS);
	assert_true(s->wakes > 180);
	assert_true(s->wake_max <= 10 * SIM_US);
	assert_int_equal(s->v.stats.wake_ticks_max, s->wake_max);
	assert_true(hog->ran > 950 * SIM_MS);
	sim_end();
}

/* Larger priorities first, whatever the others are; equals take turns. */
static void test_fixed(void **state)
{
	struct sim_guest *lo, *a, *b, *hi, *fair;

	(void)state;
	sim_start(1);
	fair = sim_fair(10000, 0);
	lo = sim_fixed(1, 0, 0, 0);
	a = sim_fixed(7, 0, 0, 0);
	b = sim_fixed(7, 0, 0, 0);
	hi = sim_fixed(31, 0, 0, 0);
	sim_boot(fair, SIM_FOREVER, 0);
	sim_boot(lo, SIM_FOREVER, 0);
	assert_int_equal(lo->v.state, VCPU_RUNNING);
	sim_boot(a, SIM_FOREVER, 0);
	sim_boot(b, SIM_FOREVER, 0);
	/* Shorter than a slice, so that it preempts each of the equals within theirs. */
	sim_boot(hi, 100 * SIM_US, 900 * SIM_US);
	sim_for(2000 * SIM_MS);
	assert_int_equal(hi->wake_max, 0);
	assert_near(hi->ran, 200 * SIM_MS, 10);
	assert_int_equal(lo->ran, 0);
	assert_int_equal(fair->ran, 0);
	assert_near(a->ran, b->ran, 10);
	assert_near(a->ran + b->ran, 1800 * SIM_MS, 10);
	sim_end();
}

static void limit(void *arg) { sched_limit(arg, 5000, 20000); }

/* The management guest's priority: before all that a manifest can give, at once; once it is limited
 * it has its budget and no more, and so it has when it is limited again. */
static void test_management_priority(void **state)
{
	struct sim_guest *m, *hog;

	(void)state;
	sim_start(1);
	hog = sim_fixed(SCHED_PRIORITY_MANAGEMENT - 1, 0, 0, 0);
	m = sim_fixed(SCHED_PRIORITY_MANAGEMENT, 0, 0, 0);
	sim_boot(hog, SIM_FOREVER, 0);
	sim_boot(m, 100 * SIM_US, 900 * SIM_US);
	sim_for(1000 * SIM_MS);
	assert_int_equal(m->wake_max, 0);
	assert_near(m->ran, 100 * SIM_MS, 10);
	sim_end();

	sim_start(1);
	hog = sim_fixed(SCHED_PRIORITY_MANAGEMENT - 1, 0, 0, 0);
	m = sim_fixed(SCHED_PRIORITY_MANAGEMENT, 0, 0, 0);
	sim_boot(m, SIM_FOREVER, 0);
	sim_boot(hog, SIM_FOREVER, 0);
	sim_for(100 * SIM_MS);
	assert_int_equal(m->ran, 100 * SIM_MS);
	sim_on(0, limit, &m->v);
	sim_for(1000 * SIM_MS);
	assert_int_equal(m->ran, 350 * SIM_MS);
	assert_int_equal(hog->ran, 750 * SIM_MS);
	sim_for(2 * SIM_MS); /* in the middle of its budget */
	sim_on(0, limit, &m->v);
	sim_for(1000 * SIM_MS);
	assert_int_equal(m->ran, (350 + 2 + 250) * SIM_MS);
	assert_int_equal(hog->ran, 1500 * SIM_MS);
	sim_end();
}

/* A budget is what it gets, not more, and the fair guest has the rest. */
static void test_budget(void **state)
{
	struct sim_guest *f, *fair;

	(void)state;
	sim_start(1);
	f = sim_fixed(10, 0, 2000, 10000);
	fair = sim_fair(100, 0);
	sim_boot(fair, SIM_FOREVER, 0);
	sim_boot(f, SIM_FOREVER, 0);
	sim_for(1000 * SIM_MS);
	assert_int_equal(f->ran, 200 * SIM_MS);
	assert_int_equal(fair->ran, 800 * SIM_MS);
	sim_end();

	/* Alone as well: the CPU idles rather than give it more. */
	sim_start(1);
	f = sim_fixed(10, 0, 2000, 10000);
	sim_boot(f, SIM_FOREVER, 0);
	sim_for(1000 * SIM_MS);
	assert_int_equal(f->ran, 200 * SIM_MS);
	assert_near(pcpus[0].idle_ticks, 800 * SIM_MS, 15);
	sim_end();
}

/* Deferrable: unused budget is kept within a period, lost at its end; a new period in the middle
 * of a run gives the whole budget again. */
static void test_budget_periods(void **state)
{
	struct sim_guest *f;

	(void)state;
	sim_start(1);
	f = sim_fixed(10, 0, 2000, 10000);
	sim_boot(f, 1 * SIM_MS, 28 * SIM_MS); /* runs 0..1, sleeps 1..29 */
	f->run = 10 * SIM_MS;
	sim_for(29 * SIM_MS);
	sim_for(1 * SIM_MS); /* 29..30: at the end of period 3 */
	assert_int_equal(f->ran, 2 * SIM_MS);
	sim_for(10 * SIM_MS); /* period 4: 30..32, and no more */
	assert_int_equal(f->ran, 4 * SIM_MS);
	sim_for(2 * SIM_MS); /* 40..42 */
	assert_int_equal(f->ran, 6 * SIM_MS);
	sim_end();
}

/* On four CPUs, four CPU-bound guests get one each, and eight of equal weight all get half. */
static void test_spread(void **state)
{
	struct sim_guest *g[8];

	(void)state;
	sim_start(4);
	for (unsigned i = 0; i < 4; i++) {
		g[i] = sim_fair(100, 0);
		sim_boot(g[i], SIM_FOREVER, 0);
	}
	sim_for(100 * SIM_MS);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(g[i]->ran, 100 * SIM_MS);
		assert_int_equal(g[i]->loads, 1);
	}
	for (unsigned i = 4; i < 8; i++) {
		g[i] = sim_fair(100, 0);
		sim_boot(g[i], SIM_FOREVER, 0);
	}
	sim_for(1000 * SIM_MS);
	for (unsigned i = 4; i < 8; i++) assert_near(g[i]->ran, 500 * SIM_MS, 10);
	sim_end();
}

/* More than there are CPUs: each gets its part of all of them, whatever it shares a CPU with. */
static void test_balance(void **state)
{
	struct sim_guest *g[7];

	(void)state;
	for (unsigned n = 5; n <= 7; n++) {
		sim_start(4);
		for (unsigned i = 0; i < n; i++) {
			g[i] = sim_fair(100, 0);
			sim_boot(g[i], SIM_FOREVER, 0);
		}
		for (unsigned round = 1; round <= 5; round++) {
			sim_for(1000 * SIM_MS);
			for (unsigned i = 0; i < n; i++)
				assert_near(g[i]->ran, round * 4000 * SIM_MS / n, 30 / round);
		}
		/* Where nobody waits, an interrupt is a question by who has one that waits. */
		for (unsigned i = 0; i < 4; i++) assert_true(sim_irqs[i] < 5000);
		for (unsigned i = 0; i < 4; i++) assert_int_equal(pcpus[i].idle_ticks, 0);
		sim_end();
	}
}

/* By weight, as far as that is possible: what is more than a CPU goes to the others. */
static void test_balance_weights(void **state)
{
	static const uint32_t weight[] = {100, 200, 300, 100, 50, 400};
	struct sim_guest *g[ARRAY_SIZE(weight)];

	(void)state;
	sim_start(3);
	for (unsigned i = 0; i < ARRAY_SIZE(weight); i++) {
		g[i] = sim_fair(weight[i], 0);
		sim_boot(g[i], SIM_FOREVER, 0);
	}
	sim_for(6000 * SIM_MS);
	for (unsigned i = 0; i < 5; i++)
		assert_near(g[i]->ran, 12000 * SIM_MS * weight[i] / 750, 30);
	assert_near(g[5]->ran, 6000 * SIM_MS, 10);
	sim_end();
}

/* With bonds, a sleeper and a fixed one in between; and a fixed one that waits finds the CPU where
 * only fair ones are. */
static void test_balance_mixed(void **state)
{
	struct sim_guest *g[6];

	(void)state;
	sim_start(4);
	for (unsigned i = 0; i < 5; i++) {
		g[i] = sim_fair(100, i < 2 ? BIT(0) | BIT(1) : 0);
		sim_boot(g[i], i == 1 ? 3 * SIM_MS : SIM_FOREVER, i == 1 ? 1 * SIM_MS : 0);
	}
	sim_for(3000 * SIM_MS);
	for (unsigned i = 0; i < 5; i++)
		if (i != 1) assert_near(g[i]->ran, (12000 * SIM_MS - g[1]->ran) / 4, 20);
	assert_true(g[1]->ran > 1500 * SIM_MS);
	sim_end();

	sim_start(4);
	for (unsigned i = 0; i < 4; i++) {
		g[i] = sim_fair(100, 0);
		sim_boot(g[i], SIM_FOREVER, 0);
	}
	g[4] = sim_fixed(5, BIT(0), 0, 0);
	g[5] = sim_fixed(5, BIT(0) | BIT(3), 0, 0);
	sim_boot(g[4], SIM_FOREVER, 0);
	sim_boot(g[5], SIM_FOREVER, 0);
	sim_for(2000 * SIM_MS);
	assert_near(g[4]->ran, 2000 * SIM_MS, 10);
	assert_near(g[5]->ran, 2000 * SIM_MS, 20);
	for (unsigned i = 0; i < 4; i++) assert_near(g[i]->ran, 1000 * SIM_MS, 30);
	sim_end();
}

/* Bound to CPU 2 it runs nowhere else, even when that starves it and others idle. */
static void test_affinity(void **state)
{
	struct sim_guest *a, *b, *c;

	(void)state;
	sim_start(4);
	a = sim_fair(100, BIT(2));
	b = sim_fair(100, BIT(2));
	c = sim_fair(100, BIT(2) | BIT(3));
	sim_boot(a, SIM_FOREVER, 0);
	sim_boot(b, SIM_FOREVER, 0);
	sim_boot(c, 3 * SIM_MS, 1 * SIM_MS);
	sim_for(1000 * SIM_MS);
	assert_int_equal(a->cpus_seen, BIT(2));
	assert_int_equal(b->cpus_seen, BIT(2));
	assert_int_equal(c->cpus_seen, BIT(3));
	assert_near(a->ran, 500 * SIM_MS, 10);
	assert_near(c->ran, 750 * SIM_MS, 10);
	sim_end();
}

static void stop_vcpu(void *arg) { vcpu_stop(arg); }

/* When a CPU falls idle it takes over a waiting vCPU; nobody waits while a CPU idles. */
static void test_pull(void **state)
{
	struct sim_guest *a, *b, *c;
	uint64_t a0, c0;

	(void)state;
	sim_start(2);
	a = sim_fair(100, 0);
	b = sim_fair(100, 0);
	c = sim_fair(100, 0);
	sim_boot(a, SIM_FOREVER, 0);
	sim_boot(b, SIM_FOREVER, 0);
	sim_boot(c, SIM_FOREVER, 0);
	sim_for(100 * SIM_MS);
	sim_on(b->v.cpu, stop_vcpu, &b->v);
	assert_true(vcpu_is_out(&b->v));
	a0 = a->ran;
	c0 = c->ran;
	sim_for(500 * SIM_MS);
	assert_near(a->ran - a0, 500 * SIM_MS, 10);
	assert_near(c->ran - c0, 500 * SIM_MS, 10);
	assert_int_equal(pcpus[0].nr_ready + pcpus[1].nr_ready, 0);
	sim_on(a->v.cpu, stop_vcpu, &a->v);
	sim_on(c->v.cpu, stop_vcpu, &c->v);
	assert_int_equal(pcpus[0].nr_ready + pcpus[1].nr_ready, 0);
	sim_end();
}

/* Woken while its home is busy and another CPU idles: goes there at once. */
static void test_wake_elsewhere(void **state)
{
	struct sim_guest *a, *s;

	(void)state;
	sim_start(2);
	s = sim_fair(100, 0);
	a = sim_fair(100, BIT(0));
	sim_boot(s, 1 * SIM_MS, 10 * SIM_MS); /* on CPU 0, sleeps there */
	sim_for(5 * SIM_MS);
	sim_boot(a, SIM_FOREVER, 0);
	sim_for(1000 * SIM_MS);
	assert_int_equal(a->loads, 1);
	assert_int_equal(s->cpus_seen, BIT(0) | BIT(1));
	assert_int_equal(s->wake_max, 0);
	assert_near(a->ran, 1000 * SIM_MS, 1);
	sim_end();
}

/* vcpu_stop() in each state, from its own and from another CPU: out in bounded time, and then it
 * can start again. */
static void test_stop(void **state)
{
	enum { RUNNING, WAITING, ASLEEP_LOADED, ASLEEP_SAVED, THROTTLED, NEVER_STARTED, CASES };

	(void)state;
	for (unsigned i = 0; i < 2 * CASES; i++) {
		unsigned from = i / CASES, what = i % CASES;
		struct sim_guest *g, *other;

		sim_start(2);
		other = sim_fixed(9, BIT(1), 0, 0);
		g = what == THROTTLED ? sim_fixed(20, BIT(1), 1000, 1000000)
		                      : sim_fair(100, BIT(1));
		if (what == WAITING) sim_boot(other, SIM_FOREVER, 0);
		if (what != NEVER_STARTED) {
			bool sleeper = what == ASLEEP_LOADED || what == ASLEEP_SAVED;

			sim_boot(g, sleeper ? 1 * SIM_MS : SIM_FOREVER,
			         sleeper ? 10000 * SIM_MS : 0);
		}
		sim_for(2 * SIM_MS);
		if (what == ASLEEP_SAVED) sim_boot(other, SIM_FOREVER, 0);
		sim_for(2 * SIM_MS);
		assert_int_equal(g->v.state, what == RUNNING         ? VCPU_RUNNING
		                             : what == WAITING       ? VCPU_READY
		                             : what == THROTTLED     ? VCPU_READY
		                             : what == NEVER_STARTED ? VCPU_OFF
		                                                     : VCPU_BLOCKED);
		assert_int_equal(
		    g->v.loaded_on,
		    what == WAITING || what == ASLEEP_SAVED || what == NEVER_STARTED ? -1 : 1);
		sim_on(from, stop_vcpu, &g->v);
		assert_true(vcpu_is_out(&g->v));
		assert_int_equal(g->v.state, VCPU_OFF);
		assert_int_equal(g->v.loaded_on, -1);
		assert_ptr_not_equal(pcpus[1].loaded, &g->v);
		/* Wake-ups do not bring it back. */
		deadline_cancel(&g->alarm);
		vcpu_wake(&g->v);
		vcpu_kick(&g->v, VCPU_WORK_VGIC);
		sim_for(5 * SIM_MS);
		assert_int_equal(g->v.state, VCPU_OFF);
		if (what == WAITING || what == ASLEEP_SAVED) sim_on(0, stop_vcpu, &other->v);
		g->alarm_at = 0;
		sim_boot(g, SIM_FOREVER, 0);
		sim_for(1 * SIM_MS / 2);
		assert_int_equal(g->v.state, VCPU_RUNNING);
		sim_end();
	}
}

static void wake_both(void *arg)
{
	struct sim_guest **g = arg;

	for (unsigned i = 0; i < 2; i++) vcpu_wake(&g[i]->v);
}

/* Two wake at once on CPU 0. The one that lost is still loaded there: the idle CPU takes it as soon
 * as it is saved. */
static void test_offer(void **state)
{
	struct sim_guest *g[2];

	(void)state;
	sim_start(2);
	g[0] = sim_fixed(1, BIT(0), 0, 0);
	g[1] = sim_fair(100, 0);
	for (unsigned i = 0; i < 2; i++) {
		sim_boot(sim_fair(100, BIT(1)), 1,
		         1000 * SIM_MS); /* so that g[1] starts on CPU 0 */
	}
	sim_boot(g[0], 1 * SIM_MS, 1000 * SIM_MS);
	sim_for(2 * SIM_MS);
	sim_boot(g[1], 1 * SIM_MS, 1000 * SIM_MS);
	sim_for(3 * SIM_MS);
	assert_ptr_equal(pcpus[0].loaded, &g[1]->v);
	for (unsigned i = 0; i < 2; i++) {
		deadline_cancel(&g[i]->alarm);
		g[i]->alarm_at = 0;
		g[i]->left = g[i]->run = SIM_FOREVER;
	}
	sim_on(0, wake_both, g);
	sim_for(100 * SIM_MS);
	assert_int_equal(g[0]->ran, 101 * SIM_MS);
	assert_int_equal(g[1]->ran, 101 * SIM_MS);
	assert_int_equal(g[1]->v.cpu, 1);
	sim_end();
}

/* Virtual time is each CPU's own, and runs fast where little weight is: who moves between CPUs with
 * different histories gets its share in the end, no more and no less. */
static void test_clocks(void **state)
{
	struct sim_guest *a, *b, *c, *d, *e;
	uint64_t a0, b0;

	(void)state;
	sim_start(2);
	c = sim_fair(1, BIT(1));
	e = sim_fair(1, BIT(1));
	a = sim_fair(100, BIT(0));
	b = sim_fair(100, 0);
	d = sim_fair(100, BIT(1));
	sim_boot(c, SIM_FOREVER, 0);
	sim_boot(e, SIM_FOREVER, 0);
	sim_for(10000 * SIM_MS);
	sim_boot(a, SIM_FOREVER, 0);
	sim_boot(b, SIM_FOREVER, 0);
	sim_for(1000 * SIM_MS);
	/* Two of weight 1 are no load: b is on their CPU. */
	assert_near(a->ran, 990 * SIM_MS, 20);
	assert_near(b->ran, 980 * SIM_MS, 20);
	sim_on(0, stop_vcpu, &c->v);
	sim_on(0, stop_vcpu, &e->v);
	sim_boot(d, SIM_FOREVER, 0);
	a0 = a->ran;
	b0 = b->ran;
	sim_for(1500 * SIM_MS);
	assert_near(a->ran - a0, 1000 * SIM_MS, 30);
	assert_near(b->ran - b0, 1000 * SIM_MS, 30);
	assert_near(d->ran, 1000 * SIM_MS, 30);
	sim_end();
}

static void do_off(struct sim_guest *g) { sched_off(&g->v); }

static void start_vcpu(void *arg) { sched_start(arg); }

/* CPU_OFF and CPU_ON. */
static void test_off_on(void **state)
{
	struct sim_guest *g;

	(void)state;
	sim_start(2);
	g = sim_fair(100, 0);
	g->done = do_off;
	sim_boot(g, 3 * SIM_MS, 0);
	for (unsigned i = 1; i < 10; i++) {
		sim_for(10 * SIM_MS);
		assert_true(vcpu_is_out(&g->v));
		assert_int_equal(g->ran, i * 3 * SIM_MS);
		assert_int_equal(pcpus[0].nr_ready + pcpus[1].nr_ready, 0);
		sim_on(i & 1, start_vcpu, &g->v);
	}
	sim_for(10 * SIM_MS);
	sim_end();
}

static void do_yield(struct sim_guest *g) { sched_yield(&g->v); }

/* Who yields lets its equals run at once; alone it goes on. */
static void test_yield(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim_guest *y, *o;

		sim_start(1);
		y = i ? sim_fixed(3, 0, 0, 0) : sim_fair(100, 0);
		o = i ? sim_fixed(3, 0, 0, 0) : sim_fair(100, 0);
		y->done = do_yield;
		sim_boot(y, 10 * SIM_US, 0);
		sim_for(10 * SIM_MS);
		assert_int_equal(y->ran, 10 * SIM_MS);
		sim_boot(o, SIM_FOREVER, 0);
		sim_for(100 * SIM_MS);
		assert_true(o->ran > 95 * SIM_MS);
		assert_true(y->ran > 10 * SIM_MS);
		sim_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_weights),
	    cmocka_unit_test(test_many_weights),
	    cmocka_unit_test(test_nothing_ticks),
	    cmocka_unit_test(test_tick_only_while_two),
	    cmocka_unit_test(test_idle_in_place),
	    cmocka_unit_test(test_wake_latency),
	    cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_fixed_started_apart),
	    cmocka_unit_test(test_management_priority),
	    cmocka_unit_test(test_budget),
	    cmocka_unit_test(test_budget_periods),
	    cmocka_unit_test(test_spread),
	    cmocka_unit_test(test_balance),
	    cmocka_unit_test(test_balance_weights),
	    cmocka_unit_test(test_balance_mixed),
	    cmocka_unit_test(test_affinity),
	    cmocka_unit_test(test_pull),
	    cmocka_unit_test(test_wake_elsewhere),
	    cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_offer),
	    cmocka_unit_test(test_clocks),
	    cmocka_unit_test(test_off_on),
	    cmocka_unit_test(test_yield),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
