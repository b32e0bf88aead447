/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the vGIC share: the core's begin/end bracket around every change of an
 * interrupt, the changes themselves, and the table-driven register accessor of both front ends.
 */
#pragma once

#include <arch/barrier.h>
#include <hyp/mmio.h>
#include <hyp/vcpu.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>

/* GICD_CTLR (IHI 0048B 4.3.1; IHI 0069 12.9.4, one security state). */
#define CTLR_GRP0 BIT32(0)
#define CTLR_GRP1 BIT32(1)
#define CTLR_GROUPS (CTLR_GRP0 | CTLR_GRP1)

/* GICD_IIDR, GICR_IIDR: Arm (JEP106 0x43b), as QEMU; software takes 0 for "no GIC". */
#define VGIC_IIDR 0x43bu

/* Private interrupts are v's; v NULL: there are none here. NULL: no such interrupt. */
static inline struct vgic_irq *vgic_irq_find(struct vm *vm, struct vcpu *v, uint32_t intid)
{
	struct vgic_vm *g = &vm->vgic;

	if (intid < VGIC_NR_PRIVATE)
		return v ? &v->vgic.priv[array_index_nospec(intid, VGIC_NR_PRIVATE)] : NULL;
	intid -= VGIC_NR_PRIVATE;
	return intid < g->nr_spis ? &g->spis[array_index_nospec(intid, g->nr_spis)] : NULL;
}

/* All interrupts of a VM, at most MAX_VCPUS * 32 + VGIC_MAX_SPIS; NULL: that vCPU is missing. */
unsigned vgic_nr_irqs(const struct vm *vm);
struct vgic_irq *vgic_irq_at(struct vm *vm, unsigned i);

static inline bool vgic_is_sgi_v2(const struct vm *vm, const struct vgic_irq *irq)
{
	return vm->vgic.version == 2 && irq->intid < GIC_NR_SGI;
}

/*
 * Every change of an interrupt is made between these two, under the lock. begin: if it is in a
 * list register of this CPU, its state comes into irq. It stays in_lr only if that is another
 * CPU's: then active and what moved with lr_latch are older, and end has that CPU fold. end: puts
 * it where it now belongs, at once where that takes one list register, else by VCPU_WORK_VGIC.
 */
void vgic_irq_begin(struct vgic_irq *irq);
void vgic_irq_end(struct vm *vm, struct vgic_irq *irq);
/* The vCPU whose private interrupt, or whose SPI by target, irq is; NULL: none. */
struct vcpu *vgic_irq_owner(struct vm *vm, const struct vgic_irq *irq);
bool vgic_irq_pending(const struct vgic_irq *irq);
/* Between begin and end; also finds its place on the list again. */
void vgic_irq_set_priority(struct vgic_irq *irq, uint8_t priority);
/* Off the list it is on. */
void vgic_irq_unlink(struct vgic_irq *irq);
/* Is v in this CPU's list registers? */
bool vgic_here(const struct vcpu *v);

void vgic_irq_set_line(struct vm *vm, struct vgic_irq *irq, bool level);
/* From targets or irouter to target; vgic_irq_end() follows. */
void vgic_irq_route(struct vm *vm, struct vgic_irq *irq);
void vgic_irq_set_active(struct vm *vm, struct vgic_irq *irq, bool active);
/* To those vCPUs of a mask that exist; group1: also where it is of group 1. Takes the lock. */
void vgic_send_sgi(struct vcpu *from, uint32_t to, unsigned intid, bool group1);

/*
 * Registers with a field per interrupt: both front ends have these at the same offsets. All take
 * accesses of 1, 2 and 4 bytes, as QEMU's GICv2 does; the manuals ask it of some (IHI 0048B 4.1.4).
 * Private interrupts are priv's, NULL: RAZ/WI. What is no such register is RAZ/WI: MMIO_OK. Lock:
 * taken.
 */
/* AGAIN: state is in list registers of another CPU, which was asked for it. */
enum mmio_result vgic_field_read(struct vcpu *by, struct vcpu *priv, uint32_t off, unsigned size,
                                 uint64_t *val);
enum mmio_result vgic_field_write(struct vm *vm, struct vcpu *priv, uint32_t off, unsigned size,
                                  uint64_t val);
/* GICD_CTLR's group enables: every interrupt is looked at again. MMIO_OK, as above. */
enum mmio_result vgic_set_groups(struct vm *vm, uint32_t groups);
/* The ID registers at the end of a frame, off from their beginning (0xfd0 or 0xffd0). */
enum vgic_frame { FRAME_V2_GICD, FRAME_V3_GICD, FRAME_V3_GICR };
uint32_t vgic_id_reg(enum vgic_frame frame, uint32_t off);

extern const struct mmio_ops vgic_v2_gicd_ops, vgic_v2_dir_ops, vgic_v3_gicd_ops, vgic_v3_gicr_ops;
#define VGIC_GICD_SIZE KiB(64)
#define VGIC_GICR_SIZE KiB(128)
