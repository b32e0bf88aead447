/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets shared by the runtime's assembly and C; internal.h asserts every one of them.
 */
#pragma once

#define REGS_SP 248
#define REGS_PC 256
#define REGS_ESR 272
#define REGS_FPSR 288
#define REGS_Q 304
#define REGS_SIZE 816

#define CPU_SP_MAIN 0
#define CPU_SP_EXC 8
#define CPU_SP_EMERGENCY 16
#define CPU_TTBR 24

#define BOOT_STACK_SIZE 8192
