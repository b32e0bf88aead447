/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bundle: finds the FIT in what the loader passed as initrd, its images, and checks hashes.
 */
#include <libfdt.h>
#include <string.h>

#include <arch/crc.h>
#include <hyp/fit.h>

#define TREE_MAX_DEPTH 16

/* Legacy uImage header (U-Boot include/image.h): 64 bytes, big-endian magic, data size at 12. */
#define UIMAGE_MAGIC 0x27051956u
#define UIMAGE_HEADER 64u
#define UIMAGE_SIZE_AT 12u

/* p is 4-byte aligned, as every property of a tree is whose blocks are. */
static uint32_t be32(const void *p)
{
	return fdt32_to_cpu(*(const fdt32_t *)p);
}

/* Every tag up to FDT_END: fdt_next_tag() bounds each of them by the structure block. */
static const char *walk(const void *blob)
{
	int offset = 0, next = 0, depth = 0;
	bool root = false;
	const char *name;

	for (;; offset = next) {
		uint32_t tag = fdt_next_tag(blob, offset, &next);

		if (next <= offset && tag != FDT_END) {
			return "is cut off";
		}
		switch (tag) {
		case FDT_NOP:
			break;
		case FDT_END:
			return next >= 0 && root && depth == 0 ? NULL : "is cut off";
		case FDT_BEGIN_NODE:
			if ((depth == 0 && root) || ++depth > TREE_MAX_DEPTH) {
				return "has too many levels or roots";
			}
			root = true;
			break;
		case FDT_END_NODE:
			if (--depth < 0) {
				return "ends a node that it did not begin";
			}
			break;
		case FDT_PROP:
			/* The name: inside the strings block, and ended there. */
			if (depth == 0 || !fdt_getprop_by_offset(blob, offset, &name, NULL)) {
				return "has a property with a broken name";
			}
			break;
		}
	}
}

enum hyp_err fit_check_tree(const void *blob, uint64_t size, const char **why)
{
	const char *fault = NULL;

	if (!IS_ALIGNED((uintptr_t)blob, 8)) {
		fault = "is not 8-byte aligned";
	} else if (size < sizeof(struct fdt_header) || fdt_magic(blob) != FDT_MAGIC) {
		fault = "is no device tree";
	} else if (fdt_version(blob) < 17 || fdt_check_header(blob) != 0 ||
	           !IS_ALIGNED(fdt_off_dt_struct(blob), 4) ||
	           !IS_ALIGNED(fdt_off_mem_rsvmap(blob), 8)) {
		fault = "has a broken header";
	} else if (fdt_totalsize(blob) > size) {
		fault = "is cut off";
	} else {
		fault = walk(blob);
	}
	if (fault) {
		*why = fault;
		return HYP_EINVAL;
	}
	return HYP_OK;
}

enum hyp_err fit_open(const void *start, uint64_t size, struct fit *out, const char **why)
{
	const uint8_t *p = start;
	const char *clause;
	struct fit f;
	uint64_t n;

	if (!IS_ALIGNED((uintptr_t)p, 8)) {
		*why = "the bundle is not 8-byte aligned in memory; load it at another address";
		return HYP_EINVAL;
	}
	if (size >= UIMAGE_HEADER && be32(p) == UIMAGE_MAGIC) {
		n = be32(p + UIMAGE_SIZE_AT);
		if (n > size - UIMAGE_HEADER) {
			*why = "the bundle is cut off: its uImage header promises more than was "
			       "loaded";
			return HYP_ECORRUPT;
		}
		p += UIMAGE_HEADER;
		size = n;
	}
	if (size < sizeof(struct fdt_header) || fdt_magic(p) != FDT_MAGIC) {
		*why = "the initrd is no bundle; make one with scripts/mkbundle";
		return HYP_EINVAL;
	}
	if (fit_check_tree(p, size, &clause) != HYP_OK) {
		*why = "the bundle's tree is broken; load it again, or make it again with "
		       "scripts/mkbundle";
		return HYP_ECORRUPT;
	}
	f = (struct fit){.base = p, .size = size, .images = fdt_path_offset(p, "/images")};
	if (f.images < 0) {
		*why = "the bundle has no /images; make it with scripts/mkbundle";
		return HYP_EINVAL;
	}
	*out = f;
	return HYP_OK;
}

static bool read_u32(const void *fdt, int node, const char *name, uint32_t *out)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	if (!p || len != 4) {
		return false;
	}
	*out = be32(p);
	return true;
}

static bool prop_is(const void *fdt, int node, const char *name, const char *value)
{
	int len;
	const char *p = fdt_getprop(fdt, node, name, &len);
	size_t n = strlen(value) + 1;

	return p && (size_t)len == n && memcmp(p, value, n) == 0;
}

/* External data: offsets count from the end of the tree rounded up to 4. */
static enum hyp_err read_image(const struct fit *f, int node, struct fit_image *out)
{
	uint64_t data = ALIGN_UP((uint64_t)fdt_totalsize(f->base), 4);
	uint32_t offset, size;
	const uint8_t *value;
	int hash, len;

	if (!read_u32(f->base, node, "data-offset", &offset) ||
	    !read_u32(f->base, node, "data-size", &size)) {
		return HYP_ECORRUPT;
	}
	data += offset;
	if (data > f->size || size > f->size - data) {
		return HYP_ECORRUPT;
	}
	out->data = f->base + data;
	out->size = size;
	fdt_for_each_subnode (hash, f->base, node) {
		value = fdt_getprop(f->base, hash, "value", &len);
		if (value && len == 4 && prop_is(f->base, hash, "algo", "crc32")) {
			out->crc32 = be32(value);
			out->has_crc32 = true;
		} else if (value && len == SHA256_SIZE &&
		           prop_is(f->base, hash, "algo", "sha256")) {
			memcpy(out->sha256, value, SHA256_SIZE);
			out->has_sha256 = true;
		}
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

void fit_verify_init(struct fit_verify *v, const struct fit_image *image, bool sha)
{
	v->image = image;
	v->at = 0;
	v->sha = sha;
	v->crc32 = 0;
	sha256_init(&v->sha256);
}

bool fit_verify_step(struct fit_verify *v)
{
	const uint8_t *p = v->image->data + v->at;
	uint64_t n = MIN(v->image->size - v->at, v->sha ? FIT_VERIFY_STEP / 4 : FIT_VERIFY_STEP);

	v->crc32 = arch_crc32(v->crc32, p, n);
	if (v->sha) {
		sha256_update(&v->sha256, p, n);
	}
	v->at += n;
	return v->at < v->image->size;
}

enum hyp_err fit_verify_done(struct fit_verify *v, const char **why)
{
	uint8_t sum[SHA256_SIZE];

	if (!v->image->has_crc32 || (v->sha && !v->image->has_sha256)) {
		*why = "the bundle lacks its hash; make it again with scripts/mkbundle";
		return HYP_ECORRUPT;
	}
	sha256_final(&v->sha256, sum);
	if (v->crc32 != v->image->crc32 ||
	    (v->sha && memcmp(sum, v->image->sha256, sizeof(sum)) != 0)) {
		*why =
		    "its content does not match its hash; load the bundle again, or make it again";
		return HYP_ECORRUPT;
	}
	return HYP_OK;
}

enum hyp_err fit_verify(const struct fit_image *image, bool sha, const char **why)
{
	struct fit_verify v;

	fit_verify_init(&v, image, sha);
	while (fit_verify_step(&v)) {
	}
	return fit_verify_done(&v, why);
}
