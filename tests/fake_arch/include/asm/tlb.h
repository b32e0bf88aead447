/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-ins: the instructions of the real arch/arm64/tlb.c as tokens (tests/unit/test_tlb.c).
 */
#pragma once

#include <stdint.h>

void fake_logf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define tlbi(op) fake_log_token("tlbi " #op)
#define tlbi_arg(op, arg) fake_logf("tlbi " #op " 0x%llx", (unsigned long long)(arg))
#define ic(op) fake_log_token("ic " #op)
