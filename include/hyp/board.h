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
	uint64_t guess_lo, guess_hi;   /* image loaded in [lo, hi): probably this board */
	pa_t uart;                     /* PL011 */
	pa_t mini_uart;                /* 8250, registers a word apart, */
	bool (*has_mini_uart)(void);   /* if this says that it has the pins; MMU off */
	struct host_range power;       /* registers of the hook, mapped before it is called */
	void (*system_down)(bool off); /* off, else reset; NULL: PSCI only */
};

extern const struct board board_qemu_virt, board_rpi4;

/* By the image's address; never NULL. MMU may be off. */
const struct board *board_guess(uint64_t image);
/* By host.compatible; NULL: an unknown board, which needs nothing special. */
const struct board *board_find(const char *compatible);
