/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices given to VMs: registers that are forwarded, with and without rules; what is mapped, and
 * when interrupts come.
 * links: hyp/vdev/assigned.c hyp/mmio.c tests/fake_arch/fake.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/mm.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include "tests/fake_arch/fake.h"
#include "tests/mmio_access.h"

#define DEV UINT64_C(0xfe201000)

static struct vm vm;
static struct vm_config cfg;
static struct vcpu vcpu;
static struct pcpu cpu;

/* --- the host --- */
static uint8_t page[0x1000];
static unsigned reads, writes;
static uint64_t mapped_pa, mapped_ipa, mapped_size, el2_pa;
static uint32_t enabled, linked, injected, edges;

uint64_t fake_io_read(uint64_t addr, unsigned size)
{
	uint64_t v = 0;

	assert_true(addr % size == 0 && addr >= DEV && addr + size <= DEV + sizeof(page));
	memcpy(&v, page + (addr - DEV), size);
	reads++;
	return v;
}

void fake_io_write(uint64_t addr, unsigned size, uint64_t val)
{
	assert_true(addr % size == 0 && addr >= DEV && addr + size <= DEV + sizeof(page));
	memcpy(page + (addr - DEV), &val, size);
	writes++;
}

enum hyp_err arch_mm_map(pa_t at, uint64_t size, enum mm_attr attr)
{
	assert_int_equal(attr, MM_DEVICE);
	el2_pa = pa_raw(at);
	return HYP_OK;
}

enum hyp_err s2_map(struct s2 *s, ipa_t to, pa_t p, uint64_t size, enum s2_attr attr)
{
	assert_int_equal(attr, S2_DEVICE);
	assert_true(assigned_may_map(&cfg.assign, p, size));
	mapped_ipa = ipa_raw(to);
	mapped_pa = pa_raw(p);
	mapped_size = size;
	return HYP_OK;
}

const struct arch_gic_info *arch_gic_info(void)
{
	static const struct arch_gic_info info = {.version = 3, .nr_irqs = 288};

	return &info;
}

void arch_gic_set_edge(uint32_t intid, bool edge)
{
	assert_int_not_equal(intid, enabled);
	edges += edge;
}

void arch_gic_enable(uint32_t intid) { enabled = intid; }

void arch_gic_disable(uint32_t intid)
{
	assert_in_range(intid, GIC_FIRST_SPI, 287);
	enabled = enabled == intid ? 0 : enabled;
}

void vgic_link_spi(struct vm *of, uint32_t intid, uint32_t pintid, bool edge)
{
	assert_int_equal(intid, 144);
	linked = pintid;
}

void vgic_inject_spi(struct vm *of, uint32_t intid)
{
	assert_ptr_equal(of, &vm);
	injected = intid;
}

/* --- --- */

static const struct machine machine = {.assign_intid = 144};

/* One device of 0x200 bytes, from 4 bytes into its page on if odd. */
static int setup(void **state)
{
	fake_reset();
	fake_pcpu = &cpu;
	memset(&vm, 0, sizeof(vm));
	memset(page, 0, sizeof(page));
	cfg = (struct vm_config){.assign = {.nr_devs = 1,
	                                    .nr_regs = 1,
	                                    .nr_irqs = 1,
	                                    .reg = {{DEV, ASSIGN_BASE, 0x200, 0, true, false}},
	                                    .irq = {{.intid = 153, .edge = true}}}};
	vm.cfg = &cfg;
	vm.machine = &machine;
	vcpu.vm = &vm;
	reads = writes = enabled = linked = injected = edges = 0;
	return 0;
}

static enum mmio_result get(uint64_t off, unsigned size, uint64_t *val)
{
	return mmio_access(&vcpu, ASSIGN_BASE + off, false, size, val);
}

static enum mmio_result put(uint64_t off, unsigned size, uint64_t val)
{
	return mmio_access(&vcpu, ASSIGN_BASE + off, true, size, &val);
}

static void test_forwarded(void **state)
{
	uint64_t val;

	assert_int_equal(assigned_create(&vm, &cfg.assign), HYP_OK);
	assert_int_equal(el2_pa, DEV);
	for (unsigned size = 1; size <= 8; size *= 2) {
		memset(page, 0x5a, sizeof(page));
		assert_int_equal(put(0x10, size, 0x8877665544332211), MMIO_OK);
		assert_int_equal(get(0x10, size, &val), MMIO_OK);
		assert_int_equal(val, 0x8877665544332211 & (UINT64_MAX >> (64 - 8 * size)));
		assert_int_equal(page[0x10 + size], 0x5a); /* as wide as the guest's */
		assert_int_equal(get(0x200 - size, size, &val), MMIO_OK);
		reads = writes = 0;
		assert_int_equal(get(0x200, size, &val), MMIO_ABORT);
		assert_int_equal(put(0x200, size, 0), MMIO_ABORT);
		assert_int_equal(get(0xffc, size, &val), MMIO_ABORT);
		if (size > 1) assert_int_equal(get(0x201 - size, size, &val), MMIO_ABORT);
		assert_int_equal(reads + writes, 0);
	}
}

/* Its end and its beginning are what the device tree says, not what 8 bytes would like. */
static void test_odd_ends(void **state)
{
	uint64_t val;

	cfg.assign.reg[0].pa = DEV + 4;
	cfg.assign.reg[0].ipa = ASSIGN_BASE + 4;
	cfg.assign.reg[0].size = 0xb0;
	assert_int_equal(assigned_create(&vm, &cfg.assign), HYP_OK);
	assert_int_equal(get(0, 4, &val), MMIO_ABORT);
	assert_int_equal(get(4, 4, &val), MMIO_OK);
	assert_int_equal(get(4, 8, &val), MMIO_ABORT); /* not aligned on the bus */
	assert_int_equal(get(0xb0, 4, &val), MMIO_OK);
	assert_int_equal(get(0xb0, 8, &val), MMIO_ABORT);
	assert_int_equal(get(0xb4, 4, &val), MMIO_ABORT);
	assert_int_equal(reads, 2);
}

static void test_rules(void **state)
{
	uint64_t val;

	cfg.assign.reg[0].ruled = true;
	cfg.assign_rules = (struct assign_rules){3,
	                                         {{0, 0x00, 8, 0xff, 0xf0, false},
	                                          {0, 0x1c, 4, 0, 0x20000, true},
	                                          {0, 0x34, 4, 0x20000, 0, false}}};
	assert_int_equal(assigned_create(&vm, &cfg.assign), HYP_OK);
	memset(page, 0xa5, sizeof(page));
	/* Kept: what it may not write is as it was. */
	assert_int_equal(put(4, 4, 0x5a5a5a5a), MMIO_OK);
	assert_memory_equal(page + 4, "\x55\xa5\xa5\xa5", 4);
	assert_int_equal(get(4, 4, &val), MMIO_OK);
	assert_int_equal(val, 0x55);
	assert_int_equal(fake_locks_held(), 0);
	/* Write 1 to set: 0 does nothing to the others, and it is not read. */
	reads = 0;
	assert_int_equal(put(0x1c, 4, UINT32_MAX), MMIO_OK);
	assert_memory_equal(page + 0x1c, "\0\0\2", 4);
	assert_int_equal(reads, 0);
	assert_int_equal(get(0x1c, 4, &val), MMIO_ABORT);
	assert_int_equal(get(0x34, 4, &val), MMIO_OK);
	assert_int_equal(val, 0x20000 & 0xa5a5a5a5);
	writes = reads = 0;
	assert_int_equal(put(0x34, 4, 0), MMIO_ABORT);
	/* No rule, or not in words. */
	for (unsigned size = 1; size <= 8; size *= 2) {
		assert_int_equal(get(8, size, &val), MMIO_ABORT);
		assert_int_equal(put(0x20, size, 0), MMIO_ABORT);
		if (size != 4) assert_int_equal(get(0, size, &val), MMIO_ABORT);
		if (size != 4) assert_int_equal(put(0, size, 0), MMIO_ABORT);
	}
	assert_int_equal(reads + writes, 0);
}

static void test_mapped(void **state)
{
	cfg.assign.reg[0] = (struct assign_reg){DEV + 0x10, ASSIGN_BASE + 0x10, 0x1000, 0, 0, 0};
	assert_int_equal(assigned_create(&vm, &cfg.assign), HYP_OK);
	assert_int_equal(vm.mmio.n, 0);
	assert_int_equal(mapped_pa, DEV);
	assert_int_equal(mapped_ipa, ASSIGN_BASE);
	assert_int_equal(mapped_size, 0x2000);
	assert_true(assigned_may_map(&cfg.assign, pa(DEV + 0x1000), 0x1000));
	assert_false(assigned_may_map(&cfg.assign, pa(DEV), 0x3000));
	assert_false(assigned_may_map(&cfg.assign, pa(DEV - 0x1000), 0x1000));
	cfg.assign.reg[0].trapped = true;
	assert_false(assigned_may_map(&cfg.assign, pa(DEV), 0x1000));
}

static void test_interrupts(void **state)
{
	assert_int_equal(assigned_create(&vm, &cfg.assign), HYP_OK);
	assert_int_equal(linked, 153);
	assert_int_equal(edges, 1);
	assigned_irq(153); /* not started */
	assert_int_equal(injected, 0);
	assigned_start(&vm);
	assert_int_equal(enabled, 153);
	assigned_irq(153);
	assert_int_equal(injected, 144);
	injected = 0;
	assigned_irq(154); /* nobody's */
	assert_int_equal(injected, 0);
	assert_int_equal(enabled, 153);
	assigned_stop(&vm);
	assert_int_equal(enabled, 0);
	assigned_irq(153); /* another CPU had it in its hands */
	assert_int_equal(injected, 0);
	/* More than the host has. */
	memset(&vm.mmio, 0, sizeof(vm.mmio));
	cfg.assign.irq[0].intid = 288;
	assert_int_equal(assigned_create(&vm, &cfg.assign), HYP_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_forwarded, setup),
	    cmocka_unit_test_setup(test_odd_ends, setup),
	    cmocka_unit_test_setup(test_rules, setup),
	    cmocka_unit_test_setup(test_mapped, setup),
	    cmocka_unit_test_setup(test_interrupts, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
