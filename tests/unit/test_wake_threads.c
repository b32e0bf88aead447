/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_wake() and vcpu_kick() against sched_block() with real threads: a mailbox each vCPU waits
 * on, CPUs that run the scheduler, senders that fill. A lost wake-up shows as a message nobody
 * takes.
 * links: hyp/deadline.c hyp/pcpu.c hyp/vcpu_wake.c hyp/sched/core.c hyp/sched/job.c hyp/sched/vcpu.c
 * cflags: -Dsched_yield=hyp_sched_yield -DFAKE_THREADS=1
 */
#undef sched_yield
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
static void posix_yield(void) { sched_yield(); }
#define sched_yield hyp_sched_yield

#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/irq.h>
#include <hyp/job.h>
#include <hyp/sched.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>

#define CPUS 3u
#define VCPUS 6u
#define SENDERS 2u
#define SECONDS 2u
#define MUST(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "threads: %s (line %d)\n", #x, __LINE__);                  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

_Thread_local struct pcpu *fake_pcpu;
struct vm *vms[MAX_VMS];

static struct guest {
	struct vcpu v;
	uint32_t mail;  /* messages not yet taken */
	uint32_t users; /* CPUs that run it */
	uint64_t taken;
	uint64_t regs; /* saved; plain, so that a run without a save shows */
	uint32_t last; /* CPU */
	uint64_t moves, busy, until;
} guests[VCPUS];

static struct line {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool sgi;
	uint64_t cnthp;
} lines[MAX_PCPUS];

static bool stop_all;
static uint64_t steps;
static struct job job;

static struct guest *guest_of(struct vcpu *v) { return container_of(v, struct guest, v); }

/* --- the arch, with real threads --- */
void fake_log_token(const char *token)
{
	if (strcmp(token, "dmb ish") == 0) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void spin_lock(spinlock_t *l)
{
	uint16_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket) posix_yield();
}

void spin_unlock(spinlock_t *l)
{
	__atomic_store_n(&l->owner, (uint16_t)(l->owner + 1), __ATOMIC_RELEASE);
}

noreturn void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

uint64_t arch_counter(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t arch_counter_hz(void) { return 1000000000u; }

void arch_timer_set(uint64_t deadline) { lines[fake_pcpu->id].cnthp = deadline; }

void arch_gic_send_sgi(unsigned cpu, enum gic_sgi sgi)
{
	(void)sgi;
	pthread_mutex_lock(&lines[cpu].lock);
	store_relaxed(&lines[cpu].sgi, true);
	pthread_cond_signal(&lines[cpu].cond);
	pthread_mutex_unlock(&lines[cpu].lock);
}

/* WFI: only an SGI or CNTHP ends it, so that a kick that was not sent shows. */
void arch_cpu_idle(void)
{
	struct line *l = &lines[fake_pcpu->id];

	pthread_mutex_lock(&l->lock);
	while (!l->sgi && arch_counter() < l->cnthp) {
		struct timespec ts;

		if (load_relaxed(&stop_all)) {
			pthread_mutex_unlock(&l->lock);
			pthread_exit(NULL);
		}
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += 500000;
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_nsec -= 1000000000;
			ts.tv_sec++;
		}
		pthread_cond_timedwait(&l->cond, &l->lock, &ts);
	}
	pthread_mutex_unlock(&l->lock);
}

void irq_handle(void)
{
	struct line *l = &lines[fake_pcpu->id];

	pthread_mutex_lock(&l->lock);
	store_relaxed(&l->sgi, false);
	pthread_mutex_unlock(&l->lock);
	if (arch_counter() >= l->cnthp) deadline_irq();
}

/* --- CPUs --- */
static void exit_slow(struct pcpu *p)
{
	for (;;) {
		struct vcpu *next = sched_next(), *old = p->loaded;

		if (!next || next != old) {
			if (old) {
				guest_of(old)->regs++;
				MUST(atomic_fetch_add_full(&guest_of(old)->users, UINT32_MAX) == 1);
				p->loaded = NULL;
				sched_saved(old);
			}
			if (!next) continue;
			p->loaded = next;
			store_relaxed(&next->loaded_on, (int32_t)p->id);
			MUST(atomic_fetch_add_full(&guest_of(next)->users, 1u) == 0);
			MUST((next->affinity & BIT(p->id)) != 0 && next->cpu == p->id);
			guest_of(next)->moves += guest_of(next)->last != p->id;
			guest_of(next)->last = p->id;
			guest_of(next)->regs++;
		}
		atomic_fetch_and_full(&next->work, ~VCPU_WORK_VGIC);
		if (load_relaxed(&p->work) == 0 && load_relaxed(&next->work) == 0) return;
	}
}

static void *cpu_main(void *arg)
{
	struct pcpu *p = arg;
	unsigned loops = 0;

	fake_pcpu = p;
	exit_slow(p);
	while (!load_relaxed(&stop_all)) {
		struct guest *g = guest_of(p->loaded);

		if (load_relaxed(&lines[p->id].sgi) || arch_counter() >= lines[p->id].cnthp) {
			irq_handle();
		} else {
			uint32_t n = __atomic_exchange_n(&g->mail, 0u, __ATOMIC_ACQ_REL);

			g->taken += n;
			/* Now and then it computes, longer than a slice: others wait, and CPUs that
			 * are ahead take them over. */
			if (n != 0 && ++g->busy % 256 == 0) g->until = arch_counter() + 6000000;
			if (n == 0 && arch_counter() >= g->until) {
				for (unsigned spin = loops % 64; spin > 0; spin--)
					__asm__ volatile("" ::: "memory");
				sched_block(&g->v); /* WFI */
			}
			if (++loops % 64 == 0) job_start(&job);
		}
		if (load_relaxed(&p->work) || load_relaxed(&g->v.work)) exit_slow(p);
	}
	return NULL;
}

static void *sender_main(void *arg)
{
	struct pcpu *p = arg;
	uint32_t seed = 77u + p->id;
	uint64_t sent = 0;

	fake_pcpu = p;
	while (!load_relaxed(&stop_all)) {
		struct guest *g;
		uint64_t limit = arch_counter() + 5000000000u;

		seed = seed * 1664525u + 1013904223u;
		g = &guests[(p->id + 2 * (seed >> 16)) % VCPUS]; /* a pair each */
		__atomic_fetch_add(&g->mail, 1u, __ATOMIC_RELEASE);
		if (seed & BIT32(30))
			vcpu_wake(&g->v);
		else
			vcpu_kick(&g->v, VCPU_WORK_VGIC);
		sent++;
		for (unsigned spin = (seed >> 8) % 64; spin > 0; spin--)
			__asm__ volatile("" ::: "memory");
		if (seed % 4 == 0) continue;
		while (load_relaxed(&g->mail) != 0 && !load_relaxed(&stop_all)) {
			MUST(arch_counter() < limit); /* a lost wake-up */
			posix_yield();
		}
	}
	return (void *)(uintptr_t)sent;
}

static bool step(struct job *j)
{
	(void)j;
	steps++; /* plain: two CPUs at once would lose counts */
	return steps % 8 != 0;
}

static const struct job_ops job_ops = {step, NULL};

/* Stops and starts vCPUs again and again, as lifecycle does. */
static void churn(struct pcpu *p, uint64_t end)
{
	unsigned n = 0;

	fake_pcpu = p;
	while (arch_counter() < end) {
		struct guest *g = &guests[n++ % 2]; /* the others are only woken by messages */
		uint64_t limit = arch_counter() + 20000000000u;

		vcpu_stop(&g->v);
		while (!vcpu_is_out(&g->v)) {
			MUST(arch_counter() < limit);
			posix_yield();
		}
		MUST(g->v.state == VCPU_OFF && g->users == 0);
		sched_start(&g->v);
		usleep(100);
	}
	MUST(n > 100);
}

static void test_threads(void **state)
{
	static const struct vm_config cfg[VCPUS] = {
	    {.weight = 100, .affinity = 7},
	    {.weight = 30, .affinity = 3},
	    {.weight = 400, .affinity = 6},
	    {.sched = SCHED_FIXED, .priority = 3, .affinity = 5},
	    {.sched = SCHED_FIXED,
	     .priority = 4,
	     .budget_us = 500,
	     .period_us = 1000,
	     .affinity = 7},
	    {.weight = 100, .affinity = 4},
	};
	uint64_t moves = 0;
	pthread_t cpu[CPUS], sender[SENDERS];
	uint64_t sent = 0, taken = 0, limit;

	(void)state;
	nr_pcpus = CPUS;
	for (unsigned i = CPUS + SENDERS + 1; i-- > 0;) {
		pcpus[i].id = i;
		pcpus[i].online = i < CPUS;
		pthread_mutex_init(&lines[i].lock, NULL);
		pthread_cond_init(&lines[i].cond, NULL);
		fake_pcpu = &pcpus[i];
		deadline_cpu_init();
		sched_cpu_init();
	}
	job_init(&job, &job_ops, NULL, 100);
	for (unsigned i = 0; i < VCPUS; i++) {
		sched_vcpu_init(&guests[i].v, &cfg[i]);
		sched_start(&guests[i].v);
	}
	for (unsigned i = 0; i < CPUS; i++) pthread_create(&cpu[i], NULL, cpu_main, &pcpus[i]);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_create(&sender[i], NULL, sender_main, &pcpus[CPUS + i]);
	churn(&pcpus[CPUS + SENDERS], arch_counter() + SECONDS * 1000000000ull);
	limit = arch_counter() + 20000000000u;
	for (unsigned i = 0; i < VCPUS;) {
		/* The senders still go on; each mailbox must be seen empty once. */
		MUST(arch_counter() < limit);
		if (load_relaxed(&guests[i].mail) == 0) i++;
		posix_yield();
	}
	store_relaxed(&stop_all, true);
	for (unsigned i = 0; i < SENDERS; i++) {
		void *n;

		pthread_join(sender[i], &n);
		sent += (uintptr_t)n;
	}
	for (unsigned i = 0; i < CPUS; i++) pthread_join(cpu[i], NULL);
	for (unsigned i = 0; i < VCPUS; i++) {
		taken += guests[i].taken + guests[i].mail;
		moves += guests[i].moves;
	}
	print_message("%llu messages, %llu steps, %llu moves\n", (unsigned long long)sent,
	              (unsigned long long)steps, (unsigned long long)moves);
	assert_true(moves > 100);
	assert_int_equal(taken, sent);
	assert_true(sent > 1000);
	assert_true(steps > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
