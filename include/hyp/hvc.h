/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests' calls by HVC and by trapped SMC: SMCCC 1.1 (DEN0028), PSCI 1.1 (DEN0022), Atoll's own.
 */
#pragma once

#include <hyp/types.h>

struct vcpu;

#define SMCCC_RET_SUCCESS UINT64_C(0)
#define SMCCC_RET_NOT_SUPPORTED (~UINT64_C(0))

/* Function id and arguments in v->arch.x[0..3], results there too. Never faults. x0-x17 only. */
void hvc_call(struct vcpu *v);
/* The PSCI part, hyp/vpsci.c: x0's value. */
uint64_t vpsci_call(struct vcpu *v, uint32_t fn, uint64_t a1, uint64_t a2, uint64_t a3);
/* PSCI_FEATURES and the switch above share one list. */
bool vpsci_supported(uint32_t fn);
