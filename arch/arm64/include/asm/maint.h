/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 TLBI and IC for tlb.c, DC for cache.c, AT for trap_abort.c alone, without barriers. */
#pragma once

#define tlbi(op) __asm__ volatile("tlbi " #op ::: "memory")
/* arg: IPA[47:12] for IPAS2E1IS (Arm ARM C5.5). */
#define tlbi_arg(op, arg) __asm__ volatile("tlbi " #op ", %0" ::"r"((uint64_t)(arg)) : "memory")
#define ic(op) __asm__ volatile("ic " #op ::: "memory")
#define dc(op, addr) __asm__ volatile("dc " #op ", %0" ::"r"((uint64_t)(addr)) : "memory")
#define at(op, va) __asm__ volatile("at " #op ", %0" ::"r"((uint64_t)(va)) : "memory")
