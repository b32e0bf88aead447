/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program, every ending: the first argument chooses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tg.h"

#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_CPU_OFF 0x84000002u

static void nothing(void *arg) { (void)arg; }

static void last_off(void *arg)
{
	(void)arg;
	/* CPU 0 is off soon; then this one is the last. */
	while (uk_psci(0xc4000004u, uk_machine()->mpidr[0], 0, 0) == 0) uk_cpu_relax();
}

/* Vectors where nothing is: the exception cannot be taken, over and over. */
static void bad_vectors(void)
{
	sysreg_write(vbar_el1, 0x0b000000);
	isb(); /* from the next exception on */
	__asm__ volatile("udf #0");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	printf("ending: %s\n", what);
	if (strcmp(what, "exit") == 0) {
		exit(atoi(argv[2]));
	} else if (strcmp(what, "abort") == 0) {
		abort();
	} else if (strcmp(what, "fault") == 0) {
		mmio_write32(8, 1);
	} else if (strcmp(what, "off") == 0) {
		(void)uk_psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	} else if (strcmp(what, "reset") == 0) {
		uk_reset();
	} else if (strcmp(what, "cpu_off") == 0) {
		(void)uk_psci(PSCI_CPU_OFF, 0, 0, 0);
	} else if (strcmp(what, "last_off") == 0) {
		uk_cpu_start(1, last_off, NULL);
		(void)uk_psci(PSCI_CPU_OFF, 0, 0, 0);
	} else if (strcmp(what, "off_busy") == 0) {
		for (unsigned cpu = 1; cpu < uk_machine()->nr_cpus; cpu++)
			uk_cpu_start(cpu, cpu & 1 ? nothing : last_off, NULL);
		(void)uk_psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	} else if (strcmp(what, "bad_vectors") == 0) {
		bad_vectors();
	}
	printf("ending: still here\n");
	return 99;
}
