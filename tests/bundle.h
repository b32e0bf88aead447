/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small bundle made in memory, for tests of what reads one: file data are code (64 bytes),
 * overlay (128) and the manifest, at 0, 64 and 192.
 */
#pragma once

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include <arch/cpu.h>
#include <hyp/types.h>

static inline void bundle_begin(void *itb, int room)
{
	fdt_create_with_flags(itb, room, FDT_CREATE_FLAG_NO_NAME_DEDUP);
	fdt_finish_reservemap(itb);
	fdt_begin_node(itb, "");
	fdt_begin_node(itb, "images");
}

static inline void bundle_add(void *itb, const char *name, uint32_t at, const void *data,
                              uint32_t size)
{
	fdt_begin_node(itb, "image"); /* their names mean nothing */
	fdt_property_string(itb, "description", name);
	fdt_property_u32(itb, "data-offset", at);
	fdt_property_u32(itb, "data-size", size);
	fdt_begin_node(itb, "hash");
	fdt_property_string(itb, "algo", "crc32");
	fdt_property_u32(itb, "value", arch_crc32(0, data, size));
	fdt_end_node(itb);
	fdt_end_node(itb);
}

/* On the heap and not a byte longer; NULL: the tree did not fit. */
static inline uint8_t *bundle_end(void *itb, const void *code, const void *overlay,
                                  const void *manifest, uint32_t size, uint64_t *total)
{
	uint32_t tree;
	uint8_t *out;

	fdt_end_node(itb);
	fdt_end_node(itb);
	if (fdt_finish(itb) != 0) return NULL;
	tree = (uint32_t)ALIGN_UP(fdt_totalsize(itb), 8);
	fdt_set_totalsize(itb, tree);
	*total = tree + 192 + size;
	out = malloc(*total);
	memcpy(out, itb, tree);
	memcpy(out + tree, code, 64);
	memcpy(out + tree + 64, overlay, 128);
	memcpy(out + tree + 192, manifest, size);
	return out;
}
