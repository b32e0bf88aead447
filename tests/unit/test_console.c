/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console: line multiplexer, prompts, flow control, escape key, on a simulated UART.
 * links: hyp/console.c hyp/deadline.c lib/str.c tests/fake_arch/fake.c
 * links: tests/fake_arch/timer.c tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <arch/spinlock.h>
#include <arch/timer.h>
#include <arch/uart.h>
#include <hyp/console.h>
#include <hyp/host.h>
#include <hyp/pcpu.h>
#include <tests/fake_arch/clock.h>

/* --- a UART with a FIFO and a speed --- */
static struct {
	unsigned fifo, depth; /* bytes in the transmit FIFO; its size */
	unsigned byte_us;     /* time to send one; 0: at once */
	uint64_t sent_at;
	bool dead, irq;
	unsigned polls, irqs;
	char *out;
	size_t len, cap;
	uint8_t in[4096];
	unsigned in_head, in_tail;
} uart;

static void uart_drain(unsigned n) { uart.fifo -= MIN(n, uart.fifo); }

void uart_init(const struct host_uart *u) { assert_int_equal(pa_raw(u->regs.base), 0x9000000); }

bool uart_tx_ready(void)
{
	if (uart.fifo < uart.depth) return true;
	/* Who polls makes time pass: a byte every few polls. */
	if (!uart.dead && ++uart.polls % 4 == 0) uart_drain(1);
	return false;
}

void uart_tx(uint8_t c)
{
	assert_true(uart.fifo < uart.depth);
	uart.fifo += uart.byte_us != 0 || uart.dead;
	if (uart.len + 1 >= uart.cap) {
		uart.cap = uart.cap * 2 + 4096;
		uart.out = realloc(uart.out, uart.cap);
		assert_non_null(uart.out);
	}
	uart.out[uart.len++] = (char)c;
	uart.out[uart.len] = '\0';
}

bool uart_tx_idle(void)
{
	if (!uart.dead) uart_drain(1);
	return uart.fifo == 0;
}

bool uart_rx(uint8_t *c)
{
	if (uart.in_head == uart.in_tail) return false;
	*c = uart.in[uart.in_tail++ % sizeof(uart.in)];
	return true;
}

void uart_irqs(bool tx) { uart.irq = tx; }

static const struct host_uart host_uart = {
    .type = HOST_UART_PL011, .regs = {{0x9000000}, 0x1000}, .clock_hz = 24000000, .intid = 33};

struct pcpu pcpus[MAX_PCPUS];
unsigned nr_pcpus = 1;

/* The UART's interrupt, as long as it asks. */
static void service(void)
{
	while (uart.in_head != uart.in_tail || (uart.irq && uart.fifo < uart.depth)) {
		assert_int_equal(fake_locks_held(), 0);
		assert_true(uart.irqs++ < 10000000);
		console_rx_irq();
	}
}

static void step(void)
{
	if (uart.byte_us != 0 && !uart.dead) {
		unsigned n = (unsigned)((fake_now - uart.sent_at) / uart.byte_us);

		uart_drain(n);
		uart.sent_at = uart.fifo == 0 ? fake_now : uart.sent_at + n * uart.byte_us;
	}
	service();
}

static void pass(uint64_t us)
{
	/* In pieces, so that a slow UART's interrupts come in between. */
	for (; us != 0; us -= MIN(us, 50)) {
		clock_advance(MIN(us, 50));
		step();
	}
	step();
}

/* --- guests --- */
#define NR 4
static struct console_port ports[NR];
static unsigned rooms[NR], inputs[NR];
static char shell_got[64];
static unsigned shell_len;
static char typed[NR][4096];
static unsigned typed_len[NR];

static unsigned port_nr(const struct console_port *p) { return (unsigned)(p - ports); }

static void on_shell(void)
{
	uint8_t c;

	while (console_shell_getc(&c)) {
		shell_got[shell_len++] = c == 0 ? '@' : (char)c;
		if (c == 0)
			console_shell_write("atoll> ", 7);
		else
			console_shell_write(&shell_got[shell_len - 1], 1);
	}
}

static void on_input(struct console_port *p)
{
	uint8_t c;

	assert_int_equal(fake_locks_held(), 0);
	if (p->vm == NULL) {
		on_shell();
		return;
	}
	inputs[port_nr(p)]++;
	while (console_port_getc(p, &c)) typed[port_nr(p)][typed_len[port_nr(p)]++] = (char)c;
}

static void on_room(struct console_port *p)
{
	assert_int_equal(fake_locks_held(), 0);
	rooms[port_nr(p)]++;
}

static const struct console_up up = {on_input, on_room};
static const char *const names[NR] = {"a", "b", "uboot", "d"};

static void forget(void)
{
	uart.len = 0;
	uart.out[0] = '\0';
}

/* Everything up to the first VM. The console has no way back: its state is reset by a fresh copy.
 */
static int setup(void **state)
{
	static bool started;

	(void)state;
	clock_reset(1000000);
	free(uart.out);
	memset(&uart, 0, sizeof(uart));
	memset(rooms, 0, sizeof(rooms));
	memset(inputs, 0, sizeof(inputs));
	memset(typed_len, 0, sizeof(typed_len));
	shell_len = 0;
	uart.depth = 16;
	uart.cap = 1;
	uart.out = calloc(1, 1);
	console_color = false;
	if (!started) {
		console_init(&host_uart);
		console_set_up(&up);
		started = true;
	}
	for (unsigned i = 0; i < NR; i++)
		console_port_add(&ports[i], (struct vm *)&ports[i], names[i], i, &up);
	console_focus(&ports[2]);
	pass(50000);
	assert_string_equal(uart.out, "-- console: uboot (Ctrl-] ? for help)\r\n");
	forget();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	uart.dead = false;
	uart.byte_us = 0;
	uart.fifo = 0;
	for (unsigned i = 0; i < NR; i++) console_port_remove(&ports[i]);
	console_flush();
	pass(100000);
	free(uart.out);
	uart.out = NULL;
	return 0;
}

/* A guest that is never held for long writes: a full ring has room again at the second try. */
static void put(unsigned g, const char *s)
{
	for (; *s != '\0'; s++) {
		if (!console_port_putc(&ports[g], (uint8_t)*s))
			assert_true(console_port_putc(&ports[g], (uint8_t)*s));
		step();
	}
}

static void own(const char *s)
{
	console_write(s, strlen(s));
	step();
}

static void type(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) uart.in[uart.in_head++ % sizeof(uart.in)] = (uint8_t)s[i];
	service();
}

static void test_lines_interleave(void **state)
{
	(void)state;
	put(0, "one");
	put(1, "eins\n");
	assert_string_equal(uart.out, "[b] eins\r\n");
	own("[0.1] log\n");
	put(0, " two\r\n");
	put(2, "\n");
	assert_string_equal(uart.out, "[b] eins\r\n[0.1] log\r\n[a] one two\r\n[uboot] \r\n");
	pass(1000000);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER); /* nothing ticks */
}

static void test_color(void **state)
{
	(void)state;
	console_color = true;
	put(1, "x\n");
	own("log\n");
	put(2, "y\n");
	assert_string_equal(uart.out,
	                    "\033[33m[b]\033[0m x\r\n\033[0mlog\r\n\033[32m[uboot]\033[0m y\r\n");
}

/* A byte starts the clock of silence; the end of its line stops it, so that it interrupts nobody.
 */
static void test_clock_stops(void **state)
{
	(void)state;
	put(0, "tic");
	assert_int_not_equal(fake_cnthp[0], TIMER_NEVER);
	put(0, "k\n");
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	put(0, "t");
	put(1, "u\n");
	assert_int_not_equal(fake_cnthp[0], TIMER_NEVER); /* one line is still open */
	put(0, "\n");
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
}

static void test_prompt(void **state)
{
	(void)state;
	put(2, "before\n");
	put(2, "=> ");
	forget();
	put(0, "tick\n");
	assert_string_equal(uart.out, "[a] tick\r\n");
	forget();
	pass(19999);
	assert_string_equal(uart.out, "");
	pass(1);
	assert_string_equal(uart.out, "[uboot] => ");
	/* Its echo goes on at once; other output waits for 100 ms of silence. */
	put(2, "v");
	assert_string_equal(uart.out, "[uboot] => v");
	put(0, "tick\n");
	own("log\n");
	put(2, "e\b \b");
	assert_string_equal(uart.out, "[uboot] => ve\b \b");
	forget();
	pass(99999);
	assert_string_equal(uart.out, "");
	pass(1);
	assert_string_equal(uart.out, "\r\nlog\r\n[a] tick\r\n");
	forget();
	/* The rest gets its prefix again, after silence or with its end. */
	put(2, "er");
	assert_string_equal(uart.out, "");
	pass(20000);
	assert_string_equal(uart.out, "[uboot] er");
	put(2, "sion\n");
	assert_string_equal(uart.out, "[uboot] ersion\r\n");
	pass(1000000);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
}

static void test_lines_keep_their_order(void **state)
{
	(void)state;
	put(2, "=> ");
	pass(25000);
	/* While the prompt has the terminal. */
	put(3, "4 last words\n");
	pass(10);
	own("[0.1] d: exit\n");
	pass(10);
	put(0, "after\n");
	forget();
	pass(100000);
	assert_string_equal(uart.out, "\r\n[d] 4 last words\r\n[0.1] d: exit\r\n[a] after\r\n");
}

static void test_silent_prompt_gives_way_at_once(void **state)
{
	(void)state;
	put(2, "=> ");
	pass(100000);
	put(0, "tick\n");
	assert_string_equal(uart.out, "[uboot] => \r\n[a] tick\r\n");
	put(2, "x\n");
	assert_string_equal(uart.out, "[uboot] => \r\n[a] tick\r\n[uboot] x\r\n");
}

static void test_carriage_return(void **state)
{
	(void)state;
	/* What follows a lone CR would overwrite the prefix. */
	put(0, "10%\r20%\r\n");
	assert_string_equal(uart.out, "[a] 10%\r[a] 20%\r\n");
	forget();
	put(0, "\033[1mbold\033[0m\r\033[K\r\r\n");
	assert_string_equal(uart.out, "[a] \033[1mbold\033[0m\r[a] \033[K\r\r\n");
}

static void test_long_line_is_not_mixed(void **state)
{
	const unsigned n = CONSOLE_TX_SIZE * 2 + 100;
	unsigned prefixes = 0;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		put(0, "x");
		if (i % 100 == 0) put(1, "y\n");
	}
	put(0, "\n");
	pass(30000);
	/* All of it in one line. */
	char *start = strstr(uart.out, "[a] ");

	assert_non_null(start);
	assert_int_equal(strspn(start + 4, "x"), n);
	assert_memory_equal(start + 4 + n, "\r\n", 2);
	for (char *p = uart.out; (p = strstr(p, "[b] y\r\n")) != NULL; p++) prefixes++;
	assert_int_equal(prefixes, n / 100 + 1);
}

static void test_endless_line_is_broken(void **state)
{
	(void)state;
	put(1, "p");
	pass(100000);
	put(0, "neighbour\n");
	/* One that is never silent and never ends its line cannot keep others off for ever. */
	put(1, "q");
	pass(20000);
	forget();
	for (unsigned ms = 0; ms < 3000; ms += 10) {
		put(1, "z");
		pass(10000);
		if (ms == 100) put(0, "waits\n");
		if (ms < 1900) assert_null(strstr(uart.out, "waits"));
	}
	assert_non_null(strstr(uart.out, "\r\n[a] waits\r\n"));
}

static void test_full_ring_holds(void **state)
{
	unsigned n = 0, last = 0;

	(void)state;
	uart.byte_us = 87; /* 115200 baud */
	while (console_port_putc(&ports[0], n % 64 == 63 ? '\n' : 'a')) n++;
	assert_true(n >= CONSOLE_TX_SIZE);
	assert_true(ports[0].waiting);
	assert_false(console_port_putc(&ports[0], '!'));
	assert_int_equal(rooms[0], 0);
	/* Room is told once, when half of it is there, and not to those who did not ask. */
	for (; rooms[0] == 0; last++) {
		assert_true(last < 1000);
		pass(1000);
	}
	assert_true(last > 50);
	assert_true(ports[0].head - ports[0].tail <= CONSOLE_TX_SIZE / 2);
	assert_true(ports[0].head - ports[0].tail > CONSOLE_TX_SIZE / 4);
	pass(1000000);
	assert_int_equal(rooms[0], 1);
	assert_int_equal(rooms[1], 0);
	assert_false(uart.irq);
	assert_null(strchr(uart.out, '!'));
}

static void test_own_output_leaves_room_to_the_interrupt(void **state)
{
	(void)state;
	uart.byte_us = 87;
	while (console_port_putc(&ports[0], '\n')) {
	}
	/* The UART is idle again, its interrupt not yet taken: EL2's lines, which may come under
	 * locks and so cannot wake anybody, must not use it up. */
	uart.byte_us = 0;
	uart.fifo = 0;
	for (unsigned i = 0; i < 100; i++) console_write("log\n", 4);
	assert_int_equal(rooms[0], 0);
	step();
	assert_int_equal(rooms[0], 1);
}

static void test_own_output_waits_when_full(void **state)
{
	char line[101];
	unsigned lines = 0;

	(void)state;
	uart.byte_us = 87;
	memset(line, 'l', sizeof(line));
	line[99] = '\n';
	line[100] = '\0';
	for (unsigned i = 0; i < 1000; i++) /* 100 KB through 16 KiB, no interrupt comes */
		console_write(line, 100);
	pass(3000000);
	for (char *p = uart.out; (p = strstr(p, "l\r\n")) != NULL; p++) lines++;
	assert_int_equal(lines, 1000);
}

static void test_dead_uart(void **state)
{
	(void)state;
	uart.dead = true;
	put(0, "x\n");
	console_flush(); /* ends */
	assert_true(uart.len <= uart.depth);
}

static void test_locks_of_callers(void **state)
{
	static spinlock_t page = {.cls = LOCK_PAGE}, vdev = {.cls = LOCK_VDEV};
	uint8_t c;

	(void)state;
	uart.byte_us = 87;
	put(0, "half");
	/* EL2's lines: under (nearly) any lock; the byte count makes the UART full. */
	spin_lock(&page);
	console_write("0123456789012345678901234567890123456789\n", 41);
	spin_unlock(&page);
	spin_lock(&vdev);
	assert_false(console_port_getc(&ports[0], &c));
	spin_unlock(&vdev);
	pass(100000);
	assert_string_equal(uart.out, "0123456789012345678901234567890123456789\r\n[a] half");
}

static void test_keyboard(void **state)
{
	(void)state;
	type("version\r", 8);
	assert_int_equal(typed_len[2], 8);
	assert_memory_equal(typed[2], "version\r", 8);
	assert_int_equal(typed_len[0] + typed_len[1] + typed_len[3] + shell_len, 0);
	type("\035n", 2);
	assert_string_equal(uart.out, "-- console: d (Ctrl-] ? for help)\r\n");
	type("1", 1);
	forget();
	type("\035nx", 3); /* round to the first */
	assert_string_equal(uart.out, "-- console: a (Ctrl-] ? for help)\r\n");
	type("\035px\035py", 6);
	type("\035"
	     "1z",
	     3);
	assert_memory_equal(typed[0], "x", 1);
	assert_memory_equal(typed[3], "1x", 2);
	assert_memory_equal(typed[2], "version\ry", 9);
	assert_memory_equal(typed[1], "z", 1);
	/* Twice: once for the guest. */
	type("\035\035", 2);
	assert_int_equal(typed_len[1], 2);
	assert_int_equal(typed[1][1], 035);
	forget();
	type("\035?", 2);
	assert_non_null(strstr(uart.out, "Ctrl-] then"));
	assert_int_equal(typed_len[1], 2);
	forget();
	type("\0359", 2); /* no such VM: help, focus stays */
	assert_non_null(strstr(uart.out, "Ctrl-] then"));
	type("w", 1);
	assert_memory_equal(typed[1], "z\035w", 3);
}

static void test_typed_ahead(void **state)
{
	static char text[CONSOLE_RX_SIZE + 10];
	uint8_t c;
	unsigned n = 0;

	(void)state;
	static const struct console_up deaf = {.input = on_room, .room = on_room};

	ports[2].up = &deaf;
	memset(text, 't', sizeof(text));
	type(text, sizeof(text));
	while (console_port_getc(&ports[2], &c)) n += c == 't';
	assert_int_equal(n, CONSOLE_RX_SIZE);
	assert_int_equal(ports[2].rx_dropped, 10);
}

static void test_shell(void **state)
{
	(void)state;
	type("\035h", 2);
	assert_string_equal(uart.out, "-- console: shell (Ctrl-] ? for help)\r\natoll> ");
	type("li", 2);
	forget();
	/* Its line gives way at once, and is shown again when it goes on. */
	put(0, "tick\n");
	assert_string_equal(uart.out, "\r\n[a] tick\r\n");
	forget();
	type("s", 1);
	assert_string_equal(uart.out, "atoll> lis");
	assert_int_equal(shell_len, 4);
	assert_memory_equal(shell_got, "@lis", 4);
	console_shell_write("\n", 1);
	type("\0352", 2);
	assert_int_equal(shell_len, 4);
}

/* As the management guest writes: it waits while there is no room. */
static void shell_write(const char *s, size_t n)
{
	for (size_t took; n > 0; s += took, n -= took) {
		took = console_shell_write(s, n);
		assert_true(took <= n);
		if (took < n) pass(1000);
	}
}

static void rows(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		shell_write("row\n", 4);
		put(0, "guest\n");
		put(1, "prompt>");
		pass(30000);
	}
}

/* What one verb says stands together; the rest comes afterwards, none of it lost. */
static void test_verb_stands_alone(void **state)
{
	unsigned n = 0;

	(void)state;
	console_shell_alone(true);
	rows(3);
	assert_string_equal(uart.out, "row\r\nrow\r\nrow\r\n");
	shell_write("atoll> ", 7);
	forget();
	console_shell_alone(false);
	pass(100000);
	for (char *p = uart.out; (p = strstr(p, "[a] guest\r\n")) != NULL; p++) n++;
	assert_int_equal(n, 3);
	assert_non_null(strstr(uart.out, "[b] prompt>prompt>prompt>"));
	/* On a slow line, too: until the shell's ring is empty. */
	put(1, "\n");
	pass(100000);
	forget();
	uart.byte_us = 870;
	console_shell_alone(true);
	rows(1);
	for (unsigned i = 0; i < 100; i++) shell_write("more\n", 5);
	console_shell_alone(false);
	pass(2000000);
	assert_memory_equal(strstr(uart.out, "row\r\n"), "row\r\nmore\r\nmore\r\n", 17);
	n = 0;
	for (char *p = uart.out; (p = strstr(p, "more\r\n")) != NULL; p++) n++;
	assert_int_equal(n, 100);
	assert_true(strstr(uart.out, "guest") > strstr(uart.out, "more\r\nmore\r\n"));
	for (char *p = strstr(uart.out, "more"); memcmp(p, "more", 4) == 0; p += 6) n--;
	assert_int_equal(n, 0);
}

/* A verb that does not end holds nobody for ever, and its own ring cannot hold others. */
static void test_alone_is_bounded(void **state)
{
	(void)state;
	console_shell_alone(true);
	put(0, "waits\n");
	pass(2999000);
	assert_null(strstr(uart.out, "waits"));
	pass(1000);
	assert_string_equal(uart.out, "[a] waits\r\n");
	console_shell_alone(false);
	pass(1000000);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	/* A guest that goes away takes nothing with it. */
	console_shell_alone(true);
	put(3, "last words");
	console_port_remove(&ports[3]);
	assert_non_null(strstr(uart.out, "[d] last words\r\n"));
	console_port_add(&ports[3], (struct vm *)&ports[3], "d", 3, &up);
	console_shell_alone(false);
}

/* A line of the shell that is longer than what is shown again of one. */
static void test_long_line_of_the_shell(void **state)
{
	char text[1500];

	(void)state;
	memset(text, 'j', sizeof(text));
	shell_write(text, sizeof(text));
	step();
	put(0, "tick\n");
	shell_write("k\n", 2);
	pass(1000);
	assert_int_equal(strspn(uart.out, "j"), sizeof(text));
	assert_memory_equal(uart.out + sizeof(text), "\r\n[a] tick\r\njj", 14);
	assert_string_equal(uart.out + 2 * sizeof(text) + 12, "k\r\n");
	/* And far more than its ring holds. */
	forget();
	for (unsigned i = 0; i < 100; i++) shell_write(text, sizeof(text));
	shell_write("\n", 1);
	pass(1000);
	assert_int_equal(strspn(uart.out, "j"), 100 * sizeof(text));
	assert_string_equal(uart.out + 100 * sizeof(text), "\r\n");
}

static void test_remove_shows_the_rest(void **state)
{
	struct console_port *p = &ports[3];

	(void)state;
	uart.byte_us = 87;
	console_focus(p);
	put(3, "line\nrest");
	put(0, "half");
	console_port_remove(p);
	assert_non_null(strstr(uart.out, "[d] line\r\n"));
	assert_non_null(strstr(uart.out, "[d] rest\r\n"));
	assert_null(strstr(uart.out, "half"));
	forget();
	type("x", 1); /* the focus went to the shell */
	assert_int_equal(shell_len, 1);
	shell_write("\n", 1);
	/* Who still has a pointer to it is too late. */
	forget();
	console_focus(p);
	assert_string_equal(uart.out, "");
	type("y", 1);
	assert_int_equal(shell_len, 2);
	console_port_add(p, (struct vm *)p, "d", 3, &up);
}

static void test_flush_shows_unfinished(void **state)
{
	(void)state;
	uart.byte_us = 87;
	put(0, "half");
	put(1, "other");
	console_flush();
	assert_string_equal(uart.out, "[a] half\r\n[b] other");
	assert_int_equal(uart.fifo, 0);
}

/* EL2 waits for no UART because of what the shell writes: it takes what its ring has room for. */
static void test_shell_does_not_wait(void **state)
{
	unsigned n = 0, polls;

	(void)state;
	uart.byte_us = 870;
	polls = uart.polls;
	while (console_shell_write("0123456789", 10) == 10) assert_true(n++ < 5000);
	assert_true(10 * n > 32000);
	assert_in_range(uart.polls - polls, 1, n + 1); /* a look each time */
	uart.dead = true;
	(void)console_shell_write("0123456789", 10);
	assert_int_equal(console_shell_write("0123456789", 10), 0);
	uart.dead = false;
	pass(870 * 300); /* what is on its way from there to the UART is no room yet */
	assert_true(console_shell_write("0123456789", 10) > 0);
	uart.byte_us = 0;
	shell_write("\n", 1);
	pass(1000);
}

/* The shell's `log`. */
static void test_show_log(void **state)
{
	unsigned count = 0, lines;
	char line[32];

	(void)state;
	console_show_log();
	forget();
	for (unsigned i = 10000; i < 12000; i++) {
		snprintf(line, sizeof(line), "line %u of a log\n", i);
		own(line);
	}
	forget();
	console_shell_alone(true);
	console_show_log();
	console_shell_alone(false);
	step();
	/* The last 16 KiB, from the start of a line to the last line, none missing. */
	lines = 16384 / (unsigned)strlen(line);
	for (unsigned i = 12000 - lines; i < 12000; i++) {
		snprintf(line, sizeof(line), "line %u of a log\r\n", i);
		assert_memory_equal(uart.out + count++ * strlen(line), line, strlen(line));
	}
	assert_int_equal(uart.len, lines * strlen(line));
}

/* What a verb says without an end of line, as JSON, is one line, whatever EL2 has to say. */
static void test_verb_ends_its_line(void **state)
{
	(void)state;
	console_shell_alone(true);
	shell_write("{\"a\":", 5);
	pass(1000);
	own("[0.1] log\n");
	shell_write("1}\n", 3);
	console_shell_alone(false);
	pass(1000);
	assert_non_null(strstr(uart.out, "{\"a\":1}\r\n"));
	assert_non_null(strstr(uart.out, "[0.1] log\r\n"));
	forget();
	/* Also when its ring cannot hold it. */
	console_shell_alone(true);
	for (unsigned i = 0; i < 5000; i++) shell_write("0123456789", 10);
	own("[0.2] log\n");
	for (unsigned i = 0; i < 5000; i++) shell_write("0123456789", 10);
	shell_write("\n", 1);
	console_shell_alone(false);
	pass(1000);
	assert_int_equal(strspn(uart.out, "0123456789"), 100000);
	assert_non_null(strstr(uart.out, "[0.2] log\r\n"));
}

/* There is no way back: in a process of its own. */
static void test_panic(void **state)
{
	int status;
	pid_t child;

	(void)state;
	uart.byte_us = 87;
	put(0, "a long line of a guest that the UART has not sent yet\n");
	put(1, "prompt> ");
	console_write("queued\n", 7);
	child = fork();
	if (child == 0) {
		console_take_over();
		say("panic: %c\n", 'x');
		say("more\n");
		exit(strstr(uart.out, "a guest that the UART has not sent yet\r\nqueued\r\n"
		                      "panic: x\r\nmore\r\n") == NULL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/* In the middle of a guest's line, which others would have to wait for. */
	pass(100000);
	assert_non_null(strstr(uart.out, "[b] prompt> "));
	child = fork();
	if (child == 0) {
		put(1, "v");
		forget();
		console_take_over();
		say("panic: %c\n", 'x');
		exit(strcmp(uart.out, "\r\npanic: x\r\n") != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* --- random interleaving: what comes out, taken apart, is what went in --- */
#define LINES 120
struct writer {
	char *text; /* all it writes */
	size_t len, at;
	bool held;
	uint64_t last;      /* when it wrote its last byte */
	bool paused[LINES]; /* line n had 100 ms of silence in it */
	unsigned line;
};

static void random_text(struct writer *w)
{
	static const char *const pieces[] = {"a",   "bc", "\033[1m",    "\b",
	                                     "def", " ",  "1234567890", "\rX"};

	w->text = malloc(LINES * 8192);
	w->len = 0;
	for (unsigned l = 0; l < LINES; l++) {
		unsigned n = rand() % 16 == 0 ? (unsigned)rand() % 700 : (unsigned)rand() % 12;

		while (n-- != 0) {
			const char *p = pieces[rand() % 8];

			memcpy(w->text + w->len, p, strlen(p));
			w->len += strlen(p);
		}
		/* No line is empty: see check_demux(). */
		w->text[w->len++] = ';';
		if (rand() % 2 != 0) w->text[w->len++] = '\r';
		w->text[w->len++] = '\n';
	}
}

static void writer_step(struct writer *w, unsigned g)
{
	unsigned n = 1 + (unsigned)rand() % 40;

	if (w->held) {
		if (rooms[g] == 0) return;
		w->held = false;
	}
	for (; n != 0 && w->at < w->len; n--) {
		rooms[g] = 0;
		if (!console_port_putc(&ports[g], (uint8_t)w->text[w->at])) {
			w->held = true;
			return;
		}
		if (w->at != 0 && w->text[w->at - 1] != '\n' && fake_now - w->last >= 100000)
			w->paused[w->line] = true;
		w->last = fake_now;
		w->line += w->text[w->at++] == '\n';
	}
}

/* Copies a line without CRs and what follows them of the prefix. */
static size_t plain(char *to, const char *s, size_t n, const char *prefix)
{
	size_t out = 0, plen = strlen(prefix);

	for (size_t i = 0; i < n; i++)
		if (s[i] != '\r')
			to[out++] = s[i];
		else if (n - i > plen && memcmp(s + i + 1, prefix, plen) == 0)
			i += plen;
	return out;
}

/*
 * Every line whole, in order, and with one prefix, unless there was silence in it: then it may be
 * in several pieces, the last of them empty if only the line's end was missing.
 */
static void check_demux(const struct writer *w, unsigned g)
{
	static char want[65536], got[65536];
	char prefix[16];
	const char *p = uart.out;
	size_t at = 0, want_len = 0, used = 0;
	unsigned line = 0;

	(void)snprintf(prefix, sizeof(prefix), "[%s] ", names[g]);
	while (*p != '\0') {
		const char *end = strstr(p, "\r\n");
		size_t n = (size_t)(end - p), got_len;

		assert_non_null(end);
		if (n < strlen(prefix) || memcmp(p, prefix, strlen(prefix)) != 0) {
			p = end + 2;
			continue;
		}
		got_len = plain(got, p + strlen(prefix), n - strlen(prefix), prefix);
		p = end + 2;
		if (got_len == 0) {
			assert_true((line < LINES && w->paused[line]) || w->paused[line - 1]);
			continue;
		}
		if (used == want_len) {
			const char *nl = memchr(w->text + at, '\n', w->len - at);

			assert_non_null(nl); /* no line too many */
			want_len = plain(want, w->text + at, (size_t)(nl - w->text) - at, "\n");
			at = (size_t)(nl - w->text) + 1;
			used = 0;
		}
		assert_true(got_len <= want_len - used);
		assert_memory_equal(got, want + used, got_len);
		used += got_len;
		if (used < want_len)
			assert_true(w->paused[line]); /* split without silence */
		else
			line++;
	}
	assert_int_equal(line, LINES);
	assert_int_equal(at, w->len);
}

static void random_round(unsigned seed)
{
	static struct writer w[NR];
	unsigned own_lines = 0, own_seen = 0;
	bool more = true;

	srand(seed);
	memset(w, 0, sizeof(w));
	for (unsigned g = 0; g < NR; g++) random_text(&w[g]);
	uart.byte_us = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 10 : 87;
	while (more) {
		unsigned g = (unsigned)rand() % NR;

		writer_step(&w[g], g);
		if (rand() % 50 == 0) {
			console_write("[log] line\n", 11);
			own_lines++;
		}
		step();
		if (rand() % 4 == 0) pass((uint64_t)rand() % (rand() % 20 == 0 ? 150000 : 300));
		more = false;
		for (g = 0; g < NR; g++) more = more || w[g].at < w[g].len;
	}
	pass(2000000);
	assert_false(uart.irq);
	assert_int_equal(fake_cnthp[0], TIMER_NEVER);
	for (unsigned g = 0; g < NR; g++) {
		check_demux(&w[g], g);
		free(w[g].text);
	}
	for (const char *p = uart.out; (p = strstr(p, "[log] line\r\n")) != NULL; p++)
		own_seen += p == uart.out || p[-1] == '\n';
	assert_int_equal(own_seen, own_lines);
	forget();
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 12; seed++) random_round(seed);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_lines_interleave),
	    T(test_color),
	    T(test_clock_stops),
	    T(test_prompt),
	    T(test_lines_keep_their_order),
	    T(test_silent_prompt_gives_way_at_once),
	    T(test_carriage_return),
	    T(test_long_line_is_not_mixed),
	    T(test_endless_line_is_broken),
	    T(test_full_ring_holds),
	    T(test_own_output_leaves_room_to_the_interrupt),
	    T(test_own_output_waits_when_full),
	    T(test_dead_uart),
	    T(test_locks_of_callers),
	    T(test_keyboard),
	    T(test_typed_ahead),
	    T(test_shell),
	    T(test_verb_stands_alone),
	    T(test_alone_is_bounded),
	    T(test_long_line_of_the_shell),
	    T(test_remove_shows_the_rest),
	    T(test_flush_shows_unfinished),
	    T(test_shell_does_not_wait),
	    T(test_show_log),
	    T(test_verb_ends_its_line),
	    T(test_panic),
	    T(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
