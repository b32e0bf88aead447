/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's device tree: guest.dts filled in by libfdt from its configuration
 * (docs/guest-machine.md).
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/types.h>

struct machine;

#define GFDT_MAX_OVERLAY KiB(16)

/*
 * Room for any tree of a VM (16 vCPUs, a command line of 511 bytes), its host devices, and the work
 * on its overlay: what loader_plan() reserves and the n of gfdt_build(). scripts/mkbundle computes
 * the same.
 */
static inline uint64_t gfdt_room(const struct vm_config *cfg)
{
	return KiB(8) + cfg->assign.nr_devs * KiB(1) +
	       3 * ALIGN_UP(cfg->files[FILE_OVERLAY].size, 8);
}

/*
 * Writes a packed tree of at most n bytes; buf is 8-byte aligned, and the overlay, if any, was let
 * through by tree_check(). ENOMEM: does not fit; EINVAL with *why a sentence: the overlay. buf
 * has no meaning after an error.
 */
enum hyp_err gfdt_build(const struct vm_config *cfg, const struct machine *m, void *buf, uint64_t n,
                        uint64_t *size, const char **why) __must_check;
