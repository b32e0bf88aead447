/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the management guest says of a bundle, on the host: opens it, checks hashes, manifest and
 * files, prints what it would log and a line for each VM that is not refused.
 * usage: bundle_check BUNDLE GIC CPUS RAM-BYTES HOST-DTB
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <hyp/config.h>
#include <hyp/log.h>
#include <hyp/vm.h>

#include "guests/management/fit.h"
#include "guests/management/manifest.h"

const struct machine machine_v1 = {.ram_base = 0x40000000};

struct vm *vms[MAX_VMS];
uint8_t *fake_ram_base;

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	printf("%s%s\n", level == LOG_ERR ? "error: " : "", line);
}

static void *read_bundle(const char *path, size_t *size)
{
	FILE *f = fopen(path, "rb");
	void *data = NULL;

	if (!f || fseek(f, 0, SEEK_END) != 0) {
		perror(path);
		exit(2);
	}
	*size = (size_t)ftell(f);
	rewind(f);
	if (posix_memalign(&data, 4096, *size + 1) != 0 || fread(data, 1, *size, f) != *size) {
		perror(path);
		exit(2);
	}
	fclose(f);
	return data;
}

static void check(const void *data, size_t size, const void *tree, char **argv)
{
	static const struct host_range image = {{0x40200000}, MiB(1)};
	static struct host h;
	static struct vm_config cfgs[MAX_VMS];
	static struct vm machines[MAX_VMS];
	static struct manifest m;
	static struct fit bundle;
	unsigned n = 0;
	const char *why;
	enum hyp_err err;

	m.host_gic = (unsigned)atoi(argv[2]);
	m.host_cpus = (unsigned)atoi(argv[3]);
	m.ram = strtoull(argv[4], NULL, 0);
	m.bundle = &bundle;
	m.host_tree = tree;
	if (config_host_init(tree, image, &h, &why) != HYP_OK) {
		printf("the host: %s\n", why);
		return;
	}
	m.in_use[0] = h.uart.regs;
	if (fit_open(data, size, &bundle, &why) != HYP_OK || config_open(&m, &why) != HYP_OK) {
		printf("refused: %s\n", why);
		return;
	}
	while ((err = config_next(&m, &cfgs[n])) != HYP_ENOENT) {
		if (err != HYP_OK) continue;
		printf("vm %s\n", cfgs[n].name);
		machines[n].cfg = &cfgs[n];
		vms[n] = &machines[n];
		n++;
	}
}

int main(int argc, char **argv)
{
	size_t size, tree_size;
	void *data, *tree;

	if (argc != 6) {
		fprintf(stderr, "usage: bundle_check BUNDLE GIC CPUS RAM-BYTES HOST-DTB\n");
		return 2;
	}
	data = read_bundle(argv[1], &size);
	tree = read_bundle(argv[5], &tree_size);
	check(data, size, tree, argv);
	free(tree);
	free(data);
	return 0;
}
