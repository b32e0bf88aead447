/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest timers: CNTV is the guest's while its vCPU is loaded, with the PPI's active state part of
 * the vCPU's context, and a software deadline otherwise. CNTP is emulated with deadlines.
 */
#include <hyp/vm.h>

static bool enabled(const struct arch_vtimer *t)
{
	return (t->ctl & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK)) == TIMER_CTL_ENABLE;
}

/* Its output, where the guest's time is the counter less off. */
static bool output(const struct arch_vtimer *t, uint64_t off)
{
	return enabled(t) && arch_counter() - off >= t->cval;
}

/* PPI 27 of the guest is linked to the host's virtual timer PPI. */
bool vtimer_level(struct vcpu *v)
{
	return this_pcpu()->loaded == v ? arch_vtimer_output()
	                                : output(&v->vtimer.virt, v->vm->cntvoff);
}

/* The vCPU was not loaded when the deadline was set; if it is by now, its CNTV does the work. */
static void virt_fire(struct deadline *d, uint64_t now)
{
	struct vcpu *v = container_of(d, struct vcpu, vtimer.virt_dl);

	if (load_acquire(&v->loaded_on) < 0) vgic_set_line(v->vm, v, GUEST_VTIMER_INTID, true);
}

static const struct deadline_ops virt_dl_ops = {virt_fire};

/* Again if the guest has set its timer meanwhile, on another CPU: the last one here is right. */
static void phys_line(struct vcpu *v)
{
	bool level;

	do {
		level = output(&v->vtimer.phys, v->vm->cntpct_off);
		vgic_set_line(v->vm, v, GUEST_PTIMER_INTID, level);
	} while (level != output(&v->vtimer.phys, v->vm->cntpct_off));
}

static void phys_fire(struct deadline *d, uint64_t now)
{
	phys_line(container_of(d, struct vcpu, vtimer.phys_dl));
}

static const struct deadline_ops phys_dl_ops = {phys_fire};

void vtimer_vcpu_init(struct vcpu *v)
{
	deadline_init(&v->vtimer.virt_dl, &virt_dl_ops);
	deadline_init(&v->vtimer.phys_dl, &phys_dl_ops);
}

void vtimer_vcpu_reset(struct vcpu *v)
{
	struct vtimer *t = &v->vtimer;

	deadline_cancel(&t->virt_dl);
	deadline_cancel(&t->phys_dl);
	t->virt = t->phys = (struct arch_vtimer){0};
	vgic_link(v, GUEST_VTIMER_INTID, host.timer.virt_intid);
}

void vtimer_load(struct vcpu *v)
{
	deadline_cancel(&v->vtimer.virt_dl);
	/*
	 * The active state belongs to the vCPU: without it, a timer that the guest is still
	 * handling would fire into EL2 again; left behind, it would silence the next guest's.
	 */
	if (vgic_hw_active(v, GUEST_VTIMER_INTID)) arch_gic_set_active(host.timer.virt_intid);
	arch_vtimer_load(&v->vtimer.virt, v->vm->cntvoff);
}

/* Until its time in the guest; a CVAL so far away that its sum with the offset wraps never comes.
 */
static void arm(struct deadline *d, const struct arch_vtimer *t, uint64_t off, bool wanted)
{
	deadline_set(d, wanted && enabled(t) && t->cval + off >= off ? t->cval + off : TIMER_NEVER);
}

/* What stands in for CNTV until v is loaded again. */
static void virt_arm(struct vcpu *v)
{
	arm(&v->vtimer.virt_dl, &v->vtimer.virt, v->vm->cntvoff,
	    !vgic_hw_active(v, GUEST_VTIMER_INTID));
}

static void phys_update(struct vcpu *v)
{
	uint64_t off = v->vm->cntpct_off;

	arm(&v->vtimer.phys_dl, &v->vtimer.phys, off, !output(&v->vtimer.phys, off));
	phys_line(v);
}

void vtimer_put(struct vcpu *v)
{
	arch_vtimer_save(&v->vtimer.virt);
	/* It is active if it was when v was loaded or has fired since, and v has not ended it. */
	if (vgic_hw_active(v, GUEST_VTIMER_INTID)) arch_gic_clear_active(host.timer.virt_intid);
	virt_arm(v);
}

void vtimer_irq(struct vcpu *v, uint32_t iar)
{
	/* Priority drop only: it stays active until the guest deactivates it (LR.HW). */
	arch_gic_drop(iar);
	if (!v) {
		/* CNTV is masked while nothing is loaded: a last edge of the one that left. */
		arch_gic_clear_active(iar);
		return;
	}
	vgic_inject_hw(v, GUEST_VTIMER_INTID);
	if (!vcpu_wake_in_place(v) && load_relaxed(&v->state) == VCPU_BLOCKED) vcpu_wake(v);
}

void vtimer_vm_freeze(struct vm *vm)
{
	vm->frozen_at = arch_counter();
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		deadline_cancel(&vm->vcpus[i]->vtimer.virt_dl);
		deadline_cancel(&vm->vcpus[i]->vtimer.phys_dl);
	}
	deadline_cancel(&vm->pl031.alarm);
}

void vtimer_vm_thaw(struct vm *vm)
{
	uint64_t ticks = arch_counter() - vm->frozen_at;

	vm->cntvoff += ticks;
	vm->cntpct_off += ticks;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		virt_arm(vm->vcpus[i]);
		phys_update(vm->vcpus[i]);
	}
	vpl031_thaw(vm, ticks);
}

void vtimer_cntp(struct vcpu *v, enum cntp_reg reg, uint64_t val, uint64_t *out)
{
	struct arch_vtimer *t = &v->vtimer.phys;
	uint64_t now = arch_counter() - v->vm->cntpct_off; /* CNTPCT as the guest reads it */
	bool met = (t->ctl & TIMER_CTL_ENABLE) && now >= t->cval;

	if (out) {
		*out = reg == CNTP_TVAL  ? (uint32_t)(t->cval - now)
		       : reg == CNTP_CTL ? t->ctl | (met ? TIMER_CTL_ISTATUS : 0)
		                         : t->cval;
		return;
	}
	if (reg == CNTP_CTL)
		t->ctl = (uint32_t)val & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK);
	else /* TVAL is signed 32 bit, relative to now (Arm ARM D11.2.4) */
		t->cval = reg == CNTP_CVAL ? val : now + (uint64_t)(int64_t)(int32_t)val;
	phys_update(v);
}
