/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host console: which byte goes to the terminal next, whole lines of one source at a time, with
 * prefixes; EL2's own output, the guests' ports, and the keyboard with its escape key.
 */
#include <hyp/console.h>

#include <arch/barrier.h>
#include <arch/spinlock.h>
#include <arch/timer.h>
#include <arch/uart.h>
#include <hyp/atomic.h>
#include <hyp/deadline.h>
#include <hyp/host.h>
#include <lib/str.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* An unfinished line is shown after this much silence, */
#define SILENCE_US 20000u
/* and others may interrupt it after so much: a guest that lost its CPU in a line is no prompt. */
#define BREAK_US 100000u
/* While others wait, an unfinished line keeps the terminal at most so long. */
#define LINE_MAX_US 2000000u
/* Guests wait at most so long for a verb of the shell. */
#define ALONE_MAX_US 3000000u
/* Bytes a call sends at most once the console works by interrupts (rule 19). */
#define SEND_MAX 256u
#define RX_MAX 64u
/* Polls of a UART that takes nothing before output is given up: seconds at any speed. */
#define UART_PATIENCE (1u << 24)
#define ESCAPE 0x1d /* Ctrl-] */

/* How to send: */
#define SEND_ALL BIT32(0)  /* unfinished lines as well, nobody is waited for */
#define SEND_OWN BIT32(1)  /* only EL2's own sources */
#define SEND_NOW BIT32(2)  /* whole lines need not wait for the end of the unfinished one */
#define SEND_WAIT BIT32(3) /* wait for the UART instead of leaving the rest to its interrupt */

static uint8_t log_ring[KiB(16)], shell_ring[KiB(32)];

static struct {
	spinlock_t lock;
	const struct console_up *up;
	struct console_port *ports; /* in order of their addition; EL2's first */
	struct console_port log, shell;
	struct console_port *focus; /* NULL: the shell */
	struct console_port *cur;   /* whose unfinished line the cursor stands in */
	uint64_t cur_since, alone_until;
	uint64_t looked; /* at the rings: what was silent then was sent, or waits for the UART */
	struct deadline silence;
	bool has_uart, has_irq, ready, color, tx_irq, escape;
	bool alone;      /* a verb of the shell runs */
	bool async;      /* up-calls and the UART's interrupt work: the rest goes by interrupt */
	bool timed;      /* shared: the clock of silence is set */
	bool timing;     /* a CPU is setting it: it will look again */
	size_t pos, len; /* bytes of stage sent, present */
	char stage[256];
} con = {
    .lock = SPINLOCK_INIT(LOCK_CONSOLE),
    .ports = &con.log,
    .log = {.tx = log_ring, .tx_size = sizeof(log_ring), .next = &con.shell},
    .shell = {.tx = shell_ring, .tx_size = sizeof(shell_ring)},
};

/* Puts a byte into p's ring; false: full. p->tx_lock is held, or nobody else gives. */
static bool give(struct console_port *p, uint8_t c)
{
	if (p->head - load_acquire(&p->kept) == p->tx_size) return false;
	p->tx[p->head & (p->tx_size - 1)] = c;
	store_relaxed(&p->last_tx, arch_counter());
	store_relaxed(&p->midline, c != '\n');
	store_release(&p->head, p->head + 1);
	if (c == '\n') store_release(&p->lines_in, p->lines_in + 1);
	return true;
}

static uint32_t used(const struct console_port *p) { return load_acquire(&p->head) - p->tail; }

/* EL2's own is shown, and may be interrupted, at once: the shell's prompt. */
static bool silent(const struct console_port *p, uint64_t now, uint32_t us)
{
	uint64_t last = load_relaxed(&p->last_tx);

	/* It may have come after `now` was read. */
	return p->vm == NULL || (now > last && now - last >= arch_us_to_ticks(us));
}

/* Something of p can start (or continue) a line on the terminal. */
static bool ready(const struct console_port *p, uint64_t now, uint32_t flags)
{
	/* The lines first: those seen are in the ring then. */
	bool line = load_acquire(&p->lines_in) != p->lines_out;
	uint32_t n = used(p);

	if (n == 0 || (p->vm != NULL && (flags & SEND_OWN) != 0)) return false;
	if ((flags & SEND_ALL) != 0) return true;
	if ((flags & SEND_NOW) == 0 && p->vm != NULL && now < con.alone_until &&
	    (con.alone || used(&con.shell) != 0))
		return false; /* a verb of the shell first */
	return line || n == p->tx_size || silent(p, now, SILENCE_US);
}

/*
 * The ready source but `but` that has waited longest since it gave something, so that lines come in
 * their order in time; who goes on giving comes last, until its ring is full. NULL: none.
 */
static struct console_port *find_ready(const struct console_port *but, uint64_t now, uint32_t flags)
{
	struct console_port *first = NULL;

	for (struct console_port *p = con.ports; p != NULL; p = p->next)
		if (p != but && ready(p, now, flags) &&
		    (first == NULL || load_relaxed(&p->last_tx) < load_relaxed(&first->last_tx)))
			first = p;
	return first;
}

static struct console_port *choose(uint64_t now, uint32_t flags)
{
	struct console_port *cur = con.cur, *other = find_ready(cur, now, flags);
	bool expired;

	if (cur == NULL) return other;
	expired = (flags & SEND_NOW) != 0 || now - con.cur_since >= arch_us_to_ticks(LINE_MAX_US);
	if (used(cur) != 0 && (cur->vm == NULL || (flags & SEND_OWN) == 0) &&
	    (other == NULL || !expired))
		return cur;
	expired = expired || (flags & SEND_ALL) != 0;
	return expired || (used(cur) == 0 && silent(cur, now, BREAK_US)) ? other : NULL;
}

#define STAGE(...) str_append(con.stage, sizeof(con.stage), &con.len, __VA_ARGS__)

static void stage_prefix(struct console_port *p)
{
	static const uint8_t color[] = {36, 33, 32, 35, 34, 96};

	p->cr = false;
	if (p->name != NULL && con.color)
		STAGE("\033[%um[%.32s]\033[0m ", color[p->index % ARRAY_SIZE(color)], p->name);
	else if (p->name != NULL)
		STAGE("[%.32s] ", p->name);
	else
		STAGE(con.color ? "\033[0m" : "");
}

/* Moves bytes of p's line to the stage, as many as fit. */
static void stage_line(struct console_port *p)
{
	/* Room for what one byte can become: a prefix and itself. */
	while (used(p) != 0 && con.len + 64 < sizeof(con.stage)) {
		uint8_t c = p->tx[p->tail++ & (p->tx_size - 1)];

		if (p->name != NULL || c == '\n' || p->head - p->kept > p->tx_size / 2)
			store_release(&p->kept, p->tail);
		if (c == '\n') {
			STAGE(p->cr ? "\n" : "\r\n");
			p->lines_out++;
			p->cr = false;
			con.cur = NULL;
			return;
		}
		if (p->cr && c != '\r') stage_prefix(p);
		con.stage[con.len++] = (char)c;
		p->cr = c == '\r';
	}
}

/* Makes bytes stage[pos .. len) available; false: there is nothing to send now. */
static bool fill(uint64_t now, uint32_t flags)
{
	struct console_port *p;

	if (con.pos < con.len) return true;
	p = choose(now, flags);
	if (p == NULL) return false;
	con.pos = 0;
	con.len = 0;
	if (p != con.cur) {
		STAGE(con.cur != NULL ? "\r\n" : "");
		stage_prefix(p);
		p->tail = p->kept; /* the shell's line again, from its start */
		con.cur = p;
		con.cur_since = now;
	}
	stage_line(p);
	return true;
}

/* When the next unfinished line will have been silent for long enough; TIMER_NEVER: there is none.
 */
static uint64_t next_time(uint64_t now)
{
	uint64_t first = con.alone && con.alone_until > now ? con.alone_until : TIMER_NEVER;

	for (const struct console_port *p = con.ports; p != NULL; p = p->next) {
		bool unseen = load_relaxed(&p->midline) && used(p) != 0;
		uint64_t at =
		    load_relaxed(&p->last_tx) + arch_us_to_ticks(unseen ? SILENCE_US : BREAK_US);

		/* What is silent already needs no clock: it is sent as soon as the UART takes it.
		 */
		if (p->vm != NULL && (unseen || p == con.cur) && at > now) first = MIN(first, at);
	}
	return first;
}

/* False: the UART takes nothing. Without one all is taken and forgotten: the log's ring has it. */
static bool uart_put(char c, uint32_t patience)
{
	for (; con.has_uart && !uart_tx_ready(); patience--) {
		if (patience == 0) return false;
		cpu_relax();
	}
	if (con.has_uart) uart_tx((uint8_t)c);
	return true;
}

/* Sends what may be sent now; the UART's interrupt stays on as long as there is more. */
static void send(uint32_t flags) REQUIRES(con.lock)
{
	uint32_t patience = con.async && (flags & SEND_WAIT) == 0 ? 0 : UART_PATIENCE;
	uint32_t left = con.async && (flags & SEND_ALL) == 0 ? SEND_MAX : UINT32_MAX;
	uint64_t now = con.looked = arch_counter();
	bool more;

	while ((more = fill(now, flags)) && left-- != 0 && uart_put(con.stage[con.pos], patience))
		con.pos++;
	if ((flags & SEND_OWN) != 0) more = fill(now, flags & ~SEND_OWN);
	if (con.async && more != con.tx_irq) {
		con.tx_irq = more;
		uart_irqs(more);
	}
}

/* A guest that waits and has room now, for an up-call; NULL: there is none. */
static struct console_port *take_room(void) REQUIRES(con.lock)
{
	struct console_port *p = con.ports;

	while (p != NULL && !(p->waiting && used(p) <= p->tx_size / 2)) p = p->next;
	if (p != NULL) {
		p->waiting = false;
		p->busy++;
	}
	return p;
}

/*
 * Sets the clock while a line is open, and stops it when all have ended, so that it interrupts no
 * guest for nothing. The lock of the deadline comes before ours: one CPU at a time sets it.
 */
static void keep_time(void) REQUIRES(con.lock)
{
	uint64_t clock = next_time(con.looked);

	while (!con.timing && con.timed != (clock != TIMER_NEVER)) {
		con.timing = true;
		store_relaxed(&con.timed, clock != TIMER_NEVER);
		spin_unlock(&con.lock);
		deadline_set(&con.silence, clock);
		spin_lock(&con.lock);
		con.timing = false;
		clock = next_time(con.looked);
	}
}

/* Sends, and does what follows from it. full: its ring refused a byte; NULL: none did. */
static void pump(struct console_port *full) EXCLUDES(con.lock)
{
	struct console_port *p;

	spin_lock(&con.lock);
	if (full != NULL) full->waiting = true;
	send(0);
	keep_time();
	for (unsigned i = 0; i <= MAX_VMS && (p = take_room()) != NULL; i++) {
		spin_unlock(&con.lock);
		con.up->room(p);
		spin_lock(&con.lock);
		p->busy--;
	}
	spin_unlock(&con.lock);
}

static void silence_fire(struct deadline *d, uint64_t now)
{
	store_relaxed(&con.timed, false);
	/* "No clock" before the look at the rings; console_port_putc() has the other half. */
	smp_mb();
	pump(NULL);
}

void console_early(const struct host_uart *u)
{
	con.has_uart = u->type != HOST_UART_NONE;
	con.has_irq = con.has_uart && u->intid != 0;
	if (con.has_uart) uart_init(u);
}

void console_init(const struct host_uart *u)
{
	console_early(u);
	deadline_init(&con.silence, silence_fire);
	con.ready = true;
}

void console_set_up(const struct console_up *up)
{
	con.up = up;
	con.async = con.has_irq;
	if (con.async) uart_irqs(false);
}

void console_set_color(bool on) { con.color = on; }

bool console_color(void) { return con.color; }

static void own_write(struct console_port *p, const char *s, size_t n) REQUIRES(con.lock)
{
	for (size_t i = 0; i < n; i++) {
		if (!give(p, (uint8_t)s[i])) {
			send(SEND_OWN | SEND_NOW | SEND_WAIT);
			/* Still full: the UART is dead, and so is what it cannot show. */
			(void)give(p, (uint8_t)s[i]);
		}
	}
	/* The caller may hold locks: nothing of guests, which would need up-calls. */
	send(con.ready ? SEND_OWN : SEND_OWN | SEND_NOW);
}

/* The multiplexer may have been left in the middle of anything: all but the log is cut off. */
void console_take_over(void) NO_TSA
{
	con.ready = con.async = false;
	con.log.next = NULL;
	con.ports = &con.log;
	con.alone = false;
	con.len = MIN(con.len, sizeof(con.stage));
	if (con.cur != NULL) con.cur = &con.shell;
	send(SEND_NOW);
}

/* Before console_init() and after console_take_over() one CPU is left, without or past all locks.
 */
void console_write(const char *s, size_t n) NO_TSA
{
	if (con.ready) spin_lock(&con.lock);
	own_write(&con.log, s, n);
	if (con.ready) spin_unlock(&con.lock);
}

size_t console_read_back(uint32_t *pos, char *buf, size_t n)
{
	const struct console_port *p = &con.log;
	size_t len = 0;

	spin_lock(&con.lock);
	if (p->head - *pos > sizeof(log_ring)) {
		*pos = p->head - (uint32_t)sizeof(log_ring);
		while (*pos != p->head && log_ring[(*pos)++ % sizeof(log_ring)] != '\n') {
		}
	}
	while (len < n && *pos != p->head) buf[len++] = (char)log_ring[(*pos)++ % sizeof(log_ring)];
	spin_unlock(&con.lock);
	return len;
}

void say(const char *fmt, ...)
{
	char line[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	console_write(line, strlen(line));
}

void console_shell_write(const char *s, size_t n)
{
	spin_lock(&con.lock);
	own_write(&con.shell, s, n);
	spin_unlock(&con.lock);
}

void console_shell_alone(bool on)
{
	spin_lock(&con.lock);
	con.alone = on;
	con.alone_until = arch_counter() + arch_us_to_ticks(ALONE_MAX_US);
	spin_unlock(&con.lock);
	pump(NULL);
}

void console_flush(void)
{
	uint32_t patience = UART_PATIENCE;

	spin_lock(&con.lock);
	send(SEND_ALL | SEND_WAIT);
	while (con.has_uart && !uart_tx_idle() && patience-- != 0) cpu_relax();
	spin_unlock(&con.lock);
}

void console_port_add(struct console_port *p, struct vm *vm, const char *name, unsigned index)
{
	struct console_port **at = &con.ports;

	*p = (struct console_port){.vm = vm, .name = name, .index = (uint8_t)index};
	p->tx_lock = SPINLOCK_INIT(LOCK_CONSOLE);
	p->tx = p->tx_buf;
	p->tx_size = CONSOLE_TX_SIZE;
	spin_lock(&con.lock);
	while (*at != NULL) at = &(*at)->next;
	*at = p;
	spin_unlock(&con.lock);
}

void console_port_remove(struct console_port *p)
{
	struct console_port **at = &con.ports;
	bool busy;

	spin_lock(&con.lock);
	for (uint32_t i = 0; i < CONSOLE_TX_SIZE && (used(p) != 0 || p->midline); i++) {
		if (p->midline) (void)give(p, '\n');
		send(SEND_NOW | SEND_WAIT);
	}
	while (*at != p) at = &(*at)->next;
	*at = p->next;
	con.cur = con.cur == p ? NULL : con.cur;
	con.focus = con.focus == p ? NULL : con.focus;
	do {
		/* An up-call for p on another CPU: short, and it holds no lock that we hold. */
		spin_unlock(&con.lock);
		pump(NULL);
		spin_lock(&con.lock);
		busy = p->busy != 0;
	} while (busy);
	spin_unlock(&con.lock);
}

bool console_port_putc(struct console_port *p, uint8_t c)
{
	bool given;

	spin_lock(&p->tx_lock);
	given = give(p, c);
	spin_unlock(&p->tx_lock);
	/* The byte before the look at the clock: silence_fire() does it the other way round, so
	 * that at least one of the two sees what the other did. */
	smp_mb();
	if (!given || c == '\n' || !load_relaxed(&con.timed) || load_relaxed(&con.cur) == p)
		pump(given ? NULL : p); /* else it waits for its line's end or for silence */
	return given;
}

bool console_port_getc(struct console_port *p, uint8_t *c)
{
	bool got;

	/* What comes right after this look is announced by input(). */
	if (load_relaxed(&p->rx_head) == load_relaxed(&p->rx_tail)) return false;
	spin_lock(&con.lock);
	got = p->rx_head != p->rx_tail;
	if (got) {
		*c = p->rx[p->rx_tail % CONSOLE_RX_SIZE];
		store_relaxed(&p->rx_tail, p->rx_tail + 1);
	}
	spin_unlock(&con.lock);
	return got;
}

static void say_focus(const struct console_port *p)
{
	say("-- console: %s (Ctrl-] ? for help)\n", p != NULL ? p->name : "shell");
}

void console_focus(struct console_port *p)
{
	spin_lock(&con.lock);
	con.focus = p;
	spin_unlock(&con.lock);
	say_focus(p);
}

/* The guest after ('n') or before ('p') the one in focus, or the one with that digit; or NULL. */
static struct console_port *find_port(uint8_t c) REQUIRES(con.lock)
{
	uint32_t from = con.focus != NULL ? con.focus->index : c == 'n' ? UINT8_MAX : 0;
	uint32_t nearest = UINT8_MAX + 1;
	struct console_port *found = NULL;

	for (struct console_port *p = con.ports; p != NULL; p = p->next) {
		/* How far it is from there, round the end. */
		uint32_t far = c == 'n'   ? (p->index - from - 1) & UINT8_MAX
		               : c == 'p' ? (from - p->index - 1) & UINT8_MAX
		                          : nearest;

		if (p->vm != NULL && (far < nearest || (c <= '9' && c == '0' + p->index))) {
			found = p;
			nearest = far;
		}
	}
	return found;
}

/* One byte of the keyboard; false: there was none. */
static bool key(void)
{
	bool plain, command, moves;
	struct console_port *p = NULL;
	uint8_t c;

	spin_lock(&con.lock);
	if (!con.has_uart || !uart_rx(&c)) {
		spin_unlock(&con.lock);
		return false;
	}
	plain = con.escape == (c == ESCAPE);
	command = con.escape && !plain;
	con.escape = !con.escape && !plain;
	if (command) p = find_port(c);
	moves = command && (p != NULL || c == 'h');
	if (moves) con.focus = p;
	if (plain) p = con.focus;
	if (plain && p != NULL && p->rx_head - p->rx_tail == CONSOLE_RX_SIZE) {
		p->rx_dropped++;
	} else if (plain && p != NULL) {
		p->rx[p->rx_head % CONSOLE_RX_SIZE] = c;
		store_relaxed(&p->rx_head, p->rx_head + 1);
	}
	if (p != NULL) p->busy++;
	spin_unlock(&con.lock);
	if (moves)
		say_focus(p);
	else if (command)
		say("-- Ctrl-] then: n next VM, p previous VM, 0-9 VM by number, h shell, "
		    "Ctrl-] itself, ? this help\n");
	if (plain && p != NULL) con.up->input(p);
	if (p == NULL && (plain || moves)) con.up->shell(plain ? c : 0);
	if (p != NULL) {
		spin_lock(&con.lock);
		p->busy--;
		spin_unlock(&con.lock);
	}
	return true;
}

void console_rx_irq(void)
{
	for (uint32_t i = 0; i < RX_MAX && key(); i++) {
	}
	pump(NULL);
}
