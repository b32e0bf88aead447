/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CHECK: an invariant of the hypervisor itself; panics, also in release builds (rule 12). Never
 * for anything a guest, a device tree or a device can influence.
 */
#pragma once

#include <stdnoreturn.h>

/* Prints, dumps registers and a backtrace, stops all CPUs. Any context, any lock held. */
noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (__builtin_expect(!(x), 0))                                                     \
			panic("CHECK failed: %s (%s:%d)", #x, __FILE__, __LINE__);                 \
	} while (0)
