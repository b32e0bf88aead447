/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler tests' machine: see sched_sim.h. Its exit loop is that of arch/arm64/trap.c.
 */
/* The C library has a sched_yield() of its own: ours is renamed in these tests (cflags). */
#undef sched_yield
#include <pthread.h>
#define sched_yield hyp_sched_yield
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arch/cpu.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/irq.h>
#include <hyp/pcpu.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/timer.h>
#include "sched_sim.h"

#define MAX_GUESTS 32u
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "sim: %s (line %d, t=%llu, cpu %u)\n", #x, __LINE__,       \
			        (unsigned long long)fake_now, fake_pcpu ? fake_pcpu->id : 99);     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct vm *vms[MAX_VMS];
unsigned sim_irqs[MAX_PCPUS];

static struct cpu {
	pthread_t thread;
	pthread_cond_t go;
	uint64_t wake_at;
	uint64_t regs;           /* what the CPU holds of p->loaded */
	struct sim_guest *guest; /* runs, since then */
	uint64_t since;
	bool masked; /* busy in EL2 */
	void (*call)(void *arg);
	void *arg;
} cpus[MAX_PCPUS];
static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t back = PTHREAD_COND_INITIALIZER;
static int running = -1; /* CPU that has the baton; -1: the test */
static bool quit, on;
static struct sim_guest guests[MAX_GUESTS];
static unsigned nr_guests;

static bool pending(unsigned i) { return fake_sgi[i] || cpus[i].call || fake_cnthp[i] <= fake_now; }

static bool takes(unsigned i) { return pending(i) && !cpus[i].masked; }

/* What the guest on that CPU did up to now. */
static void settle(struct cpu *c)
{
	if (c->guest) {
		uint64_t ticks = fake_now - c->since;

		c->since = fake_now;
		c->guest->left -= ticks;
		c->guest->ran += ticks;
		c->regs += ticks;
	}
}

/* The CPU's thread gives the baton back until something happens or the counter is `until`. */
static void wait_event(uint64_t until)
{
	unsigned id = this_pcpu()->id;
	struct cpu *c = &cpus[id];

	MUST(fake_locks_held() == 0);
	c->wake_at = until;
	running = -1;
	pthread_cond_signal(&back);
	while (running != (int)id) {
		if (quit) {
			pthread_mutex_unlock(&baton);
			pthread_exit(NULL);
		}
		pthread_cond_wait(&c->go, &baton);
	}
	fake_pcpu = &pcpus[id];
}

void arch_cpu_idle(void)
{
	unsigned id = this_pcpu()->id;

	MUST(!this_pcpu()->loaded || this_pcpu()->loaded->state != VCPU_RUNNING);
	while (!pending(id)) wait_event(fake_cnthp[id]);
}

void irq_handle(void)
{
	unsigned id = this_pcpu()->id;
	struct cpu *c = &cpus[id];

	if (!pending(id)) return;
	sim_irqs[id]++;
	fake_sgi[id] = false;
	if (c->call) {
		void (*fn)(void *arg) = c->call;

		c->call = NULL;
		fn(c->arg);
	}
	if (fake_cnthp[id] <= fake_now) deadline_irq();
}

/* Other CPUs run until the counter is `until`, at least those that have interrupts now. */
static void let_others(uint64_t until)
{
	struct cpu *c = &cpus[this_pcpu()->id];

	c->masked = true;
	do {
		wait_event(until);
	} while (fake_now < until);
	c->masked = false;
}

void sim_spend(uint64_t ticks) { let_others(fake_now + ticks); }

static struct sim_guest *guest_of(struct vcpu *v) { return container_of(v, struct sim_guest, v); }

/* arch/arm64/trap.c: pick() and trap_exit_slow(). */
static void exit_slow(struct pcpu *p)
{
	struct cpu *c = &cpus[p->id];

	for (;;) {
		struct vcpu *next = sched_next();
		struct vcpu *old = p->loaded;

		MUST(fake_locks_held() == 0);
		MUST(!next || next->state == VCPU_RUNNING);
		if (!next || next != old) {
			MUST(next || old);
			if (old) {
				/* Others, if they have interrupts, get in before it is saved. */
				let_others(fake_now);
				guest_of(old)->regs = c->regs;
				p->loaded = NULL;
				sched_saved(old);
			}
			if (!next) continue;
			MUST(next->loaded_on == -1 && next->cpu == p->id);
			MUST((next->affinity & BIT(p->id)) != 0);
			p->loaded = next;
			store_relaxed(&next->loaded_on, (int32_t)p->id);
			c->regs = guest_of(next)->regs;
			guest_of(next)->loads++;
			guest_of(next)->cpus_seen |= 1u << p->id;
		}
		if (load_relaxed(&next->work) & VCPU_WORK_VGIC)
			atomic_fetch_and_full(&next->work, ~VCPU_WORK_VGIC);
		if (p->work == 0 && next->work == 0) return;
	}
}

static void guest_done(struct sim_guest *g)
{
	g->left = g->run;
	if (g->done) {
		g->done(g);
	} else if (g->sleep != 0) {
		g->alarm_at = fake_now + g->sleep;
		deadline_set(&g->alarm, g->alarm_at);
		sched_block(&g->v);
	}
}

static void *cpu_main(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	struct pcpu *p = &pcpus[id];

	pthread_mutex_lock(&baton);
	fake_pcpu = p;
	wait_event(fake_now);
	exit_slow(p);
	for (;;) {
		struct sim_guest *g = guest_of(p->loaded);
		struct cpu *c = &cpus[id];

		MUST(g->v.state == VCPU_RUNNING && g->v.loaded_on == (int32_t)id);
		if (g->alarm_at != 0) {
			uint64_t late = fake_now - g->alarm_at;

			g->wakes++;
			g->wake_sum += late;
			g->wake_max = MAX(g->wake_max, late);
			g->alarm_at = 0;
		}
		c->guest = g;
		c->since = fake_now;
		if (!pending(id)) wait_event(MIN(fake_cnthp[id], fake_now + g->left));
		settle(c);
		c->guest = NULL;
		irq_handle();
		if (g->left == 0) guest_done(g);
		if (load_relaxed(&p->work) || load_relaxed(&g->v.work)) exit_slow(p);
	}
	return NULL;
}

static void give(unsigned id)
{
	running = (int)id;
	pthread_cond_signal(&cpus[id].go);
	while (running != -1) pthread_cond_wait(&back, &baton);
	fake_pcpu = &pcpus[0];
}

void sim_until(uint64_t when)
{
	for (;;) {
		unsigned best = MAX_PCPUS;

		for (unsigned i = 0; i < nr_pcpus; i++) {
			if (takes(i)) {
				best = i;
				break;
			}
			if (best == MAX_PCPUS || cpus[i].wake_at < cpus[best].wake_at) best = i;
		}
		if (!takes(best) && cpus[best].wake_at > fake_now) {
			if (cpus[best].wake_at > when) {
				fake_now = when;
				for (unsigned i = 0; i < nr_pcpus; i++) settle(&cpus[i]);
				return;
			}
			fake_now = cpus[best].wake_at;
		}
		give(best);
	}
}

void sim_for(uint64_t ticks) { sim_until(fake_now + ticks); }

void sim_on(unsigned cpu, void (*fn)(void *arg), void *arg)
{
	cpus[cpu].arg = arg;
	cpus[cpu].call = fn;
	sim_for(0);
	while (cpus[cpu].call) sim_for(SIM_US); /* it is busy in EL2 */
}

static void halt(void)
{
	quit = true;
	on = false;
	for (unsigned i = 0; i < nr_pcpus; i++) pthread_cond_signal(&cpus[i].go);
	pthread_mutex_unlock(&baton);
	for (unsigned i = 0; i < nr_pcpus; i++) pthread_join(cpus[i].thread, NULL);
}

void sim_start(unsigned n)
{
	if (on) halt(); /* the last test failed in the middle */
	fake_reset();
	fake_log_on(false);
	fake_timer_reset();
	fake_now = 1000;
	memset(pcpus, 0, sizeof(pcpus));
	memset(cpus, 0, sizeof(cpus));
	memset(guests, 0, sizeof(guests));
	memset(sim_irqs, 0, sizeof(sim_irqs));
	memset(vms, 0, sizeof(vms));
	nr_guests = 0;
	nr_pcpus = n;
	quit = false;
	on = true;
	pthread_mutex_lock(&baton);
	for (unsigned i = 0; i < n; i++) {
		pcpus[i].id = i;
		pcpus[i].online = true;
		fake_pcpu = &pcpus[i];
		deadline_cpu_init();
		sched_cpu_init();
		pthread_cond_init(&cpus[i].go, NULL);
		cpus[i].wake_at = TIMER_NEVER;
		running = (int)i;
		MUST(pthread_create(&cpus[i].thread, NULL, cpu_main, (void *)(uintptr_t)i) == 0);
		while (running != -1) pthread_cond_wait(&back, &baton);
	}
	fake_pcpu = &pcpus[0];
	sim_for(0);
}

uint64_t sim_run_ticks(const struct sim_guest *g)
{
	uint64_t since = fake_now - pcpus[g->v.cpu].stamp;

	return g->v.se.run_ticks + (g->v.state == VCPU_RUNNING ? since : 0);
}

void sim_end(void)
{
	/* What the machine measured and what the scheduler accounted are the same, to the tick. */
	for (unsigned i = 0; i < nr_guests; i++) {
		struct sim_guest *g = &guests[i];
		int32_t on = g->v.loaded_on;

		fake_pcpu = &pcpus[0];
		if (g->v.state != VCPU_RUNNING) MUST(g->v.se.run_ticks == g->ran);
		MUST((on >= 0 ? cpus[on].regs : g->regs) == g->ran);
	}
	halt();
}

static void alarm_fire(struct deadline *d, uint64_t now)
{
	(void)now;
	vcpu_wake(&container_of(d, struct sim_guest, alarm)->v);
}

static const struct deadline_ops alarm_ops = {alarm_fire};

static struct sim_guest *add(struct vm_config cfg)
{
	struct sim_guest *g = &guests[nr_guests];

	MUST(nr_guests < MAX_GUESTS);
	g->cfg = cfg;
	if (g->cfg.affinity == 0) g->cfg.affinity = UINT64_MAX;
	g->vm.cfg = &g->cfg;
	g->vm.nr_vcpus = 1;
	g->vm.vcpus[0] = &g->v;
	snprintf(g->vm.name, sizeof(g->vm.name), "guest%u", nr_guests);
	g->v.vm = &g->vm;
	deadline_init(&g->alarm, &alarm_ops);
	sched_vcpu_init(&g->v, &g->cfg);
	vms[nr_guests++] = &g->vm;
	return g;
}

struct sim_guest *sim_fair(uint32_t weight, uint64_t affinity)
{
	return add((struct vm_config){.sched = SCHED_FAIR, .weight = weight, .affinity = affinity});
}

struct sim_guest *sim_fixed(uint32_t priority, uint64_t affinity, uint32_t budget_us,
                            uint32_t period_us)
{
	return add((struct vm_config){.sched = SCHED_FIXED,
	                              .priority = priority,
	                              .affinity = affinity,
	                              .budget_us = budget_us,
	                              .period_us = period_us});
}

void sim_boot(struct sim_guest *g, uint64_t run, uint64_t sleep)
{
	g->run = run;
	g->left = run;
	g->sleep = sleep;
	fake_pcpu = &pcpus[0];
	sched_start(&g->v);
	/* Called from outside of the machine: what CPU 0 did for itself comes as an interrupt. */
	fake_sgi[0] = true;
	sim_for(0);
}
