/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's only way into guest memory: walks stage 2 and bounds every access.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/s2.h>
#include <hyp/types.h>

/* Copies from normal guest memory; stops at the first page that is not mapped: EPERM, *out is then
 * unspecified. */
enum hyp_err gmem_read(struct s2 *s, ipa_t from, void *to, uint64_t n) __must_check;
/* Host pointer to [ipa, ipa + *len), *len cut to what is contiguous; writable if asked. Valid
 * as long as the VM's memory is not unmapped. */
enum hyp_err gmem_pin(struct s2 *s, ipa_t ipa, bool write, void **p, uint64_t *len) __must_check;
