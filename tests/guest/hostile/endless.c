/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that never end and never get anywhere; the argument chooses how.
 */
#include <stdio.h>
#include <string.h>

#include "hx.h"

#define SCTLR_M 1ul

/* Vectors where nothing is, in a device, in the read-only page: each exception causes the next. */
static void vectors(uint64_t vbar)
{
	sysreg_write(vbar_el1, vbar);
	isb(); /* from the next exception on */
	__asm__ volatile("udf #0");
}

/* Tables of garbage under our feet. */
static void tables(uint64_t ttbr)
{
	__asm__ volatile("msr ttbr0_el1, %0\n\tisb\n\ttlbi vmalle1\n\tdsb nsh\n\tisb\n\tb ."
	                 :
	                 : "r"(ttbr));
}

/* Each vCPU, with nothing to interrupt it. */
static void masked(void *arg)
{
	(void)arg;
	__asm__ volatile("msr daifset, #15\n\tb ." : : : "memory");
}

static void everywhere(void (*fn)(void *))
{
	for (unsigned cpu = 1; cpu < uk_machine()->nr_cpus; cpu++)
		(void)uk_cpu_start(cpu, fn, NULL);
	fn(NULL);
}

static void trapping(void *arg)
{
	(void)arg;
	for (;;) __asm__ volatile("mrs x0, id_aa64pfr0_el1\n\tsmc #0" : : : "x0", "x1", "x2", "x3");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	static uint64_t garbage[512] __attribute__((aligned(4096)));

	printf("endless: %s begins\n", what);
	if (strcmp(what, "vectors-hole") == 0) vectors(hx_map(0x0b000000, HX_EXEC));
	if (strcmp(what, "vectors-device") == 0) vectors(hx_map(0x09000000, HX_EXEC));
	if (strcmp(what, "vectors-zero-page") == 0) vectors(hx_map(0x04000000, HX_EXEC));
	/* Without any trap: stage 1 forbids it. */
	if (strcmp(what, "vectors-native") == 0) vectors(0x0b000000);
	if (strcmp(what, "tables-hole") == 0) tables(0x0b000000);
	if (strcmp(what, "tables-device") == 0) tables(0x09000000);
	for (unsigned i = 0; i < 512; i++) garbage[i] = 0x5a5a5a5a5a5a5a5bul * (i + 1);
	if (strcmp(what, "tables-native") == 0) tables((uint64_t)garbage);
	if (strcmp(what, "masked") == 0) everywhere(masked);
	if (strcmp(what, "trapping") == 0) everywhere(trapping);
	return 99;
}
