/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv2 distributor as the guest sees it: every register, access sizes, SGIs with their sources.
 * links: hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c hyp/mmio.c
 * links: tests/fake_arch/gic.c tests/fake_arch/fake.c
 */
#include "tests/unit/vgic_env.h"

#define NONE GIC_INTID_NONE
#define SGIR 0xf00u
#define NR_IRQS 96u /* 64 SPIs */

static void start(unsigned nr_vcpus) { env_setup(2, 4, nr_vcpus, nr_vcpus); }

static void finish(void)
{
	env_check();
	env_teardown();
}

static uint32_t rd_by(unsigned id, uint32_t off)
{
	return (uint32_t)env_mmio(id, GICD + off, false, 4, 0);
}

static void wr_by(unsigned id, uint32_t off, uint32_t val)
{
	env_mmio(id, GICD + off, true, 4, val);
}

/* Reset value and writable bits of a register that stores what is written. */
static void stores(uint32_t off, uint32_t reset, uint32_t mask)
{
	assert_int_equal(rd(off), reset);
	wr(off, 0xffffffff);
	assert_int_equal(rd(off), mask | reset);
	wr(off, 0x5a5a5a5a);
	assert_int_equal(rd(off), (0x5a5a5a5a & mask) | (reset & ~mask));
	wr(off, 0);
	assert_int_equal(rd(off), reset & ~mask);
}

static void read_only(uint32_t off, uint32_t val)
{
	assert_int_equal(rd(off), val);
	wr(off, ~val);
	assert_int_equal(rd(off), val);
}

static void test_identity(void **state)
{
	static const uint32_t ids[] = {0x04, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1};

	(void)state;
	start(3);
	stores(0, 0, 3);
	read_only(4, 2 | 2 << 5); /* 96 interrupts, 3 CPUs */
	read_only(8, 0x43b);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) read_only(0xfd0 + 4 * i, ids[i]);
	/* NSACR, the reserved, implementation defined and unknown ones. */
	for (uint32_t off = 0xc; off < 0x10000; off += 4) {
		bool known = (off >= 0x80 && off < 0xd00) || (off >= 0xf10 && off < 0xf30) ||
		             (off >= 0xfd0 && off < 0x1000);

		if (!known) {
			assert_int_equal(rd(off), 0);
			if (off != SGIR) wr(off, 0xffffffff);
			assert_int_equal(rd(off), 0);
		}
	}
	finish();
	start(1);
	assert_int_equal(rd(4), 2);
	finish();
}

/* Fields of interrupts that do not exist are RAZ/WI; none of them disturbs its neighbours. */
static void test_fields(void **state)
{
	(void)state;
	start(2);
	for (uint32_t r = 0; r < 32; r++) {
		bool exists = r < NR_IRQS / 32;

		stores(0x080 + 4 * r, 0, exists ? 0xffffffff : 0);
		if (r > 0) {
			wr(0x180 + 4 * r, 0xffffffff);
			assert_int_equal(rd(0x100 + 4 * r), 0);
		}
		wr(0x100 + 4 * r, 0x00f00f01);
		wr(0x100 + 4 * r, 0x10000000);
		assert_int_equal(rd(0x100 + 4 * r), !exists ? 0 : 0x10f00f01 | (r ? 0 : 0xffff));
		assert_int_equal(rd(0x180 + 4 * r), !exists ? 0 : 0x10f00f01 | (r ? 0 : 0xffff));
		wr(0x180 + 4 * r, 0x00f00000);
		assert_int_equal(rd(0x100 + 4 * r), !exists ? 0 : 0x10000f01 | (r ? 0 : 0xffff));
		wr(0x180 + 4 * r, 0xffffffff);
		/* SGIs of a GICv2 are always enabled, and not pending by this register. */
		assert_int_equal(rd(0x180 + 4 * r), r == 0 ? 0xffff : 0);
		wr(0x200 + 4 * r, 0xf0000fff);
		assert_int_equal(rd(0x200 + 4 * r), !exists ? 0 : r ? 0xf0000fff : 0xf0000000);
		assert_int_equal(rd(0x280 + 4 * r), !exists ? 0 : r ? 0xf0000fff : 0xf0000000);
		wr(0x280 + 4 * r, 0x70000ff0);
		assert_int_equal(rd(0x280 + 4 * r), !exists ? 0 : r ? 0x8000000f : 0x80000000);
		wr(0x280 + 4 * r, 0xffffffff);
		assert_int_equal(rd(0x200 + 4 * r), 0);
		wr(0x300 + 4 * r, 0xf0000fff);
		assert_int_equal(rd(0x300 + 4 * r), exists ? 0xf0000fff : 0);
		wr(0x380 + 4 * r, 0x70000ff0);
		assert_int_equal(rd(0x380 + 4 * r), exists ? 0x8000000f : 0);
		wr(0x380 + 4 * r, 0xffffffff);
		assert_int_equal(rd(0x300 + 4 * r), 0);
	}
	for (uint32_t r = 0; r < 256; r++) {
		bool exists = r < NR_IRQS / 4;

		/* Five bits of priority, as GIC-400. */
		stores(0x400 + 4 * r, 0, exists ? 0xf8f8f8f8 : 0);
		if (r < 8) {
			read_only(0x800 + 4 * r, 0x01010101);
			assert_int_equal(rd_by(1, 0x800 + 4 * r), 0x02020202);
		} else {
			stores(0x800 + 4 * r, 0, exists ? 0x03030303 : 0);
		}
	}
	for (uint32_t r = 0; r < 64; r++)
		if (r == 0)
			read_only(0xc00, 0xaaaaaaaa);
		else
			stores(0xc00 + 4 * r, 0, r < NR_IRQS / 16 ? 0xaaaaaaaa : 0);
	finish();
}

static void test_sizes(void **state)
{
	uint64_t val = 0;

	(void)state;
	start(2);
	wr(0x420, 0x10203040);
	assert_int_equal(env_mmio(0, GICD + 0x421, false, 1, 0), 0x30);
	assert_int_equal(env_mmio(0, GICD + 0x422, false, 2, 0), 0x1020);
	wr8(0x423, 0xf9);
	assert_int_equal(rd(0x420), 0xf8203040);
	wr(0x820, 0x01020301);
	assert_int_equal(env_mmio(0, GICD + 0x821, false, 1, 0), 3);
	wr8(0x822, 1);
	assert_int_equal(rd(0x820), 0x01010301);
	env_mmio(0, GICD + 0x105, true, 1, 0x81);
	assert_int_equal(rd(0x104), 0x8100);
	env_mmio(0, GICD + 0xc09, true, 1, 0x88);
	assert_int_equal(rd(0xc08), 0x8800);
	/* The rest takes words. */
	assert_int_equal(env_mmio(0, GICD + 8, false, 1, 0), 0);
	env_mmio(0, GICD, true, 1, 3);
	assert_int_equal(rd(0), 0);
	env_mmio(0, GICD + SGIR, true, 1, 0);
	/* 64 bits and what is misaligned abort. */
	assert_int_equal(mmio_access(&vcpus[0], GICD + 0x400, false, 8, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&vcpus[0], GICD + 0x402, false, 4, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&vcpus[0], GICD + 0x11000, false, 2, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&vcpus[0], GICD + 0x11000, true, 1, &val), MMIO_ABORT);
	assert_int_equal(mmio_access(&vcpus[0], GICD + 0x12000, false, 4, &val), MMIO_ABORT);
	finish();
}

/* Private interrupts are banked. */
static void test_banked(void **state)
{
	(void)state;
	start(2);
	wr_by(1, 0x100, BIT32(20));
	assert_int_equal(rd_by(0, 0x100), 0xffff);
	assert_int_equal(rd_by(1, 0x100), 0xffff | BIT32(20));
	wr_by(1, 0x400, 0x20202020);
	assert_int_equal(rd_by(0, 0x400), 0);
	wr_by(0, 0x080, 1);
	assert_int_equal(rd_by(1, 0x080), 0);
	wr_by(1, 0xc04, 0x80);
	assert_int_equal(rd_by(0, 0xc04), 0);
	wr_by(1, 0x300, BIT32(5));
	assert_int_equal(rd_by(0, 0x300), 0);
	assert_int_equal(rd_by(1, 0x300), BIT32(5));
	finish();
}

/* One CPU: ITARGETSR is RAZ/WI and everything goes to it (IHI 0048B 4.3.12). */
static void test_one_cpu(void **state)
{
	(void)state;
	start(1);
	wr(0, 3);
	for (unsigned i = 0; i < 24; i++) read_only(0x800 + 4 * i, 0);
	set_bit(0x100, SPI);
	env_pulse(SPI);
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	finish();
}

static void sgi(unsigned from, unsigned filter, unsigned list, unsigned intid)
{
	wr_by(from, SGIR, filter << 24 | list << 16 | intid);
}

static void test_sgir(void **state)
{
	(void)state;
	start(4);
	wr(0, 3);
	sgi(1, 0, 0xfd, 3); /* CPUs 0, 2, 3, and some that do not exist */
	assert_int_equal(ack(0), 3 | 1 << 10);
	assert_int_equal(ack(1), NONE);
	assert_int_equal(ack(2), 3 | 1 << 10);
	assert_int_equal(ack(3), 3 | 1 << 10);
	eoi(0, 3 | 1 << 10);
	eoi(2, 3 | 1 << 10);
	eoi(3, 3 | 1 << 10);
	sgi(2, 1, 0x04, 15); /* all but self, the list does not count */
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(ack(i), i == 2 ? NONE : (15 | 2 << 10));
		eoi(i, 15 | 2 << 10);
	}
	fake_gic_count_reset(3);
	sgi(3, 2, 0x01, 0); /* self */
	assert_int_equal(fake_gic_hppir(3), 0 | 3 << 10);
	assert_int_equal(ack(0), NONE);
	assert_int_equal(ack(3), 0 | 3 << 10);
	eoi(3, 0 | 3 << 10);
	sgi(3, 3, 0xff, 0); /* reserved (XSA-117) */
	sgi(0, 0, 0, 0);    /* nobody */
	for (unsigned i = 0; i < 4; i++) assert_int_equal(ack(i), NONE);
	/* To self, again and again: one list register read, one written. */
	for (unsigned i = 0; i < 3; i++) {
		sgi(0, 2, 0, 7);
		assert_int_equal(ack(0), 7);
		fake_gic_eoir(0, 7);
		fake_gic_count_reset(0);
	}
	sgi(0, 2, 0, 7);
	assert_int_equal(fake_gic[0].lr_reads, 1);
	assert_int_equal(fake_gic[0].lr_writes, 1);
	assert_int_equal(fake_gic[0].hcr_reads + fake_gic[0].hcr_writes, 0);
	assert_int_equal(ack(0), 7);
	eoi(0, 7);
	/* Another's before, in the same list register. */
	sgi(3, 0, 1, 7);
	assert_int_equal(ack(0), 7 | 3 << 10);
	fake_gic_eoir(0, 7 | 3 << 10);
	sgi(0, 2, 0, 7);
	assert_int_equal(ack(0), 7);
	/* Not yet finished: pending and active. */
	sgi(0, 2, 0, 7);
	assert_int_equal(ack(0), NONE);
	eoi(0, 7);
	assert_int_equal(ack(0), 7);
	eoi(0, 7);
	assert_int_equal(ack(0), NONE);
	finish();
}

/* Several sources of one SGI come one after the other, none is lost, none comes twice. */
static void test_sgi_sources(void **state)
{
	(void)state;
	for (unsigned nr_lrs = 1; nr_lrs <= 4; nr_lrs += 3) {
		env_setup(2, nr_lrs, 4, 4);
		wr(0, 3);
		for (unsigned from = 0; from < 4; from++) {
			sgi(from, 0, 1, 5);
			sgi(from, 0, 1, 5);
		}
		assert_int_equal(rd(0xf10 + 4), 0x0f00);
		assert_int_equal(rd(0xf20 + 4), 0x0f00);
		assert_true(rd(0x200) & BIT32(5));
		for (unsigned from = 0; from < 4; from++) {
			assert_int_equal(ack(0), 5 | from << 10);
			assert_int_equal(ack(0), NONE);
			assert_int_equal(rd(0xf10 + 4), (0x0e00u << from) & 0x0f00);
			assert_true(rd(0x300) & BIT32(5));
			eoi(0, 5 | from << 10);
		}
		assert_int_equal(ack(0), NONE);
		assert_int_equal(rd(0x300), 0);
		/* The same source again while active, then another. */
		sgi(1, 0, 1, 5);
		assert_int_equal(ack(0), 5 | 1 << 10);
		sgi(1, 0, 1, 5);
		sgi(2, 0, 1, 5);
		eoi(0, 5 | 1 << 10);
		assert_int_equal(ack(0), 5 | 1 << 10);
		eoi(0, 5 | 1 << 10);
		assert_int_equal(ack(0), 5 | 2 << 10);
		eoi(0, 5 | 2 << 10);
		assert_int_equal(ack(0), NONE);
		/* Set and clear by the guest, by byte. */
		wr8(0xf20 + 5, 0xff);
		assert_int_equal(rd(0xf10 + 4), 0x0f00);
		wr8(0xf10 + 5, 0x05);
		assert_int_equal(env_mmio(0, GICD + 0xf25, false, 1, 0), 0x0a);
		assert_int_equal(rd_by(1, 0xf20 + 4), 0);
		assert_int_equal(ack(0), 5 | 1 << 10);
		wr8(0xf10 + 5, 0xff);
		eoi(0, 5 | 1 << 10);
		assert_int_equal(ack(0), NONE);
		wr(0xf20, 0x00040000);
		assert_int_equal(ack(0), 2 | 2 << 10);
		eoi(0, 2 | 2 << 10);
		/* A preempted handler keeps its source. */
		sgi(3, 0, 1, 9);
		assert_int_equal(ack(0), 9 | 3 << 10);
		env_put(0);
		env_load(0, 5);
		sgi(2, 0, 1, 9);
		eoi(5, 9 | 3 << 10);
		assert_int_equal(ack(5), 9 | 2 << 10);
		eoi(5, 9 | 2 << 10);
		finish();
	}
}

static void test_groups(void **state)
{
	(void)state;
	start(2);
	env_spi(SPI, 0x80, true, 0);
	env_pulse(SPI);
	assert_int_equal(ack(0), NONE); /* the distributor is off */
	wr(0, 2);
	assert_int_equal(ack(0), NONE); /* group 0 is */
	assert_int_equal(ack(0), NONE);
	set_bit(0x080, SPI);
	assert_int_equal(fake_gic_hppir(0), SPI);
	wr(0, 1);
	assert_int_equal(fake_gic_hppir(0), NONE);
	wr(0, 3);
	fake_gic[0].vmcr &= ~FAKE_VMCR_GRP1;
	assert_int_equal(ack(0), NONE);
	assert_false(vgic_pending(&vcpus[0]));
	fake_gic[0].vmcr |= FAKE_VMCR_GRP1;
	assert_true(vgic_pending(&vcpus[0]));
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	finish();
}

/* Random accesses anywhere: nothing breaks, state stays consistent (rule 29's fuzz in small). */
static void test_random_registers(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (unsigned run = 0; run < 60; run++) {
		env_setup(2, 1 + run % 4, 1 + run % 8, 1 + run % 8);
		for (unsigned n = 0; n < 400; n++) {
			unsigned id = (seed >> 9) % vm.nr_vcpus, size = 1u << (seed >> 13) % 3;
			uint32_t off = (seed >> 15) % 0x1000 & ~(size - 1);

			seed = seed * 1664525u + 1013904223u;
			if (n % 8 == 0) off = 0;
			env_mmio(id, GICD + off, n % 3, size, seed * 2654435761u);
			if (n % 5 == 0) {
				uint32_t iar = ack(id);

				if (iar != NONE && (seed & 0x100)) eoi(id, iar);
			}
			env_check();
		}
		for (unsigned id = 0; id < vm.nr_vcpus; id++) env_put(id);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_banked),
	    cmocka_unit_test(test_one_cpu),
	    cmocka_unit_test(test_sgir),
	    cmocka_unit_test(test_sgi_sources),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_random_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
