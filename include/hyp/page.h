/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory: a frame table (<= 16 bytes a frame) that records owner and reference count of
 * every page of RAM, and a buddy allocator on it. Free memory is zero and clean to the point of
 * coherency: page_free() queues dirty pages, the scrub job (page_scrub_step) makes them free.
 * All functions: any context, take the page lock.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/host.h>
#include <hyp/types.h>

/* 4 KiB << order: 0 = 4 KiB, 9 = 2 MiB, 18 = 1 GiB. */
#define PAGE_MAX_ORDER 18u

/* Owner of a frame: a VM's slot + 1 (the management guest has the one after MAX_VMS), or one of
 * these. */
enum page_owner {
	OWNER_NONE,                /* free (or not RAM) */
	OWNER_DIRTY = MAX_VMS + 2, /* freed, waiting for the scrub */
	OWNER_HYP,                 /* EL2's own */
	OWNER_RESERVED,            /* firmware, image, initrd, never handed out */
	OWNER_SHARED,              /* several VMs, by reference count */
	NR_OWNERS,
};

/*
 * Builds the frame table for host's RAM (whole pages, no two banks overlap) minus everything
 * reserved (image, FDT, initrd, reserved ranges, page 0). Boot CPU, once, EL2's map complete.
 * ENOMEM when there is no room for the table. Costs a few thousand instructions: the table is
 * written only where a block begins. Memory from the loader is dirty: it is scrubbed lazily by
 * page_scrub_step, or on demand by page_alloc when clean memory has run out.
 */
enum hyp_err page_init(const struct host *h, pa_t image_start, pa_t image_end) __must_check;

/*
 * 4 KiB << order, naturally aligned, zeroed and clean, owner recorded, reference count 1. Takes
 * clean memory; where there is none of that size, dirty memory, which is scrubbed before it returns
 * (64 KiB cost some 4,000 instructions): big orders at run time are for page_alloc_best(). ENOMEM
 * also if the only such blocks are clean in part: the scrub makes them whole.
 */
enum hyp_err page_alloc(unsigned order, uint16_t owner, pa_t *out) __must_check;
/*
 * For a VM's RAM, of any size: the largest block there is of at most pages_wanted pages. It may be
 * dirty: until page_scrub_block() has returned false for it, page_owned_by() is false (so that
 * stage 2 refuses it), and it can only be scrubbed or freed, whole.
 */
enum hyp_err page_alloc_best(uint64_t pages_wanted, uint16_t owner, pa_t *out, unsigned *order)
    __must_check;
/* Scrubs at most 64 KiB more of such a block; true while there is more. The caller's job step. */
bool page_scrub_block(pa_t base);
/* Drops one reference of a block, or of an aligned part of one; at zero it becomes dirty and is
 * scrubbed later. */
void page_free(pa_t base, unsigned order);
/* Convenience for EL2's own structures: n bytes rounded up to a power-of-two of pages; NULL: none.
 */
void *page_alloc_hyp(uint64_t size);
void page_free_hyp(void *p, uint64_t size);

/* All of [p, p + size) has that owner (and is clean): for a stage-2 may_map(). */
bool page_owned_by(pa_t p, uint64_t size, uint16_t owner);
/* One more reference of a page that was allocated alone. */
void page_ref(pa_t p);

/* Scrubs at most 64 KiB of free dirty memory; true while there is more. The scrub job's step. */
bool page_scrub_step(void);
/* Pages that each owner has, all at one moment; and that one has. */
void page_counts(uint64_t n[NR_OWNERS]);
uint64_t page_count(uint16_t owner);
