/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as values: what is in it, checked against the host and the VMs that exist.
 */
#pragma once

#include <hyp/config.h>

struct fit;

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
 * sentence. m is kept, for config_create(). Once.
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
 * EINVAL: refused; ENOENT: no such node and no words; ENOMEM.
 */
enum hyp_err config_create(const char *name, char *words, struct vm_config *out) __must_check;

/*
 * The device of the host's tree at path, from its root, for a VM: appended to *a, which has less
 * than ASSIGN_MAX. Else what is wrong, with %s for the path; *a has no meaning then.
 */
const char *config_assign(const struct manifest *m, const char *path, bool allow_dma,
                          struct vm_assign *a);
