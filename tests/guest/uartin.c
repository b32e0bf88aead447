/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console input by interrupts: asleep until a line comes; what came is echoed back with a number,
 * until "end".
 */
#include <stdio.h>
#include <string.h>

#include "tg.h"

int main(void)
{
	char line[200];
	unsigned n = 0;
	uint64_t total = 0;

	tg_start("uartin");
	printf("uartin: ready\n");
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (strcmp(line, "end") == 0) break;
		n++;
		total += strlen(line);
		printf("uartin: line %u has %zu: %s\n", n, strlen(line), line);
	}
	printf("uartin: %u lines, %lu characters\n", n, total);
	tg_check(n > 0, "lines came");
	return tg_end();
}
