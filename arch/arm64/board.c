/* SPDX-License-Identifier: Apache-2.0 */
/* The boards there are, and which of them this is. */
#include <hyp/board.h>

#include <string.h>

static const struct board *const boards[] = {&board_qemu_virt, &board_rpi4};
static const struct board unknown;
const struct board *board = &unknown;

const struct host_uart *board_guess(uint64_t image)
{
	const struct board *b = boards[0]->guess_lo <= image ? boards[0] : boards[1];

	return &b->uart[b->second_uart && b->second_uart()];
}

void board_find(const char *compatible)
{
	for (size_t i = 0; i < ARRAY_SIZE(boards); i++)
		if (strncmp(compatible, boards[i]->compatible, strlen(boards[i]->compatible)) == 0)
			board = boards[i];
}
