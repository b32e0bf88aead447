/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what its arguments say, one after the other: lines=N pad=N partial=TEXT say=TEXT keys=N
 * (read and shown) sleep=MS spin=MS fill=MIB (memory, each page with its number) healthy, and at
 * last exit=N off reset abort fault hang. Else: exit status 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uk.h>

/* Unmapped in the guest, and nothing there in the machine. */
#define NOWHERE 8ul

static unsigned pad;

static void print_lines(unsigned n)
{
	/* Every byte follows from the number: a lost, doubled or foreign one shows. */
	for (unsigned i = 1; i <= n; i++) {
		printf("line %05u of %05u ", i, n);
		for (unsigned k = 0; k < pad; k++) putchar('a' + (int)((i + k) % 26));
		printf(" end\n");
	}
}

/* Computing, not waiting: no YIELD, and the clock is read now and then only. */
static void spin(uint64_t ms)
{
	uint64_t end = uk_ticks() + ms * uk_tick_hz() / 1000;

	while (uk_ticks() < end) {
		for (volatile unsigned i = 0; i < 1000; i++) {
		}
	}
}

/* The next n bytes of the keyboard, as they are. */
static void show_keys(unsigned n)
{
	uk_console_raw(true);
	printf("keys");
	fflush(stdout);
	while (n-- > 0) printf(" %02x", (unsigned)uk_console_getc(true) & 0xff);
	printf(" end\n");
	uk_console_raw(false);
}

/* The value of name=VALUE when that is what the word is, else NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

/* A number in every page, read back when all are written. */
static void fill(size_t mib)
{
	size_t n = mib << 20, wrong = 0;
	char *p = malloc(n + UK_PAGE_SIZE);

	if (p == NULL) abort();
	p += -(uintptr_t)p % UK_PAGE_SIZE;
	for (size_t at = 0; at < n; at += UK_PAGE_SIZE)
		*(volatile uint64_t *)(p + at) = 0xf111ed0000000000u | at;
	for (size_t at = 0; at < n; at += UK_PAGE_SIZE)
		wrong += *(volatile uint64_t *)(p + at) != (0xf111ed0000000000u | at);
	printf("filled %lu MiB, %lu wrong\n", (unsigned long)mib, (unsigned long)wrong);
}

/* The last thing a program does. */
static void end(const char *word)
{
	fflush(NULL);
	if (strcmp(word, "off") == 0)
		(void)uk_psci(0x84000008u, 0, 0, 0); /* SYSTEM_OFF (Arm DEN0022, 5.9) */
	else if (strcmp(word, "reset") == 0)
		uk_reset();
	else if (strcmp(word, "abort") == 0)
		abort();
	else if (strcmp(word, "fault") == 0)
		__asm__ volatile("str xzr, [%0]" : : "r"(NOWHERE) : "memory");
	else if (strcmp(word, "hang") == 0)
		for (;;) uk_sleep_us(1000000);
	printf("%s: what is that?\n", word);
	exit(99);
}

static void act(const char *word)
{
	const char *v;

	if ((v = value_of(word, "lines"))) {
		print_lines((unsigned)atoi(v));
	} else if ((v = value_of(word, "pad"))) {
		pad = (unsigned)atoi(v);
	} else if ((v = value_of(word, "partial"))) {
		printf("%s", v);
		fflush(stdout);
	} else if ((v = value_of(word, "say"))) {
		printf("%s\n", v);
	} else if ((v = value_of(word, "keys"))) {
		show_keys((unsigned)atoi(v));
	} else if ((v = value_of(word, "sleep"))) {
		uk_sleep_us(strtoull(v, NULL, 0) * 1000);
	} else if ((v = value_of(word, "spin"))) {
		spin(strtoull(v, NULL, 0));
	} else if ((v = value_of(word, "fill"))) {
		fill(strtoul(v, NULL, 0));
	} else if (strcmp(word, "healthy") == 0) {
		uk_report_healthy();
	} else if ((v = value_of(word, "exit"))) {
		exit(atoi(v));
	} else {
		end(word);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) act(argv[i]);
	return 0;
}
