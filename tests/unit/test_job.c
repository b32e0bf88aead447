/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on the simulated machine: shares, idle CPUs, restarts, never on two CPUs.
 * links: hyp/deadline.c hyp/pcpu.c hyp/vcpu_wake.c hyp/sched/core.c hyp/sched/job.c hyp/sched/vcpu.c tests/unit/sched_sim.c tests/fake_arch/fake.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <arch/timer.h>
#include <hyp/job.h>
#include <hyp/pcpu.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/timer.h>
#include "sched_sim.h"

#define STEP (20 * SIM_US)

struct work {
	struct job j;
	unsigned left, steps, done, restarts;
	unsigned cpus_seen;
	bool in_step;
};

static unsigned overlaps, freed;

static bool job_idle(const struct job *j) { return j->starts == 0; }

static bool step(struct job *j)
{
	struct work *w = container_of(j, struct work, j);

	overlaps += w->in_step;
	overlaps += fake_locks_held();
	w->in_step = true;
	w->cpus_seen |= 1u << fake_pcpu->id;
	sim_spend(STEP);
	w->in_step = false;
	w->steps++;
	if (w->restarts != 0) {
		w->restarts--;
		job_start(j);
		return false;
	}
	return w->left != 0 && --w->left != 0;
}

static void done(struct job *j) { container_of(j, struct work, j)->done++; }

static void done_free(struct job *j)
{
	freed++;
	free(container_of(j, struct work, j));
}

/* The machine loses time: its host has something else to do. */
static void done_late(struct job *j)
{
	done(j);
	sim_spend(30 * SIM_MS);
}

static const struct job_ops ops = {step, done};
static const struct job_ops ops_late = {step, done_late};
static const struct job_ops ops_free = {step, done_free};

static void start(void *arg) { job_start(arg); }

static void assert_between(uint64_t x, uint64_t lo, uint64_t hi)
{
	if (x < lo || x > hi) {
		fail_msg("%llu is not in %llu..%llu", (unsigned long long)x, (unsigned long long)lo,
		         (unsigned long long)hi);
	}
}

/* On an idle CPU at once, also when the one that starts it is busy; then all is quiet. */
static void test_idle_cpu(void **state)
{
	struct work w = {.left = 100};
	struct vm_config cfg = {0};
	struct vm payer = {.cfg = &cfg};
	struct sim_guest *g;

	(void)state;
	sim_start(2);
	g = sim_fair(100, BIT(0));
	sim_boot(g, SIM_FOREVER, 0);
	job_init(&w.j, &ops, &payer, 0);
	sim_on(0, start, &w.j);
	assert_false(job_idle(&w.j));
	sim_for(100 * STEP);
	assert_int_equal(w.done, 1);
	assert_int_equal(w.steps, 100);
	assert_int_equal(w.cpus_seen, BIT(1));
	assert_true(job_idle(&w.j));
	assert_int_equal(g->ran, 100 * STEP);
	assert_int_equal(w.j.se.run_ticks, 100 * STEP);
	assert_int_equal(fake_cnthp[0] & fake_cnthp[1], TIMER_NEVER);
	sim_end();
}

/* Against a guest: by weight. */
static void test_share(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct work w = {.left = 1000000};
		struct sim_guest *g;
		uint64_t before;

		sim_start(1);
		g = sim_fair(100, 0);
		sim_boot(g, SIM_FOREVER, 0);
		sim_for(50 * SIM_MS);
		before = g->ran;
		job_init(&w.j, &ops, NULL, i ? 300 : 100);
		sim_on(0, start, &w.j);
		sim_for(2000 * SIM_MS);
		assert_between(g->ran - before, (i ? 490 : 990) * SIM_MS,
		               (i ? 510 : 1010) * SIM_MS);
		assert_between(w.j.se.run_ticks, (i ? 1490 : 990) * SIM_MS,
		               (i ? 1510 : 1010) * SIM_MS);
		/* In slices, and the guest's context stays in the CPU throughout. */
		assert_int_equal(g->loads, 1);
		sim_end();
	}
}

/* Fixed vCPUs go first, but cannot stop the host's own work: a step every 20 ms. */
static void test_behind_fixed(void **state)
{
	/* The management guest as well: no VM that it stops would ever stop. */
	static const uint32_t priorities[] = {31, SCHED_PRIORITY_MANAGEMENT};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(priorities); i++) {
		struct work w = {.left = 1000000};
		struct sim_guest *g, *fair;

		sim_start(1);
		g = sim_fixed(priorities[i], 0, 0, 0);
		fair = sim_fair(10000, 0);
		sim_boot(g, SIM_FOREVER, 0);
		sim_boot(fair, SIM_FOREVER, 0);
		job_init(&w.j, &ops, NULL, 1);
		sim_on(0, start, &w.j);
		sim_for(1000 * SIM_MS);
		assert_between(w.steps, 45, 50);
		assert_int_equal(g->ran, 1000 * SIM_MS - w.steps * STEP);
		assert_int_equal(fair->ran, 0);
		sim_end();
	}
}

/* Several that are due, and are so for long: they are not sorted for ever. */
static void test_all_starved(void **state)
{
	struct work w[3] = {{.left = 1}, {.left = 1}, {.left = 1}};
	struct sim_guest *g;

	(void)state;
	sim_start(1);
	g = sim_fixed(31, 0, 0, 0);
	sim_boot(g, SIM_FOREVER, 0);
	for (unsigned i = 0; i < 3; i++) {
		job_init(&w[i].j, &ops_late, NULL, 1);
		sim_on(0, start, &w[i].j);
	}
	alarm(60);
	sim_for(500 * SIM_MS);
	alarm(0);
	for (unsigned i = 0; i < 3; i++) assert_int_equal(w[i].done, 1);
	sim_end();
}

/* The job of a fixed VM has its priority and its budget. */
static void test_of_fixed_vm(void **state)
{
	struct vm_config cfg = {.sched = SCHED_FIXED, .priority = 5};
	struct vm payer = {.cfg = &cfg};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct work w = {.left = 1000000};
		struct sim_guest *g;

		sim_start(1);
		cfg.budget_us = i == 2 ? 1000 : 0;
		cfg.period_us = i == 2 ? 10000 : 0;
		g = sim_fixed(i == 0 ? 31 : 3, 0, 0, 0);
		sim_boot(g, SIM_FOREVER, 0);
		job_init(&w.j, &ops, &payer, 0);
		sim_on(0, start, &w.j);
		sim_for(1000 * SIM_MS);
		if (i == 0) assert_between(w.steps, 45, 50); /* as any job */
		if (i == 1) assert_true(w.steps * STEP >= 999 * SIM_MS);
		if (i == 2) assert_between(w.steps * STEP, 99 * SIM_MS, 110 * SIM_MS);
		sim_end();
	}
}

/* Who wakes waits for a step at most. */
static void test_latency(void **state)
{
	struct work w = {.left = 1000000};
	struct sim_guest *g, *f;

	(void)state;
	sim_start(1);
	g = sim_fair(100, 0);
	f = sim_fixed(3, 0, 0, 0);
	job_init(&w.j, &ops, NULL, 100);
	sim_on(0, start, &w.j);
	sim_boot(g, 100 * SIM_US, 7 * SIM_MS);
	sim_boot(f, 100 * SIM_US, 11 * SIM_MS);
	sim_for(1000 * SIM_MS);
	assert_true(g->wakes > 100 && f->wakes > 70);
	assert_true(f->wake_max <= STEP);
	assert_true(g->wake_max <= STEP + 100 * SIM_US);
	sim_end();
}

/* Started again within its step: one more step, and done only at the end. */
static void test_restart(void **state)
{
	struct work w = {.restarts = 5};

	(void)state;
	sim_start(1);
	job_init(&w.j, &ops, NULL, 0);
	sim_on(0, start, &w.j);
	sim_for(10 * SIM_MS);
	assert_int_equal(w.steps, 6);
	assert_int_equal(w.done, 1);
	/* And from outside, idle or not. */
	w.left = 10;
	sim_on(0, start, &w.j);
	sim_for(STEP / 2);
	sim_on(0, start, &w.j);
	sim_for(10 * SIM_MS);
	assert_int_equal(w.steps, 16);
	assert_int_equal(w.done, 2);
	sim_end();
}

/* Many starts from all CPUs, with guests that come and go: never two steps at once. */
static void test_one_cpu(void **state)
{
	static struct work w[6];
	unsigned done_steps = 0;

	(void)state;
	sim_start(4);
	overlaps = 0;
	memset(w, 0, sizeof(w));
	for (unsigned i = 0; i < 6; i++) job_init(&w[i].j, &ops, NULL, 50 * (i + 1));
	for (unsigned i = 0; i < 6; i++)
		sim_boot(sim_fair(100, 0), (i + 1) * 300 * SIM_US, i * 70 * SIM_US);
	for (unsigned i = 0; i < 4000; i++) {
		w[i % 6].left = 1 + i % 37;
		sim_on((i * 7) % 4, start, &w[i % 6].j);
		sim_for((i % 11) * 13 * SIM_US);
	}
	sim_for(100 * SIM_MS);
	assert_int_equal(overlaps, 0);
	for (unsigned i = 0; i < 6; i++) {
		assert_true(job_idle(&w[i].j));
		assert_true(w[i].steps > 100);
		assert_int_equal(w[i].left, 0);
		assert_true(w[i].cpus_seen != 1 && (w[i].cpus_seen & (w[i].cpus_seen - 1)) != 0);
		done_steps += w[i].steps;
	}
	assert_true(done_steps > 4000);
	sim_end();
}

/* done() may free it. */
static void test_done_frees(void **state)
{
	(void)state;
	sim_start(2);
	freed = 0;
	for (unsigned i = 0; i < 20; i++) {
		struct work *w = calloc(1, sizeof(*w));

		w->left = 1 + i;
		job_init(&w->j, &ops_free, NULL, 0);
		sim_on(i & 1, start, &w->j);
	}
	sim_for(100 * SIM_MS);
	assert_int_equal(freed, 20);
	sim_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_idle_cpu),     cmocka_unit_test(test_share),
	    cmocka_unit_test(test_behind_fixed), cmocka_unit_test(test_latency),
	    cmocka_unit_test(test_restart),      cmocka_unit_test(test_one_cpu),
	    cmocka_unit_test(test_done_frees),   cmocka_unit_test(test_all_starved),
	    cmocka_unit_test(test_of_fixed_vm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
