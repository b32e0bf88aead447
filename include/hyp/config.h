/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as values (docs/manifest.md). One table, guests/management/manifest_schema.def,
 * names every property with type, unit, range, default and remedy; EL2, scripts/mkbundle and
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
	const uint8_t *data;
	uint64_t size;
	uint32_t index; /* 0, 1, ... in the bundle: to remember what was verified */
	uint32_t crc32;
	uint8_t sha256[32];
	bool has_crc32, has_sha256; /* as the bundle has them */
};

#define LOAD_MAX_SEGMENTS 17u /* 14 of an ELF file, the ramdisk, the FDT, the FDT again */

struct load_segment {
	ipa_t to;
	const uint8_t *from; /* in the bundle */
	uint64_t size;       /* bytes copied; the rest of RAM is zero already */
};

/* Where everything goes, decided before a byte is copied. */
struct load_plan {
	unsigned n; /* image and ramdisk; EL2 adds the FDT */
	struct load_segment seg[LOAD_MAX_SEGMENTS];
	ipa_t entry, fdt; /* x0 */
	uint64_t fdt_size;
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

/* As the management guest makes it of the manifest; EL2 looks at it with config_check(). */
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
	const uint8_t *tree; /* plan.fdt_size bytes, its device tree, where it is made */
};

/* Is it safe to make a VM of it? EINVAL: not; the VMs that exist are looked at as well. */
enum hyp_err config_check(const struct vm_config *c) __must_check;

enum when_idle { IDLE_WAIT, IDLE_POWEROFF };

/* What to do about a tree that is wrong. */
#define CONFIG_OWN_TREE "; pass this board's own device tree"

/* Host FDT -> host; image: where Atoll itself lies. MMU may be off. EINVAL with *why set to a
 * sentence for the console; what was found until then is in *out, for the way it is said. */
enum hyp_err config_host_init(const void *fdt, struct host_range image, struct host *out,
                              const char **why) __must_check;

/* Size of the tree at fdt by its header, 0: it cannot be one. */
uint64_t config_fdt_size(const void *fdt);
