/* SPDX-License-Identifier: Apache-2.0 */
/* The boards there are, and which of them this is. */
#include <hyp/board.h>

#include <string.h>

static const struct board *const boards[] = {&board_qemu_virt, &board_rpi4};

const struct board *board_guess(uint64_t image)
{
	for (size_t i = 0; i < ARRAY_SIZE(boards); i++)
		if (boards[i]->guess_lo <= image && image < boards[i]->guess_hi) return boards[i];
	return boards[0];
}

const struct board *board_find(const char *compatible)
{
	for (size_t i = 0; i < ARRAY_SIZE(boards); i++)
		if (strncmp(compatible, boards[i]->compatible, strlen(boards[i]->compatible)) == 0)
			return boards[i];
	return NULL;
}
