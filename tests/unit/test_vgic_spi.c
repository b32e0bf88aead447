/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPIs of assigned devices: levels and edges, list registers linked to them or not, on another CPU
 * than the vCPU's, preempted, moved, masked, and at random against a count of what was due.
 * links: hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c hyp/mmio.c
 * links: tests/fake_arch/gic.c tests/fake_arch/fake.c
 */
#include "tests/unit/vgic_env.h"

#define NONE GIC_INTID_NONE
#define PHYS 200u /* the host's SPI, which the guest knows as SPI */

static bool linked, edge;
static unsigned held; /* acknowledged by the host */

/* What the physical interrupt does until it is silent. */
static void deliver(void)
{
	struct pcpu *old = fake_pcpu;

	for (unsigned n = 0; fake_gic_spi_fires(PHYS); n++) {
		assert_true(n < 4);
		env_cpu(fake_spi[PHYS].cpu);
		arch_gic_hold(PHYS);
		held++;
		vgic_inject_spi(&vm, SPI);
	}
	fake_pcpu = old;
	for (unsigned cpu = 0; cpu < 4; cpu++) env_enter(cpu);
}

static void line(bool on)
{
	fake_gic_spi_line(PHYS, on);
	deliver();
}

static uint32_t take(unsigned cpu)
{
	uint32_t iar = ack(cpu);

	deliver();
	return iar;
}

static void sync(unsigned cpu)
{
	env_cpu(cpu);
	vgic_sync(&vcpus[cpu]);
	deliver();
}

static void end(unsigned cpu)
{
	eoi(cpu, SPI);
	deliver();
}

/* Version 2 with list registers that are not linked is QEMU's. */
static void each(void (*test)(void))
{
	static const struct {
		unsigned version;
		bool linked;
	} gics[] = {{2, true}, {2, false}, {3, true}};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(gics); i++) {
		edge = i % 2 != 0;
		linked = gics[i / 2].linked;
		env_setup(gics[i / 2].version, 4, 3, 2);
		if (!linked) fake_gic_unlink();
		wr(0, 3);
		fake_spi[PHYS].edge = edge;
		vgic_link_spi(&vm, SPI, PHYS, edge);
		env_spi(SPI, 0x80, edge, 0);
		vcpus[1].cpu = 1;
		test();
		env_check();
		env_teardown();
	}
}

static bool idle(void)
{
	return !fake_spi[PHYS].active && !fake_spi[PHYS].masked && !fake_gic_spi_fires(PHYS);
}

static void once(void)
{
	line(true);
	assert_false(idle());
	assert_int_equal(take(0), SPI);
	assert_int_equal(take(0), NONE);
	line(false);
	end(0);
	assert_int_equal(take(0), NONE);
	assert_true(idle());
	/* A second one, of a device that asks again before the guest is done. */
	line(true);
	assert_int_equal(take(0), SPI);
	line(false);
	line(true);
	end(0);
	assert_int_equal(take(0), SPI);
	line(false);
	end(0);
	assert_int_equal(take(0), NONE);
	assert_true(idle());
}

/* A level that stays comes again; an edge does not. */
static void stays(void)
{
	line(true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(take(0), i == 0 || !edge ? SPI : NONE);
		if (i == 0 || !edge) end(0);
	}
	line(false);
	sync(0);
	assert_int_equal(take(0), NONE);
	assert_true(idle());
}

/* Withdrawn before it was taken: a level is gone, an edge is not. */
static void withdrawn(void)
{
	line(true);
	line(false);
	sync(0);
	assert_int_equal(take(0), edge ? SPI : NONE);
	if (edge) end(0);
	assert_true(idle());
}

/* What the guest has disabled makes no noise on the host, and waits. */
static void disabled(void)
{
	set_bit(0x180, SPI);
	line(true);
	assert_false(fake_gic_spi_fires(PHYS));
	assert_int_equal(take(0), NONE);
	assert_int_equal(rd(0x200 + SPI / 32 * 4) >> SPI % 32 & 1, 1);
	set_bit(0x100, SPI);
	deliver();
	assert_int_equal(take(0), SPI);
	line(false);
	end(0);
	assert_int_equal(take(0), NONE);
	set_bit(0x180, SPI);
	line(true);
	line(false);
	set_bit(0x100, SPI);
	deliver();
	assert_int_equal(take(0), edge ? SPI : NONE);
	if (edge) end(0);
	assert_true(idle());
}

/* It is acknowledged on another CPU than its vCPU's, and follows that. */
static void elsewhere(void)
{
	env_spi(SPI, 0x80, edge, 1);
	assert_int_equal(fake_spi[PHYS].cpu, 0);
	line(true);
	assert_int_equal(fake_spi[PHYS].cpu, 1);
	assert_int_equal(take(0), NONE);
	assert_int_equal(take(1), SPI);
	line(false);
	end(1);
	/*
	 * The guest on CPU 1 is done with it and has not left; CPU 0 acknowledges the next one: the
	 * list register of CPU 1 is older.
	 */
	line(true);
	assert_int_equal(take(1), SPI);
	fake_gic_spi_line(PHYS, false);
	fake_gic_eoir(1, SPI);
	fake_spi[PHYS].cpu = 0;
	fake_gic_spi_line(PHYS, true);
	if (!linked) env_enter(1); /* nothing can come before it was released */
	deliver();
	assert_int_equal(take(1), SPI);
	line(false);
	end(1);
	assert_int_equal(take(1), NONE);
	assert_true(idle());
}

/* Its vCPU is preempted while it is pending, while it is active, and ends it on another CPU. */
static void moved(void)
{
	line(true);
	env_put(0);
	deliver();
	env_load(0, 2);
	vcpus[0].cpu = 2;
	assert_int_equal(take(2), SPI);
	env_put(0);
	assert_false(fake_gic_spi_fires(PHYS));
	env_load(0, 3);
	vcpus[0].cpu = 3;
	line(false);
	end(3);
	assert_int_equal(take(3), NONE);
	assert_true(idle());
	/* While it is not loaded: woken by the line, and nothing is lost. */
	env_put(0);
	env_cpu(0);
	vcpus[0].state = VCPU_BLOCKED;
	line(true);
	assert_int_equal(vcpus[0].state, VCPU_READY);
	env_load(0, 0);
	vcpus[0].cpu = 0;
	assert_int_equal(take(0), SPI);
	line(false);
	end(0);
	assert_true(idle());
}

/* A new life of the VM knows nothing of the old one's. */
static void restarted(void)
{
	line(true);
	env_put(0);
	env_put(1);
	/* What assigned_stop() does. */
	fake_spi[PHYS] = (struct fake_spi){.edge = edge};
	env_cpu(0);
	vgic_vm_reset(&vm);
	env_load(0, 0);
	env_load(1, 1);
	env_cpu(0);
	wr(0, 3);
	env_spi(SPI, 0x80, edge, 0);
	assert_int_equal(take(0), NONE);
	line(true);
	assert_int_equal(take(0), SPI);
	line(false);
	end(0);
	assert_true(idle());
}

/*
 * At random: an edge is taken as often as it was acknowledged by the host; a level is never lost
 * while it is high, and quiet when it is low.
 */
static void random_walk(void)
{
	unsigned taken = 0, active = MAX_PCPUS;

	held = 0;
	for (unsigned i = 0; i < 3000; i++) {
		unsigned cpu = (unsigned)rand() % 2;

		switch (rand() % 9) {
		case 0:
		case 1: fake_gic_spi_line(PHYS, !fake_spi[PHYS].line); break;
		case 2:
		case 3:
		case 4: deliver(); break;
		case 5:
			if (active == MAX_PCPUS && ack(cpu) == SPI) {
				active = cpu;
				taken++;
			}
			break;
		case 6:
			if (active == MAX_PCPUS) break;
			fake_gic_eoir(active, SPI);
			active = MAX_PCPUS;
			break;
		case 7:
			if (active == MAX_PCPUS) env_spi(SPI, 0x80, edge, cpu);
			break;
		default:
			env_put(cpu);
			env_load(cpu, cpu);
			break;
		}
		env_check();
	}
	/* To the end. */
	fake_gic_spi_line(PHYS, false);
	for (unsigned i = 0; i < 4; i++) {
		deliver();
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			if (active == cpu) {
				eoi(cpu, SPI);
				active = MAX_PCPUS;
			} else if (active == MAX_PCPUS && ack(cpu) == SPI) {
				taken++;
				eoi(cpu, SPI);
			}
			sync(cpu);
		}
	}
	assert_true(idle());
	if (edge) assert_int_equal(taken, held);
	line(true);
	sync(0);
	sync(1);
	assert_true(ack(0) == SPI || ack(1) == SPI);
}

static void test_each(void **state) { each(*(void (*const *)(void)) * state); }

static void test_random(void **state)
{
	(void)state;
	srand(1);
	for (unsigned i = 0; i < 40; i++) each(random_walk);
}

int main(void)
{
#define EACH(f)                                                                                    \
	{                                                                                          \
		.name = #f, .test_func = test_each, .initial_state = &(void (*)(void)) { f }       \
	}
	const struct CMUnitTest tests[] = {
	    EACH(once),      EACH(stays), EACH(withdrawn), EACH(disabled),
	    EACH(elsewhere), EACH(moved), EACH(restarted), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
