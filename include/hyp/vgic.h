/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual GIC: one pure state machine for GICv2 and GICv3 machines. Per-IRQ state, one list per
 * vCPU of interrupts that are pending and enabled, or active; list registers are only a cache:
 * read in fold, written in populate. One lock per VM covers all of it (simpler than one per vCPU,
 * and contended only within a VM). The core reaches hardware only through include/arch/gic.h.
 */
#pragma once

#include <hyp/mmio.h>
#include <arch/gic.h>
#include <arch/spinlock.h>
#include <lib/list.h>

struct vcpu;
struct vm;
struct vgic_irq;

#define VGIC_NR_PRIVATE 32u
#define VGIC_MAX_SPIS 256u

struct vgic_irq {
	struct list_node node; /* on on_list's ap_list */
	struct vcpu *on_list;  /* whose list it is on, or NULL */
	struct vcpu *to;       /* whom it goes to: private: its own; SPI: by route, NULL: nobody */
	uint64_t route;        /* ITARGETSR or IROUTER */
	/* Not 0: linked to that physical interrupt, the virtual timer's PPI or a device's SPI. */
	uint32_t pintid;
	uint16_t intid;
	uint8_t priority;
	uint8_t latch;         /* pending: edge, SGI (v2: by source CPU), ISPENDR write */
	uint8_t active_source; /* v2: source of the active SGI */
	uint8_t lr;            /* list register it is in, if in_lr */
	uint8_t active_req;    /* VGIC_SET/CLEAR_ACTIVE, for the fold on the CPU that has it */
	bool in_lr;            /* its state is in lr: active, and pending if lr_latch, are older */
	bool lr_latch;         /* the latch (or an SGI's source) moved into that list register */
	bool enabled, group1, edge;
	bool line; /* level of the input line; linked: the physical interrupt is active for it */
	bool active;
	bool pulse; /* linked: an edge, over when it is seen */
	bool again; /* linked: the physical interrupt is newer than the list register irq is in */
};
enum { VGIC_NO_REQ, VGIC_SET_ACTIVE, VGIC_CLEAR_ACTIVE };

/* Per-vCPU part, embedded in struct vcpu. All of it under the VM's vGIC lock. */
struct vgic_vcpu {
	struct list_node ap_list; /* sorted by priority, then INTID */
	unsigned ap_n;            /* its length */
	uint32_t hcr;             /* GICH_HCR / ICH_HCR_EL2 as written */
	unsigned nr_used;         /* lr_irq[n] is in list register n for n < nr_used */
	struct vgic_irq *lr_irq[16];
	uint64_t lr[16]; /* as last written or read; 0: it is the same to the guest as empty */
	uint32_t asked;  /* bit n: this vCPU's read of state has asked vCPU n to fold */
	uint32_t askers; /* bit n: so has vCPU n, and it is still to come */
	struct vgic_irq *priv; /* VGIC_NR_PRIVATE of the VM's */
	uint32_t waker;        /* v3: GICR_WAKER, stored */
};

/* Per-VM part, embedded in struct vm. */
struct vgic_vm {
	spinlock_t lock;
	unsigned version; /* 2 or 3 */
	unsigned nr_spis; /* multiple of 32 */
	unsigned nr_irqs; /* each vCPU's private ones, then SPIs */
	struct vgic_irq *irqs, *spis;
	uint32_t ctlr; /* bit 0, 1: groups 0, 1 enabled */
};

/*
 * nr_spis is rounded up to a multiple of 32, at most VGIC_MAX_SPIS. Adds the MMIO regions of the
 * machine (GICD; v3: GICR frames; v2's GICC is mapped in stage 2 by the caller). vm->machine and
 * vm->nr_vcpus are set; the vCPUs follow, vgic_vcpu_init() each.
 */
enum hyp_err vgic_vm_init(struct vm *vm, unsigned version, unsigned nr_spis) __must_check;
void vgic_vm_fini(struct vm *vm);
/* Reset state (also of a VM that restarts): no vCPU is loaded. Links of lines are kept. */
void vgic_vm_reset(struct vm *vm);
void vgic_vcpu_init(struct vcpu *v);
void vgic_vcpu_reset(struct vcpu *v);
/* After any v->on changed: interrupts with a choice of targets go to vCPUs that are on. */
void vgic_retarget(struct vm *vm);

/* Lines and edges of devices. v: the vCPU for a private interrupt, else NULL. Any context with
 * locks below LOCK_VGIC only; kicks or wakes the target where needed. Of a linked interrupt
 * only while v is not loaded: the hardware speaks for itself otherwise. */
void vgic_set_line(struct vm *vm, struct vcpu *v, uint32_t intid, bool level);
/*
 * Links a private interrupt to a physical one (HW = 1), so that the guest's deactivation reaches
 * the hardware, and what the guest masks at the source is withdrawn.
 */
void vgic_link(struct vcpu *v, uint32_t intid, uint32_t pintid);
/*
 * The hot path: physical interrupt of a hw-linked PPI was acknowledged and priority-dropped on
 * this CPU, whose loaded vCPU is v. It stays active until the guest deactivates the virtual one,
 * or the vGIC does (arch_gic_clear_active) when the guest will never see it.
 */
void vgic_inject_hw(struct vcpu *v, uint32_t intid);

/*
 * SPIs of assigned devices. Linked to a physical one: level-sensitive, or an edge. inject: it was
 * acknowledged and priority-dropped, on any CPU; it stays active until the guest deactivates the
 * virtual one, or the vGIC does, and follows the vCPU that it is for to its CPU.
 */
void vgic_link_spi(struct vm *vm, uint32_t intid, uint32_t pintid, bool edge);
void vgic_inject_spi(struct vm *vm, uint32_t intid);

/*
 * VCPU_WORK_VGIC (which the caller has cleared) on the way to the guest, or the maintenance
 * interrupt: fold, populate. v is loaded here.
 */
void vgic_sync(struct vcpu *v);
/* Switch: list registers and virtual interface out to memory / back. put comes before
 * vtimer_put(), load before vtimer_load(). While not loaded, all state is in struct vgic_irq. */
void vgic_put(struct vcpu *v);
void vgic_load(struct vcpu *v);
/*
 * Would WFI return: an enabled pending interrupt that passes the group enables and PMR. v is
 * loaded here. The running priority does not count: that may only wake too often, never too late.
 */
bool vgic_pending(struct vcpu *v);
/* The physical active state of a hw-linked interrupt is vCPU context: true if it has to be active
 * while v is loaded. Asked while v is between vgic_put() and the guest's next instruction. */
bool vgic_hw_active(struct vcpu *v, uint32_t intid);

/* ICC_SGI1R_EL1 / SGI0R / ASGI1R write (v3). group1: for SGI1R. */
void vgic_sgir_write(struct vcpu *v, uint64_t val, bool group1);
/* ICC_DIR_EL1 write, which traps by HCR.TDIR (v3); v is loaded here. */
void vgic_dir_write(struct vcpu *v, uint32_t intid);

bool vgic_irq_pending(const struct vgic_irq *irq);
/* For the shell, while all vCPUs are out: interrupt intid (a private one: v's; else v is NULL).
 * NULL: there is none, or it is idle. */
const struct vgic_irq *vgic_peek(struct vm *vm, struct vcpu *v, uint32_t intid);
