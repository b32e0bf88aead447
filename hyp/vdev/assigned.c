/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host devices given to VMs: registers that have their pages to themselves are mapped, others are
 * forwarded one access at a time, by rules if there are any; interrupts go to the vGIC.
 */
#include <hyp/vdev.h>

#include <arch/barrier.h>
#include <asm/io.h>
#include <arch/mm.h>
#include <hyp/atomic.h>
#include <hyp/vm.h>

/* By SPI: the VM that has it and is running. */
static struct vm *owners[GIC_NR_SPI];
static spinlock_t rule_lock = SPINLOCK_INIT(LOCK_VDEV);

static uint64_t io_read(uint64_t at, unsigned size)
{
	return size == 8   ? io_read64(at)
	       : size == 4 ? io_read32(at)
	       : size == 2 ? io_read16(at)
	                   : io_read8(at);
}

static void io_write(uint64_t at, unsigned size, uint64_t val)
{
	if (size == 8)
		io_write64(at, val);
	else if (size == 4)
		io_write32(at, (uint32_t)val);
	else if (size == 2)
		io_write16(at, (uint16_t)val);
	else
		io_write8(at, (uint8_t)val);
}

/*
 * An access of the guest: to all of the device's own registers, or with rules to the bits that they
 * name, in words; a write keeps the others as they are, or writes them as 0.
 */
static enum mmio_result forward(struct vcpu *v, const struct assign_reg *r, uint32_t off,
                                unsigned size, bool write, uint64_t *val)
{
	const struct assign_rules *rules = &v->vm->cfg->assign_rules;
	const struct assign_rule *u = rules->rule, *end = u + rules->n;
	uint64_t at = r->pa + off, mask = UINT64_MAX;

	if (size > r->size || off > r->size - size || !IS_ALIGNED(at, size)) return MMIO_ABORT;
	if (r->ruled) {
		while (u < end && (v->vm->cfg->assign.reg + u->reg != r || off - u->off >= u->size))
			u++;
		mask = u == end || size != 4 ? 0 : write ? u->write : u->read;
	}
	if (mask == 0) return MMIO_ABORT;
	spin_lock(&rule_lock); /* nobody's write is between the read and the write */
	if (!write)
		*val = io_read(at, size) & mask;
	else if (r->ruled && !u->w1)
		io_write(at, size, (io_read(at, size) & ~mask) | (*val & mask));
	else
		io_write(at, size, *val & mask);
	spin_unlock(&rule_lock);
	return MMIO_OK;
}

static enum mmio_result assigned_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                      uint64_t *val)
{
	return forward(v, dev, off, size, false, val);
}

static enum mmio_result assigned_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                       uint64_t val)
{
	return forward(v, dev, off, size, true, &val);
}

static const struct mmio_ops assigned_ops = {1 | 2 | 4 | 8, assigned_read, assigned_write};

static uint64_t reg_start(const struct assign_reg *r) { return ALIGN_DOWN(r->pa, PAGE_SIZE); }

static uint64_t reg_end(const struct assign_reg *r) { return ALIGN_UP(r->pa + r->size, PAGE_SIZE); }

bool assigned_may_map(const struct vm_assign *a, pa_t p, uint64_t size)
{
	for (const struct assign_reg *r = a->reg; r < a->reg + a->nr_regs; r++)
		if (!r->trapped && pa_raw(p) >= reg_start(r) && pa_raw(p) + size <= reg_end(r))
			return true;
	return false;
}

enum hyp_err assigned_create(struct vm *vm, struct vm_assign *a)
{
	for (struct assign_reg *r = a->reg; r < a->reg + a->nr_regs; r++) {
		if (r->trapped) {
			TRY(arch_mm_map(pa(r->pa), r->size, MM_DEVICE));
			TRY(mmio_add(&vm->mmio, ipa(r->ipa), ALIGN_UP(r->size, 8), &assigned_ops,
			             r));
		} else {
			TRY(s2_map(&vm->s2, ipa(ALIGN_DOWN(r->ipa, PAGE_SIZE)), pa(reg_start(r)),
			           reg_end(r) - reg_start(r), S2_DEVICE));
		}
	}
	for (uint32_t i = 0; i < a->nr_irqs; i++) {
		if (a->irq[i].intid >= arch_gic_info()->nr_irqs) return HYP_EINVAL;
		arch_gic_set_edge(a->irq[i].intid, a->irq[i].edge);
		vgic_link_spi(vm, vm->machine->assign_intid + i, a->irq[i].intid, a->irq[i].edge);
	}
	return HYP_OK;
}

void assigned_start(struct vm *vm)
{
	const struct vm_assign *a = &vm->cfg->assign;

	for (unsigned i = 0; i < a->nr_irqs; i++) {
		store_release(&owners[a->irq[i].intid - GIC_FIRST_SPI], vm);
		arch_gic_enable(a->irq[i].intid);
	}
}

void assigned_stop(struct vm *vm)
{
	const struct vm_assign *a = &vm->cfg->assign;

	for (unsigned i = 0; i < a->nr_irqs; i++) {
		arch_gic_disable(a->irq[i].intid);
		store_relaxed(&owners[a->irq[i].intid - GIC_FIRST_SPI], NULL);
	}
}

void assigned_irq(uint32_t intid)
{
	struct vm *vm = load_acquire(&owners[intid - GIC_FIRST_SPI]);

	/* A last one of a VM that has stopped: no more of it. */
	if (!vm) arch_gic_disable(intid);
	for (uint32_t i = 0; vm && i < vm->cfg->assign.nr_irqs; i++)
		if (vm->cfg->assign.irq[i].intid == intid)
			vgic_inject_spi(vm, vm->machine->assign_intid + i);
}
