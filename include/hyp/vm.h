/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine. Creation and destruction are ordinary operations that may fail cleanly.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/console.h>
#include <hyp/job.h>
#include <hyp/log.h>
#include <hyp/mmio.h>
#include <hyp/s2.h>
#include <hyp/vcpu.h>
#include <hyp/vdev.h>

enum vm_state {
	VM_NEW,     /* created, never started; its job may still be giving it RAM */
	VM_LOADING, /* its job brings it up */
	VM_RUNNING,
	VM_PAUSED, /* its vCPUs are out, or leaving; its time stands still */
	VM_RESUMING,
	VM_STOPPING, /* vCPUs are leaving their CPUs */
	VM_BACKOFF,  /* restarts when its deadline fires */
	VM_STOPPED,  /* for good, or until it is started by hand */
	VM_GONE,     /* being destroyed: not in vms[] any more */
};

enum stop_reason {
	STOP_NONE,
	STOP_OFF,
	STOP_RESET,
	STOP_EXIT,
	STOP_CRASH,
	STOP_ADMIN,
	STOP_RESTART, /* by the admin, to be started again */
};

/* What a crash showed, for the one-screen explanation. */
struct crash_info {
	const char *what; /* a word from EL2's tables, never guest text; NULL: there is none */
	uint64_t esr, far, pc;
	uint32_t vcpu;
};

/* The guest machine, version 1 (docs/guest-machine.md): a value, so that other profiles can exist.
 */
struct machine {
	uint64_t ram_base;
	uint64_t flash_base, flash_size;
	uint64_t gicd, gicc, gicr;
	uint64_t pl011, pl031, virtio;
	uint32_t pl011_intid, pl031_intid, virtio_intid, nr_virtio, assign_intid;
};
extern const struct machine machine_v1;

struct vm {
	spinlock_t lock;
	uint32_t slot; /* 0 .. MAX_VMS-1, or MANAGEMENT_SLOT; frame owner is slot + 1 */
	const struct vm_config *cfg;
	const struct machine *machine;
	char name[CONFIG_NAME_MAX];

	uint32_t state; /* enum vm_state */
	enum stop_reason reason;
	uint32_t exit_status;
	struct crash_info crash;
	uint32_t restarts;
	bool healthy; /* shared: reported by the guest since its last start */

	struct s2 s2;
	struct mmio_map mmio;
	struct vgic_vm vgic;
	unsigned nr_vcpus;
	struct vcpu *vcpus[MAX_VCPUS];
	uint32_t nr_online;               /* vCPUs that are on */
	struct vcpu *last_ran[MAX_PCPUS]; /* last vCPU loaded on that CPU; own CPU writes */

	uint64_t cntvoff;    /* CNTVOFF_EL2: CNTVCT = CNTPCT - cntvoff */
	uint64_t cntpct_off; /* not 0: time was stopped, CNTPCT is trapped */
	uint64_t frozen_at;  /* counter value of the last vtimer_vm_freeze() */

	struct job job; /* all that takes time: hyp/lifecycle.c */

	/* Bytes of RAM flushed for set/way maintenance, round and round; the job goes on until
	 * flush_until (hyp/setway.c). Under lock. */
	uint64_t flush_done, flush_until;

	struct vpl011 pl011;
	struct vpl031 pl031;
	struct console_port port;

	struct log_limit log_limit;
};

/* Of the management guest, which is none of those that are counted and listed. */
#define MANAGEMENT_SLOT MAX_VMS
static inline bool vm_is_management(const struct vm *vm) { return vm->slot == MANAGEMENT_SLOT; }

/*
 * Slot table; vms[i] NULL if free. What it points to is good until the reader leaves EL2 or comes
 * to the scheduler: a VM that is destroyed is unlinked, and freed when every CPU has done so.
 */
extern struct vm *vms[MAX_VMS];

/* The vCPU with that guest MPIDR affinity (bits 39:0 less 31:24), or NULL. */
struct vcpu *vm_vcpu_by_mpidr(struct vm *vm, uint64_t mpidr);
/* Guest MPIDR of vCPU id: 8 per cluster on v2, 16 on v3, as QEMU numbers them; bit 31 set. */
uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id);
/* A word or two for the console. */
const char *stop_reason_name(enum stop_reason r);
