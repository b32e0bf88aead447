/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EL2 checks of a VM's configuration, whoever made it: all that its own safety and that of
 * other VMs depends on. The words for a manifest that is wrong are the management guest's.
 */
#include <hyp/config.h>

#include <arch/gic.h>
#include <hyp/atomic.h>
#include <hyp/board.h>
#include <hyp/sched.h>
#include <hyp/tree.h>
#include <hyp/vm.h>

#include <string.h>

#define GICV2_MAX_CPUS 8u
#define MAX_MEMORY BIT(38)
#define MAX_TREE KiB(64)

/* All bytes come from a guest, and compilers take it for granted that a bool is 0 or 1. */
static bool is_bool(const bool *b) { return *(const uint8_t *)b <= 1; }

/* [at, at + size) lies in [base, base + room), which does not wrap. */
static bool within(uint64_t at, uint64_t size, uint64_t base, uint64_t room)
{
	return at - base <= room && size <= room - (at - base);
}

static bool in_bundle(const uint8_t *p, uint64_t size)
{
	return within((uintptr_t)p, size, pa_raw(host.initrd.base), host.initrd.size);
}

static bool plan_ok(const struct vm_config *c)
{
	const struct load_plan *plan = &c->plan;
	uint64_t base = machine_v1.ram_base;

	if (plan->n > LOAD_MAX_SEGMENTS - 2 || plan->fdt_size > MAX_TREE ||
	    !within(ipa_raw(plan->fdt), plan->fdt_size, base, c->memory))
		return false;
	for (const struct load_segment *s = plan->seg; s < plan->seg + plan->n; s++)
		if (s->size == 0 || !within(ipa_raw(s->to), s->size, base, c->memory) ||
		    !in_bundle(s->from, s->size))
			return false;
	return true;
}

/* What its VM gets hold of: whole pages are mapped, but trapped is nothing but itself. */
static struct host_range reach(const struct assign_reg *r)
{
	uint64_t base = ALIGN_DOWN(r->pa, PAGE_SIZE), end = ALIGN_UP(r->pa + r->size, PAGE_SIZE);

	return r->trapped ? (struct host_range){pa(r->pa), r->size}
	                  : (struct host_range){pa(base), end - base};
}

/* What the VM in that slot has of the host's. */
static const struct vm_assign *assigned(unsigned slot)
{
	static const struct vm_assign nothing;
	const struct vm *vm = load_acquire(&vms[slot]); /* its job unlinks it at any time */

	return vm != NULL ? &vm->cfg->assign : &nothing;
}

/* Nothing that EL2 or the firmware uses itself, and nothing that another VM has. */
static bool reg_ok(const struct assign_reg *r)
{
	const struct host_gic *g = &host.gic;
	const struct host_range *const own[] = {
	    &host.uart.regs, &board->power, &host.sdhci[0], &host.sdhci[1],
	    &g->gicd,        &g->gicc,      &g->gich,       &g->gicv,
	};
	struct host_range mine, theirs;
	bool ok = is_bool(&r->trapped) && is_bool(&r->ruled) && r->pa < TREE_ADDRESS_LIMIT &&
	          r->size != 0 && within(r->ipa, r->size, ASSIGN_BASE, ASSIGN_SIZE) &&
	          ((r->ipa ^ r->pa) & PAGE_MASK) == 0;

	if (!ok) return false;
	mine = reach(r);
	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) ok = ok && !range_overlap(&mine, own[i]);
	for (unsigned i = 0; i < g->nr_gicr; i++) ok = ok && !range_overlap(&mine, &g->gicr[i]);
	for (unsigned i = 0; i < host.nr_ram; i++) ok = ok && !range_overlap(&mine, &host.ram[i]);
	for (unsigned i = 0; i < host.nr_reserved; i++)
		ok = ok && !range_overlap(&mine, &host.reserved[i]);
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm_assign *a = assigned(i);

		for (unsigned j = 0; j < a->nr_regs; j++) {
			theirs = reach(&a->reg[j]);
			ok = ok && !range_overlap(&mine, &theirs);
		}
	}
	return ok;
}

static bool irq_ok(uint32_t intid)
{
	bool ok = intid >= GIC_FIRST_SPI && intid < arch_gic_info()->nr_irqs &&
	          intid != host.uart.intid && intid != host.gic.maint_intid;

	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm_assign *a = assigned(i);

		for (unsigned j = 0; j < a->nr_irqs; j++) ok = ok && a->irq[j].intid != intid;
	}
	return ok;
}

static bool assign_ok(const struct vm_config *c)
{
	const struct vm_assign *a = &c->assign;
	const struct assign_rules *rules = &c->assign_rules;

	if (a->nr_devs > ASSIGN_MAX || a->nr_regs > ASSIGN_MAX || a->nr_irqs > ASSIGN_MAX ||
	    rules->n > ASSIGN_MAX_RULES)
		return false;
	for (unsigned i = 0; i < a->nr_regs; i++)
		if (!reg_ok(&a->reg[i])) return false;
	for (unsigned i = 0; i < a->nr_irqs; i++) {
		if (!irq_ok(a->irq[i].intid) || !is_bool(&a->irq[i].edge)) return false;
		/* What is held once for two would be let go twice. */
		for (unsigned j = 0; j < i; j++)
			if (a->irq[j].intid == a->irq[i].intid) return false;
	}
	for (unsigned i = 0; i < rules->n; i++) {
		const struct assign_rule *u = &rules->rule[i];

		if (u->reg >= a->nr_regs || !a->reg[u->reg].trapped || !is_bool(&u->w1) ||
		    !within(u->off, u->size, 0, a->reg[u->reg].size))
			return false;
	}
	return true;
}

static bool sched_ok(const struct vm_config *c)
{
	if (c->sched == SCHED_FAIR) return c->weight >= 1 && c->weight <= 10000;
	/* Each period's begin is an interrupt. */
	return c->sched == SCHED_FIXED && c->priority < SCHED_PRIORITY_MANAGEMENT &&
	       c->budget_us <= c->period_us && c->period_us <= 10000000 &&
	       (c->period_us >= 100 || c->period_us == 0);
}

static bool string_ok(const char *s, size_t n) { return memchr(s, '\0', n) != NULL; }

enum hyp_err config_check(const struct vm_config *c)
{
	const bool *const flags[] = {
	    &c->autostart, &c->background,       &c->console,          &c->reports_health,
	    &c->vpl011,    &c->allow_unsafe_dma, &c->plan.fdt_at_base,
	};
	bool ok = string_ok(c->name, sizeof(c->name)) && string_ok(c->image, sizeof(c->image)) &&
	          string_ok(c->ramdisk, sizeof(c->ramdisk)) &&
	          string_ok(c->fdt_overlay, sizeof(c->fdt_overlay)) && c->memory != 0 &&
	          c->memory <= MAX_MEMORY && IS_ALIGNED(c->memory, PAGE_SIZE) && c->cpus >= 1 &&
	          c->cpus <= (c->gic == 2 ? GICV2_MAX_CPUS : MAX_VCPUS) &&
	          c->gic == arch_gic_info()->version && c->on_crash <= ON_CRASH_PANIC &&
	          c->verify <= VERIFY_SHA256 && sched_ok(c);

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) ok = ok && is_bool(flags[i]);
	for (const struct fit_image *f = c->files; f < c->files + NR_FILES; f++)
		ok = ok && is_bool(&f->has_crc32) && is_bool(&f->has_sha256) &&
		     (f->size == 0 || in_bundle(f->data, f->size));
	return ok && plan_ok(c) && assign_ok(c) ? HYP_OK : HYP_EINVAL;
}
