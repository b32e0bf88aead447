/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newlib's state (errno, stdio, strtok ...), one for the program and one for the interrupt handlers
 * of every CPU, so that neither disturbs the other. Takes a newlib built with __DYNAMIC_REENT__.
 */
#include <reent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* They lie above the stacks' first frames: see cpu_stacks_init(). CPU 0's program has newlib's own.
 */
struct _reent *__getreent(void)
{
	struct cpu *cpu = this_cpu();

	if (sysreg_read(spsel)) return cpu->sp_exc ? (struct _reent *)cpu->sp_exc : _impure_ptr;
	return cpu->id ? (struct _reent *)cpu->sp_main : _impure_ptr;
}

static uint64_t place_reent(uint64_t stack_top)
{
	uint64_t at = (stack_top - sizeof(struct _reent)) & ~15ul;
	struct _reent *reent = (struct _reent *)at;

	memset(reent, 0, sizeof(*reent));
	_REENT_INIT_PTR(reent);
	return at;
}

void cpu_stacks_init(struct cpu *cpu, uint64_t main_top, uint64_t exc_top)
{
	cpu->sp_main = place_reent(main_top);
	cpu->sp_exc = place_reent(exc_top);
}

void reent_finish(void)
{
	struct _reent *reent = (struct _reent *)this_cpu()->sp_main;

	_reclaim_reent(reent); /* flushes stdio, frees its buffers */
	memset(reent, 0, sizeof(*reent));
	_REENT_INIT_PTR(reent);
}

static void flush_here(void) { fflush(NULL); }

/* exit() flushes CPU 0's stdio whoever calls it, and this the caller's own. */
void reent_start(void) { (void)atexit(flush_here); }
