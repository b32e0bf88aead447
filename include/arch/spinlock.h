/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ticket spinlocks (fair; plain LDAXR/STXR retry loops livelock on Cortex-A72). EL2 runs with
 * interrupts masked, so there is no irqsave form. Lock order: docs/locking.md. In host tests the
 * fake arch checks double locking and the order of classes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
#define CAPABILITY TSA(capability("lock"))
#define GUARDED_BY(l) TSA(guarded_by(l))
#define REQUIRES(...) TSA(requires_capability(__VA_ARGS__))
#define ACQUIRES(...) TSA(acquire_capability(__VA_ARGS__))
#define RELEASES(...) TSA(release_capability(__VA_ARGS__))
#define EXCLUDES(...) TSA(locks_excluded(__VA_ARGS__))
#define NO_TSA TSA(no_thread_safety_analysis)

/* The lock order: a lock is taken only while holding locks of lower classes. */
enum lock_class {
	LOCK_VM,      /* vm->lock: lifecycle */
	LOCK_VDEV,    /* one virtual device */
	LOCK_VGIC,    /* vgic_vm->lock: all interrupt state of one VM */
	LOCK_S2,      /* s2->lock: one stage-2 address space */
	LOCK_VMID,    /* the VMID allocator */
	LOCK_RQ,      /* one CPU's run queue; two: lower CPU first */
	LOCK_PAGE,    /* frame table and buddy lists */
	LOCK_CONSOLE, /* console rings and mux */
	LOCK_PCPU,    /* the deadlines of all CPUs */
};

typedef struct CAPABILITY {
	uint16_t owner; /* ticket being served */
	uint16_t next;  /* next ticket to hand out */
	uint32_t cls;   /* enum lock_class */
} spinlock_t;

#define SPINLOCK_INIT(c) ((spinlock_t){.owner = 0, .next = 0, .cls = (c)})

/*
 * asm/spinlock.h defines, inline:
 *   void spin_lock(spinlock_t *l) ACQUIRES(*l);
 *   void spin_unlock(spinlock_t *l) RELEASES(*l);
 */
#include <asm/spinlock.h>
