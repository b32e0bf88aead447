/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: finds the FIT in what the loader passed as initrd, its images, and checks hashes.
 */
#include <libfdt.h>
#include <string.h>

#include <arch/cpu.h>
#include <hyp/fit.h>

/* Legacy uImage header (U-Boot include/image.h): 64 bytes, big-endian magic, data size at 12. */
#define UIMAGE_MAGIC 0x27051956u
#define UIMAGE_HEADER 64u
#define UIMAGE_SIZE_AT 12u

/* p is 4-byte aligned, as every property of a tree is whose blocks are. */
static uint32_t be32(const void *p) { return fdt32_to_cpu(*(const fdt32_t *)p); }

/* Every tag up to FDT_END: fdt_next_tag() bounds each of them by the structure block. */
static const char *walk(const void *blob)
{
	int offset = 0, next = 0, depth = 0, roots = 0;
	const char *name;

	for (;; offset = next) {
		uint32_t tag = fdt_next_tag(blob, offset, &next);

		if (tag == FDT_END)
			return next >= 0 && roots == 1 && depth == 0 ? NULL : "is cut off";
		if (next <= offset) return "is cut off";
		roots += tag == FDT_BEGIN_NODE && depth == 0;
		depth += (tag == FDT_BEGIN_NODE) - (tag == FDT_END_NODE);
		if (roots > 1 || depth > FIT_MAX_DEPTH) return "has too many levels or roots";
		if (depth < 0) return "ends a node that it did not begin";
		/* The name: inside the strings block, and ended there. */
		if (tag == FDT_PROP &&
		    (depth == 0 || !fdt_getprop_by_offset(blob, offset, &name, NULL)))
			return "has a property with a broken name";
	}
}

enum hyp_err fit_check_tree(const void *blob, uint64_t size, const char **why)
{
	const char *fault = NULL;

	if (!IS_ALIGNED((uintptr_t)blob, 8))
		fault = "is not 8-byte aligned";
	else if (size < sizeof(struct fdt_header) || fdt_magic(blob) != FDT_MAGIC)
		fault = "is no device tree";
	else if (fdt_version(blob) < 17 || fdt_check_header(blob) != 0 ||
	         !IS_ALIGNED(fdt_off_dt_struct(blob), 4) ||
	         !IS_ALIGNED(fdt_off_mem_rsvmap(blob), 8))
		fault = "has a broken header";
	else
		fault = fdt_totalsize(blob) > size ? "is cut off" : walk(blob);
	*why = fault;
	return fault ? HYP_EINVAL : HYP_OK;
}

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
	if (fit_check_tree(p, size, &clause) != HYP_OK)
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
	int hash;

	if (!offset || !size) return HYP_ECORRUPT;
	at += be32(offset);
	if (at > f->size || be32(size) > f->size - at) return HYP_ECORRUPT;
	out->name = fdt_getprop(f->base, node, "description", NULL);
	out->data = f->base + at;
	out->size = be32(size);
	fdt_for_each_subnode (hash, f->base, node)
		if (prop_is(f->base, hash, "algo", "crc32"))
			out->crc32 = prop(f->base, hash, "value", 4);
		else if (prop_is(f->base, hash, "algo", "sha256"))
			out->sha256 = prop(f->base, hash, "value", AVB_SHA256_DIGEST_SIZE);
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

void fit_verify_init(struct fit_verify *v, const struct fit_image *image, bool sha)
{
	*v = (struct fit_verify){.image = image, .sha = sha};
	avb_sha256_init(&v->sha256);
}

bool fit_verify_step(struct fit_verify *v)
{
	const uint8_t *p = v->image->data + v->at;
	uint64_t n = MIN(v->image->size - v->at, v->sha ? FIT_VERIFY_STEP / 4 : FIT_VERIFY_STEP);

	v->crc32 = arch_crc32(v->crc32, p, n);
	if (v->sha) avb_sha256_update(&v->sha256, p, n);
	v->at += n;
	return v->at < v->image->size;
}

enum hyp_err fit_verify_done(struct fit_verify *v, const char **why)
{
	const struct fit_image *image = v->image;

	*why = NULL;
	if (!image->crc32 || (v->sha && !image->sha256))
		*why = "the bundle lacks its hash; make it again with scripts/mkbundle";
	else if (v->crc32 != be32(image->crc32) ||
	         (v->sha &&
	          memcmp(avb_sha256_final(&v->sha256), image->sha256, AVB_SHA256_DIGEST_SIZE) != 0))
		*why =
		    "its content does not match its hash; load the bundle again, or pack it again";
	return *why ? HYP_ECORRUPT : HYP_OK;
}
