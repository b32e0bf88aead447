/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual GIC: one pure state machine for GICv2 and GICv3 machines. Per-IRQ state, one list per
 * vCPU of interrupts that are pending and enabled, or active; list registers are only a cache:
 * read in fold, written in populate. One lock per VM covers all of it (simpler than one per vCPU,
 * and contended only within a VM). The core reaches hardware only through include/arch/gic.h.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/mmio.h>
#include <hyp/types.h>
#include <arch/gic.h>
#include <arch/spinlock.h>
#include <lib/list.h>

struct vcpu;
struct vm;
struct vgic_irq;

#define VGIC_NR_PRIVATE 32u
#define VGIC_MAX_SPIS 256u

/* IRQ lines whose source is a device of the VM: asked for the level when the core re-samples. */
struct vgic_line_ops {
	bool (*level)(struct vcpu *v, uint32_t intid);
};

struct vgic_irq {
	struct list_node node;  /* on target's list */
	struct vcpu *on_list;   /* whose list it is on, or NULL */
	struct vcpu *target;    /* private: its vCPU; SPI: by ITARGETSR/IROUTER, NULL: none */
	uint16_t intid;
	uint8_t priority;
	uint8_t targets;        /* v2 ITARGETSR value */
	uint8_t sgi_sources;    /* v2: pending source CPUs of an SGI */
	uint8_t active_source;  /* v2: source of the active SGI */
	int8_t lr;              /* list register it is in, -1: none */
	bool enabled, group1, edge;
	bool line;              /* level of the input line */
	bool latch;             /* pending latch: edge, SGI, or ISPENDR write */
	bool active;
	bool hw;                /* linked to physical interrupt pintid (timer PPI) */
	uint32_t pintid;
	uint64_t irouter;       /* v3 */
	const struct vgic_line_ops *lops; /* may be NULL */
};

/* Per-vCPU part, embedded in struct vcpu. */
struct vgic_vcpu {
	struct list_node ap_list;
	struct vgic_irq priv[VGIC_NR_PRIVATE];
	uint32_t lr_used;  /* bit n: LR n holds something of ours, while loaded or saved in lr[] */
	uint16_t lr_intid[16];
	uint64_t lr[16];   /* saved list registers while not loaded */
	uint32_t hcr;      /* GICH_HCR / ICH_HCR_EL2 as written (En, UIE, ...) */
	bool dirty;        /* state changed since the last sync: VCPU_WORK_VGIC is set as well */
	bool gicr_waker_sleep;
	uint64_t gicr_propbaser, gicr_pendbaser; /* stored, LPIs absent */
};

/* Per-VM part, embedded in struct vm. */
struct vgic_vm {
	spinlock_t lock;
	unsigned version; /* 2, 3, or 0: the VM has no GIC */
	unsigned nr_spis; /* multiple of 32 */
	struct vgic_irq *spis;
	uint32_t ctlr;
};

/* nr_spis is rounded up to a multiple of 32, at most VGIC_MAX_SPIS. Adds the MMIO regions of
 * the machine (GICD; v3: GICR frames; v2's GICC is mapped in stage 2 by the caller). */
enum hyp_err vgic_vm_init(struct vm *vm, unsigned version, unsigned nr_spis) __must_check;
void vgic_vm_fini(struct vm *vm);
/* Reset state (also of a VM that restarts). vgic_vcpu_init links v's private interrupts. */
void vgic_vm_reset(struct vm *vm);
void vgic_vcpu_init(struct vcpu *v);
void vgic_vcpu_reset(struct vcpu *v);

/* Lines and edges of devices. v: the vCPU for a private interrupt, else NULL. Any context with
 * locks below LOCK_VGIC only; kicks or wakes the target where needed. */
void vgic_set_line(struct vm *vm, struct vcpu *v, uint32_t intid, bool level);
void vgic_pulse(struct vm *vm, struct vcpu *v, uint32_t intid);
/* Links a private interrupt to a physical one (HW = 1): guest deactivation reaches the hardware. */
void vgic_link_hw(struct vcpu *v, uint32_t intid, uint32_t pintid, const struct vgic_line_ops *lops);
void vgic_set_line_ops(struct vm *vm, struct vcpu *v, uint32_t intid, const struct vgic_line_ops *lops);
/*
 * The hot path: physical interrupt of a hw-linked PPI was acknowledged and priority-dropped on
 * this CPU, whose loaded vCPU is v. Afterwards the list registers hold it; no kick needed.
 */
void vgic_inject_hw(struct vcpu *v, uint32_t intid);

/* VCPU_WORK_VGIC on the way to the guest: fold, recompute, populate. v is loaded here. */
void vgic_sync(struct vcpu *v);
/* Maintenance interrupt while v is loaded here: same, after acknowledging the causes. */
void vgic_maintenance(struct vcpu *v);
/* Switch: list registers and virtual interface out to memory / back. */
void vgic_put(struct vcpu *v);
void vgic_load(struct vcpu *v);
/* Would WFI return: an enabled pending interrupt that passes the group enables and PMR. v is
 * loaded here. */
bool vgic_pending(struct vcpu *v);
/* hw-linked interrupt's physical active state, which is vCPU context: true if v's LR or active
 * state needs the physical interrupt active while v is loaded. */
bool vgic_hw_active(struct vcpu *v, uint32_t intid);

/* ICC_SGI1R_EL1 / SGI0R / ASGI1R write (v3). group1: for SGI1R. */
void vgic_sgir_write(struct vcpu *v, uint64_t val, bool group1);

/* One line about each interrupt that is not idle, for the shell: returns bytes written. */
size_t vgic_describe(struct vm *vm, char *buf, size_t n);
