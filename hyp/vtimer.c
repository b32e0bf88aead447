/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest timers: CNTV is the guest's while its vCPU is loaded, with the PPI's active state part of
 * the vCPU's context, and a software deadline otherwise. CNTP is emulated with deadlines.
 */
#include <hyp/atomic.h>
#include <hyp/pcpu.h>
#include <hyp/vcpu.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <hyp/vtimer.h>
#include <arch/gic.h>

static bool enabled(uint32_t ctl)
{
	return (ctl & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK)) == TIMER_CTL_ENABLE;
}

/* PPI 27 of the guest is linked to the host's virtual timer PPI. */
static bool virt_level(struct vcpu *v, uint32_t intid)
{
	const struct arch_vtimer *t = &v->vtimer.virt;

	if (this_pcpu()->loaded == v) return arch_vtimer_output();
	return enabled(t->ctl) && arch_counter() - v->vm->cntvoff >= t->cval;
}

/* CNTPCT as the guest reads it. */
static uint64_t guest_cntpct(const struct vcpu *v) { return arch_counter() - v->vm->cntpct_off; }

static bool phys_level(struct vcpu *v, uint32_t intid)
{
	const struct vtimer *t = &v->vtimer;

	return enabled(t->phys_ctl) && guest_cntpct(v) >= t->phys_cval;
}

static const struct vgic_line_ops virt_lops = {virt_level};
static const struct vgic_line_ops phys_lops = {phys_level};

/* The vCPU was not loaded when the deadline was set; if it is by now, its CNTV does the work. */
static void virt_fire(struct deadline *d, uint64_t now)
{
	struct vcpu *v = container_of(d, struct vcpu, vtimer.virt_dl);

	if (load_acquire(&v->loaded_on) < 0) vgic_set_line(v->vm, v, GUEST_VTIMER_INTID, true);
}

static void phys_fire(struct deadline *d, uint64_t now)
{
	struct vcpu *v = container_of(d, struct vcpu, vtimer.phys_dl);

	if (phys_level(v, GUEST_PTIMER_INTID)) vgic_set_line(v->vm, v, GUEST_PTIMER_INTID, true);
}

static const struct deadline_ops virt_dl_ops = {virt_fire};
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
	t->virt = (struct arch_vtimer){0};
	t->phys_ctl = 0;
	t->phys_cval = 0;
	t->phys_active_set = false;
	if (v->vm->vgic.version != 0) {
		vgic_link(v, GUEST_VTIMER_INTID, host.timer.virt_intid, &virt_lops);
		vgic_link(v, GUEST_PTIMER_INTID, 0, &phys_lops);
	}
}

void vtimer_load(struct vcpu *v)
{
	struct vtimer *t = &v->vtimer;

	deadline_cancel(&t->virt_dl);
	/*
	 * The active state belongs to the vCPU: without it, a timer that the guest is still
	 * handling would fire into EL2 again; left behind, it would silence the next guest's.
	 */
	t->phys_active_set = vgic_hw_active(v, GUEST_VTIMER_INTID);
	if (t->phys_active_set) arch_gic_set_active(host.timer.virt_intid);
	arch_vtimer_load(&t->virt, v->vm->cntvoff);
}

/* A CVAL so far away that its sum with the offset wraps never comes. */
static uint64_t host_time(uint64_t cval, uint64_t off)
{
	return cval + off >= off ? cval + off : TIMER_NEVER;
}

/* What stands in for CNTV until v is loaded again. */
static void virt_arm(struct vcpu *v)
{
	struct vtimer *t = &v->vtimer;

	if (enabled(t->virt.ctl) && !vgic_hw_active(v, GUEST_VTIMER_INTID))
		deadline_set(&t->virt_dl, host_time(t->virt.cval, v->vm->cntvoff));
}

void vtimer_put(struct vcpu *v)
{
	struct vtimer *t = &v->vtimer;

	arch_vtimer_save(&t->virt);
	if (t->phys_active_set) {
		arch_gic_clear_active(host.timer.virt_intid);
		t->phys_active_set = false;
	}
	virt_arm(v);
}

void vtimer_irq(struct vcpu *v)
{
	if (!v) {
		/* CNTV is masked while nothing is loaded: a last edge of the one that left. */
		arch_gic_clear_active(host.timer.virt_intid);
		return;
	}
	v->vtimer.phys_active_set = true;
	vgic_inject_hw(v, GUEST_VTIMER_INTID);
	if (load_relaxed(&v->state) == VCPU_BLOCKED) vcpu_wake(v);
}

static void phys_update(struct vcpu *v)
{
	struct vtimer *t = &v->vtimer;
	bool level = phys_level(v, GUEST_PTIMER_INTID);

	deadline_set(&t->phys_dl, enabled(t->phys_ctl) && !level
	                              ? host_time(t->phys_cval, v->vm->cntpct_off)
	                              : TIMER_NEVER);
	vgic_set_line(v->vm, v, GUEST_PTIMER_INTID, level);
}

void vtimer_vm_freeze(struct vm *vm)
{
	vm->frozen_at = arch_counter();
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		deadline_cancel(&vm->vcpus[i]->vtimer.virt_dl);
		deadline_cancel(&vm->vcpus[i]->vtimer.phys_dl);
	}
	if (vm->pl031) vpl031_freeze(vm);
}

void vtimer_vm_thaw(struct vm *vm)
{
	uint64_t ticks = arch_counter() - vm->frozen_at;

	vm->cntvoff += ticks;
	vm->cntpct_off += ticks;
	vm->cntpct_trap = true;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		virt_arm(vm->vcpus[i]);
		phys_update(vm->vcpus[i]);
	}
	if (vm->pl031) vpl031_thaw(vm, ticks);
}

uint64_t vtimer_cntp_read_ctl(struct vcpu *v)
{
	const struct vtimer *t = &v->vtimer;
	bool met = (t->phys_ctl & TIMER_CTL_ENABLE) && guest_cntpct(v) >= t->phys_cval;

	return t->phys_ctl | (met ? TIMER_CTL_ISTATUS : 0);
}

uint64_t vtimer_cntp_read_cval(struct vcpu *v) { return v->vtimer.phys_cval; }

uint64_t vtimer_cntp_read_tval(struct vcpu *v)
{
	return (uint32_t)(v->vtimer.phys_cval - guest_cntpct(v));
}

void vtimer_cntp_write_ctl(struct vcpu *v, uint64_t val)
{
	v->vtimer.phys_ctl = (uint32_t)val & (TIMER_CTL_ENABLE | TIMER_CTL_IMASK);
	phys_update(v);
}

void vtimer_cntp_write_cval(struct vcpu *v, uint64_t val)
{
	v->vtimer.phys_cval = val;
	phys_update(v);
}

/* TVAL is signed 32 bit, relative to now (Arm ARM D11.2.4). */
void vtimer_cntp_write_tval(struct vcpu *v, uint64_t val)
{
	vtimer_cntp_write_cval(v, guest_cntpct(v) + (uint64_t)(int64_t)(int32_t)val);
}
