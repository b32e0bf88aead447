/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host console: moves what the multiplexer chooses to the UART, EL2's own output, the guests'
 * ports, and the keyboard with its escape key.
 */
#include <hyp/console.h>

#include <arch/barrier.h>
#include <arch/spinlock.h>
#include <arch/timer.h>
#include <arch/uart.h>
#include <hyp/atomic.h>
#include <hyp/deadline.h>
#include <hyp/host.h>
#include <lib/printf.h>
#include <string.h>
#include "console_mux.h"

/* Bytes a call sends at most once the console works by interrupts (rule 19). */
#define PUMP_MAX 256u
#define RX_MAX 64u
/* Polls of a UART that takes nothing before output is given up: seconds at any speed. */
#define UART_PATIENCE (1u << 24)
#define ESCAPE 0x1d /* Ctrl-] */

#define PUMP_WAIT BIT32(8) /* wait for the UART instead of leaving the rest to its interrupt */

static uint8_t log_ring[KiB(16)], shell_ring[KiB(32)];

static struct {
	spinlock_t lock;
	const struct console_up *up;
	struct mux mux;
	struct console_port log;
	struct console_port *focus; /* NULL: the shell */
	struct deadline silence;
	bool has_uart, has_irq, ready, tx_irq, escape;
	bool async;  /* up-calls and the UART's interrupt work: the rest goes by interrupt */
	bool timed;  /* shared: the clock of silence is set */
	bool timing; /* a CPU is setting it: it will look again */
} con = {
    .lock = SPINLOCK_INIT(LOCK_CONSOLE),
    .mux = {.ports = &con.log, .shell = {.tx = shell_ring, .tx_size = sizeof(shell_ring)}},
    .log = {.tx = log_ring, .tx_size = sizeof(log_ring), .next = &con.mux.shell},
};

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
static void send(uint32_t flags, uint32_t max, uint64_t now) REQUIRES(con.lock)
{
	bool more;

	if (!con.async) {
		flags |= PUMP_WAIT;
		max = UINT32_MAX;
	}
	while ((more = mux_fill(&con.mux, now, flags)) && max-- != 0 &&
	       uart_put(con.mux.stage[con.mux.pos], (flags & PUMP_WAIT) != 0 ? UART_PATIENCE : 0))
		con.mux.pos++;
	if ((flags & MUX_OWN) != 0) more = mux_fill(&con.mux, now, flags & ~MUX_OWN);
	if (con.async && more != con.tx_irq) {
		con.tx_irq = more;
		uart_irqs(more);
	}
}

/* A guest that waits and has room now, for an up-call; NULL: there is none. */
static struct console_port *take_room(void) REQUIRES(con.lock)
{
	struct console_port *p = con.mux.ports;

	while (p != NULL && !(p->waiting && mux_used(p) <= p->tx_size / 2)) p = p->next;
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
static void keep_time(uint64_t now) REQUIRES(con.lock)
{
	uint64_t clock = mux_next_time(&con.mux, now);

	while (!con.timing && con.timed != (clock != TIMER_NEVER)) {
		con.timing = true;
		store_relaxed(&con.timed, clock != TIMER_NEVER);
		spin_unlock(&con.lock);
		deadline_set(&con.silence, clock);
		spin_lock(&con.lock);
		con.timing = false;
		clock = mux_next_time(&con.mux, now);
	}
}

/* Sends, and does what follows from it. full: its ring refused a byte; NULL: none did. */
static void pump(struct console_port *full) EXCLUDES(con.lock)
{
	uint64_t now;
	struct console_port *p;

	spin_lock(&con.lock);
	now = arch_counter();
	if (full != NULL) full->waiting = true;
	send(0, PUMP_MAX, now);
	keep_time(now);
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

static const struct deadline_ops silence_ops = {.fire = silence_fire};

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

void console_set_up(const struct console_up *up)
{
	con.up = up;
	con.async = con.has_irq;
	if (con.async) uart_irqs(false);
}

void console_set_color(bool on) { con.mux.color = on; }

bool console_color(void) { return con.mux.color; }

static void own_write(struct console_port *p, const char *s, size_t n) REQUIRES(con.lock)
{
	uint64_t now = arch_counter();

	for (size_t i = 0; i < n; i++) {
		if (!mux_give(p, (uint8_t)s[i], now)) {
			send(MUX_OWN | MUX_NOW | PUMP_WAIT, PUMP_MAX, now);
			/* Still full: the UART is dead, and so is what it cannot show. */
			(void)mux_give(p, (uint8_t)s[i], now);
		}
	}
	/* The caller may hold locks: nothing of guests, which would need up-calls. */
	send(con.ready ? MUX_OWN : MUX_OWN | MUX_NOW, PUMP_MAX, now);
}

/* The multiplexer may have been left in the middle of anything: all but the log is cut off. */
void console_take_over(void) NO_TSA
{
	con.ready = con.async = false;
	con.log.next = NULL;
	con.mux.ports = &con.log;
	con.mux.alone = false;
	con.mux.len = MIN(con.mux.len, sizeof(con.mux.stage));
	if (con.mux.cur != NULL) con.mux.cur = &con.mux.shell;
	send(MUX_NOW, UINT32_MAX, arch_counter());
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
	own_write(&con.mux.shell, s, n);
	spin_unlock(&con.lock);
}

void console_shell_alone(bool on)
{
	spin_lock(&con.lock);
	con.mux.alone = on;
	con.mux.alone_until = arch_counter() + arch_us_to_ticks(MUX_ALONE_MAX_US);
	spin_unlock(&con.lock);
	pump(NULL);
}

void console_flush(void)
{
	uint32_t patience = UART_PATIENCE;

	spin_lock(&con.lock);
	send(MUX_ALL | PUMP_WAIT, UINT32_MAX, arch_counter());
	while (con.has_uart && !uart_tx_idle() && patience-- != 0) cpu_relax();
	spin_unlock(&con.lock);
}

void console_port_add(struct console_port *p, struct vm *vm, const char *name, unsigned index)
{
	struct console_port **at = &con.mux.ports;

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
	struct console_port **at = &con.mux.ports;
	bool busy;

	spin_lock(&con.lock);
	for (uint32_t i = 0; i < CONSOLE_TX_SIZE && (mux_used(p) != 0 || p->midline); i++) {
		if (p->midline) (void)mux_give(p, '\n', arch_counter());
		send(MUX_NOW | PUMP_WAIT, PUMP_MAX, arch_counter());
	}
	while (*at != p) at = &(*at)->next;
	*at = p->next;
	con.mux.cur = con.mux.cur == p ? NULL : con.mux.cur;
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
	given = mux_give(p, c, arch_counter());
	spin_unlock(&p->tx_lock);
	/* The byte before the look at the clock: silence_fire() does it the other way round, so
	 * that at least one of the two sees what the other did. */
	smp_mb();
	if (!given || c == '\n' || !load_relaxed(&con.timed) || load_relaxed(&con.mux.cur) == p)
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

static void set_focus(struct console_port *p) REQUIRES(con.lock)
{
	char buf[80];
	size_t n = 0;

	con.focus = p;
	str_append(buf, sizeof(buf), &n, "-- console: %s (Ctrl-] ? for help)\n",
	           p != NULL ? p->name : "shell");
	own_write(&con.log, buf, n);
}

void console_focus(struct console_port *p)
{
	spin_lock(&con.lock);
	set_focus(p);
	spin_unlock(&con.lock);
}

/* The guest after ('n') or before ('p') the one in focus, or the one with that digit; or NULL. */
static struct console_port *find_port(uint8_t c) REQUIRES(con.lock)
{
	uint32_t from = con.focus != NULL ? con.focus->index : c == 'n' ? UINT8_MAX : 0;
	uint32_t nearest = UINT8_MAX + 1;
	struct console_port *found = NULL;

	for (struct console_port *p = con.mux.ports; p != NULL; p = p->next) {
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

/* The byte after Ctrl-]. */
static void command(uint8_t c) REQUIRES(con.lock)
{
	static const char help[] =
	    "-- Ctrl-] then: n next VM, p previous VM, 0-9 VM by number, h shell, Ctrl-] itself, "
	    "? this help\n";
	struct console_port *p = find_port(c);

	if (p != NULL || c == 'h')
		set_focus(p);
	else
		own_write(&con.log, help, sizeof(help) - 1);
}

/* One byte of the keyboard; false: there was none. */
static bool key(void)
{
	bool plain, shell;
	struct console_port *p;
	uint8_t c;

	spin_lock(&con.lock);
	if (!con.has_uart || !uart_rx(&c)) {
		spin_unlock(&con.lock);
		return false;
	}
	plain = con.escape == (c == ESCAPE);
	shell = plain || (con.escape && c == 'h');
	if (con.escape && !plain) command(c);
	con.escape = !con.escape && !plain;
	p = plain ? con.focus : NULL;
	if (p != NULL && p->rx_head - p->rx_tail == CONSOLE_RX_SIZE) {
		p->rx_dropped++;
	} else if (p != NULL) {
		p->rx[p->rx_head % CONSOLE_RX_SIZE] = c;
		store_relaxed(&p->rx_head, p->rx_head + 1);
	}
	if (p != NULL) p->busy++;
	spin_unlock(&con.lock);
	if (p != NULL) {
		con.up->input(p);
		spin_lock(&con.lock);
		p->busy--;
		spin_unlock(&con.lock);
	} else if (shell) {
		con.up->shell(plain ? c : 0);
	}
	return true;
}

void console_rx_irq(void)
{
	for (uint32_t i = 0; i < RX_MAX && key(); i++) {
	}
	pump(NULL);
}
