/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMCCC dispatch for HVC and trapped SMC: architecture calls, PSCI, Atoll's own; everything else
 * is NOT_SUPPORTED and never faults (SMCCC 1.1, DEN0028).
 */
#include <abi/hvc.h>

#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>

/* DEN0028 section 7. */
#define SMCCC_VERSION 0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_1_1 UINT64_C(0x10001)

/* Owner, bits 29:24: 4 is standard secure services, PSCI being functions 0 to 0x1f. */
#define FN_IS_PSCI(fn) (((fn)&0xbfffffe0u) == 0x84000000u)

/* SMCCC_ARCH_WORKAROUND_*: nobody here does them, so that none is offered. */
static bool supported(uint32_t fn)
{
	return fn == SMCCC_VERSION || fn == SMCCC_ARCH_FEATURES || vpsci_supported(fn);
}

static uint64_t vendor_call(struct vcpu *v, uint32_t fn)
{
	uint64_t *x = v->arch.x;

	switch (fn) {
	case ATOLL_HVC_CALL_COUNT: return 5;
	case ATOLL_HVC_CALL_UID:
		x[1] = ATOLL_UID_1;
		x[2] = ATOLL_UID_2;
		x[3] = ATOLL_UID_3;
		return ATOLL_UID_0;
	case ATOLL_HVC_REVISION: x[1] = ATOLL_ABI_MINOR; return ATOLL_ABI_MAJOR;
	case ATOLL_HVC_EXIT: vm_stop(v->vm, STOP_EXIT, (uint32_t)x[1]); return SMCCC_RET_SUCCESS;
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
	uint64_t *x = v->arch.x;
	uint32_t fn = (uint32_t)x[0];

	v->stats.nr_hvc++;
	if (FN_IS_PSCI(fn))
		x[0] = vpsci_call(v, fn, x[1], x[2], x[3]);
	else if (fn == SMCCC_VERSION)
		x[0] = SMCCC_1_1;
	else if (fn == SMCCC_ARCH_FEATURES)
		x[0] = supported((uint32_t)x[1]) ? SMCCC_RET_SUCCESS : SMCCC_RET_NOT_SUPPORTED;
	else
		x[0] = vendor_call(v, fn);
}
