/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv3 distributor, redistributors and SGI registers as the guest sees them.
 * links: hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c hyp/mmio.c
 * links: tests/fake_arch/gic.c tests/fake_arch/fake.c
 */
#include "tests/unit/vgic_env.h"

#define NONE GIC_INTID_NONE
#define NR_IRQS 96u
#define RD(cpu) (GICR + 0x20000 * (uint64_t)(cpu))
#define SGI(cpu) (RD(cpu) + SGI_FRAME)

static void start(unsigned nr_vcpus) { env_setup(3, 4, nr_vcpus, nr_vcpus); }

static void finish(void)
{
	env_check();
	env_teardown();
}

static uint64_t get(uint64_t addr, unsigned size) { return env_mmio(0, addr, false, size, 0); }

static void put(uint64_t addr, unsigned size, uint64_t val) { env_mmio(0, addr, true, size, val); }

static void stores(uint64_t addr, uint32_t reset, uint32_t mask)
{
	assert_int_equal(get(addr, 4), reset);
	put(addr, 4, 0xffffffff);
	assert_int_equal(get(addr, 4), mask | reset);
	put(addr, 4, 0x5a5a5a5a);
	assert_int_equal(get(addr, 4), (0x5a5a5a5a & mask) | (reset & ~mask));
	put(addr, 4, 0);
	assert_int_equal(get(addr, 4), reset & ~mask);
}

static void read_only(uint64_t addr, uint32_t val)
{
	assert_int_equal(get(addr, 4), val);
	put(addr, 4, ~val);
	assert_int_equal(get(addr, 4), val);
}

static void ids(uint64_t frame, uint32_t pidr0)
{
	const uint32_t want[] = {0x44, 0, 0, 0, pidr0, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1};

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) read_only(frame + 0xffd0 + 4 * i, want[i]);
}

static void test_gicd(void **state)
{
	(void)state;
	start(2);
	read_only(GICD + 4, 2 | 15u << 19 | BIT32(24));
	read_only(GICD + 8, 0x43b);
	/* ARE and DS read as one; RWP is never seen. */
	assert_int_equal(rd(0), 0x50);
	wr(0, 0xffffffff);
	assert_int_equal(rd(0), 0x53);
	wr(0, 0);
	assert_int_equal(rd(0), 0x50);
	ids(GICD, 0x92);
	for (uint32_t off = 0xc; off < 0x10000; off += 4) {
		bool known = (off >= 0x80 && off < 0x800) || (off >= 0xc00 && off < 0xd00) ||
		             (off >= 0x6100 && off < 0x8000) || off >= 0xffd0;

		if (!known) {
			/* TYPER2, SETSPI, ITARGETSR, IGRPMODR, NSACR, SGIR, ... */
			wr(off, 0xffffffff);
			assert_int_equal(rd(off), 0);
		}
	}
	/* Private interrupts are in the redistributors: RAZ/WI here. */
	for (uint32_t r = 1; r < 8; r++) stores(GICD + 0x80 * r, 0, 0);
	for (uint32_t r = 0; r < 8; r++) stores(GICD + 0x400 + 4 * r, 0, 0);
	stores(GICD + 0xc00, 0, 0);
	stores(GICD + 0xc04, 0, 0);
	for (uint32_t r = 1; r < 32; r++) stores(GICD + 0x80 + 4 * r, 0, r < 3 ? 0xffffffff : 0);
	for (uint32_t r = 8; r < 255; r++)
		stores(GICD + 0x400 + 4 * r, 0, r < NR_IRQS / 4 ? 0xf8f8f8f8 : 0);
	for (uint32_t r = 2; r < 64; r++)
		stores(GICD + 0xc00 + 4 * r, 0, r < NR_IRQS / 16 ? 0xaaaaaaaa : 0);
	set_bit(0x100, SPI);
	assert_true(bit(0x180, SPI));
	set_bit(0x180, SPI);
	assert_false(bit(0x100, SPI));
	set_bit(0x200, SPI);
	assert_true(bit(0x280, SPI));
	set_bit(0x300, SPI);
	assert_true(bit(0x380, SPI));
	finish();
}

static void test_irouter(void **state)
{
	const uint64_t all = ~UINT64_C(0), mask = UINT64_C(0xff80ffffff);

	(void)state;
	start(2);
	for (uint32_t i = 0; i < 1020; i++) {
		uint64_t r = GICD + 0x6000 + 8 * i, m = i >= 32 && i < NR_IRQS ? mask : 0;

		assert_int_equal(get(r, 8), 0);
		put(r, 8, all);
		assert_int_equal(get(r, 8), m);
		assert_int_equal(get(r, 4), m & 0xffffffff);
		assert_int_equal(get(r + 4, 4), m >> 32);
		put(r, 4, 1);
		assert_int_equal(get(r, 8), m ? UINT64_C(0xff00000001) : 0);
		put(r + 4, 4, 0);
		assert_int_equal(get(r, 8), m ? 1 : 0);
		put(r, 1, 0xff);
		assert_int_equal(get(r, 2), 0);
		put(r, 8, 0);
	}
	wr(0, 3);
	env_spi(SPI, 0x80, true, 1);
	env_pulse(SPI);
	assert_int_equal(ack(1), SPI);
	eoi(1, SPI);
	/* Nobody has that affinity: waits. */
	put(GICD + 0x6000 + 8 * SPI, 8, 0x0500);
	env_enter(1);
	env_pulse(SPI);
	assert_int_equal(ack(0), NONE);
	assert_int_equal(ack(1), NONE);
	assert_true(bit(0x200, SPI));
	/* Any: the lowest that is on. */
	vcpus[0].on = false;
	put(GICD + 0x6000 + 8 * SPI, 8, BIT(31));
	assert_int_equal(ack(1), SPI);
	eoi(1, SPI);
	vcpus[0].on = true;
	vgic_retarget(&vm);
	env_enter(1);
	env_pulse(SPI);
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	finish();
}

static void test_gicr_rd(void **state)
{
	(void)state;
	start(3);
	for (unsigned c = 0; c < 3; c++) {
		uint64_t typer = (uint64_t)c << 32 | (uint64_t)c << 8 | (c == 2 ? BIT(4) : 0);

		assert_int_equal(get(RD(c) + 8, 8), typer);
		read_only(RD(c) + 8, (uint32_t)typer);
		read_only(RD(c) + 12, (uint32_t)(typer >> 32));
		read_only(RD(c), 0);
		read_only(RD(c) + 4, 0x43b);
		ids(RD(c), 0x93);
		/* Asleep after reset; ChildrenAsleep follows. */
		assert_int_equal(get(RD(c) + 0x14, 4), 6);
		put(RD(c) + 0x14, 4, 0);
		assert_int_equal(get(RD(c) + 0x14, 4), 0);
		put(RD(c) + 0x14, 4, 0xffffffff);
		assert_int_equal(get(RD(c) + 0x14, 4), 6);
		read_only(RD(c) + 0xc0, 0); /* SYNCR: not busy */
		for (uint32_t off = 0x10; off < 0xffd0; off += 4) {
			if (off != 0x14) {
				put(RD(c) + off, 4, 0xffffffff);
				assert_int_equal(get(RD(c) + off, 4), 0);
			}
		}
	}
	/* The last of 16 in its cluster. */
	finish();
	start(16);
	assert_int_equal(get(RD(15) + 8, 8), UINT64_C(15) << 32 | 15 << 8 | 16);
	assert_int_equal(get(RD(14) + 8, 8), UINT64_C(14) << 32 | 14 << 8);
	finish();
}

static void test_gicr_sgi(void **state)
{
	uint64_t val = 0;

	(void)state;
	start(2);
	for (unsigned c = 0; c < 2; c++) {
		uint64_t f = SGI(c);

		stores(f + 0x80, 0, 0xffffffff);
		assert_int_equal(get(f + 0x100, 4), 0); /* SGIs as well */
		put(f + 0x100, 4, 0x0ff00ff0);
		assert_int_equal(get(f + 0x100, 4), 0x0ff00ff0);
		put(f + 0x180, 4, 0x00f000f0);
		assert_int_equal(get(f + 0x180, 4), 0x0f000f00);
		put(f + 0x180, 4, 0xffffffff);
		put(f + 0x200, 4, 0x000f000f);
		assert_int_equal(get(f + 0x200, 4), 0x000f000f);
		put(f + 0x280, 4, 0x00030003);
		assert_int_equal(get(f + 0x280, 4), 0x000c000c);
		put(f + 0x280, 4, 0xffffffff);
		put(f + 0x300, 4, 0x00f000f0);
		assert_int_equal(get(f + 0x300, 4), 0x00f000f0);
		put(f + 0x380, 4, 0x00300030);
		assert_int_equal(get(f + 0x380, 4), 0x00c000c0);
		put(f + 0x380, 4, 0xffffffff);
		assert_int_equal(get(f + 0x300, 4), 0);
		for (uint32_t r = 0; r < 8; r++) stores(f + 0x400 + 4 * r, 0, 0xf8f8f8f8);
		put(f + 0x41b, 1, 0xff);
		assert_int_equal(get(f + 0x418, 4), 0xf8000000);
		put(f + 0x418, 4, 0);
		read_only(f + 0xc00, 0xaaaaaaaa);
		stores(f + 0xc04, 0, 0xaaaaaaaa);
		/* IGRPMODR0, NSACR, and where a distributor has its SPIs. */
		for (uint32_t off = 0; off < 0x10000; off += 4) {
			bool known = (off >= 0x80 && off < 0x400 && off % 0x80 == 0) ||
			             (off >= 0x400 && off < 0x420) || off == 0xc00 || off == 0xc04;

			if (!known) {
				put(f + off, 4, 0xffffffff);
				assert_int_equal(get(f + off, 4), 0);
			}
		}
	}
	for (unsigned i = 0; i < vm.vgic.nr_spis; i++)
		assert_false(vm.vgic.spis[i].enabled || vm.vgic.spis[i].latch);
	/* One frame pair each, no more. */
	assert_int_equal(mmio_access(&vcpus[0], RD(2), false, 4, &val), MMIO_ABORT);
	assert_int_equal(get(SGI(0) + 0x400, 8), 0);
	finish();
}

static void enable_sgis(unsigned nr, uint32_t groups)
{
	wr(0, 3);
	for (unsigned c = 0; c < nr; c++) {
		put(SGI(c) + 0x100, 4, 0xffff);
		put(SGI(c) + 0x80, 4, groups);
	}
}

static void sgi(unsigned from, uint64_t val, bool group1)
{
	env_cpu(from);
	vgic_sgir_write(&vcpus[from], val, group1);
	env_enter(from);
	env_cpu(0);
}

static void expect(unsigned nr, uint32_t mask, unsigned intid)
{
	for (unsigned c = 0; c < nr; c++) {
		assert_int_equal(ack(c), mask & BIT32(c) ? intid : NONE);
		if (mask & BIT32(c)) eoi(c, intid);
	}
}

static void test_sgir(void **state)
{
	(void)state;
	start(16);
	enable_sgis(16, 0xffff);
	sgi(1, 0x8005 | UINT64_C(3) << 24, true);
	expect(16, 0x8005, 3);
	sgi(1, BIT(40) | UINT64_C(15) << 24 | 0xffff, true); /* all but self */
	expect(16, 0xfffd, 15);
	sgi(4, BIT(4), true); /* self */
	expect(16, 0x10, 0);
	/* Other clusters and ranges have nobody. */
	sgi(0, 0xffff | BIT(16), true);
	sgi(0, 0xffff | BIT(32), true);
	sgi(0, 0xffff | BIT(48), true);
	sgi(0, 0xffff | BIT(44), true);
	expect(16, 0, 0);
	/* Twice before the acknowledge is once. */
	sgi(0, 2, true);
	sgi(2, 2, true);
	expect(2, 2, 0);
	expect(2, 0, 0);
	/* Groups: SGI1R reaches both, SGI0R and ASGI1R group 0. */
	sgi(0, 2, false);
	expect(2, 0, 0);
	put(SGI(1) + 0x80, 4, 0);
	sgi(0, 2, false);
	expect(2, 2, 0);
	sgi(0, 2, true);
	expect(2, 2, 0);
	/* Disabled: stays pending. */
	put(SGI(1) + 0x180, 4, 1);
	env_enter(1);
	sgi(0, 2, true);
	expect(2, 0, 0);
	assert_int_equal(get(SGI(1) + 0x200, 4), 1);
	put(SGI(1) + 0x100, 4, 1);
	expect(2, 2, 0);
	finish();
}

/* Another vCPU's private interrupts, while it runs. */
static void test_remote_private(void **state)
{
	(void)state;
	start(2);
	enable_sgis(2, 0);
	put(SGI(1) + 0x100, 4, BIT32(20));
	put(SGI(1) + 0x200, 4, BIT32(20));
	assert_int_equal(ack(1), 20);
	assert_true(get(SGI(1) + 0x300, 4) & BIT32(20) || kicks[1] > 0);
	env_enter(1);
	assert_true(get(SGI(1) + 0x300, 4) & BIT32(20));
	put(SGI(1) + 0x200, 4, BIT32(20));
	env_enter(1);
	put(SGI(1) + 0x280, 4, BIT32(20));
	env_enter(1);
	eoi(1, 20);
	assert_int_equal(ack(1), NONE);
	/* Its timer: the pending state is the output, as far as it can be known here. */
	put(SGI(1) + 0x100, 4, BIT32(TIMER));
	set_timer(1, true);
	assert_int_equal(ack(1), TIMER);
	put(SGI(1) + 0x380, 4, BIT32(TIMER)); /* deactivated from here, done there */
	assert_int_equal(ack(1), NONE);
	fake_gic_eoir(1, TIMER);
	assert_int_equal(ack(1), TIMER);
	set_timer(1, false);
	eoi(1, TIMER);
	assert_int_equal(ack(1), NONE);
	env_put(1);
	timer_line[1] = true;
	assert_true(get(SGI(1) + 0x200, 4) & BIT32(TIMER));
	finish();
}

static void test_random_registers(void **state)
{
	uint32_t seed = 54321;

	(void)state;
	for (unsigned run = 0; run < 60; run++) {
		env_setup(3, 1 + run % 4, 1 + run % 4, 1 + run % 4);
		for (unsigned n = 0; n < 400; n++) {
			unsigned id = (seed >> 9) % vm.nr_vcpus, size = 1u << (seed >> 13) % 4;
			uint64_t off = (seed >> 11) % 0x1000 & ~(uint64_t)(size - 1);

			seed = seed * 1664525u + 1013904223u;
			switch (n % 8) {
			case 0: off = GICD; break;
			case 1:
			case 2: off += SGI((seed >> 5) % vm.nr_vcpus); break;
			case 3: off += RD((seed >> 5) % vm.nr_vcpus); break;
			case 4: off += GICD + 0x6000; break;
			case 5:
				env_cpu(id);
				vgic_sgir_write(&vcpus[id], seed * UINT64_C(0x9e3779b97f4a7c15),
				                seed & 1);
				off += GICD;
				break;
			default: off += GICD; break;
			}
			env_mmio(id, off, n % 3, size, seed * UINT64_C(0x9e3779b97f4a7c15));
			if (n % 5 == 0) {
				uint32_t iar = ack(id);

				if (iar != NONE && (seed & 0x100))
					eoi(id, iar);
				else if (seed & 0x200)
					dir(id, (seed >> 3) % 100);
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
	    cmocka_unit_test(test_gicd),
	    cmocka_unit_test(test_irouter),
	    cmocka_unit_test(test_gicr_rd),
	    cmocka_unit_test(test_gicr_sgi),
	    cmocka_unit_test(test_sgir),
	    cmocka_unit_test(test_remote_private),
	    cmocka_unit_test(test_random_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
