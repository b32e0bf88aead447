/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flattened trees that somebody else made: the host's, and, in the management guest, the bundle's
 * and the manifest. Pure.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/host.h>
#include <hyp/types.h>

#define TREE_MAX_DEPTH 16 /* levels of a tree that tree_check() lets pass */
#define TREE_ADDRESS_LIMIT BIT(48)
#define TREE_ABSENT UINT64_MAX /* no address and no size is that large */
/* Interrupt controllers that Atoll can use, as for tree_find(). */
#define TREE_GICV2 "arm,gic-400\0arm,cortex-a15-gic\0arm,cortex-a7-gic\0"
#define TREE_GICV3 "arm,gic-v3\0"

/*
 * Walks a tree once, bounded, so that libfdt may be let loose on it afterwards: it lies within size
 * bytes and is 8-byte aligned, every tag, name and property lies inside its block, at most
 * TREE_MAX_DEPTH levels deep. EINVAL with *why a clause ("is cut off").
 */
enum hyp_err tree_check(const void *blob, uint64_t size, const char **why) __must_check;

/* A string property, ended inside the property; "" if absent or not a string. */
const char *tree_str(const void *fdt, int node, const char *name);
/* n cells, 0 to 2, of a property from cell `at` on. TREE_ABSENT: another n, or they are not there.
 */
uint64_t tree_cells(const void *fdt, int node, const char *name, int at, int n);
/* An integer of one or two cells. */
uint64_t tree_number(const void *fdt, int node, const char *name, uint64_t absent);
bool tree_enabled(const void *fdt, int node);
/* Names: a list, each ended by \0. */
bool tree_is(const void *fdt, int node, const char *names);
/* The first node of such a kind that is enabled; negative: none. */
int tree_find(const void *fdt, const char *names);
/* Entry `index` of reg as a range of CPU addresses; false: absent, malformed or untranslatable. */
bool tree_reg(const void *fdt, int node, int index, struct host_range *out);
bool tree_reg_below(const void *fdt, int parent, int node, int index, struct host_range *out);
/* Interrupt `index` of a node as INTID of the GIC; 0: none, or not the GIC's. */
uint32_t tree_irq(const void *fdt, int gic, int node, int index);

bool range_overlap(const struct host_range *a, const struct host_range *b);
