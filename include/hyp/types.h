/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic types: the two physical address spaces as distinct types, sizes, bit fields, list of
 * helpers that every layer may use. No state, no functions with bodies longer than an expression.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Physical address (of the host), intermediate physical address (of a guest). */
typedef struct {
	uint64_t raw;
} pa_t;
typedef struct {
	uint64_t raw;
} ipa_t;

static inline pa_t pa(uint64_t raw) { return (pa_t){raw}; }

static inline uint64_t pa_raw(pa_t a) { return a.raw; }

static inline ipa_t ipa(uint64_t raw) { return (ipa_t){raw}; }

static inline uint64_t ipa_raw(ipa_t a) { return a.raw; }

#define PAGE_SHIFT 12
#define PAGE_SIZE (UINT64_C(1) << PAGE_SHIFT)
#define PAGE_MASK (PAGE_SIZE - 1)

#define KiB(n) ((uint64_t)(n) << 10)
#define MiB(n) ((uint64_t)(n) << 20)
#define GiB(n) ((uint64_t)(n) << 30)

#define BIT(n) (UINT64_C(1) << (n))
#define BIT32(n) (UINT32_C(1) << (n))
/* Mask of bits h down to l, both included. */
#define GENMASK(h, l) ((~UINT64_C(0) >> (63 - (h))) & (~UINT64_C(0) << (l)))

/* Field access by mask: FIELD_GET(GENMASK(7, 4), 0xab) == 0xa. Masks are non-zero constants. */
#define FIELD_SHIFT(mask) ((unsigned)__builtin_ctzll(mask))
#define FIELD_GET(mask, value) (((uint64_t)(value) & (mask)) >> FIELD_SHIFT(mask))
#define FIELD_PREP(mask, value) (((uint64_t)(value) << FIELD_SHIFT(mask)) & (mask))

/* align is a power of two. ALIGN_UP may wrap: bound its argument first. */
#define ALIGN_DOWN(x, align) ((x) & ~((uint64_t)(align)-1))
#define ALIGN_UP(x, align) (((x) + (uint64_t)(align)-1) & ~((uint64_t)(align)-1))
#define IS_ALIGNED(x, align) (((uint64_t)(x) & ((uint64_t)(align)-1)) == 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* More CPUs in the host's FDT than this are left parked, with a warning. */
#define MAX_PCPUS 16u
/* vCPUs of one VM: GICv2 machines are bound to 8 by the GIC, GICv3 machines by this. */
#define MAX_VCPUS 16u
/* VMs that can exist at once. */
#define MAX_VMS 64u
