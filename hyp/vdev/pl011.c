/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual PL011 (DDI 0183G) as QEMU models it: sends at once, also while UARTCR is 0; the receive
 * interrupt comes with the first byte. Its far side is the VM's console port.
 */
#include <hyp/vdev.h>

#include <hyp/atomic.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>
#include <string.h>

/* Registers by offset / 4, DDI 0183G table 3-1. No receive errors happen: RSR stays 0. */
enum { DR, FR = 6, ILPR = 8, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR, DMACR, NR_REGS };

#define FR_RXFE BIT32(4)
#define FR_RXFF BIT32(6)
#define FR_TXFE BIT32(7)
#define LCR_H_FEN BIT32(4)
#define CR_LBE BIT32(7)
#define INT_RX BIT32(4)
#define INT_TX BIT32(5)
#define IFLS_RESET 0x12u
#define CR_RESET 0x300u

static const uint32_t writable[NR_REGS] = {
    [ILPR] = 0xff, [IBRD] = 0xffff, [FBRD] = 0x3f,  [LCR_H] = 0xff,
    [CR] = 0xffff, [IFLS] = 0x3f,   [IMSC] = 0x7ff, [DMACR] = 0x7,
};

static uint32_t depth(const struct vpl011 *u)
{
	return (u->dev.reg[LCR_H] & LCR_H_FEN) != 0 ? VPL011_FIFO : 1;
}

static uint32_t rx_used(const struct vpl011 *u)
{
	/* The tail first: it never passes a head that is read later. */
	uint32_t tail = load_acquire(&u->rx_tail);

	return load_relaxed(&u->rx_head) - tail;
}

static void rx_put(struct vpl011 *u, uint8_t c) REQUIRES(u->dev.lock)
{
	u->rx[u->rx_head % VPL011_FIFO] = c;
	store_relaxed(&u->rx_head, u->rx_head + 1);
	if (rx_used(u) == 1) u->dev.reg[RIS] |= INT_RX;
}

/* What was typed meanwhile moves up into the FIFO; after each change. */
static void refill_and_unlock(struct vpl011 *u) RELEASES(u->dev.lock)
{
	uint8_t c;

	while (rx_used(u) < depth(u) && (u->dev.reg[CR] & CR_LBE) == 0 &&
	       console_port_getc(&u->dev.vm->port, &c))
		rx_put(u, c);
	vdev_unlock(&u->dev);
}

/* Not inline: FR needs no frame. */
__attribute__((noinline)) static enum mmio_result read_locked(struct vpl011 *u, uint32_t off,
                                                              uint64_t *val)
{
	spin_lock(&u->dev.lock);
	*val = vdev_read(&u->dev, off);
	if (off == DR * 4) {
		*val = u->rx[u->rx_tail % VPL011_FIFO];
		if (rx_used(u) != 0) store_relaxed(&u->rx_tail, u->rx_tail + 1);
		if (rx_used(u) == 0) u->dev.reg[RIS] &= ~INT_RX;
	}
	refill_and_unlock(u);
	return MMIO_OK;
}

static enum mmio_result vpl011_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                    uint64_t *val)
{
	uint32_t used;

	if (off != FR * 4) return read_locked(dev, off, val);
	/* Lock-free: two counters that only grow; a polling guest looks again anyway. */
	used = rx_used(dev);
	*val = FR_TXFE | (used == 0 ? FR_RXFE : used >= depth(dev) ? FR_RXFF : 0);
	return MMIO_OK;
}

static enum mmio_result write_dr(struct vpl011 *u, struct vcpu *v, uint8_t c)
{
	struct console_port *p = &u->dev.vm->port;

	if (!console_port_putc(p, c)) {
		/* Room may have appeared before our bit did: try again, now that room() sees it. */
		(void)atomic_fetch_or_full(&u->waiters, BIT32(v->id));
		if (!console_port_putc(p, c)) return MMIO_HOLD;
	}
	if ((load_relaxed(&u->dev.reg[RIS]) & INT_TX) == 0 ||
	    (load_relaxed(&u->dev.reg[CR]) & CR_LBE) != 0) {
		spin_lock(&u->dev.lock);
		u->dev.reg[RIS] |= INT_TX;
		if ((u->dev.reg[CR] & CR_LBE) != 0 && rx_used(u) < depth(u)) rx_put(u, c);
		vdev_unlock(&u->dev);
	}
	return MMIO_OK;
}

static enum mmio_result vpl011_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
	struct vpl011 *u = dev;

	if (off == DR * 4) return write_dr(u, v, (uint8_t)val);
	spin_lock(&u->dev.lock);
	if (off == LCR_H * 4 && ((u->dev.reg[LCR_H] ^ val) & LCR_H_FEN) != 0)
		store_relaxed(&u->rx_tail, u->rx_head); /* switching the FIFO flushes it */
	vdev_write(&u->dev, off, (uint32_t)val);
	refill_and_unlock(u);
	return MMIO_OK;
}

static const struct mmio_ops ops = {1 | 2 | 4, vpl011_read, vpl011_write};
static const struct vdev_type type = {NR_REGS, IMSC, 0x1011, writable, &ops};

enum hyp_err vpl011_create(struct vm *vm)
{
	const struct machine *m = vm->machine;

	return vdev_create(&vm->pl011.dev, vm, &type, m->pl011, m->pl011_intid);
}

void vpl011_reset(struct vm *vm)
{
	struct vpl011 *u = &vm->pl011;

	spin_lock(&u->dev.lock);
	store_relaxed(&u->rx_tail, u->rx_head);
	memset(u->dev.reg, 0, sizeof(u->dev.reg));
	u->dev.reg[CR] = CR_RESET;
	u->dev.reg[IFLS] = IFLS_RESET;
	refill_and_unlock(u);
}

static void input(struct console_port *p)
{
	struct vpl011 *u = &p->vm->pl011;

	spin_lock(&u->dev.lock);
	refill_and_unlock(u);
}

static void room(struct console_port *p)
{
	struct vm *vm = p->vm;
	uint32_t waiters = atomic_exchange_full(&vm->pl011.waiters, 0u);

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if ((waiters & BIT32(i)) != 0) vcpu_wake(vm->vcpus[i]);
}

const struct console_up vpl011_console = {input, room};
