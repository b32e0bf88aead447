/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hyp/page.c with a view into it: owner and count of a page, and every invariant of its table and
 * free lists.
 */
#pragma once

#include <hyp/log.h>
#include "hyp/page.c"

/* A copy of what the table says of the page. */
static inline struct frame look_up(pa_t p)
{
	struct frame copy = {.owner = OWNER_RESERVED};
	const struct frame *e;

	spin_lock(&page_lock);
	e = leaf_of(pa_raw(p) / PAGE_SIZE);
	if (e != NULL) copy = *e;
	spin_unlock(&page_lock);
	return copy;
}

static inline uint16_t page_owner_of(pa_t p)
{
	struct frame e = look_up(p);

	return e.dirty ? (uint16_t)OWNER_DIRTY : e.owner;
}

static inline uint16_t page_refcount(pa_t p) { return look_up(p).ref; }

/* Is the leaf at f right, apart from its list? */
static inline bool leaf_ok(uint64_t f, const struct frame *e)
{
	bool unowned = is_free(e->owner);
	const struct frame *buddy = buddy_of(f, e->order);

	if (unowned && buddy != NULL && buddy->order == e->order && buddy->owner == e->owner)
		return false; /* should be one block */
	return (e->ref == 0) == (unowned || e->owner == OWNER_RESERVED) &&
	       (e->ref != 0 || !e->dirty);
}

/* Walks the free lists: well linked, and all of what is free is on the right one. */
static inline bool lists_ok(void) REQUIRES(page_lock)
{
	uint64_t pages[NR_LISTS] = {0};

	for (unsigned i = 0; i < NR_LISTS * (PAGE_MAX_ORDER + 1); i++) {
		unsigned l = i % NR_LISTS, o = i / NR_LISTS;
		uint32_t prev = 0;

		for (uint32_t f = lists[l][o]; f != 0; f = frame_at(f)->next) {
			const struct frame *e = leaf_of(f);

			if (e == NULL || e != frame_at(f) || e->order != o || e->prev != prev ||
			    e->owner != (l == DIRTY ? OWNER_DIRTY : OWNER_NONE) ||
			    pages[l] > FRAME_MAX)
				return false;
			pages[l] += BIT(o);
			prev = f;
		}
	}
	return pages[CLEAN] == count[OWNER_NONE] && pages[DIRTY] == count[OWNER_DIRTY];
}

static inline bool page_check(void)
{
	uint64_t pages[NR_OWNERS] = {0}, sum = 0, ram = 0, at = 0;
	bool ok;

	spin_lock(&page_lock);
	ok = lists_ok();
	for (unsigned i = 0; ok && i < nr_banks; i++) {
		ram += banks[i].in.end - banks[i].in.first;
		for (uint64_t f = banks[i].in.first; ok && f < banks[i].in.end;) {
			const struct frame *e = leaf_of(f);

			at = f;
			ok = e == frame_at(f) && leaf_ok(f, e);
			pages[e->owner] += BIT(e->order);
			f += BIT(e->order);
		}
	}
	for (unsigned k = 0; k < NR_OWNERS; k++) {
		ok = ok && pages[k] == count[k];
		sum += pages[k];
	}
	ok = ok && sum == ram;
	spin_unlock(&page_lock);
	if (!ok) {
		log_err("page: the frame table is broken near frame 0x%llx",
		        (unsigned long long)at);
	}
	return ok;
}
