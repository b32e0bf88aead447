/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of accesses to GICD, GICR, GICC_DIR and the SGI registers of both versions, of any
 * offset, size and value, with device lines, acknowledges and ends in any order, switches of vCPUs
 * and of power, on the real vGIC and the strict fake virtual CPU interface. Invariants of lists and
 * list registers hold after every step, and the causes of exits go away.
 * links: hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c hyp/mmio.c
 * links: tests/fake_arch/gic.c tests/fake_arch/fake.c tests/fake_arch/vgic_host.c
 * covers: hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c
 * flags: -max_len=1024 -runs=15000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include "hyp/vgic/internal.h"
#include "tests/fake_arch/fake.h"
#include "tests/fake_arch/fake_gic.h"
#include "tests/fuzz/fuzz.h"
#include "tests/mmio_access.h"

#define CPUS 2u
#define TIMER 27u
#define SOFT_TIMER 30u
#define GICD UINT64_C(0x08000000)
#define GICC UINT64_C(0x08010000)
#define GICR UINT64_C(0x080a0000)

struct pcpu pcpus[MAX_PCPUS];
static const struct machine machine = {.gicd = GICD, .gicc = GICC, .gicr = GICR};
static struct vm vm;
static struct vcpu vcpus[CPUS];
static bool timer_line[CPUS];
static const uint8_t *in, *in_end;

bool vtimer_level(struct vcpu *v)
{
	EXPECT(v->loaded_on < 0 || v->loaded_on == (int)this_pcpu()->id);
	return timer_line[v->id];
}

static uint8_t byte(void) { return in < in_end ? *in++ : 0; }

static uint32_t word(void)
{
	uint32_t w = byte();

	w |= (uint32_t)byte() << 8;
	w |= (uint32_t)byte() << 16;
	return w | (uint32_t)byte() << 24;
}

static void enter(unsigned cpu)
{
	struct vcpu *v = pcpus[cpu].loaded;

	if (!v) return;
	fake_pcpu = &pcpus[cpu];
	for (unsigned n = 0;; n++) {
		EXPECT(n < 8);
		if (fake_gic_ppi_fires(cpu, TIMER)) {
			fake_gic[cpu].ppi_active[TIMER] = true;
			vgic_inject_hw(v, TIMER);
		} else if ((v->work & VCPU_WORK_VGIC) || fake_gic_misr(cpu)) {
			v->work &= ~VCPU_WORK_VGIC;
			vgic_sync(v);
		} else {
			break;
		}
	}
	v->state = VCPU_RUNNING;
}

static void check(void)
{
	EXPECT(fake_locks_held() == 0);
	for (unsigned id = 0; id < CPUS; id++) {
		const struct vgic_vcpu *c = &vcpus[id].vgic;
		unsigned n = 0;
		uint32_t last = 0;

		list_for_each (node, &c->ap_list) {
			const struct vgic_irq *q = container_of(node, struct vgic_irq, node);
			uint32_t key = ((uint32_t)q->priority << 16 | q->intid) + 1;

			EXPECT(q->on_list == &vcpus[id] && key > last);
			EXPECT(!q->in_lr || (q->lr < c->nr_used && c->lr_irq[q->lr] == q));
			last = key;
			n++;
		}
		EXPECT(n == c->ap_n && c->nr_used <= arch_gic_info()->nr_lrs);
		EXPECT(vcpus[id].loaded_on >= 0 || (c->nr_used | c->hcr) == 0);
		for (unsigned i = 0; vcpus[id].loaded_on >= 0 && i < c->nr_used; i++) {
			const struct vgic_irq *q = c->lr_irq[i];
			uint64_t lr = fake_gic[vcpus[id].loaded_on].lr[i];

			EXPECT(q->in_lr && q->lr == i && (lr & LR_VINTID) == q->intid);
			EXPECT(!(lr & LR_HW) ||
			       (q->pintid && FIELD_GET(LR_PINTID, lr) == q->pintid));
			for (unsigned j = 0; j < i; j++) EXPECT(c->lr_irq[j] != q);
		}
	}
	for (unsigned i = 0; i < vm.vgic.nr_irqs; i++) {
		const struct vgic_irq *q = &vm.vgic.irqs[i];

		EXPECT(!q->to || q->to == &vcpus[0] || q->to == &vcpus[1]);
		EXPECT((q->priority & 7) == 0 && (q->in_lr || !q->lr_latch));
		EXPECT(q->in_lr ? q->on_list != NULL : q->active_req == VGIC_NO_REQ);
		EXPECT(vm.vgic.version == 2 && q->intid < 16 ? q->latch < 1 << CPUS
		                                             : q->latch <= 1);
		/* What is due is on the list of the one it is for, or in some list register. */
		if (!q->in_lr && !q->active && vgic_irq_pending(q) && q->enabled &&
		    (vm.vgic.ctlr >> q->group1 & 1))
			EXPECT(q->on_list == q->to);
	}
}

static void access(struct vcpu *v)
{
	static const uint64_t bases[] = {GICD, GICD, GICR + KiB(64), GICR + KiB(192), GICR, GICC};
	unsigned kind = byte(), bytes = 1u << (kind >> 4 & 3), turns = 0;
	uint64_t addr = bases[kind % ARRAY_SIZE(bases)], val, again;
	bool write = kind & 0x80;
	enum mmio_result r;

	/* Mostly where the registers are, for whole interrupts. */
	addr += kind & 0x40 ? word() & 0xffff : (byte() | byte() << 8) & 0xfff;
	val = word() | (uint64_t)(bytes == 8 ? word() : 0) << 32;
	addr &= ~(uint64_t)(kind & 8 ? 0 : bytes - 1);
	again = val;
	while ((r = mmio_access(v, addr, write, bytes, &val)) == MMIO_AGAIN) {
		EXPECT(!write && turns++ == 0);
		for (unsigned cpu = 0; cpu < CPUS; cpu++) enter(cpu);
		fake_pcpu = &pcpus[v->loaded_on];
	}
	EXPECT(r == MMIO_OK || r == MMIO_ABORT);
	EXPECT(r == MMIO_OK || val == again);
	EXPECT(write || r != MMIO_OK || bytes == 8 || val >> 8 * bytes == 0);
}

static void put(struct vcpu *v)
{
	unsigned cpu = (unsigned)v->loaded_on;

	vgic_put(v);
	fake_gic[cpu].ppi_active[TIMER] = fake_gic[cpu].ppi_line[TIMER] = false;
	pcpus[cpu].loaded = NULL;
	v->loaded_on = -1;
	EXPECT(fake_gic_misr(cpu) == 0);
	for (unsigned n = 0; n < arch_gic_info()->nr_lrs; n++)
		EXPECT(!(fake_gic[cpu].lr[n] & LR_STATE));
}

static void load(struct vcpu *v, unsigned cpu)
{
	if (pcpus[cpu].loaded) return;
	fake_pcpu = &pcpus[cpu];
	pcpus[cpu].loaded = v;
	vgic_load(v);
	v->loaded_on = (int)cpu;
	if (vgic_hw_active(v, TIMER)) arch_gic_set_active(TIMER);
	fake_gic[cpu].ppi_line[TIMER] = timer_line[v->id];
	enter(cpu);
}

static void timer(struct vcpu *v, bool on)
{
	timer_line[v->id] = on;
	if (v->loaded_on >= 0)
		fake_gic[v->loaded_on].ppi_line[TIMER] = on;
	else if (on && !vgic_hw_active(v, TIMER))
		vgic_set_line(&vm, v, TIMER, true);
}

/* What the guest does to its CPU interface; EOIs are of anything, also of what is not active. */
static void guest(struct vcpu *v, unsigned what, uint8_t arg)
{
	struct fake_gic_cpu *g = &fake_gic[v->loaded_on];
	uint32_t iar = (uint32_t)(arg & 0x3f) | (vm.vgic.version == 2 ? (arg >> 6 & 1u) << 10 : 0);

	switch (what) {
	case 0: fake_gic_iar((unsigned)v->loaded_on); break;
	case 1: fake_gic_eoir((unsigned)v->loaded_on, iar); break;
	case 2:
		if (!fake_gic_dir((unsigned)v->loaded_on, iar)) vgic_dir_write(v, iar);
		break;
	default:
		g->vmcr = (uint32_t)FIELD_PREP(FAKE_VMCR_PMR, arg & 0xf8) | (arg & 3) |
		          (arg & 4 ? FAKE_VMCR_EOIMODE : 0);
	}
}

static void step(void)
{
	uint8_t op = byte(), arg = byte();
	struct vcpu *v = &vcpus[op >> 7];

	/* Devices: from an exit of this vCPU, or from a CPU that runs none. */
	fake_pcpu = &pcpus[v->loaded_on >= 0 ? (unsigned)v->loaded_on : CPUS];
	switch (op & 15) {
	case 0: vgic_set_line(&vm, NULL, 32 + (arg & 31), arg & 0x80); break;
	case 1: timer(v, arg & 1); break;
	case 2: vgic_set_line(&vm, v, SOFT_TIMER, arg & 1); break;
	case 3:
		vcpus[1].on = arg & 1;
		vgic_retarget(&vm);
		break;
	case 4:
		if (v->loaded_on < 0)
			load(v, arg & 1);
		else
			put(v);
		break;
	case 5: vgic_peek(&vm, arg & 0x80 ? v : NULL, arg & 0x7f); break;
	case 6: vgic_set_line(&vm, v, 16 + (arg & 7), arg & 0x80); break;
	case 7: /* CPU_OFF and CPU_ON; or the VM restarts */
		for (unsigned i = 0; i < CPUS; i++) {
			if (vcpus[i].loaded_on < 0 || (!(arg & 1) && &vcpus[i] != v)) continue;
			fake_pcpu = &pcpus[vcpus[i].loaded_on];
			put(&vcpus[i]);
		}
		vgic_vcpu_reset(v);
		if (arg & 1) vgic_vm_reset(&vm);
		break;
	default:
		if (v->loaded_on < 0) break;
		if ((op & 15) < 12)
			access(v);
		else if ((op & 15) == 12 && vm.vgic.version == 3)
			vgic_sgir_write(v, word() | (uint64_t)arg << 36, arg & 1);
		else if ((op & 15) == 13 && !(v->work & VCPU_WORK_VGIC))
			v->state = vgic_pending(v) ? VCPU_RUNNING : VCPU_BLOCKED;
		else
			guest(v, op >> 4 & 3, arg);
	}
	/* What another CPU was told of takes effect now or some time later. */
	if (v->loaded_on >= 0) enter((unsigned)v->loaded_on);
	if (op & 0x40)
		for (unsigned cpu = 0; cpu < CPUS; cpu++) enter(cpu);
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t lrs[] = {1, 2, 4, 16};
	unsigned version;

	in = data;
	in_end = data + size;
	version = 2 + (byte() & 1);
	fake_reset();
	fake_log_on(false);
	fake_gic_init(version, lrs[byte() & 3]);
	if (version == 2 && (byte() & 1)) fake_gic_unlink();
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(pcpus, 0, sizeof(pcpus));
	memset(timer_line, 0, sizeof(timer_line));
	vm.machine = &machine;
	vm.nr_vcpus = CPUS;
	for (unsigned i = 0; i < MAX_PCPUS; i++) pcpus[i].id = i;
	fake_pcpu = &pcpus[0];
	EXPECT(vgic_vm_init(&vm, 5 - version, 32) == HYP_ENOTSUP);
	EXPECT(vgic_vm_init(&vm, version, 32) == HYP_OK);
	for (unsigned i = 0; i < CPUS; i++) {
		vcpus[i] = (struct vcpu){
		    .id = i, .vm = &vm, .state = VCPU_RUNNING, .loaded_on = -1, .on = true};
		vm.vcpus[i] = &vcpus[i];
		arch_gic_vcpu_reset(&vcpus[i].arch.gic);
		vgic_vcpu_init(&vcpus[i]);
		vgic_link(&vcpus[i], TIMER, TIMER);
	}
	for (unsigned i = 0; i < CPUS; i++) load(&vcpus[i], i);
	while (in < in_end) step();
	vgic_vm_fini(&vm);
	return 0;
}
