/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job that brings a VM up: check its files' hashes (once per bundle), plan, clear RAM that was
 * used, copy, clean to the point of coherency, start; in steps of at most 64 KiB.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/gfdt.h>
#include <hyp/life.h>
#include <hyp/lifecycle.h>
#include <hyp/page.h>
#include <hyp/sched.h>
#include <hyp/setway.h>
#include <hyp/vdev.h>
#include <hyp/vm.h>
#include <arch/cache.h>
#include <arch/mm.h>
#include <arch/timer.h>

#include <string.h>

#define STEP KiB(64)
#define BUNDLE_MAX_IMAGES 256u

/* Images of the bundle whose hashes were right: bit 0 crc32, bit 1 sha256 as well. */
static uint8_t verified[BUNDLE_MAX_IMAGES];

static const char *file_name(const struct vm *vm, unsigned file)
{
	const struct vm_config *c = vm->cfg;

	return file == FILE_IMAGE ? c->image : file == FILE_RAMDISK ? c->ramdisk : c->fdt_overlay;
}

static const struct fit_image *file_or_null(const struct vm_life *l, unsigned file)
{
	return l->files[file].size != 0 ? &l->files[file] : NULL;
}

/* Failure: the VM is stopped and the job is over. */
static bool fail(struct vm_life *l, const char *image, const char *why)
{
	if (l->fdt) {
		page_free_hyp(l->fdt, GFDT_MAX_SIZE);
		l->fdt = NULL;
	}
	life_load_failed(l->vm, image, why);
	return false;
}

static bool next_phase(struct vm_life *l, enum load_phase phase)
{
	l->phase = phase;
	l->file = 0;
	l->at = 0;
	return true;
}

static bool next_file(struct vm_life *l)
{
	l->at = 0;
	return ++l->file < NR_FILES ? true : next_phase(l, LOAD_PLAN);
}

static bool verify_step(struct vm_life *l)
{
	const struct fit_image *img = &l->files[l->file];
	uint8_t want = l->vm->cfg->verify == VERIFY_SHA256 ? 3 : 1;
	const char *why;

	if (img->size == 0 ||
	    (img->index < BUNDLE_MAX_IMAGES && (verified[img->index] & want) == want))
		return next_file(l);
	if (l->at == 0) {
		fit_verify_init(&l->verify, img, want == 3);
		l->at = 1;
	}
	if (fit_verify_step(&l->verify)) return true;
	if (fit_verify_done(&l->verify, &why) != HYP_OK)
		return fail(l, file_name(l->vm, l->file), why);
	if (img->index < BUNDLE_MAX_IMAGES) verified[img->index] |= want;
	return next_file(l);
}

static bool plan_step(struct vm_life *l)
{
	struct vm *vm = l->vm;
	uint64_t room = gfdt_room(file_or_null(l, FILE_OVERLAY));
	const char *why;
	struct gfdt_input in = {
	    .cfg = vm->cfg,
	    .machine = vm->machine,
	    .overlay = file_or_null(l, FILE_OVERLAY),
	};

	if (loader_plan(vm->cfg, vm->machine->ram_base, &l->files[FILE_IMAGE],
	                file_or_null(l, FILE_RAMDISK), room, &l->plan, &why) != HYP_OK)
		return fail(l, vm->cfg->image, why);
	in.initrd_start = ipa_raw(l->plan.initrd_start);
	in.initrd_end = ipa_raw(l->plan.initrd_end);
	l->fdt = page_alloc_hyp(GFDT_MAX_SIZE);
	if (!l->fdt) return fail(l, vm->cfg->image, "no memory left for its device tree");
	why = "its device tree does not fit";
	if (gfdt_build(&in, l->fdt, room, &l->fdt_size, &why) != HYP_OK)
		return fail(l, in.overlay ? vm->cfg->fdt_overlay : vm->cfg->image, why);
	return next_phase(l, l->dirty ? LOAD_ZERO : LOAD_COPY);
}

/* n bytes of guest RAM at `to`: from `from`, or zero; cleaned so that a guest without caches
 * sees them. The planner bounded the range, and RAM is mapped whole. */
static void fill(struct vm *vm, uint64_t to, const uint8_t *from, uint64_t n)
{
	while (n > 0) {
		struct s2_walk w;
		uint64_t len;
		void *p;

		CHECK(s2_lookup(&vm->s2, ipa(to), &w) == HYP_OK);
		len = MIN(w.len, n);
		p = pa_to_ptr(w.pa);
		if (from) {
			memcpy(p, from, len);
			from += len;
		} else {
			arch_zero(p, len);
		}
		arch_dcache_clean_poc(p, len);
		to += len;
		n -= len;
	}
}

static bool zero_step(struct vm_life *l)
{
	uint64_t n = MIN(STEP, l->vm->cfg->memory - l->at);

	fill(l->vm, l->vm->machine->ram_base + l->at, NULL, n);
	l->at += n;
	return l->at < l->vm->cfg->memory ? true : next_phase(l, LOAD_COPY);
}

static bool copy_step(struct vm_life *l)
{
	const struct load_segment *s = &l->plan.seg[l->file];
	uint64_t n;

	if (l->file == l->plan.n) {
		fill(l->vm, ipa_raw(l->plan.fdt), l->fdt, l->fdt_size);
		if (l->plan.fdt_at_base) fill(l->vm, l->vm->machine->ram_base, l->fdt, l->fdt_size);
		page_free_hyp(l->fdt, GFDT_MAX_SIZE);
		l->fdt = NULL;
		return next_phase(l, LOAD_START);
	}
	n = MIN(STEP, s->size - l->at);
	fill(l->vm, ipa_raw(s->to) + l->at, s->from + l->at, n);
	l->at += n;
	if (l->at == s->size) {
		l->file++;
		l->at = 0;
	}
	return true;
}

static bool start_step(struct vm_life *l)
{
	struct vm *vm = l->vm;

	/* Code was written through the data side: no CPU may run what was there before. */
	arch_icache_inval_all();
	spin_lock(&vm->lock);
	if (life_going_down()) {
		/* Too late. Were it running, whoever takes the host down would have stopped it. */
		spin_unlock(&vm->lock);
		return true;
	}
	setway_vm_reset(vm);
	vgic_vm_reset(vm);
	vpl011_reset(vm);
	vpl031_reset(vm);
	vm->reason = STOP_NONE;
	vm->crash.valid = false;
	vm->cntvoff = arch_counter();
	s2_new_vmid(&vm->s2); /* no translation of an earlier life is hit */
	vm->cntpct_trap = false;
	vm->cntpct_off = 0;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		vcpu_reset(vm->vcpus[i], 0, 0);
		vm->vcpus[i]->power = POWER_OFF;
	}
	vcpu_reset(vm->vcpus[0], ipa_raw(l->plan.entry), ipa_raw(l->plan.fdt));
	vm->vcpus[0]->power = POWER_ON;
	vm->nr_online = 1;
	vm->state = VM_RUNNING;
	next_phase(l, LOAD_VERIFY);
	sched_start(vm->vcpus[0]);
	spin_unlock(&vm->lock);
	return false;
}

static bool (*const steps[])(struct vm_life *l) = {
    [LOAD_VERIFY] = verify_step, [LOAD_PLAN] = plan_step,   [LOAD_ZERO] = zero_step,
    [LOAD_COPY] = copy_step,     [LOAD_START] = start_step,
};

static bool life_step(struct job *j)
{
	struct vm_life *l = container_of(j, struct vm_life, job);
	uint32_t state = load_relaxed(&l->vm->state);

	if (state == VM_STOPPING)
		return !life_stopped(l->vm);   /* each vCPU was kicked: a few turns at most */
	if (state != VM_LOADING) return false; /* started twice */
	if (life_going_down()) {
		l->vm->reason = STOP_ADMIN;
		life_stopped_for_good(l->vm);
		return false;
	}
	return steps[l->phase](l);
}

static const struct job_ops life_ops = {"life", life_step, NULL};

enum hyp_err life_create(struct vm *vm, const struct fit *bundle)
{
	struct vm_life *l = page_alloc_hyp(sizeof(*l));

	if (!l) return HYP_ENOMEM;
	vm->life = l;
	l->vm = vm;
	l->bundle = bundle;
	job_init(&l->job, &life_ops, vm, 100);
	deadline_init(&l->backoff, &life_backoff_ops);
	for (unsigned i = 0; i < NR_FILES; i++)
		if (file_name(vm, i)[0] != '\0')
			TRY(fit_find(bundle, file_name(vm, i), &l->files[i]));
	return HYP_OK;
}

void life_free(struct vm_life *l)
{
	deadline_cancel(&l->backoff);
	page_free_hyp(l, sizeof(*l));
}
