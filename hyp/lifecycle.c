/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a VM: creation, loading, pause, stop, restart with back-off, destruction, and what
 * follows when all have stopped. One job per VM does everything that takes time, in steps of at
 * most 64 KiB.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/console.h>
#include <hyp/gmem.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/management.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/setway.h>
#include <hyp/trace.h>
#include <hyp/trial.h>
#include <hyp/vdev.h>
#include <hyp/verify.h>
#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/cpu.h>
#include <arch/mm.h>
#include <lib/str.h>

#include <string.h>

#define STEP KiB(64)
#define BUNDLE_MAX_IMAGES 256u
#define GICV_SIZE KiB(4) /* the page of DIR is emulated */
#define BACKOFF_FIRST_US 10000u
#define BACKOFF_LAST_US 5000000u
#define SCRUB_WEIGHT 10u
/* Debian's U-Boot checksums these 256 KiB byte by byte before its console exists. */
#define FLASH_ZERO_BASE 0x04000000u
#define FLASH_ZERO_SIZE KiB(256)
/* Started, and not told to stop. */
#define ALIVE                                                                                      \
	(BIT(VM_LOADING) | BIT(VM_RUNNING) | BIT(VM_PAUSED) | BIT(VM_RESUMING) | BIT(VM_BACKOFF))
#define AT_REST (BIT(VM_NEW) | BIT(VM_STOPPED))

/* What the job does next while the VM is NEW (RAM only), LOADING, or GONE (from UNLINK on). */
enum life_phase {
	LIFE_RAM,
	LIFE_VERIFY,
	LIFE_COPY,
	LIFE_START,
	LIFE_UNLINK,
	LIFE_GRACE,
	LIFE_FREE,
	LIFE_FREED,
};

/* A VM with what its life needs: one allocation. Less `doomed`, all is the job's alone. */
struct life {
	struct vm vm;
	struct vm_config cfg;
	struct deadline backoff;
	bool doomed; /* to be destroyed once it has stopped (vm->lock) */
	bool frozen; /* its time stands still */
	bool dirty;  /* RAM was written: it is zeroed before the next load */
	enum life_phase phase;
	unsigned file; /* being verified, or piece being copied */
	uint64_t at;   /* progress in bytes */
	uint64_t ram;  /* bytes of RAM mapped */
	pa_t block;    /* being scrubbed, mapped next; 0: none */
	unsigned block_order;
	struct verify verify;
	uint8_t *fdt;               /* cfg.plan.fdt_size bytes behind the vCPUs */
	uint64_t passes[MAX_PCPUS]; /* of each CPU when the VM was unlinked */
	struct vcpu vcpus[];
};

static struct life *life_of(struct vm *vm) { return container_of(vm, struct life, vm); }

static enum when_idle when_idle;
static pa_t zero_page;
/* VMs that keep the host on, VMs that were started and have not stopped for good; the outcome. */
static uint32_t nr_foreground, nr_alive, nr_stopped, nr_crashed;
static bool going_down; /* background VMs are being stopped: nothing starts any more */
static bool started;    /* shared: the VMs of the manifest were */
static bool told;       /* the verdict was given */
static const struct life *building;
static uint64_t slots; /* bit: a VM has it, or has not given everything back */
static struct job scrub_job;
/* Images of the bundle whose hashes were right: bit 0 crc32, bit 1 sha256 as well. */
static uint8_t verified[BUNDLE_MAX_IMAGES];

/* --- stage-2 resources ------------------------------------------------------------------- */

static enum hyp_err table_alloc(unsigned order, pa_t *out)
{
	return page_alloc(order, OWNER_HYP, out);
}

/* RAM of the VM itself, pages shared read-only, the virtual CPU interface of a GICv2, or devices
 * given to the VM that is being built. The management guest reads everything. */
static bool may_map(uint16_t owner, pa_t p, uint64_t size, enum s2_attr attr)
{
	if (owner == MANAGEMENT_SLOT + 1 && attr == S2_RO) return true;
	if (attr == S2_DEVICE) {
		return (pa_raw(p) == pa_raw(arch_gic_info()->gicv) && size <= GICV_SIZE) ||
		       assigned_may_map(&building->cfg.assign, p, size);
	}
	return page_owned_by(p, size, owner) ||
	       (attr != S2_RWX && page_owned_by(p, size, OWNER_SHARED));
}

const struct s2_mem_ops life_s2_ops = {table_alloc, page_free, may_map};

/* --- states and requests ------------------------------------------------------------------ */

static bool in(const struct vm *vm, uint64_t states) { return (states & BIT(vm->state)) != 0; }

/*
 * The one place where a VM changes its state; false: it is in none of `from`. Comes last: the job,
 * which does the rest, looks at the VM without the lock.
 */
static bool go_locked(struct vm *vm, uint64_t from, enum vm_state to) REQUIRES(vm->lock)
{
	if (!in(vm, from)) return false;
	if (to == VM_RUNNING) {
		vm->reason = STOP_NONE;
		vm->crash.what = NULL;
	}
	store_release(&vm->state, to);
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (to == VM_PAUSED || to == VM_STOPPING)
			vcpu_stop(vm->vcpus[i]);
		else if (to == VM_RUNNING && vm->vcpus[i]->on)
			sched_start(vm->vcpus[i]);
	job_start(&vm->job);
	return true;
}

static enum hyp_err go(struct vm *vm, enum vm_state from, enum vm_state to)
{
	bool ok;

	spin_lock(&vm->lock);
	ok = go_locked(vm, BIT(from), to);
	spin_unlock(&vm->lock);
	return ok ? HYP_OK : HYP_EBUSY;
}

enum hyp_err vm_start(struct vm *vm)
{
	bool ok;

	spin_lock(&vm->lock);
	/* Who takes the host down sets this first, then stops what it finds alive. */
	ok = !load_relaxed(&going_down) && go_locked(vm, AT_REST, VM_LOADING);
	if (ok) {
		vm->restarts = 0;
		store_relaxed(&told, false);
		atomic_fetch_add_full(&nr_alive, 1u);
		atomic_fetch_add_full(&nr_foreground, vm->cfg->background ? 0u : 1u);
	}
	spin_unlock(&vm->lock);
	return ok ? HYP_OK : HYP_EBUSY;
}

enum hyp_err vm_pause(struct vm *vm) { return go(vm, VM_RUNNING, VM_PAUSED); }

enum hyp_err vm_resume(struct vm *vm) { return go(vm, VM_PAUSED, VM_RESUMING); }

static enum hyp_err stop(struct vm *vm, enum stop_reason reason, uint32_t status,
                         const struct crash_info *c)
{
	bool first;

	spin_lock(&vm->lock);
	first = in(vm, ALIVE);
	if (first) {
		vm->reason = reason;
		vm->exit_status = status;
		vm->crash = *c;
		(void)go_locked(vm, ALIVE, VM_STOPPING);
	}
	spin_unlock(&vm->lock);
	if (first) trace_event(TRACE_STOP, vm, c->vcpu, c->esr, c->pc, reason);
	return first ? HYP_OK : HYP_EBUSY;
}

enum hyp_err vm_stop(struct vm *vm, enum stop_reason reason, uint32_t status)
{
	return stop(vm, reason, status, &(struct crash_info){0});
}

void vm_crash(struct vm *vm, const struct crash_info *c) { (void)stop(vm, STOP_CRASH, 0, c); }

enum hyp_err vm_restart(struct vm *vm)
{
	return vm_start(vm) == HYP_OK ? HYP_OK : vm_stop(vm, STOP_RESTART, 0);
}

enum hyp_err vm_destroy(struct vm *vm)
{
	struct life *l = life_of(vm);
	bool first;

	spin_lock(&vm->lock);
	first = !l->doomed;
	l->doomed = true;
	if (first) (void)go_locked(vm, AT_REST, VM_GONE);
	spin_unlock(&vm->lock);
	if (first) (void)vm_stop(vm, STOP_ADMIN, 0);
	return first ? HYP_OK : HYP_EBUSY;
}

static void backoff_fire(struct deadline *d, uint64_t now)
{
	(void)go(&container_of(d, struct life, backoff)->vm, VM_BACKOFF, VM_LOADING);
}

static const struct deadline_ops backoff_ops = {backoff_fire};

/* --- what follows ------------------------------------------------------------------------- */

static bool failed(const struct vm *vm)
{
	return vm->reason == STOP_CRASH || (vm->reason == STOP_EXIT && vm->exit_status != 0);
}

/*
 * The last words; the host goes off if it is to. Runs in the job of the last VM to stop: two may do
 * so at once.
 */
static void all_stopped(void)
{
	uint32_t n = load_relaxed(&nr_stopped), crashed = load_relaxed(&nr_crashed);

	if (!load_acquire(&started) || (when_idle == IDLE_POWEROFF && trial_is_on()) ||
	    atomic_exchange_full(&told, true))
		return; /* a trial comes back when it has ended */
	console_flush();
	say("atoll: %u VMs stopped, %u crashed\n", n, crashed);
	console_flush();
	if (when_idle == IDLE_POWEROFF) {
		arch_system_off();
		log_err("this board cannot be switched off: do it by hand");
	}
}

/* The foreground is done and the host is to go off: the background is stopped as well. */
static void stop_background(void)
{
	store_release(&going_down, true);
	for (unsigned i = 0; i < MAX_VMS; i++) {
		struct vm *vm = load_acquire(&vms[i]);

		if (vm) (void)vm_stop(vm, STOP_ADMIN, 0);
	}
}

/* vm, which was started, has stopped for good. */
static void stopped_for_good(struct vm *vm)
{
	bool last_fg, last;

	if (vm_is_management(vm)) {
		(void)go(vm, VM_STOPPING, VM_STOPPED);
		management_lost();
		return;
	}
	atomic_fetch_add_full(&nr_stopped, 1);
	if (failed(vm)) atomic_fetch_add_full(&nr_crashed, 1);
	spin_lock(&vm->lock);
	(void)go_locked(vm, BIT(VM_STOPPING), life_of(vm)->doomed ? VM_GONE : VM_STOPPED);
	spin_unlock(&vm->lock);
	last_fg = !vm->cfg->background && atomic_fetch_add_full(&nr_foreground, (uint32_t)-1) == 1;
	last = atomic_fetch_add_full(&nr_alive, (uint32_t)-1) == 1;
	if (last || (last_fg && when_idle != IDLE_POWEROFF))
		all_stopped();
	else if (last_fg)
		stop_background();
}

/* What policy does with a VM that would start again; true: it does. */
static bool restart(struct life *l)
{
	struct vm *vm = &l->vm;
	uint64_t us = MIN((uint64_t)BACKOFF_FIRST_US << MIN(vm->restarts, 16u), BACKOFF_LAST_US);
	bool by_hand = vm->reason == STOP_RESTART, go_on;

	if (vm->restarts >= vm->cfg->restart_limit && !by_hand) {
		log_warn("%s: stays stopped: restart-limit %u is used up", vm->name,
		         vm->cfg->restart_limit);
		return false;
	}
	spin_lock(&vm->lock);
	go_on = !l->doomed && !load_relaxed(&going_down) &&
	        go_locked(vm, BIT(VM_STOPPING), failed(vm) ? VM_BACKOFF : VM_LOADING);
	if (go_on) vm->restarts = by_hand ? 0 : vm->restarts + 1;
	spin_unlock(&vm->lock);
	if (go_on && failed(vm)) {
		log_info("%s: restart %u of %u in %lu ms", vm->name, vm->restarts,
		         vm->cfg->restart_limit, us / 1000);
		deadline_set(&l->backoff, arch_counter() + arch_us_to_ticks(us));
	}
	return go_on;
}

/* Every vCPU is out: what follows by the policy. */
static void stopped(struct life *l)
{
	struct vm *vm = &l->vm;
	enum vm_on_crash policy = vm->cfg->on_crash;

	if (vm->reason == STOP_CRASH && !vm->crash.what) { /* told when its loading failed */
		stopped_for_good(vm);
		return;
	}
	if (vm->reason == STOP_CRASH) crash_explain(vm);
	if (vm->reason == STOP_EXIT)
		log_info("%s: exit(%d)", vm->name, (int)vm->exit_status);
	else
		log_info("%s: %s", vm->name, stop_reason_name(vm->reason));
	if (failed(vm) && policy == ON_CRASH_PANIC)
		panic("VM %s failed and its manifest says on-crash = \"panic\"", vm->name);
	if (failed(vm) && policy == ON_CRASH_STOP)
		log_info("%s: stays stopped: on-crash = \"stop\"", vm->name);
	if ((vm->reason == STOP_RESET || vm->reason == STOP_RESTART ||
	     (failed(vm) && policy == ON_CRASH_RESTART)) &&
	    restart(l))
		return;
	stopped_for_good(vm);
}

/* --- the job: RAM and loading --------------------------------------------------------------- */

static bool next_phase(struct life *l, enum life_phase phase)
{
	l->phase = phase;
	l->file = 0;
	l->at = 0;
	return true;
}

/* It cannot be brought up, for a reason that another try would not change. */
static bool give_up(struct life *l, unsigned file, const char *why)
{
	const char *const names[] = {l->cfg.image, l->cfg.ramdisk, l->cfg.fdt_overlay};
	struct vm *vm = &l->vm;

	log_err("%s: cannot be loaded: %s: %s", vm->name, names[file], why);
	if (load_relaxed(&vm->state) != VM_NEW) {
		(void)vm_stop(vm, STOP_CRASH, 0);
		return true;
	}
	/* Its RAM cannot be had, and nobody has started it yet. */
	if (!load_relaxed(&started)) lifecycle_vm_refused();
	(void)vm_destroy(vm);
	return true;
}

/* RAM in the largest blocks there are, each scrubbed before it is mapped. */
static bool ram_step(struct life *l)
{
	static const char why[] = "not enough RAM left";
	uint64_t left = l->cfg.memory - l->ram, size = PAGE_SIZE << l->block_order;

	if (pa_raw(l->block) == 0)
		return page_alloc_best(left / PAGE_SIZE, l->vm.s2.owner, &l->block,
		                       &l->block_order) == HYP_OK ||
		       give_up(l, FILE_IMAGE, why);
	if (page_scrub_block(l->block)) return true;
	if (s2_map(&l->vm.s2, ipa(l->vm.machine->ram_base + l->ram), l->block, size, S2_RWX) !=
	    HYP_OK)
		return give_up(l, FILE_IMAGE, why);
	l->ram += size;
	l->block = pa(0);
	return left > size ? true : next_phase(l, LIFE_VERIFY);
}

static bool hash_step(struct life *l)
{
	const struct fit_image *file = &l->cfg.files[l->file];
	uint8_t want = l->cfg.verify == VERIFY_SHA256 ? 3 : 1, unknown = 0;
	uint8_t *known = file->index < BUNDLE_MAX_IMAGES ? &verified[file->index] : &unknown;
	const char *why;

	if (file->size != 0 && (*known & want) != want) {
		if (l->at++ == 0) verify_init(&l->verify, file, want == 3);
		if (verify_step(&l->verify)) return true;
		if (verify_done(&l->verify, &why) != HYP_OK) return give_up(l, l->file, why);
		*known |= want;
	}
	l->at = 0;
	if (++l->file < NR_FILES) return true;
	next_phase(l, LIFE_COPY);
	l->file = l->dirty ? 0 : 1;
	return l->dirty = true;
}

/* Piece 0 is all of RAM, to be zeroed; then what was planned. */
static bool copy_step(struct life *l)
{
	const struct load_plan *plan = &l->cfg.plan;
	struct load_segment s = {ipa(l->vm.machine->ram_base), NULL, l->cfg.memory};
	uint64_t n;
	void *p;

	if (l->file > 0) s = plan->seg[l->file - 1];
	n = MIN(STEP, s.size - l->at);
	/* The planner bounded the range, and RAM is mapped whole. */
	CHECK(gmem_pin(&l->vm.s2, ipa(ipa_raw(s.to) + l->at), true, &p, &n) == HYP_OK);
	/* Cleaned as well, so that a guest without caches sees it. */
	if (s.from) {
		memcpy(p, s.from + l->at, n);
		arch_dcache_clean_inval_poc(p, n);
	} else {
		arch_scrub(p, n);
	}
	l->at += n;
	if (l->at < s.size) return true;
	l->at = 0;
	return ++l->file <= plan->n ? true : next_phase(l, LIFE_START);
}

static bool start_step(struct life *l)
{
	struct vm *vm = &l->vm;

	/* Code was written through the data side: no CPU may run what was there before. */
	arch_icache_inval_all();
	vgic_vm_reset(vm);
	if (!vm_is_management(vm)) {
		vpl011_reset(vm);
		vpl031_reset(vm);
		assigned_start(vm);
	}
	vm->cntvoff = arch_counter();
	s2_new_vmid(&vm->s2); /* no translation of an earlier life is hit */
	vm->cntpct_off = 0;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		vcpu_reset(vm->vcpus[i], 0, 0);
		vm->vcpus[i]->on = false;
		vm->vcpus[i]->flush_until = 0; /* it has not asked, whoever did before */
	}
	vcpu_reset(vm->vcpus[0], ipa_raw(l->cfg.plan.entry), ipa_raw(l->cfg.plan.fdt));
	vm->vcpus[0]->on = true;
	vm->nr_online = 1;
	vm->healthy = false;
	(void)go(vm, VM_LOADING, VM_RUNNING); /* unless it was stopped meanwhile */
	return next_phase(l, LIFE_VERIFY);
}

/* --- the job: pause, stop, destroy ---------------------------------------------------------- */

/* All vCPUs are out in these three. */
static bool pause_step(struct life *l)
{
	if (!l->frozen) vtimer_vm_freeze(&l->vm);
	l->frozen = true;
	return false;
}

static bool resume_step(struct life *l)
{
	if (l->frozen) vtimer_vm_thaw(&l->vm);
	l->frozen = false;
	(void)go(&l->vm, VM_RESUMING, VM_RUNNING);
	return true;
}

static bool stop_step(struct life *l)
{
	deadline_cancel(&l->backoff);
	assigned_stop(&l->vm);
	l->frozen = false; /* the next life has a time of its own */
	if (l->phase != LIFE_RAM) next_phase(l, LIFE_VERIFY);
	stopped(l);
	return true;
}

/* Out of everybody's sight, and nothing of it fires any more. */
static bool unlink_step(struct life *l)
{
	struct vm *vm = &l->vm;

	store_release(&vms[vm->slot], NULL);
	/* What it said last is shown by and by: an unfinished line after some silence. */
	if (load_acquire(&vm->port.tail) != load_relaxed(&vm->port.head)) return true;
	vpl031_reset(vm); /* its deadline wakes vCPUs, and so do the port's up-calls */
	console_port_remove(&vm->port);
	for (unsigned i = 0; i < vm->nr_vcpus; i++) vtimer_vcpu_reset(vm->vcpus[i]);
	/* Unlinked before the passes are read; a CPU has its passes before it looks at vms[]. */
	smp_mb();
	for (unsigned i = 0; i < nr_pcpus; i++) {
		l->passes[i] = load_relaxed(&pcpus[i].passes);
		pcpu_kick(&pcpus[i], PCPU_WORK_RESCHED);
	}
	return next_phase(l, LIFE_GRACE);
}

/*
 * The management guest may be looking at the VM, or a handler on another CPU may hold a pointer to
 * it: a deadline that fires late. None does when every CPU has come to its scheduler; twice, since
 * the first time may have begun before the VM was unlinked.
 */
static bool grace_step(struct life *l)
{
	if (!management_rests()) return true;
	for (unsigned i = 0; i < nr_pcpus; i++) {
		if (load_acquire(&pcpus[i].online) &&
		    load_acquire(&pcpus[i].passes) - l->passes[i] < 2) {
			pcpu_kick(&pcpus[i], PCPU_WORK_RESCHED);
			return true;
		}
	}
	return next_phase(l, LIFE_FREE);
}

/*
 * Nobody knows the VM any more, or nobody knows it yet and it may be built in part: takes back a
 * block of RAM; false: there was none left, all but the life itself is back.
 */
static bool take_apart(struct life *l)
{
	struct vm *vm = &l->vm;
	struct s2_walk w;
	unsigned order;

	if (pa_raw(l->block) != 0) page_free(l->block, l->block_order);
	l->block = pa(0);
	if (l->ram != 0) {
		/* The last page says which block is the last. Unmapped first: no page is free while
		 * a TLB may still know it. */
		CHECK(s2_unmap(&vm->s2, ipa(vm->machine->ram_base + l->ram - PAGE_SIZE), &w) ==
		      HYP_OK);
		order = 9 * (3u - w.level);
		l->ram = ALIGN_DOWN(l->ram - 1, PAGE_SIZE << order);
		page_free(pa(ALIGN_DOWN(pa_raw(w.pa), PAGE_SIZE << order)), order);
		return true;
	}
	vgic_vm_fini(vm);
	if (pa_raw(vm->s2.root) != 0) s2_destroy(&vm->s2);
	page_free(zero_page, 0);
	CHECK(page_count((uint16_t)(vm->slot + 1)) == 0);
	if (!vm_is_management(vm)) atomic_fetch_and_full(&slots, ~BIT(vm->slot));
	return false;
}

static bool free_step(struct life *l)
{
	if (take_apart(l)) return true;
	log_info("%s: destroyed", l->vm.name);
	l->phase = LIFE_FREED;
	return false;
}

static bool (*const phases[])(struct life *l) = {
    [LIFE_RAM] = ram_step,     [LIFE_VERIFY] = hash_step,   [LIFE_COPY] = copy_step,
    [LIFE_START] = start_step, [LIFE_UNLINK] = unlink_step, [LIFE_GRACE] = grace_step,
    [LIFE_FREE] = free_step,
};

static bool life_step(struct job *j)
{
	struct life *l = life_of(j->vm);
	uint32_t state = load_acquire(&l->vm.state);

	if (state == VM_GONE && l->phase < LIFE_UNLINK) next_phase(l, LIFE_UNLINK);
	if (state == VM_LOADING || state == VM_GONE || (state == VM_NEW && l->phase == LIFE_RAM))
		return phases[l->phase](l);
	if (state == VM_RUNNING) return setway_step(&l->vm);
	if (state != VM_PAUSED && state != VM_RESUMING && state != VM_STOPPING) return false;
	/* Each vCPU was kicked: a few turns at most. */
	for (unsigned i = 0; i < l->vm.nr_vcpus; i++)
		if (!vcpu_is_out(l->vm.vcpus[i])) return true;
	return state == VM_PAUSED     ? pause_step(l)
	       : state == VM_RESUMING ? resume_step(l)
	                              : stop_step(l);
}

static uint64_t life_size(const struct vm_config *cfg)
{
	return sizeof(struct life) + cfg->cpus * sizeof(struct vcpu) + cfg->plan.fdt_size;
}

/* The last that goes back: from now on all of it can be scrubbed. */
static void drop(struct life *l)
{
	page_free_hyp(l, life_size(&l->cfg));
	job_start(&scrub_job);
}

/* The job's last access. A later start finds another job, if any: the VM is out of sight. */
static void life_done(struct job *j)
{
	struct life *l = life_of(j->vm);

	if (l->phase == LIFE_FREED) drop(l);
}

static const struct job_ops life_ops = {life_step, life_done};

/* --- creation ---------------------------------------------------------------------------- */

static enum hyp_err build_devices(struct life *l)
{
	struct vm *vm = &l->vm;
	const struct machine *m = vm->machine;

	if (vm->cfg->gic == 2)
		TRY(s2_map(&vm->s2, ipa(m->gicc), arch_gic_info()->gicv, GICV_SIZE, S2_DEVICE));
	for (uint64_t off = 0; off < FLASH_ZERO_SIZE; off += PAGE_SIZE)
		TRY(s2_map(&vm->s2, ipa(m->flash_base + FLASH_ZERO_BASE + off), zero_page,
		           PAGE_SIZE, S2_RO));
	TRY(mmio_add(&vm->mmio, ipa(m->flash_base), m->flash_size, &vflash_ops, NULL));
	TRY(vpl011_create(vm));
	TRY(vpl031_create(vm));
	TRY(mmio_add(&vm->mmio, ipa(m->virtio), (uint64_t)m->nr_virtio * 0x200, &vvirtio_empty_ops,
	             vm));
	return assigned_create(vm, &l->cfg.assign);
}

/* All that EL2 itself has mapped as normal memory. */
static enum hyp_err build_view(struct life *l)
{
	uint64_t size;

	for (pa_t at = pa(0); arch_mm_next(&at, &size) && pa_raw(at) < MANAGEMENT_VIEW;
	     at = pa(pa_raw(at) + size))
		TRY(s2_map(&l->vm.s2, ipa(MANAGEMENT_VIEW + pa_raw(at)), at, size, S2_RO));
	return HYP_OK;
}

static enum hyp_err build(struct life *l)
{
	struct vm *vm = &l->vm;
	const struct machine *m = vm->machine;
	uint32_t nr_irqs = m->virtio_intid + m->nr_virtio;

	if (l->cfg.assign.nr_irqs > 0) nr_irqs = m->assign_intid + l->cfg.assign.nr_irqs;
	building = l;
	TRY(s2_create(&vm->s2, (uint16_t)(vm->slot + 1)));
	TRY(vgic_vm_init(vm, vm->cfg->gic, nr_irqs - GIC_FIRST_SPI));
	TRY(vm_is_management(vm) ? build_view(l) : build_devices(l));
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &l->vcpus[i];

		vm->vcpus[i] = v;
		v->vm = vm;
		v->id = i;
		sched_vcpu_init(v, vm->cfg);
		vgic_vcpu_init(v);
		vtimer_vcpu_init(v);
	}
	return HYP_OK;
}

static void add_tree(struct life *l, ipa_t to)
{
	struct load_plan *plan = &l->cfg.plan;

	if (plan->fdt_size != 0)
		plan->seg[plan->n++] = (struct load_segment){to, l->fdt, plan->fdt_size};
}

static enum hyp_err create(const struct vm_config *cfg, unsigned slot, struct vm **out)
{
	struct life *l = page_alloc_hyp(life_size(cfg));
	struct vm *vm;
	enum hyp_err err;

	if (!l) return HYP_ENOMEM;
	l->cfg = *cfg;
	l->fdt = (uint8_t *)&l->vcpus[cfg->cpus];
	*out = vm = &l->vm;
	vm->lock = SPINLOCK_INIT(LOCK_VM);
	vm->slot = slot;
	vm->cfg = &l->cfg;
	vm->machine = &machine_v1;
	vm->nr_vcpus = cfg->cpus;
	(void)str_copy(vm->name, cfg->name, sizeof(vm->name));
	add_tree(l, l->cfg.plan.fdt);
	if (l->cfg.plan.fdt_at_base) add_tree(l, ipa(vm->machine->ram_base));
	if (slot < MAX_VMS) atomic_fetch_or_full(&slots, BIT(slot));
	page_ref(zero_page);
	job_init(&vm->job, &life_ops, vm, 0);
	deadline_init(&l->backoff, &backoff_ops);
	err = build(l);
	if (err == HYP_OK) return HYP_OK;
	while (take_apart(l)) {
	}
	drop(l);
	return err;
}

enum hyp_err vm_create(const struct vm_config *cfg, struct vm **out)
{
	unsigned slot = slots != UINT64_MAX ? (unsigned)__builtin_ctzll(~slots) : MAX_VMS;
	uint64_t pages = cfg->memory / PAGE_SIZE, has[NR_OWNERS];
	struct vm *vm;

	if (slot == MAX_VMS) return HYP_EFULL;
	/* RAM that nobody has, less what VMs still wait for: their jobs may be taking it now. */
	page_counts(has);
	for (unsigned i = 0; i < MAX_VMS; i++) {
		vm = load_acquire(&vms[i]); /* its job unlinks it at any time */
		if (vm) pages += vm->cfg->memory / PAGE_SIZE - has[i + 1];
	}
	if (pages > has[OWNER_NONE] + has[OWNER_DIRTY]) return HYP_ENOMEM;
	TRY(create(cfg, slot, &vm));
	console_port_add(&vm->port, vm, vm->name, slot, &vpl011_console);
	store_release(&vms[slot], vm);
	*out = vm;
	job_start(&vm->job);
	return HYP_OK;
}

enum hyp_err vm_create_management(const struct vm_config *cfg, struct vm **out)
{
	TRY(create(cfg, MANAGEMENT_SLOT, out));
	return go(*out, VM_NEW, VM_LOADING);
}

uint8_t *vm_tree(struct vm *vm) { return life_of(vm)->fdt; }

const uint64_t *lifecycle_slots(void) { return &slots; }

static bool scrub_step(struct job *j) { return page_scrub_step(); }

static const struct job_ops scrub_ops = {scrub_step, NULL};

enum hyp_err lifecycle_init(void)
{
	job_init(&scrub_job, &scrub_ops, NULL, SCRUB_WEIGHT);
	return page_alloc(0, OWNER_SHARED, &zero_page);
}

void lifecycle_vm_refused(void) { atomic_fetch_add_full(&nr_crashed, 1); }

bool lifecycle_any_failed(void) { return load_relaxed(&nr_crashed) != 0; }

void lifecycle_check_idle(void)
{
	if (load_relaxed(&nr_alive) == 0) all_stopped();
}

void lifecycle_start_all(enum when_idle idle)
{
	when_idle = idle;
	for (unsigned i = 0; i < MAX_VMS; i++) {
		struct vm *vm = load_acquire(&vms[i]);

		if (vm && vm->cfg->autostart && vm_start(vm) != HYP_OK)
			log_warn("%s: is started already, or gone", vm->name);
	}
	(void)atomic_exchange_full(&started, true); /* before the look at who is alive */
	trial_vms_started();
	lifecycle_check_idle(); /* nothing was let in: the verdict is due at once */
}
