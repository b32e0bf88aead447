/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a guest's image, ramdisk and FDT go: arm64 Image, ELF64, raw. Decides and checks everything
 * before a byte is copied; scripts/mkbundle decides the same.
 */
#include <elf.h>
#include <string.h>

#include "gfdt.h"
#include "loader.h"

#define PROP(...)
#include "manifest_schema.def"

/* Linux Documentation/arch/arm64/booting.rst, section 4. */
struct image_header {
	uint32_t code[2];
	uint64_t text_offset, image_size, flags, reserved[3];
	char magic[4];
	uint32_t pe;
};
#define IMAGE_MAGIC "ARM\x64"
#define IMAGE_OLD_OFFSET 0x80000u /* text_offset of kernels whose image_size is 0 */
#define RAW_OFFSET 0x80000u

#define ELF_IDENT ELFMAG "\2\1\1"                /* 64-bit, little-endian, version 1 */
#define ELF_MAX_SEGMENTS (LOAD_MAX_SEGMENTS - 3) /* ramdisk, FDT twice */
#define MAX_SYMBOLS 65536u

/* RAM that Images and position-independent ELF files leave free at its base, as QEMU does. */
#define BASE_GAP MiB(2)

struct placing {
	const struct vm_config *cfg;
	const struct fit_image *image;
	uint64_t ram, end;  /* of RAM */
	uint64_t low, high; /* of the image, BSS included */
	struct load_plan plan;
};

/* Entry i of a table at `at` of the file; false: it does not lie inside. */
static bool take(const struct fit_image *image, uint64_t at, uint64_t i, void *out, uint64_t size)
{
	uint64_t room = at <= image->size ? image->size - at : 0;

	if (i >= room / size) return false;
	memcpy(out, image->data + at + i * size, size);
	return true;
}

enum vm_format loader_detect(const struct fit_image *image)
{
	struct image_header h;
	char magic[SELFMAG];

	if (take(image, 0, 0, &h, sizeof(h)) && memcmp(h.magic, IMAGE_MAGIC, sizeof(h.magic)) == 0)
		return FORMAT_LINUX;
	return take(image, 0, 0, magic, SELFMAG) && memcmp(magic, ELFMAG, SELFMAG) == 0
	           ? FORMAT_ELF
	           : FORMAT_RAW;
}

static void add_segment(struct load_plan *plan, uint64_t to, const uint8_t *from, uint64_t size)
{
	plan->seg[plan->n] = (struct load_segment){ipa(to), from, size};
	plan->n += size > 0;
}

/* An image in one piece, of `size` in memory. */
static const char *place_whole(struct placing *p, uint64_t to, uint64_t size, uint64_t entry)
{
	p->low = to;
	p->high = to + size;
	p->plan.entry = ipa(entry);
	add_segment(&p->plan, to, p->image->data, p->image->size);
	return NULL;
}

static uint64_t gap_base(const struct placing *p)
{
	return p->ram + (p->end - p->ram >= 2 * BASE_GAP ? BASE_GAP : 0);
}

static const char *place_linux(struct placing *p)
{
	struct image_header h;
	uint64_t offset, size, base;

	if (loader_detect(p->image) != FORMAT_LINUX || !take(p->image, 0, 0, &h, sizeof(h)))
		return LOAD_NOT_IMAGE;
	offset = h.image_size ? h.text_offset : IMAGE_OLD_OFFSET;
	base = offset < PAGE_SIZE ? gap_base(p) : p->ram;
	size = MAX(h.image_size, p->image->size);
	if (!IS_ALIGNED(offset, 4)) return LOAD_IMAGE_OFFSET;
	if (offset > p->end - base || size > p->end - base - offset) return LOAD_IMAGE_RAM;
	return place_whole(p, base + offset, size, base + offset);
}

/* The PT_LOAD headers that take memory, as the file has them. */
static const char *elf_segments(const struct fit_image *image, Elf64_Ehdr *eh, Elf64_Phdr *ph,
                                unsigned *n)
{
	Elf64_Phdr h;

	if (loader_detect(image) != FORMAT_ELF) return LOAD_NOT_ELF;
	if (!take(image, 0, 0, eh, sizeof(*eh)) || memcmp(eh->e_ident, ELF_IDENT, 7) != 0 ||
	    eh->e_machine != EM_AARCH64)
		return LOAD_ELF_KIND;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN) return LOAD_ELF_TYPE;
	*n = 0;
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		if (eh->e_phentsize != sizeof(h) || !take(image, eh->e_phoff, i, &h, sizeof(h)))
			return LOAD_ELF_TABLE;
		if (h.p_type != PT_LOAD || h.p_memsz == 0) continue;
		if (*n == ELF_MAX_SEGMENTS) return LOAD_ELF_MANY;
		ph[(*n)++] = h;
	}
	return *n == 0 ? LOAD_ELF_NONE : NULL;
}

/* One segment against the file, RAM and those before it. */
static const char *elf_check(const struct placing *p, const Elf64_Phdr *ph, unsigned i)
{
	const Elf64_Phdr *h = &ph[i];

	if (h->p_offset > p->image->size || h->p_filesz > p->image->size - h->p_offset)
		return LOAD_ELF_FILE;
	if (h->p_filesz > h->p_memsz) return LOAD_ELF_SIZES;
	if (h->p_paddr < p->ram || h->p_paddr > p->end || h->p_memsz > p->end - h->p_paddr)
		return LOAD_ELF_RAM;
	while (i-- > 0)
		if (h->p_paddr < ph[i].p_paddr + ph[i].p_memsz &&
		    ph[i].p_paddr < h->p_paddr + h->p_memsz)
			return LOAD_ELF_OVERLAP;
	return NULL;
}

static const char *place_elf(struct placing *p)
{
	Elf64_Phdr ph[ELF_MAX_SEGMENTS];
	Elf64_Ehdr eh;
	uint64_t lowest = UINT64_MAX, bias = 0, entry;
	unsigned n;
	const char *why = elf_segments(p->image, &eh, ph, &n);

	if (why) return why;
	for (unsigned i = 0; i < n; i++) lowest = MIN(lowest, ph[i].p_paddr);
	/* Position-independent and linked below RAM, mostly to 0: moved into RAM. */
	if (eh.e_type == ET_DYN && lowest < p->ram)
		bias = gap_base(p) - ALIGN_DOWN(lowest, PAGE_SIZE);
	p->low = lowest + bias;
	for (unsigned i = 0; i < n; i++) {
		ph[i].p_paddr += bias;
		why = elf_check(p, ph, i);
		if (why) return why;
		entry = eh.e_entry - ph[i].p_vaddr;
		if (entry < ph[i].p_filesz && IS_ALIGNED(ph[i].p_paddr + entry, 4))
			p->plan.entry = ipa(ph[i].p_paddr + entry);
		p->high = MAX(p->high, ph[i].p_paddr + ph[i].p_memsz);
		add_segment(&p->plan, ph[i].p_paddr, p->image->data + ph[i].p_offset,
		            ph[i].p_filesz);
	}
	return ipa_raw(p->plan.entry) ? NULL : LOAD_ELF_ENTRY;
}

static const char *place_raw(struct placing *p)
{
	uint64_t load = p->cfg->load ? p->cfg->load : p->ram + RAW_OFFSET;
	uint64_t entry = p->cfg->entry ? p->cfg->entry : load, size = p->image->size;

	if (load < p->ram || load > p->end || size > p->end - load) return LOAD_RAW_RAM;
	if (entry < load || entry - load >= size) return LOAD_RAW_ENTRY;
	return place_whole(p, load, size, entry);
}

/*
 * Ramdisk and FDT: from half of RAM, at most 128 MiB, up, where QEMU puts them and a raw image's
 * BSS does not reach; right above the image if they do not fit there. The FDT does not cross a
 * 2 MiB boundary (booting.rst, section 2).
 */
static const char *place_rest(struct placing *p)
{
	static const uint64_t aligns[] = {MiB(2), 8};
	const struct fit_image *ramdisk = &p->cfg->files[FILE_RAMDISK];
	uint64_t half = p->ram + MIN((p->end - p->ram) / 2, MiB(128));
	uint64_t from[] = {MAX(p->high, half), p->high};
	uint64_t room = gfdt_room(p->cfg), start, fdt;

	for (unsigned i = 0; i < ARRAY_SIZE(aligns) * ARRAY_SIZE(from); i++) {
		start = ALIGN_UP(from[i % 2], PAGE_SIZE);
		fdt = ALIGN_UP(start + ramdisk->size, aligns[i / 2]);
		if (fdt / MiB(2) != (fdt + room - 1) / MiB(2) || fdt + room > p->end) continue;
		p->plan.initrd_start = ipa(start);
		p->plan.initrd_end = ipa(start + ramdisk->size);
		add_segment(&p->plan, start, ramdisk->data, ramdisk->size);
		p->plan.fdt = ipa(fdt);
		p->plan.fdt_at_base = p->low - p->ram >= room;
		return NULL;
	}
	return LOAD_NO_ROOM;
}

enum hyp_err loader_plan(struct vm_config *cfg, uint64_t ram_base, const char **why)
{
	static const char *(*const place[])(struct placing * p) = {
	    [FORMAT_LINUX] = place_linux, [FORMAT_ELF] = place_elf, [FORMAT_RAW] = place_raw};
	struct placing p = {.cfg = cfg,
	                    .image = &cfg->files[FILE_IMAGE],
	                    .ram = ram_base,
	                    .end = ram_base + cfg->memory};
	const char *fault = place[cfg->format ? cfg->format : loader_detect(p.image)](&p);

	*why = fault ? fault : place_rest(&p);
	if (*why) return HYP_EINVAL;
	cfg->plan = p.plan;
	return HYP_OK;
}

/* A symbol without a size is a label: it is good for a page. */
static bool covers(const Elf64_Sym *sym, uint64_t offset)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	return sym->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE) &&
	       offset < (sym->st_size ? sym->st_size : PAGE_SIZE);
}

enum hyp_err loader_symbol(const struct fit_image *image, ipa_t entry, uint64_t at, char *name,
                           size_t n, uint64_t *offset)
{
	Elf64_Ehdr eh;
	Elf64_Shdr table = {0}, strings;
	Elf64_Sym sym;
	uint64_t nearest = UINT64_MAX, off, best = 0;
	size_t len = 0;
	char c;

	if (loader_detect(image) != FORMAT_ELF || !take(image, 0, 0, &eh, sizeof(eh)))
		return HYP_ENOENT;
	for (unsigned i = 0; i < eh.e_shnum && table.sh_type != SHT_SYMTAB; i++)
		if (!take(image, eh.e_shoff, i, &table, sizeof(table))) return HYP_ENOENT;
	if (table.sh_type != SHT_SYMTAB ||
	    !take(image, eh.e_shoff, table.sh_link, &strings, sizeof(strings)))
		return HYP_ENOENT;
	for (unsigned i = 0; i < MIN(table.sh_size / sizeof(sym), MAX_SYMBOLS); i++) {
		if (!take(image, table.sh_offset, i, &sym, sizeof(sym))) break;
		/* As it runs: where it is linked to, or where it was loaded to. */
		off = MIN(at - sym.st_value, at - (ipa_raw(entry) - eh.e_entry) - sym.st_value);
		if (off < nearest && covers(&sym, off) && sym.st_name < strings.sh_size &&
		    take(image, strings.sh_offset, sym.st_name, &c, 1) && c != '\0' && c != '$') {
			nearest = off;
			best = sym.st_name;
		}
	}
	if (nearest == UINT64_MAX) return HYP_ENOENT;
	*offset = nearest;
	/* With what could disturb a terminal made visible. */
	for (; len < n - 1 && best < strings.sh_size; best++) {
		if (!take(image, strings.sh_offset, best, &c, 1) || c == '\0') break;
		name[len++] = c > ' ' && c <= '~' ? c : '?';
	}
	name[len] = '\0';
	return HYP_OK;
}
