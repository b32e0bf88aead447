/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory above the image: the heap grows up (sbrk), whole pages come from the top of RAM. newlib's
 * malloc lock, so that malloc works on every CPU and in interrupt handlers.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/reent.h>

#include "internal.h"

void *_sbrk(ptrdiff_t incr);

static uint64_t brk_now, pages_bottom;
static uk_spinlock_t lock;

static uk_spinlock_t malloc_spin;
static unsigned malloc_owner; /* CPU number + 1 */
static unsigned malloc_depth;
static uint64_t malloc_daif;

void memory_init(uint64_t heap_start)
{
	brk_now = (heap_start + 15) & ~15ul;
	pages_bottom = (uk_mach.ram_base + uk_mach.ram_size) & ~(uint64_t)(UK_PAGE_SIZE - 1);
}

void *uk_pages_alloc(size_t pages)
{
	uint64_t daif = uk_irq_save();
	uint64_t size = pages * UK_PAGE_SIZE;
	void *p = NULL;

	uk_spin_lock(&lock);
	if (pages && pages <= (pages_bottom - brk_now) / UK_PAGE_SIZE) {
		pages_bottom -= size;
		p = (void *)pages_bottom;
	}
	uk_spin_unlock(&lock);
	uk_irq_restore(daif);
	return p ? memset(p, 0, size) : NULL;
}

size_t uk_heap_free(void) { return pages_bottom - brk_now; }

void *_sbrk(ptrdiff_t incr)
{
	uint64_t daif = uk_irq_save();
	void *old;

	uk_spin_lock(&lock);
	old = (void *)brk_now;
	if (incr > 0 && (uint64_t)incr > pages_bottom - brk_now) {
		errno = ENOMEM;
		old = (void *)-1;
	} else {
		brk_now += (uint64_t)incr;
	}
	uk_spin_unlock(&lock);
	uk_irq_restore(daif);
	return old;
}

/* Recursive, as newlib requires; held with interrupts masked. */
void __malloc_lock(struct _reent *reent)
{
	uint64_t daif = uk_irq_save();
	unsigned me = uk_cpu_id() + 1;

	(void)reent;
	if (__atomic_load_n(&malloc_owner, __ATOMIC_RELAXED) != me) {
		uk_spin_lock(&malloc_spin);
		__atomic_store_n(&malloc_owner, me, __ATOMIC_RELAXED);
		malloc_daif = daif;
	}
	malloc_depth++;
}

void __malloc_unlock(struct _reent *reent)
{
	(void)reent;
	if (--malloc_depth == 0) {
		uint64_t daif = malloc_daif;

		__atomic_store_n(&malloc_owner, 0, __ATOMIC_RELAXED);
		uk_spin_unlock(&malloc_spin);
		uk_irq_restore(daif);
	}
}
