/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual PL011: registers, interrupts, FIFO, holding a vCPU; against a console of the test's own.
 * links: hyp/vdev/pl011.c hyp/vdev/misc.c hyp/mmio.c tests/fake_arch/fake.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hyp/mmio.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <tests/fake_arch/fake.h>
#include "tests/mmio_access.h"

#define BASE UINT64_C(0x09000000)
#define INTID 33u
#define DR 0x00u
#define RSR 0x04u
#define FR 0x18u
#define IBRD 0x24u
#define FBRD 0x28u
#define LCR_H 0x2cu
#define CR 0x30u
#define IFLS 0x34u
#define IMSC 0x38u
#define RIS 0x3cu
#define MIS 0x40u
#define ICR 0x44u
#define DMACR 0x48u
#define RX 0x10u
#define TX 0x20u
#define FEN 0x10u

const struct machine machine_v1 = {.pl011 = BASE, .pl011_intid = INTID};
static const struct vm_config cfg;
static struct vm vm;
static struct vcpu vcpus[MAX_VCPUS];

/* --- what is around it --- */
static char sent[64], typed[256];
static unsigned nr_sent, room, typed_head, typed_tail, woken, edges;
static bool line;
static void (*at_full)(void); /* called when a byte is refused */

bool console_port_putc(struct console_port *p, uint8_t c)
{
	assert_ptr_equal(p, &vm.port);
	assert_int_equal(fake_locks_held(), 0);
	if (room == 0) {
		p->waiting = true;
		if (at_full != NULL) at_full();
		return false;
	}
	room--;
	sent[nr_sent++ % sizeof(sent)] = (char)c;
	return true;
}

bool console_port_getc(struct console_port *p, uint8_t *c)
{
	assert_ptr_equal(p, &vm.port);
	if (typed_head == typed_tail) return false;
	*c = (uint8_t)typed[typed_tail++];
	return true;
}

void vgic_set_line(struct vm *of, struct vcpu *v, uint32_t intid, bool level)
{
	static spinlock_t vgic = {.cls = LOCK_VGIC};

	spin_lock(&vgic); /* its place in the lock order */
	spin_unlock(&vgic);
	assert_ptr_equal(of, &vm);
	assert_null(v);
	assert_int_equal(intid, INTID);
	assert_true(line != level); /* no call without a change */
	line = level;
	edges++;
}

void vcpu_wake(struct vcpu *v) { woken |= 1u << v->id; }

static void type(const char *s)
{
	while (*s != '\0') typed[typed_head++] = *s++;
	vpl011_console.input(&vm.port);
}

static uint32_t rd(uint32_t off)
{
	uint64_t val;

	assert_int_equal(mmio_access(&vcpus[0], BASE + off, false, 4, &val), MMIO_OK);
	return (uint32_t)val;
}

static void wr(uint32_t off, uint32_t x)
{
	uint64_t val = x;

	assert_int_equal(mmio_access(&vcpus[0], BASE + off, true, 4, &val), MMIO_OK);
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	nr_sent = typed_head = typed_tail = woken = edges = 0;
	room = 1000;
	line = false;
	at_full = NULL;
	vm.machine = &machine_v1;
	vm.cfg = &cfg;
	vm.slot = 5;
	vm.nr_vcpus = MAX_VCPUS;
	strcpy(vm.name, "guest");
	for (unsigned i = 0; i < MAX_VCPUS; i++) {
		vcpus[i].vm = &vm;
		vcpus[i].id = i;
		vm.vcpus[i] = &vcpus[i];
	}
	vm.port.vm = &vm;
	assert_int_equal(vpl011_create(&vm), HYP_OK);
	vpl011_reset(&vm);
	return 0;
}

static void test_reset_values(void **state)
{
	static const uint32_t id[] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	(void)state;
	for (unsigned i = 0; i < 8; i++) assert_int_equal(rd(0xfe0 + 4 * i), id[i]);
	assert_int_equal(rd(FR), 0x90); /* TXFE, RXFE */
	assert_int_equal(rd(CR), 0x300);
	assert_int_equal(rd(IFLS), 0x12);
	assert_int_equal(rd(IMSC) | rd(RIS) | rd(MIS) | rd(LCR_H) | rd(IBRD) | rd(FBRD) |
	                     rd(DMACR) | rd(RSR),
	                 0);
	assert_int_equal(rd(ICR), 0);  /* write-only */
	assert_int_equal(rd(0x80), 0); /* nothing there */
	assert_int_equal(rd(0xfdc), 0);
	assert_int_equal(edges, 0);
}

static void test_registers_keep_what_they_have(void **state)
{
	static const struct {
		uint32_t off, kept;
	} regs[] = {{0x20, 0xff}, {IBRD, 0xffff}, {FBRD, 0x3f},  {LCR_H, 0xff},
	            {CR, 0xff7f}, {IFLS, 0x3f},   {IMSC, 0x7ff}, {DMACR, 7}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		wr(regs[i].off, 0xffffff7f | (regs[i].off == CR ? 0 : 0x80));
		assert_int_equal(rd(regs[i].off), regs[i].kept);
		wr(regs[i].off, 0);
		assert_int_equal(rd(regs[i].off), 0);
	}
	/* Read-only ones and holes. */
	wr(FR, 0xff);
	wr(RIS, 0x7ff);
	wr(MIS, 0x7ff);
	wr(RSR, 0xff);
	wr(0xfe0, 0);
	wr(0x4c, 0xff);
	wr(0x100, 0xff);
	assert_int_equal(rd(FR), 0x90);
	assert_int_equal(rd(RIS) | rd(MIS) | rd(RSR) | rd(0x4c) | rd(0x100), 0);
	assert_int_equal(rd(0xfe0), 0x11);
	vpl011_reset(&vm);
	assert_int_equal(rd(CR), 0x300);
	assert_int_equal(nr_sent, 0);
}

static void test_widths(void **state)
{
	uint64_t val = 'x';

	(void)state;
	assert_int_equal(mmio_access(&vcpus[0], BASE, true, 1, &val), MMIO_OK);
	val = 'y' | 0xff00;
	assert_int_equal(mmio_access(&vcpus[0], BASE, true, 2, &val), MMIO_OK);
	wr(DR, 'z' | 0x12345600u);
	assert_int_equal(nr_sent, 3);
	assert_memory_equal(sent, "xyz", 3);
	assert_int_equal(mmio_access(&vcpus[0], BASE, true, 8, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&vcpus[0], BASE + 2, true, 4, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&vcpus[0], BASE + CR + 1, false, 1, &val), MMIO_OK);
	assert_int_equal(val, 3);
	assert_int_equal(mmio_access(&vcpus[0], BASE + FR, false, 1, &val), MMIO_OK);
	assert_int_equal(val, 0x90);
	/* The middle of a register cannot be written. */
	val = 0xff;
	assert_int_equal(mmio_access(&vcpus[0], BASE + CR + 1, true, 1, &val), MMIO_OK);
	assert_int_equal(mmio_access(&vcpus[0], BASE + DR + 1, true, 1, &val), MMIO_OK);
	assert_int_equal(rd(CR), 0x300);
	assert_int_equal(nr_sent, 3);
}

static void test_sends_while_disabled(void **state)
{
	(void)state;
	wr(CR, 0);
	wr(DR, 'a');
	assert_int_equal(nr_sent, 1);
	assert_int_equal(rd(FR) & 0x28, 0); /* neither BUSY nor TXFF */
}

static void test_tx_interrupt(void **state)
{
	(void)state;
	wr(IMSC, TX);
	assert_false(line); /* as on the real one: not before something was sent */
	wr(DR, 'a');
	assert_true(line);
	assert_int_equal(rd(MIS), TX);
	wr(DR, 'b');
	assert_int_equal(edges, 1);
	wr(ICR, TX);
	assert_false(line);
	assert_int_equal(rd(RIS), 0);
	wr(DR, 'c');
	assert_true(line);
	wr(IMSC, 0);
	assert_false(line);
	assert_int_equal(rd(RIS), TX);
	assert_int_equal(rd(MIS), 0);
	wr(IMSC, 0x7ff);
	assert_true(line);
	vpl011_reset(&vm);
	assert_false(line);
}

static void test_rx_fifo(void **state)
{
	(void)state;
	wr(LCR_H, FEN | 0x60);
	wr(IMSC, RX);
	type("a");
	assert_true(line);
	assert_int_equal(rd(FR), 0x80);
	assert_int_equal(rd(DR), 'a');
	assert_false(line);
	assert_int_equal(rd(FR), 0x90);
	/* 16 in the FIFO, the rest waits in the console and moves up. */
	type("0123456789abcdefXYZ");
	assert_int_equal(typed_tail, 1 + 16);
	assert_int_equal(rd(FR), 0xc0); /* RXFF */
	assert_int_equal(rd(DR), '0');
	assert_int_equal(typed_tail, 1 + 17);
	assert_int_equal(rd(FR), 0xc0);
	for (const char *p = "123456789abcdefXYZ"; *p != '\0'; p++) {
		assert_true(line);
		assert_int_equal(rd(DR), (uint8_t)*p);
	}
	assert_false(line);
	assert_int_equal(rd(FR), 0x90);
	(void)rd(DR); /* empty: harmless */
	assert_int_equal(rd(FR), 0x90);
	type("q");
	assert_int_equal(rd(DR), 'q');
}

static void test_rx_without_fifo(void **state)
{
	(void)state;
	type("ab");
	assert_int_equal(rd(FR), 0xc0); /* one byte is all */
	assert_int_equal(rd(RIS), RX);
	assert_false(line);
	assert_int_equal(rd(DR), 'a');
	assert_int_equal(rd(DR), 'b');
	assert_int_equal(rd(RIS), 0);
	/* Acknowledged but not read: comes again with the next first byte only (QEMU). */
	wr(IMSC, RX);
	type("c");
	wr(ICR, RX);
	assert_false(line);
	assert_int_equal(rd(DR), 'c');
	type("d");
	assert_true(line);
	/* Switching the FIFO flushes it; what was still in the console comes next. */
	type("e");
	wr(LCR_H, FEN);
	assert_int_equal(rd(DR), 'e');
	assert_int_equal(rd(FR), 0x90);
}

static void test_loopback(void **state)
{
	(void)state;
	wr(LCR_H, FEN);
	wr(CR, 0x380);
	type("k"); /* the input is cut off */
	wr(DR, 'l');
	assert_int_equal(rd(DR), 'l');
	assert_int_equal(rd(FR), 0x90);
	wr(CR, 0x300);
	assert_int_equal(rd(DR), 'k');
}

static void make_room(void)
{
	room = 100;
	vm.port.waiting = false;
	vpl011_console.room(&vm.port);
}

static void test_full_ring_holds_the_vcpu(void **state)
{
	uint64_t val = 'h';

	(void)state;
	room = 0;
	assert_int_equal(mmio_access(&vcpus[3], BASE, true, 4, &val), MMIO_HOLD);
	assert_int_equal(mmio_access(&vcpus[0], BASE, true, 1, &val), MMIO_HOLD);
	assert_true(vm.port.waiting);
	assert_int_equal(nr_sent, 0);
	assert_int_equal(rd(RIS), 0);
	make_room();
	assert_int_equal(woken, 1u << 3 | 1u << 0);
	woken = 0;
	assert_int_equal(mmio_access(&vcpus[3], BASE, true, 4, &val), MMIO_OK); /* repeats */
	assert_int_equal(nr_sent, 1);
	make_room();
	assert_int_equal(woken, 0); /* nobody waits any more */
}

static unsigned refusals;

/* Room appears on another CPU right after a refusal. */
static void room_at_first_refusal(void)
{
	if (refusals++ == 0) make_room();
}

static void room_at_second_refusal(void)
{
	if (refusals++ == 1) make_room();
}

static void test_no_lost_wake_up(void **state)
{
	uint64_t val = 'h';

	(void)state;
	/* Before it is known who waits: seen by the second try. */
	room = 0;
	refusals = 0;
	at_full = room_at_first_refusal;
	assert_int_equal(mmio_access(&vcpus[2], BASE, true, 4, &val), MMIO_OK);
	assert_int_equal(nr_sent, 1);
	/* After: the wake comes before the block, which consumes it. */
	vpl011_console.room(&vm.port);
	room = 0;
	woken = 0;
	refusals = 0;
	at_full = room_at_second_refusal;
	assert_int_equal(mmio_access(&vcpus[2], BASE, true, 4, &val), MMIO_HOLD);
	assert_int_equal(woken, 1u << 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    T(test_reset_values),
	    T(test_registers_keep_what_they_have),
	    T(test_widths),
	    T(test_sends_while_disabled),
	    T(test_tx_interrupt),
	    T(test_rx_fifo),
	    T(test_rx_without_fifo),
	    T(test_loopback),
	    T(test_full_ring_holds_the_vcpu),
	    T(test_no_lost_wake_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
