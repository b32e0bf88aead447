/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of interrupts (lines, edges, SGIs), routing, life of a VM's vGIC, and its description
 * for the shell.
 */
#include <hyp/page.h>
#include "internal.h"

void vgic_set_line(struct vm *vm, struct vcpu *v, uint32_t intid, bool level)
{
	struct vgic_irq *irq;

	spin_lock(&vm->vgic.lock);
	irq = vgic_irq_find(vm, v, intid);
	if (irq && irq->line != level && !(irq->pintid && load_relaxed(&v->loaded_on) >= 0))
		vgic_irq_set_line(vm, irq, level);
	spin_unlock(&vm->vgic.lock);
}

void vgic_link(struct vcpu *v, uint32_t intid, uint32_t pintid)
{
	v->vgic.priv[intid % VGIC_NR_PRIVATE].pintid = pintid;
}

void vgic_link_spi(struct vm *vm, uint32_t intid, uint32_t pintid, bool edge)
{
	struct vgic_irq *irq = vgic_irq_find(vm, NULL, intid);

	irq->pintid = pintid;
	irq->pulse = edge;
}

void vgic_inject_spi(struct vm *vm, uint32_t intid)
{
	struct vgic_irq *irq = vgic_irq_find(vm, NULL, intid);
	uint32_t cpu;

	spin_lock(&vm->vgic.lock);
	vgic_irq_set_line(vm, irq, true);
	cpu = irq->to ? load_relaxed(&irq->to->cpu) : this_pcpu()->id;
	spin_unlock(&vm->vgic.lock);
	if (cpu != this_pcpu()->id) arch_gic_route(irq->pintid, cpu);
}

void vgic_retarget(struct vm *vm)
{
	spin_lock(&vm->vgic.lock);
	vgic_irqs_again(vm, vm->nr_vcpus * VGIC_NR_PRIVATE);
	spin_unlock(&vm->vgic.lock);
}

enum hyp_err vgic_vm_init(struct vm *vm, unsigned version, unsigned nr_spis)
{
	struct vgic_vm *g = &vm->vgic;

	*g = (struct vgic_vm){.lock = SPINLOCK_INIT(LOCK_VGIC), .version = version};
	nr_spis = (unsigned)ALIGN_UP(nr_spis, 32);
	if (version != arch_gic_info()->version) return HYP_ENOTSUP;
	if (nr_spis > VGIC_MAX_SPIS || (version == 2 && vm->nr_vcpus > 8)) return HYP_EINVAL;
	TRY(vgic_map_regs(vm));
	g->nr_irqs = vm->nr_vcpus * VGIC_NR_PRIVATE + nr_spis;
	g->irqs = page_alloc_hyp(g->nr_irqs * sizeof(g->irqs[0]));
	if (!g->irqs) return HYP_ENOMEM;
	g->nr_spis = nr_spis;
	g->spis = g->irqs + vm->nr_vcpus * VGIC_NR_PRIVATE;
	vgic_vm_reset(vm);
	return HYP_OK;
}

void vgic_vm_fini(struct vm *vm)
{
	struct vgic_vm *g = &vm->vgic;

	if (g->irqs) page_free_hyp(g->irqs, g->nr_irqs * sizeof(g->irqs[0]));
	g->irqs = NULL;
	g->nr_spis = 0;
}

/* to: whose private one it is. */
static void irq_reset(const struct vm *vm, struct vgic_irq *irq, uint32_t intid, struct vcpu *to)
{
	if (irq->on_list) vgic_irq_unlink(irq);
	/* What links it to its source stays. */
	*irq = (struct vgic_irq){
	    .pintid = irq->pintid,
	    .pulse = irq->pulse,
	    .intid = (uint16_t)intid,
	    .edge = intid < GIC_NR_SGI,
	    .enabled = vm->vgic.version == 2 && intid < GIC_NR_SGI,
	    .to = to,
	    /* Whoever reads ITARGETSR of a private interrupt is its target; one CPU: RAZ (4.3.12).
	     */
	    .route = to && vm->nr_vcpus > 1 ? BIT32(to->id) : 0,
	};
}

/* SPIs that are its by routing stay so, also one that is active. */
void vgic_vcpu_reset(struct vcpu *v)
{
	struct vm *vm = v->vm;

	spin_lock(&vm->vgic.lock);
	for (unsigned i = 0; i < VGIC_NR_PRIVATE; i++) irq_reset(vm, &v->vgic.priv[i], i, v);
	v->vgic.waker = GICR_WAKER_ASLEEP;
	v->vgic.asked = 0;
	spin_unlock(&vm->vgic.lock);
}

void vgic_vcpu_init(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;

	*c = (struct vgic_vcpu){.priv = &v->vm->vgic.irqs[v->id * VGIC_NR_PRIVATE]};
	list_init(&c->ap_list);
	vgic_vcpu_reset(v);
}

void vgic_vm_reset(struct vm *vm)
{
	struct vgic_vm *g = &vm->vgic;

	spin_lock(&g->lock);
	g->ctlr = 0;
	for (unsigned i = 0; i < g->nr_spis; i++)
		irq_reset(vm, &g->spis[i], VGIC_NR_PRIVATE + i, NULL);
	spin_unlock(&g->lock);
}

const struct vgic_irq *vgic_peek(struct vm *vm, struct vcpu *v, uint32_t intid)
{
	const struct vgic_irq *irq = vgic_irq_find(vm, v, intid);

	return irq && (irq->active || vgic_irq_pending(irq)) ? irq : NULL;
}
