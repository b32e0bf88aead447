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
#define SEND_MAX 64u
#define RX_MAX 64u
/* Polls of a UART that takes nothing before output is given up: seconds at any speed. */
#define UART_PATIENCE (1u << 24)
#define ESCAPE 0x1d /* Ctrl-] */

bool console_color;

static uint8_t log_ring[KiB(16)], shell_ring[KiB(32)];

static struct {
	spinlock_t lock;
	struct console_port *ports; /* in order of their addition; EL2's first */
	struct console_port log, shell;
	struct console_port *focus;
	struct console_port *cur; /* whose unfinished line the cursor stands in */
	uint64_t cur_until;       /* others may interrupt it then */
	uint64_t alone_until;
	struct deadline silence;
	bool has_uart, has_irq, ready, tx_irq, escape;
	bool alone;      /* a verb of the shell runs */
	bool async;      /* up-calls and the UART's interrupt work: the rest goes by interrupt */
	bool timed;      /* shared: the clock of silence is set */
	size_t pos, len; /* bytes of stage sent, present */
	char stage[256];
} con = {
    .lock = SPINLOCK_INIT(LOCK_CONSOLE),
    .ports = &con.log,
    .log = {.tx = log_ring, .tx_size = sizeof(log_ring), .next = &con.shell},
    .shell = {.tx = shell_ring, .tx_size = sizeof(shell_ring), .index = UINT8_MAX},
    .focus = &con.shell,
};

/* Puts a byte into p's ring; false: full. p->tx_lock is held, or nobody else gives. */
static bool give(struct console_port *p, uint8_t c)
{
	if (p->head - load_acquire(&p->kept) == p->tx_size) return false;
	p->tx[p->head & (p->tx_size - 1)] = c;
	store_relaxed(&p->last_tx, arch_counter());
	if (c == '\n') store_relaxed(&p->line_end, p->head + 1);
	store_release(&p->head, p->head + 1);
	return true;
}

static uint32_t used(const struct console_port *p) { return load_acquire(&p->head) - p->tail; }

static bool midline(const struct console_port *p)
{
	return load_relaxed(&p->head) != load_relaxed(&p->line_end);
}

/* EL2's own is shown, and may be interrupted, at once: the prompt; but a verb ends its line. */
static bool silent(const struct console_port *p, uint64_t now, uint32_t us)
{
	uint64_t last = load_relaxed(&p->last_tx);

	if (p->vm == NULL) return p != &con.shell || !con.alone;
	/* It may have come after `now` was read. */
	return now > last && now - last >= arch_us_to_ticks(us);
}

/* Something of p can start (or continue) a line on the terminal. own: nothing of guests. */
static bool ready(const struct console_port *p, uint64_t now, bool own)
{
	uint32_t n = used(p);

	if (n == 0 || (p->vm != NULL && own)) return false;
	if (p->vm != NULL && now < con.alone_until && (con.alone || used(&con.shell) != 0))
		return false; /* a verb of the shell first */
	/* A line's end is among the last n bytes; or no more fit; or nothing follows. */
	return p->head - load_relaxed(&p->line_end) < n || n == p->tx_size ||
	       silent(p, now, SILENCE_US);
}

/*
 * The ready source but `but` that has waited longest since it gave something, so that lines come in
 * their order in time; who goes on giving comes last, until its ring is full. NULL: none.
 */
static struct console_port *find_ready(const struct console_port *but, uint64_t now, bool own)
{
	struct console_port *first = NULL;

	for (struct console_port *p = con.ports; p != NULL; p = p->next)
		if (p != but && ready(p, now, own) &&
		    (first == NULL || load_relaxed(&p->last_tx) < load_relaxed(&first->last_tx)))
			first = p;
	return first;
}

static struct console_port *choose(uint64_t now, bool own)
{
	struct console_port *cur = con.cur, *other = find_ready(cur, now, own);

	if (cur == NULL || (other != NULL && now >= con.cur_until)) return other;
	if (used(cur) != 0) return cur->vm == NULL || !own ? cur : NULL;
	return silent(cur, now, BREAK_US) ? other : NULL;
}

#define STAGE(...) str_append(con.stage, sizeof(con.stage), &con.len, __VA_ARGS__)

static void stage_prefix(struct console_port *p)
{
	static const uint8_t color[] = {36, 33, 32, 35, 34, 96};

	p->cr = false;
	if (p->name != NULL && console_color)
		STAGE("\033[%um[%.32s]\033[0m ", color[p->index % ARRAY_SIZE(color)], p->name);
	else if (p->name != NULL)
		STAGE("[%.32s] ", p->name);
	else
		STAGE(console_color ? "\033[0m" : "");
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
static bool fill(uint64_t now, bool own)
{
	struct console_port *p;

	if (con.pos < con.len) return true;
	p = choose(now, own);
	if (p == NULL) return false;
	con.pos = 0;
	con.len = 0;
	if (p != con.cur) {
		STAGE(con.cur != NULL ? "\r\n" : "");
		stage_prefix(p);
		p->tail = p->kept; /* the shell's line again, from its start */
		con.cur = p;
		con.cur_until = now + arch_us_to_ticks(LINE_MAX_US);
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
		bool unseen = midline(p) && used(p) != 0;
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

/*
 * Sends what may be sent now; the UART's interrupt stays on as long as there is more. wait: for the
 * UART, instead of leaving the rest to its interrupt. False: nothing was sent.
 */
static bool send(uint64_t now, bool own, bool wait) REQUIRES(con.lock)
{
	uint32_t patience = con.async && !wait ? 0 : UART_PATIENCE, n = 0;
	bool more;

	while ((more = fill(now, own)) && (n < SEND_MAX || !con.async) &&
	       uart_put(con.stage[con.pos], patience)) {
		con.pos++;
		n++;
	}
	if (own) more = fill(now, false);
	if (con.async && more != con.tx_irq) {
		con.tx_irq = more;
		uart_irqs(more);
	}
	return n != 0;
}

/* Sends, and does what follows from it. full: its ring refused a byte; NULL: none did. */
static void pump(struct console_port *full) EXCLUDES(con.lock)
{
	uint64_t now, clock;

	spin_lock(&con.lock);
	now = arch_counter();
	if (full != NULL) full->waiting = true;
	(void)send(now, false, false);
	/* A clock while a line is open; none when all have ended: it interrupts no guest for
	 * nothing. */
	clock = next_time(now);
	if (con.timed != (clock != TIMER_NEVER)) {
		store_relaxed(&con.timed, clock != TIMER_NEVER);
		deadline_set(&con.silence, clock);
	}
	for (struct console_port *p = con.ports; p != NULL; p = p->next) {
		if (!p->waiting || used(p) > p->tx_size / 2) continue;
		p->waiting = false;
		spin_unlock(&con.lock);
		p->up->room(p);
		spin_lock(&con.lock);
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

static const struct deadline_ops silence_ops = {silence_fire};

void console_early(const struct host_uart *u)
{
	con.has_uart = u->type != HOST_UART_NONE;
	con.has_irq = con.has_uart && u->intid != 0;
	if (con.has_uart) uart_init(u);
}

void console_init(const struct host_uart *u)
{
	console_early(u);
	deadline_init(&con.silence, &silence_ops);
	con.ready = true;
}

void console_set_up(const struct console_up *shell)
{
	con.shell.up = shell;
	con.async = con.has_irq;
	if (con.async) uart_irqs(false);
}

static void own_write(struct console_port *p, const char *s, size_t n) REQUIRES(con.lock)
{
	for (size_t i = 0; i < n; i++) {
		/* Full: nobody's unfinished line is waited for. If nothing can be sent, the UART is
		 * dead, and so is what it cannot show. */
		while (!give(p, (uint8_t)s[i])) {
			con.cur_until = 0;
			if (!send(arch_counter(), true, true)) break;
		}
	}
	/* The caller may hold locks: nothing of guests, which would need up-calls. */
	(void)send(arch_counter(), true, false);
}

/* The multiplexer may have been left in the middle of anything: all but the log is cut off. */
void console_take_over(void) NO_TSA
{
	con.ready = con.async = false;
	con.log.next = NULL;
	con.len = MIN(con.len, sizeof(con.stage));
	con.shell.tail = con.shell.head;
	if (con.cur != NULL) con.cur = &con.shell;
	(void)send(arch_counter(), true, true);
}

/* Before console_init() and after console_take_over() one CPU is left, without or past all locks.
 */
void console_write(const char *s, size_t n) NO_TSA
{
	if (con.ready) spin_lock(&con.lock);
	own_write(&con.log, s, n);
	if (con.ready) spin_unlock(&con.lock);
}

void console_show_log(void)
{
	const uint32_t size = sizeof(log_ring), mask = size - 1;
	uint32_t at;

	spin_lock(&con.lock);
	at = con.log.head - MIN(con.log.head, size);
	while (at != 0 && at != con.log.head && log_ring[at++ & mask] != '\n') {
	}
	for (uint32_t n; at != con.log.head; at += n) {
		n = MIN(con.log.head - at, size - (at & mask));
		own_write(&con.shell, (const char *)&log_ring[at & mask], n);
	}
	spin_unlock(&con.lock);
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

size_t console_shell_write(const char *s, size_t n)
{
	size_t took = 0;

	spin_lock(&con.lock);
	while (took < n && give(&con.shell, (uint8_t)s[took])) took++;
	if (took < n) con.cur_until = 0; /* nobody's unfinished line is waited for */
	(void)send(arch_counter(), true, false);
	spin_unlock(&con.lock);
	return took;
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
	/* As it will be at the end of time, when all has been silent. */
	con.cur_until = TIMER_NEVER;
	while (send(TIMER_NEVER / 2, false, true)) {
	}
	con.cur_until = 0;
	while (con.has_uart && !uart_tx_idle() && patience-- != 0) cpu_relax();
	spin_unlock(&con.lock);
}

void console_port_add(struct console_port *p, struct vm *vm, const char *name, unsigned index,
                      const struct console_up *up)
{
	struct console_port **at = &con.ports;

	*p = (struct console_port){.vm = vm, .name = name, .index = (uint8_t)index, .up = up};
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

	spin_lock(&con.lock);
	for (uint32_t i = 0; i < CONSOLE_TX_SIZE && (used(p) != 0 || midline(p)); i++) {
		if (midline(p)) (void)give(p, '\n');
		con.cur_until = con.alone_until = 0;
		(void)send(arch_counter(), false, true);
	}
	while (*at != p) at = &(*at)->next;
	*at = p->next;
	con.cur = con.cur == p ? NULL : con.cur;
	con.focus = con.focus == p ? &con.shell : con.focus;
	spin_unlock(&con.lock);
	pump(NULL);
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
	uint32_t tail = p->rx_tail;

	/* What comes right after this look is announced by input(). */
	if (tail == load_acquire(&p->rx_head)) return false;
	*c = p->rx[tail % CONSOLE_RX_SIZE];
	store_release(&p->rx_tail, tail + 1);
	return true;
}

bool console_shell_getc(uint8_t *c) { return console_port_getc(&con.shell, c); }

void console_focus(struct console_port *p)
{
	const struct console_port *at;

	spin_lock(&con.lock);
	at = con.ports;
	while (at != NULL && at != p) at = at->next;
	if (at != NULL) con.focus = p; /* not if it was removed since the caller had it */
	spin_unlock(&con.lock);
	if (at != NULL)
		say("-- console: %s (Ctrl-] ? for help)\n", p->vm != NULL ? p->name : "shell");
}

/* The guest after ('n') or before ('p') the one in focus, or the one with that digit; or NULL. */
static struct console_port *find_port(uint8_t c) REQUIRES(con.lock)
{
	struct console_port *found = c == 'h' ? &con.shell : NULL;
	uint32_t nearest = UINT8_MAX + 1, from = con.focus->index;

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
	bool plain, command, takes;
	struct console_port *p;
	uint8_t c;

	spin_lock(&con.lock);
	if (!con.has_uart || !uart_rx(&c)) {
		spin_unlock(&con.lock);
		return false;
	}
	plain = con.escape == (c == ESCAPE);
	command = con.escape && !plain;
	con.escape = !con.escape && !plain;
	p = command ? find_port(c) : plain ? con.focus : NULL;
	takes = plain || (command && p == &con.shell);
	if (takes && p->rx_head - load_acquire(&p->rx_tail) == CONSOLE_RX_SIZE) {
		p->rx_dropped++;
	} else if (takes) {
		p->rx[p->rx_head % CONSOLE_RX_SIZE] = plain ? c : 0;
		store_release(&p->rx_head, p->rx_head + 1);
	}
	spin_unlock(&con.lock);
	if (command && p != NULL)
		console_focus(p);
	else if (command)
		say("-- Ctrl-] then: n next VM, p previous VM, 0-9 VM by number, h shell, "
		    "Ctrl-] itself, ? this help\n");
	if (takes) p->up->input(p);
	return true;
}

void console_rx_irq(void)
{
	for (uint32_t i = 0; i < RX_MAX && key(); i++) {
	}
	pump(NULL);
}
