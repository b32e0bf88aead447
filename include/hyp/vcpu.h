/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs: identity, architectural state, what waits for them, scheduling state. Life of the state
 * field: docs/architecture.md.
 */
#pragma once

#include <hyp/atomic.h>
#include <hyp/pcpu.h>
#include <hyp/sched_ent.h>
#include <hyp/vgic.h>
#include <hyp/vtimer.h>
#include <arch/vcpu.h>

struct vm;

/* v->work, set by anyone with atomic OR; looked at on each way into the guest. */
#define VCPU_WORK_VGIC BIT32(0) /* vgic_sync() is due, or what v may wait for has come */
#define VCPU_WORK_STOP BIT32(1) /* leave the CPU: pause, stop, destroy */
/* OFF and saved: no CPU and no queue knows it. Set by the scheduler, cleared by sched_start(). */
#define VCPU_WORK_OUT BIT32(31)
/* What a blocked vCPU wakes for. */
#define VCPU_WORK_WAKES (VCPU_WORK_VGIC | VCPU_WORK_STOP)

enum vcpu_state {
	VCPU_OFF,     /* not started or CPU_OFF; in no queue */
	VCPU_READY,   /* in a run queue or on a wake list */
	VCPU_RUNNING, /* chosen by a CPU */
	VCPU_BLOCKED, /* waits for vcpu_wake() */
};

struct vcpu_stats {
	uint64_t steal_ticks, wake_ticks_max, wake_ticks_sum, nr_wakes;
	uint64_t nr_exits, nr_mmio, nr_sysreg, nr_hvc, nr_wfi, nr_irq;
};

struct vcpu {
	struct arch_vcpu arch; /* first: entry.S */
	uint32_t work;         /* shared; entry checks it */
	uint32_t id;           /* in its VM */
	struct vm *vm;

	/* Scheduling. state: changed by CAS or by the CPU that runs it. */
	uint32_t state;    /* enum vcpu_state, shared */
	int32_t loaded_on; /* CPU whose registers hold arch, -1: saved, published with release */
	uint32_t cpu;      /* home CPU: whose queue it goes to when it wakes */
	uint64_t affinity;
	struct sched_ent se;

	struct vgic_vcpu vgic;
	struct vtimer vtimer;
	const struct mmio_region *mmio_last; /* of the last access, or NULL */
	struct vcpu_stats stats;

	/* Under vm->lock. */
	bool on;              /* PSCI; a pause changes nothing here */
	uint64_t flush_until; /* set/way: waits for that much of vm->flush_done; 0: for nothing */
};

/*
 * Makes a BLOCKED vCPU READY on its home CPU's wake list and kicks that CPU; one that is about to
 * block will not. What the vCPU waits for is stored before the call. Lock-free, any context.
 */
void vcpu_wake(struct vcpu *v);
/* Its first step, for the timer's short way: v sleeps loaded here and this CPU idles for it alone.
 * This is within irq_handle() of the idle loop, which looks at the state next. */
static inline bool vcpu_wake_in_place(struct vcpu *v)
{
	uint32_t state = VCPU_BLOCKED;

	return this_pcpu()->asleep == v &&
	       atomic_cas_full(&v->state, &state, (uint32_t)VCPU_RUNNING);
}
/* Sets work bits; if v runs on another CPU, kicks it; if BLOCKED and work has any of
 * VCPU_WORK_WAKES, wakes it. Not for VCPU_WORK_STOP: that is vcpu_stop(). */
void vcpu_kick(struct vcpu *v, uint32_t work);
/*
 * Has v leave, whatever state it is in: sets VCPU_WORK_STOP; its CPU takes it out of the queue it
 * is in, saves it, and sets VCPU_WORK_OUT as the last access to it. Serialised with sched_start()
 * by the caller. Lock-free, any context.
 */
void vcpu_stop(struct vcpu *v);
/* OFF, saved, in no queue: its state may be reset, v may be freed. Acquire. */
static inline bool vcpu_is_out(const struct vcpu *v)
{
	return (load_acquire(&v->work) & VCPU_WORK_OUT) != 0;
}

/* Register n of a trapped instruction: 31 is XZR (rule 16). Full traps only. */
static inline uint64_t vcpu_gpr_get(const struct vcpu *v, unsigned n)
{
	return n < 31 ? v->arch.x[n] : 0;
}

static inline void vcpu_gpr_set(struct vcpu *v, unsigned n, uint64_t val)
{
	if (n < 31) v->arch.x[n] = val;
}

/* Reset state: entry at EL1h with DAIF set, x0 = context; everything else as after reset. */
void vcpu_reset(struct vcpu *v, uint64_t entry, uint64_t x0);
