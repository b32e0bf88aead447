/* SPDX-License-Identifier: Apache-2.0 */
/*
 * World: see world.h. The environment of the vGIC is as in tests/unit/vgic_env.h; a failed assert()
 * of the fake hardware is a violation like those of the specification.
 */
#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include "hyp/vgic/internal.h"
#include "tests/fake_arch/fake.h"
#include "tests/fake_arch/fake_gic.h"
#include "world.h"
#include "tests/mmio_access.h"

#define GICD UINT64_C(0x08000000)
#define GICR UINT64_C(0x080a0000)

struct pcpu pcpus[MAX_PCPUS];
static const struct machine machine = {.gicd = GICD, .gicc = 0x08010000, .gicr = GICR};
static struct vm vm;
static struct vcpu vcpus[WORLD_CPUS];
static struct vgic_irq *irqs[SPEC_IRQS]; /* the scenario's */
static bool timer_line[WORLD_CPUS];
static struct spec spec;
static const struct scenario *sc;
static jmp_buf violated;
const char *world_violation;

static void __attribute__((__noreturn__)) violation(const char *what)
{
	world_violation = what;
	longjmp(violated, 1);
}

#define REQUIRE(cond, what)                                                                        \
	do {                                                                                       \
		if (!(cond)) violation(what);                                                      \
	} while (0)

/* In place of the C library's. */
_Noreturn void __assert_fail(const char *expr, const char *file, unsigned line, const char *func);
void __assert_fail(const char *expr, const char *file, unsigned line, const char *func)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s:%u %s: %s", file, line, func, expr);
	violation(text);
}

/* The code under test ran into the weeds. */
static void crashed(int sig) { violation("a fault"); }

bool vtimer_level(struct vcpu *v)
{
	assert(v->loaded_on < 0 || v->loaded_on == (int)this_pcpu()->id);
	return timer_line[v->id];
}

static struct vcpu *loaded(unsigned cpu) { return pcpus[cpu].loaded; }

/* What brings this CPU out of its guest, or is done before it goes in. */
static bool due(unsigned cpu)
{
	const struct vcpu *v = loaded(cpu);

	return v && ((v->work & VCPU_WORK_VGIC) || v->state == VCPU_READY || fake_gic_misr(cpu) ||
	             fake_gic_ppi_fires(cpu, TIMER_INTID));
}

static void enter(unsigned cpu)
{
	struct vcpu *v = loaded(cpu);

	fake_pcpu = &pcpus[cpu];
	for (unsigned n = 0; due(cpu); n++) {
		REQUIRE(n < 6, "the causes to exit do not go away");
		if (v->state == VCPU_READY) v->state = VCPU_RUNNING;
		if (fake_gic_ppi_fires(cpu, TIMER_INTID)) {
			fake_gic[cpu].ppi_active[TIMER_INTID] = true;
			vgic_inject_hw(v, TIMER_INTID);
			if (v->state == VCPU_BLOCKED) v->state = VCPU_READY;
		} else if ((v->work & VCPU_WORK_VGIC) || fake_gic_misr(cpu)) {
			v->work &= ~VCPU_WORK_VGIC;
			vgic_sync(v);
		}
	}
}

void world_settle(void)
{
	for (unsigned n = 0; due(0) || due(1); n++) {
		REQUIRE(n < 6, "CPUs keep each other busy");
		enter(0);
		enter(1);
	}
}

static uint64_t access(struct vcpu *v, uint64_t addr, bool write, unsigned size, uint64_t val)
{
	unsigned turns = 0;

	fake_pcpu = &pcpus[v->loaded_on];
	for (;;) {
		enum mmio_result r = mmio_access(v, addr, write, size, &val);

		if (r == MMIO_OK) break;
		REQUIRE(r == MMIO_AGAIN && !write && turns++ == 0, "MMIO result");
		enter(0);
		enter(1);
		fake_pcpu = &pcpus[v->loaded_on];
	}
	enter((unsigned)v->loaded_on);
	return val;
}

/* Address of the register at off, of `bits` bits per interrupt, for interrupt i. */
static uint64_t reg_addr(unsigned i, uint32_t off, unsigned bits)
{
	const struct world_irq *q = &sc->irq[i];
	uint64_t base =
	    sc->version == 3 && q->cpu != 0xff ? GICR + q->cpu * KiB(128) + KiB(64) : GICD;

	return base + off + (bits == 1 ? q->intid / 32 * 4 : q->intid * bits / 8);
}

/* Who may write it: of GICv2's private ones their vCPU alone. */
static bool may(const struct vcpu *v, unsigned i)
{
	return v->loaded_on >= 0 && v->state == VCPU_RUNNING &&
	       (sc->version == 3 || sc->irq[i].cpu == 0xff || sc->irq[i].cpu == v->id);
}

static void write_bit(struct vcpu *v, unsigned i, uint32_t set, uint32_t clear, bool on)
{
	access(v, reg_addr(i, on ? set : clear, 1), true, 4, BIT32(sc->irq[i].intid % 32));
}

static bool read_bit(struct vcpu *v, unsigned i, uint32_t off)
{
	return access(v, reg_addr(i, off, 1), false, 4, 0) >> sc->irq[i].intid % 32 & 1;
}

static void set_target(struct vcpu *v, unsigned i, uint8_t to)
{
	if (sc->version == 2)
		access(v, reg_addr(i, 0x800, 8), true, 1, BIT32(to));
	else
		access(v, reg_addr(i, 0x6000, 64), true, 8, to);
}

static bool sgi_v2(unsigned i) { return sc->version == 2 && sc->irq[i].intid < 16; }

/* Which interrupt of the scenario CPU c means by that IAR; -1 none. */
static int irq_of_iar(unsigned c, uint32_t iar)
{
	if (iar == GIC_INTID_NONE) return -1;
	for (unsigned i = 0; i < sc->nr_irqs; i++)
		if (sc->irq[i].intid == (iar & 0x3ff) &&
		    (sc->irq[i].cpu == 0xff || sc->irq[i].cpu == c))
			return (int)i;
	violation("an interrupt that does not exist");
}

/* What is latched in fact: here, or in the list register that it moved into. */
static uint8_t real_latch(unsigned i)
{
	const struct vgic_irq *q = irqs[i];
	uint64_t lr = q->in_lr ? fake_gic[q->on_list->loaded_on].lr[q->lr] : 0;

	if (!(lr & LR_PENDING) || !q->lr_latch) return q->latch;
	return (uint8_t)(q->latch | BIT32(lr & LR_HW ? 0 : FIELD_GET(LR_CPUID, lr)));
}

static void check_structure(void)
{
	for (unsigned id = 0; id < WORLD_CPUS; id++) {
		const struct vgic_vcpu *c = &vcpus[id].vgic;
		unsigned n = 0;
		uint32_t last = 0;

		list_for_each (node, &c->ap_list) {
			const struct vgic_irq *q = container_of(node, struct vgic_irq, node);
			uint32_t key = ((uint32_t)q->priority << 16 | q->intid) + 1;

			REQUIRE(q->on_list == &vcpus[id], "on_list");
			REQUIRE(key > last, "a list out of order");
			REQUIRE(!q->in_lr || (q->lr < c->nr_used && c->lr_irq[q->lr] == q),
			        "in_lr");
			last = key;
			n++;
		}
		REQUIRE(n == c->ap_n, "the length of a list");
		REQUIRE(c->nr_used <= sc->nr_lrs && c->asked == 0, "counts");
		REQUIRE(vcpus[id].loaded_on >= 0 || (c->nr_used | c->hcr) == 0,
		        "list registers of an absent vCPU");
		for (unsigned lr = 0; vcpus[id].loaded_on >= 0 && lr < c->nr_used; lr++)
			REQUIRE(c->lr_irq[lr]->in_lr && c->lr_irq[lr]->lr == lr, "lr_irq");
	}
}

static void check(void)
{
	check_structure();
	REQUIRE(fake_locks_held() == 0, "a lock is still held");
	if (due(0) || due(1)) return;
	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		spec_resolve(&spec, i, real_latch(i));
		REQUIRE(real_latch(i) == spec.irq[i].latch, "latches differ");
	}
	for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
		const struct vcpu *v = loaded(cpu);
		uint32_t iar = fake_gic_hppir(cpu);
		const char *wrong = NULL;
		int i;

		if (!v) continue;
		i = irq_of_iar(v->id, iar);
		/*
		 * A linked timer that is quiet again stays in the list register until the next
		 * exit, spuriously (hyp/vgic.h, vgic_link): not of the architecture, but harmless.
		 */
		if (i >= 0 && sc->irq[i].intid == TIMER_INTID && !timer_line[v->id]) continue;
		if (v->state == VCPU_BLOCKED)
			wrong =
			    spec_best(&spec, v->id, true) == SPEC_NONE ? NULL : "a wake-up is lost";
		else
			wrong = spec_told(&spec, v->id, i, iar >> 10);
		if (wrong) violation(wrong);
	}
}

void world_start(const struct scenario *of)
{
	sc = of;
	world_violation = NULL;
	sigaction(SIGSEGV, &(struct sigaction){.sa_handler = crashed, .sa_flags = SA_NODEFER},
	          NULL);
	if (vm.vgic.irqs) vgic_vm_fini(&vm);
	fake_reset();
	fake_log_on(false);
	fake_gic_init(sc->version, sc->nr_lrs);
	if (sc->unlinked) fake_gic_unlink();
	memset(&vm, 0, sizeof(vm));
	memset(vcpus, 0, sizeof(vcpus));
	memset(pcpus, 0, sizeof(pcpus));
	memset(timer_line, 0, sizeof(timer_line));
	memset(&spec, 0, sizeof(spec));
	vm.machine = &machine;
	vm.nr_vcpus = WORLD_CPUS;
	for (unsigned i = 0; i < MAX_PCPUS; i++) pcpus[i].id = i;
	fake_pcpu = &pcpus[0];
	if (vgic_vm_init(&vm, sc->version, 32) != HYP_OK) abort();
	spec.version = (uint8_t)sc->version;
	spec.nr_cpus = WORLD_CPUS;
	spec.nr_irqs = (uint8_t)sc->nr_irqs;
	spec.groups = 3;
	for (unsigned i = 0; i < WORLD_CPUS; i++) {
		struct vcpu *v = &vcpus[i];

		*v = (struct vcpu){
		    .id = i, .vm = &vm, .state = VCPU_RUNNING, .loaded_on = -1, .on = true};
		vm.vcpus[i] = v;
		arch_gic_vcpu_reset(&v->arch.gic);
		if (sc->split) v->arch.gic.vmcr |= FAKE_VMCR_EOIMODE;
		spec.cpu[i] =
		    (struct spec_cpu){.pmr = 0xf8, .groups = 3, .split = (uint8_t)sc->split};
		vgic_vcpu_init(v);
		vgic_link(v, TIMER_INTID, TIMER_INTID);
	}
	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		const struct world_irq *q = &sc->irq[i];

		irqs[i] = vgic_irq_find(&vm, q->cpu == 0xff ? NULL : &vcpus[q->cpu], q->intid);
		spec.irq[i] = (struct spec_irq){.intid = q->intid,
		                                .cpu = q->cpu,
		                                .edge = q->edge,
		                                .enabled = q->enabled,
		                                .group = q->group,
		                                .priority = q->priority,
		                                .target = q->target};
	}
	for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
		fake_pcpu = &pcpus[cpu];
		pcpus[cpu].loaded = &vcpus[cpu];
		vgic_load(&vcpus[cpu]);
		vcpus[cpu].loaded_on = (int)cpu;
	}
	if (setjmp(violated)) {
		fprintf(stderr, "%s: %s at its beginning\n", sc->name, world_violation);
		abort();
	}
	access(&vcpus[0], GICD, true, 4, 3);
	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		const struct world_irq *q = &sc->irq[i];
		struct vcpu *v = &vcpus[q->cpu == 0xff ? 0 : q->cpu];

		access(v, reg_addr(i, 0xc00, 2) & ~UINT64_C(3), true, 4,
		       (access(v, reg_addr(i, 0xc00, 2) & ~UINT64_C(3), false, 4, 0) &
		        ~(UINT64_C(3) << q->intid % 16 * 2)) |
		           (uint64_t)q->edge << (q->intid % 16 * 2 + 1));
		access(v, reg_addr(i, 0x400, 8), true, 1, q->priority);
		if (q->cpu == 0xff) set_target(v, i, q->target);
		access(v, reg_addr(i, 0x080, 1), true, 4,
		       (access(v, reg_addr(i, 0x080, 1), false, 4, 0) & ~BIT(q->intid % 32)) |
		           (uint64_t)q->group << q->intid % 32);
		if (q->enabled) write_bit(v, i, 0x100, 0x180, true);
	}
	world_settle();
}

static bool do_line(unsigned i, bool level)
{
	unsigned cpu = sc->irq[i].cpu;

	if (sc->irq[i].intid == TIMER_INTID) {
		struct vcpu *v = &vcpus[cpu];

		if (timer_line[cpu] == level || (v->loaded_on < 0 && !level)) return false;
		timer_line[cpu] = level;
		if (v->loaded_on >= 0)
			fake_gic[v->loaded_on].ppi_line[TIMER_INTID] = level;
		else if (!vgic_hw_active(v, TIMER_INTID)) /* the deadline that stands in */
			vgic_set_line(&vm, v, TIMER_INTID, true);
	} else {
		if (spec.irq[i].line == level) return false;
		/* By an exit of vCPU 0, or by a CPU that is not in any guest of this VM. */
		bool exit = i % 2 != 0 && vcpus[0].loaded_on >= 0;

		fake_pcpu = &pcpus[exit ? vcpus[0].loaded_on : (int)WORLD_CPUS];
		vgic_set_line(&vm, cpu == 0xff ? NULL : &vcpus[cpu], sc->irq[i].intid, level);
		if (exit) enter((unsigned)vcpus[0].loaded_on);
	}
	spec_set(&spec, i, SPEC_LINE, level);
	return true;
}

static bool do_sgi(unsigned i, unsigned from)
{
	struct vcpu *v = &vcpus[from];
	uint32_t to = BIT32(sc->irq[i].cpu);

	if (v->loaded_on < 0 || v->state != VCPU_RUNNING) return false;
	if (sc->version == 2) {
		access(v, GICD + 0xf00, true, 4, to << 16 | sc->irq[i].intid);
	} else {
		fake_pcpu = &pcpus[v->loaded_on];
		vgic_sgir_write(v, to | (uint64_t)sc->irq[i].intid << 24, true);
		enter((unsigned)v->loaded_on);
	}
	spec_set(&spec, i, SPEC_LATCH, sc->version == 2 ? (uint8_t)BIT32(from) : 1);
	return true;
}

static bool do_ack(struct vcpu *v)
{
	unsigned cpu = (unsigned)v->loaded_on;
	uint32_t iar;
	const char *wrong;
	int i;

	if (v->loaded_on < 0 || v->state != VCPU_RUNNING || fake_gic_hppir(cpu) == GIC_INTID_NONE)
		return false;
	i = irq_of_iar(v->id, fake_gic_hppir(cpu));
	iar = fake_gic_iar(cpu);
	if (i >= 0 && sc->irq[i].intid == TIMER_INTID && (!timer_line[v->id] || due(cpu))) {
		/* Perhaps spurious, see check(): older than what is in flight, or latched. */
		spec.irq[i].stale |= (uint8_t)BIT32(v->id);
		spec.irq[i].again |= spec.irq[i].latch;
	}
	/* The priority that the hardware has made active is that of the list register. */
	wrong =
	    spec_ack(&spec, v->id, i, iar >> 10, (unsigned)__builtin_ctz(fake_gic[cpu].apr) << 3);
	if (wrong) violation(wrong);
	return true;
}

static bool do_eoi(struct vcpu *v)
{
	struct spec_cpu *p = &spec.cpu[v->id];
	unsigned i;

	if (v->loaded_on < 0 || v->state != VCPU_RUNNING || p->depth == 0) return false;
	i = p->stack[p->depth - 1].irq;
	fake_gic_eoir((unsigned)v->loaded_on,
	              sc->irq[i].intid | (uint32_t)p->stack[p->depth - 1].source << 10);
	spec_eoi(&spec, v->id);
	return true;
}

static bool on_stack(unsigned i)
{
	for (unsigned c = 0; c < WORLD_CPUS; c++)
		for (unsigned n = 0; n < spec.cpu[c].depth; n++)
			if (spec.cpu[c].stack[n].irq == i) return true;
	return false;
}

/* Of one whose priority is dropped; of a private one by its own vCPU. */
static bool do_dir(struct vcpu *v, unsigned i)
{
	uint32_t iar = sc->irq[i].intid | (uint32_t)(sgi_v2(i) ? spec.irq[i].source << 10 : 0);

	if (v->loaded_on < 0 || v->state != VCPU_RUNNING || !sc->split || !spec.irq[i].active ||
	    on_stack(i) || (sc->irq[i].cpu != 0xff && sc->irq[i].cpu != v->id))
		return false;
	fake_pcpu = &pcpus[v->loaded_on];
	if (sc->version == 2)
		access(v, UINT64_C(0x08011000), true, 4, iar);
	else if (!fake_gic_dir((unsigned)v->loaded_on, iar))
		vgic_dir_write(v, iar & 0x3ff);
	enter((unsigned)v->loaded_on);
	spec_deactivate(&spec, i);
	return true;
}

static bool do_put(struct vcpu *v)
{
	unsigned cpu = (unsigned)v->loaded_on;

	if (v->loaded_on < 0) return false;
	fake_pcpu = &pcpus[cpu];
	vgic_put(v);
	fake_gic[cpu].ppi_active[TIMER_INTID] = fake_gic[cpu].ppi_line[TIMER_INTID] = false;
	pcpus[cpu].loaded = NULL;
	v->loaded_on = -1;
	for (unsigned n = 0; n < sc->nr_lrs; n++)
		REQUIRE(!(fake_gic[cpu].lr[n] & LR_STATE), "a list register left behind");
	/* Its timer's line has to be seen by someone: the deadline that stands in. */
	if (timer_line[v->id] && !vgic_hw_active(v, TIMER_INTID))
		vgic_set_line(&vm, v, TIMER_INTID, true);
	return true;
}

static bool do_load(struct vcpu *v, unsigned cpu)
{
	if (v->loaded_on >= 0 || loaded(cpu)) return false;
	fake_pcpu = &pcpus[cpu];
	pcpus[cpu].loaded = v;
	v->work &= ~VCPU_WORK_VGIC;
	vgic_load(v);
	v->loaded_on = (int)cpu;
	if (vgic_hw_active(v, TIMER_INTID)) arch_gic_set_active(TIMER_INTID);
	fake_gic[cpu].ppi_line[TIMER_INTID] = timer_line[v->id];
	/* Only one that is runnable is loaded. */
	if (v->state == VCPU_READY) v->state = VCPU_RUNNING;
	return true;
}

static bool do_wfi(struct vcpu *v)
{
	if (v->loaded_on < 0 || v->state != VCPU_RUNNING) return false;
	fake_pcpu = &pcpus[v->loaded_on];
	if (vgic_pending(v)) {
		enter((unsigned)v->loaded_on);
		return true;
	}
	v->state = v->work & VCPU_WORK_VGIC ? VCPU_READY : VCPU_BLOCKED; /* as sched_block() */
	return true;
}

static bool do_read(struct vcpu *v)
{
	if (v->loaded_on < 0 || v->state != VCPU_RUNNING || due(0) || due(1)) return false;
	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		const struct spec_irq *q = &spec.irq[i];

		if (!may(v, i)) continue;
		REQUIRE(read_bit(v, i, 0x300) == q->active, "ISACTIVER reads wrong");
		if (due(0) || due(1)) world_settle();
		/* A timer's is asked where it runs. */
		if (sc->irq[i].intid != TIMER_INTID || sc->irq[i].cpu == v->id)
			REQUIRE(read_bit(v, i, 0x200) == spec_pending(q), "ISPENDR reads wrong");
	}
	return true;
}

static bool do_reg(struct action act)
{
	struct vcpu *v = &vcpus[act.c];
	unsigned i = act.a;

	if (!may(v, i)) return false;
	switch (act.op) {
	case OP_ENABLE:
		if (spec.irq[i].enabled == act.b || sgi_v2(i)) return false;
		write_bit(v, i, 0x100, 0x180, act.b);
		spec_set(&spec, i, SPEC_ENABLE, act.b);
		return true;
	case OP_PEND:
		if (sgi_v2(i) || (!act.b && !spec.irq[i].latch)) return false;
		write_bit(v, i, 0x200, 0x280, act.b);
		spec_set(&spec, i, act.b ? SPEC_LATCH : SPEC_UNLATCH, 1);
		/* A timer that has gone quiet may be taken before this, see check(). */
		if (act.b && irqs[i]->pintid && irqs[i]->in_lr) spec.irq[i].again |= 1;
		return true;
	case OP_ACTIVE:
		/* Not of one that somebody takes or ends at the same time: either order is right.
		 */
		if (due(0) || due(1) || spec.irq[i].active == act.b || on_stack(i) || sc->calm ||
		    (act.b && spec_pending(&spec.irq[i])))
			return false;
		write_bit(v, i, 0x300, 0x380, act.b);
		world_settle();
		spec_set(&spec, i, SPEC_ACTIVE, act.b);
		return true;
	case OP_PRIORITY:
		/* Calm: nor of one whose EOI another CPU has counted and not told of yet. */
		if (spec.irq[i].priority == act.b ||
		    (sc->calm && (spec.irq[i].active || spec_pending(&spec.irq[i]) ||
		                  due((unsigned)v->loaded_on ^ 1))))
			return false;
		access(v, reg_addr(i, 0x400, 8), true, 1, act.b);
		spec_set(&spec, i, SPEC_PRIORITY, act.b);
		return true;
	case OP_TARGET:
		if (spec.irq[i].target == act.b || sc->irq[i].cpu != 0xff) return false;
		set_target(v, i, act.b);
		spec_set(&spec, i, SPEC_TARGET, act.b);
		return true;
	case OP_GROUP:
		if (spec.irq[i].group == act.b) return false;
		access(
		    v, reg_addr(i, 0x080, 1), true, 4,
		    (access(v, reg_addr(i, 0x080, 1), false, 4, 0) & ~BIT(sc->irq[i].intid % 32)) |
		        (uint64_t)act.b << sc->irq[i].intid % 32);
		spec_set(&spec, i, SPEC_GROUP, act.b);
		return true;
	default:
		if (spec.groups == act.b) return false;
		access(v, GICD, true, 4, act.b);
		spec_set(&spec, 0, SPEC_CTLR, act.b);
		return true;
	}
}

static bool do_one(struct action act)
{
	struct vcpu *v = &vcpus[act.a % WORLD_CPUS];

	switch (act.op) {
	case OP_LINE: return do_line(act.a, act.b);
	case OP_SGI: return do_sgi(act.a, act.b);
	case OP_ACK: return do_ack(v);
	case OP_EOI: return do_eoi(v);
	case OP_DIR: return do_dir(v, act.b);
	case OP_EXIT:
		if (v->loaded_on < 0 || !due((unsigned)v->loaded_on)) return false;
		enter((unsigned)v->loaded_on);
		return true;
	case OP_PUT: return do_put(v);
	case OP_LOAD: return v->state != VCPU_BLOCKED && do_load(v, act.b);
	case OP_WFI: return do_wfi(v);
	case OP_PMR:
		if (v->loaded_on < 0 || v->state != VCPU_RUNNING || spec.cpu[act.a].pmr == act.b)
			return false;
		fake_gic[v->loaded_on].vmcr =
		    (fake_gic[v->loaded_on].vmcr & ~(uint32_t)FAKE_VMCR_PMR) |
		    (uint32_t)FIELD_PREP(FAKE_VMCR_PMR, act.b);
		spec.cpu[act.a].pmr = act.b;
		return true;
	case OP_READ: return do_read(v);
	default: return do_reg(act);
	}
}

bool world_do(struct action act)
{
	if (setjmp(violated)) return true;
	if (!do_one(act)) return false;
	check();
	return true;
}

const char *world_print(struct action act)
{
	static const char *const names[] = {
	    "line", "sgi",  "ack",    "eoi",  "dir",    "exit",     "put",    "load",  "wfi",
	    "pmr",  "read", "enable", "pend", "active", "priority", "target", "group", "ctlr"};
	static char text[64];
	bool irq = act.op == OP_LINE || act.op == OP_SGI || act.op >= OP_ENABLE;

	snprintf(text, sizeof(text), irq ? "%s INTID %u, 0x%x, by %u" : "%s vcpu%u, 0x%x",
	         names[act.op], irq ? sc->irq[act.a].intid : act.a, act.b, act.c);
	return text;
}

void world_dump(void)
{
	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		const struct vgic_irq *q = irqs[i];
		const struct spec_irq *p = &spec.irq[i];

		printf("      %u: enabled %u line %u latch %x active %u target %u in_lr %u "
		       "lr_latch %u req %u "
		       "| spec enabled %u line %u latch %x active %u target %u stale %x again %x "
		       "maybe %x\n",
		       q->intid, q->enabled, q->line, q->latch, q->active, q->to ? q->to->id : 0xff,
		       q->in_lr, q->lr_latch, q->active_req, p->enabled, p->line, p->latch,
		       p->active, p->target, p->stale, p->again, p->maybe);
	}
	for (unsigned id = 0; id < WORLD_CPUS; id++) {
		const struct vcpu *v = &vcpus[id];

		printf("      vcpu%u: on %d state %u work %x hcr %x", id, v->loaded_on, v->state,
		       v->work, v->vgic.hcr);
		for (unsigned n = 0; v->loaded_on >= 0 && n < sc->nr_lrs; n++)
			printf(" lr%u=%llx", n, (unsigned long long)fake_gic[v->loaded_on].lr[n]);
		printf("\n");
	}
}

static unsigned put_bytes(uint8_t *out, unsigned at, const void *p, unsigned n)
{
	assert(at + n <= WORLD_BYTES);
	memcpy(out + at, p, n);
	return at + n;
}

static uint8_t index_of(const struct vgic_irq *q)
{
	for (unsigned i = 0; i < sc->nr_irqs; i++)
		if (irqs[i] == q) return (uint8_t)i;
	return 0xff;
}

/* Which physical CPU a vCPU is on does not matter: its list registers follow it. */
unsigned world_serialise(uint8_t *out)
{
	unsigned at = 0;

	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		const struct vgic_irq *q = irqs[i];
		const uint8_t b[] = {(uint8_t)(q->enabled | q->group1 << 1 | q->in_lr << 2 |
		                               q->lr_latch << 3 | q->line << 4 | q->active << 5),
		                     q->priority,
		                     q->to ? (uint8_t)q->to->id : 0xff,
		                     q->latch,
		                     sgi_v2(i) && q->active ? q->active_source : 0,
		                     q->active_req,
		                     q->on_list ? (uint8_t)(q->on_list->id + 1) : 0,
		                     q->in_lr ? q->lr : 0};

		at = put_bytes(out, at, b, sizeof(b));
	}
	for (unsigned id = 0; id < WORLD_CPUS; id++) {
		const struct vcpu *v = &vcpus[id];
		const struct vgic_vcpu *c = &v->vgic;
		const struct fake_gic_cpu *g = v->loaded_on < 0 ? NULL : &fake_gic[v->loaded_on];
		uint32_t words[] = {g ? g->hcr : 0, g ? g->vmcr : v->arch.gic.vmcr,
		                    g ? g->apr : v->arch.gic.apr[0][0], c->hcr};
		const uint8_t b[] = {
		    (uint8_t)(v->loaded_on >= 0), (uint8_t)c->nr_used, (uint8_t)v->work,
		    (uint8_t)v->state,
		    (uint8_t)(timer_line[id] |
		              (g ? g->ppi_active[TIMER_INTID] << 1 | g->ppi_line[TIMER_INTID] << 2
		                 : 0))};

		at = put_bytes(out, at, words, sizeof(words));
		at = put_bytes(out, at, b, sizeof(b));
		for (unsigned n = 0; g && n < sc->nr_lrs; n++) {
			uint64_t lr =
			    n < c->nr_used || (g->lr[n] & (LR_STATE | LR_EOI)) ? g->lr[n] : 0;
			uint8_t who = n < c->nr_used ? index_of(c->lr_irq[n]) : 0xff;

			at = put_bytes(out, at, &lr, 8);
			at = put_bytes(out, at, &c->lr[n], 8);
			at = put_bytes(out, at, &who, 1);
		}
	}
	out[at++] = (uint8_t)vm.vgic.ctlr;
	at = put_bytes(out, at, &spec.cpu, WORLD_CPUS * sizeof(spec.cpu[0]));
	at = put_bytes(out, at, &spec.irq, sc->nr_irqs * (unsigned)sizeof(spec.irq[0]));
	return put_bytes(out, at, &spec.groups, 1);
}

struct snap {
	struct fake_gic_cpu gic[WORLD_CPUS];
	struct spec spec;
	struct {
		struct vgic_vcpu vgic;
		struct arch_gic_vcpu saved;
		uint32_t work, state;
		int loaded_on;
	} vcpu[WORLD_CPUS];
	uint32_t ctlr;
	bool timer_line[WORLD_CPUS];
	struct vgic_irq irq[];
};

unsigned world_snap_size(void)
{
	return (unsigned)(sizeof(struct snap) + sc->nr_irqs * sizeof(struct vgic_irq));
}

void world_save(void *snap)
{
	struct snap *s = snap;

	memcpy(s->gic, fake_gic, sizeof(s->gic));
	s->spec = spec;
	s->ctlr = vm.vgic.ctlr;
	memcpy(s->timer_line, timer_line, sizeof(timer_line));
	for (unsigned i = 0; i < WORLD_CPUS; i++) {
		s->vcpu[i].vgic = vcpus[i].vgic;
		s->vcpu[i].saved = vcpus[i].arch.gic;
		s->vcpu[i].work = vcpus[i].work;
		s->vcpu[i].state = vcpus[i].state;
		s->vcpu[i].loaded_on = vcpus[i].loaded_on;
	}
	for (unsigned i = 0; i < sc->nr_irqs; i++) s->irq[i] = *irqs[i];
}

void world_restore(const void *snap)
{
	const struct snap *s = snap;

	world_violation = NULL;
	memcpy(fake_gic, s->gic, sizeof(s->gic));
	spec = s->spec;
	vm.vgic.ctlr = s->ctlr;
	memcpy(timer_line, s->timer_line, sizeof(timer_line));
	for (unsigned i = 0; i < WORLD_CPUS; i++) pcpus[i].loaded = NULL;
	for (unsigned i = 0; i < WORLD_CPUS; i++) {
		vcpus[i].vgic = s->vcpu[i].vgic;
		vcpus[i].arch.gic = s->vcpu[i].saved;
		vcpus[i].work = s->vcpu[i].work;
		vcpus[i].state = s->vcpu[i].state;
		vcpus[i].loaded_on = s->vcpu[i].loaded_on;
		if (vcpus[i].loaded_on >= 0) pcpus[vcpus[i].loaded_on].loaded = &vcpus[i];
	}
	for (unsigned i = 0; i < sc->nr_irqs; i++) *irqs[i] = s->irq[i];
}
