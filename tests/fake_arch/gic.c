/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual CPU interface in software: written from IHI 0048B chapter 5 and IHI 0069 4.6, and
 * strict: what the architecture calls unpredictable is a test failure.
 */
#include <assert.h>
#include <string.h>

#include <hyp/pcpu.h>
#include "fake_gic.h"

struct fake_gic_cpu fake_gic[MAX_PCPUS];
struct fake_spi fake_spi[288];
static struct arch_gic_info info;

static struct fake_gic_cpu *me(void) { return &fake_gic[this_pcpu()->id]; }

void fake_gic_init(unsigned version, unsigned nr_lrs)
{
	memset(fake_gic, 0, sizeof(fake_gic));
	memset(fake_spi, 0, sizeof(fake_spi));
	info = (struct arch_gic_info){
	    .version = version, .nr_lrs = nr_lrs, .nr_irqs = 288, .linked_lrs = true};
}

void fake_gic_unlink(void) { info.linked_lrs = false; }

void fake_gic_count_reset(unsigned cpu)
{
	struct fake_gic_cpu *g = &fake_gic[cpu];

	g->lr_reads = g->lr_writes = g->hcr_reads = g->hcr_writes = g->vmcr_reads = 0;
	g->clear_actives = 0;
}

const struct arch_gic_info *arch_gic_info(void) { return &info; }

uint64_t arch_gic_lr_read(unsigned n)
{
	assert(n < info.nr_lrs);
	me()->lr_reads++;
	return me()->lr[n];
}

void arch_gic_lr_write(unsigned n, uint64_t lr)
{
	struct fake_gic_cpu *g = me();

	assert(n < info.nr_lrs);
	if (lr & LR_STATE) {
		assert((lr & (LR_HW | LR_STATE)) != (LR_HW | LR_STATE)); /* 5.2.2 */
		assert((lr & LR_VINTID) < 1020);
		assert((FIELD_GET(LR_PRIORITY, lr) & 7) == 0);
	}
	g->lr_writes++;
	g->lr[n] = lr;
}

uint32_t arch_gic_hcr_read(void)
{
	me()->hcr_reads++;
	return me()->hcr;
}

void arch_gic_hcr_write(uint32_t hcr)
{
	me()->hcr_writes++;
	me()->hcr = info.version == 2 ? hcr & ~VGIC_HCR_TDIR : hcr;
}

void arch_gic_vcpu_save(struct arch_gic_vcpu *c)
{
	c->vmcr = me()->vmcr;
	c->apr[0][0] = me()->apr;
}

void arch_gic_vcpu_load(const struct arch_gic_vcpu *c)
{
	me()->vmcr = c->vmcr;
	me()->apr = c->apr[0][0];
}

/* Not the hardware's reset value: what a guest makes of it at once. */
void arch_gic_vcpu_reset(struct arch_gic_vcpu *c)
{
	*c = (struct arch_gic_vcpu){.vmcr = FAKE_VMCR_GRP0 | FAKE_VMCR_GRP1 |
	                                    (uint32_t)FIELD_PREP(FAKE_VMCR_PMR, 0xf8)};
}

static struct arch_gic_vmcr decode(uint32_t vmcr)
{
	return (struct arch_gic_vmcr){.pmr = (uint8_t)FIELD_GET(FAKE_VMCR_PMR, vmcr),
	                              .groups = vmcr & (FAKE_VMCR_GRP0 | FAKE_VMCR_GRP1),
	                              .split = (vmcr & FAKE_VMCR_EOIMODE) != 0};
}

struct arch_gic_vmcr arch_gic_vmcr_read(void)
{
	me()->vmcr_reads++;
	return decode(me()->vmcr);
}

void arch_gic_set_active(uint32_t intid) { me()->ppi_active[intid] = true; }

void arch_gic_clear_active(uint32_t intid)
{
	me()->clear_actives++;
	me()->ppi_active[intid] = false;
}

void fake_gic_spi_line(uint32_t intid, bool line)
{
	struct fake_spi *s = &fake_spi[intid];

	s->latch |= s->edge && line && !s->line;
	s->line = line;
}

bool fake_gic_spi_fires(uint32_t intid)
{
	const struct fake_spi *s = &fake_spi[intid];

	return arch_gic_pending(intid) && !s->active && !s->masked;
}

void arch_gic_hold(uint32_t iar)
{
	struct fake_spi *s = &fake_spi[iar];

	assert(fake_gic_spi_fires(iar) && this_pcpu()->id == s->cpu);
	s->latch = false;
	*(info.linked_lrs ? &s->active : &s->masked) = true;
}

void arch_gic_release(uint32_t intid)
{
	*(info.linked_lrs ? &fake_spi[intid].active : &fake_spi[intid].masked) = false;
}

void arch_gic_route(uint32_t intid, unsigned cpu) { fake_spi[intid].cpu = cpu; }

bool arch_gic_pending(uint32_t intid)
{
	return fake_spi[intid].edge ? fake_spi[intid].latch : fake_spi[intid].line;
}

bool fake_gic_ppi_fires(unsigned cpu, uint32_t ppi)
{
	return fake_gic[cpu].ppi_line[ppi] && !fake_gic[cpu].ppi_active[ppi];
}

static unsigned running_priority(const struct fake_gic_cpu *g)
{
	return g->apr ? (unsigned)__builtin_ctz(g->apr) << 3 : 0x100;
}

/* LR of the most urgent pending interrupt that is signalled, or -1. */
static int hppi(const struct fake_gic_cpu *g)
{
	struct arch_gic_vmcr c = decode(g->vmcr);
	int best = -1;
	unsigned best_prio = 0x100;

	if (!(g->hcr & VGIC_HCR_EN)) return -1;
	for (unsigned i = 0; i < info.nr_lrs; i++) {
		uint64_t lr = g->lr[i];
		unsigned prio = (unsigned)FIELD_GET(LR_PRIORITY, lr);

		if ((lr & LR_STATE) != LR_PENDING || !(c.groups & BIT32((lr & LR_GROUP1) != 0)))
			continue;
		/* Of equal ones any may come first; this takes the lowest INTID. */
		if (prio < c.pmr && prio < running_priority(g) &&
		    (prio < best_prio ||
		     (prio == best_prio && (lr & LR_VINTID) < (g->lr[best] & LR_VINTID)))) {
			best = (int)i;
			best_prio = prio;
		}
	}
	return best;
}

static uint32_t iar_of(uint64_t lr)
{
	uint32_t source = (lr & LR_HW) ? 0 : (uint32_t)FIELD_GET(LR_CPUID, lr);

	return (uint32_t)(lr & LR_VINTID) | source << 10;
}

uint32_t fake_gic_hppir(unsigned cpu)
{
	int n = hppi(&fake_gic[cpu]);

	return n < 0 ? GIC_INTID_NONE : iar_of(fake_gic[cpu].lr[n]);
}

uint32_t fake_gic_iar(unsigned cpu)
{
	struct fake_gic_cpu *g = &fake_gic[cpu];
	int n = hppi(g);

	if (n < 0) return GIC_INTID_NONE;
	for (unsigned i = 0; i < info.nr_lrs; i++) {
		/* One INTID in two list registers is unpredictable (5.2.2). */
		assert(i == (unsigned)n || !(g->lr[i] & LR_STATE) ||
		       (g->lr[i] & LR_VINTID) != (g->lr[n] & LR_VINTID));
	}
	g->apr |= BIT32(FIELD_GET(LR_PRIORITY, g->lr[n]) >> 3);
	g->lr[n] ^= LR_STATE; /* pending -> active */
	return iar_of(g->lr[n]);
}

static void deactivate(unsigned cpu, uint32_t iar)
{
	struct fake_gic_cpu *g = &fake_gic[cpu];

	for (unsigned i = 0; i < info.nr_lrs; i++) {
		uint64_t lr = g->lr[i];

		if ((lr & LR_ACTIVE) && (lr & LR_VINTID) == (iar & 0x3ff) &&
		    ((iar & 0x3ff) >= 16 || info.version == 3 || iar_of(lr) == iar)) {
			g->lr[i] &= ~LR_ACTIVE;
			if (lr & LR_HW) {
				uint32_t p = (uint32_t)FIELD_GET(LR_PINTID, lr);

				if (p >= GIC_FIRST_SPI) {
					assert(fake_spi[p].active);
					fake_spi[p].active = false;
				} else {
					assert(g->ppi_active[p]);
					g->ppi_active[p] = false;
				}
			}
			return;
		}
	}
	g->hcr = (g->hcr & ~(uint32_t)VGIC_HCR_EOICOUNT) |
	         (uint32_t)FIELD_PREP(VGIC_HCR_EOICOUNT, FIELD_GET(VGIC_HCR_EOICOUNT, g->hcr) + 1);
}

void fake_gic_eoir(unsigned cpu, uint32_t iar)
{
	struct fake_gic_cpu *g = &fake_gic[cpu];

	if ((iar & 0x3ff) >= 1020 || g->apr == 0) return;
	g->apr &= g->apr - 1;
	if (!(g->vmcr & FAKE_VMCR_EOIMODE)) deactivate(cpu, iar);
}

bool fake_gic_dir(unsigned cpu, uint32_t iar)
{
	struct fake_gic_cpu *g = &fake_gic[cpu];

	/* GICv2: its page is not mapped. */
	if (info.version == 2 || (g->hcr & VGIC_HCR_TDIR)) return false;
	if (g->vmcr & FAKE_VMCR_EOIMODE) deactivate(cpu, iar);
	return true;
}

uint32_t fake_gic_misr(unsigned cpu)
{
	const struct fake_gic_cpu *g = &fake_gic[cpu];
	unsigned valid = 0, pending = 0;
	uint32_t misr = 0;

	if (!(g->hcr & VGIC_HCR_EN)) return 0;
	for (unsigned i = 0; i < info.nr_lrs; i++) {
		uint64_t lr = g->lr[i];

		valid += (lr & LR_STATE) != 0;
		pending += (lr & LR_STATE) == LR_PENDING;
		if ((lr & (LR_STATE | LR_HW | LR_EOI)) == LR_EOI) misr |= FAKE_MISR_EOI;
	}
	if ((g->hcr & VGIC_HCR_UIE) && valid <= 1) misr |= FAKE_MISR_U;
	if ((g->hcr & VGIC_HCR_LRENPIE) && (g->hcr & VGIC_HCR_EOICOUNT)) misr |= FAKE_MISR_LRENP;
	if ((g->hcr & VGIC_HCR_NPIE) && pending == 0) misr |= FAKE_MISR_NP;
	return misr;
}
