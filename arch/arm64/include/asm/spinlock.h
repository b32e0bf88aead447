/* SPDX-License-Identifier: Apache-2.0 */
/* arm64 spinlock: taken at once when free, else by ticket (LDAXR/STXR), waiting in WFE. */
#pragma once

/*
 * Waiters try again instead of taking a ticket. Only under an emulator: a CPU of its is a thread
 * there, and handing a lock to one that does not run just now makes all others wait for the host's
 * scheduler (docs/errata.md). Set before secondaries start.
 */
extern bool spin_polls;

static inline void spin_lock(spinlock_t *l) ACQUIRES(*l) NO_TSA
{
	uint64_t val, tmp, next;

	/*
	 * [31:16] next, [15:0] owner (little endian); equal: free. The acquire of LDAXR(H) orders
	 * the critical section after the take; LDAXRH arms the monitor, so that the owner's store
	 * is the event that ends WFE (Arm ARM D1.6.1).
	 */
	__asm__ volatile(
	    "1: ldaxr %w0, [%3]\n\teor %w2, %w0, %w0, ror #16\n\tcbnz %w2, 3f\n\t"
	    "add %w1, %w0, #0x10000\n\tstxr %w2, %w1, [%3]\n\tcbnz %w2, 1b\n2:\n\t"
	    ".subsection 1\n3: adrp %1, spin_polls\n\tldrb %w1, [%1, :lo12:spin_polls]\n\t"
	    "cbz %w1, 4f\n\tyield\n\tb 1b\n4: ldaxr %w0, [%3]\n\tadd %w1, %w0, #0x10000\n\t"
	    "stxr %w2, %w1, [%3]\n\tcbnz %w2, 4b\n\tlsr %w1, %w0, #16\n\t"
	    "and %w0, %w0, #0xffff\n\tcmp %w0, %w1\n\tb.eq 2b\n5: ldaxrh %w0, [%3]\n\t"
	    "cmp %w0, %w1\n\tb.eq 2b\n\twfe\n\tb 5b\n\t.previous"
	    : "=&r"(val), "=&r"(next), "=&r"(tmp)
	    : "r"(l)
	    : "cc", "memory");
}

static inline void spin_unlock(spinlock_t *l) RELEASES(*l) NO_TSA
{
	/* Store-release: the critical section is complete before the next ticket is served. */
	__atomic_store_n(&l->owner, (uint16_t)(l->owner + 1), __ATOMIC_RELEASE);
}
