/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 ticket lock: LDAXR/STXR hands out tickets, waiters sleep in WFE until owner changes. */
#pragma once

static inline void spin_lock(spinlock_t *l) ACQUIRES(*l) NO_TSA
{
	uint32_t val, tmp, next;

	/*
	 * [31:16] next, [15:0] owner (little endian). The acquire of LDAXR(H) orders the critical
	 * section after the take; LDAXRH arms the monitor, so that the owner's store is the event
	 * that ends WFE (Arm ARM D1.6.1).
	 */
	__asm__ volatile("1: ldaxr %w0, [%3]\n\tadd %w1, %w0, #0x10000\n\tstxr %w2, %w1, [%3]\n\t"
	                 "cbnz %w2, 1b\n\tlsr %w1, %w0, #16\n\tand %w0, %w0, #0xffff\n\t"
	                 "cmp %w0, %w1\n\tb.eq 3f\n2: ldaxrh %w0, [%3]\n\tcmp %w0, %w1\n\t"
	                 "b.eq 3f\n\twfe\n\tb 2b\n3:"
	                 : "=&r"(val), "=&r"(next), "=&r"(tmp)
	                 : "r"(l)
	                 : "cc", "memory");
}

static inline void spin_unlock(spinlock_t *l) RELEASES(*l) NO_TSA
{
	/* Store-release: the critical section is complete before the next ticket is served. */
	__atomic_store_n(&l->owner, (uint16_t)(l->owner + 1), __ATOMIC_RELEASE);
}
