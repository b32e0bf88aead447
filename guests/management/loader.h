/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where images go in guest memory: arm64 Image, ELF64, raw; ramdisk and FDT. EL2 puts them there.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/types.h>

/* By content; never FORMAT_AUTO. */
enum vm_format loader_detect(const struct fit_image *image);

/*
 * Decides and checks where the VM's image, ramdisk and FDT, with gfdt_room(cfg) for it, go:
 * cfg->files -> cfg->plan. *why: a sentence of manifest_schema.def when it fails (EINVAL).
 */
enum hyp_err loader_plan(struct vm_config *cfg, uint64_t ram_base, const char **why) __must_check;

/*
 * The function that holds the address `at`, by the symbol table of an ELF image (untrusted): at as
 * linked, or as loaded when the VM was entered at `entry`. name: n bytes, printable. ENOENT: not an
 * ELF file, no symbols, or in none of the first 65536. Pure; a few instructions per symbol.
 */
enum hyp_err loader_symbol(const struct fit_image *image, ipa_t entry, uint64_t at, char *name,
                           size_t n, uint64_t *offset) __must_check;
