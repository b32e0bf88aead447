/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's own address space: a flat map (VA = PA) with RAM read-write and never executable in the
 * largest blocks, the image W^X over it, device memory nGnRE, guard pages under stacks, page 0
 * unmapped. pa_to_ptr() is defined only for RAM and mapped device ranges.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>

enum mm_attr {
	MM_RW,     /* normal memory, read-write, never executable */
	MM_RO,     /* normal memory, read-only */
	MM_RX,     /* normal memory, read-only, executable */
	MM_DEVICE, /* device nGnRE, read-write, never executable */
};

/* Maps [at, at + size) (rounded out to pages) at VA = PA. Boot CPU, before the others start. */
enum hyp_err arch_mm_map(pa_t at, uint64_t size, enum mm_attr attr) __must_check;

struct host;
/*
 * Boot CPU, MMU off: the image, its stacks' guard pages, the host's tree (size 0: none) and one
 * page of device registers. Then the MMU goes on.
 */
enum hyp_err arch_mm_boot(const void *fdt, uint64_t fdt_size, pa_t uart) __must_check;
/* The direct map: initrd read-only, RAM less what is reserved read-write. */
enum hyp_err arch_mm_init(const struct host *h) __must_check;

/* The next piece of EL2's normal memory at or above *at; false: there is none. */
bool arch_mm_next(pa_t *at, uint64_t *size);

/*
 * asm/mm.h: void *pa_to_ptr(pa_t), pa_t ptr_to_pa(const void *): the identity on the target; host
 * tests add an offset so that a mistaken cast is found.
 * void pte_store(uint64_t *pte, uint64_t desc): one store, which a walk sees whole (Arm ARM D8.2).
 * Of stage 2, only pt_write() calls it.
 */
#include <asm/mm.h>
