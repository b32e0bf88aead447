/* SPDX-License-Identifier: Apache-2.0 */
/* arm64: TPIDR_EL2 holds the CPU's struct pcpu from its first C code on. */
#pragma once

static inline struct pcpu *this_pcpu(void)
{
	struct pcpu *p;

	/* Not volatile: constant on a CPU, so that the compiler may merge reads. */
	__asm__("mrs %0, tpidr_el2" : "=r"(p));
	return p;
}
