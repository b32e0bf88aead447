/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 data cache instructions by address for arch/arm64/cache.c alone, without barriers. */
#pragma once

#define dc(op, addr) __asm__ volatile("dc " #op ", %0" ::"r"((uint64_t)(addr)) : "memory")
