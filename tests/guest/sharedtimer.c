/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU that is preempted within its timer handler, with the interrupt active, must not silence
 * the timer of the next one on the same host CPU: every vCPU stays in each handler for longer than
 * a slice. fires=N, hold_us=N, timer=virt|phys.
 */
#include <stdio.h>

#include "tg.h"

static unsigned fires;
static uint64_t hold;
static enum uk_timer timer;
static volatile uint32_t started, finished;
static struct {
	volatile uint32_t fired, preempted;
	uint64_t longest; /* between two handlers */
	uint64_t last;
} cpus[UK_MAX_CPUS];

/* Spins without an exit; a hole in time is another vCPU's. */
static void on_timer(void *arg)
{
	unsigned me = uk_cpu_id();
	uint64_t begin = uk_ticks(), now = begin, before, hole = 0;

	(void)arg;
	if (begin - cpus[me].last > cpus[me].longest) cpus[me].longest = begin - cpus[me].last;
	while (now - begin < hold) {
		before = now;
		now = uk_ticks();
		hole = now - before > hole ? now - before : hole;
	}
	cpus[me].preempted = cpus[me].preempted + (hole > uk_tick_hz() / 1000000 * 400);
	cpus[me].last = now;
	cpus[me].fired = cpus[me].fired + 1;
	if (cpus[me].fired < fires) uk_timer_start(timer, 1000, false, on_timer, NULL);
}

static void run(void *arg)
{
	unsigned me = uk_cpu_id();

	(void)arg;
	__atomic_add_fetch(&started, 1, __ATOMIC_ACQ_REL);
	tg_until_u32(&started, uk_machine()->nr_cpus, 20000000);
	cpus[me].last = uk_ticks();
	uk_timer_start(timer, 1000, false, on_timer, NULL);
	tg_until_u32(&cpus[me].fired, fires, 30000000);
	__atomic_add_fetch(&finished, 1, __ATOMIC_ACQ_REL);
	/* Company for the others until all are done. */
	tg_until_u32(&finished, uk_machine()->nr_cpus, 30000000);
}

int main(int argc, char **argv)
{
	unsigned preempted = 0;

	tg_start("sharedtimer");
	fires = (unsigned)uk_arg_u64(argc, argv, "fires", 30);
	hold = uk_arg_u64(argc, argv, "hold_us", 5000) * uk_tick_hz() / 1000000;
	timer = uk_arg_flag(argc, argv, "timer=phys") ? UK_TIMER_PHYS : UK_TIMER_VIRT;
	for (unsigned cpu = 1; cpu < uk_machine()->nr_cpus; cpu++) uk_cpu_start(cpu, run, NULL);
	run(NULL);
	for (unsigned cpu = 0; cpu < uk_machine()->nr_cpus; cpu++) {
		printf("sharedtimer: cpu %u: %u handlers, preempted in %u, at most %lu us apart\n",
		       cpu, cpus[cpu].fired, cpus[cpu].preempted,
		       cpus[cpu].longest * 1000000 / uk_tick_hz());
		tg_check(cpus[cpu].fired >= fires, "all handlers ran");
		preempted += cpus[cpu].preempted;
	}
	if (uk_arg_flag(argc, argv, "shared"))
		tg_check(preempted >= fires / 3, "and were preempted");
	return tg_end();
}
