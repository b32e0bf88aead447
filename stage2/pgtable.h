/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside stage2/: the page-table library under s2.c, and the VMID part's link to it.
 */
#pragma once

#include <hyp/s2.h>
#include <arch/pte.h>

/* 4 KiB granule: 9 bits a level (Arm ARM D8.2.7). Level 1 is every root, concatenated or not. */
#define PT_START 1u
#define PT_LEAF 3u
/* A change that concerns more pages than this is flushed by VMID. */
#define PT_FLUSH_MAX 512u

static inline uint64_t pt_size(unsigned level) { return PAGE_SIZE << (9 * (PT_LEAF - level)); }

static inline bool pt_is_table(uint64_t desc, unsigned level)
{
	return level < PT_LEAF &&
	       (desc & (PTE_VALID | PTE_TYPE_TABLE)) == (PTE_VALID | PTE_TYPE_TABLE);
}

/* Index of a in its table of that level; the root's tables are one after the other. */
static inline uint64_t pt_index(uint64_t a, unsigned level)
{
	uint64_t i = a / pt_size(level);

	return level == PT_START ? i : i & 511;
}

/* One change of [start, end). */
struct pt_op {
	struct s2 *s;
	bool map;            /* else unmap */
	uint64_t start, end; /* IPA */
	uint64_t pa;         /* map: where start goes */
	enum s2_attr attr;   /* map */
	pa_t spare;          /* tables for it, chained through their first word */
};

/* Checks the change against the tables, allocates what it needs, then changes. */
enum hyp_err pt_run(struct pt_op *op) __must_check;
/* The leaf that translates a, and its level; 0: none. */
uint64_t pt_find(const struct s2 *s, uint64_t a, unsigned *level);
enum s2_attr pt_attr_of(uint64_t desc);
/* Flushes [start, end) of s now. Completes all earlier descriptor writes. */
void pt_flush(struct s2 *s, uint64_t start, uint64_t end);
/* Flushes what the open transaction has pending. */
void pt_flush_pending(struct s2 *s);
/* Frees tables that are chained through their first word. */
void pt_free_chain(struct s2 *s, pa_t t);
/* Frees a table and all below it. */
void pt_free_tree(struct s2 *s, pa_t table, unsigned level);

void vmid_init(unsigned bits);
