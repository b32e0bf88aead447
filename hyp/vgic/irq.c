/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of interrupts (lines, edges, SGIs), routing, life of a VM's vGIC, and its description
 * for the shell.
 */
#include <hyp/atomic.h>
#include <hyp/page.h>
#include <lib/printf.h>
#include "internal.h"

unsigned vgic_nr_irqs(const struct vm *vm)
{
	return vm->nr_vcpus * VGIC_NR_PRIVATE + vm->vgic.nr_spis;
}

struct vgic_irq *vgic_irq_at(struct vm *vm, unsigned i)
{
	unsigned n = vm->nr_vcpus * VGIC_NR_PRIVATE;

	return i < n ? vgic_irq_find(vm, vm->vcpus[i / VGIC_NR_PRIVATE], i % VGIC_NR_PRIVATE)
	             : &vm->vgic.spis[i - n];
}

void vgic_irq_set_line(struct vm *vm, struct vgic_irq *irq, bool level)
{
	vgic_irq_begin(irq);
	if (level && irq->edge && !irq->hw) irq->latch = true;
	irq->line = level;
	vgic_irq_end(vm, irq);
}

void vgic_set_line(struct vm *vm, struct vcpu *v, uint32_t intid, bool level)
{
	struct vgic_irq *irq;

	spin_lock(&vm->vgic.lock);
	irq = vgic_irq_find(vm, v, intid);
	if (irq && irq->line != level && !(irq->hw && v->vgic.cpu >= 0))
		vgic_irq_set_line(vm, irq, level);
	spin_unlock(&vm->vgic.lock);
}

void vgic_link(struct vcpu *v, uint32_t intid, uint32_t pintid, const struct vgic_line_ops *lops)
{
	struct vgic_irq *irq = &v->vgic.priv[intid % VGIC_NR_PRIVATE];

	spin_lock(&v->vm->vgic.lock);
	irq->hw = pintid != 0;
	irq->pintid = pintid;
	irq->lops = lops;
	spin_unlock(&v->vm->vgic.lock);
}

/* ICC_SGIxR_EL1 (IHI 0069 12.2.21). */
#define SGIR_AFFINITY (GENMASK(55, 44) | GENMASK(39, 32) | GENMASK(23, 16)) /* Aff3, RS, 2, 1 */
#define SGIR_IRM BIT(40)
#define SGIR_INTID GENMASK(27, 24)
#define SGIR_LIST GENMASK(15, 0)

_Static_assert(MAX_VCPUS <= 16, "GICv3 machines have one cluster: Aff0 is the vCPU's number");

/* With one security state SGI1R reaches both groups, the others group 0 (IHI 0069 table 12-14). */
void vgic_sgir_write(struct vcpu *v, uint64_t val, bool group1)
{
	uint32_t to = (uint32_t)(val & SGIR_LIST);

	if (val & SGIR_IRM)
		to = ~BIT32(v->id);
	else if (val & SGIR_AFFINITY)
		return;
	vgic_send_sgi(v, to, (unsigned)FIELD_GET(SGIR_INTID, val), group1);
}

void vgic_irq_set_active(struct vm *vm, struct vgic_irq *irq, bool active)
{
	vgic_irq_begin(irq);
	if (irq->in_lr)
		irq->active_req = active ? VGIC_SET_ACTIVE : VGIC_CLEAR_ACTIVE;
	else
		irq->active = active;
	vgic_irq_end(vm, irq);
}

void vgic_dir_write(struct vcpu *v, uint32_t intid)
{
	struct vgic_irq *irq;

	spin_lock(&v->vm->vgic.lock);
	irq = vgic_irq_find(v->vm, v, intid);
	if (irq) vgic_irq_set_active(v->vm, irq, false);
	spin_unlock(&v->vm->vgic.lock);
}

/* The lowest vCPU of mask that is on; if none is, the lowest. */
static uint8_t first_target(const struct vm *vm, uint32_t mask)
{
	uint32_t on = 0;

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i] && load_relaxed(&vm->vcpus[i]->power) != POWER_OFF) on |= BIT32(i);
	on &= mask;
	return mask == 0 ? (uint8_t)VGIC_NO_TARGET : (uint8_t)__builtin_ctz(on ? on : mask);
}

#define IROUTER_IRM BIT(31) /* IHI 0069 12.9.22: any participating PE */

/*
 * v2: of several targets the lowest one that is on takes it (the 1-of-N model lets us choose, IHI
 * 0048B 1.4.3); a machine of one CPU has no choice (4.3.12).
 */
void vgic_irq_route(struct vm *vm, struct vgic_irq *irq)
{
	const struct vcpu *v;

	if (vm->vgic.version == 2) {
		irq->target = first_target(vm, vm->nr_vcpus == 1 ? 1 : irq->targets);
		return;
	}
	if (irq->irouter & IROUTER_IRM) {
		irq->target = first_target(vm, UINT32_MAX);
		return;
	}
	v = vm_vcpu_by_mpidr(vm, irq->irouter);
	irq->target = v ? (uint8_t)v->id : (uint8_t)VGIC_NO_TARGET;
}

void vgic_retarget(struct vm *vm)
{
	spin_lock(&vm->vgic.lock);
	for (unsigned i = 0; i < vm->vgic.nr_spis; i++) {
		struct vgic_irq *irq = &vm->vgic.spis[i];
		uint8_t old = irq->target;

		vgic_irq_route(vm, irq);
		if (irq->target != old) {
			vgic_irq_begin(irq);
			vgic_irq_end(vm, irq);
		}
	}
	spin_unlock(&vm->vgic.lock);
}

enum hyp_err vgic_vm_init(struct vm *vm, unsigned version, unsigned nr_spis)
{
	struct vgic_vm *g = &vm->vgic;
	const struct machine *m = vm->machine;

	*g = (struct vgic_vm){.lock = SPINLOCK_INIT(LOCK_VGIC), .version = version};
	if (version == 0) return HYP_OK;
	nr_spis = (unsigned)ALIGN_UP(nr_spis, 32);
	if (version != arch_gic_info()->version) return HYP_ENOTSUP;
	if (nr_spis > VGIC_MAX_SPIS || (version == 2 && vm->nr_vcpus > 8)) return HYP_EINVAL;
	TRY(mmio_add(&vm->mmio, ipa(m->gicd), VGIC_GICD_SIZE,
	             version == 2 ? &vgic_v2_gicd_ops : &vgic_v3_gicd_ops, vm));
	TRY(version == 2
	        ? mmio_add(&vm->mmio, ipa(m->gicc + PAGE_SIZE), PAGE_SIZE, &vgic_v2_dir_ops, vm)
	        : mmio_add(&vm->mmio, ipa(m->gicr), VGIC_GICR_SIZE * vm->nr_vcpus,
	                   &vgic_v3_gicr_ops, vm));
	g->lr_mask = BIT32(arch_gic_info()->nr_lrs) - 1;
	if (nr_spis != 0) {
		g->spis = page_alloc_hyp(nr_spis * sizeof(g->spis[0]));
		if (!g->spis) return HYP_ENOMEM;
		g->nr_spis = nr_spis;
	}
	vgic_vm_reset(vm);
	return HYP_OK;
}

void vgic_vm_fini(struct vm *vm)
{
	struct vgic_vm *g = &vm->vgic;

	if (g->spis) page_free_hyp(g->spis, g->nr_spis * sizeof(g->spis[0]));
	g->spis = NULL;
	g->nr_spis = 0;
}

static void irq_reset(struct vgic_irq *irq, uint32_t intid, uint8_t target)
{
	if (irq->on_list) vgic_irq_unlink(irq);
	/* What links it to its source stays. */
	*irq = (struct vgic_irq){
	    .lops = irq->lops,
	    .hw = irq->hw,
	    .pintid = irq->pintid,
	    .intid = (uint16_t)intid,
	    .target = target,
	    .edge = intid < GIC_NR_SGI,
	};
	list_init(&irq->node);
}

static void vcpu_reset_locked(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;

	/* SPIs that are its by routing stay so, also one that is active. */
	for (unsigned i = 0; i < VGIC_NR_PRIVATE; i++) {
		irq_reset(&c->priv[i], i, (uint8_t)v->id);
		/* SGIs of a GICv2 are always enabled, as on GIC-400 and QEMU. */
		c->priv[i].enabled = v->vm->vgic.version == 2 && i < GIC_NR_SGI;
	}
	c->waker_sleep = true;
	c->propbaser = 0;
	c->pendbaser = 0;
}

void vgic_vcpu_reset(struct vcpu *v)
{
	spin_lock(&v->vm->vgic.lock);
	vcpu_reset_locked(v);
	spin_unlock(&v->vm->vgic.lock);
}

void vgic_vcpu_init(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;

	*c = (struct vgic_vcpu){.cpu = -1};
	list_init(&c->ap_list);
	vgic_vcpu_reset(v);
}

void vgic_vm_reset(struct vm *vm)
{
	struct vgic_vm *g = &vm->vgic;

	spin_lock(&g->lock);
	g->ctlr = 0;
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->vcpus[i]) vcpu_reset_locked(vm->vcpus[i]);
	for (unsigned i = 0; i < g->nr_spis; i++) {
		irq_reset(&g->spis[i], VGIC_NR_PRIVATE + i, VGIC_NO_TARGET);
		vgic_irq_route(vm, &g->spis[i]);
	}
	spin_unlock(&g->lock);
}

bool vgic_peek(struct vm *vm, struct vcpu *v, uint32_t intid, struct vgic_irq *out, bool *pending)
{
	const struct vgic_irq *irq;

	spin_lock(&vm->vgic.lock);
	irq = vgic_irq_find(vm, v, intid);
	if (irq) {
		*out = *irq;
		*pending = vgic_irq_pending(irq);
	}
	spin_unlock(&vm->vgic.lock);
	return irq && (out->active || out->in_lr || *pending);
}
