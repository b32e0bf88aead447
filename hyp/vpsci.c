/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PSCI 1.1 for guests (DEN0022): power of vCPUs and of the VM.
 */
#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/sched.h>
#include <hyp/vm.h>

#define FN_BASE 0x84000000u
#define FN_64BIT 0x40000000u
#define FN_NUMBER 0x1fu

enum {
	FN_VERSION = 0,
	FN_CPU_SUSPEND = 1,
	FN_CPU_OFF = 2,
	FN_CPU_ON = 3,
	FN_AFFINITY_INFO = 4,
	FN_MIGRATE_INFO_TYPE = 6,
	FN_SYSTEM_OFF = 8,
	FN_SYSTEM_RESET = 9,
	FN_FEATURES = 10,
};

/* Those with arguments as wide as registers have a second, 64-bit form. */
#define CALLS_64 (BIT32(FN_CPU_SUSPEND) | BIT32(FN_CPU_ON) | BIT32(FN_AFFINITY_INFO))
#define CALLS_32                                                                                   \
	(CALLS_64 | BIT32(FN_VERSION) | BIT32(FN_CPU_OFF) | BIT32(FN_MIGRATE_INFO_TYPE) |          \
	 BIT32(FN_SYSTEM_OFF) | BIT32(FN_SYSTEM_RESET) | BIT32(FN_FEATURES))

#define PSCI_1_1 UINT64_C(0x10001)
#define PSCI_TOS_NOT_PRESENT UINT64_C(2)
#define PSCI_INVALID_PARAMETERS ((uint64_t)-2)
#define PSCI_ALREADY_ON ((uint64_t)-4)
#define PSCI_INVALID_ADDRESS ((uint64_t)-9)

bool vpsci_supported(uint32_t fn)
{
	uint32_t calls = fn & FN_64BIT ? CALLS_64 : CALLS_32;

	return (fn & ~(FN_64BIT | FN_NUMBER)) == FN_BASE && (calls >> (fn & FN_NUMBER) & 1) != 0;
}

/* Off: its context is saved as well, CPU_ON may take it. */
static bool is_on(const struct vcpu *v) { return load_relaxed(&v->on) || !vcpu_is_out(v); }

/* DEN0022 5.6. Of several callers one succeeds: power changes under vm->lock. */
static uint64_t cpu_on(struct vcpu *caller, uint64_t mpidr, uint64_t entry, uint64_t context)
{
	struct vm *vm = caller->vm;
	struct vcpu *v = vm_vcpu_by_mpidr(vm, mpidr);
	uint64_t ret = SMCCC_RET_SUCCESS;

	if (!v) return PSCI_INVALID_PARAMETERS;
	if (entry & 3) return PSCI_INVALID_ADDRESS; /* AArch32 entry, or not an instruction's */
	spin_lock(&vm->lock);
	if (is_on(v)) {
		ret = PSCI_ALREADY_ON;
	} else {
		vcpu_reset(v, entry, context);
		store_relaxed(&v->on, true);
		vm->nr_online++;
		vgic_retarget(vm);
		/* Not while the VM is being paused: the resume starts it. */
		if (vm->state == VM_RUNNING) sched_start(v);
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
	store_relaxed(&v->on, false);
	vgic_retarget(vm);
	spin_unlock(&vm->lock);
	if (last)
		vm_stop(vm, STOP_OFF, 0);
	else
		sched_off(v);
	return SMCCC_RET_SUCCESS; /* not seen by the guest */
}

uint64_t vpsci_call(struct vcpu *v, uint32_t fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	const struct vcpu *other;

	if (!vpsci_supported(fn)) return SMCCC_RET_NOT_SUPPORTED;
	if (!(fn & FN_64BIT)) {
		a1 = (uint32_t)a1;
		a2 = (uint32_t)a2;
		a3 = (uint32_t)a3;
	}
	switch (fn & FN_NUMBER) {
	case FN_VERSION: return PSCI_1_1;
	case FN_CPU_SUSPEND: /* a standby state, whichever: returns when an interrupt is pending */
		if (!vgic_pending(v)) sched_block(v);
		return SMCCC_RET_SUCCESS;
	case FN_CPU_OFF: return cpu_off(v);
	case FN_CPU_ON: return cpu_on(v, a1, a2, a3);
	case FN_AFFINITY_INFO: /* DEN0022 5.7; a level above 0 needs no support since PSCI 1.0 */
		other = vm_vcpu_by_mpidr(v->vm, a1);
		if ((uint32_t)a2 != 0 || !other) return PSCI_INVALID_PARAMETERS;
		return is_on(other) ? 0 : 1;
	case FN_MIGRATE_INFO_TYPE: return PSCI_TOS_NOT_PRESENT;
	case FN_SYSTEM_OFF:
	case FN_SYSTEM_RESET:
		vm_stop(v->vm, (fn & FN_NUMBER) == FN_SYSTEM_OFF ? STOP_OFF : STOP_RESET, 0);
		return SMCCC_RET_SUCCESS;
	default: /* FN_FEATURES; SMCCC_VERSION is discovered through here (DEN0028 section 7.2). */
		return vpsci_supported((uint32_t)a1) || (uint32_t)a1 == 0x80000000u
		           ? SMCCC_RET_SUCCESS
		           : SMCCC_RET_NOT_SUPPORTED;
	}
}
