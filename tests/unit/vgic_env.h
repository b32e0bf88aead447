/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the vGIC's tests: one VM on fake CPUs. Include it once in a test. What the guest sees goes
 * through mmio_access() and the fake virtual CPU interface only.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include "hyp/vgic/internal.h"
#include "tests/fake_arch/fake.h"
#include "tests/fake_arch/fake_gic.h"
#include "tests/mmio_access.h"

#define GICD UINT64_C(0x08000000)
#define GICR UINT64_C(0x080a0000)
#define SGI_FRAME UINT64_C(0x10000)
#define SPI 40u /* the one most tests use */
#define TIMER 27u

struct pcpu pcpus[MAX_PCPUS];
static const struct machine env_machine = {.gicd = GICD, .gicc = 0x08010000, .gicr = GICR};
static struct vm vm;
static struct vcpu vcpus[MAX_VCPUS];
static unsigned kicks[MAX_VCPUS], wakes;
static bool timer_line[MAX_VCPUS]; /* output of the vCPU's timer */

bool vtimer_level(struct vcpu *v)
{
	/* The vGIC may ask here for what is loaded here, or for what is not loaded. */
	assert_true(v->loaded_on < 0 || v->loaded_on == (int)this_pcpu()->id);
	return timer_line[v->id];
}

static __attribute__((unused)) void set_timer(unsigned id, bool line)
{
	timer_line[id] = line;
	if (vcpus[id].loaded_on >= 0) fake_gic[vcpus[id].loaded_on].ppi_line[TIMER] = line;
}

void *page_alloc_hyp(uint64_t size) { return calloc(1, size); }

void page_free_hyp(void *p, uint64_t size)
{
	(void)size;
	free(p);
}

uint64_t vm_vcpu_mpidr(unsigned version, unsigned id)
{
	unsigned n = version == 2 ? 8 : 16;

	return BIT(31) | (uint64_t)(id / n) << 8 | id % n;
}

struct vcpu *vm_vcpu_by_mpidr(struct vm *of, uint64_t mpidr)
{
	for (unsigned i = 0; i < of->nr_vcpus; i++)
		if (vm_vcpu_mpidr(of->vgic.version, i) == (mpidr | BIT(31))) return of->vcpus[i];
	return NULL;
}

void vcpu_kick(struct vcpu *v, uint32_t work)
{
	v->work |= work;
	kicks[v->id]++;
	if (v->state == VCPU_BLOCKED) {
		v->state = VCPU_READY;
		wakes++;
	}
}

void vcpu_wake(struct vcpu *v)
{
	assert_int_equal(v->state, VCPU_BLOCKED);
	v->state = VCPU_READY;
	wakes++;
}

/* An edge, whatever the configuration: as from a source without a line. */
static __attribute__((unused)) void env_pulse(unsigned intid)
{
	struct vgic_irq *irq;

	spin_lock(&vm.vgic.lock);
	irq = vgic_irq_find(&vm, NULL, intid);
	if (irq) {
		vgic_irq_begin(irq);
		irq->latch = true;
		vgic_irq_end(&vm, irq);
	}
	spin_unlock(&vm.vgic.lock);
}

static __attribute__((unused)) void env_cpu(unsigned cpu) { fake_pcpu = &pcpus[cpu]; }

static __attribute__((unused)) void env_load(unsigned id, unsigned cpu)
{
	env_cpu(cpu);
	pcpus[cpu].loaded = &vcpus[id];
	vgic_load(&vcpus[id]);
	vcpus[id].loaded_on = (int32_t)cpu;
	if (vgic_hw_active(&vcpus[id], TIMER)) arch_gic_set_active(TIMER);
	fake_gic[cpu].ppi_line[TIMER] = timer_line[id];
}

static __attribute__((unused)) void env_put(unsigned id)
{
	unsigned cpu = (unsigned)vcpus[id].loaded_on;

	env_cpu(cpu);
	vgic_put(&vcpus[id]);
	fake_gic[cpu].ppi_active[TIMER] = false;
	fake_gic[cpu].ppi_line[TIMER] = false;
	vcpus[id].loaded_on = -1;
	pcpus[cpu].loaded = NULL;
	for (unsigned i = 0; i < arch_gic_info()->nr_lrs; i++)
		assert_int_equal(fake_gic[cpu].lr[i] & LR_STATE, 0);
	assert_int_equal(fake_gic_misr(cpu), 0);
}

/* vCPU i is loaded on CPU i for i < loaded. */
static __attribute__((unused)) void env_setup(unsigned version, unsigned nr_lrs, unsigned nr_vcpus,
                                              unsigned loaded)
{
	fake_reset();
	fake_log_on(false);
	fake_gic_init(version, nr_lrs);
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(pcpus, 0, sizeof(pcpus));
	memset(timer_line, 0, sizeof(timer_line));
	memset(kicks, 0, sizeof(kicks));
	wakes = 0;
	vm.machine = &env_machine;
	vm.nr_vcpus = nr_vcpus;
	for (unsigned i = 0; i < MAX_PCPUS; i++) pcpus[i].id = i;
	env_cpu(0);
	assert_int_equal(vgic_vm_init(&vm, version, 64), HYP_OK);
	for (unsigned i = 0; i < nr_vcpus; i++) {
		struct vcpu *v = &vcpus[i];

		v->id = i;
		v->vm = &vm;
		v->state = VCPU_RUNNING;
		v->loaded_on = -1;
		v->on = true;
		vm.vcpus[i] = v;
		arch_gic_vcpu_reset(&v->arch.gic);
		vgic_vcpu_init(v);
		vgic_link(v, TIMER, TIMER);
	}
	vgic_vm_reset(&vm);
	for (unsigned i = 0; i < loaded; i++) env_load(i, i);
	env_cpu(0);
}

static __attribute__((unused)) void env_teardown(void)
{
	assert_int_equal(fake_locks_held(), 0);
	vgic_vm_fini(&vm);
}

/* What EL2 does before CPU `cpu` is back in its guest. Causes must go away: no livelock. */
static __attribute__((unused)) void env_enter(unsigned cpu)
{
	struct vcpu *v = pcpus[cpu].loaded;
	struct pcpu *old = fake_pcpu;

	if (!v) return;
	env_cpu(cpu);
	for (unsigned n = 0;; n++) {
		assert_true(n < 6);
		if (v->work & VCPU_WORK_VGIC) {
			v->work &= ~VCPU_WORK_VGIC;
			vgic_sync(v);
		} else if (fake_gic_ppi_fires(cpu, TIMER)) {
			fake_gic[cpu].ppi_active[TIMER] = true;
			vgic_inject_hw(v, TIMER);
		} else if (fake_gic_misr(cpu)) {
			vgic_sync(v);
		} else {
			break;
		}
	}
	fake_pcpu = old;
}

static __attribute__((unused)) uint64_t env_mmio(unsigned id, uint64_t addr, bool write,
                                                 unsigned size, uint64_t val)
{
	struct pcpu *old = fake_pcpu;
	enum mmio_result r;
	unsigned turns = 0;

	env_cpu((unsigned)vcpus[id].loaded_on);
	/* A read that needs another CPU's list registers: it takes the kick, one turn is enough. */
	while ((r = mmio_access(&vcpus[id], addr, write, size, &val)) == MMIO_AGAIN) {
		assert_true(!write && turns++ == 0);
		assert_int_not_equal(vcpus[id].vgic.asked, 0);
		for (unsigned cpu = 0; cpu < MAX_PCPUS; cpu++) env_enter(cpu);
	}
	assert_int_equal(r, MMIO_OK);
	assert_int_equal(vcpus[id].vgic.asked, 0);
	env_enter((unsigned)vcpus[id].loaded_on);
	fake_pcpu = old;
	return val;
}

/* GICD, 32 bits, by vCPU 0. */
static __attribute__((unused)) uint32_t rd(uint32_t off)
{
	return (uint32_t)env_mmio(0, GICD + off, false, 4, 0);
}

static __attribute__((unused)) void wr(uint32_t off, uint32_t val)
{
	env_mmio(0, GICD + off, true, 4, val);
}

static __attribute__((unused)) void wr8(uint32_t off, uint8_t val)
{
	env_mmio(0, GICD + off, true, 1, val);
}

/* The bit of an SPI in a bitmap register. */
static __attribute__((unused)) bool bit(uint32_t reg, unsigned intid)
{
	return rd(reg + intid / 32 * 4) >> (intid % 32) & 1;
}

static __attribute__((unused)) void set_bit(uint32_t reg, unsigned intid)
{
	wr(reg + intid / 32 * 4, BIT32(intid % 32));
}

static __attribute__((unused)) void set_edge(unsigned intid, bool edge)
{
	uint32_t off = 0xc00 + intid / 16 * 4, v = rd(off) & ~(3u << (intid % 16 * 2));

	wr(off, v | (edge ? 2u << (intid % 16 * 2) : 0));
}

/* Enabled, to vCPU `to`. */
static __attribute__((unused)) void env_spi(unsigned intid, uint8_t priority, bool edge,
                                            unsigned to)
{
	set_edge(intid, edge);
	wr8(0x400 + intid, priority);
	if (vm.vgic.version == 2)
		wr8(0x800 + intid, (uint8_t)BIT32(to));
	else
		env_mmio(0, GICD + 0x6000 + 8 * intid, true, 8, vm_vcpu_mpidr(3, to) & ~BIT(31));
	set_bit(0x100, intid);
}

/* Guest operations with the exits they cause. */
static __attribute__((unused)) uint32_t ack(unsigned cpu)
{
	uint32_t iar;

	env_enter(cpu);
	iar = fake_gic_iar(cpu);
	env_enter(cpu);
	return iar;
}

static __attribute__((unused)) void eoi(unsigned cpu, uint32_t iar)
{
	env_enter(cpu);
	fake_gic_eoir(cpu, iar);
	env_enter(cpu);
}

static __attribute__((unused)) void dir(unsigned cpu, uint32_t iar)
{
	env_enter(cpu);
	if (!fake_gic_dir(cpu, iar)) {
		env_cpu(cpu);
		vgic_dir_write(pcpus[cpu].loaded, iar & 0x3ff);
	}
	env_enter(cpu);
}

/* Invariants of the state. */
static __attribute__((unused)) void check_irq(struct vgic_irq *irq)
{
	struct vcpu *v = irq->on_list;

	assert_true(!irq->in_lr || v);
	if (irq->in_lr) {
		assert_true(v->loaded_on >= 0);
		assert_true(irq->lr < v->vgic.nr_used);
		assert_ptr_equal(v->vgic.lr_irq[irq->lr], irq);
		return;
	}
	assert_false(irq->lr_latch);
	if (irq->active) {
		assert_true(v || !irq->to);
		return;
	}
	if (vgic_irq_pending(irq) && irq->enabled && (vm.vgic.ctlr >> irq->group1 & 1))
		assert_ptr_equal(v, irq->to);
	else
		assert_null(v);
}

static __attribute__((unused)) void env_check(void)
{
	for (unsigned i = 0; i < vm.nr_vcpus; i++) {
		struct vgic_vcpu *c = &vcpus[i].vgic;
		unsigned n = 0;
		uint32_t last = 0;

		list_for_each (node, &c->ap_list) {
			struct vgic_irq *irq = container_of(node, struct vgic_irq, node);
			uint32_t key = (uint32_t)irq->priority << 16 | irq->intid;

			assert_ptr_equal(irq->on_list, &vcpus[i]);
			assert_true(n == 0 || key > last);
			last = key;
			n++;
		}
		assert_int_equal(n, c->ap_n);
		assert_true(vcpus[i].loaded_on >= 0 || (c->nr_used | c->hcr) == 0);
		if (vcpus[i].loaded_on >= 0 && !(vcpus[i].work & VCPU_WORK_VGIC)) {
			for (unsigned lr = c->nr_used; lr < arch_gic_info()->nr_lrs; lr++)
				assert_int_equal(
				    fake_gic[vcpus[i].loaded_on].lr[lr] & (LR_STATE | LR_EOI), 0);
			/* Whatever is left out has a way back. */
			if (n > c->nr_used) {
				assert_int_equal(c->nr_used, arch_gic_info()->nr_lrs);
				assert_true(c->hcr & (VGIC_HCR_NPIE | VGIC_HCR_LRENPIE));
			}
		}
		for (unsigned p = 0; p < 32; p++) check_irq(&c->priv[p]);
	}
	for (unsigned i = 0; i < vm.vgic.nr_spis; i++) check_irq(&vm.vgic.spis[i]);
}
