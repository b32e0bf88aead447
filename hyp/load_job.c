/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job of a VM: gives it RAM, loads it (hashes once per bundle, plan, clear, copy), starts,
 * pauses, resumes, stops and frees it, in steps of at most 64 KiB.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/gfdt.h>
#include <hyp/gmem.h>
#include <hyp/life.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/setway.h>
#include <hyp/vdev.h>
#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/mm.h>
#include <arch/timer.h>

#include <string.h>

#define STEP KiB(64)
#define BUNDLE_MAX_IMAGES 256u

/* Images of the bundle whose hashes were right: bit 0 crc32, bit 1 sha256 as well. */
static uint8_t verified[BUNDLE_MAX_IMAGES];

static const char *file_name(const struct life *l, unsigned file)
{
	return file == FILE_IMAGE     ? l->cfg.image
	       : file == FILE_RAMDISK ? l->cfg.ramdisk
	                              : l->cfg.fdt_overlay;
}

static const struct fit_image *file_or_null(const struct life *l, unsigned file)
{
	return l->files[file].size != 0 ? &l->files[file] : NULL;
}

enum hyp_err life_find_files(struct life *l, const struct fit *bundle)
{
	for (unsigned i = 0; i < NR_FILES; i++)
		if (file_name(l, i)[0] != '\0')
			TRY(fit_find(bundle, file_name(l, i), &l->files[i]));
	return HYP_OK;
}

static bool next_phase(struct life *l, enum life_phase phase)
{
	l->phase = phase;
	l->file = 0;
	l->at = 0;
	return true;
}

/* It cannot be brought up, for a reason that another try would not change. */
static bool fail(struct life *l, unsigned file, const char *why)
{
	struct vm *vm = &l->vm;

	log_err("%s: cannot be loaded: %s: %s", vm->name, file_name(l, file), why);
	if (load_relaxed(&vm->state) == VM_NEW)
		(void)vm_destroy(vm); /* its RAM cannot be had: nobody has started it yet */
	else
		(void)vm_stop(vm, STOP_CRASH, 0);
	return true;
}

/* --- RAM --------------------------------------------------------------------------------- */

/* In the largest blocks there are, each scrubbed before it is mapped. */
enum hyp_err life_ram_step(struct life *l)
{
	uint64_t left = l->cfg.memory - l->ram;

	if (pa_raw(l->block) == 0) {
		return page_alloc_best(left / PAGE_SIZE, l->vm.s2.owner, &l->block,
		                       &l->block_order);
	}
	if (page_scrub_block(l->block)) return HYP_OK;
	TRY(s2_map(&l->vm.s2, ipa(l->vm.machine->ram_base + l->ram), l->block,
	           PAGE_SIZE << l->block_order, S2_RWX));
	l->ram += PAGE_SIZE << l->block_order;
	l->block = pa(0);
	if (l->ram == l->cfg.memory) next_phase(l, LIFE_VERIFY);
	return HYP_OK;
}

static bool ram_step(struct life *l)
{
	return life_ram_step(l) == HYP_OK || fail(l, FILE_IMAGE, "not enough RAM left");
}

/* --- loading ----------------------------------------------------------------------------- */

static bool next_file(struct life *l)
{
	l->at = 0;
	return ++l->file < NR_FILES ? true : next_phase(l, LIFE_PLAN);
}

static bool verify_step(struct life *l)
{
	const struct fit_image *img = &l->files[l->file];
	uint8_t want = l->cfg.verify == VERIFY_SHA256 ? 3 : 1;
	const char *why;

	if (img->size == 0 ||
	    (img->index < BUNDLE_MAX_IMAGES && (verified[img->index] & want) == want))
		return next_file(l);
	if (l->at == 0) {
		fit_verify_init(&l->verify, img, want == 3);
		l->at = 1;
	}
	if (fit_verify_step(&l->verify)) return true;
	if (fit_verify_done(&l->verify, &why) != HYP_OK) return fail(l, l->file, why);
	if (img->index < BUNDLE_MAX_IMAGES) verified[img->index] |= want;
	return next_file(l);
}

static bool plan_step(struct life *l)
{
	struct vm *vm = &l->vm;
	uint64_t room = gfdt_room(file_or_null(l, FILE_OVERLAY));
	const char *why;
	struct gfdt_input in = {
	    .cfg = vm->cfg,
	    .machine = vm->machine,
	    .overlay = file_or_null(l, FILE_OVERLAY),
	};

	if (loader_plan(vm->cfg, vm->machine->ram_base, &l->files[FILE_IMAGE],
	                file_or_null(l, FILE_RAMDISK), room, &l->plan, &why) != HYP_OK)
		return fail(l, FILE_IMAGE, why);
	in.initrd_start = ipa_raw(l->plan.initrd_start);
	in.initrd_end = ipa_raw(l->plan.initrd_end);
	l->fdt = page_alloc_hyp(GFDT_MAX_SIZE);
	if (!l->fdt) return fail(l, FILE_IMAGE, "no memory left for its device tree");
	why = "its device tree does not fit";
	if (gfdt_build(&in, l->fdt, room, &l->fdt_size, &why) != HYP_OK)
		return fail(l, in.overlay ? FILE_OVERLAY : FILE_IMAGE, why);
	next_phase(l, l->dirty ? LIFE_ZERO : LIFE_COPY);
	l->dirty = true;
	return true;
}

static void drop_fdt(struct life *l)
{
	if (l->fdt) page_free_hyp(l->fdt, GFDT_MAX_SIZE);
	l->fdt = NULL;
}

/* n bytes of guest RAM at `to`: from `from`, or zero; cleaned so that a guest without caches
 * sees them. The planner bounded the range, and RAM is mapped whole. */
static void fill(struct vm *vm, uint64_t to, const uint8_t *from, uint64_t n)
{
	while (n > 0) {
		uint64_t len = n;
		void *p;

		CHECK(gmem_pin(&vm->s2, ipa(to), true, &p, &len) == HYP_OK);
		if (from) {
			memcpy(p, from, len);
			arch_dcache_clean_poc(p, len);
			from += len;
		} else {
			arch_scrub(p, len);
		}
		to += len;
		n -= len;
	}
}

static bool zero_step(struct life *l)
{
	uint64_t n = MIN(STEP, l->cfg.memory - l->at);

	fill(&l->vm, l->vm.machine->ram_base + l->at, NULL, n);
	l->at += n;
	return l->at < l->cfg.memory ? true : next_phase(l, LIFE_COPY);
}

static bool copy_step(struct life *l)
{
	const struct load_segment *s = &l->plan.seg[l->file];
	struct vm *vm = &l->vm;
	uint64_t n;

	if (l->file == l->plan.n) {
		fill(vm, ipa_raw(l->plan.fdt), l->fdt, l->fdt_size);
		if (l->plan.fdt_at_base) fill(vm, vm->machine->ram_base, l->fdt, l->fdt_size);
		drop_fdt(l);
		return next_phase(l, LIFE_START);
	}
	n = MIN(STEP, s->size - l->at);
	fill(vm, ipa_raw(s->to) + l->at, s->from + l->at, n);
	l->at += n;
	if (l->at == s->size) {
		l->file++;
		l->at = 0;
	}
	return true;
}

static bool start_step(struct life *l)
{
	struct vm *vm = &l->vm;

	/* Code was written through the data side: no CPU may run what was there before. */
	arch_icache_inval_all();
	spin_lock(&vm->lock);
	if (vm->state == VM_LOADING) { /* not stopped meanwhile */
		next_phase(l, LIFE_VERIFY);
		setway_vm_reset(vm);
		vgic_vm_reset(vm);
		vpl011_reset(vm);
		vpl031_reset(vm);
		vm->reason = STOP_NONE;
		vm->crash.what = NULL;
		vm->cntvoff = arch_counter();
		s2_new_vmid(&vm->s2); /* no translation of an earlier life is hit */
		vm->cntpct_off = 0;
		for (unsigned i = 0; i < vm->nr_vcpus; i++) {
			vcpu_reset(vm->vcpus[i], 0, 0);
			vm->vcpus[i]->on = false;
		}
		vcpu_reset(vm->vcpus[0], ipa_raw(l->plan.entry), ipa_raw(l->plan.fdt));
		vm->vcpus[0]->on = true;
		vm->nr_online = 1;
		vm->state = VM_RUNNING;
		sched_start(vm->vcpus[0]);
	}
	spin_unlock(&vm->lock);
	return true;
}

/* --- pause, stop, destroy ------------------------------------------------------------------ */

/* All vCPUs are out in these three. */
static bool pause_step(struct life *l)
{
	if (!l->frozen) vtimer_vm_freeze(&l->vm);
	l->frozen = true;
	return false;
}

static bool resume_step(struct life *l)
{
	struct vm *vm = &l->vm;

	if (l->frozen) vtimer_vm_thaw(vm);
	l->frozen = false;
	spin_lock(&vm->lock);
	if (vm->state == VM_RESUMING) {
		vm->state = VM_RUNNING;
		for (unsigned i = 0; i < vm->nr_vcpus; i++)
			if (vm->vcpus[i]->on) sched_start(vm->vcpus[i]);
	}
	spin_unlock(&vm->lock);
	return true;
}

static bool stop_step(struct life *l)
{
	deadline_cancel(&l->backoff);
	drop_fdt(l);
	l->frozen = false; /* the next life has a time of its own */
	if (l->phase != LIFE_RAM) next_phase(l, LIFE_VERIFY);
	life_stopped(l);
	return true;
}

/* Out of everybody's sight, and nothing of it fires any more. */
static bool unlink_step(struct life *l)
{
	struct vm *vm = &l->vm;

	store_release(&vms[vm->slot], NULL);
	/* What it said last is shown by and by: an unfinished line after some silence. */
	if (load_acquire(&vm->port.tail) != load_relaxed(&vm->port.head)) return true;
	spin_lock(&vm->lock);
	setway_vm_reset(vm); /* nobody waits for a flush any more */
	spin_unlock(&vm->lock);
	if (!job_is_idle(&vm->flush_job)) return true;
	vpl031_destroy(vm); /* their up-calls and deadlines wake vCPUs */
	vpl011_destroy(vm);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) vtimer_vcpu_reset(vm->vcpus[i]);
	deadline_cancel(&l->backoff);
	/* Unlinked before the passes are read; a CPU has its passes before it looks at vms[]. */
	smp_mb();
	for (unsigned i = 0; i < nr_pcpus; i++) {
		l->passes[i] = load_relaxed(&pcpus[i].passes);
		pcpu_kick(&pcpus[i], PCPU_WORK_RESCHED);
	}
	return next_phase(l, LIFE_GRACE);
}

/*
 * A handler on another CPU may hold a pointer to the VM: the shell, a deadline that fires late.
 * None does when every CPU has come to its scheduler; twice, since the first time may have begun
 * before the VM was unlinked.
 */
static bool grace_step(struct life *l)
{
	for (unsigned i = 0; i < nr_pcpus; i++) {
		if (load_acquire(&pcpus[i].online) &&
		    load_acquire(&pcpus[i].passes) - l->passes[i] < 2) {
			pcpu_kick(&pcpus[i], PCPU_WORK_RESCHED);
			return true;
		}
	}
	return next_phase(l, LIFE_FREE);
}

static bool free_step(struct life *l)
{
	if (life_free_step(l)) return true;
	log_info("%s: destroyed", l->vm.name);
	l->phase = LIFE_FREED;
	return false;
}

static bool (*const phases[])(struct life *l) = {
    [LIFE_RAM] = ram_step,       [LIFE_VERIFY] = verify_step, [LIFE_PLAN] = plan_step,
    [LIFE_ZERO] = zero_step,     [LIFE_COPY] = copy_step,     [LIFE_START] = start_step,
    [LIFE_UNLINK] = unlink_step, [LIFE_GRACE] = grace_step,   [LIFE_FREE] = free_step,
};

bool life_step(struct job *j)
{
	struct life *l = container_of(j, struct life, job);
	uint32_t state = load_acquire(&l->vm.state);

	if (state == VM_GONE && l->phase < LIFE_UNLINK) next_phase(l, LIFE_UNLINK);
	if (state == VM_LOADING || state == VM_GONE || (state == VM_NEW && l->phase == LIFE_RAM))
		return phases[l->phase](l);
	if (state != VM_PAUSED && state != VM_RESUMING && state != VM_STOPPING) return false;
	/* Each vCPU was kicked: a few turns at most. */
	for (unsigned i = 0; i < l->vm.nr_vcpus; i++)
		if (!vcpu_is_out(l->vm.vcpus[i])) return true;
	return state == VM_PAUSED     ? pause_step(l)
	       : state == VM_RESUMING ? resume_step(l)
	                              : stop_step(l);
}

/* The job's last access. A later start finds another job, if any: the VM is out of sight. */
void life_done(struct job *j)
{
	struct life *l = container_of(j, struct life, job);

	if (l->phase == LIFE_FREED) page_free_hyp(l, sizeof(*l));
}
