/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a guest's image, ramdisk and FDT go: arm64 Image, ELF64, raw. Decides and checks everything
 * before a byte is copied; scripts/mkbundle decides the same.
 */
#include <string.h>

#include <hyp/loader.h>

#define PROP(...)
#include <hyp/manifest_schema.def>

/* Linux Documentation/arch/arm64/booting.rst, section 4. */
#define IMAGE_HEADER_SIZE 64u
#define IMAGE_TEXT_OFFSET 8u
#define IMAGE_SIZE 16u
#define IMAGE_MAGIC_AT 56u
#define IMAGE_MAGIC "ARM\x64"
#define IMAGE_OLD_OFFSET 0x80000u /* text_offset of kernels whose image_size is 0 */
#define RAW_OFFSET 0x80000u

/* ELF-64 object file format; ELF for the Arm 64-bit architecture (IHI 0056). */
struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct elf_shdr {
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t align, entsize;
};
struct elf_sym {
	uint32_t name;
	uint8_t info, other;
	uint16_t shndx;
	uint64_t value, size;
};
#define ELF_MAGIC "\177ELF"
#define ELF_IDENT "\2\1\1" /* 64-bit, little-endian, version 1 */
#define EM_AARCH64 183u
#define ET_EXEC 2u
#define ET_DYN 3u
#define PT_LOAD 1u
#define SHT_SYMTAB 2u
#define STT_NOTYPE 0u
#define STT_FUNC 2u
#define STT_MASK 15u
#define MAX_SYMBOLS 65536u
#define ELF_MAX_SEGMENTS (LOAD_MAX_SEGMENTS - 2) /* ramdisk, FDT */

/* RAM that Images and position-independent ELF files leave free at its base, as QEMU does. */
#define BASE_GAP MiB(2)

struct placing {
	uint64_t ram, end;  /* of RAM */
	uint64_t low, high; /* of the image, BSS included */
	struct load_plan *plan;
};

static bool has_magic(const struct fit_image *image, uint64_t size, unsigned at, const char *magic)
{
	return image->size >= size && memcmp(image->data + at, magic, 4) == 0;
}

enum vm_format loader_detect(const struct fit_image *image)
{
	if (has_magic(image, IMAGE_HEADER_SIZE, IMAGE_MAGIC_AT, IMAGE_MAGIC)) return FORMAT_LINUX;
	return has_magic(image, 4, 0, ELF_MAGIC) ? FORMAT_ELF : FORMAT_RAW;
}

static void add_segment(struct load_plan *plan, uint64_t to, const uint8_t *from, uint64_t size)
{
	plan->seg[plan->n] = (struct load_segment){ipa(to), from, size};
	plan->n += size > 0;
}

/* An image in one piece, of `size` in memory. */
static const char *place_whole(struct placing *p, const struct fit_image *image, uint64_t to,
                               uint64_t size, uint64_t entry)
{
	p->low = to;
	p->high = to + size;
	p->plan->entry = ipa(entry);
	add_segment(p->plan, to, image->data, image->size);
	return NULL;
}

static uint64_t gap_base(const struct placing *p)
{
	return p->ram + (p->end - p->ram >= 2 * BASE_GAP ? BASE_GAP : 0);
}

static const char *place_linux(struct placing *p, const struct fit_image *image)
{
	uint64_t offset, size, base = p->ram;

	if (loader_detect(image) != FORMAT_LINUX) return LOAD_NOT_IMAGE;
	memcpy(&offset, image->data + IMAGE_TEXT_OFFSET, 8);
	memcpy(&size, image->data + IMAGE_SIZE, 8);
	if (size == 0) offset = IMAGE_OLD_OFFSET;
	if (!IS_ALIGNED(offset, 4)) return LOAD_IMAGE_OFFSET;
	if (offset < PAGE_SIZE) base = gap_base(p);
	size = MAX(size, image->size);
	if (offset > p->end - base || size > p->end - base - offset) return LOAD_IMAGE_RAM;
	return place_whole(p, image, base + offset, size, base + offset);
}

/* The PT_LOAD headers that take memory, as the file has them. */
static const char *elf_segments(const struct fit_image *image, struct elf_header *eh,
                                struct elf_phdr *ph, unsigned *n)
{
	struct elf_phdr h;

	if (loader_detect(image) != FORMAT_ELF) return LOAD_NOT_ELF;
	memcpy(eh, image->data, MIN(image->size, sizeof(*eh)));
	if (image->size < sizeof(*eh) || memcmp(eh->ident + 4, ELF_IDENT, 3) != 0 ||
	    eh->machine != EM_AARCH64)
		return LOAD_ELF_KIND;
	if (eh->type != ET_EXEC && eh->type != ET_DYN) return LOAD_ELF_TYPE;
	if (eh->phentsize != sizeof(h) || eh->phoff > image->size ||
	    eh->phnum * sizeof(h) > image->size - eh->phoff)
		return LOAD_ELF_TABLE;
	*n = 0;
	for (unsigned i = 0; i < eh->phnum; i++) {
		memcpy(&h, image->data + eh->phoff + i * sizeof(h), sizeof(h));
		if (h.type != PT_LOAD || h.memsz == 0) continue;
		if (*n == ELF_MAX_SEGMENTS) return LOAD_ELF_MANY;
		ph[(*n)++] = h;
	}
	return *n == 0 ? LOAD_ELF_NONE : NULL;
}

/* One segment against the file, RAM and those before it. */
static const char *elf_check(const struct placing *p, const struct fit_image *image,
                             const struct elf_phdr *ph, unsigned i)
{
	const struct elf_phdr *h = &ph[i];

	if (h->offset > image->size || h->filesz > image->size - h->offset) return LOAD_ELF_FILE;
	if (h->filesz > h->memsz) return LOAD_ELF_SIZES;
	if (h->paddr < p->ram || h->paddr > p->end || h->memsz > p->end - h->paddr)
		return LOAD_ELF_RAM;
	while (i-- > 0)
		if (h->paddr < ph[i].paddr + ph[i].memsz && ph[i].paddr < h->paddr + h->memsz)
			return LOAD_ELF_OVERLAP;
	return NULL;
}

static const char *place_elf(struct placing *p, const struct fit_image *image)
{
	struct elf_phdr ph[ELF_MAX_SEGMENTS];
	struct elf_header eh;
	uint64_t lowest = UINT64_MAX, bias = 0, entry;
	unsigned n;
	const char *why = elf_segments(image, &eh, ph, &n);

	if (why) return why;
	for (unsigned i = 0; i < n; i++) lowest = MIN(lowest, ph[i].paddr);
	/* Position-independent and linked below RAM, mostly to 0: moved into RAM. */
	if (eh.type == ET_DYN && lowest < p->ram)
		bias = gap_base(p) - ALIGN_DOWN(lowest, PAGE_SIZE);
	p->low = UINT64_MAX;
	for (unsigned i = 0; i < n; i++) {
		ph[i].paddr += bias;
		why = elf_check(p, image, ph, i);
		if (why) return why;
		entry = eh.entry - ph[i].vaddr + ph[i].paddr;
		if (eh.entry >= ph[i].vaddr && eh.entry - ph[i].vaddr < ph[i].filesz &&
		    IS_ALIGNED(entry, 4))
			p->plan->entry = ipa(entry);
		p->low = MIN(p->low, ph[i].paddr);
		p->high = MAX(p->high, ph[i].paddr + ph[i].memsz);
		add_segment(p->plan, ph[i].paddr, image->data + ph[i].offset, ph[i].filesz);
	}
	return ipa_raw(p->plan->entry) ? NULL : LOAD_ELF_ENTRY;
}

static const char *place_raw(struct placing *p, const struct vm_config *cfg,
                             const struct fit_image *image)
{
	uint64_t load = cfg->load ? cfg->load : p->ram + RAW_OFFSET;
	uint64_t entry = cfg->entry ? cfg->entry : load;

	if (load < p->ram || load > p->end || image->size > p->end - load) return LOAD_RAW_RAM;
	if (entry < load || entry - load >= image->size) return LOAD_RAW_ENTRY;
	return place_whole(p, image, load, image->size, entry);
}

/*
 * Ramdisk and FDT: from half of RAM, at most 128 MiB, up, where QEMU puts them and a raw image's
 * BSS does not reach; right above the image if they do not fit there. The FDT does not cross a
 * 2 MiB boundary (booting.rst, section 2).
 */
static const char *place_rest(struct placing *p, const struct fit_image *ramdisk, uint64_t fdt_size)
{
	static const uint64_t aligns[] = {MiB(2), 8};
	uint64_t half = p->ram + MIN((p->end - p->ram) / 2, MiB(128));
	uint64_t from[] = {MAX(p->high, half), p->high};
	uint64_t size = ramdisk ? ramdisk->size : 0, start, fdt;

	for (unsigned i = 0; i < ARRAY_SIZE(aligns) * ARRAY_SIZE(from); i++) {
		start = ALIGN_UP(from[i % 2], PAGE_SIZE);
		fdt = ALIGN_UP(start + size, aligns[i / 2]);
		if (fdt / MiB(2) != (fdt + fdt_size - 1) / MiB(2) || fdt + fdt_size > p->end)
			continue;
		if (ramdisk) {
			p->plan->initrd_start = ipa(start);
			p->plan->initrd_end = ipa(start + size);
			add_segment(p->plan, start, ramdisk->data, size);
		}
		p->plan->fdt = ipa(fdt);
		p->plan->fdt_at_base = p->low - p->ram >= fdt_size;
		return NULL;
	}
	return LOAD_NO_ROOM;
}

enum hyp_err loader_plan(const struct vm_config *cfg, uint64_t ram_base,
                         const struct fit_image *image, const struct fit_image *ramdisk,
                         uint64_t fdt_size, struct load_plan *out, const char **why)
{
	enum vm_format format = cfg->format == FORMAT_AUTO ? loader_detect(image) : cfg->format;
	struct load_plan plan = {0};
	struct placing p = {.ram = ram_base, .end = ram_base + cfg->memory, .plan = &plan};
	const char *fault = format == FORMAT_LINUX ? place_linux(&p, image)
	                    : format == FORMAT_ELF ? place_elf(&p, image)
	                                           : place_raw(&p, cfg, image);

	fault = fault ? fault : place_rest(&p, ramdisk, fdt_size);
	if (fault) {
		*why = fault;
		return HYP_EINVAL;
	}
	*out = plan;
	return HYP_OK;
}

/* n bytes at `at` of the file; false: not inside it. */
static bool take(const struct fit_image *image, uint64_t at, void *out, uint64_t n)
{
	if (at > image->size || n > image->size - at) return false;
	memcpy(out, image->data + at, n);
	return true;
}

/* Entry i of a table at `at` of the file. */
#define take_entry(image, at, i, out)                                                              \
	((at) <= (image)->size &&                                                                  \
	 take((image), (at) + (uint64_t)(i) * sizeof(*(out)), (out), sizeof(*(out))))

/* The symbol's name with what could disturb a terminal made visible; false: it is no code. */
static bool take_name(const struct fit_image *image, const struct elf_shdr *strings, uint32_t at,
                      char *name, size_t n)
{
	size_t len = 0;
	char c;

	while (at < strings->size && len < n - 1 && take_entry(image, strings->offset, at, &c) &&
	       c) {
		name[len++] = c > ' ' && c <= '~' ? c : '?';
		at++;
	}
	name[len] = '\0';
	return len > 0 && name[0] != '$';
}

/* A symbol without a size is a label: it is good for a page. */
static bool covers(const struct elf_sym *sym, uint64_t off)
{
	unsigned type = sym->info & STT_MASK;

	return sym->shndx != 0 && (type == STT_FUNC || type == STT_NOTYPE) &&
	       off < (sym->size ? sym->size : PAGE_SIZE);
}

enum hyp_err loader_symbol(const struct fit_image *image, ipa_t entry, uint64_t at, char *name,
                           size_t n, uint64_t *offset)
{
	struct elf_header eh;
	struct elf_shdr table = {0}, strings;
	struct elf_sym sym, best;
	uint64_t count, nearest = UINT64_MAX, off;

	if (loader_detect(image) != FORMAT_ELF || !take(image, 0, &eh, sizeof(eh)))
		return HYP_ENOENT;
	for (unsigned i = 0; i < eh.shnum && table.type != SHT_SYMTAB; i++)
		if (!take_entry(image, eh.shoff, i, &table)) return HYP_ENOENT;
	if (table.type != SHT_SYMTAB || !take_entry(image, eh.shoff, table.link, &strings))
		return HYP_ENOENT;
	count = MIN(table.size / sizeof(sym), MAX_SYMBOLS);
	for (unsigned i = 0; i < count && take_entry(image, table.offset, i, &sym); i++) {
		/* As it runs: where it is linked to, or where it was loaded to. */
		off = MIN(at - sym.value, at - (ipa_raw(entry) - eh.entry) - sym.value);
		if (off < nearest && covers(&sym, off) &&
		    take_name(image, &strings, sym.name, name, n)) {
			nearest = off;
			best = sym;
		}
	}
	if (nearest == UINT64_MAX || !take_name(image, &strings, best.name, name, n))
		return HYP_ENOENT;
	*offset = nearest;
	return HYP_OK;
}
