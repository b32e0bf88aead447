/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small command line on the VM's console, which it reads by interrupts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uk.h>
#include <uk_arch.h>

#define MAX_WORDS 16

static int cmd_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) printf("%s%s", i > 1 ? " " : "", argv[i]);
	printf("\n");
	return 0;
}

static int cmd_uptime(int argc, char **argv)
{
	uint64_t us = uk_uptime_us();

	(void)argc;
	(void)argv;
	printf("up %lu.%06lu s\n", us / 1000000, us % 1000000);
	return 0;
}

static uint64_t to_us(uint64_t ticks)
{
	return (uint64_t)((__uint128_t)ticks * 1000000 / uk_tick_hz());
}

static int cmd_time(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	isb(); /* neither counter is read early */
	printf("virtual %lu us, physical %lu us\n", to_us(sysreg_read(cntvct_el0)),
	       to_us(sysreg_read(cntpct_el0)));
	return 0;
}

static int cmd_mem(int argc, char **argv)
{
	const struct uk_machine *m = uk_machine();

	(void)argc;
	(void)argv;
	printf("ram %lu KiB at 0x%lx, %lu KiB not yet used\n", m->ram_size / 1024, m->ram_base,
	       (unsigned long)uk_heap_free() / 1024);
	return 0;
}

/* What nobody has used of the memory yet; *n words. */
static volatile uint64_t *unused(size_t *n)
{
	uintptr_t start = ((uintptr_t)sbrk(0) + 7) & ~(uintptr_t)7;

	*n = uk_heap_free() / sizeof(uint64_t) - 1;
	return (volatile uint64_t *)start;
}

#define PATTERN 0x5ec4e75ec4e75ec4ul

/* A VM's memory is zero when it starts, but for its device tree: there is nothing of another VM. */
static int cmd_scan(int argc, char **argv)
{
	size_t n, found = 0, others = 0;
	volatile uint64_t *p = unused(&n);

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < n; i++) {
		found += p[i] == PATTERN;
		others += p[i] != PATTERN && p[i] != 0;
	}
	printf("scan: %lu KiB, %lu words as fill writes them, %lu others not zero\n", n / 128,
	       found, others);
	return 0;
}

static int cmd_fill(int argc, char **argv)
{
	size_t n;
	volatile uint64_t *p = unused(&n);

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < n; i++) p[i] = PATTERN;
	printf("fill: %lu KiB\n", n / 128);
	return 0;
}

static int cmd_info(int argc, char **argv)
{
	const struct uk_machine *m = uk_machine();

	(void)argc;
	(void)argv;
	printf("%u cpus, GICv%u, timer %lu Hz, %s\n", m->nr_cpus, m->gic_version, uk_tick_hz(),
	       m->on_atoll ? "on Atoll" : "on the bare machine");
	return 0;
}

/* What a CPU that was switched on does: a beat each 10 ms, until it is told to go. */
static struct {
	bool leave;
	unsigned beats;
} others[UK_MAX_CPUS];

static void beat(void *arg)
{
	unsigned cpu = (unsigned)(uintptr_t)arg;

	while (!__atomic_load_n(&others[cpu].leave, __ATOMIC_ACQUIRE)) {
		uk_sleep_us(10000);
		__atomic_add_fetch(&others[cpu].beats, 1, __ATOMIC_RELAXED);
	}
}

static int cmd_cpus(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("cpu 0 on, it runs this\n");
	for (unsigned cpu = 1; cpu < uk_machine()->nr_cpus; cpu++)
		printf("cpu %u %s, %u beats\n", cpu, uk_cpu_is_off(cpu) ? "off" : "on",
		       __atomic_load_n(&others[cpu].beats, __ATOMIC_RELAXED));
	return 0;
}

/* PSCI CPU_ON, and CPU_OFF by the CPU itself. */
static int cmd_cpu(int argc, char **argv)
{
	unsigned cpu = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	bool on = argc > 2 && strcmp(argv[2], "on") == 0;
	int err = 0;

	if (argc < 3 || cpu == 0 || cpu >= uk_machine()->nr_cpus ||
	    (!on && strcmp(argv[2], "off") != 0)) {
		printf("cpu N on, or cpu N off, N from 1 to %u\n", uk_machine()->nr_cpus - 1);
		return 1;
	}
	__atomic_store_n(&others[cpu].leave, !on, __ATOMIC_RELEASE);
	if (on) err = uk_cpu_start(cpu, beat, (void *)(uintptr_t)cpu);
	while (!on && !uk_cpu_is_off(cpu)) uk_sleep_us(1000);
	if (err)
		printf("cpu %u: PSCI error %d\n", cpu, err);
	else
		printf("cpu %u is %s\n", cpu, argv[2]);
	return err;
}

static uint64_t seconds(int argc, char **argv)
{
	return strtoull(argc > 1 ? argv[1] : "1", NULL, 0) * 1000000;
}

static int cmd_sleep(int argc, char **argv)
{
	uint64_t start = uk_uptime_us();

	uk_sleep_us(seconds(argc, argv));
	printf("slept %lu us\n", uk_uptime_us() - start);
	return 0;
}

static int cmd_spin(int argc, char **argv)
{
	uint64_t end = uk_uptime_us() + seconds(argc, argv), n = 0;

	while (uk_uptime_us() < end) n++;
	printf("looked at the clock %lu times\n", n);
	return 0;
}

static int cmd_exit(int argc, char **argv) { exit(argc > 1 ? atoi(argv[1]) : 0); }

static int cmd_reset(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	fflush(NULL);
	uk_reset();
}

/* A real one: a write to the unmapped first page. */
static int cmd_crash(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	fflush(NULL);
	__asm__ volatile("str xzr, [%0]" : : "r"(8ul) : "memory");
	return 1;
}

static int cmd_help(int argc, char **argv);

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
    {"help", cmd_help, "this list"},
    {"echo", cmd_echo, "words: print them"},
    {"uptime", cmd_uptime, "time since the machine's counter was zero"},
    {"time", cmd_time, "both counters"},
    {"mem", cmd_mem, "memory"},
    {"scan", cmd_scan, "look at unused memory for what is not zero"},
    {"fill", cmd_fill, "write to all of it"},
    {"info", cmd_info, "the machine"},
    {"cpus", cmd_cpus, "which are on"},
    {"cpu", cmd_cpu, "N on|off: switch another one"},
    {"sleep", cmd_sleep, "seconds"},
    {"spin", cmd_spin, "seconds: keep the CPU busy"},
    {"exit", cmd_exit, "[status]: end"},
    {"reset", cmd_reset, "start again"},
    {"crash", cmd_crash, "write where nothing is"},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < NR_COMMANDS; i++)
		printf("%-8s%s\n", commands[i].name, commands[i].help);
	return 0;
}

static void run(char *line)
{
	char *words[MAX_WORDS + 1], *save;
	int n = 0;

	for (char *w = strtok_r(line, " \t\n", &save); w && n < MAX_WORDS;
	     w = strtok_r(NULL, " \t\n", &save))
		words[n++] = w;
	words[n] = NULL;
	if (n == 0) return;
	for (unsigned i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(words[0], commands[i].name) == 0) {
			(void)commands[i].run(n, words);
			return;
		}
	}
	printf("%s: unknown; try help\n", words[0]);
}

int main(int argc, char **argv)
{
	char line[256];

	printf("%s: type help\n", argv[argc - 1]);
	for (;;) {
		printf("> ");
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin)) {
			printf("\n");
			return ferror(stdin) ? 1 : 0;
		}
		run(line);
	}
}
