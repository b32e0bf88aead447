/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host UART: 16550 and its like, the BCM2711's mini-UART among them (BCM2711 ARM Peripherals, 2.2).
 */
#include <arch/io.h>
#include <arch/uart.h>

#define RBR_THR 0 /* receive buffer; transmit holding */
#define IER 1
#define FCR 2
#define LSR 5

#define IER_RDI BIT32(0)
#define IER_THRI BIT32(1)
#define FCR_ENABLE 0x01u
#define LSR_DR BIT32(0)
#define LSR_THRE BIT32(5) /* room for a byte at least */
#define LSR_TEMT BIT32(6)

/* Of the one UART in use. Registers a word apart are words. */
static uint32_t shift;

static uint32_t reg_read(uint64_t base, unsigned reg)
{
	return shift == 2 ? io_read32(base + reg * 4) : io_read8(base + ((uint64_t)reg << shift));
}

static void reg_write(uint64_t base, unsigned reg, uint32_t val)
{
	if (shift == 2)
		io_write32(base + reg * 4, val);
	else
		io_write8(base + ((uint64_t)reg << shift), (uint8_t)val);
}

/* The loader's divisor stays: what it divides is not known for every 8250. */
static void u8250_init(uint64_t base, uint32_t clock_hz, uint32_t reg_shift)
{
	shift = reg_shift;
	reg_write(base, IER, 0);
	reg_write(base, FCR, FCR_ENABLE);
}

static bool u8250_tx_ready(uint64_t base) { return (reg_read(base, LSR) & LSR_THRE) != 0; }

static void u8250_tx(uint64_t base, uint8_t c) { reg_write(base, RBR_THR, c); }

static bool u8250_tx_idle(uint64_t base) { return (reg_read(base, LSR) & LSR_TEMT) != 0; }

static bool u8250_rx(uint64_t base, uint8_t *c)
{
	if ((reg_read(base, LSR) & LSR_DR) == 0) return false;
	*c = (uint8_t)reg_read(base, RBR_THR);
	return true;
}

static void u8250_irqs(uint64_t base, bool tx)
{
	reg_write(base, IER, IER_RDI | (tx ? IER_THRI : 0));
}

const struct uart_ops uart_8250_ops = {
    .init = u8250_init,
    .tx_ready = u8250_tx_ready,
    .tx = u8250_tx,
    .tx_idle = u8250_tx_idle,
    .rx = u8250_rx,
    .irqs = u8250_irqs,
};
