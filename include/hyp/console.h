/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host console: multiplexes guests' output lines with EL2's own onto one UART, never mixing
 * within a line and never losing any; hands the keyboard to the VM in focus or to the shell.
 */
#pragma once

#include <hyp/types.h>

struct host_uart;
struct vm;

/* Polled driver of the UART in use; const tables in drivers/ (L2). */
struct uart_ops {
	void (*init)(uint64_t base, uint32_t clock_hz, uint32_t reg_shift);
	bool (*tx_ready)(uint64_t base);
	void (*tx)(uint64_t base, uint8_t c);
	bool (*rx)(uint64_t base, uint8_t *c); /* false: nothing there */
	void (*rx_irq_enable)(uint64_t base);
};
extern const struct uart_ops uart_pl011_ops, uart_8250_ops;

/* Before anything is known: a UART at base, for messages of a failed start. MMU may be off. */
void console_early(const struct uart_ops *ops, uint64_t base, uint32_t reg_shift);
/* The real one, from the host's FDT; its range is mapped by now. */
void console_init(const struct host_uart *u);
/* stdout is (probably) a terminal: colours. From bootargs console=color|plain; default plain
 * when bootargs carry console=plain, else colour. */
void console_set_color(bool on);

/* EL2's own output; whole lines. Any context; takes the console lock. Bytes that the UART cannot
 * take now are queued and drained by a deadline. */
void console_write(const char *s, size_t n);
/* Synchronous, lock-free: panic and early boot. */
void console_write_sync(const char *s, size_t n);
/* Everything queued has left for the UART (before power-off); bounded by the UART's speed. */
void console_flush(void);

/* A guest's transmit side, embedded in its virtual UART (or console device). */
#define CONSOLE_TX_SIZE 2048u
struct console_port {
	struct vm *vm;
	uint8_t tx[CONSOLE_TX_SIZE];
	uint32_t head, tail;   /* free-running; console lock */
	uint64_t last_tx;      /* counter value, for the 20 ms of silence */
	bool line_open;        /* the part of a line shown so far was not ended */
	bool waiting;          /* a vCPU is held until there is room */
	uint8_t color, index;  /* index: console number of the VM, from 0 */
	struct console_port *next;
};
void console_port_add(struct console_port *p, struct vm *vm);
/* The rest of its output is shown first. */
void console_port_remove(struct console_port *p);
/* One byte from the guest. false: the ring is full; p->waiting is set, and console_port_room()
 * (implemented by the owner of the port, hyp/vdev/pl011.c) is called once there is room. */
bool console_port_putc(struct console_port *p, uint8_t c);

/* Host UART receive interrupt: reads what is there (bounded), routes it. */
void console_rx_irq(void);
/* Keyboard focus: NULL is the shell. */
void console_focus(struct console_port *p);

/*
 * Up-calls, const table handed in by L8 at start (layers: console is L3):
 * input(p, c): a byte for the VM that owns p; false if it cannot take it now (dropped, counted).
 * shell(c): a byte for the shell. room(p): see console_port_putc.
 */
struct console_up {
	bool (*input)(struct console_port *p, uint8_t c);
	void (*shell)(uint8_t c);
	void (*room)(struct console_port *p);
};
void console_set_up(const struct console_up *up);
