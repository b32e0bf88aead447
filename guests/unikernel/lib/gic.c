/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts: the handler table and what is common to both GIC architectures.
 */
#include "internal.h"

#define NR_INTIDS 288u /* what QEMU virt has: 32 private, 256 shared */
#define DEFAULT_PRIORITY 0xa0

static struct {
	uk_irq_fn fn;
	void *arg;
} handlers[NR_INTIDS];

static const struct irqchip *chip;

void gic_init(void)
{
	if (uk_mach.gic_version == 0) uk_crash("no GICv2 or GICv3 in the device tree");
	chip = uk_mach.gic_version == 3 ? &gicv3_chip : &gicv2_chip;
	chip->init();
	chip->cpu_init();
}

void gic_cpu_init(void) { chip->cpu_init(); }

int uk_irq_register(unsigned intid, uk_irq_fn fn, void *arg)
{
	if (intid >= NR_INTIDS || !fn || handlers[intid].fn) return -1;
	handlers[intid].arg = arg;
	/* Release: a CPU that finds the handler finds its argument. */
	__atomic_store_n(&handlers[intid].fn, fn, __ATOMIC_RELEASE);
	chip->set_priority(intid, DEFAULT_PRIORITY);
	if (intid >= 32) chip->route_here(intid);
	chip->set_enable(intid, true);
	return 0;
}

void uk_irq_unregister(unsigned intid)
{
	if (intid < NR_INTIDS) {
		chip->set_enable(intid, false);
		__atomic_store_n(&handlers[intid].fn, NULL, __ATOMIC_RELEASE);
	}
}

void uk_irq_enable(unsigned intid)
{
	if (intid < NR_INTIDS) chip->set_enable(intid, true);
}

void uk_irq_disable(unsigned intid)
{
	if (intid < NR_INTIDS) chip->set_enable(intid, false);
}

void uk_irq_set_priority(unsigned intid, uint8_t priority)
{
	if (intid < NR_INTIDS) chip->set_priority(intid, priority);
}

void uk_irq_set_edge(unsigned intid, bool edge)
{
	if (intid >= 32 && intid < NR_INTIDS) chip->set_edge(intid, edge);
}

void uk_sgi_send(unsigned cpu, unsigned intid)
{
	if (cpu < uk_mach.nr_cpus && intid < 16) chip->send_sgi(cpu, intid);
}

void irq_dispatch(void)
{
	uint32_t iar = chip->ack();
	uint32_t intid = uk_mach.gic_version == 3 ? iar & 0xffffff : iar & 0x3ff;
	uk_irq_fn fn;

	if (intid >= 1020 && intid < 8192) return; /* spurious: no EOI */
	fn = intid < NR_INTIDS ? __atomic_load_n(&handlers[intid].fn, __ATOMIC_ACQUIRE) : NULL;
	if (fn)
		fn(intid, handlers[intid].arg);
	else if (intid < NR_INTIDS)
		chip->set_enable(intid, false); /* nobody's: once is enough */
	chip->eoi(iar);
}
