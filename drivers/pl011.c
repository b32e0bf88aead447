/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host UART: Arm PL011 (DDI 0183), polled both ways, interrupts for receive and for room.
 */
#include <arch/io.h>
#include <arch/uart.h>

/* Registers, DDI 0183G table 3-1. */
#define DR 0x00
#define FR 0x18
#define IBRD 0x24
#define FBRD 0x28
#define LCR_H 0x2c
#define CR 0x30
#define IMSC 0x38

#define FR_BUSY BIT32(3)
#define FR_RXFE BIT32(4)
#define FR_TXFF BIT32(5)
#define LCR_H_FEN BIT32(4)
#define LCR_H_WLEN8 (3u << 5)
#define CR_ON (BIT32(0) | BIT32(8) | BIT32(9)) /* UARTEN, TXE, RXE */
#define INT_RX BIT32(4)
#define INT_TX BIT32(5)
#define INT_RT BIT32(6) /* receive timeout */

static void pl011_init(uint64_t base, uint32_t clock_hz, uint32_t reg_shift)
{
	io_write32(base + IMSC, 0);
	if (io_read32(base + IBRD) == 0 && clock_hz != 0) {
		/* No loader set it up: 115200 baud; the divisor has 6 bits of fraction. */
		uint32_t div = (uint32_t)((uint64_t)clock_hz * 4 / 115200);

		io_write32(base + CR, 0);
		io_write32(base + IBRD, div >> 6);
		io_write32(base + FBRD, div & 0x3f);
		io_write32(base + LCR_H, LCR_H_FEN | LCR_H_WLEN8);
	}
	io_write32(base + CR, io_read32(base + CR) | CR_ON);
}

static bool pl011_tx_ready(uint64_t base) { return (io_read32(base + FR) & FR_TXFF) == 0; }

static void pl011_tx(uint64_t base, uint8_t c) { io_write32(base + DR, c); }

static bool pl011_tx_idle(uint64_t base) { return (io_read32(base + FR) & FR_BUSY) == 0; }

static bool pl011_rx(uint64_t base, uint8_t *c)
{
	if ((io_read32(base + FR) & FR_RXFE) != 0) return false;
	*c = (uint8_t)io_read32(base + DR);
	return true;
}

/* RIS.TX is set when the FIFO drains through its mark, whatever the mask is: nothing is missed. */
static void pl011_irqs(uint64_t base, bool tx)
{
	io_write32(base + IMSC, INT_RX | INT_RT | (tx ? INT_TX : 0));
}

const struct uart_ops uart_pl011_ops = {
    .init = pl011_init,
    .tx_ready = pl011_tx_ready,
    .tx = pl011_tx,
    .tx_idle = pl011_tx_idle,
    .rx = pl011_rx,
    .irqs = pl011_irqs,
};
