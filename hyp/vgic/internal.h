/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the vGIC share: the core's begin/end bracket around every change of an
 * interrupt, the changes themselves, and the table-driven register accessor of both front ends.
 */
#pragma once

#include <arch/barrier.h>
#include <hyp/mmio.h>
#include <hyp/vcpu.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>

/* GICD_CTLR (IHI 0048B 4.3.1; IHI 0069 12.9.4, one security state). */
#define CTLR_GROUPS 3u

/* Private interrupts are v's; v NULL: there are none here. NULL: no such interrupt. */
static inline struct vgic_irq *vgic_irq_find(struct vm *vm, struct vcpu *v, uint32_t intid)
{
	struct vgic_vm *g = &vm->vgic;

	if (intid < VGIC_NR_PRIVATE)
		return v ? &v->vgic.priv[array_index_nospec(intid, VGIC_NR_PRIVATE)] : NULL;
	intid -= VGIC_NR_PRIVATE;
	return intid < g->nr_spis ? &g->spis[array_index_nospec(intid, g->nr_spis)] : NULL;
}

/*
 * Every change of an interrupt is made between these two, under the lock. begin: if it is in a
 * list register of this CPU, its state comes into irq. It stays in_lr only if that is another
 * CPU's: then active and what moved with lr_latch are older, and end has that CPU fold. end: finds
 * out whom it goes to, and puts it where it now belongs, by VCPU_WORK_VGIC.
 */
void vgic_irq_begin(struct vgic_irq *irq);
void vgic_irq_end(struct vm *vm, struct vgic_irq *irq);
/* begin and end for all interrupts from number `first` of vm->vgic.irqs on. */
void vgic_irqs_again(struct vm *vm, unsigned first);
/* A linked one, for its owner v: does its source still ask for it? */
bool vgic_irq_asserted(struct vcpu *v, const struct vgic_irq *irq);
/* Off the list it is on. */
void vgic_irq_unlink(struct vgic_irq *irq);
/* Is v in this CPU's list registers? */
static inline bool vgic_here(const struct vcpu *v) { return this_pcpu()->loaded == v; }

/* Its timer can be asked here: it is, or it is saved. */
static inline bool vgic_asks(const struct vcpu *v)
{
	return vgic_here(v) || load_relaxed(&v->loaded_on) < 0;
}

/* begin, change, end. */
void vgic_irq_set_line(struct vm *vm, struct vgic_irq *irq, bool level);
/* To those vCPUs of a mask that exist; group1: also where it is of group 1. Takes the lock. */
void vgic_send_sgi(struct vcpu *from, uint32_t to, unsigned intid, bool group1);
/* MMIO regions of the VM's version. */
enum hyp_err vgic_map_regs(struct vm *vm) __must_check;

#define VGIC_GICD_SIZE KiB(64)
#define VGIC_GICR_SIZE KiB(128)
#define GICR_WAKER_ASLEEP (BIT32(1) | BIT32(2)) /* ProcessorSleep, ChildrenAsleep */
