/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSCI 1.1 for guests (DEN0022): power of vCPUs and of the VM.
 */
#include <hyp/atomic.h>
#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/sched.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>
#include <hyp/vpsci.h>
#include <arch/barrier.h>

#define PSCI_32(n) (0x84000000u + (n))
#define PSCI_64(n) (0xc4000000u + (n))
#define FN_64BIT 0x40000000u

enum {
	FN_VERSION = PSCI_32(0),
	FN_CPU_SUSPEND = PSCI_32(1),
	FN_CPU_OFF = PSCI_32(2),
	FN_CPU_ON = PSCI_32(3),
	FN_AFFINITY_INFO = PSCI_32(4),
	FN_MIGRATE_INFO_TYPE = PSCI_32(6),
	FN_SYSTEM_OFF = PSCI_32(8),
	FN_SYSTEM_RESET = PSCI_32(9),
	FN_FEATURES = PSCI_32(10),
};

#define PSCI_1_1 UINT64_C(0x10001)
#define PSCI_TOS_NOT_PRESENT UINT64_C(2)
#define PSCI_DENIED ((uint64_t)-3)
#define PSCI_INVALID_PARAMETERS ((uint64_t)-2)
#define PSCI_ALREADY_ON ((uint64_t)-4)
#define PSCI_INVALID_ADDRESS ((uint64_t)-9)

/* The call in its 32-bit numbering, or 0 where a 64-bit form does not exist. */
static uint32_t base_fn(uint32_t fn)
{
	uint32_t base = fn & ~FN_64BIT;

	if (!(fn & FN_64BIT) || base == FN_CPU_SUSPEND || base == FN_CPU_ON ||
	    base == FN_AFFINITY_INFO) {
		return base;
	}
	return 0;
}

bool vpsci_supported(uint32_t fn)
{
	switch (base_fn(fn)) {
	case FN_VERSION:
	case FN_CPU_SUSPEND:
	case FN_CPU_OFF:
	case FN_CPU_ON:
	case FN_AFFINITY_INFO:
	case FN_MIGRATE_INFO_TYPE:
	case FN_SYSTEM_OFF:
	case FN_SYSTEM_RESET:
	case FN_FEATURES:
		return true;
	default:
		return false;
	}
}

/* DEN0022 5.6. Of several callers one succeeds: power changes under vm->lock. */
static uint64_t cpu_on(struct vcpu *caller, uint64_t mpidr, uint64_t entry, uint64_t context)
{
	struct vm *vm = caller->vm;
	struct vcpu *v = vm_vcpu_by_mpidr(vm, mpidr);
	uint64_t ret = SMCCC_RET_SUCCESS;

	if (!v) {
		return PSCI_INVALID_PARAMETERS;
	}
	if (entry & 3) {
		return PSCI_INVALID_ADDRESS; /* AArch32 entry, or not an instruction's */
	}
	spin_lock(&vm->lock);
	if (v->power != POWER_OFF) {
		ret = PSCI_ALREADY_ON;
	} else if (vm->state != VM_RUNNING) {
		ret = PSCI_DENIED;
	} else {
		/* vcpu_left() came before the last store of its CPU's switch: a few instructions. */
		while (load_acquire(&v->loaded_on) >= 0) {
			cpu_relax();
		}
		vcpu_reset(v, entry, context);
		v->power = POWER_ON;
		vm->nr_online++;
		vgic_retarget(vm);
		sched_start(v);
	}
	spin_unlock(&vm->lock);
	return ret;
}

static uint64_t cpu_off(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool last;

	spin_lock(&vm->lock);
	last = --vm->nr_online == 0;
	spin_unlock(&vm->lock);
	if (last) {
		vm_stop(vm, STOP_OFF, 0);
	} else {
		sched_off(v);
	}
	return SMCCC_RET_SUCCESS; /* not seen by the guest */
}

void vcpu_left(struct vcpu *v)
{
	spin_lock(&v->vm->lock);
	v->power = POWER_OFF;
	vgic_retarget(v->vm);
	spin_unlock(&v->vm->lock);
}

/* DEN0022 5.7; a lowest_level (32 bits) above 0 needs no support since PSCI 1.0. */
static uint64_t affinity_info(struct vcpu *caller, uint64_t mpidr, uint32_t level)
{
	struct vcpu *v = vm_vcpu_by_mpidr(caller->vm, mpidr);

	if (level != 0 || !v) {
		return PSCI_INVALID_PARAMETERS;
	}
	return load_acquire(&v->power) == POWER_ON ? 0 : 1;
}

/* Every state is a standby state here: the call returns when an interrupt is pending. */
static uint64_t cpu_suspend(struct vcpu *v)
{
	if (!vgic_pending(v)) {
		sched_block(v);
	}
	return SMCCC_RET_SUCCESS;
}

uint64_t vpsci_call(struct vcpu *v, uint32_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	if (!(fn & FN_64BIT)) {
		a1 = (uint32_t)a1;
		a2 = (uint32_t)a2;
		a3 = (uint32_t)a3;
	}
	switch (base_fn(fn)) {
	case FN_VERSION:
		return PSCI_1_1;
	case FN_CPU_SUSPEND:
		return cpu_suspend(v);
	case FN_CPU_OFF:
		return cpu_off(v);
	case FN_CPU_ON:
		return cpu_on(v, a1, a2, a3);
	case FN_AFFINITY_INFO:
		return affinity_info(v, a1, (uint32_t)a2);
	case FN_MIGRATE_INFO_TYPE:
		return PSCI_TOS_NOT_PRESENT;
	case FN_SYSTEM_OFF:
		vm_stop(v->vm, STOP_OFF, 0);
		return SMCCC_RET_SUCCESS;
	case FN_SYSTEM_RESET:
		vm_stop(v->vm, STOP_RESET, 0);
		return SMCCC_RET_SUCCESS;
	case FN_FEATURES:
		/* SMCCC_VERSION is discovered through here (DEN0028 section 7.2). */
		return vpsci_supported((uint32_t)a1) || (uint32_t)a1 == 0x80000000u
			       ? SMCCC_RET_SUCCESS
			       : SMCCC_RET_NOT_SUPPORTED;
	default:
		return SMCCC_RET_NOT_SUPPORTED;
	}
}
