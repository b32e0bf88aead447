/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console multiplexer: choice of the source, prefixes, fresh lines. No locks, no hardware.
 */
#include "console_mux.h"

#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/console.h>
#include <lib/printf.h>

bool mux_give(struct console_port *p, uint8_t c, uint64_t now)
{
	if (p->head - load_acquire(&p->kept) == p->tx_size) return false;
	p->tx[p->head & (p->tx_size - 1)] = c;
	store_relaxed(&p->last_tx, now);
	store_relaxed(&p->midline, c != '\n');
	store_release(&p->head, p->head + 1);
	if (c == '\n') store_release(&p->lines_in, p->lines_in + 1);
	return true;
}

uint32_t mux_used(const struct console_port *p) { return load_acquire(&p->head) - p->tail; }

/* Since p's last byte, which may have come after `now` was read. */
static uint64_t silence(const struct console_port *p, uint64_t now)
{
	uint64_t last = load_relaxed(&p->last_tx);

	return now > last ? now - last : 0;
}

/* EL2's own is shown, and may be interrupted, at once: the shell's prompt. */
static bool silent(const struct console_port *p, uint64_t now, uint32_t us)
{
	return p->vm == NULL || silence(p, now) >= arch_us_to_ticks(us);
}

/* p, a guest's, waits for what a verb of the shell says. */
static bool held(const struct mux *m, const struct console_port *p, uint64_t now)
{
	return p->vm != NULL && now < m->alone_until && (m->alone || mux_used(&m->shell) != 0);
}

/* Something of p can start (or continue) a line on the terminal. */
static bool ready(const struct mux *m, const struct console_port *p, uint64_t now, uint32_t flags)
{
	/* The lines first: those seen are in the ring then. */
	bool line = load_acquire(&p->lines_in) != p->lines_out;
	uint32_t used = mux_used(p);

	if (used == 0 || (p->vm != NULL && (flags & MUX_OWN) != 0)) return false;
	if ((flags & MUX_ALL) != 0) return true;
	if ((flags & MUX_NOW) == 0 && held(m, p, now)) return false;
	return line || used == p->tx_size || silent(p, now, MUX_SILENCE_US);
}

/*
 * The ready source but `but` that has waited longest since it gave something, so that lines come in
 * their order in time; who goes on giving comes last, until its ring is full. NULL: none.
 */
static struct console_port *find_ready(const struct mux *m, const struct console_port *but,
                                       uint64_t now, uint32_t flags)
{
	struct console_port *first = NULL;

	for (struct console_port *p = m->ports; p != NULL; p = p->next)
		if (p != but && ready(m, p, now, flags) &&
		    (first == NULL || load_relaxed(&p->last_tx) < load_relaxed(&first->last_tx)))
			first = p;
	return first;
}

static struct console_port *choose(const struct mux *m, uint64_t now, uint32_t flags)
{
	struct console_port *cur = m->cur, *other = find_ready(m, cur, now, flags);
	bool expired;

	if (cur == NULL) return other;
	expired = (flags & MUX_NOW) != 0 || now - m->cur_since >= arch_us_to_ticks(MUX_LINE_MAX_US);
	if (mux_used(cur) != 0 && (cur->vm == NULL || (flags & MUX_OWN) == 0) &&
	    (other == NULL || !expired))
		return cur;
	if (expired || (flags & MUX_ALL) != 0 ||
	    (mux_used(cur) == 0 && silent(cur, now, MUX_BREAK_US)))
		return other;
	return NULL;
}

static void stage_prefix(struct mux *m, struct console_port *p)
{
	static const uint8_t color[] = {36, 33, 32, 35, 34, 96};

	p->cr = false;
	if (p->name == NULL) {
		str_append(m->stage, sizeof(m->stage), &m->len, m->color ? "\033[0m" : "");
	} else if (m->color) {
		str_append(m->stage, sizeof(m->stage), &m->len, "\033[%um[%.32s]\033[0m ",
		           color[p->index % ARRAY_SIZE(color)], p->name);
	} else {
		str_append(m->stage, sizeof(m->stage), &m->len, "[%.32s] ", p->name);
	}
}

/* Moves bytes of p's line to the stage, as many as fit. */
static void stage_line(struct mux *m, struct console_port *p)
{
	/* Room for what one byte can become: a prefix and itself. */
	while (mux_used(p) != 0 && m->len + 64 < sizeof(m->stage)) {
		uint8_t c = p->tx[p->tail++ & (p->tx_size - 1)];

		if (p->name != NULL || c == '\n' || p->head - p->kept > p->tx_size / 2)
			store_release(&p->kept, p->tail);
		if (c == '\n') {
			str_append(m->stage, sizeof(m->stage), &m->len, p->cr ? "\n" : "\r\n");
			p->lines_out++;
			p->cr = false;
			m->cur = NULL;
			return;
		}
		if (p->cr && c != '\r') stage_prefix(m, p);
		m->stage[m->len++] = (char)c;
		p->cr = c == '\r';
	}
}

bool mux_fill(struct mux *m, uint64_t now, uint32_t flags)
{
	struct console_port *p;

	if (m->pos < m->len) return true;
	p = choose(m, now, flags);
	if (p == NULL) return false;
	m->pos = 0;
	m->len = 0;
	if (p != m->cur) {
		str_append(m->stage, sizeof(m->stage), &m->len, m->cur != NULL ? "\r\n" : "");
		stage_prefix(m, p);
		p->tail = p->kept; /* the shell's line again, from its start */
		m->cur = p;
		m->cur_since = now;
	}
	stage_line(m, p);
	return true;
}

uint64_t mux_next_time(const struct mux *m, uint64_t now)
{
	uint64_t first = m->alone && m->alone_until > now ? m->alone_until : TIMER_NEVER;

	for (const struct console_port *p = m->ports; p != NULL; p = p->next) {
		bool unseen = load_relaxed(&p->midline) && mux_used(p) != 0;
		uint64_t at = load_relaxed(&p->last_tx) +
		              arch_us_to_ticks(unseen ? MUX_SILENCE_US : MUX_BREAK_US);

		/* What is silent already needs no clock: it is sent as soon as the UART takes it.
		 */
		if (p->vm != NULL && (unseen || p == m->cur) && at > now) first = MIN(first, at);
	}
	return first;
}
