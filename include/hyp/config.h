/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as values (docs/manifest.md). One table, hyp/manifest_schema.def, names every
 * property with type, unit, range, default and remedy; EL2, scripts/mkbundle and
 * docs/manifest.md are made from it.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/host.h>
#include <hyp/types.h>

#define CONFIG_NAME_MAX 32u /* a VM's name, with its NUL */
#define CONFIG_FILE_MAX 64u /* an image's name */
#define CONFIG_BOOTARGS_MAX 512u

enum vm_format { FORMAT_AUTO, FORMAT_LINUX, FORMAT_ELF, FORMAT_RAW };
enum vm_sched { SCHED_FAIR, SCHED_FIXED };
enum vm_on_crash { ON_CRASH_STOP, ON_CRASH_RESTART, ON_CRASH_PANIC };
enum vm_verify { VERIFY_CRC32, VERIFY_SHA256 };
enum vm_file { FILE_IMAGE, FILE_RAMDISK, FILE_OVERLAY, NR_FILES };

/* A file of the bundle; size 0: there is none. */
struct fit_image {
	const char *name;
	const uint8_t *data;
	uint64_t size;
	uint32_t index;             /* 0, 1, ... in the bundle: to remember what was verified */
	const void *crc32, *sha256; /* as the bundle has them; NULL: it does not */
};

#define LOAD_MAX_SEGMENTS 16u

struct load_segment {
	ipa_t to;
	const uint8_t *from; /* in the bundle */
	uint64_t size;       /* bytes copied; the rest of RAM is zero already */
};

/* Where everything goes, decided before a byte is copied. */
struct load_plan {
	unsigned n; /* image and ramdisk; the FDT is the caller's to build and copy */
	struct load_segment seg[LOAD_MAX_SEGMENTS];
	ipa_t entry, fdt; /* x0 */
	bool fdt_at_base; /* a copy of the FDT also goes to RAM base */
	ipa_t initrd_start, initrd_end;
};

/* Host devices of a VM: as many devices, and as many register ranges and interrupts of them all. */
#define ASSIGN_MAX 8u
#define ASSIGN_MAX_RULES 16u
/* QEMU's platform bus, where virt puts devices of the host. */
#define ASSIGN_BASE UINT64_C(0x0c000000)
#define ASSIGN_SIZE MiB(32)

struct assign_reg {
	uint64_t pa, ipa, size;
	uint8_t dev;  /* whose it is */
	bool trapped; /* not mapped: its pages hold something else as well, */
	bool ruled;   /* or rules say which bits the guest has */
};

struct assign_rule {
	uint32_t reg;         /* which of the ranges */
	uint32_t off, size;   /* words of it */
	uint32_t read, write; /* bits that can be read, written */
	bool w1;              /* written as 0 where not allowed; else kept as they are */
};

/* The virtual SPIs are machine.assign_intid on, in this order. */
struct vm_assign {
	unsigned nr_devs, nr_regs, nr_irqs;
	const void *tree;    /* the host's */
	int dev[ASSIGN_MAX]; /* nodes of it */
	struct assign_reg reg[ASSIGN_MAX];
	struct {
		uint32_t intid;
		uint8_t dev;
		bool edge;
	} irq[ASSIGN_MAX];
};

struct assign_rules {
	unsigned n;
	struct assign_rule rule[ASSIGN_MAX_RULES];
};

struct vm_config {
	char name[CONFIG_NAME_MAX];
	char image[CONFIG_FILE_MAX], ramdisk[CONFIG_FILE_MAX], fdt_overlay[CONFIG_FILE_MAX];
	char bootargs[CONFIG_BOOTARGS_MAX];
	enum vm_format format;
	uint64_t load, entry; /* raw; 0: default */
	uint64_t memory;      /* bytes, a multiple of 4096 */
	uint32_t cpus;
	uint64_t affinity; /* bit mask of host CPUs */
	enum vm_sched sched;
	uint32_t weight;               /* fair: 1..10000 */
	uint32_t priority;             /* fixed: 0..31, larger wins */
	uint32_t budget_us, period_us; /* fixed; 0: not limited */
	uint32_t gic;                  /* 2 or 3 */
	enum vm_on_crash on_crash;
	uint32_t restart_limit;
	bool autostart, background, console, reports_health;
	bool vpl011; /* accepted; every VM has one */
	enum vm_verify verify;
	uint64_t rtc_base; /* PL031 start value, seconds */
	bool allow_unsafe_dma;
	struct vm_assign assign;
	struct assign_rules assign_rules;
	/* Made of the above and the bundle. */
	struct fit_image files[NR_FILES];
	struct load_plan plan;
};

struct fit;

enum when_idle { IDLE_WAIT, IDLE_POWEROFF };

/* The manifest that came with the boot. It and its bundle stay in memory for ever. */
struct manifest {
	/* Set these before config_open(). */
	const struct fit *bundle;
	unsigned host_gic, host_cpus;
	uint64_t ram; /* bytes on the board */
	const void *host_tree;
	struct host_range in_use[2 + HOST_MAX_SDHCI]; /* EL2's own devices, but for the GIC */
	/* And this is what it says. */
	const void *blob;
	enum when_idle when_idle;
	int next; /* node of the next VM; -1: none */
};

/*
 * Finds the manifest in the bundle, untrusted, and checks what is not about one VM. *why: a
 * sentence. m is kept, for config_create(). Boot CPU, once.
 */
enum hyp_err config_open(struct manifest *m, const char **why) __must_check;
/*
 * The manifest's next VM, checked against the host, its files in the bundle, and the VMs that
 * exist: create it before the next call. EINVAL: it is refused, and each fault was logged with
 * node, property, value and remedy in the words of the linter; its neighbours are not. ENOENT: no
 * more.
 */
enum hyp_err config_next(struct manifest *m, struct vm_config *out) __must_check;
/*
 * A VM at run time. words: NAME or NAME=VALUE of the schema, blank-separated, as in image=hello.elf
 * memory=4096 affinity=0,1 bootargs="two words" (numbers in the manifest's units; it is cut up);
 * none: the manifest's node of that name, read again. The checks and words of config_next().
 * EINVAL: refused; ENOENT: no such node and no words; ENOMEM. One CPU at a time.
 */
enum hyp_err config_create(const char *name, char *words, struct vm_config *out) __must_check;

/*
 * The device of the host's tree at path, from its root, for a VM: appended to *a, which has less
 * than ASSIGN_MAX. Else what is wrong, with %s for the path; *a has no meaning then.
 */
const char *config_assign(const struct manifest *m, const char *path, bool allow_dma,
                          struct vm_assign *a);

/* What to do about a tree that is wrong. */
#define CONFIG_OWN_TREE "; pass this board's own device tree"

/* Host FDT -> host; image: where Atoll itself lies. MMU may be off. EINVAL with *why set to a
 * sentence for the console; what was found until then is in *out, for the way it is said. */
enum hyp_err config_host_init(const void *fdt, struct host_range image, struct host *out,
                              const char **why) __must_check;

/* Size of the tree at fdt by its header, 0: it cannot be one. */
uint64_t config_fdt_size(const void *fdt);
