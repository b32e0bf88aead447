/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fake arch, common part: token log, RAM, CPU, locks, panic, cache maintenance. What is
 * weak here gives way to the real function in a test that links it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <arch/cache.h>
#include <arch/mm.h>
#include <arch/spinlock.h>
#include <hyp/check.h>
#include <hyp/log.h>
#include <hyp/trace.h>
#include "fake.h"

struct pcpu;
struct pcpu *fake_pcpu;
uint8_t *fake_ram_base;

jmp_buf fake_panic_jmp;
bool fake_panic_expected;
char fake_panic_msg[256];
bool fake_log_verbose;
unsigned fake_log_lines;

/* --- log --- */
#define TOKEN_MAX 96
static char (*tokens)[TOKEN_MAX];
static unsigned nr_tokens, cap_tokens;
static bool log_off;

void fake_log_on(bool on) { log_off = !on; }

__attribute__((weak)) void fake_log_token(const char *token)
{
	if (log_off) return;
	if (nr_tokens == cap_tokens) {
		cap_tokens = cap_tokens != 0 ? 2 * cap_tokens : 256;
		tokens = realloc(tokens, (size_t)cap_tokens * TOKEN_MAX);
		if (tokens == NULL) abort();
	}
	snprintf(tokens[nr_tokens++], TOKEN_MAX, "%s", token);
}

void fake_logf(const char *fmt, ...)
{
	char buf[TOKEN_MAX];
	va_list ap;

	if (log_off) return;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	fake_log_token(buf);
}

void fake_log_clear(void) { nr_tokens = 0; }

unsigned fake_log_count(void) { return nr_tokens; }

const char *fake_log_at(unsigned i) { return i < nr_tokens ? tokens[i] : ""; }

int fake_log_find(const char *prefix, unsigned from)
{
	for (unsigned i = from; i < nr_tokens; i++)
		if (strncmp(tokens[i], prefix, strlen(prefix)) == 0) return (int)i;
	return -1;
}

unsigned fake_log_matches(const char *prefix)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr_tokens; i++)
		n += strncmp(tokens[i], prefix, strlen(prefix)) == 0;
	return n;
}

void fake_log_print(void)
{
	for (unsigned i = 0; i < nr_tokens; i++) fprintf(stderr, "  %3u %s\n", i, tokens[i]);
}

/* --- RAM: a reservation without access, RAM mapped into it --- */
#define MAX_RAM 16
static struct {
	uint64_t base, size;
} ram[MAX_RAM];
static unsigned nr_ram;

static void ram_reserve(void)
{
	void *at = fake_ram_base;
	int fixed = at != NULL ? MAP_FIXED : 0;

	at = mmap(at, FAKE_PA_LIMIT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed,
	          -1, 0);
	if (at == MAP_FAILED) {
		perror("fake RAM");
		abort();
	}
	fake_ram_base = at;
	nr_ram = 0;
}

void fake_ram_add(pa_t base, uint64_t size)
{
	void *at;

	if (fake_ram_base == NULL) ram_reserve();
	if (nr_ram == MAX_RAM || base.raw % PAGE_SIZE != 0 || size % PAGE_SIZE != 0 ||
	    base.raw + size > FAKE_PA_LIMIT)
		abort();
	at = mmap(fake_ram_base + base.raw, size, PROT_READ | PROT_WRITE,
	          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (at == MAP_FAILED) {
		perror("fake RAM");
		abort();
	}
	ram[nr_ram].base = base.raw;
	ram[nr_ram++].size = size;
}

bool fake_is_ram(pa_t base, uint64_t size)
{
	for (unsigned i = 0; i < nr_ram; i++)
		if (base.raw >= ram[i].base && size <= ram[i].size &&
		    base.raw - ram[i].base <= ram[i].size - size)
			return true;
	return false;
}

/* --- locks --- */
#define MAX_HELD 64
static struct {
	spinlock_t *lock;
	const struct pcpu *cpu;
} held[MAX_HELD];
static unsigned nr_held;

void spin_lock(spinlock_t *l) NO_TSA
{
	for (unsigned i = 0; i < nr_held; i++) {
		const spinlock_t *h = held[i].lock;

		if (h == l) panic("spin_lock: class %u is locked already", l->cls);
		if (held[i].cpu != fake_pcpu) continue;
		/* Two of one class: only run queues, the lower CPU's (in an array) first. */
		if (h->cls > l->cls || (h->cls == l->cls && (l->cls != LOCK_RQ || h > l)))
			panic("spin_lock: class %u taken while class %u is held", l->cls, h->cls);
	}
	if (l->owner != l->next)
		panic("spin_lock: class %u is not free, and nobody holds it", l->cls);
	if (nr_held == MAX_HELD) panic("spin_lock: too many locks");
	l->next++;
	held[nr_held].lock = l;
	held[nr_held++].cpu = fake_pcpu;
}

void spin_unlock(spinlock_t *l) NO_TSA
{
	for (unsigned i = 0; i < nr_held; i++) {
		if (held[i].lock == l) {
			if (held[i].cpu != fake_pcpu)
				panic("spin_unlock: class %u is another CPU's", l->cls);
			held[i] = held[--nr_held];
			l->owner++;
			return;
		}
	}
	panic("spin_unlock: class %u is not locked", l->cls);
}

unsigned fake_locks_held(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr_held; i++) n += held[i].cpu == fake_pcpu;
	return n;
}

/* --- panic, log --- */
__attribute__((weak)) noreturn void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake_panic_msg, sizeof(fake_panic_msg), fmt, ap);
	va_end(ap);
	if (fake_panic_expected) {
		/* Whoever held them does not come back. */
		while (nr_held != 0) held[--nr_held].lock->owner++;
		longjmp(fake_panic_jmp, 1);
	}
	fprintf(stderr, "unexpected panic: %s\n", fake_panic_msg);
	abort();
}

static void log_line(const char *who, enum log_level level, const char *fmt, va_list ap)
{
	fake_log_lines++;
	if (fake_log_verbose) {
		fprintf(stderr, "%s%u: ", who, level);
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
	}
}

__attribute__((weak)) void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line("log ", level, fmt, ap);
	va_end(ap);
}

__attribute__((weak)) void log_limited(struct log_limit *l, const char *who, enum log_level level,
                                       const char *fmt, ...)
{
	va_list ap;

	(void)l;
	(void)who;
	va_start(ap, fmt);
	log_line("guest log ", level, fmt, ap);
	va_end(ap);
}

/* --- cache maintenance --- */
static void cache_op(const char *op, const void *start, uint64_t size)
{
	fake_logf("%s 0x%llx %llu", op, (unsigned long long)ptr_to_pa(start).raw,
	          (unsigned long long)size);
}

__attribute__((weak)) void arch_dcache_clean_inval_poc(const void *start, uint64_t size)
{
	cache_op("cleaninval", start, size);
}

__attribute__((weak)) void arch_icache_inval_all(void) { fake_log_token("ic all"); }

__attribute__((weak)) void arch_scrub(void *start, uint64_t size)
{
	cache_op("zero", start, size);
	memset(start, 0, size);
	arch_dcache_clean_inval_poc(start, size);
}

void fake_reset(void)
{
	fake_log_clear();
	log_off = false;
	nr_held = 0;
	fake_panic_expected = false;
	fake_log_lines = 0;
	if (fake_ram_base != NULL) ram_reserve();
}

/* --- trace --- */
__attribute__((weak)) bool trace_on;

__attribute__((weak)) void trace_event(enum trace_kind kind, const struct vm *vm, unsigned vcpu,
                                       uint64_t esr, uint64_t pc, uint64_t arg)
{
	(void)kind;
	(void)vm;
	(void)vcpu;
	(void)esr;
	(void)pc;
	(void)arg;
}
