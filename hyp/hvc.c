/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMCCC dispatch for HVC and trapped SMC: architecture calls, PSCI, Atoll's own; everything else
 * is NOT_SUPPORTED and never faults (SMCCC 1.1, DEN0028).
 */
#include <abi/hvc.h>

#include <hyp/atomic.h>
#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/management.h>
#include <hyp/vm.h>

/* DEN0028 section 7. */
#define SMCCC_VERSION 0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_1_1 UINT64_C(0x10001)

/* Owner, bits 29:24: 4 is standard secure services, PSCI being functions 0 to 0x1f. */
#define FN_IS_PSCI(fn) (((fn)&0xbfffffe0u) == 0x84000000u)

static uint64_t call(struct vcpu *v, uint32_t fn)
{
	uint64_t *x = v->arch.x;

	if (FN_IS_PSCI(fn)) return vpsci_call(v, fn, x[1], x[2], x[3]);
	if (fn - MANAGEMENT_CALLS < NR_MANAGEMENT_CALLS && vm_is_management(v->vm))
		return management_call(v, (enum management_call)(fn - MANAGEMENT_CALLS));
	switch (fn) {
	case SMCCC_VERSION: return SMCCC_1_1;
	case SMCCC_ARCH_FEATURES:
		/* Not SMCCC_ARCH_WORKAROUND_*: nobody here does them. */
		fn = (uint32_t)x[1];
		if (fn == SMCCC_VERSION || fn == SMCCC_ARCH_FEATURES || vpsci_supported(fn))
			return SMCCC_RET_SUCCESS;
		return SMCCC_RET_NOT_SUPPORTED;
	case ATOLL_HVC_CALL_COUNT: return 6;
	case ATOLL_HVC_CALL_UID:
		x[1] = ATOLL_UID_1;
		x[2] = ATOLL_UID_2;
		x[3] = ATOLL_UID_3;
		return ATOLL_UID_0;
	case ATOLL_HVC_REVISION: x[1] = ATOLL_ABI_MINOR; return ATOLL_ABI_MAJOR;
	case ATOLL_HVC_EXIT: vm_stop(v->vm, STOP_EXIT, (uint32_t)x[1]); return SMCCC_RET_SUCCESS;
	case ATOLL_HVC_HEALTHY: store_relaxed(&v->vm->healthy, true); return SMCCC_RET_SUCCESS;
	case ATOLL_HVC_CRASH:
		vm_crash(v->vm, &(struct crash_info){.what = "reported by the guest's runtime",
		                                     .vcpu = v->id,
		                                     .esr = x[1],
		                                     .far = x[2],
		                                     .pc = x[3]});
		return SMCCC_RET_SUCCESS;
	default: return SMCCC_RET_NOT_SUPPORTED;
	}
}

void hvc_call(struct vcpu *v)
{
	v->stats.nr_hvc++;
	v->arch.x[0] = call(v, (uint32_t)v->arch.x[0]);
}
