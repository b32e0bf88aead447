/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vGIC core: who gets an interrupt (oracle), the lists, list registers in (fold) and out (place,
 * populate). Static functions are called with the VM's vGIC lock held.
 */
#include "internal.h"

/*
 * No cause to come back. DIR traps always (v3; v2's is in a page of its own): it may be of an
 * interrupt that is in no list register, or that another vCPU has acknowledged.
 */
#define HCR_ALL_IN (VGIC_HCR_EN | VGIC_HCR_TDIR)

static struct vgic_irq *irq_of(struct list_node *n)
{
	return container_of(n, struct vgic_irq, node);
}

/* The line's own say: a linked line is level-sensitive whatever the guest wrote to ICFGR. */
static bool line_pends(const struct vgic_irq *irq)
{
	return irq->line && (!irq->edge || irq->pintid);
}

bool vgic_irq_pending(const struct vgic_irq *irq) { return irq->latch != 0 || line_pends(irq); }

/* Is its group in a mask of them? */
static bool in_groups(const struct vgic_irq *irq, uint32_t groups)
{
	return groups >> irq->group1 & 1;
}

bool vgic_irq_asserted(struct vcpu *v, const struct vgic_irq *irq)
{
	if (irq->pintid < GIC_FIRST_SPI) return vtimer_level(v);
	return irq->pulse ? irq->line : arch_gic_pending(irq->pintid);
}

static bool forwarded(const struct vgic_vm *g, const struct vgic_irq *irq)
{
	return irq->enabled && in_groups(irq, g->ctlr);
}

/* The lowest vCPU of mask that is on; if none is, the lowest. */
static struct vcpu *first_target(const struct vm *vm, uint32_t mask)
{
	uint32_t on = 0;

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (load_relaxed(&vm->vcpus[i]->on)) on |= BIT32(i);
	if (on & mask) mask &= on;
	return mask ? vm->vcpus[__builtin_ctz(mask)] : NULL;
}

#define IROUTER_IRM BIT(31) /* IHI 0069 12.9.22: any participating PE */

/*
 * Of an SPI. v2: of several targets the lowest one that is on takes it (the 1-of-N model lets us
 * choose, IHI 0048B 1.4.3); a machine of one CPU has no choice (4.3.12).
 */
static struct vcpu *target_of(struct vm *vm, const struct vgic_irq *irq)
{
	if (vm->vgic.version == 2)
		return first_target(vm, vm->nr_vcpus == 1 ? 1 : (uint32_t)irq->route);
	return irq->route & IROUTER_IRM ? first_target(vm, UINT32_MAX)
	                                : vm_vcpu_by_mpidr(vm, irq->route);
}

/* Whose list it belongs on. An active one stays where it was acknowledged. */
static struct vcpu *oracle(const struct vgic_vm *g, const struct vgic_irq *irq)
{
	if (irq->active && irq->on_list) return irq->on_list;
	return irq->active || (forwarded(g, irq) && vgic_irq_pending(irq)) ? irq->to : NULL;
}

static bool before(const struct vgic_irq *a, const struct vgic_irq *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->intid < b->intid;
}

static void link(struct vcpu *v, struct vgic_irq *irq)
{
	struct list_node *at = &v->vgic.ap_list;

	/* From the end: at most 32 + VGIC_MAX_SPIS steps. */
	while (at->prev != &v->vgic.ap_list && before(irq, irq_of(at->prev))) at = at->prev;
	list_add_tail(at, &irq->node);
	irq->on_list = v;
	v->vgic.ap_n++;
}

void vgic_irq_unlink(struct vgic_irq *irq)
{
	list_del(&irq->node);
	irq->on_list->vgic.ap_n--;
	irq->on_list = NULL;
}

static void move(struct vgic_irq *irq, struct vcpu *dest)
{
	if (irq->on_list) vgic_irq_unlink(irq);
	if (dest) link(dest, irq);
}

/*
 * v is loaded here or nowhere. A linked line means that the physical interrupt is active for v: it
 * only falls here, when the source no longer asserts it; that it rises is a physical interrupt.
 */
static void resample(struct vcpu *v, struct vgic_irq *irq)
{
	if (!irq->pintid || !irq->line || irq->active || vgic_irq_asserted(v, irq)) return;
	irq->line = false;
	if (irq->pintid >= GIC_FIRST_SPI)
		arch_gic_release(irq->pintid);
	else if (vgic_here(v))
		arch_gic_clear_active(irq->pintid);
}

/* The guest has emptied this list register, and that asserts the maintenance interrupt (EISR). */
static bool eoi_due(uint64_t lr) { return (lr & (LR_STATE | LR_HW | LR_EOI)) == LR_EOI; }

/* LR n of this CPU, which holds v's interrupt, into its struct vgic_irq. */
static void fold_lr(struct vcpu *v, unsigned n)
{
	struct vgic_vcpu *c = &v->vgic;
	struct vgic_irq *irq = c->lr_irq[n];
	uint64_t lr = arch_gic_lr_read(n);
	/* Of a v2 SGI; of others that field is 0, or part of PINTID. */
	unsigned source = lr & LR_HW ? 0 : (unsigned)FIELD_GET(LR_CPUID, lr);

	c->lr[n] = (lr & LR_STATE) || eoi_due(lr) ? lr : 0;
	irq->in_lr = false;
	irq->active = (lr & LR_ACTIVE) != 0;
	irq->active_source = (uint8_t)source;
	if ((lr & LR_PENDING) && irq->lr_latch) irq->latch |= (uint8_t)BIT32(source);
	irq->lr_latch = false;
	if (irq->pintid && !(lr & LR_STATE) && !irq->again && ((lr & LR_HW) || irq->pulse)) {
		irq->line = false; /* the guest's deactivation reached the hardware, */
		if (!(lr & LR_HW)) arch_gic_release(irq->pintid); /* or does now */
	}
	irq->again = false;
	if (irq->active_req != VGIC_NO_REQ) {
		irq->active = irq->active_req == VGIC_SET_ACTIVE;
		irq->active_req = VGIC_NO_REQ;
	}
}

/*
 * Deactivations that found no list register (IHI 0048B 5.3.2, IHI 0069 12.4.3 EOIcount). With
 * EOImode 0 they come in the order of priority, so the most urgent active ones that were in no
 * list register are meant. With EOImode 1 an EOI deactivates nothing (QEMU counts it all the same)
 * and DIR traps: by stage 2 on v2, by TDIR on v3.
 */
static void fold_eoicount(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;
	unsigned count = (unsigned)FIELD_GET(VGIC_HCR_EOICOUNT, arch_gic_hcr_read());

	if (count == 0) return;
	arch_gic_hcr_write(c->hcr);
	if (arch_gic_vmcr_read().split) return;
	list_for_each (n, &c->ap_list) {
		struct vgic_irq *irq = irq_of(n);

		if (count != 0 && irq->active && !irq->in_lr) {
			irq->active = false;
			count--;
		}
	}
}

/* All of v's state into struct vgic_irq. v is loaded here; populate() or an empty v follows. */
static void fold(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;

	c->askers = 0;
	if (c->hcr & VGIC_HCR_LRENPIE) fold_eoicount(v);
	while (c->nr_used > 0) fold_lr(v, --c->nr_used);
	list_for_each_safe (n, tmp, &c->ap_list) {
		struct vgic_irq *irq = irq_of(n);
		struct vcpu *dest;

		resample(v, irq);
		dest = oracle(&v->vm->vgic, irq);
		if (dest == v) continue;
		move(irq, dest);
		if (dest) vcpu_kick(dest, VCPU_WORK_VGIC);
	}
}

/*
 * The list register for irq. What moves into it leaves irq (see lr_latch). SGIs of v2: one source
 * at a time, EOI maintenance brings the next.
 */
static uint64_t lr_make(struct vcpu *v, struct vgic_irq *irq)
{
	bool fwd = forwarded(&v->vm->vgic, irq);
	bool level = fwd && line_pends(irq);
	unsigned source =
	    irq->latch && !irq->active ? (unsigned)__builtin_ctz(irq->latch) : irq->active_source;
	uint64_t lr = irq->intid | FIELD_PREP(LR_PRIORITY, irq->priority);

	if (irq->group1) lr |= LR_GROUP1;
	if (irq->active) lr |= LR_ACTIVE;
	if (irq->active && !(irq->pintid && irq->line) &&
	    (irq->to != v || v->vgic.ap_n > arch_gic_info()->nr_lrs)) {
		/*
		 * Once inactive, it goes to another target; or it would be pending in front of a
		 * more urgent one that is in no list register.
		 */
		lr |= FIELD_PREP(LR_CPUID, irq->active_source);
		return fwd && vgic_irq_pending(irq) ? lr | LR_EOI : lr;
	}
	if (irq->pintid && irq->line && !(irq->active && irq->latch) &&
	    arch_gic_info()->linked_lrs) {
		/* Never pending and active (IHI 0048B 5.2.2): what is due then comes by hardware.
		 */
		lr |= LR_HW | FIELD_PREP(LR_PINTID, irq->pintid);
	} else {
		lr |= FIELD_PREP(LR_CPUID, source);
		if (level) lr |= LR_EOI; /* still high after the EOI: again */
	}
	if (fwd && ((irq->latch & BIT32(source)) || (level && !irq->active))) {
		irq->lr_latch = (irq->latch & BIT32(source)) != 0;
		irq->latch &= (uint8_t)~BIT32(source);
		lr |= LR_PENDING;
	}
	return fwd && irq->latch ? lr | LR_EOI : lr;
}

/* Into the next list register. What is in it already needs no write. */
static void place(struct vcpu *v, struct vgic_irq *irq)
{
	struct vgic_vcpu *c = &v->vgic;
	uint64_t lr = lr_make(v, irq);

	irq->lr = (uint8_t)c->nr_used++;
	irq->in_lr = true;
	if (c->lr[irq->lr] != lr) arch_gic_lr_write(irq->lr, lr);
	c->lr[irq->lr] = lr;
	c->lr_irq[irq->lr] = irq;
}

/* What was in the other list registers before the fold does not reach the guest. */
static void drop_rest(struct vgic_vcpu *c)
{
	for (unsigned n = c->nr_used; n < arch_gic_info()->nr_lrs; n++) {
		if (c->lr[n] != 0) arch_gic_lr_write(n, 0);
		c->lr[n] = 0;
	}
}

/* Places up to max interrupts, most urgent first; returns how many more it would have taken. */
static unsigned pick(struct vcpu *v, bool active, uint32_t groups, unsigned max)
{
	list_for_each (n, &v->vgic.ap_list) {
		struct vgic_irq *irq = irq_of(n);

		if (max == 0) break;
		if (!irq->in_lr && irq->active == active && in_groups(irq, groups)) {
			place(v, irq);
			max--;
		}
	}
	return max;
}

/*
 * More interrupts than list registers. One register is for the most urgent pending one that the
 * CPU interface lets pass, for it may preempt whatever is active (at once, with EOImode 1); then
 * active ones, whose deactivation works without an exit; then pending ones. Causes to come back:
 * - pending ones left out: NPIE, when all that are in are acknowledged. One is in, so it is not
 *   true at once;
 * - active ones left out: LRENPIE, when one of those is deactivated;
 * - UIE in both cases, to refill before that. All registers are in use now, so with two or more it
 *   is not true at once; with one it would be for ever, so it stays off.
 */
static uint32_t populate_some(struct vcpu *v, unsigned nr)
{
	uint32_t on = arch_gic_vmcr_read().groups;
	uint32_t hcr = nr > 1 ? VGIC_HCR_UIE : 0;
	unsigned room = nr - 1;

	if (pick(v, false, on, 1) != 0 && pick(v, false, CTLR_GROUPS, 1) != 0) room++;
	room = pick(v, true, CTLR_GROUPS, room);
	room = pick(v, false, on, room);
	pick(v, false, CTLR_GROUPS, room);
	list_for_each (n, &v->vgic.ap_list)
		if (!irq_of(n)->in_lr) hcr |= irq_of(n)->active ? VGIC_HCR_LRENPIE : VGIC_HCR_NPIE;
	return hcr;
}

/* After fold(): list registers from the list. */
static void populate(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;
	unsigned nr = arch_gic_info()->nr_lrs;
	uint32_t hcr = HCR_ALL_IN;

	if (c->ap_n <= nr)
		list_for_each (n, &c->ap_list) place(v, irq_of(n));
	else
		hcr |= populate_some(v, nr);
	drop_rest(c);
	if (hcr != c->hcr) {
		c->hcr = hcr;
		arch_gic_hcr_write(hcr);
	}
}

void vgic_irq_begin(struct vgic_irq *irq)
{
	struct vcpu *v = irq->on_list;

	if (!v || !vgic_here(v)) return;
	/* EOICount speaks of what is in no list register, by the priorities before this change. */
	if (!irq->in_lr && !(v->vgic.hcr & VGIC_HCR_LRENPIE)) return;
	fold(v);
	vcpu_kick(v, VCPU_WORK_VGIC);
}

void vgic_irq_end(struct vm *vm, struct vgic_irq *irq)
{
	struct vcpu *was = irq->on_list, *v;

	if (irq->intid >= VGIC_NR_PRIVATE) irq->to = target_of(vm, irq);
	v = irq->to;
	if (!irq->in_lr && v && vgic_asks(v)) resample(v, irq);
	/* Also where it stays: its priority may be another one. */
	move(irq, irq->in_lr ? was : oracle(&vm->vgic, irq));
	if (irq->on_list) vcpu_kick(irq->on_list, VCPU_WORK_VGIC);
	if (was && was != irq->on_list) vcpu_kick(was, VCPU_WORK_VGIC);
}

void vgic_irqs_again(struct vm *vm, unsigned first)
{
	for (unsigned i = first; i < vm->vgic.nr_irqs; i++) {
		vgic_irq_begin(&vm->vgic.irqs[i]);
		vgic_irq_end(vm, &vm->vgic.irqs[i]);
	}
}

/* Out of line: the hot ways that come here need no register saved for it. */
__attribute__((noinline)) void vgic_irq_set_line(struct vm *vm, struct vgic_irq *irq, bool level)
{
	vgic_irq_begin(irq);
	if (level && irq->edge && !irq->pintid) irq->latch = 1;
	irq->line = level;
	irq->again = irq->in_lr;
	vgic_irq_end(vm, irq);
}

/*
 * Pending again in place, if it is in a list register of this CPU that the guest has emptied. (No
 * EOI bit is there: no other source waits.) Only the loaded vCPU itself sends an SGI to the vCPU
 * that is loaded here, so that it is running. A linked one could only fire because it was emptied.
 */
static inline __attribute__((always_inline)) bool
pend_in_place(struct vcpu *v, struct vgic_irq *irq, bool hw, uint64_t source)
{
	uint64_t lr = v->vgic.lr[irq->lr];

	if (!irq->in_lr || !forwarded(&v->vm->vgic, irq)) return false;
	if (hw ? !(lr & LR_HW)
	       : irq->latch != 0 || !vgic_here(v) || (arch_gic_lr_read(irq->lr) & LR_STATE))
		return false;
	lr = (lr & ~(hw ? LR_STATE : LR_STATE | LR_CPUID)) | LR_PENDING | source;
	irq->lr_latch = !hw;
	v->vgic.lr[irq->lr] = lr;
	arch_gic_lr_write(irq->lr, lr);
	return true;
}

void vgic_send_sgi(struct vcpu *from, uint32_t to, unsigned intid, bool group1)
{
	struct vm *vm = from->vm;
	unsigned source = vm->vgic.version == 2 ? from->id : 0;

	spin_lock(&vm->vgic.lock);
	for (to &= BIT32(vm->nr_vcpus) - 1; to != 0; to &= to - 1) {
		struct vcpu *v = vm->vcpus[__builtin_ctz(to)];
		struct vgic_irq *irq = &v->vgic.priv[intid % GIC_NR_SGI];

		if ((irq->group1 && !group1) ||
		    pend_in_place(v, irq, false, FIELD_PREP(LR_CPUID, source)))
			continue;
		vgic_irq_begin(irq);
		irq->latch |= (uint8_t)BIT32(source);
		vgic_irq_end(vm, irq);
	}
	spin_unlock(&vm->vgic.lock);
}

void vgic_inject_hw(struct vcpu *v, uint32_t intid)
{
	struct vgic_irq *irq = &v->vgic.priv[intid % VGIC_NR_PRIVATE];

	spin_lock(&v->vm->vgic.lock);
	if (pend_in_place(v, irq, true, 0))
		irq->line = true;
	else
		vgic_irq_set_line(v->vm, irq, true);
	spin_unlock(&v->vm->vgic.lock);
}

/* Every cause of the maintenance interrupt goes: EISR, U, NP, LRENP (see populate_some). */
void vgic_sync(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;

	spin_lock(&g->lock);
	fold(v);
	populate(v);
	spin_unlock(&g->lock);
}

void vgic_put(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;

	spin_lock(&g->lock);
	fold(v);
	drop_rest(&v->vgic);
	v->vgic.hcr = 0;
	arch_gic_hcr_write(0);
	spin_unlock(&g->lock);
	arch_gic_vcpu_save(&v->arch.gic);
}

void vgic_load(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;

	/* Before the lock: what is set after this will be seen by the way into the guest. */
	if (load_relaxed(&v->work) & VCPU_WORK_VGIC)
		atomic_fetch_and_full(&v->work, ~VCPU_WORK_VGIC);
	arch_gic_vcpu_load(&v->arch.gic);
	spin_lock(&g->lock);
	populate(v);
	spin_unlock(&g->lock);
}

/* All that v has is in list registers, and none of them is pending or wants maintenance. */
static bool lrs_quiet(const struct vgic_vcpu *c)
{
	for (unsigned n = 0; n < c->nr_used; n++) {
		uint64_t lr = arch_gic_lr_read(n);

		if ((lr & LR_PENDING) || eoi_due(lr)) return false;
	}
	return c->hcr == HCR_ALL_IN && c->nr_used == load_relaxed(&c->ap_n);
}

bool vgic_pending(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;
	struct arch_gic_vmcr cpu;
	bool found = false;

	/*
	 * Racing with an injection: that one kicks after it has changed the list. What is in list
	 * registers stays there, so that the timer's next interrupt takes one write.
	 */
	if (load_relaxed(&v->vgic.ap_n) == 0 || lrs_quiet(&v->vgic)) return false;
	cpu = arch_gic_vmcr_read();
	spin_lock(&g->lock);
	fold(v);
	list_for_each (n, &v->vgic.ap_list) {
		const struct vgic_irq *irq = irq_of(n);

		found |= !irq->active && irq->priority < cpu.pmr && in_groups(irq, cpu.groups);
	}
	populate(v);
	spin_unlock(&g->lock);
	return found;
}

bool vgic_hw_active(struct vcpu *v, uint32_t intid)
{
	const struct vgic_irq *irq = &v->vgic.priv[intid % VGIC_NR_PRIVATE];

	return irq->pintid && load_relaxed(&irq->line);
}
