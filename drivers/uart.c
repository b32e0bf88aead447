/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's UART: Arm PL011 (DDI 0183G), or a 16550 and its like, the BCM2711's mini-UART among
 * them (BCM2711 ARM Peripherals, 2.2). Polled both ways, interrupts for receive and for room.
 */
#include <asm/io.h>
#include <arch/uart.h>
#include <hyp/host.h>

#define DATA 0 /* of both */

/* PL011: registers by offset / 4, DDI 0183G table 3-1. */
#define FR 6
#define IBRD 9
#define FBRD 10
#define LCR_H 11
#define CR 12
#define IMSC 14

#define FR_BUSY BIT32(3)
#define FR_RXFE BIT32(4)
#define FR_TXFF BIT32(5)
#define LCR_H_FEN BIT32(4)
#define LCR_H_WLEN8 (3u << 5)
#define CR_ON (BIT32(0) | BIT32(8) | BIT32(9)) /* UARTEN, TXE, RXE */
#define INT_RX BIT32(4)
#define INT_TX BIT32(5)
#define INT_RT BIT32(6) /* receive timeout */

/* 16550 */
#define IER 1
#define FCR 2
#define LSR 5

#define IER_RDI BIT32(0)
#define IER_THRI BIT32(1)
#define FCR_ENABLE 0x01u
#define LSR_DR BIT32(0)
#define LSR_THRE BIT32(5) /* room for a byte at least */
#define LSR_TEMT BIT32(6)

static bool is_pl011;
static uint64_t base;
static uint32_t shift; /* of register numbers; registers a word apart are words */

static uint32_t get(unsigned reg)
{
	uint64_t at = base + ((uint64_t)reg << shift);

	return shift == 2 ? io_read32(at) : io_read8(at);
}

static void put(unsigned reg, uint32_t val)
{
	uint64_t at = base + ((uint64_t)reg << shift);

	if (shift == 2)
		io_write32(at, val);
	else
		io_write8(at, (uint8_t)val);
}

/* The loader's divisor stays: what an 8250 divides is not known. */
void uart_init(const struct host_uart *u)
{
	is_pl011 = u->type == HOST_UART_PL011;
	base = pa_raw(u->regs.base);
	shift = is_pl011 ? 2 : u->reg_shift;
	put(is_pl011 ? IMSC : IER, 0);
	if (!is_pl011) {
		put(FCR, FCR_ENABLE);
		return;
	}
	if (get(IBRD) == 0 && u->clock_hz != 0) {
		/* No loader set it up: 115200 baud; the divisor has 6 bits of fraction. */
		uint32_t div = (uint32_t)((uint64_t)u->clock_hz * 4 / 115200);

		put(CR, 0);
		put(IBRD, div >> 6);
		put(FBRD, div & 0x3f);
		put(LCR_H, LCR_H_FEN | LCR_H_WLEN8);
	}
	put(CR, get(CR) | CR_ON);
}

/* A PL011 says what is not so, an 8250 what is. */
static bool status(uint32_t fr, uint32_t lsr)
{
	return is_pl011 ? (get(FR) & fr) == 0 : (get(LSR) & lsr) != 0;
}

bool uart_tx_ready(void) { return status(FR_TXFF, LSR_THRE); }

void uart_tx(uint8_t c) { put(DATA, c); }

bool uart_tx_idle(void) { return status(FR_BUSY, LSR_TEMT); }

bool uart_rx(uint8_t *c)
{
	if (!status(FR_RXFE, LSR_DR)) return false;
	*c = (uint8_t)get(DATA);
	return true;
}

/* RIS.TX of a PL011 is set when the FIFO drains through its mark, whatever the mask: nothing is
 * missed. */
void uart_irqs(bool tx)
{
	if (is_pl011)
		put(IMSC, INT_RX | INT_RT | (tx ? INT_TX : 0));
	else
		put(IER, IER_RDI | (tx ? IER_THRI : 0));
}
