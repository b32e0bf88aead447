/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of a host UART; const tables in drivers/. No locks inside: the console's lock covers all
 * but its lock-free panic path.
 */
#pragma once

#include <hyp/types.h>

struct uart_ops {
	/* Keeps the loader's line settings where it made any. */
	void (*init)(uint64_t base, uint32_t clock_hz, uint32_t reg_shift);
	bool (*tx_ready)(uint64_t base);
	void (*tx)(uint64_t base, uint8_t c);
	bool (*tx_idle)(uint64_t base);        /* the last bit has left */
	bool (*rx)(uint64_t base, uint8_t *c); /* false: nothing there */
	/* Interrupts from now on: when something was received; tx: also while there is room for
	 * more, which must come if room appears after tx_ready said no. */
	void (*irqs)(uint64_t base, bool tx);
};
extern const struct uart_ops uart_pl011_ops, uart_8250_ops;
