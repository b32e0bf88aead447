/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set/way cache maintenance: cannot be virtualised, so that a use flushes all RAM of the VM to the
 * point of coherency, while the vCPU waits. The VM's job goes round RAM for as long as anyone
 * waits; each waits for one round, from wherever it is.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/gmem.h>
#include <hyp/setway.h>
#include <hyp/vm.h>
#include <arch/cache.h>

#define STEP KiB(64)

bool setway_step(struct vm *vm)
{
	uint64_t done = vm->flush_done, at = done % vm->cfg->memory;
	uint64_t n = MIN(STEP, vm->cfg->memory - at);
	void *p;

	if (done >= load_acquire(&vm->flush_until)) return false;
	/* RAM is mapped whole. */
	CHECK(gmem_pin(&vm->s2, ipa(vm->machine->ram_base + at), false, &p, &n) == HYP_OK);
	arch_dcache_clean_inval_poc(p, n);
	done += n;
	spin_lock(&vm->lock);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		uint64_t until = vm->vcpus[i]->flush_until;

		if (until > vm->flush_done && until <= done) vcpu_wake(vm->vcpus[i]);
	}
	vm->flush_done = done;
	spin_unlock(&vm->lock);
	return true;
}

bool setway_flushed(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool asks, done;

	spin_lock(&vm->lock);
	asks = v->flush_until == 0;
	done = !asks && v->flush_until <= vm->flush_done;
	if (done) v->flush_until = 0;
	/* A round, and what the job may be at just now. */
	if (asks) {
		v->flush_until = vm->flush_done + STEP + vm->cfg->memory;
		store_release(&vm->flush_until, v->flush_until);
	}
	spin_unlock(&vm->lock);
	if (asks) job_start(&vm->job);
	if (done) arch_icache_inval_all(); /* after the data */
	return done;
}
