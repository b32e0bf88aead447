/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vGIC core: life cycles, list register overflow, retargeting, HW-linked timer, races, stress.
 * links: hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c hyp/mmio.c
 * links: tests/fake_arch/gic.c tests/fake_arch/fake.c
 */
#include "tests/unit/vgic_env.h"

#define NONE GIC_INTID_NONE
#define GICH_ACCESSES(c)                                                                           \
	((c).lr_reads + (c).lr_writes + (c).hcr_reads + (c).hcr_writes + (c).vmcr_reads)

static void start(unsigned version, unsigned nr_lrs, unsigned nr_vcpus, unsigned loaded)
{
	env_setup(version, nr_lrs, nr_vcpus, loaded);
	wr(0, CTLR_GROUPS);
}

static void finish(void)
{
	env_check();
	env_teardown();
}

static void line(unsigned intid, bool level) { vgic_set_line(&vm, NULL, intid, level); }

static void pulse(unsigned intid) { env_pulse(intid); }

static void test_level(void **state)
{
	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		start(version, 4, 2, 2);
		env_spi(SPI, 0xa0, false, 0);
		line(SPI, true);
		assert_true(bit(0x200, SPI));
		assert_int_equal(ack(0), SPI);
		assert_true(bit(0x300, SPI));
		assert_true(bit(0x200, SPI)); /* active and pending: the line is high */
		eoi(0, SPI);
		/* Still high: again, without any other exit. */
		assert_int_equal(ack(0), SPI);
		line(SPI, false);
		assert_false(bit(0x200, SPI));
		fake_gic_count_reset(0);
		env_enter(0);
		fake_gic_eoir(0, SPI);
		/* The line fell while active: no maintenance interrupt at the EOI. */
		assert_int_equal(fake_gic_misr(0), 0);
		assert_int_equal(ack(0), NONE);
		assert_false(bit(0x300, SPI));
		/* It falls before the guest looks: withdrawn. */
		line(SPI, true);
		env_enter(0);
		assert_int_equal(fake_gic_hppir(0), SPI);
		line(SPI, false);
		env_enter(0);
		assert_int_equal(fake_gic_hppir(0), NONE);
		/* It rises while active: seen after the EOI. */
		line(SPI, true);
		assert_int_equal(ack(0), SPI);
		line(SPI, false);
		env_enter(0);
		line(SPI, true);
		eoi(0, SPI);
		assert_int_equal(ack(0), SPI);
		line(SPI, false);
		eoi(0, SPI);
		assert_int_equal(ack(0), NONE);
		finish();
	}
}

static void test_level_remote(void **state)
{
	(void)state;
	start(2, 4, 2, 2);
	env_spi(SPI, 0xa0, false, 1);
	kicks[1] = 0;
	line(SPI, true);
	assert_int_equal(kicks[1], 1);
	assert_int_equal(fake_gic_hppir(1), NONE); /* only software state changed */
	env_enter(1);
	assert_int_equal(fake_gic_hppir(1), SPI);
	line(SPI, false);
	assert_int_equal(kicks[1], 2);
	env_check();
	env_enter(1);
	assert_int_equal(fake_gic_hppir(1), NONE);
	/* The guest wins the race with the withdrawal: handled once, state converges. */
	line(SPI, true);
	env_enter(1);
	line(SPI, false);
	assert_int_equal(fake_gic_iar(1), SPI);
	eoi(1, SPI);
	assert_int_equal(ack(1), NONE);
	env_cpu(1);
	vgic_sync(&vcpus[1]); /* the EOI alone was no exit */
	env_cpu(0);
	assert_int_equal(vcpus[1].vgic.ap_n, 0);
	/* Blocked: woken. */
	vcpus[1].state = VCPU_BLOCKED;
	line(SPI, true);
	assert_int_equal(wakes, 1);
	/* Also where its context has been left in place. */
	env_spi(SPI + 1, 0xa0, false, 0);
	vcpus[0].state = VCPU_BLOCKED;
	line(SPI + 1, true);
	assert_int_equal(wakes, 2);
	finish();
}

static void test_edge(void **state)
{
	(void)state;
	start(3, 4, 2, 2);
	env_spi(SPI, 0xa0, true, 0);
	pulse(SPI);
	pulse(SPI);
	assert_int_equal(ack(0), SPI);
	assert_false(bit(0x200, SPI));
	pulse(SPI); /* while active: pending and active */
	env_enter(0);
	assert_true(bit(0x200, SPI));
	assert_int_equal(ack(0), NONE);
	eoi(0, SPI);
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	assert_int_equal(ack(0), NONE);
	/* A line on an edge input: its rise counts. */
	line(SPI, true);
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	assert_int_equal(ack(0), NONE);
	line(SPI, false);
	assert_int_equal(ack(0), NONE);
	line(SPI, true);
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	/* While it is in another CPU's list register. */
	env_spi(SPI, 0xa0, true, 1);
	pulse(SPI);
	assert_int_equal(ack(1), SPI);
	pulse(SPI);
	eoi(1, SPI);
	assert_int_equal(ack(1), SPI);
	eoi(1, SPI);
	assert_int_equal(ack(1), NONE);
	finish();
}

/* ISPENDR on a level interrupt latches until the acknowledge (IHI 0048B 4.3.7). */
static void test_soft_pending(void **state)
{
	(void)state;
	start(2, 4, 2, 2);
	env_spi(SPI, 0xa0, false, 0);
	set_bit(0x200, SPI);
	assert_true(bit(0x200, SPI));
	assert_int_equal(ack(0), SPI);
	assert_false(bit(0x200, SPI));
	eoi(0, SPI);
	assert_int_equal(ack(0), NONE);
	set_bit(0x200, SPI);
	set_bit(0x280, SPI);
	assert_int_equal(ack(0), NONE);
	/* ICPENDR does not lower a line. */
	line(SPI, true);
	set_bit(0x280, SPI);
	assert_true(bit(0x200, SPI));
	/* Latched while active, line low. */
	assert_int_equal(ack(0), SPI);
	line(SPI, false);
	set_bit(0x200, SPI);
	eoi(0, SPI);
	assert_int_equal(ack(0), SPI);
	eoi(0, SPI);
	assert_int_equal(ack(0), NONE);
	finish();
}

/* An exit that moves no interrupt touches no register of the virtual interface. */
static void test_lazy(void **state)
{
	(void)state;
	start(2, 4, 2, 2);
	env_spi(SPI, 0xa0, true, 0);
	env_spi(SPI + 1, 0xa0, true, 1);
	pulse(SPI);
	env_enter(0);
	fake_gic_count_reset(0);
	env_enter(0);
	rd(0x100);
	rd(0x004);
	wr8(0x400 + 50, 0x80);
	pulse(SPI + 1); /* another CPU's */
	env_enter(0);
	assert_int_equal(GICH_ACCESSES(fake_gic[0]), 0);
	/* A read of its state: one read, nothing written. */
	assert_true(bit(0x200, SPI));
	assert_int_equal(fake_gic[0].lr_reads, 1);
	assert_int_equal(GICH_ACCESSES(fake_gic[0]), 1);
	/* A needless sync reads and writes nothing. */
	fake_gic_count_reset(0);
	vgic_sync(&vcpus[0]);
	assert_int_equal(fake_gic[0].lr_writes + fake_gic[0].hcr_writes, 0);
	/* A switch touches only the list registers in use. */
	env_put(0);
	assert_int_equal(fake_gic[0].lr_writes, 1);
	fake_gic_count_reset(0);
	vcpus[0].work |= VCPU_WORK_VGIC;
	env_load(0, 0);
	assert_int_equal(vcpus[0].work, 0); /* loading is a sync */
	assert_int_equal(fake_gic[0].lr_writes, 1);
	assert_int_equal(fake_gic[0].lr_reads, 0);
	assert_int_equal(fake_gic[0].hcr_writes, 1);
	finish();
}

/* More pending than list registers: all come, by priority, then INTID; each once. */
static void test_overflow_pending(void **state)
{
	static const uint8_t prio[] = {0x80, 0x20, 0xa0, 0x20, 0x60, 0x40, 0xf0, 0x10, 0xa0, 0x30};
	static const uint8_t order[] = {7, 1, 3, 9, 5, 4, 0, 2, 8, 6};

	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		start(n & 1 ? 2 : 3, n, 2, 2);
		for (unsigned i = 0; i < 10; i++) env_spi(SPI + i, prio[i], true, 0);
		for (unsigned i = 0; i < 10; i++) {
			pulse(SPI + i);
			env_enter(0);
			env_check();
		}
		for (unsigned i = 0; i < 10; i++) {
			assert_int_equal(ack(0), SPI + order[i]);
			env_check();
			eoi(0, SPI + order[i]);
		}
		assert_int_equal(ack(0), NONE);
		assert_int_equal(vcpus[0].vgic.hcr, VGIC_HCR_EN | VGIC_HCR_TDIR);
		finish();
	}
}

/* A more urgent one that comes while all list registers are full preempts at once. */
static void test_overflow_preempts(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		start(2, n, 2, 2);
		for (unsigned i = 0; i < 6; i++) {
			env_spi(SPI + i, 0x80, true, 0);
			pulse(SPI + i);
		}
		env_spi(60, 0x10, true, 0);
		assert_int_equal(ack(0), SPI);
		pulse(60);
		assert_int_equal(ack(0), 60);
		eoi(0, 60);
		eoi(0, SPI);
		for (unsigned i = 1; i < 6; i++) {
			assert_int_equal(ack(0), SPI + i);
			eoi(0, SPI + i);
		}
		assert_int_equal(ack(0), NONE);
		finish();
	}
}

/* Nesting deeper than there are list registers (Bao #398). */
static void test_nested(void **state)
{
	(void)state;
	for (unsigned run = 0; run < 16; run++) {
		unsigned n = 1 + run % 4, depth = 9;
		bool edge = run & 4;

		start(run & 8 ? 3 : 2, n, 2, 2);
		for (unsigned i = 0; i < depth; i++)
			env_spi(SPI + i, (uint8_t)(0xf0 - 0x10 * i), edge, 0);
		for (unsigned i = 0; i < depth; i++) {
			if (edge)
				pulse(SPI + i);
			else
				line(SPI + i, true);
			assert_int_equal(ack(0), SPI + i);
			env_check();
			if (edge && (i & 1)) pulse(SPI + i); /* active and pending */
			for (unsigned j = 0; j < depth; j++)
				assert_int_equal(bit(0x300, SPI + j), j <= i);
		}
		for (unsigned i = depth; i-- > 0;) {
			line(SPI + i, false);
			eoi(0, SPI + i);
			env_check();
			assert_false(bit(0x300, SPI + i));
			if (edge && (i & 1)) {
				assert_int_equal(ack(0), SPI + i);
				eoi(0, SPI + i);
			} else {
				assert_int_equal(ack(0), NONE);
			}
		}
		assert_int_equal(vcpus[0].vgic.ap_n, 0);
		finish();
	}
}

/* EOIs that the guest makes before EL2 sees the first maintenance interrupt. */
static void test_nested_batch(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		start(2, n, 2, 2);
		for (unsigned i = 0; i < 8; i++) {
			env_spi(SPI + i, (uint8_t)(0xf0 - 0x10 * i), true, 0);
			pulse(SPI + i);
			assert_int_equal(ack(0), SPI + i);
		}
		for (unsigned i = 8; i-- > 0;) fake_gic_eoir(0, SPI + i);
		env_enter(0);
		for (unsigned i = 0; i < 8; i++) assert_false(bit(0x300, SPI + i));
		assert_int_equal(vcpus[0].vgic.ap_n, 0);
		finish();
	}
}

/* EOImode 1: priority drop at once, deactivation much later and in any order (v3: by TDIR). */
static void test_eoimode1(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		for (unsigned version = 2; version <= 3; version++) {
			start(version, n, 2, 2);
			fake_gic[0].vmcr |= FAKE_VMCR_EOIMODE;
			for (unsigned i = 0; i < 10; i++) {
				env_spi(SPI + i, 0x80, true, 0);
				pulse(SPI + i);
			}
			for (unsigned i = 0; i < 10; i++) {
				assert_int_equal(ack(0), SPI + i);
				eoi(0, SPI + i);
				env_check();
			}
			assert_int_equal(ack(0), NONE);
			for (unsigned i = 0; i < 10; i++) {
				unsigned k = (i * 7) % 10;

				dir(0, SPI + k);
				env_check();
				assert_false(bit(0x300, SPI + k));
				assert_int_equal(vcpus[0].vgic.ap_n, 9 - i);
			}
			assert_int_equal(vcpus[0].vgic.hcr, VGIC_HCR_EN | VGIC_HCR_TDIR);
			finish();
		}
	}
}

/* EOImode 1: one vCPU takes a level SPI, another deactivates it; the line is high: again. */
static void test_dir_elsewhere(void **state)
{
	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		start(version, 4, 2, 2);
		fake_gic[0].vmcr |= FAKE_VMCR_EOIMODE;
		fake_gic[1].vmcr |= FAKE_VMCR_EOIMODE;
		env_spi(SPI, 0x80, false, 0);
		line(SPI, true);
		assert_int_equal(ack(0), SPI);
		eoi(0, SPI);
		assert_int_equal(ack(0), NONE);
		if (version == 2)
			env_mmio(1, 0x08011000, true, 4, SPI);
		else
			dir(1, SPI);
		assert_int_equal(ack(0), SPI);
		/* With EOImode 0 a DIR does nothing. */
		fake_gic[1].vmcr &= ~FAKE_VMCR_EOIMODE;
		if (version == 2)
			env_mmio(1, 0x08011000, true, 4, SPI);
		else
			dir(1, SPI);
		assert_true(bit(0x300, SPI));
		finish();
	}
}

/* EOICount speaks of what was in no list register before EL2 looked at a single one. */
static void test_eoicount_then_trap(void **state)
{
	(void)state;
	start(2, 2, 1, 1);
	for (unsigned i = 0; i < 4; i++) {
		env_spi(SPI + i, (uint8_t)(0x40 - 0x10 * i), true, 0);
		pulse(SPI + i);
		assert_int_equal(ack(0), SPI + i);
	}
	/* The trap comes before the maintenance interrupt of the two EOIs. */
	fake_gic_eoir(0, SPI + 3);
	fake_gic_eoir(0, SPI + 2);
	set_bit(0x200, SPI);
	assert_true(bit(0x300, SPI));
	assert_true(bit(0x300, SPI + 1));
	assert_false(bit(0x300, SPI + 2));
	assert_false(bit(0x300, SPI + 3));
	eoi(0, SPI + 1);
	eoi(0, SPI);
	assert_int_equal(ack(0), SPI);
	finish();
}

/* The same of an interrupt that is in none: its new priority is not the one it was ended with. */
static void test_eoicount_then_priority(void **state)
{
	(void)state;
	start(2, 1, 1, 1);
	for (unsigned i = 0; i < 4; i++) {
		env_spi(SPI + i, (uint8_t)(0x40 - 0x10 * i), true, 0);
		pulse(SPI + i);
		assert_int_equal(ack(0), SPI + i);
	}
	assert_true(vcpus[0].vgic.hcr & VGIC_HCR_LRENPIE);
	for (unsigned i = 4; i-- > 2;) fake_gic_eoir(0, SPI + i);
	for (unsigned i = 2; i < 4; i++) wr8(0x400 + SPI + i, 0xc0);
	assert_false(bit(0x300, SPI + 3) || bit(0x300, SPI + 2));
	assert_true(bit(0x300, SPI + 1) && bit(0x300, SPI));
	finish();
}

/* A group that is off at the CPU interface does not fill the list registers. */
static void test_group_off(void **state)
{
	(void)state;
	for (unsigned nr_lrs = 1; nr_lrs <= 2; nr_lrs++) {
		start(2, nr_lrs, 2, 2);
		for (unsigned i = 0; i < 8; i++) {
			env_spi(SPI + i, (uint8_t)(0x10 + 8 * i), true, 0);
			pulse(SPI + i);
		}
		env_spi(60, 0xf0, true, 0);
		set_bit(0x080, 60); /* group 1 */
		fake_gic[0].vmcr &= ~FAKE_VMCR_GRP0;
		env_enter(0);
		pulse(60);
		assert_int_equal(ack(0), 60);
		eoi(0, 60);
		assert_int_equal(ack(0), NONE);
		fake_gic[0].vmcr |= FAKE_VMCR_GRP0;
		for (unsigned i = 0; i < 8; i++) {
			assert_int_equal(ack(0), SPI + i);
			eoi(0, SPI + i);
		}
		finish();
	}
}

static void test_timer(void **state)
{
	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		start(version, 4, 2, 1);
		if (version == 2)
			wr(0x100, BIT32(TIMER));
		else
			env_mmio(0, GICR + SGI_FRAME + 0x100, true, 4, BIT32(TIMER));
		set_timer(0, true);
		assert_int_equal(ack(0), TIMER);
		assert_true(fake_gic[0].ppi_active[TIMER]);
		/* Not reprogrammed: the hardware fires again. */
		env_enter(0);
		fake_gic_eoir(0, TIMER);
		assert_false(fake_gic[0].ppi_active[TIMER]);
		fake_gic_count_reset(0);
		assert_int_equal(ack(0), TIMER);
		/* The hot path: one list register written, nothing else. */
		assert_int_equal(fake_gic[0].lr_writes, 1);
		assert_int_equal(GICH_ACCESSES(fake_gic[0]), 1);
		set_timer(0, false);
		eoi(0, TIMER);
		assert_int_equal(ack(0), NONE);
		assert_int_equal(fake_gic_misr(0), 0);
		/* Turned off before the guest takes it: withdrawn at the next sync. */
		set_timer(0, true);
		env_enter(0);
		assert_int_equal(fake_gic_hppir(0), TIMER);
		set_timer(0, false);
		vgic_sync(&vcpus[0]);
		assert_int_equal(fake_gic_hppir(0), NONE);
		assert_false(fake_gic[0].ppi_active[TIMER]);
		set_timer(0, true);
		assert_int_equal(ack(0), TIMER);
		set_timer(0, false);
		eoi(0, TIMER);
		finish();
	}
}

/*
 * Where LR.HW loses levels that stay high (QEMU's GICv2): an LR with the EOI bit presents the
 * timer. Its maintenance interrupt looks at the line: low, and the physical interrupt is
 * deactivated; high, and it is presented again.
 */
static void test_timer_unlinked(void **state)
{
	uint64_t lr;

	(void)state;
	start(2, 4, 2, 1);
	fake_gic_unlink();
	wr(0x100, BIT32(TIMER));
	set_timer(0, true);
	env_enter(0);
	assert_int_equal(fake_gic_hppir(0), TIMER);
	lr = fake_gic[0].lr[vcpus[0].vgic.priv[TIMER].lr];
	assert_int_equal(lr & (LR_HW | LR_EOI | LR_STATE), LR_EOI | LR_PENDING);
	assert_int_equal(ack(0), TIMER);
	assert_true(fake_gic[0].ppi_active[TIMER]);
	/* The EOI finds it high: nothing physical fires, the maintenance interrupt is what brings
	 * it. */
	fake_gic_eoir(0, TIMER);
	assert_true(fake_gic[0].ppi_active[TIMER]);
	assert_false(fake_gic_ppi_fires(0, TIMER));
	assert_int_equal(fake_gic_misr(0), FAKE_MISR_EOI);
	assert_int_equal(ack(0), TIMER);
	/* Low at the EOI: over, and the next rise comes from the hardware. */
	set_timer(0, false);
	fake_gic_eoir(0, TIMER);
	assert_true(fake_gic[0].ppi_active[TIMER]);
	assert_int_equal(ack(0), NONE);
	assert_false(fake_gic[0].ppi_active[TIMER]);
	assert_int_equal(fake_gic_misr(0), 0);
	set_timer(0, true);
	assert_true(fake_gic_ppi_fires(0, TIMER));
	assert_int_equal(ack(0), TIMER);
	/* Preempted in its handler: the physical state goes with it, and ends on the other CPU. */
	env_put(0);
	assert_false(fake_gic[0].ppi_active[TIMER]);
	env_load(0, 1);
	assert_true(fake_gic[1].ppi_active[TIMER]);
	assert_int_equal(ack(1), NONE);
	set_timer(0, false);
	eoi(1, TIMER);
	assert_false(fake_gic[1].ppi_active[TIMER]);
	assert_int_equal(ack(1), NONE);
	/* Asleep with the EOI not yet looked at: WFI does not pass it over. */
	set_timer(0, true);
	assert_int_equal(ack(1), TIMER);
	fake_gic_eoir(1, TIMER);
	assert_true(vgic_pending(&vcpus[0]));
	assert_int_equal(ack(1), TIMER);
	set_timer(0, false);
	fake_gic_eoir(1, TIMER);
	assert_false(vgic_pending(&vcpus[0]));
	assert_false(fake_gic[1].ppi_active[TIMER]);
	finish();
}

/* WFI looks at what is in list registers without moving it; the next timer finds its place. */
static void test_sleep(void **state)
{
	(void)state;
	start(3, 4, 2, 2);
	env_mmio(0, GICR + SGI_FRAME + 0x100, true, 4, BIT32(TIMER));
	/* The first one is placed, and wakes. */
	assert_false(vgic_pending(&vcpus[0]));
	vcpus[0].state = VCPU_BLOCKED;
	set_timer(0, true);
	env_enter(0);
	assert_int_equal(wakes, 1);
	assert_int_equal(vcpus[0].work & VCPU_WORK_VGIC, 0);
	assert_int_equal(ack(0), TIMER);
	set_timer(0, false);
	eoi(0, TIMER);
	fake_gic_count_reset(0);
	assert_false(vgic_pending(&vcpus[0]));
	assert_int_equal(fake_gic[0].lr_reads, 1);
	set_timer(0, true);
	env_enter(0);
	assert_int_equal(fake_gic[0].lr_writes, 1);
	assert_int_equal(GICH_ACCESSES(fake_gic[0]), 2);
	assert_true(vgic_pending(&vcpus[0]));
	/* Masked at its source meanwhile: not a reason to stay awake. */
	set_timer(0, false);
	assert_false(vgic_pending(&vcpus[0]));
	assert_int_equal(ack(0), NONE);
	finish();
}

/*
 * A timer without a link expires between the last look and the switch: put changes nothing, and the
 * deadline, which comes after it, wakes the blocked vCPU.
 */
static void test_line_rises_after_put(void **state)
{
	(void)state;
	start(3, 4, 1, 1);
	env_mmio(0, GICR + SGI_FRAME + 0x100, true, 4, BIT32(30));
	vgic_set_line(&vm, &vcpus[0], 30, true);
	assert_int_equal(ack(0), 30);
	vgic_set_line(&vm, &vcpus[0], 30, false);
	eoi(0, 30);
	assert_false(vgic_pending(&vcpus[0]));
	vcpus[0].state = VCPU_BLOCKED;
	kicks[0] = 0;
	env_put(0);
	assert_int_equal(kicks[0], 0);
	vgic_set_line(&vm, &vcpus[0], 30, true);
	assert_int_equal(kicks[0], 1);
	assert_int_equal(vcpus[0].state, VCPU_READY);
	env_load(0, 0);
	assert_int_equal(ack(0), 30);
	finish();
}

/* Two vCPUs preempted in their timer handlers on one CPU: neither silences the other. */
static void test_timer_switch(void **state)
{
	(void)state;
	start(2, 4, 2, 1);
	env_mmio(0, GICD + 0x100, true, 4, BIT32(TIMER));
	env_put(0);
	env_load(1, 0);
	env_mmio(1, GICD + 0x100, true, 4, BIT32(TIMER));
	env_put(1);
	for (unsigned round = 0; round < 3; round++) {
		unsigned cpu = round;

		for (unsigned id = 0; id < 2; id++) {
			env_load(id, cpu);
			set_timer(id, true);
			assert_int_equal(ack(cpu), TIMER);
			env_put(id); /* preempted in its handler */
		}
		for (unsigned id = 0; id < 2; id++) {
			env_load(id, cpu + 1); /* and goes on elsewhere */
			assert_true(fake_gic[cpu + 1].ppi_active[TIMER]);
			assert_int_equal(ack(cpu + 1), NONE);
			set_timer(id, false);
			eoi(cpu + 1, TIMER);
			assert_false(fake_gic[cpu + 1].ppi_active[TIMER]);
			set_timer(id, true);
			env_enter(cpu + 1);
			env_put(id); /* pending, not acknowledged */
			env_check();
		}
		for (unsigned id = 0; id < 2; id++) {
			env_load(id, cpu);
			assert_true(fake_gic[cpu].ppi_active[TIMER]);
			assert_int_equal(ack(cpu), TIMER);
			set_timer(id, false);
			eoi(cpu, TIMER);
			assert_int_equal(ack(cpu), NONE);
			env_put(id);
			assert_false(vgic_hw_active(&vcpus[id], TIMER));
		}
	}
	/* A deadline that fires late: the output is low, or the vCPU is loaded on another CPU. */
	vgic_set_line(&vm, &vcpus[1], TIMER, true);
	assert_false(vgic_hw_active(&vcpus[1], TIMER));
	env_load(1, 0);
	env_cpu(1);
	vgic_set_line(&vm, &vcpus[1], TIMER, true);
	assert_int_equal(vcpus[1].vgic.ap_n, 0);
	env_put(1);
	/* The deadline of a vCPU that is not loaded. */
	kicks[1] = 0;
	timer_line[1] = true;
	vgic_set_line(&vm, &vcpus[1], TIMER, true);
	assert_int_equal(kicks[1], 1);
	assert_true(vgic_hw_active(&vcpus[1], TIMER));
	env_load(1, 0);
	/* It fires late, when the vCPU is loaded: the hardware speaks. */
	assert_int_equal(ack(0), TIMER);
	vgic_set_line(&vm, &vcpus[1], TIMER, false);
	vgic_set_line(&vm, &vcpus[1], TIMER, true);
	set_timer(1, false);
	eoi(0, TIMER);
	assert_int_equal(ack(0), NONE);
	finish();
}

static void test_timer_disabled(void **state)
{
	(void)state;
	start(2, 4, 2, 1);
	set_timer(0, true);
	env_enter(0); /* taken, not delivered: masked by its active state */
	assert_true(fake_gic[0].ppi_active[TIMER]);
	assert_int_equal(ack(0), NONE);
	assert_true(rd(0x200) & BIT32(TIMER));
	wr(0x100, BIT32(TIMER));
	assert_int_equal(ack(0), TIMER);
	/* Disabled while active; EOI; fires; not delivered. */
	wr(0x180, BIT32(TIMER));
	eoi(0, TIMER);
	assert_int_equal(ack(0), NONE);
	assert_true(fake_gic[0].ppi_active[TIMER]);
	/* The output falls meanwhile: nothing when it is enabled. */
	set_timer(0, false);
	assert_false(rd(0x200) & BIT32(TIMER));
	wr(0x100, BIT32(TIMER));
	assert_int_equal(ack(0), NONE);
	assert_false(fake_gic[0].ppi_active[TIMER]);
	/* Made pending by software, alone and on top of the hardware. */
	wr(0x200, BIT32(TIMER));
	assert_int_equal(ack(0), TIMER);
	set_timer(0, true);
	env_enter(0);
	eoi(0, TIMER);
	assert_int_equal(ack(0), TIMER);
	wr(0x200, BIT32(TIMER));
	set_timer(0, false);
	eoi(0, TIMER);
	assert_int_equal(ack(0), TIMER);
	eoi(0, TIMER);
	assert_int_equal(ack(0), NONE);
	assert_false(fake_gic[0].ppi_active[TIMER]);
	/* ICACTIVER in the handler: the physical one is inactive, and fires again if it is high. */
	set_timer(0, true);
	assert_int_equal(ack(0), TIMER);
	wr(0x380, BIT32(TIMER));
	assert_false(rd(0x300) & BIT32(TIMER));
	fake_gic_eoir(0, TIMER);
	assert_int_equal(ack(0), TIMER);
	set_timer(0, false);
	eoi(0, TIMER);
	/* The same in a list register, with the output low: gone, and the physical one inactive. */
	set_timer(0, true);
	assert_int_equal(ack(0), TIMER);
	set_timer(0, false);
	wr(0x380, BIT32(TIMER));
	assert_false(fake_gic[0].ppi_active[TIMER]);
	fake_gic_eoir(0, TIMER);
	assert_int_equal(ack(0), NONE);
	finish();
}

/* The timer nests with others beyond the list registers. */
static void test_timer_overflow(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 4; n++) {
		start(2, n, 1, 1);
		wr(0x100, BIT32(TIMER));
		wr8(0x400 + TIMER, 0xf0);
		set_timer(0, true);
		assert_int_equal(ack(0), TIMER);
		for (unsigned i = 0; i < 6; i++) {
			env_spi(SPI + i, (uint8_t)(0xe0 - 0x10 * i), true, 0);
			pulse(SPI + i);
			assert_int_equal(ack(0), SPI + i);
		}
		assert_true(fake_gic[0].ppi_active[TIMER]);
		env_put(0);
		env_load(0, 1);
		assert_true(fake_gic[1].ppi_active[TIMER]);
		for (unsigned i = 6; i-- > 0;) eoi(1, SPI + i);
		assert_true(fake_gic[1].ppi_active[TIMER]);
		set_timer(0, false);
		eoi(1, TIMER);
		assert_false(fake_gic[1].ppi_active[TIMER]);
		assert_int_equal(ack(1), NONE);
		finish();
	}
}

/* Register writes while the interrupt is in the list register of another running vCPU. */
static void test_remote_writes(void **state)
{
	(void)state;
	start(2, 4, 2, 2);
	env_spi(SPI, 0x80, true, 1);
	/* Disable while pending there. */
	pulse(SPI);
	env_enter(1);
	assert_true(bit(0x200, SPI)); /* as far as known */
	env_enter(1);
	kicks[1] = 0;
	set_bit(0x180, SPI);
	assert_int_equal(kicks[1], 1);
	assert_int_equal(ack(1), NONE);
	assert_true(bit(0x200, SPI));
	set_bit(0x100, SPI);
	assert_int_equal(ack(1), SPI);
	/* Disabled while active: its EOI works, the next stays pending. */
	set_bit(0x180, SPI);
	eoi(1, SPI);
	pulse(SPI);
	assert_int_equal(ack(1), NONE);
	set_bit(0x100, SPI);
	/* Clear pending there. */
	env_enter(1);
	set_bit(0x280, SPI);
	assert_false(bit(0x200, SPI));
	assert_int_equal(ack(1), NONE);
	assert_false(bit(0x200, SPI));
	/* Clear pending, then pulse, before it folds: the pulse counts. */
	pulse(SPI);
	env_enter(1);
	set_bit(0x280, SPI);
	pulse(SPI);
	assert_int_equal(ack(1), SPI);
	/* Clear active there: the EOI that follows finds nothing. */
	bit(0x300, SPI);
	env_enter(1);
	assert_true(bit(0x300, SPI));
	env_enter(1);
	kicks[1] = 0;
	set_bit(0x380, SPI);
	assert_int_equal(kicks[1], 1);
	assert_false(bit(0x300, SPI));
	env_enter(1);
	assert_false(bit(0x300, SPI));
	eoi(1, SPI);
	assert_int_equal(vcpus[1].vgic.ap_n, 0);
	/* A stale read asks the other CPU to fold, so that a polling loop ends. */
	pulse(SPI);
	assert_int_equal(ack(1), SPI);
	vgic_sync(&vcpus[0]);
	kicks[1] = 0;
	bit(0x300, SPI);
	assert_true(kicks[1] > 0);
	env_enter(1);
	assert_true(bit(0x300, SPI));
	fake_gic_eoir(1, SPI);
	bit(0x300, SPI);
	env_enter(1);
	assert_false(bit(0x300, SPI));
	/* Set active: not delivered until cleared. */
	set_bit(0x300, SPI);
	pulse(SPI);
	assert_int_equal(ack(1), NONE);
	assert_true(bit(0x300, SPI));
	set_bit(0x380, SPI);
	assert_int_equal(ack(1), SPI);
	/* Set active in the list register of another. */
	fake_gic_eoir(1, SPI);
	pulse(SPI);
	env_enter(1);
	set_bit(0x300, SPI);
	assert_int_equal(ack(1), NONE);
	set_bit(0x380, SPI);
	assert_int_equal(ack(1), SPI);
	eoi(1, SPI);
	/* Priority and group reach the list register. */
	pulse(SPI);
	env_enter(1);
	wr8(0x400 + SPI, 0x18);
	set_bit(0x080, SPI);
	env_enter(1);
	assert_int_equal(FIELD_GET(LR_PRIORITY, fake_gic[1].lr[vm.vgic.spis[SPI - 32].lr]), 0x18);
	assert_true(fake_gic[1].lr[vm.vgic.spis[SPI - 32].lr] & LR_GROUP1);
	/* Distributor off and on. */
	wr(0, 0);
	assert_int_equal(ack(1), NONE);
	wr(0, BIT32(0));
	assert_int_equal(ack(1), NONE);
	wr(0, BIT32(1));
	assert_int_equal(ack(1), SPI);
	eoi(1, SPI);
	finish();
}

static void test_retarget(void **state)
{
	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		start(version, 2, 3, 3);
		env_spi(SPI, 0x80, true, 1);
		pulse(SPI);
		env_enter(1);
		assert_int_equal(fake_gic_hppir(1), SPI);
		env_spi(SPI, 0x80, true, 2);
		/* It moves once CPU 1 has given it back. */
		assert_int_equal(ack(2), NONE);
		assert_int_equal(ack(1), NONE);
		assert_int_equal(ack(2), SPI);
		/* Active: stays where it is; the next goes to the new target. */
		env_spi(SPI, 0x80, true, 0);
		pulse(SPI);
		env_enter(2);
		assert_int_equal(ack(0), NONE);
		assert_int_equal(ack(2), NONE);
		eoi(2, SPI);
		assert_int_equal(ack(0), SPI);
		eoi(0, SPI);
		/* Two targets: the lowest that is on. */
		if (version == 2) {
			wr8(0x800 + SPI, 6);
			vcpus[1].on = false;
			vgic_retarget(&vm);
			pulse(SPI);
			env_enter(2);
			vcpus[1].on = true;
			vgic_retarget(&vm);
			env_enter(2);
			assert_int_equal(ack(1), SPI);
			eoi(1, SPI);
			/* None: waits. */
			wr8(0x800 + SPI, 0);
			pulse(SPI);
			env_enter(1);
			assert_true(bit(0x200, SPI));
			wr8(0x800 + SPI, 0xf8); /* CPUs that do not exist */
			assert_int_equal(env_mmio(0, GICD + 0x800 + SPI, false, 1, 0), 0);
			wr8(0x800 + SPI, 1);
			assert_int_equal(ack(0), SPI);
			eoi(0, SPI);
		}
		finish();
	}
}

static void test_pending(void **state)
{
	(void)state;
	start(2, 2, 2, 2);
	fake_gic_count_reset(0);
	assert_false(vgic_pending(&vcpus[0]));
	assert_int_equal(GICH_ACCESSES(fake_gic[0]), 0);
	for (unsigned i = 0; i < 5; i++) env_spi(SPI + i, 0x80, true, 0);
	assert_false(vgic_pending(&vcpus[0]));
	pulse(SPI);
	env_enter(0);
	assert_true(vgic_pending(&vcpus[0]));
	fake_gic[0].vmcr =
	    FAKE_VMCR_GRP0 | FAKE_VMCR_GRP1 | (uint32_t)FIELD_PREP(FAKE_VMCR_PMR, 0x80);
	assert_false(vgic_pending(&vcpus[0]));
	fake_gic[0].vmcr = FAKE_VMCR_GRP1 | (uint32_t)FIELD_PREP(FAKE_VMCR_PMR, 0xf8);
	assert_false(vgic_pending(&vcpus[0]));
	fake_gic[0].vmcr |= FAKE_VMCR_GRP0;
	assert_int_equal(ack(0), SPI);
	assert_false(vgic_pending(&vcpus[0])); /* active only */
	for (unsigned i = 1; i < 5; i++) pulse(SPI + i);
	assert_true(vgic_pending(&vcpus[0]));
	env_enter(0);
	eoi(0, SPI);
	for (unsigned i = 1; i < 5; i++) {
		assert_true(vgic_pending(&vcpus[0]));
		assert_int_equal(ack(0), SPI + i);
		eoi(0, SPI + i);
	}
	assert_false(vgic_pending(&vcpus[0]));
	finish();
}

/* An exit that moves no interrupt does not touch the virtual interface, whatever is in it. */
static void test_no_access(void **state)
{
	(void)state;
	for (unsigned version = 2; version <= 3; version++) {
		uint64_t val = 0;

		start(version, 4, 2, 2);
		for (unsigned i = 0; i < 3; i++) {
			env_spi(SPI + i, (uint8_t)(0x80 + 0x10 * i), i != 1, 0);
			line(SPI + i, true);
		}
		assert_int_equal(ack(0), SPI);
		fake_gic_count_reset(0);
		/* Reads of what is not in list registers, writes of what is there already. */
		for (uint32_t off = 0; off < 0x1000; off += 4) {
			bool live = (off >= 0x200 && off < 0x400) || (off >= 0xf00 && off < 0xf30);

			if (live || (off >= 0x100 && off < 0x200)) continue;
			assert_int_equal(mmio_access(&vcpus[0], GICD + off, false, 4, &val),
			                 MMIO_OK);
			assert_int_equal(mmio_access(&vcpus[0], GICD + off, true, 4, &val),
			                 MMIO_OK);
		}
		val = UINT64_C(1) << SPI % 32;
		assert_int_equal(mmio_access(&vcpus[0], GICD + 0x104, true, 4, &val), MMIO_OK);
		val = UINT64_C(1) << (SPI + 4) % 32;
		assert_int_equal(mmio_access(&vcpus[0], GICD + 0x184, true, 4, &val), MMIO_OK);
		/* Devices that say what is known, another vCPU's interrupts, an SGI to it. */
		line(SPI, true);
		vgic_set_line(&vm, &vcpus[1], 20, true);
		vgic_send_sgi(&vcpus[0], BIT32(1), 3, true);
		/* Nothing is due: the way back into the guest asks for no vgic_sync(). */
		assert_false(vcpus[0].work & VCPU_WORK_VGIC);
		assert_int_equal(GICH_ACCESSES(fake_gic[0]), 0);
		finish();
	}
}

static void test_reset(void **state)
{
	const struct vgic_irq *q;

	(void)state;
	start(2, 2, 2, 2);
	for (unsigned i = 0; i < 5; i++) {
		env_spi(SPI + i, 0x80, true, 0);
		pulse(SPI + i);
	}
	assert_int_equal(ack(0), SPI);
	vgic_sync(&vcpus[0]);
	env_put(0);
	env_put(1);
	q = vgic_peek(&vm, NULL, 40);
	assert_true(q && q->active && q->enabled && q->edge && !q->group1 && !vgic_irq_pending(q));
	assert_true(q->intid == 40 && q->priority == 0x80 && q->on_list == &vcpus[0]);
	q = vgic_peek(&vm, NULL, 44);
	assert_true(q && vgic_irq_pending(q) && !q->active);
	assert_null(vgic_peek(&vm, &vcpus[0], 5)); /* idle */
	assert_null(vgic_peek(&vm, NULL, 5));      /* a vCPU's own, and of none */
	assert_null(vgic_peek(&vm, NULL, VGIC_NR_PRIVATE + vm.vgic.nr_spis));
	vgic_vm_reset(&vm);
	env_check();
	for (unsigned i = 0; i < VGIC_NR_PRIVATE + vm.vgic.nr_spis; i++)
		for (unsigned j = 0; j < 2; j++)
			assert_null(vgic_peek(&vm, i < VGIC_NR_PRIVATE ? &vcpus[j] : NULL, i));
	env_load(0, 0);
	env_load(1, 1);
	assert_int_equal(rd(0), 0);
	assert_int_equal(ack(0), NONE);
	assert_false(bit(0x100, SPI));
	finish();
	env_setup(2, 2, 1, 0);
	vgic_vm_fini(&vm);
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	assert_int_equal(vgic_vm_init(&vm, 3, 64), HYP_ENOTSUP);
	assert_int_equal(vgic_vm_init(&vm, 2, 257), HYP_EINVAL);
	env_teardown();
}

/*
 * Random operations of devices, guests and switches. Per interrupt: an acknowledge pays for at
 * least one edge and nothing is active twice; whatever is owed is there in the end.
 */
#define NR_SPI 8u /* even ones edge, odd ones level */
struct model {
	bool owed[NR_SPI], lvl[NR_SPI];
	unsigned sent[NR_SPI], got[NR_SPI];
	int active_on[NR_SPI]; /* vCPU, -1 */
	unsigned sgi_sent[3][4], sgi_got[3][4];
	bool sgi_owed[3][4], sgi_active[3][4];
	bool timer_active[3];
	uint32_t stack[3][64];
	unsigned depth[3];
};
static struct model m;
static uint32_t seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void took(unsigned id, uint32_t iar)
{
	unsigned intid = iar & 0x3ff, i = intid - SPI;

	assert_true(m.depth[id] < 64);
	m.stack[id][m.depth[id]++] = iar;
	if (intid == TIMER) {
		assert_false(m.timer_active[id]);
		m.timer_active[id] = true;
		set_timer(id, false);
	} else if (intid < 4) {
		assert_false(m.sgi_active[id][intid]);
		m.sgi_active[id][intid] = true;
		m.sgi_owed[id][intid] = false;
		assert_true(++m.sgi_got[id][intid] <= m.sgi_sent[id][intid]);
	} else {
		assert_true(i < NR_SPI);
		assert_int_equal(m.active_on[i], -1);
		m.active_on[i] = (int)id;
		m.owed[i] = false;
		m.got[i]++;
		assert_true((i & 1) || m.got[i] <= m.sent[i]);
		if (i & 1) {
			m.lvl[i] = false;
			line(SPI + i, false);
		}
	}
}

static void done(unsigned id, unsigned cpu, unsigned at)
{
	uint32_t iar = m.stack[id][at];
	unsigned intid = iar & 0x3ff;

	memmove(&m.stack[id][at], &m.stack[id][at + 1], (m.depth[id] - at - 1) * sizeof(iar));
	m.depth[id]--;
	if (intid == TIMER)
		m.timer_active[id] = false;
	else if (intid < 4)
		m.sgi_active[id][intid] = false;
	else
		m.active_on[intid - SPI] = -1;
	if (fake_gic[cpu].vmcr & FAKE_VMCR_EOIMODE)
		dir(cpu, iar);
	else
		fake_gic_eoir(cpu, iar);
}

/* GICv2 with EOImode 1 cannot say which one was deactivated: only this order is exact. */
static unsigned most_urgent(unsigned id)
{
	unsigned best = 0;

	for (unsigned i = 1; i < m.depth[id]; i++) {
		struct vgic_irq *a = vgic_irq_find(&vm, &vcpus[id], m.stack[id][i] & 0x3ff);
		struct vgic_irq *b = vgic_irq_find(&vm, &vcpus[id], m.stack[id][best] & 0x3ff);

		if (a->priority < b->priority ||
		    (a->priority == b->priority && a->intid < b->intid))
			best = i;
	}
	return best;
}

static void guest_step(unsigned cpu, bool mode1, bool finishing)
{
	struct vcpu *v = pcpus[cpu].loaded;
	unsigned id = v->id;

	env_cpu(cpu);
	if (!finishing && rnd(2) && m.depth[id] < 20) {
		uint32_t iar = fake_gic_iar(cpu);

		if (iar != NONE) {
			took(id, iar);
			if (mode1) fake_gic_eoir(cpu, iar);
		}
	} else if (m.depth[id] > 0) {
		unsigned last = m.depth[id] - 1;

		if (mode1) last = vm.vgic.version == 3 ? rnd(m.depth[id]) : most_urgent(id);
		done(id, cpu, last);
	}
}

static void stress_op(unsigned nr_cpus, bool mode1)
{
	unsigned i = rnd(NR_SPI), cpu = rnd(nr_cpus);
	struct vcpu *v = pcpus[cpu].loaded;

	env_cpu(cpu);
	switch (rnd(12)) {
	case 0:
	case 1:
		if (i & 1) {
			m.lvl[i] = !m.lvl[i];
			line(SPI + i, m.lvl[i]);
		} else {
			m.sent[i]++;
			m.owed[i] = true;
			pulse(SPI + i);
		}
		break;
	case 2: /* SGI */
		if (v) {
			unsigned to = rnd(3), s = rnd(4);

			m.sgi_sent[to][s]++;
			m.sgi_owed[to][s] = true;
			if (vm.vgic.version == 2)
				env_mmio(v->id, GICD + 0xf00, true, 4, BIT32(16 + to) | s);
			else
				vgic_sgir_write(v, BIT(to) | (uint64_t)s << 24, true);
		}
		break;
	case 3:
		if (v) {
			env_mmio(v->id, GICD + (rnd(2) ? 0x100 : 0x180) + 4, true, 4,
			         BIT32((SPI + i) % 32));
		}
		break;
	case 4:
		if (v && m.active_on[i] < 0)
			env_mmio(v->id, GICD + 0x400 + SPI + i, true, 1, rnd(4) * 0x40);
		break;
	case 5:
		if (v && vm.vgic.version == 2)
			env_mmio(v->id, GICD + 0x800 + SPI + i, true, 1, rnd(8));
		else if (v)
			env_mmio(v->id, GICD + 0x6000 + 8 * (SPI + i), true, 8, rnd(3));
		break;
	case 6: /* switch */
		if (v) {
			env_put(v->id);
		} else {
			unsigned id = rnd(3);

			if (vcpus[id].loaded_on < 0) env_load(id, cpu);
		}
		break;
	case 7:
		if (v && !m.timer_active[v->id]) set_timer(v->id, rnd(3) != 0);
		break;
	case 8:
		if (v) env_mmio(v->id, GICD + 0x200 + 4 * rnd(2) + 0x100 * rnd(2), false, 4, 0);
		break;
	default:
		if (v) {
			env_enter(cpu);
			guest_step(cpu, mode1, false);
		}
		break;
	}
	if (rnd(3)) env_enter(cpu);
	env_check();
}

/* Everything enabled, targeted, run to the end. */
static void stress_drain(unsigned nr_cpus, bool mode1)
{
	for (unsigned c = 0; c < nr_cpus; c++) {
		if (pcpus[c].loaded) {
			env_enter(c);
			env_put(pcpus[c].loaded->id);
		}
	}
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned id = 0; id < 3; id++) {
			env_load(id, 0);
			for (unsigned i = 0; i < NR_SPI; i++) {
				uint64_t to = vm.vgic.version == 2 ? GICD + 0x800 + SPI + i
				                                   : GICD + 0x6000 + 8 * (SPI + i);

				env_mmio(id, GICD + 0x104, true, 4, BIT32((SPI + i) % 32));
				env_mmio(id, to, true, vm.vgic.version == 2 ? 1 : 8,
				         vm.vgic.version == 2 ? 1 : 0);
			}
			for (unsigned n = 0; n < 200; n++) {
				uint32_t iar = ack(0);

				if (iar != NONE) {
					took(id, iar);
					if (mode1) eoi(0, iar);
				} else if (m.depth[id] > 0) {
					guest_step(0, mode1, true);
				} else {
					break;
				}
				env_check();
			}
			assert_int_equal(m.depth[id], 0);
			env_put(id);
		}
	}
	for (unsigned i = 0; i < NR_SPI; i++) {
		assert_false(m.owed[i]);
		assert_false(m.lvl[i]);
		assert_false(vm.vgic.spis[SPI - 32 + i].active);
	}
	for (unsigned id = 0; id < 3; id++) {
		assert_int_equal(vcpus[id].vgic.ap_n, 0);
		for (unsigned s = 0; s < 4; s++) assert_false(m.sgi_owed[id][s]);
	}
}

static void test_stress(void **state)
{
	const char *only = getenv("VGIC_SEED");
	static const unsigned lrs[] = {1, 2, 3, 4, 16};

	(void)state;
	for (unsigned run = only ? (unsigned)atoi(only) : 0; run < 600; run++) {
		bool mode1 = run & 2;
		unsigned nr_cpus = 1 + (run >> 2) % 2;

		seed = run * 2654435761u + 1;
		memset(&m, 0, sizeof(m));
		start(run & 1 ? 3 : 2, lrs[run % 5], 3, 1);
		for (unsigned i = 0; i < NR_SPI; i++) {
			m.active_on[i] = -1;
			env_spi(SPI + i, (uint8_t)(rnd(4) * 0x40), !(i & 1), rnd(3));
		}
		for (unsigned id = 0; id < 3; id++) {
			vcpus[id].vgic.priv[TIMER].enabled = true;
			vcpus[id].vgic.priv[TIMER].priority = (uint8_t)(rnd(4) * 0x40);
			for (unsigned s = 0; s < 4; s++) {
				vcpus[id].vgic.priv[s].enabled = true;
				vcpus[id].vgic.priv[s].priority = (uint8_t)(rnd(4) * 0x40);
			}
			vcpus[id].arch.gic.vmcr |= mode1 ? FAKE_VMCR_EOIMODE : 0;
		}
		fake_gic[0].vmcr |= mode1 ? FAKE_VMCR_EOIMODE : 0;
		if (only) {
			printf("seed %u: v%u lrs %u cpus %u mode1 %d\n", run, vm.vgic.version,
			       lrs[run % 5], nr_cpus, mode1);
		}
		for (unsigned n = 0; n < 400; n++) stress_op(nr_cpus, mode1);
		stress_drain(nr_cpus, mode1);
		finish();
		if (only) break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_level),
	    cmocka_unit_test(test_level_remote),
	    cmocka_unit_test(test_edge),
	    cmocka_unit_test(test_soft_pending),
	    cmocka_unit_test(test_lazy),
	    cmocka_unit_test(test_overflow_pending),
	    cmocka_unit_test(test_overflow_preempts),
	    cmocka_unit_test(test_nested),
	    cmocka_unit_test(test_nested_batch),
	    cmocka_unit_test(test_eoimode1),
	    cmocka_unit_test(test_dir_elsewhere),
	    cmocka_unit_test(test_eoicount_then_trap),
	    cmocka_unit_test(test_eoicount_then_priority),
	    cmocka_unit_test(test_group_off),
	    cmocka_unit_test(test_timer),
	    cmocka_unit_test(test_timer_unlinked),
	    cmocka_unit_test(test_sleep),
	    cmocka_unit_test(test_line_rises_after_put),
	    cmocka_unit_test(test_timer_switch),
	    cmocka_unit_test(test_timer_disabled),
	    cmocka_unit_test(test_timer_overflow),
	    cmocka_unit_test(test_remote_writes),
	    cmocka_unit_test(test_retarget),
	    cmocka_unit_test(test_pending),
	    cmocka_unit_test(test_no_access),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_stress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
