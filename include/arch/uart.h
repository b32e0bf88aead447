/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of the host's UART. No locks inside: the console's lock covers all but its lock-free
 * panic path.
 */
#pragma once

#include <hyp/types.h>

struct host_uart;

/* Keeps the loader's line settings where it made any. No interrupts. The others: after it. */
void uart_init(const struct host_uart *u);
bool uart_tx_ready(void);
void uart_tx(uint8_t c);
bool uart_tx_idle(void);  /* the last bit has left */
bool uart_rx(uint8_t *c); /* false: nothing there */
/* Interrupts from now on: when something was received; tx: also while there is room for more, which
 * must come if room appears after uart_tx_ready() said no. */
void uart_irqs(bool tx);
