/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the vGIC calls of the rest of EL2, for programs that run it alone with vCPUs 0 to n.
 */
#include <stdlib.h>

#include <hyp/page.h>
#include <hyp/vm.h>

void *page_alloc_hyp(uint64_t size) { return calloc(1, size); }

void page_free_hyp(void *p, uint64_t size) { free(p); }

uint64_t vm_vcpu_mpidr(unsigned version, unsigned id) { return BIT(31) | id; }

struct vcpu *vm_vcpu_by_mpidr(struct vm *of, uint64_t mpidr)
{
	return mpidr < of->nr_vcpus ? of->vcpus[mpidr] : NULL;
}

void vcpu_kick(struct vcpu *v, uint32_t work)
{
	v->work |= work;
	if (v->state == VCPU_BLOCKED) v->state = VCPU_READY;
}
