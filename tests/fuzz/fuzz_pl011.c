/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of accesses to PL011, PL031, flash and empty virtio slots through the MMIO dispatch,
 * with typing, time, resets and a console that fills up; against a model of both devices that knows
 * nothing of locks, lines and deadlines.
 * links: hyp/vdev/pl011.c hyp/vdev/pl031.c hyp/vdev/misc.c hyp/mmio.c hyp/deadline.c
 * links: tests/fake_arch/fake.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * covers: hyp/vdev/pl011.c hyp/vdev/pl031.c hyp/vdev/misc.c hyp/mmio.c
 * flags: -max_len=1024 -runs=40000
 */
#include <stdio.h>
#include <string.h>

#include <hyp/mmio.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <tests/fake_arch/clock.h>
#include "tests/fuzz/fuzz.h"
#include "tests/mmio_access.h"

#define NR_VCPUS 4u
#define UART UINT64_C(0x09000000)
#define RTC UINT64_C(0x09010000)
#define VIRTIO UINT64_C(0x0a000000)
#define FLASH UINT64_C(0x0b000000)
#define SECOND 1000000u
#define RX 0x10u
#define TX 0x20u

struct pcpu pcpus[MAX_PCPUS];
unsigned nr_pcpus = 1;
const struct machine machine_v1 = {
    .pl011 = UART, .pl011_intid = 33, .pl031 = RTC, .pl031_intid = 34};
static struct vm_config cfg;
static struct vm vm;
static struct vcpu vcpus[NR_VCPUS];
static bool line[2];
static uint32_t woken, held;

/* The console's far side: so much room, and what was typed. */
static unsigned room, typed_head, typed_tail;
static uint8_t typed[256], last_sent;
static unsigned nr_sent;

bool console_port_putc(struct console_port *p, uint8_t c)
{
	EXPECT(p == &vm.port && fake_locks_held() == 0);
	if (room == 0) return false;
	room--;
	nr_sent++;
	last_sent = c;
	return true;
}

bool console_port_getc(struct console_port *p, uint8_t *c)
{
	EXPECT(p == &vm.port);
	if (typed_head == typed_tail) return false;
	*c = typed[typed_tail++ % sizeof(typed)];
	return true;
}

void vgic_set_line(struct vm *of, struct vcpu *v, uint32_t intid, bool level)
{
	EXPECT(of == &vm && v == NULL && (intid == 33 || intid == 34));
	EXPECT(line[intid - 33] != level);
	line[intid - 33] = level;
}

void vcpu_wake(struct vcpu *v) { woken |= 1u << v->id; }

/* --- the model --- */
static struct {
	uint32_t lcr, cr, ifls, imsc, ris, ilpr, ibrd, fbrd, dmacr;
	uint8_t fifo[16], last; /* last: what an empty FIFO gives */
	unsigned n;
	uint8_t waiting[256]; /* typed and not yet in the FIFO */
	unsigned nr_waiting;
} u;
static struct {
	uint64_t since; /* when the count was `start` */
	uint32_t start, match, load, imsc, ris;
	bool armed;
} r;

static unsigned depth(void) { return (u.lcr & 0x10) != 0 ? 16 : 1; }

static void fifo_put(uint8_t c)
{
	u.fifo[u.n++] = c;
	if (u.n == 1) u.ris |= RX;
}

static void refill(void)
{
	while (u.n < depth() && (u.cr & 0x80) == 0 && u.nr_waiting != 0) {
		fifo_put(u.waiting[0]);
		memmove(u.waiting, u.waiting + 1, --u.nr_waiting);
	}
}

static uint32_t rtc_now(uint64_t at) { return r.start + (uint32_t)((at - r.since) / SECOND); }

static void rtc_check(void)
{
	if (r.armed && rtc_now(fake_now) == r.match) {
		r.ris = 1;
		r.armed = false;
	}
}

static uint32_t id_byte(uint32_t part, uint32_t off)
{
	static const uint8_t id[] = {0x00, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

	if (off < 0xfe0 || off >= 0x1000) return 0;
	return off < 0xfe4 ? part : id[(off - 0xfe0) / 4];
}

/* A register other than DR, as a word. */
static uint32_t uart_reg(uint32_t off)
{
	switch (off) {
	case 0x18: return 0x80 | (u.n == 0 ? 0x10 : u.n >= depth() ? 0x40 : 0);
	case 0x20: return u.ilpr;
	case 0x24: return u.ibrd;
	case 0x28: return u.fbrd;
	case 0x2c: return u.lcr;
	case 0x30: return u.cr;
	case 0x34: return u.ifls;
	case 0x38: return u.imsc;
	case 0x3c: return u.ris;
	case 0x40: return u.ris & u.imsc;
	case 0x48: return u.dmacr;
	}
	return id_byte(0x11, off);
}

static void uart_write(uint32_t off, uint32_t x)
{
	switch (off) {
	case 0x20: u.ilpr = x & 0xff; break;
	case 0x24: u.ibrd = x & 0xffff; break;
	case 0x28: u.fbrd = x & 0x3f; break;
	case 0x2c:
		if (((u.lcr ^ x) & 0x10) != 0) u.n = 0;
		u.lcr = x & 0xff;
		break;
	case 0x30: u.cr = x & 0xffff; break;
	case 0x34: u.ifls = x & 0x3f; break;
	case 0x38: u.imsc = x & 0x7ff; break;
	case 0x44: u.ris &= ~x; break;
	case 0x48: u.dmacr = x & 7; break;
	}
	refill();
}

static uint32_t rtc_reg(uint32_t off)
{
	const uint32_t regs[] = {rtc_now(fake_now), r.match, r.load, 1, r.imsc, r.ris,
	                         r.ris & r.imsc};

	return off / 4 < 7 ? regs[off / 4] : id_byte(0x31, off);
}

static void rtc_write(uint32_t off, uint32_t x)
{
	if (off == 4) {
		r.match = x;
	} else if (off == 8) {
		r.load = r.start = x;
		r.since = fake_now;
	} else if (off == 0x10) {
		r.imsc = x & 1;
	} else if (off == 0x1c) {
		r.ris = 0;
	}
	if (off == 4 || off == 8) {
		r.armed = true;
		rtc_check();
	}
}

/* --- one access --- */
static void uart_data(unsigned cpu, bool write, unsigned size, uint64_t val)
{
	bool echo = write && (u.cr & 0x80) != 0 && u.n < depth(), full = room == 0;
	unsigned before = nr_sent;
	enum mmio_result res = mmio_access(&vcpus[cpu], UART, write, size, &val);

	if (write && full) {
		EXPECT(res == MMIO_HOLD && nr_sent == before);
		held |= 1u << cpu;
		return;
	}
	EXPECT(res == MMIO_OK);
	if (write) {
		EXPECT(nr_sent == before + 1 && last_sent == (uint8_t)val);
		u.ris |= TX;
		if (echo) fifo_put((uint8_t)val);
		return;
	}
	if (u.n != 0) {
		EXPECT(val == u.fifo[0]);
		memmove(u.fifo, u.fifo + 1, --u.n);
	}
	if (u.n == 0) u.ris &= ~RX;
	refill();
}

static void access_one(unsigned cpu, uint64_t addr, bool write, unsigned size, uint64_t val)
{
	uint32_t off = addr & 0xfff, shift = 8 * (off % 4);
	uint64_t mask = UINT64_MAX >> (64 - 8 * size), want = 0;
	bool known = (addr >= UART && addr < UART + 0x1000) || (addr >= RTC && addr < RTC + 0x1000);
	bool virtio = addr >= VIRTIO && addr < VIRTIO + 0x4000;
	bool flash = addr >= FLASH && addr < FLASH + 0x10000;
	bool taken = addr % size == 0 && (((known || virtio) && size <= 4) || flash);

	if (taken && addr == UART) {
		uart_data(cpu, write, size, val);
		return;
	}
	if (known) want = addr < RTC ? uart_reg(off & ~3u) : rtc_reg(off & ~3u);
	if (known) want >>= shift;
	if (virtio && size == 4) {
		off %= 0x200;
		want = off == 0 ? 0x74726976 : off == 4 ? 2 : off == 12 ? 0x554d4551 : 0;
	}
	EXPECT(mmio_access(&vcpus[cpu], addr, write, size, &val) == (taken ? MMIO_OK : MMIO_ABORT));
	if (!taken) return;
	if (!write)
		EXPECT(val == (want & mask));
	else if (known && addr < RTC)
		uart_write(off, (uint32_t)(val & mask));
	else if (known)
		rtc_write(off, (uint32_t)(val & mask));
}

static void pass(uint64_t us)
{
	uint64_t end = fake_now + us;

	for (uint64_t at = fake_now; r.armed && at < end;) {
		at = MIN(end, at + SECOND - (at - r.since) % SECOND);
		if (rtc_now(at) == r.match) {
			r.ris = 1;
			r.armed = false;
		}
	}
	clock_advance(us);
}

/* The VM is paused meanwhile. */
static void pause_for(uint64_t us)
{
	deadline_cancel(&vm.pl031.alarm);
	clock_advance(us);
	vpl031_thaw(&vm, us);
	r.since += us;
}

static void check(void)
{
	EXPECT(fake_locks_held() == 0);
	EXPECT(line[0] == ((u.ris & u.imsc) != 0));
	EXPECT(line[1] == ((r.ris & r.imsc) != 0));
	EXPECT(held == vm.pl011.waiters);
}

static void create(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(&u, 0, sizeof(u));
	memset(&r, 0, sizeof(r));
	line[0] = line[1] = false;
	woken = held = room = typed_head = typed_tail = nr_sent = 0;
	clock_reset(12345);
	vm.machine = &machine_v1;
	cfg.rtc_base = 1700000000;
	vm.cfg = &cfg;
	vm.nr_vcpus = NR_VCPUS;
	for (unsigned i = 0; i < NR_VCPUS; i++) {
		vcpus[i].vm = &vm;
		vcpus[i].id = i;
		vm.vcpus[i] = &vcpus[i];
	}
	EXPECT(mmio_add(&vm.mmio, ipa(VIRTIO), 0x4000, &vvirtio_empty_ops, &vm) == HYP_OK);
	vm.port.vm = &vm;
	EXPECT(vpl031_create(&vm) == HYP_OK);
	EXPECT(vpl011_create(&vm) == HYP_OK);
	EXPECT(mmio_add(&vm.mmio, ipa(FLASH), 0x10000, &vflash_ops, NULL) == HYP_OK);
	EXPECT(mmio_add(&vm.mmio, ipa(RTC + 0x800), 0x1000, &vflash_ops, NULL) == HYP_EEXIST);
	vpl011_reset(&vm);
	vpl031_reset(&vm);
	u.cr = 0x300;
	u.ifls = 0x12;
	r.start = 1700000000;
	r.since = fake_now;
}

static void reset(void)
{
	vpl011_reset(&vm);
	vpl031_reset(&vm);
	u.lcr = u.imsc = u.ris = u.ilpr = u.ibrd = u.fbrd = u.dmacr = 0;
	u.cr = 0x300;
	u.ifls = 0x12;
	u.n = 0;
	r.match = r.load = r.imsc = r.ris = 0;
	r.armed = false;
	refill();
}

static void type(uint8_t c)
{
	if (u.nr_waiting == sizeof(u.waiting) - 1) return;
	typed[typed_head++ % sizeof(typed)] = c;
	u.waiting[u.nr_waiting++] = c;
	vpl011_console.input(&vm.port);
	refill();
}

static const uint8_t *in;
static size_t left;

static uint32_t take(unsigned n)
{
	uint32_t x = 0;

	for (; n != 0 && left != 0; n--, left--) x = x << 8 | *in++;
	return x;
}

/* Bits 0-2: what; the rest is of use to it. */
static void step(uint8_t op)
{
	static const uint64_t bases[] = {UART, RTC, VIRTIO, FLASH, UART - 8, RTC + 0xff8};
	unsigned cpu = op >> 3 & 3;
	uint64_t base, val;

	switch (op & 7) {
	case 0: /* a word of the UART or the clock: the most likely to do something */
	case 1:
		base = (op & 0x20) != 0 ? RTC : UART;
		access_one(cpu, base + (take(1) & 0x3f) * 4, (op & 1) != 0, 4,
		           (op & 1) != 0 ? take((op & 0x40) != 0 ? 4 : 1) : 0);
		break;
	case 2:
	case 3: /* anything anywhere */
		base = bases[take(1) % ARRAY_SIZE(bases)];
		base += take(2);
		val = (op & 1) != 0 ? (uint64_t)take(4) << 32 | take(4) : 0;
		access_one(cpu, base, (op & 1) != 0, 1u << (op >> 5 & 3), val);
		break;
	case 4: type((uint8_t)take(1)); break;
	case 5:
		val = (op & 0x80) != 0 ? take(1) * SECOND : take(2);
		if ((op & 0x40) != 0)
			pause_for(val);
		else
			pass(val);
		break;
	case 6: /* room in the console */
		room += op >> 3;
		woken = 0;
		vpl011_console.room(&vm.port);
		EXPECT(woken == held);
		held = 0;
		break;
	case 7:
		if (cpu == 0)
			reset();
		else /* a match soon */
			access_one(cpu, RTC + 4, true, 4, rtc_now(fake_now) + (op >> 5));
		break;
	}
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	create();
	while (left != 0) step((uint8_t)take(1));
	vpl031_reset(&vm);
	EXPECT(fake_cnthp[0] == TIMER_NEVER);
	return 0;
}
