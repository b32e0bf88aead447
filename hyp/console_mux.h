/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console multiplexer: decides which byte goes to the terminal next. Whole lines of one source at a
 * time; the caller holds the console lock and moves the bytes.
 */
#pragma once

#include <hyp/console.h>

/* An unfinished line is shown after this much silence, */
#define MUX_SILENCE_US 20000u
/* and others may interrupt it after so much: a guest that lost its CPU in a line is no prompt. */
#define MUX_BREAK_US 100000u
/* While others wait, an unfinished line keeps the terminal at most so long. */
#define MUX_LINE_MAX_US 2000000u
/* Others wait at most so long for a verb of the shell. */
#define MUX_ALONE_MAX_US 3000000u

struct mux {
	struct console_port *ports; /* in order of their addition; EL2's first */
	struct console_port *cur;   /* whose unfinished line the cursor stands in */
	uint64_t cur_since, alone_until;
	bool alone; /* a verb of the shell runs */
	bool color;
	struct console_port shell;
	size_t pos, len; /* bytes of stage sent, present */
	char stage[256];
};

#define MUX_ALL BIT32(0) /* unfinished lines as well, nobody is waited for */
#define MUX_OWN BIT32(1) /* only EL2's own sources */
#define MUX_NOW BIT32(2) /* whole lines need not wait for the end of the unfinished one */

/* Puts a byte into p's ring; false: full. p->tx_lock is held, or nobody else gives. */
bool mux_give(struct console_port *p, uint8_t c, uint64_t now);
/* Console lock held. */
uint32_t mux_used(const struct console_port *p);
/* Makes bytes stage[pos .. len) available; false: there is nothing to send now. */
bool mux_fill(struct mux *m, uint64_t now, uint32_t flags);
/* When the next unfinished line will have been silent for long enough; TIMER_NEVER: there is none.
 */
uint64_t mux_next_time(const struct mux *m, uint64_t now);
