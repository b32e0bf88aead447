/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: finds the FIT in what the loader passed as initrd, its images, and checks hashes.
 */
#include <libfdt.h>
#include <string.h>

#include <hyp/tree.h>

#include "fit.h"

/* Legacy uImage header (U-Boot include/image.h): 64 bytes, big-endian magic, data size at 12. */
#define UIMAGE_MAGIC 0x27051956u
#define UIMAGE_HEADER 64u
#define UIMAGE_SIZE_AT 12u

/* p is 4-byte aligned, as every property of a tree is whose blocks are. */
static uint32_t be32(const void *p) { return fdt32_to_cpu(*(const fdt32_t *)p); }

static const char *open_bundle(const uint8_t *p, uint64_t size, struct fit *out)
{
	const char *clause;

	if (!IS_ALIGNED((uintptr_t)p, 8))
		return "the bundle is not 8-byte aligned in memory; load it at another address";
	if (size >= UIMAGE_HEADER && be32(p) == UIMAGE_MAGIC) {
		if (be32(p + UIMAGE_SIZE_AT) > size - UIMAGE_HEADER)
			return "the bundle is cut off: less was loaded than its uImage header "
			       "says; load it again";
		size = be32(p + UIMAGE_SIZE_AT);
		p += UIMAGE_HEADER;
	}
	if (size < sizeof(struct fdt_header) || fdt_magic(p) != FDT_MAGIC)
		return "the initrd is no bundle; make one with scripts/mkbundle";
	if (tree_check(p, size, &clause) != HYP_OK)
		return "the bundle's tree is broken; load it again, or pack it again";
	if (fdt_path_offset(p, "/images") < 0)
		return "the bundle has no /images; make it with scripts/mkbundle";
	*out = (struct fit){.base = p, .size = size, .images = fdt_path_offset(p, "/images")};
	return NULL;
}

enum hyp_err fit_open(const void *start, uint64_t size, struct fit *out, const char **why)
{
	*why = open_bundle(start, size, out);
	return *why ? HYP_EINVAL : HYP_OK;
}

/* A property of exactly n bytes, or NULL. */
static const void *prop(const void *fdt, int node, const char *name, size_t n)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	return p && (size_t)len == n ? p : NULL;
}

static bool prop_is(const void *fdt, int node, const char *name, const char *value)
{
	const void *p = prop(fdt, node, name, strlen(value) + 1);

	return p && strcmp(p, value) == 0;
}

/* External data: offsets count from the end of the tree rounded up to 4. */
static enum hyp_err read_image(const struct fit *f, int node, struct fit_image *out)
{
	uint64_t at = ALIGN_UP((uint64_t)fdt_totalsize(f->base), 4);
	const void *offset = prop(f->base, node, "data-offset", 4);
	const void *size = prop(f->base, node, "data-size", 4);
	const void *value;
	int hash;

	if (!offset || !size) return HYP_ECORRUPT;
	at += be32(offset);
	if (at > f->size || be32(size) > f->size - at) return HYP_ECORRUPT;
	out->data = f->base + at;
	out->size = be32(size);
	fdt_for_each_subnode (hash, f->base, node)
		if (prop_is(f->base, hash, "algo", "crc32") &&
		    (value = prop(f->base, hash, "value", 4)) != NULL) {
			out->crc32 = be32(value);
			out->has_crc32 = true;
		} else if (prop_is(f->base, hash, "algo", "sha256") &&
		           (value = prop(f->base, hash, "value", sizeof(out->sha256))) != NULL) {
			memcpy(out->sha256, value, sizeof(out->sha256));
			out->has_sha256 = true;
		}
	return HYP_OK;
}

enum hyp_err fit_find(const struct fit *f, const char *name, struct fit_image *out)
{
	struct fit_image image = {0};
	int node;

	fdt_for_each_subnode (node, f->base, f->images) {
		if (prop_is(f->base, node, "description", name)) {
			TRY(read_image(f, node, &image));
			*out = image;
			return HYP_OK;
		}
		image.index++;
	}
	return HYP_ENOENT;
}

const char *fit_name(const struct fit *f, unsigned i)
{
	int node;

	fdt_for_each_subnode (node, f->base, f->images)
		if (i-- == 0) return fdt_stringlist_get(f->base, node, "description", 0, NULL);
	return NULL;
}
