/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 address translation instructions for arch/arm64/trap_abort.c alone, without barriers. */
#pragma once

#define at(op, va) __asm__ volatile("at " #op ", %0" ::"r"((uint64_t)(va)) : "memory")
