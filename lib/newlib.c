/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What newlib's snprintf() and its like ask for: a heap, for forms of them that nobody here calls.
 */
#include <stdlib.h>

struct _reent;
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*): newlib's names */
void *_malloc_r(struct _reent *r, size_t n) { return NULL; }

void *_realloc_r(struct _reent *r, void *p, size_t n) { return NULL; }

void _free_r(struct _reent *r, void *p) {}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*) */
