/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch of physical interrupts: the guests' virtual timer, EL2's own timer and IPIs, vGIC
 * maintenance, the console's UART.
 */
#include <hyp/console.h>
#include <hyp/host.h>
#include <hyp/irq.h>
#include <hyp/panic.h>
#include <hyp/trace.h>
#include <hyp/vcpu.h>
#include <hyp/vdev.h>

__attribute__((noinline)) static void handle(uint32_t iar)
{
	struct pcpu *p = this_pcpu();
	uint32_t intid = iar & 0x3ff; /* v2 has the source CPU of an SGI above; no LPIs here */

	if (intid >= 1020 && intid <= 1023) return; /* spurious: withdrawn before the acknowledge */
	if (intid == host.timer.hyp_intid) {
		deadline_irq();
	} else if (intid == host.gic.maint_intid) {
		if (p->loaded) vgic_sync(p->loaded);
	} else if (host.uart.intid != 0 && intid == host.uart.intid) {
		console_rx_irq();
	} else if (intid == GIC_SGI_STOP) {
		panic_park();
	} else if (intid == GIC_SGI_KICK) {
		trace_cpu_update(); /* else nothing: the way out looks at p->work and v->work */
	} else if (intid >= GIC_FIRST_SPI) {
		arch_gic_hold(iar);
		assigned_irq(intid);
		return;
	}
	arch_gic_drop(iar);
	arch_gic_deactivate(iar);
}

/* What the guest waits for goes straight. */
void irq_handle(void)
{
	uint32_t iar = arch_gic_ack();
	struct pcpu *p = this_pcpu();

	p->nr_irqs++;
	if (iar == host.timer.virt_intid)
		vtimer_irq(p->loaded, iar);
	else
		handle(iar);
}

void irq_cpu_init(void)
{
	arch_gic_enable(host.timer.hyp_intid);
	arch_gic_enable(host.timer.virt_intid);
	arch_gic_enable(host.gic.maint_intid);
	if (this_pcpu()->id == 0 && host.uart.intid != 0) arch_gic_enable(host.uart.intid);
}
