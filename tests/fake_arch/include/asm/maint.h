/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host stand-ins: TLBI and IC as tokens (tests/unit/test_tlb.c), DC goes to
 * tests/unit/test_cache.c, AT is answered in PAR_EL1 (tests/fake_arch/sysreg.c).
 */
#pragma once

#include <stdint.h>

void fake_logf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fake_dc(const char *op, uint64_t addr);
void fake_at(const char *op, uint64_t va);

#define tlbi(op) fake_log_token("tlbi " #op)
#define tlbi_arg(op, arg) fake_logf("tlbi " #op " 0x%llx", (unsigned long long)(arg))
#define ic(op) fake_log_token("ic " #op)
#define dc(op, addr) fake_dc(#op, (addr))
#define at(op, va) fake_at(#op, (va))
