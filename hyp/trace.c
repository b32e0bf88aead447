/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per-CPU rings of the last events. Only the CPU itself writes its ring, with interrupts masked.
 */
#include <hyp/trace.h>

#include <arch/gic.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <hyp/atomic.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>

struct trace_ring trace_rings[MAX_PCPUS];
bool trace_on;

void trace_event(enum trace_kind kind, const struct vm *vm, unsigned vcpu, uint64_t esr,
                 uint64_t pc, uint64_t arg)
{
	struct trace_ring *r = &trace_rings[this_pcpu()->id];

	if (vm_is_management(vm)) return; /* what it asks for is not to push out what it shows */
	r->e[r->head % TRACE_ENTRIES] = (struct trace_entry){
	    arch_counter(), esr, pc, arg, (uint8_t)kind, (uint8_t)vm->slot, (uint8_t)vcpu};
	store_release(&r->head, r->head + 1);
}

void trace_cpu_update(void) { arch_trace_exits(load_acquire(&trace_on)); }

void trace_enable(bool on)
{
	store_release(&trace_on, on);
	trace_cpu_update();
	arch_gic_send_sgi_others(GIC_SGI_KICK);
}
