/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomics on plain integers through the compiler's builtins: the same source on the target (LDXR/
 * STXR, no outline atomics) and in host tests. Orders are named, never implied.
 */
#pragma once

/* One access, no order. As volatile: gcc gives atomics of any order no address but a register. */
#define load_relaxed(p) (*(const volatile __typeof__(*(p)) *)(p))
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) ((void)(*(volatile __typeof__(*(p)) *)(p) = (v)))
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Read-modify-write, fully ordered; return the old value. */
#define atomic_fetch_add_full(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_or_full(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_and_full(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define atomic_exchange_full(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* Returns true and stores desired if *p was *expected; else loads *p into *expected. */
#define atomic_cas_full(p, expected, desired)                                                      \
	__atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_SEQ_CST,               \
	                            __ATOMIC_RELAXED)
