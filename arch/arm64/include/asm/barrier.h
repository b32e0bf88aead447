/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 barriers; the contract is in include/arch/barrier.h. */
#pragma once

#include <stdint.h>

#define smp_mb() __asm__ volatile("dmb ish" ::: "memory")
#define smp_rmb() __asm__ volatile("dmb ishld" ::: "memory")
#define smp_wmb() __asm__ volatile("dmb ishst" ::: "memory")
#define dsb_ish() __asm__ volatile("dsb ish" ::: "memory")
#define dsb_ishst() __asm__ volatile("dsb ishst" ::: "memory")
#define dsb_nsh() __asm__ volatile("dsb nsh" ::: "memory")
#define dsb_nshst() __asm__ volatile("dsb nshst" ::: "memory")
#define dsb_sy() __asm__ volatile("dsb sy" ::: "memory")
#define isb() __asm__ volatile("isb" ::: "memory")
#define cpu_relax() __asm__ volatile("yield" ::: "memory")
#define cpu_sev() __asm__ volatile("sev" ::: "memory")

/* CMP/SBC make an all-ones mask iff i < n; CSDB stops speculation past it (Arm ARM C6.2, CSDB). */
static inline uint64_t spec_barrier_index(uint64_t i, uint64_t n)
{
	uint64_t mask;

	__asm__ volatile("cmp %1, %2\n\tsbc %0, xzr, xzr\n\thint #20 // csdb"
	                 : "=r"(mask)
	                 : "r"(i), "r"(n)
	                 : "cc");
	return i & mask;
}
