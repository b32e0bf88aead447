/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PL011 (Arm DDI 0183): polled output, interrupt-driven input with a small terminal on top.
 */
#include <string.h>

#include "internal.h"

#define UARTDR 0x00u
#define UARTFR 0x18u
#define FR_BUSY (1u << 3)
#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)
#define UARTLCR_H 0x2cu
#define LCR_8N1_FIFO 0x70u
#define UARTCR 0x30u
#define CR_ON 0x301u /* UARTEN, TXE, RXE */
#define UARTIMSC 0x38u
#define UARTICR 0x44u
#define INT_RX (1u << 4)
#define INT_RT (1u << 6)

#define RING 256u
#define LINE 256u
#define CTRL(c) ((c)&31)

static uk_spinlock_t write_lock;

/* Filled by the interrupt handler, emptied by the reading CPU, which is the one interrupted. */
static char ring[RING];
static volatile unsigned ring_head, ring_tail;
static bool reading, raw_mode;

static char line[LINE];
static size_t line_len, line_pos;

static bool uart_ready(void)
{
	static bool done;

	if (!done && uk_mach.uart_base) {
		done = true;
		mmio_write32(uk_mach.uart_base + UARTLCR_H, LCR_8N1_FIFO);
		mmio_write32(uk_mach.uart_base + UARTCR, CR_ON);
	}
	return uk_mach.uart_base != 0;
}

void console_putc_raw(char c)
{
	if (!uart_ready()) return;
	while (mmio_read32(uk_mach.uart_base + UARTFR) & FR_TXFF) uk_cpu_relax();
	mmio_write32(uk_mach.uart_base + UARTDR, (uint8_t)c);
}

void console_write(const char *buf, size_t len)
{
	uint64_t daif = uk_irq_save();

	uk_spin_lock(&write_lock);
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\n') console_putc_raw('\r');
		console_putc_raw(buf[i]);
	}
	uk_spin_unlock(&write_lock);
	uk_irq_restore(daif);
}

/* Let the last characters out before the power goes: a tenth of a second at most. */
void console_drain(void)
{
	uint64_t until = uk_ticks() + uk_tick_hz() / 10;

	while (uart_ready() && (mmio_read32(uk_mach.uart_base + UARTFR) & FR_BUSY) &&
	       uk_ticks() < until)
		uk_cpu_relax();
}

static bool ring_full(void) { return ring_head - ring_tail == RING; }

/*
 * Cleared first, so that a character after the last look interrupts again. A full ring masks the
 * interrupt, so that the sender waits and nothing is lost.
 */
static void uart_interrupt(unsigned intid, void *arg)
{
	(void)intid;
	(void)arg;
	mmio_write32(uk_mach.uart_base + UARTICR, INT_RX | INT_RT);
	while (!ring_full() && !(mmio_read32(uk_mach.uart_base + UARTFR) & FR_RXFE)) {
		ring[ring_head % RING] = (char)mmio_read32(uk_mach.uart_base + UARTDR);
		ring_head = ring_head + 1;
	}
	if (ring_full()) mmio_write32(uk_mach.uart_base + UARTIMSC, 0);
}

/* Interrupts masked. The FIFO may hold what will never interrupt: take it now. */
static void rx_unmask(void)
{
	mmio_write32(uk_mach.uart_base + UARTIMSC, INT_RX | INT_RT);
	uart_interrupt(0, NULL);
}

static bool read_start(void)
{
	if (!reading && uart_ready() && uk_mach.uart_irq &&
	    uk_irq_register(uk_mach.uart_irq, uart_interrupt, NULL) == 0) {
		uint64_t daif = uk_irq_save();

		reading = true;
		rx_unmask();
		uk_irq_restore(daif);
	}
	return reading;
}

int uk_console_getc(bool wait)
{
	uint64_t daif;
	int c = -1;

	if (!read_start()) return -1;
	daif = uk_irq_save();
	while (wait && ring_head == ring_tail) uk_wfi();
	if (ring_head != ring_tail) {
		bool was_full = ring_full();

		c = (uint8_t)ring[ring_tail % RING];
		ring_tail = ring_tail + 1;
		if (was_full) rx_unmask();
	}
	uk_irq_restore(daif);
	return c;
}

void uk_console_raw(bool raw) { raw_mode = raw; }

static void erase(size_t n)
{
	while (n-- && line_len) {
		line_len--;
		console_write("\b \b", 3);
	}
}

/* One edited line: BS, DEL, ^U erase; ^D on an empty line is end of file; false then. */
static bool edit_line(void)
{
	line_len = line_pos = 0;
	for (;;) {
		int in = uk_console_getc(true);
		char c = in == '\r' ? '\n' : (char)in;

		if (in < 0 || (c == CTRL('D') && line_len == 0)) return false;
		if (c == '\b' || c == 0x7f) {
			erase(1);
		} else if (c == CTRL('U')) {
			erase(line_len);
		} else if (c == '\n' || ((uint8_t)c >= ' ' && line_len < LINE - 1)) {
			console_write(&c, 1);
			line[line_len++] = c;
			if (c == '\n') return true;
		}
	}
}

/* At least one byte, 0 at end of file, -1 without an input device. */
int console_read(char *buf, size_t len)
{
	size_t n = 0;

	if (!read_start()) return -1;
	if (raw_mode) {
		for (int c = uk_console_getc(true); c >= 0; c = uk_console_getc(false)) {
			buf[n++] = (char)c;
			if (n == len) break;
		}
		return (int)n;
	}
	if (line_pos == line_len && !edit_line()) return 0;
	n = line_len - line_pos < len ? line_len - line_pos : len;
	memcpy(buf, line + line_pos, n);
	line_pos += n;
	return (int)n;
}
