/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs and vCPUs as objects: slots, handles, the machine description, allocation.
 */
#include <hyp/vm.h>
#include <arch/barrier.h>

struct vm *vms[MAX_VMS];

/* Design section 5; never changed for version 1. */
const struct machine machine_v1 = {
    .ram_base = 0x40000000,
    .flash_base = 0x00000000,
    .flash_size = 0x08000000,
    .gicd = 0x08000000,
    .gicc = 0x08010000,
    .gicr = 0x080a0000,
    .pl011 = 0x09000000,
    .pl011_intid = 33,
    .pl031 = 0x09010000,
    .pl031_intid = 34,
    .virtio = 0x0a000000,
    .virtio_intid = 48,
    .nr_virtio = 32,
    .assign_intid = 144, /* QEMU's platform bus */
};

/* vCPUs per Aff1: what a GICv2 can target, and what one ICC_SGI1R target list can. */
static unsigned cluster_size(unsigned gic_version) { return gic_version == 3 ? 16 : 8; }

uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id)
{
	unsigned n = cluster_size(gic_version);

	return BIT(31) | (uint64_t)(id / n) << 8 | id % n;
}

struct vcpu *vm_vcpu_by_mpidr(struct vm *vm, uint64_t mpidr)
{
	unsigned n = cluster_size(vm->vgic.version);
	uint64_t id = ((mpidr >> 8) & 0xff) * n + (mpidr & 0xff);

	/* Aff3 and Aff2 are 0; bit 31 is RES1 in MPIDR and RES0 in a PSCI target: either is taken.
	 */
	if ((mpidr & ~(UINT64_C(0xffff) | BIT(31))) != 0 || (mpidr & 0xff) >= n ||
	    id >= vm->nr_vcpus)
		return NULL;
	return vm->vcpus[array_index_nospec(id, MAX_VCPUS)];
}

const char *stop_reason_name(enum stop_reason r)
{
	/* In the order of the enum. */
	static const char *const names[] = {
	    "-", "off", "reset", "exit", "crash", "stopped by the host", "restarted by the host"};

	_Static_assert(ARRAY_SIZE(names) == STOP_RESTART + 1, "one for each reason");
	return names[r];
}
