/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set/way cache maintenance: cannot be virtualised, so that the first use flushes all RAM of the
 * VM to the point of coherency, 64 KiB a step, while the vCPU waits.
 */
#include <hyp/gmem.h>
#include <hyp/setway.h>
#include <hyp/vm.h>
#include <arch/cache.h>

#define STEP KiB(64)

/* One flush of everything begins for those who have asked by now; false: nobody has. */
static bool begin(struct vm *vm)
{
	spin_lock(&vm->lock);
	if (vm->flush_for == 0) {
		vm->flush_for = vm->flush_asked;
		vm->flush_asked = 0;
		vm->flush_next = 0;
	}
	spin_unlock(&vm->lock);
	return vm->flush_for != 0;
}

static void finish(struct vm *vm)
{
	arch_icache_inval_all();
	spin_lock(&vm->lock);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		if (vm->flush_for & BIT32(i)) {
			vm->vcpus[i]->flushed = true;
			vcpu_wake(vm->vcpus[i]);
		}
	}
	vm->flush_for = 0;
	spin_unlock(&vm->lock);
}

static bool flush_step(struct job *j)
{
	struct vm *vm = container_of(j, struct vm, flush_job);
	uint64_t end;

	if (!begin(vm)) return false;
	end = MIN(vm->flush_next + STEP, vm->cfg->memory);
	while (vm->flush_next < end) {
		uint64_t n = end - vm->flush_next;
		void *p;

		if (gmem_pin(&vm->s2, ipa(vm->machine->ram_base + vm->flush_next), false, &p, &n) ==
		    HYP_OK)
			arch_dcache_clean_inval_poc(p, n);
		else
			n = PAGE_SIZE; /* a hole */
		vm->flush_next += n;
	}
	if (end == vm->cfg->memory) finish(vm);
	return true;
}

void setway_vm_init(struct vm *vm) { job_init(&vm->flush_job, flush_step, vm, 0); }

void setway_vm_reset(struct vm *vm)
{
	/* A flush on its way was asked for by those who are gone: whoever asks now, gets another.
	 */
	vm->flush_asked = vm->flush_for = 0;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) vm->vcpus[i]->flushed = false;
}

bool setway_flushed(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool done, start;

	spin_lock(&vm->lock);
	done = v->flushed;
	v->flushed = false;
	start = !done && ((vm->flush_for | vm->flush_asked) & BIT32(v->id)) == 0;
	if (start) vm->flush_asked |= BIT32(v->id);
	spin_unlock(&vm->lock);
	if (start) job_start(&vm->flush_job);
	return done;
}
