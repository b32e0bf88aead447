/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vGIC core: who gets an interrupt (oracle), the lists, list registers in (fold) and out (place,
 * populate). Static functions are called with the VM's vGIC lock held.
 */
#include <hyp/atomic.h>
#include <hyp/pcpu.h>
#include "internal.h"

bool vgic_here(const struct vcpu *v) { return v->vgic.cpu == (int)this_pcpu()->id; }

static struct vgic_irq *irq_of(struct list_node *n) { return list_entry(n, struct vgic_irq, node); }

/* The line's own say: a linked line is level-sensitive whatever the guest wrote to ICFGR. */
static bool line_pends(const struct vgic_irq *irq) { return irq->line && (!irq->edge || irq->hw); }

bool vgic_irq_pending(const struct vgic_irq *irq)
{
	return irq->latch || irq->sgi_sources != 0 || line_pends(irq);
}

static bool forwarded(const struct vgic_vm *g, const struct vgic_irq *irq)
{
	return irq->enabled && (g->ctlr & (irq->group1 ? CTLR_GRP1 : CTLR_GRP0)) != 0;
}

struct vcpu *vgic_irq_owner(struct vm *vm, const struct vgic_irq *irq)
{
	return irq->target < MAX_VCPUS ? vm->vcpus[irq->target] : NULL;
}

/* Whose list it belongs on. An active one stays where it was acknowledged. */
static struct vcpu *oracle(struct vm *vm, const struct vgic_irq *irq)
{
	if (irq->active && irq->on_list) return irq->on_list;
	if (irq->active || (forwarded(&vm->vgic, irq) && vgic_irq_pending(irq)))
		return vgic_irq_owner(vm, irq);
	return NULL;
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

static void queue(struct vm *vm, struct vgic_irq *irq)
{
	struct vcpu *dest = oracle(vm, irq);

	if (dest == irq->on_list) return;
	if (irq->on_list) vgic_irq_unlink(irq);
	if (dest) link(dest, irq);
}

void vgic_irq_set_priority(struct vgic_irq *irq, uint8_t priority)
{
	struct vcpu *v = irq->on_list;

	irq->priority = priority;
	if (v) {
		vgic_irq_unlink(irq);
		link(v, irq);
	}
}

/*
 * v is loaded here or nowhere. A linked line means that the physical interrupt is active for v: it
 * only falls here, when the source no longer asserts it; that it rises is a physical interrupt.
 */
static void resample(struct vcpu *v, struct vgic_irq *irq)
{
	if (!irq->lops || (irq->edge && !irq->hw)) return;
	if (!irq->hw) {
		irq->line = irq->lops->level(v, irq->intid);
	} else if (irq->line && !irq->active && !irq->lops->level(v, irq->intid)) {
		irq->line = false;
		if (vgic_here(v)) arch_gic_clear_active(irq->pintid);
	}
}

/* LR n of this CPU, which holds v's interrupt, into its struct vgic_irq. */
static void fold_lr(struct vcpu *v, unsigned n)
{
	struct vgic_vcpu *c = &v->vgic;
	struct vgic_irq *irq = c->lr_irq[n];
	uint64_t lr = arch_gic_lr_read(n);
	bool latched;

	c->lr[n] = lr;
	c->lr_used &= ~BIT32(n);
	/* An invalid LR with the EOI bit still asserts the maintenance interrupt (EISR). */
	if ((lr & LR_STATE) != 0 || (lr & (LR_HW | LR_EOI)) == LR_EOI) c->lr_stale |= BIT32(n);
	irq->in_lr = false;
	irq->active = (lr & LR_ACTIVE) != 0;
	latched = (lr & LR_PENDING) && irq->lr_latch;
	if (vgic_is_sgi_v2(v->vm, irq)) {
		irq->active_source = (uint8_t)FIELD_GET(LR_CPUID, lr);
		irq->sgi_sources |= (uint8_t)(latched << irq->active_source);
	} else {
		irq->latch |= latched;
	}
	irq->lr_latch = false;
	if (irq->hw && (lr & (LR_HW | LR_STATE)) == LR_HW)
		irq->line = false; /* the guest's deactivation reached the hardware */
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
	if (arch_gic_vmcr_decode(arch_gic_vmcr_read()).split) return;
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

	c->folds++;
	if (c->hcr & VGIC_HCR_LRENPIE) fold_eoicount(v);
	for (uint32_t m = c->lr_used; m != 0; m &= m - 1) fold_lr(v, (unsigned)__builtin_ctz(m));
	list_for_each_safe (n, tmp, &c->ap_list) {
		struct vgic_irq *irq = irq_of(n);
		bool was = irq->line;

		resample(v, irq);
		queue(v->vm, irq);
		/*
		 * Its device will find the line high and say nothing: v, blocked and perhaps on its
		 * way out of this CPU, hears of it here.
		 */
		if (irq->line && !was) vcpu_kick(v, VCPU_WORK_VGIC);
		if (irq->on_list && irq->on_list != v) vcpu_kick(irq->on_list, VCPU_WORK_VGIC);
	}
}

/* The list register for irq. What moves into it leaves irq (see lr_latch). */
static uint64_t lr_make(struct vcpu *v, struct vgic_irq *irq)
{
	const struct vgic_vm *g = &v->vm->vgic;
	bool fwd = forwarded(g, irq);
	bool level = fwd && line_pends(irq);
	uint64_t lr = irq->intid | FIELD_PREP(LR_PRIORITY, irq->priority);

	if (irq->group1) lr |= LR_GROUP1;
	if (irq->active) lr |= LR_ACTIVE;
	if (vgic_is_sgi_v2(v->vm, irq)) {
		/* One source at a time; EOI maintenance brings the next. */
		unsigned src = irq->active ? irq->active_source
		                           : (unsigned)__builtin_ctz(irq->sgi_sources | 0x100u);

		lr |= FIELD_PREP(LR_CPUID, src);
		if (fwd && (irq->sgi_sources & BIT32(src)) != 0) {
			irq->sgi_sources &= (uint8_t)~BIT32(src);
			irq->lr_latch = true;
			lr |= LR_PENDING;
		}
		return fwd && irq->sgi_sources != 0 ? lr | LR_EOI : lr;
	}
	if (irq->active && vgic_irq_owner(v->vm, irq) != v) {
		/* Its target has changed: once inactive, it goes there. */
		return fwd && vgic_irq_pending(irq) ? lr | LR_EOI : lr;
	}
	if (irq->hw && irq->line && !(irq->active && irq->latch) && arch_gic_info()->linked_lrs) {
		/* Never pending and active (IHI 0048B 5.2.2): what is due then comes by hardware.
		 */
		lr |= LR_HW | FIELD_PREP(LR_PINTID, irq->pintid);
	} else if (level) {
		lr |= LR_EOI; /* still high after the EOI: again */
	}
	if (fwd && (irq->latch || (level && !irq->active))) {
		irq->lr_latch = irq->latch;
		irq->latch = false;
		lr |= LR_PENDING;
	}
	return lr;
}

/* There is a list register free. The one irq was in last is best: no write if nothing changed. */
static void place(struct vcpu *v, struct vgic_irq *irq)
{
	struct vgic_vcpu *c = &v->vgic;
	uint64_t lr = lr_make(v, irq);
	uint32_t bit = BIT32(irq->lr);

	if (!(c->lr_stale & bit) || c->lr_irq[irq->lr] != irq) {
		uint32_t free = v->vm->vgic.lr_mask & ~c->lr_used;

		irq->lr =
		    (uint8_t)__builtin_ctz((free & ~c->lr_stale) ? free & ~c->lr_stale : free);
		bit = BIT32(irq->lr);
	}
	if (!(c->lr_stale & bit) || c->lr[irq->lr] != lr) arch_gic_lr_write(irq->lr, lr);
	c->lr_stale &= ~bit;
	c->lr_used |= bit;
	c->lr[irq->lr] = lr;
	c->lr_irq[irq->lr] = irq;
	irq->in_lr = true;
}

static void drop_stale(struct vgic_vcpu *c)
{
	for (uint32_t m = c->lr_stale; m != 0; m &= m - 1)
		arch_gic_lr_write((unsigned)__builtin_ctz(m), 0);
	c->lr_stale = 0;
}

/* Places up to max interrupts, most urgent first; returns how many more it would have taken. */
static unsigned pick(struct vcpu *v, bool active, uint32_t groups, unsigned max)
{
	list_for_each (n, &v->vgic.ap_list) {
		struct vgic_irq *irq = irq_of(n);

		if (max == 0) break;
		if (!irq->in_lr && irq->active == active &&
		    (groups & (irq->group1 ? CTLR_GRP1 : CTLR_GRP0)) != 0) {
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
 * - active ones left out: LRENPIE, when one of those is deactivated (v3: TDIR says which);
 * - UIE in both cases, to refill before that. All registers are in use now, so with two or more it
 *   is not true at once; with one it would be for ever, so it stays off.
 */
static uint32_t populate_some(struct vcpu *v, unsigned nr)
{
	struct arch_gic_vmcr cpu = arch_gic_vmcr_decode(arch_gic_vmcr_read());
	uint32_t on = (cpu.grp0 ? CTLR_GRP0 : 0) | (cpu.grp1 ? CTLR_GRP1 : 0);
	uint32_t hcr = nr > 1 ? VGIC_HCR_UIE : 0;
	unsigned room = nr - 1;

	if (pick(v, false, on, 1) != 0 && pick(v, false, CTLR_GROUPS, 1) != 0) room++;
	room = pick(v, true, CTLR_GROUPS, room);
	room = pick(v, false, on, room);
	pick(v, false, CTLR_GROUPS, room);
	list_for_each (n, &v->vgic.ap_list)
		if (!irq_of(n)->in_lr)
			hcr |= irq_of(n)->active ? VGIC_HCR_LRENPIE | VGIC_HCR_TDIR : VGIC_HCR_NPIE;
	return hcr;
}

/* After fold(): list registers from the list. */
static void populate(struct vcpu *v)
{
	struct vgic_vcpu *c = &v->vgic;
	unsigned nr = 32 - (unsigned)__builtin_clz(v->vm->vgic.lr_mask);
	uint32_t hcr = VGIC_HCR_EN;

	if (c->ap_n <= nr)
		list_for_each (n, &c->ap_list) place(v, irq_of(n));
	else
		hcr |= populate_some(v, nr);
	drop_stale(c);
	if (hcr != c->hcr) {
		c->hcr = hcr;
		arch_gic_hcr_write(hcr);
	}
}

void vgic_irq_begin(struct vgic_irq *irq)
{
	struct vcpu *v = irq->on_list;

	if (!irq->in_lr || !vgic_here(v)) return;
	if (v->vgic.hcr & VGIC_HCR_LRENPIE) {
		/* EOICount speaks of what is in no list register now: read all in one go. */
		fold(v);
		vcpu_kick(v, VCPU_WORK_VGIC);
	} else {
		fold_lr(v, irq->lr);
	}
}

/* Everything on v's list fits: one more or one less touches one list register. */
static bool roomy(const struct vcpu *v) { return vgic_here(v) && v->vgic.hcr == VGIC_HCR_EN; }

void vgic_irq_end(struct vm *vm, struct vgic_irq *irq)
{
	struct vcpu *was = irq->on_list, *v;

	if (irq->in_lr) {
		vcpu_kick(was, VCPU_WORK_VGIC);
		return;
	}
	if (irq->hw) {
		v = vgic_irq_owner(vm, irq);
		if (v && (v->vgic.cpu < 0 || vgic_here(v))) resample(v, irq);
	}
	queue(vm, irq);
	v = irq->on_list;
	if (v && roomy(v) && v->vgic.lr_used != vm->vgic.lr_mask) {
		place(v, irq);
		if (load_relaxed(&v->state) == VCPU_BLOCKED) vcpu_wake(v); /* it idles in place */
	} else if (v) {
		vcpu_kick(v, VCPU_WORK_VGIC);
	}
	if (was && was != v && vgic_here(was)) {
		if (roomy(was))
			drop_stale(&was->vgic);
		else
			vcpu_kick(was, VCPU_WORK_VGIC);
	}
}

/*
 * An SGI whose last list register, in this CPU, the guest has emptied: pending again in place. (No
 * EOI bit is there: no other source waits.)
 * Only the loaded vCPU itself sends one to the vCPU that is loaded here, so that it is running.
 */
static bool sgi_again(struct vcpu *v, struct vgic_irq *irq, unsigned source)
{
	struct vgic_vcpu *c = &v->vgic;
	uint64_t lr = c->lr[irq->lr];

	if (!irq->in_lr || !vgic_here(v) || irq->latch || irq->sgi_sources != 0 ||
	    !forwarded(&v->vm->vgic, irq) || (arch_gic_lr_read(irq->lr) & LR_STATE))
		return false;
	lr = (lr & ~(LR_STATE | LR_CPUID)) | LR_PENDING | FIELD_PREP(LR_CPUID, source);
	irq->lr_latch = true;
	c->lr[irq->lr] = lr;
	arch_gic_lr_write(irq->lr, lr);
	return true;
}

static void sgi(struct vcpu *to, unsigned intid, unsigned source)
{
	struct vgic_irq *irq = &to->vgic.priv[intid % GIC_NR_SGI];

	if (sgi_again(to, irq, source)) return;
	vgic_irq_begin(irq);
	if (to->vm->vgic.version == 2)
		irq->sgi_sources |= (uint8_t)BIT32(source);
	else
		irq->latch = true;
	vgic_irq_end(to->vm, irq);
}

void vgic_send_sgi(struct vcpu *from, uint32_t to, unsigned intid, bool group1)
{
	struct vm *vm = from->vm;

	spin_lock(&vm->vgic.lock);
	for (to &= BIT32(vm->nr_vcpus) - 1; to != 0; to &= to - 1) {
		struct vcpu *v = vm->vcpus[__builtin_ctz(to)];

		if (v && (group1 || !v->vgic.priv[intid].group1)) sgi(v, intid, from->id);
	}
	spin_unlock(&vm->vgic.lock);
}

void vgic_inject_hw(struct vcpu *v, uint32_t intid)
{
	struct vgic_vm *g = &v->vm->vgic;
	struct vgic_vcpu *c = &v->vgic;
	struct vgic_irq *irq = &c->priv[intid % VGIC_NR_PRIVATE];

	spin_lock(&g->lock);
	if (irq->in_lr && (c->lr[irq->lr] & LR_HW) && forwarded(g, irq)) {
		/* It could fire because the guest has deactivated it: that LR is invalid. */
		uint64_t lr = (c->lr[irq->lr] & ~LR_STATE) | LR_PENDING;

		irq->line = true;
		irq->lr_latch = false;
		c->lr[irq->lr] = lr;
		arch_gic_lr_write(irq->lr, lr);
	} else {
		vgic_irq_set_line(v->vm, irq, true);
	}
	spin_unlock(&g->lock);
}

/* Every cause of the maintenance interrupt goes: EISR, U, NP, LRENP (see populate_some). */
void vgic_sync(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;

	if (g->version == 0) return;
	spin_lock(&g->lock);
	fold(v);
	populate(v);
	spin_unlock(&g->lock);
}

void vgic_put(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;

	if (g->version == 0) return;
	spin_lock(&g->lock);
	fold(v);
	drop_stale(&v->vgic);
	v->vgic.cpu = -1;
	v->vgic.hcr = 0;
	arch_gic_hcr_write(0);
	spin_unlock(&g->lock);
	arch_gic_vcpu_save(&v->arch.gic);
}

void vgic_load(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;

	if (g->version == 0) return;
	/* Before the lock: what is set after this will be seen by the way into the guest. */
	if (load_relaxed(&v->work) & VCPU_WORK_VGIC)
		atomic_fetch_and_full(&v->work, ~VCPU_WORK_VGIC);
	arch_gic_vcpu_load(&v->arch.gic);
	spin_lock(&g->lock);
	v->vgic.cpu = (int)this_pcpu()->id;
	populate(v);
	spin_unlock(&g->lock);
}

/* All that v has is in list registers, and none of them is pending or wants maintenance. */
static bool lrs_quiet(const struct vcpu *v)
{
	const struct vgic_vcpu *c = &v->vgic;
	unsigned n = 0;

	for (uint32_t m = c->lr_used; m != 0; m &= m - 1, n++) {
		uint64_t lr = arch_gic_lr_read((unsigned)__builtin_ctz(m));

		if ((lr & LR_PENDING) || (lr & (LR_STATE | LR_HW | LR_EOI)) == LR_EOI) return false;
	}
	return c->hcr == VGIC_HCR_EN && n == load_relaxed(&c->ap_n);
}

bool vgic_pending(struct vcpu *v)
{
	struct vgic_vm *g = &v->vm->vgic;
	struct arch_gic_vmcr cpu = arch_gic_vmcr_decode(arch_gic_vmcr_read());
	bool found = false;

	/*
	 * Racing with an injection: that one kicks after it has changed the list. What is in list
	 * registers stays there, so that the timer's next interrupt takes one write.
	 */
	if (load_relaxed(&v->vgic.ap_n) == 0 || lrs_quiet(v)) return false;
	spin_lock(&g->lock);
	fold(v);
	list_for_each (n, &v->vgic.ap_list) {
		const struct vgic_irq *irq = irq_of(n);

		found |=
		    !irq->active && irq->priority < cpu.pmr && (irq->group1 ? cpu.grp1 : cpu.grp0);
	}
	populate(v);
	spin_unlock(&g->lock);
	return found;
}

bool vgic_hw_active(struct vcpu *v, uint32_t intid)
{
	const struct vgic_irq *irq = &v->vgic.priv[intid % VGIC_NR_PRIVATE];
	bool active;

	spin_lock(&v->vm->vgic.lock);
	active = irq->hw && irq->line;
	spin_unlock(&v->vm->vgic.lock);
	return active;
}
