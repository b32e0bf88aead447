/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All CPUs of the VM: started by PSCI, counting under one spinlock, and playing ping-pong with SGIs
 * between every pair. increments=N per CPU, barriers=N, rounds=N per pair, restarts=N of every CPU.
 */
#include <errno.h>
#include <reent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uk.h>

#define SGI_BALL 1u
#define SGI_WAKE 2u

static unsigned nr_cpus, rounds;
static uint64_t increments;

static uk_spinlock_t lock;
static uint64_t counter; /* guarded by lock; not atomic on purpose */
static unsigned in_section;
static bool overlap;

static unsigned arrived, finished, libc_wrong;

static uk_barrier_t barrier;
static unsigned barriers, steps[UK_MAX_CPUS], out_of_step;

/* The pair that plays; hits counts each CPU's balls received. */
static unsigned server, receiver;
static unsigned hits[UK_MAX_CPUS];
static bool playing, game_over;

static unsigned load(unsigned *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }

static void count(void)
{
	for (uint64_t i = 0; i < increments; i++) {
		uint64_t daif = uk_irq_save();

		uk_spin_lock(&lock);
		overlap = overlap || __atomic_fetch_add(&in_section, 1, __ATOMIC_RELAXED) != 0;
		counter++;
		__atomic_fetch_sub(&in_section, 1, __ATOMIC_RELAXED);
		uk_spin_unlock(&lock);
		uk_irq_restore(daif);
	}
}

/*
 * newlib on all CPUs at once: every CPU has its own errno and its own number formatting state, and
 * malloc is shared.
 */
static void use_libc(void)
{
	unsigned me = uk_cpu_id();
	unsigned bad = 0;

	if (__errno() != &_REENT->_errno)
		bad = 1; /* a newlib without __DYNAMIC_REENT__: it would corrupt itself below */
	for (unsigned i = 0; i < 500 && bad == 0; i++) {
		double x = (me + 1) * 1.1 + i;
		char *buf = malloc(40 + i);

		if (!buf) {
			bad++;
			continue;
		}
		memset(buf, (int)me, 40 + i);
		snprintf(buf, 40, "%.17g", x);
		bad += strtod(buf, NULL) != x;
		bad += buf[39 + i] != (char)me;
		errno = (int)me + 1;
		free(buf);
		bad += errno != (int)me + 1;
	}
	__atomic_add_fetch(&libc_wrong, bad, __ATOMIC_ACQ_REL);
}

/* In step: between two barriers every CPU has taken the same number of steps. */
static void march(void)
{
	for (unsigned i = 1; i <= barriers; i++) {
		steps[uk_cpu_id()] = i; /* not atomic on purpose */
		uk_barrier_wait(&barrier, nr_cpus);
		for (unsigned cpu = 0; cpu < nr_cpus; cpu++)
			if (steps[cpu] != i) __atomic_add_fetch(&out_of_step, 1, __ATOMIC_RELAXED);
		uk_barrier_wait(&barrier, nr_cpus);
	}
}

/* A ball came: hit it back until this rally's rounds are done. */
static void on_ball(unsigned intid, void *arg)
{
	unsigned me = uk_cpu_id();
	unsigned n = __atomic_add_fetch(&hits[me], 1, __ATOMIC_ACQ_REL);

	(void)arg;
	if (me == receiver) {
		uk_sgi_send(server, intid);
	} else if (n < rounds) {
		uk_sgi_send(receiver, intid);
	} else {
		__atomic_store_n(&playing, false, __ATOMIC_RELEASE);
		uk_sgi_send(0, SGI_WAKE);
	}
}

static void on_wake(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
}

static void other_cpu(void *arg)
{
	uint64_t daif;

	(void)arg;
	uk_irq_enable(SGI_BALL);
	uk_irq_enable(SGI_WAKE);
	__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
	while (load(&arrived) < nr_cpus) uk_cpu_relax();
	count();
	march();
	use_libc();
	__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL);
	uk_sgi_send(0, SGI_WAKE);
	daif = uk_irq_save();
	while (!__atomic_load_n(&game_over, __ATOMIC_ACQUIRE)) uk_wfi();
	uk_irq_restore(daif);
}

/* Sleep until *flag == want; whoever changes it sends SGI_WAKE. */
static void wait_for(unsigned *p, unsigned want)
{
	uint64_t daif = uk_irq_save();

	while (load(p) != want) uk_wfi();
	uk_irq_restore(daif);
}

static void rally(unsigned a, unsigned b)
{
	uint64_t daif = uk_irq_save();

	server = a;
	receiver = b;
	hits[a] = hits[b] = 0;
	__atomic_store_n(&playing, true, __ATOMIC_RELEASE);
	uk_sgi_send(b, SGI_BALL);
	while (__atomic_load_n(&playing, __ATOMIC_ACQUIRE)) uk_wfi();
	uk_irq_restore(daif);
}

/* Start every other CPU; false and a message when one refuses. */
static bool start_all(void (*fn)(void *))
{
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) {
		int err = uk_cpu_start(cpu, fn, NULL);

		if (err) {
			printf("smp: cpu %u does not start: PSCI error %d\n", cpu, err);
			return false;
		}
	}
	return true;
}

static void wait_all_off(void)
{
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++)
		while (!uk_cpu_is_off(cpu)) uk_sleep_us(100);
}

static void once(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
}

int main(int argc, char **argv)
{
	unsigned restarts = (unsigned)uk_arg_u64(argc, argv, "restarts", 3);
	unsigned pairs = 0, balls = 0, wrong = 0, starts;
	bool ok;

	increments = uk_arg_u64(argc, argv, "increments", 20000);
	barriers = (unsigned)uk_arg_u64(argc, argv, "barriers", 20);
	rounds = (unsigned)uk_arg_u64(argc, argv, "rounds", 50);
	rounds = rounds ? rounds : 1;
	nr_cpus = uk_machine()->nr_cpus;
	uk_irq_register(SGI_BALL, on_ball, NULL);
	uk_irq_register(SGI_WAKE, on_wake, NULL);

	if (!start_all(other_cpu)) return 1;
	if (nr_cpus > 1 && uk_cpu_start(1, once, NULL) == 0) {
		printf("smp: a running CPU was started again\n");
		return 1;
	}
	__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL);
	while (load(&arrived) < nr_cpus) uk_cpu_relax();
	printf("smp: %u cpus on\n", nr_cpus);
	count();
	march();
	use_libc();
	wait_for(&finished, nr_cpus - 1);
	printf("smp: counter %lu of %lu%s\n", counter, increments * nr_cpus,
	       overlap ? ", lock held twice" : "");
	printf("smp: %u barriers, %u out of step\n", barriers, out_of_step);
	printf("smp: libc on %u cpus, %u wrong\n", nr_cpus, load(&libc_wrong));
	ok = load(&libc_wrong) == 0 && out_of_step == 0 && counter == increments * nr_cpus &&
	     !overlap;

	for (unsigned a = 0; a < nr_cpus; a++) {
		for (unsigned b = 0; b < nr_cpus; b++) {
			if (a != b) {
				rally(a, b);
				pairs++;
				balls += hits[a] + hits[b];
				wrong += hits[a] != rounds || hits[b] != rounds;
			}
		}
	}
	printf("smp: %u pairs, %u of %u interrupts\n", pairs, balls, pairs * rounds * 2);
	ok = ok && wrong == 0;

	__atomic_store_n(&game_over, true, __ATOMIC_RELEASE);
	for (unsigned cpu = 1; cpu < nr_cpus; cpu++) uk_sgi_send(cpu, SGI_WAKE);
	wait_all_off();
	arrived = 0;
	for (unsigned i = 0; i < restarts; i++) {
		if (!start_all(once)) return 1;
		wait_all_off();
	}
	starts = (nr_cpus - 1) * restarts;
	printf("smp: %u of %u restarts\n", load(&arrived), starts);
	ok = ok && load(&arrived) == starts;
	printf("smp: %s\n", ok ? "ok" : "FAILED");
	return ok ? 0 : 1;
}
