/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads and stores to devices in all their forms, and to where nothing is: values, extension,
 * write-back, XZR and SP; the syndrome of what aborts.
 */
#include <stdio.h>

#include "tg.h"
#include "tg_gic.h"

#define SPI 40u
#define ID 0xfe0u /* PL011 PeripheralID0: 0x11 0x10 0x14 0x00, PrimeCellID 0x0d 0xf0 0x05 0xb1 */
#define HOLE 0x0b000000ul /* nothing there on QEMU virt either */

static uint64_t uart, prio; /* prio: four IPRIORITYR bytes and eight more */

#define LOAD(insn, addr)                                                                           \
	({                                                                                         \
		uint64_t load_val = 0xdddddddddddddddd;                                            \
		__asm__ volatile(insn : "+r"(load_val) : "r"(addr) : "memory");                    \
		load_val;                                                                          \
	})
#define STORE(insn, addr, val) __asm__ volatile(insn : : "r"((uint64_t)(val)), "r"(addr) : "memory")

static void loads(void)
{
	tg_eq(LOAD("ldrb %w0, [%1]", uart + ID), 0x11, "LDRB");
	tg_eq(LOAD("ldrh %w0, [%1]", uart + ID), 0x11, "LDRH");
	tg_eq(LOAD("ldr %w0, [%1]", uart + ID), 0x11, "LDR w");
	tg_eq(LOAD("ldrb %w0, [%1, #4]", uart + ID), 0x10, "LDRB with offset");
	tg_eq(LOAD("ldrb %w0, [%1]", uart + 0xffc), 0xb1, "last register of the page");
	tg_eq(LOAD("ldrsb %0, [%1]", uart + 0xffc), 0xffffffffffffffb1, "LDRSB x");
	tg_eq(LOAD("ldrsb %w0, [%1]", uart + 0xffc), 0xffffffb1, "LDRSB w");
	tg_eq(LOAD("ldrsh %0, [%1]", uart + 0xffc), 0xb1, "LDRSH x, positive");

	STORE("str %w0, [%1]", prio, 0xf8102088);
	tg_eq(LOAD("ldr %w0, [%1]", prio) & 0xf8f8f8f8, 0xf8102088, "STR w, LDR w");
	tg_eq(LOAD("ldrsw %0, [%1]", prio) & ~0x070707ul, 0xfffffffff8102088, "LDRSW");
	tg_eq(LOAD("ldrb %w0, [%1, #3]", prio), 0xf8, "LDRB of the highest byte");
	tg_eq(LOAD("ldrsb %0, [%1, #3]", prio), 0xfffffffffffffff8, "LDRSB x of it");
	tg_eq(LOAD("ldrsb %w0, [%1, #3]", prio), 0xfffffff8, "LDRSB w of it");
	tg_eq(LOAD("ldr %w0, [%1, #2]!\n\tsub %1, %1, #2", prio - 2) & 0xf8f8f8f8, 0xf8102088,
	      "LDR pre-index");
	tg_eq(LOAD("ldar %w0, [%1]", prio) & 0xf8f8f8f8, 0xf8102088, "LDAR");
	tg_eq(LOAD("ldur %w0, [%1, #-1]", prio + 1) & 0xf8f8f8f8, 0xf8102088, "LDUR");
	tg_eq(LOAD("ldr %w0, [%1, %1]", prio / 2) & 0xf8f8f8f8, 0xf8102088, "LDR, register offset");
}

static uint32_t prio_word(unsigned n) { return mmio_read32(prio + 4 * n) & 0xf8f8f8f8; }

static void stores(void)
{
	STORE("str %w0, [%1]", prio, 0);
	STORE("strb %w0, [%1, #1]", prio, 0xffffffffffffff50);
	tg_eq(prio_word(0), 0x5000, "STRB: one byte, the register's low one");
	STORE("str %w0, [%1]", prio, 0xf8f8f8f8);
	__asm__ volatile("strb wzr, [%0, #2]" : : "r"(prio) : "memory");
	tg_eq(prio_word(0), 0xf800f8f8, "STRB wzr");
	__asm__ volatile("str wzr, [%0]" : : "r"(prio) : "memory");
	tg_eq(prio_word(0), 0, "STR wzr");
	STORE("stlr %w0, [%1]", prio, 0x08182838);
	tg_eq(prio_word(0), 0x08182838, "STLR");
	STORE("stur %w0, [%1, #-4]", prio + 4, 0x10203040);
	tg_eq(prio_word(0), 0x10203040, "STUR");
	__asm__ volatile("ldr wzr, [%0]\n\tldr xzr, [%1]\n\tldrb wzr, [%0]"
	                 :
	                 : "r"(prio), "r"(&uart)
	                 : "memory");
	tg_check(true, "loads into XZR");
}

/* Pairs and write-back: no syndrome, EL2 decodes the instruction. */
static void pairs(void)
{
	uint64_t a = 0, b = 0, p = prio;

	__asm__ volatile("stp %w1, %w2, [%0]"
	                 :
	                 : "r"(p), "r"(0x08101820), "r"(0x28303840)
	                 : "memory");
	tg_check(prio_word(0) == 0x08101820 && prio_word(1) == 0x28303840, "STP w");
	__asm__ volatile("ldp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(p) : "memory");
	tg_check((a & 0xf8f8f8f8) == 0x08101820 && (b & 0xf8f8f8f8) == 0x28303840 && !(a >> 32),
	         "LDP w");
	__asm__ volatile("stp wzr, %w1, [%0, #-8]" : : "r"(p + 8), "r"(0xf8000008) : "memory");
	tg_check(prio_word(0) == 0 && prio_word(1) == 0xf8000008, "STP wzr, negative offset");
	__asm__ volatile("ldpsw %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(p) : "memory");
	tg_check(a == 0 && b == 0xfffffffff8000008, "LDPSW");
	__asm__ volatile("ldp wzr, %w0, [%1]" : "=&r"(b) : "r"(p) : "memory");
	tg_eq(b, 0xf8000008, "LDP wzr");
	p = prio;
	__asm__ volatile("stp %w1, %w2, [%0], #8" : "+r"(p) : "r"(8), "r"(16) : "memory");
	tg_check(p == prio + 8 && prio_word(0) == 8 && prio_word(1) == 16, "STP post-index");
	__asm__ volatile("ldp %w0, %w1, [%2, #-8]!" : "=&r"(a), "=&r"(b), "+r"(p) : : "memory");
	tg_check(p == prio && (a & 0xf8) == 8 && (b & 0xf8) == 16, "LDP pre-index");
}

static void decoded(void)
{
	uint64_t a = 0, b = 0, p = prio;

	if (g_is_v3()) {
		uint64_t r = g_dist() + 0x6000 + 8 * SPI;

		__asm__ volatile("stp %1, xzr, [%0]" : : "r"(r), "r"(0x100000001) : "memory");
		__asm__ volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(r) : "memory");
		tg_check(a == 0x100000001 && b == 0, "STP x, LDP x");
		__asm__ volatile("stp xzr, xzr, [%0]" : : "r"(r) : "memory");
		tg_eq(mmio_read64(r), 0, "STP xzr");
	}

	__asm__ volatile("str %w1, [%0], #4" : "+r"(p) : "r"(0x48505860) : "memory");
	tg_check(p == prio + 4 && prio_word(0) == 0x48505860, "STR post-index");
	__asm__ volatile("str %w1, [%0, #-4]!" : "+r"(p) : "r"(0x68707880) : "memory");
	tg_check(p == prio && prio_word(0) == 0x68707880, "STR pre-index");
	p = prio + 255;
	__asm__ volatile("ldr %w0, [%1, #-255]!" : "=&r"(a), "+r"(p) : : "memory");
	tg_check(p == prio && (a & 0xf8f8f8f8) == 0x68707880, "LDR pre-index, large offset");
	__asm__ volatile("strb %w1, [%0], #1\n\tstrb wzr, [%0], #1" : "+r"(p) : "r"(8) : "memory");
	tg_check(p == prio + 2 && prio_word(0) == 0x68700008, "STRB post-index, twice");
	p = prio + 3;
	__asm__ volatile("ldrsb %0, [%1], #-3" : "=&r"(a), "+r"(p) : : "memory");
	tg_check(p == prio && a == 0x68, "LDRSB post-index");
	mmio_write8(prio, 0x90);
	__asm__ volatile("ldrsb %w0, [%1], #8" : "=&r"(a), "+r"(p) : : "memory");
	tg_check(p == prio + 8 && a == 0xffffff90, "LDRSB w post-index");
	p = uart + ID - 16;
	__asm__ volatile("ldrh %w0, [%1, #16]!" : "=&r"(a), "+r"(p) : : "memory");
	tg_check(p == uart + ID && a == 0x11, "LDRH pre-index");
	p = prio;
	__asm__ volatile("ldrsw %0, [%1], #4" : "=&r"(a), "+r"(p) : : "memory");
	tg_check(p == prio + 4 && (a & 0xf8f8f8f8) == 0x68700090, "LDRSW post-index");
}

/* SP as base, with SP_EL0 (programs run so) and SP_EL1. */
static void stack_base(void)
{
	uint64_t sp = 0, val = 0,
	         aligned = g_dist() + 0x400 + 48; /* SP has to be 16-byte aligned */
	uint64_t daif = uk_irq_save();

	__asm__ volatile("mov	x9, sp\n"
	                 "	mov	sp, %2\n"
	                 "	str	%w3, [sp], #16\n"
	                 "	ldr	%w1, [sp, #-16]!\n"
	                 "	mov	%0, sp\n"
	                 "	mov	sp, x9\n"
	                 : "=&r"(sp), "=&r"(val)
	                 : "r"(aligned), "r"(0x20304050)
	                 : "x9", "memory");
	tg_check(sp == aligned && (val & 0xf8f8f8f8) == 0x20304050, "SP_EL0 as base, write-back");
	__asm__ volatile("msr	spsel, #1\n"
	                 "	mov	x9, sp\n"
	                 "	mov	sp, %2\n"
	                 "	stp	%w3, %w3, [sp, #16]!\n"
	                 "	ldp	wzr, %w1, [sp], #-16\n"
	                 "	mov	%0, sp\n"
	                 "	mov	sp, x9\n"
	                 "	msr	spsel, #0\n"
	                 : "=&r"(sp), "=&r"(val)
	                 : "r"(aligned - 16), "r"(0x60504030)
	                 : "x9", "memory");
	tg_check(sp == aligned - 16 && (val & 0xf8f8f8f8) == 0x60504030,
	         "SP_EL1 as base, write-back");
	uk_irq_restore(daif);
}

/* ---- aborts -----------------------------------------------------------------------------------
 */

#define ISS_WNR (1u << 6)
#define ISS_IL (1ul << 25)

/* A synchronous external abort of this EL, at far; iss_ok: WnR as it should be. */
static void is_abort(struct tg_fault f, uint64_t far, bool write, const char *what)
{
	bool ok = f.count == 1 && TG_EC(f) == EC_DABT && TG_FSC(f) == FSC_EXTERNAL &&
	          f.far == far && ((f.esr & ISS_WNR) != 0) == write && (f.esr & ISS_IL);

	if (!tg_check(ok, what))
		printf("mmio: %u exceptions, ESR %#lx FAR %#lx\n", f.count, f.esr, f.far);
}

static void aborts(void)
{
	uint64_t base = HOLE + 0x128, p, past, val = 0x1234;
	struct tg_fault f;

	is_abort(TG_TRY(LOAD("ldr %w0, [%1]", base)), base, false, "hole: LDR aborts");
	is_abort(TG_TRY(STORE("str %w0, [%1]", base, 1)), base, true, "hole: STR aborts");
	is_abort(TG_TRY(LOAD("ldrb %w0, [%1]", base + 3)), base + 3, false, "hole: LDRB aborts");
	is_abort(TG_TRY(STORE("str %0, [%1]", base, 1)), base, true, "hole: STR x aborts");
	is_abort(TG_TRY(LOAD("ldp %w0, wzr, [%1]", base)), base, false, "hole: LDP aborts");
	f = TG_TRY(__asm__ volatile("ldr q0, [%0]" : : "r"(HOLE) : "v0", "memory"));
	is_abort(f, HOLE, false, "hole: LDR q aborts");
	f = TG_TRY(__asm__ volatile("ldxr w9, [%0]" : : "r"(HOLE) : "x9", "memory"));
	is_abort(f, HOLE, false, "hole: LDXR aborts");
	p = base;
	f = TG_TRY(__asm__ volatile("ldr %w0, [%1], #8" : "+r"(val), "+r"(p) : : "memory"));
	is_abort(f, base, false, "hole: LDR post-index aborts");
	tg_check(p == base && val == 0x1234, "and changes neither base nor target");

	past = tg_map(uk_machine()->ram_base + uk_machine()->ram_size, TG_MAP_DEVICE);
	is_abort(TG_TRY(LOAD("ldr %0, [%1]", past)), past, false, "past the end of RAM: aborts");
	p = tg_map(0, TG_MAP_EXEC) + HOLE;
	f = TG_TRY(((void (*)(void))p)());
	tg_check(f.count == 1 && TG_EC(f) == EC_IABT && TG_FSC(f) == FSC_EXTERNAL && f.far == p &&
	             f.pc == p,
	         "hole: fetch aborts");
}

/* What only Atoll's devices refuse; QEMU's take it. */
static void refused(void)
{
	struct tg_fault f;
	uint64_t p = tg_map(0, TG_MAP_EXEC) + uart;

	f = TG_TRY(((void (*)(void))p)());
	tg_check(f.count == 1 && TG_EC(f) == EC_IABT && TG_FSC(f) == FSC_EXTERNAL && f.pc == p,
	         "fetch from a device aborts");
	is_abort(TG_TRY(LOAD("ldr %0, [%1]", uart + ID)), uart + ID, false,
	         "64-bit load from the PL011 aborts");
	if (g_is_v3()) { /* as in QEMU: ignored */
		mmio_write32(prio, 0x10101010);
		f = TG_TRY(STORE("str %0, [%1]", prio, 0));
		tg_check(f.count == 0 && prio_word(0) == 0x10101010,
		         "64-bit store to IPRIORITYR is ignored");
	} else {
		is_abort(TG_TRY(STORE("str %0, [%1]", prio, 0)), prio, true,
		         "64-bit store to IPRIORITYR aborts");
	}
	f = TG_TRY(__asm__ volatile("ldr q0, [%0]" : : "r"(uart + ID) : "v0", "memory"));
	is_abort(f, uart + ID, false, "128-bit load from the PL011 aborts");
	f = TG_TRY(__asm__ volatile("st1 {v0.s}[0], [%0]" : : "r"(uart + ID) : "memory"));
	is_abort(f, uart + ID, true, "SIMD store to the PL011 aborts");
	p = tg_map(0x10000000000, TG_MAP_DEVICE); /* 1 TiB: beyond 40 bits */
	f = TG_TRY(LOAD("ldr %w0, [%1]", p));
	tg_check(f.count == 1 && TG_EC(f) == EC_DABT && f.far == p, "IPA beyond 40 bits aborts");
	p = tg_map(0xffc0000000, TG_MAP_DEVICE);
	is_abort(TG_TRY(LOAD("ldr %w0, [%1]", p)), p, false, "last GiB of 40 bits aborts");
}

static void flash(void)
{
	uint64_t base = tg_map(0, TG_MAP_DEVICE), sum = 0;
	struct tg_fault f;

	f = TG_TRY({
		for (uint64_t off = 0; off < 0x8000000; off += 0xfff8) {
			sum |= mmio_read64(base + (off & ~7ul));
			sum |= mmio_read8(base + off);
		}
		for (uint64_t off = 0x4000000; off < 0x4040000; off += 64)
			sum |= mmio_read64(base + off);
	});
	tg_check(f.count == 0 && sum == 0, "flash reads 0");
	f = TG_TRY({
		mmio_write32(base, 0xffffffff);
		mmio_write64(base + 0x4000000, ~0ul);
		mmio_write8(base + 0x403ffff, 0xff);
		mmio_write32(base + 0x7fffffc, 0xffffffff);
		sum |= mmio_read32(base) | mmio_read64(base + 0x4000000);
		sum |= mmio_read8(base + 0x403ffff) | mmio_read32(base + 0x7fffffc);
	});
	tg_check(f.count == 0 && sum == 0, "writes to flash are ignored");
}

static void virtio_slots(void)
{
	unsigned wrong = 0;
	struct tg_fault f;

	f = TG_TRY(for (uint64_t slot = 0x0a000000; slot < 0x0a004000; slot += 0x200) {
		wrong += mmio_read32(slot) != 0x74726976;
		wrong += mmio_read32(slot + 8) != 0; /* DeviceID: none */
		mmio_write32(slot + 0x70, 0);
	});
	tg_check(f.count == 0 && wrong == 0, "32 empty virtio-mmio slots");
	if (uk_machine()->on_atoll) tg_eq(mmio_read32(0x0a000004), 2, "virtio-mmio version 2");
}

static void cache_maintenance(void)
{
	uint64_t base = tg_map(0, TG_MAP_DEVICE) + 0x4000000;
	struct tg_fault f;

	f = TG_TRY({
		__asm__ volatile("dc civac, %0\n\tdc cvac, %0" : : "r"(uart) : "memory");
		__asm__ volatile("dc civac, %0\n\tdc ivac, %0" : : "r"(base) : "memory");
		__asm__ volatile("ic ivau, %0\n\tdsb sy" : : "r"(uart) : "memory");
	});
	tg_eq(f.count, 0, "cache maintenance by address on devices does nothing");
}

int main(void)
{
	tg_start("mmio");
	g_cpu_init();
	uart = uk_machine()->uart_base;
	prio = g_dist() + 0x400 + SPI;
	loads();
	stores();
	decoded();
	/* QEMU makes one access of a pair of words, which its GICv3 ignores. */
	if (!g_is_v3() || uk_machine()->on_atoll) {
		pairs();
		stack_base();
	}
	aborts();
	virtio_slots();
	cache_maintenance();
	if (uk_machine()->on_atoll) {
		refused();
		flash();
	}
	return tg_end();
}
