/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual PL011 (DDI 0183G) as QEMU models it: sends at once, also while UARTCR is 0; the receive
 * interrupt comes with the first byte. Its far side is the VM's console port.
 */
#include <hyp/vdev.h>

#include <arch/barrier.h>
#include <hyp/atomic.h>
#include <hyp/vcpu.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>
#include <string.h>

/* Registers, DDI 0183G table 3-1. */
#define DR 0x00
#define RSR_ECR 0x04
#define FR 0x18
#define ILPR 0x20
#define IBRD 0x24
#define FBRD 0x28
#define LCR_H 0x2c
#define CR 0x30
#define IFLS 0x34
#define IMSC 0x38
#define RIS 0x3c
#define MIS 0x40
#define ICR 0x44
#define DMACR 0x48

#define FR_RXFE BIT32(4)
#define FR_RXFF BIT32(6)
#define FR_TXFE BIT32(7)
#define LCR_H_FEN BIT32(4)
#define CR_LBE BIT32(7)
#define INT_RX BIT32(4)
#define INT_TX BIT32(5)
#define IFLS_RESET 0x12u
#define CR_RESET 0x300u

/* What can be written and read back; RIS is in the same array. */
static const uint16_t writable[VPL011_REGS] = {
    [ILPR / 4] = 0xff, [IBRD / 4] = 0xffff, [FBRD / 4] = 0x3f,  [LCR_H / 4] = 0xff,
    [CR / 4] = 0xffff, [IFLS / 4] = 0x3f,   [IMSC / 4] = 0x7ff, [DMACR / 4] = 0x7,
};

/* By VM slot. Never freed, so that a late up-call of the console finds memory of the right type. */
static struct vpl011 pl011s[MAX_VMS];

static uint32_t depth(const struct vpl011 *u)
{
	return (u->reg[LCR_H / 4] & LCR_H_FEN) != 0 ? VPL011_FIFO : 1;
}

static uint32_t rx_used(const struct vpl011 *u)
{
	/* The tail first: it never passes a head that is read later. */
	uint32_t tail = load_acquire(&u->rx_tail);

	return load_relaxed(&u->rx_head) - tail;
}

/* Lock-free: two counters that only grow; a polling guest looks again anyway. */
static uint32_t flags(const struct vpl011 *u)
{
	uint32_t used = rx_used(u);

	return FR_TXFE | (used == 0 ? FR_RXFE : used >= depth(u) ? FR_RXFF : 0);
}

static void rx_put(struct vpl011 *u, uint8_t c) REQUIRES(u->lock)
{
	u->rx[u->rx_head % VPL011_FIFO] = c;
	store_relaxed(&u->rx_head, u->rx_head + 1);
	if (rx_used(u) == 1) u->reg[RIS / 4] |= INT_RX;
}

/* What was typed meanwhile moves up into the FIFO. */
static void rx_refill(struct vpl011 *u) REQUIRES(u->lock)
{
	uint8_t c;

	while (rx_used(u) < depth(u) && (u->reg[CR / 4] & CR_LBE) == 0 &&
	       console_port_getc(&u->vm->port, &c))
		rx_put(u, c);
}

static uint32_t read_dr(struct vpl011 *u)
{
	uint32_t c;

	spin_lock(&u->lock);
	c = u->rx[u->rx_tail % VPL011_FIFO];
	if (rx_used(u) != 0) store_relaxed(&u->rx_tail, u->rx_tail + 1);
	if (rx_used(u) == 0) u->reg[RIS / 4] &= ~INT_RX;
	rx_refill(u);
	spin_unlock(&u->lock);
	vdev_line_sync(&u->line);
	return c;
}

static enum mmio_result write_dr(struct vpl011 *u, struct vcpu *v, uint8_t c)
{
	struct console_port *p = &u->vm->port;

	if (!console_port_putc(p, c)) {
		/* Room may have appeared before our bit did: try again, now that room() sees it. */
		(void)atomic_fetch_or_full(&u->waiters, BIT32(v->id));
		if (!console_port_putc(p, c)) return MMIO_HOLD;
	}
	if ((load_relaxed(&u->reg[RIS / 4]) & INT_TX) == 0 ||
	    (load_relaxed(&u->reg[CR / 4]) & CR_LBE) != 0) {
		spin_lock(&u->lock);
		u->reg[RIS / 4] |= INT_TX;
		if ((u->reg[CR / 4] & CR_LBE) != 0 && rx_used(u) < depth(u)) rx_put(u, c);
		spin_unlock(&u->lock);
		vdev_line_sync(&u->line);
	}
	return MMIO_OK;
}

static uint32_t read_reg(const struct vpl011 *u, uint32_t off)
{
	if (off == MIS) return u->reg[RIS / 4] & u->reg[IMSC / 4];
	/* No receive errors happen: RSR stays 0. */
	return off / 4 < VPL011_REGS ? u->reg[array_index_nospec(off / 4, VPL011_REGS)]
	                             : vdev_primecell_id(0x1011, off);
}

static void write_reg(struct vpl011 *u, uint32_t off, uint32_t val) REQUIRES(u->lock)
{
	uint32_t i = (uint32_t)array_index_nospec(off / 4, VPL011_REGS);

	if (off == ICR)
		u->reg[RIS / 4] &= ~val;
	else if (off == LCR_H && ((u->reg[LCR_H / 4] ^ val) & LCR_H_FEN) != 0)
		store_relaxed(&u->rx_tail, u->rx_head); /* switching the FIFO flushes it */
	if (off % 4 == 0 && off / 4 < VPL011_REGS && writable[i] != 0)
		u->reg[i] = val & writable[i];
	rx_refill(u);
}

/* Not inline: FR needs no frame. */
__attribute__((noinline)) static enum mmio_result read_locked(struct vpl011 *u, uint32_t off,
                                                              uint64_t *val)
{
	if (off == DR) {
		*val = read_dr(u);
	} else {
		spin_lock(&u->lock);
		/* A narrow access to the middle of a register gets that part of it. */
		*val = read_reg(u, off & ~3u) >> 8 * (off & 3);
		spin_unlock(&u->lock);
	}
	return MMIO_OK;
}

static enum mmio_result vpl011_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                    uint64_t *val)
{
	if (off != FR) return read_locked(dev, off, val);
	*val = flags(dev);
	return MMIO_OK;
}

static enum mmio_result vpl011_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                     uint64_t val)
{
	struct vpl011 *u = dev;

	if (off == DR) return write_dr(u, v, (uint8_t)val);
	spin_lock(&u->lock);
	write_reg(u, off, (uint32_t)val);
	spin_unlock(&u->lock);
	vdev_line_sync(&u->line);
	return MMIO_OK;
}

static const struct mmio_ops vpl011_ops = {
    .name = "pl011",
    .sizes = 1 | 2 | 4,
    .read = vpl011_read,
    .write = vpl011_write,
};

enum hyp_err vpl011_create(struct vm *vm)
{
	struct vpl011 *u = &pl011s[vm->slot];

	TRY(mmio_add(&vm->mmio, ipa(vm->machine->pl011), PAGE_SIZE, &vpl011_ops, u));
	*u = (struct vpl011){.lock = SPINLOCK_INIT(LOCK_VDEV), .vm = vm};
	u->line = (struct vdev_line){.vm = vm,
	                             .intid = vm->machine->pl011_intid,
	                             .lock = &u->lock,
	                             .ris = &u->reg[RIS / 4],
	                             .imsc = &u->reg[IMSC / 4]};
	vm->pl011 = u;
	vpl011_reset(vm);
	console_port_add(&vm->port, vm, vm->name, vm->slot);
	return HYP_OK;
}

void vpl011_destroy(struct vm *vm)
{
	if (vm->pl011 != NULL) {
		console_port_remove(&vm->port);
		vm->pl011 = NULL;
	}
}

void vpl011_reset(struct vm *vm)
{
	struct vpl011 *u = vm->pl011;

	spin_lock(&u->lock);
	store_relaxed(&u->rx_tail, u->rx_head);
	memset(u->reg, 0, sizeof(u->reg));
	u->reg[CR / 4] = CR_RESET;
	u->reg[IFLS / 4] = IFLS_RESET;
	spin_unlock(&u->lock);
	vdev_line_sync(&u->line);
}

void vpl011_input(struct vm *vm)
{
	struct vpl011 *u = vm->pl011;

	spin_lock(&u->lock);
	rx_refill(u);
	spin_unlock(&u->lock);
	vdev_line_sync(&u->line);
}

void vpl011_room(struct vm *vm)
{
	uint32_t waiters = atomic_exchange_full(&vm->pl011->waiters, 0u);

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if ((waiters & BIT32(i)) != 0) vcpu_wake(vm->vcpus[i]);
}
