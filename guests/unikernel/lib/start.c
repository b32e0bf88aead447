/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the MMU being on to main() and exit().
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_ARGS 32

struct cpu uk_cpus[UK_MAX_CPUS];
static uint8_t emergency[UK_MAX_CPUS][EMERGENCY_STACK_SIZE] __attribute__((aligned(16)));

extern int main(int argc, char **argv);
extern void (*const uk_init_array[])(void);
extern void (*const uk_init_array_end[])(void);
void uk_boot(const void *fdt);

/* bootargs split at blanks; double quotes hold blanks together. */
static int split_args(const char *line, char **argv)
{
	char *copy = strdup(line ? line : "");
	char *in = copy, *out = copy;
	int argc = 1;

	argv[0] = (char *)(uintptr_t)uk_app_name;
	while (copy && argc < MAX_ARGS) {
		bool quoted = false;

		while (*in == ' ' || *in == '\t') in++;
		if (*in == 0) break;
		argv[argc++] = out;
		for (; *in && (quoted || (*in != ' ' && *in != '\t')); in++)
			if (*in == '"')
				quoted = !quoted;
			else
				*out++ = *in;
		if (*in) in++;
		*out++ = 0;
	}
	argv[argc] = NULL;
	return argc;
}

static void run_main(void)
{
	static char *argv[MAX_ARGS + 1];
	int argc = split_args(uk_mach.bootargs, argv);
	long n = uk_init_array_end - uk_init_array;

	reent_start();
	gic_init();
	timer_cpu_init();
	/* SError and IRQ on. */
	__asm__ volatile("msr daifclr, #6" : : : "memory");
	for (long i = 0; i < n; i++) uk_init_array[i]();
	exit(main(argc, argv));
}

static bool is_fdt(const void *p)
{
	return (uint64_t)p >= RAM_GUESS && ((uint64_t)p & 7) == 0 && fdt_check_header(p) == 0;
}

void uk_boot(const void *fdt)
{
	uint64_t heap = (uint64_t)uk_image_end;

	for (unsigned i = 0; i < UK_MAX_CPUS; i++) {
		uk_cpus[i].id = i;
		uk_cpus[i].sp_emergency = (uint64_t)emergency[i] + EMERGENCY_STACK_SIZE;
	}
	/* QEMU starts an ELF with x0 = 0 and the tree at RAM base. */
	if (!is_fdt(fdt)) fdt = (const void *)RAM_GUESS;
	if (!is_fdt(fdt) || !machine_read(fdt)) {
		uk_mach.uart_base = uk_mach.uart_base ? uk_mach.uart_base : 0x09000000;
		uk_crash("no usable device tree");
	}
	/* The heap begins above a ramdisk; the tree moves to its start. */
	if (uk_mach.initrd_size && uk_mach.initrd_base >= heap &&
	    uk_mach.initrd_base - uk_mach.ram_base < uk_mach.ram_size)
		heap = uk_mach.initrd_base + uk_mach.initrd_size;
	heap = (heap + 15) & ~15ul;
	/* One page to spare: the heap's end, rounded, stays below the first page from the top. */
	fdt = fdt_relocate(fdt, heap, uk_mach.ram_base + uk_mach.ram_size - UK_PAGE_SIZE, &heap);
	if (!fdt || !machine_read(fdt)) uk_crash("too little RAM");
	memory_init(heap);
	uk_mmu_final();
	uk_run_on(&uk_cpus[0], run_main);
}

bool uk_arg_flag(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0) return true;
	return false;
}

uint64_t uk_arg_u64(int argc, char **argv, const char *name, uint64_t fallback)
{
	size_t len = strlen(name);

	for (int i = 1; i < argc; i++) {
		char *end;
		uint64_t val;

		if (strncmp(argv[i], name, len) != 0 || argv[i][len] != '=') continue;
		val = strtoull(argv[i] + len + 1, &end, 0);
		if (*end || end == argv[i] + len + 1) {
			fprintf(stderr, "%s: not a number: %s\n", argv[0], argv[i]);
			exit(2);
		}
		return val;
	}
	return fallback;
}
