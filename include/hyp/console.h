/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host console: multiplexes guests' output lines with EL2's own onto one UART, never mixing
 * within a line and never losing any; hands the keyboard to the VM in focus or to the shell.
 */
#pragma once

#include <hyp/types.h>
#include <arch/spinlock.h>

struct host_uart;
struct vm;

/* Before anything is known: a UART for messages of a failed start. MMU may be off. */
void console_early(const struct host_uart *u);
/*
 * The real one, from the host's FDT; its range is mapped and the MMU on by now. Until
 * console_set_up() all output is synchronous; afterwards what the UART cannot take at once is sent
 * from its interrupt.
 */
void console_init(const struct host_uart *u);
/* Unless bootargs say console=plain. Changed by the boot CPU only. */
extern bool console_color;

/* EL2's own output: whole lines. Any context, no lock of class LOCK_CONSOLE or above held. Waits
 * for the UART only when its 16 KiB of queue are full. */
void console_write(const char *s, size_t n);
/* The same, formatted; cut to 319 bytes. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What was last of it, up to 16 KiB of whole lines, as text of the shell. */
void console_show_log(void);
/* From now on EL2's output is synchronous and takes no lock, as it is before console_init(): for
 * those who will not go on. Its queued lines go first. */
void console_take_over(void);
/* Everything queued, unfinished lines included, has left the UART (before power-off). */
void console_flush(void);

/* One source of output: a guest's virtual UART (embedded there), EL2's log, the shell. */
#define CONSOLE_TX_SIZE 2048u
#define CONSOLE_RX_SIZE 1024u
struct console_port;
/*
 * What a source's owner is told, without any lock (layers: the console is L3). input(): there are
 * bytes for console_port_getc(), or console_shell_getc(). room(): the ring that was full has room.
 */
struct console_up {
	void (*input)(struct console_port *p);
	void (*room)(struct console_port *p);
};
struct console_port {
	const struct console_up *up; /* the log has none */
	struct vm *vm;               /* NULL: EL2's own */
	const char *name;            /* in the prefix; NULL: none */
	/*
	 * Ring of tx_size (a power of two) bytes, free-running counters. Giving a byte takes no
	 * other lock than the port's own: with one lock for all, guests on a busy host wait for
	 * each other.
	 */
	spinlock_t tx_lock; /* LOCK_CONSOLE: who gives */
	uint8_t *tx;
	uint32_t tx_size;
	uint32_t head, line_end; /* tx_lock, shared: bytes given; those up to the last line's end */
	uint64_t last_tx;        /* tx_lock, shared: counter value, for the 20 ms of silence */
	/* Console lock, shared: bytes before it may be overwritten. The tail; but of EL2's own the
	 * line's start, to show it again after an interruption. */
	uint32_t kept;
	uint32_t tail; /* this and all below: console lock */
	bool cr;       /* the last byte shown was a CR: the cursor stands on the prefix */
	bool waiting;  /* a vCPU is held until there is room */
	uint8_t index; /* console number of the VM: the digit after Ctrl-] */
	uint32_t rx_head, rx_dropped;
	uint32_t rx_tail; /* shared: who takes, one at a time */
	struct console_port *next;
	uint8_t tx_buf[CONSOLE_TX_SIZE], rx[CONSOLE_RX_SIZE];
};
/* name stays valid; index: the VM's number. No locks of LOCK_CONSOLE or above held. */
void console_port_add(struct console_port *p, struct vm *vm, const char *name, unsigned index,
                      const struct console_up *up);
/* The rest of its output is shown first. Up-calls for p under way on other CPUs end before those
 * come to their schedulers. */
void console_port_remove(struct console_port *p);
/* One byte from the guest, no locks held. false: the ring is full, and room() will be called. */
bool console_port_putc(struct console_port *p, uint8_t c);
/* The next byte typed for the guest; false: none. One CPU at a time; any locks. */
bool console_port_getc(struct console_port *p, uint8_t *c);

/* Host UART interrupt (receive and transmit): bounded work. No locks held. */
void console_rx_irq(void);
/* Gives p the keyboard. */
void console_focus(struct console_port *p);
/* The shell's own text: may be less than a line, is shown at once. Returns how much of it there was
 * room for. Same conditions as console_write(), but it waits for nothing. */
size_t console_shell_write(const char *s, size_t n);
/* The next byte typed for the shell, 0: it has just got the keyboard; false: none. */
bool console_shell_getc(uint8_t *c);
/* While it is on and until what the shell has written meanwhile is shown, but for 3 s at most,
 * guests' output waits, and what EL2 says for the end of the shell's line: no line of theirs comes
 * between those of one verb. No locks held. */
void console_shell_alone(bool on);

/* Boot CPU, once: from now on the UART's interrupt works, and shell->input() tells of keys. */
void console_set_up(const struct console_up *shell);
