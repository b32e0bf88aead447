/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of arch/arm64's upper half: one vCPU loaded on CPU 0, whose registers are the fake
 * ones; RAM and a device of its VM; stand-ins for the scheduler and the vGIC. Include it once.
 */
#pragma once

#include "s2_env.h"
#include <hyp/gmem.h>
#include <hyp/mmio.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/vm.h>
#include <asm/sysreg.h>
#include <asm/trap.h>
#include "tests/fake_arch/fake_sysreg.h"

#define RAM UINT64_C(0x40000000)   /* IPA */
#define HOST UINT64_C(0x200000000) /* where it is */
#define RAM_SIZE MiB(2)
#define DEV UINT64_C(0x09000000)   /* takes every size */
#define DEV32 UINT64_C(0x09010000) /* takes words */
/* The guest's stage 1: EL1 sees IPAs at KERNEL, EL0 at USER; nothing else is mapped. */
#define KERNEL UINT64_C(0xffff000000000000)
#define USER BIT(36)
#define PC_IPA (RAM + 0x1000)

struct pcpu pcpus[MAX_PCPUS];
unsigned nr_pcpus = 1;
static const struct machine env_machine = {.ram_base = RAM};
static struct vm_config env_cfg = {.memory = RAM_SIZE};
static struct vm vm;
static struct vcpu vcpu, *const v = &vcpu;

void arch_errata_entry(void) {}

/* --- the device: what was done to it, and what it answers --- */
static struct {
	bool write;
	uint32_t off;
	unsigned size;
	uint64_t val;
} dev_log[8];
static unsigned dev_n;
static uint64_t dev_val[2];                              /* first and second read */
static enum mmio_result dev_res[2] = {MMIO_OK, MMIO_OK}; /* of the first and the second access */

static enum mmio_result dev_access(bool write, uint32_t off, unsigned size, uint64_t val)
{
	assert_true(dev_n < 8);
	dev_log[dev_n].write = write;
	dev_log[dev_n].off = off;
	dev_log[dev_n].size = size;
	dev_log[dev_n].val = val;
	return dev_res[dev_n++ == 0 ? 0 : 1];
}

static enum mmio_result dev_read(struct vcpu *c, void *dev, uint32_t off, unsigned size,
                                 uint64_t *val)
{
	assert_ptr_equal(c, v);
	assert_ptr_equal(dev, &dev_n);
	*val = dev_val[MIN(dev_n, 1u)];
	return dev_access(false, off, size, 0);
}

static enum mmio_result dev_write(struct vcpu *c, void *dev, uint32_t off, unsigned size,
                                  uint64_t val)
{
	assert_ptr_equal(c, v);
	assert_ptr_equal(dev, &dev_n);
	return dev_access(true, off, size, val);
}

static const struct mmio_ops dev_ops = {15, dev_read, dev_write};
static const struct mmio_ops dev32_ops = {4, dev_read, dev_write};

/* --- what trap.c calls, counted --- */
static unsigned nr_block, nr_yield, nr_hvc;
static bool env_vgic_pending;
static struct vcpu *(*env_next)(void);

void sched_block(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	nr_block++;
}

void sched_yield(const struct vcpu *c)
{
	assert_ptr_equal(c, v);
	nr_yield++;
}

struct vcpu *sched_next(void)
{
	assert_non_null(env_next);
	return env_next();
}

void sched_saved(struct vcpu *c)
{
	fake_logf("saved %u", c->id);
	c->loaded_on = -1;
}

bool vgic_pending(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	return env_vgic_pending;
}

void vgic_sync(struct vcpu *c) { fake_logf("vgic_sync %u", c->id); }

__attribute__((weak)) void hvc_call(struct vcpu *c)
{
	assert_ptr_equal(c, v);
	nr_hvc++;
	c->arch.x[0] = 0x4711;
}

void irq_handle(void) { fake_log_token("irq"); }

__attribute__((weak)) enum trap_result trap_sysreg(struct vcpu *c, uint64_t esr)
{
	(void)c;
	(void)esr;
	fail_msg("trap_sysreg");
	return TRAP_RESUME;
}

__attribute__((weak)) enum trap_result trap_cp15(struct vcpu *c, uint64_t esr)
{
	(void)c;
	(void)esr;
	fail_msg("trap_cp15");
	return TRAP_RESUME;
}

__attribute__((weak)) void vcpu_ctx_save(struct vcpu *c) { fake_logf("save %u", c->id); }

__attribute__((weak)) void vcpu_ctx_load(struct vcpu *c) { fake_logf("load %u", c->id); }

/* What vcpu_regs.c resets besides. */
__attribute__((weak)) void vgic_vcpu_reset(struct vcpu *c) { (void)c; }

__attribute__((weak)) void vtimer_vcpu_reset(struct vcpu *c) { (void)c; }

__attribute__((weak)) void arch_gic_vcpu_reset(struct arch_gic_vcpu *c)
{
	*c = (struct arch_gic_vcpu){0};
}

__attribute__((weak)) uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id)
{
	(void)gic_version;
	return BIT(31) | id;
}

/* --- the guest --- */
static uint64_t env_at(const char *op, uint64_t va)
{
	bool el0 = strcmp(op, "s1e0r") == 0;
	uint64_t base = el0 ? USER : KERNEL;

	assert_true(el0 || strcmp(op, "s1e1r") == 0);
	return va - base < BIT(32) ? (va - base) & PAR_PA : PAR_F;
}

#define GPR(n) (UINT64_C(0x1111111100000000) | (uint64_t)(n) << 8 | 0x80) /* initial values */

static __attribute__((unused)) int env_setup(void **state)
{
	(void)state;
	env_init(40, 8);
	fake_ram_add(pa(HOST), RAM_SIZE);
	fake_sysreg_reset();
	fake_at_hook = env_at;
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(pcpus, 0, sizeof(pcpus));
	vm.lock = SPINLOCK_INIT(LOCK_VM);
	vm.machine = &env_machine;
	vm.cfg = &env_cfg;
	vm.nr_vcpus = 1;
	vm.vcpus[0] = v;
	vm.vgic.version = 3;
	v->vm = &vm;
	assert_int_equal(s2_create(&vm.s2, 7), HYP_OK);
	assert_int_equal(s2_map(&vm.s2, ipa(RAM), pa(HOST), RAM_SIZE, S2_RWX), HYP_OK);
	assert_int_equal(mmio_add(&vm.mmio, ipa(DEV), PAGE_SIZE, &dev_ops, &dev_n), HYP_OK);
	assert_int_equal(mmio_add(&vm.mmio, ipa(DEV32), PAGE_SIZE, &dev32_ops, &dev_n), HYP_OK);
	fake_pcpu = &pcpus[0];
	fake_pcpu->loaded = v;
	v->state = VCPU_RUNNING;
	for (unsigned i = 0; i < 31; i++) v->arch.x[i] = GPR(i);
	v->arch.hcr = vcpu_hcr_base;
	fake_sr_set(HCR_EL2, vcpu_hcr_base);
	fake_sr_set(SPSR_EL2, PSR_M_EL1H | PSR_DAIF);
	fake_sr_set(ELR_EL2, KERNEL | PC_IPA);
	fake_sr_set(SP_EL0, 0x5e10);
	fake_sr_set(SP_EL1, 0x5e11);
	fake_sr_set(VBAR_EL1, KERNEL | (RAM + 0x8000));
	fake_sr_set(SCTLR_EL1, SCTLR_EL1_RES1);
	fake_sr_set(ID_AA64MMFR1_EL1, 0);
	fake_sr_set(PAR_EL1, 0x9a4);
	dev_n = nr_block = nr_yield = nr_hvc = 0;
	dev_val[0] = dev_val[1] = 0;
	dev_res[0] = dev_res[1] = MMIO_OK;
	env_vgic_pending = false;
	env_next = NULL;
	fake_log_clear();
	return 0;
}

static __attribute__((unused)) void env_insn(uint32_t insn)
{
	memcpy(pa_to_ptr(pa(HOST + PC_IPA - RAM)), &insn, sizeof(insn));
}

static __attribute__((unused)) uint64_t ec(unsigned c) { return FIELD_PREP(ESR_EC, c) | ESR_IL; }

/* Every general register but those of the mask still has its first value. */
static __attribute__((unused)) void env_gprs_kept(uint32_t but)
{
	for (unsigned i = 0; i < 31; i++)
		if (!(but >> i & 1) && v->arch.x[i] != GPR(i))
			fail_msg("x%u changed to 0x%llx", i, (unsigned long long)v->arch.x[i]);
}

/* PC moved by n bytes, or not at all, with nothing injected. */
static __attribute__((unused)) void env_pc_moved(int n)
{
	assert_int_equal(fake_sr(ELR_EL2), (KERNEL | PC_IPA) + (uint64_t)n);
	assert_int_equal(fake_sysreg_writes("ESR_EL1"), 0);
	assert_int_equal(fake_sysreg_writes("ELR_EL1"), 0);
}

/* The guest is at the entry of an exception vector. */
static __attribute__((unused)) void env_injected(uint64_t esr, uint64_t offset)
{
	assert_int_equal(fake_sysreg_writes("ESR_EL1"), 1);
	assert_int_equal(fake_sr(ESR_EL1), esr);
	assert_int_equal(fake_sr(ELR_EL2), fake_sr(VBAR_EL1) + offset);
}
