/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Barriers. <asm/barrier.h> of the real or the fake arch defines, each with a compiler barrier:
 *   smp_mb(), smp_rmb(), smp_wmb()   order memory accesses among CPUs (DMB ISH, ISHLD, ISHST)
 *   dsb_ish(), dsb_ishst(), dsb_nsh(), dsb_nshst(), dsb_sy()   completion (Arm ARM B2.3.12)
 *   isb()                            context synchronisation
 *   cpu_relax()                      YIELD: in every spin loop (QEMU's icount depends on it)
 *   cpu_sev()                        send event
 *   spec_barrier_index(i, n)         i < n ? i : 0, also under speculation (CSDB)
 */
#pragma once

#include <asm/barrier.h>

/* An index that a guest chose, for an array of n: bound-check first, then mask (rule 15). */
#define array_index_nospec(i, n) spec_barrier_index((uint64_t)(i), (uint64_t)(n))
