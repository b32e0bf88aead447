/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device tree cannot say about a board. The tree's root compatible chooses the entry; before
 * there is a tree, the address the image was loaded at guesses whose UART a message goes to.
 */
#pragma once

#include <hyp/host.h>
#include <hyp/types.h>

struct board {
	const char *name;
	const char *compatible;        /* prefix of the root's first compatible string */
	uint64_t guess_lo;             /* image loaded from there on: probably this board */
	struct host_uart uart[2];      /* the first, unless this says that */
	bool (*second_uart)(void);     /* the other has the pins; MMU off */
	struct host_range power;       /* registers of the hook, mapped before it is called */
	void (*system_down)(bool off); /* off, else reset; NULL: PSCI only */
};

extern const struct board board_qemu_virt, board_rpi4;
/* The one we are on, since board_find(). Of an unknown one all is 0. */
extern const struct board *board;

/* The UART that messages go to before there is a tree, by the image's address. MMU off. */
const struct host_uart *board_guess(uint64_t image);
/* By host.compatible. */
void board_find(const char *compatible);
