/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-ins: every barrier is a token in the fake arch's log (tests/fake_arch/fake.h). */
#pragma once

#include <stdint.h>

void fake_log_token(const char *token);

#define smp_mb() fake_log_token("dmb ish")
#define smp_rmb() fake_log_token("dmb ishld")
#define smp_wmb() fake_log_token("dmb ishst")
#define dsb_ish() fake_log_token("dsb ish")
#define dsb_ishst() fake_log_token("dsb ishst")
#define dsb_nsh() fake_log_token("dsb nsh")
#define dsb_nshst() fake_log_token("dsb nshst")
#define dsb_sy() fake_log_token("dsb sy")
#define isb() fake_log_token("isb")
#define cpu_relax() fake_log_token("yield")
#define cpu_sev() fake_log_token("sev")

static inline uint64_t spec_barrier_index(uint64_t i, uint64_t n) { return i < n ? i : 0; }
