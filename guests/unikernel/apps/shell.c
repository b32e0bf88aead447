/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small command line on the VM's console, which it reads by interrupts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uk.h>

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

static int cmd_mem(int argc, char **argv)
{
	const struct uk_machine *m = uk_machine();

	(void)argc;
	(void)argv;
	printf("ram %lu KiB at 0x%lx, %lu KiB not yet used\n", m->ram_size / 1024, m->ram_base,
	       (unsigned long)uk_heap_free() / 1024);
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

static int cmd_sleep(int argc, char **argv)
{
	uk_sleep_us(strtoull(argc > 1 ? argv[1] : "1", NULL, 0) * 1000000);
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
    {"mem", cmd_mem, "memory"},
    {"info", cmd_info, "the machine"},
    {"sleep", cmd_sleep, "seconds"},
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
