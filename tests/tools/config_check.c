/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EL2 says of a bundle, on the host: opens it, checks hashes, manifest and files, prints what
 * EL2 would log and a line for each VM. usage: config_check BUNDLE GIC CPUS RAM-BYTES
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <hyp/config.h>
#include <hyp/fit.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/vm.h>

const struct machine machine_v1 = {.ram_base = 0x40000000};

/* For config_create(), which is not used here. */
struct vm *vms[MAX_VMS];

void *page_alloc_hyp(uint64_t size) { return NULL; }

void page_free_hyp(void *p, uint64_t size) {}

void page_get_stats(struct page_stats *st) {}

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

static void check(const void *data, size_t size, char **argv)
{
	static struct manifest m;
	struct fit fit;
	struct fit_image image;
	const char *why;

	if (fit_open(data, size, &fit, &why) != HYP_OK) {
		printf("refused: %s\n", why);
		return;
	}
	if (fit_find(&fit, "manifest", &image) != HYP_OK) {
		printf("refused: no manifest\n");
		return;
	}
	if (fit_verify(&image, true, &why) != HYP_OK) {
		printf("refused: %s\n", why);
		return;
	}
	if (config_parse(image.data, image.size, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]),
	                 &m) != HYP_OK) {
		printf("refused: manifest\n");
		return;
	}
	config_check_files(&m, &fit, strtoull(argv[4], NULL, 0));
	for (unsigned i = 0; i < m.nr_vms; i++)
		printf("vm %s %s\n", m.vm[i].name, m.vm[i].valid ? "valid" : "refused");
}

int main(int argc, char **argv)
{
	size_t size;
	void *data;

	if (argc != 5) {
		fprintf(stderr, "usage: config_check BUNDLE GIC CPUS RAM-BYTES\n");
		return 2;
	}
	data = read_bundle(argv[1], &size);
	check(data, size, argv);
	free(data);
	return 0;
}
