/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Set/way cache maintenance: cannot be virtualised, so that the first use flushes all RAM of the
 * VM to the point of coherency, 64 KiB a step, while the vCPU waits.
 */
#include <hyp/job.h>
#include <hyp/setway.h>
#include <hyp/vcpu.h>
#include <hyp/vm.h>
#include <arch/cache.h>
#include <arch/mm.h>

#define STEP KiB(64)
#define FLUSH_FOR_NOBODY BIT32(31) /* no vCPU's bit in vm->flush_waiters */

/* vm->lock held: the waiters' flush is complete. Those who came later get another one. */
static bool finish(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		if (vm->flush_waiters & BIT32(i)) {
			vm->vcpus[i]->flushed = true;
			vcpu_wake(vm->vcpus[i]);
		}
	}
	vm->flush_waiters = vm->flush_again;
	vm->flush_again = 0;
	vm->flush_next = vm->machine->ram_base;
	return vm->flush_waiters != 0;
}

static bool flush_step(struct job *j)
{
	struct vm *vm = container_of(j, struct vm, flush_job);
	uint64_t end = vm->machine->ram_base + vm->cfg->memory;
	uint64_t left = MIN(STEP, end - vm->flush_next);
	bool more = true;

	while (left > 0) {
		struct s2_walk w;
		uint64_t n = PAGE_SIZE;

		if (s2_lookup(&vm->s2, ipa(vm->flush_next), &w) == HYP_OK) {
			n = MIN(w.len, left);
			arch_dcache_clean_inval_poc(pa_to_ptr(w.pa), n);
		}
		n = MIN(n, left);
		vm->flush_next += n;
		left -= n;
	}
	if (vm->flush_next == end) {
		arch_icache_inval_all();
		spin_lock(&vm->lock);
		more = finish(vm);
		spin_unlock(&vm->lock);
	}
	return more;
}

static const struct job_ops flush_ops = {"flush", flush_step, NULL};

void setway_vm_init(struct vm *vm)
{
	job_init(&vm->flush_job, &flush_ops, vm, 100);
	vm->flush_next = vm->machine->ram_base;
}

void setway_vm_reset(struct vm *vm)
{
	/* A flush on its way was asked for by those who are gone: whoever asks now, gets another.
	 */
	if (vm->flush_waiters != 0) vm->flush_waiters = FLUSH_FOR_NOBODY;
	vm->flush_again = 0;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) vm->vcpus[i]->flushed = false;
}

bool setway_flushed(struct vcpu *v)
{
	struct vm *vm = v->vm;
	bool done, start = false;

	spin_lock(&vm->lock);
	done = v->flushed;
	if (done) {
		v->flushed = false;
	} else if (vm->flush_waiters == 0) {
		vm->flush_waiters = BIT32(v->id);
		start = true;
	} else if (!((vm->flush_waiters | vm->flush_again) & BIT32(v->id))) {
		vm->flush_again |= BIT32(v->id);
	}
	spin_unlock(&vm->lock);
	if (start) job_start(&vm->flush_job);
	return done;
}
