/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a VM: creation, stop, restart with back-off, and what follows when all have stopped.
 * Loading is hyp/load_job.c. One job per VM does everything that takes time.
 */
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/console.h>
#include <hyp/life.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/sched.h>
#include <hyp/setway.h>
#include <hyp/trace.h>
#include <hyp/vdev.h>
#include <arch/cpu.h>
#include <arch/mm.h>
#include <lib/str.h>

#include <stdio.h>
#include <string.h>

#define GICV_SIZE KiB(4) /* the page of DIR is emulated */
#define BACKOFF_FIRST_US 10000u
#define BACKOFF_LAST_US 5000000u
/* Debian's U-Boot checksums these 256 KiB byte by byte before its console exists. */
#define FLASH_ZERO_BASE 0x04000000u
#define FLASH_ZERO_SIZE KiB(256)

static const struct fit *bundle;
static enum when_idle when_idle;
static pa_t zero_page;
/* VMs that keep the host on, VMs that were started and have not stopped for good; the outcome. */
static uint32_t nr_foreground, nr_alive, nr_stopped, nr_crashed;
static bool going_down; /* background VMs are being stopped: nothing starts any more */
static bool told;       /* the verdict was given */
static bool booted;     /* jobs run: nothing that takes time is done at once any more */
static uint64_t slots;  /* bit: a VM has it, or has not given everything back */
static struct job scrub_job;

#define SCRUB_WEIGHT 10u
/* Started, and not told to stop. */
#define ALIVE                                                                                      \
	(BIT(VM_LOADING) | BIT(VM_RUNNING) | BIT(VM_PAUSED) | BIT(VM_RESUMING) | BIT(VM_BACKOFF))

/* --- stage-2 resources ------------------------------------------------------------------- */

static enum hyp_err table_alloc(unsigned order, pa_t *out)
{
	return page_alloc(order, OWNER_HYP, out);
}

/* RAM of the VM itself, pages shared read-only, or the virtual CPU interface of a GICv2. */
static bool may_map(uint16_t owner, pa_t p, uint64_t size, enum s2_attr attr)
{
	if (attr == S2_DEVICE)
		return pa_raw(p) == pa_raw(arch_gic_info()->gicv) && size <= GICV_SIZE;
	return page_owned_by(p, size, owner) ||
	       (attr != S2_RWX && page_owned_by(p, size, OWNER_SHARED));
}

const struct s2_mem_ops life_s2_ops = {table_alloc, page_free, may_map};

/* --- requests ------------------------------------------------------------------------------ */

static bool in(const struct vm *vm, uint64_t states) { return (states & BIT(vm->state)) != 0; }

/* Comes last: the job, which does the rest, looks at the VM without the lock. */
static void go_locked(struct vm *vm, enum vm_state to) REQUIRES(vm->lock)
{
	store_release(&vm->state, to);
	if (to == VM_PAUSED || to == VM_STOPPING)
		for (unsigned i = 0; i < vm->nr_vcpus; i++) vcpu_stop(vm->vcpus[i]);
	job_start(&life_of(vm)->job);
}

static enum hyp_err go(struct vm *vm, enum vm_state from, enum vm_state to)
{
	bool ok;

	spin_lock(&vm->lock);
	ok = vm->state == from;
	if (ok) go_locked(vm, to);
	spin_unlock(&vm->lock);
	return ok ? HYP_OK : HYP_EBUSY;
}

enum hyp_err vm_start(struct vm *vm)
{
	bool ok;

	spin_lock(&vm->lock);
	/* Who takes the host down sets this first, then stops what it finds alive. */
	ok = !load_relaxed(&going_down) && in(vm, BIT(VM_NEW) | BIT(VM_STOPPED));
	if (ok) {
		vm->restarts = 0;
		store_relaxed(&told, false);
		atomic_fetch_add_full(&nr_alive, 1u);
		atomic_fetch_add_full(&nr_foreground, vm->cfg->background ? 0u : 1u);
		go_locked(vm, VM_LOADING);
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
		go_locked(vm, VM_STOPPING);
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
	if (first && in(vm, BIT(VM_NEW) | BIT(VM_STOPPED))) go_locked(vm, VM_GONE);
	spin_unlock(&vm->lock);
	if (first) (void)vm_stop(vm, STOP_ADMIN, 0);
	return first ? HYP_OK : HYP_EBUSY;
}

static void backoff_fire(struct deadline *d, uint64_t now)
{
	(void)go(&container_of(d, struct life, backoff)->vm, VM_BACKOFF, VM_LOADING);
}

/* --- creation ---------------------------------------------------------------------------- */

bool life_free_step(struct life *l)
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
	if (vm->pl031) vpl031_destroy(vm);
	if (vm->pl011) vpl011_destroy(vm);
	for (unsigned i = 0; i < vm->nr_vcpus && vm->vcpus[i]; i++)
		page_free_hyp(vm->vcpus[i], sizeof(struct vcpu));
	vgic_vm_fini(vm);
	if (pa_raw(vm->s2.root) != 0) s2_destroy(&vm->s2);
	page_free(zero_page, 0);
	CHECK(page_count((uint16_t)(vm->slot + 1)) == 0);
	atomic_fetch_and_full(&slots, ~BIT(vm->slot));
	job_start(&scrub_job);
	return false;
}

static enum hyp_err vm_build(struct life *l)
{
	struct vm *vm = &l->vm;
	const struct machine *m = vm->machine;

	TRY(life_find_files(l, bundle));
	TRY(s2_create(&vm->s2, (uint16_t)(vm->slot + 1)));
	TRY(vgic_vm_init(vm, vm->cfg->gic, m->virtio_intid + m->nr_virtio - GIC_FIRST_SPI));
	if (vm->cfg->gic == 2)
		TRY(s2_map(&vm->s2, ipa(m->gicc), arch_gic_info()->gicv, GICV_SIZE, S2_DEVICE));
	for (uint64_t off = 0; off < FLASH_ZERO_SIZE; off += PAGE_SIZE)
		TRY(s2_map(&vm->s2, ipa(m->flash_base + FLASH_ZERO_BASE + off), zero_page,
		           PAGE_SIZE, S2_RO));
	TRY(mmio_add(&vm->mmio, ipa(m->flash_base), m->flash_size, &vflash_ops, vm));
	TRY(vpl011_create(vm));
	TRY(vpl031_create(vm));
	TRY(mmio_add(&vm->mmio, ipa(m->virtio), (uint64_t)m->nr_virtio * 0x200, &vvirtio_empty_ops,
	             vm));
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = page_alloc_hyp(sizeof(*v));

		if (!v) return HYP_ENOMEM;
		vm->vcpus[i] = v;
		v->vm = vm;
		v->id = i;
		sched_vcpu_init(v, vm->cfg);
		vgic_vcpu_init(v);
		vtimer_vcpu_init(v);
	}
	setway_vm_init(vm);
	while (!booted && l->phase == LIFE_RAM) TRY(life_ram_step(l));
	return HYP_OK;
}

enum hyp_err vm_create(const struct vm_config *cfg, struct vm **out)
{
	unsigned slot = slots != UINT64_MAX ? (unsigned)__builtin_ctzll(~slots) : MAX_VMS;
	struct life *l;
	struct vm *vm;
	uint64_t memory = cfg->memory;
	enum hyp_err err;

	if (slot == MAX_VMS) return HYP_EFULL;
	/* RAM that nobody has, less what VMs still wait for. */
	for (unsigned i = 0; i < MAX_VMS; i++)
		if (vms[i]) memory += vms[i]->cfg->memory - load_relaxed(&life_of(vms[i])->ram);
	if (memory / PAGE_SIZE > page_count(OWNER_NONE) + page_count(OWNER_DIRTY))
		return HYP_ENOMEM;
	l = page_alloc_hyp(sizeof(*l));
	if (!l) return HYP_ENOMEM;
	l->cfg = *cfg;
	vm = &l->vm;
	vm->lock = SPINLOCK_INIT(LOCK_VM);
	vm->slot = slot;
	vm->cfg = &l->cfg;
	vm->machine = &machine_v1;
	vm->nr_vcpus = cfg->cpus;
	(void)str_copy(vm->name, cfg->name, sizeof(vm->name));
	atomic_fetch_or_full(&slots, BIT(slot));
	page_ref(zero_page);
	job_init(&l->job, life_step, vm, 0);
	l->job.done = life_done;
	deadline_init(&l->backoff, backoff_fire);
	err = vm_build(l);
	if (err != HYP_OK) {
		while (life_free_step(l)) {
		}
		page_free_hyp(l, sizeof(*l));
		return err;
	}
	store_release(&vms[slot], vm);
	*out = vm;
	if (booted) job_start(&l->job);
	return HYP_OK;
}

bool vm_slot_used(unsigned slot) { return (load_acquire(&slots) & BIT(slot)) != 0; }

static bool scrub_step(struct job *j) { return page_scrub_step(); }

enum hyp_err lifecycle_init(const struct manifest *m)
{
	bundle = m->bundle;
	when_idle = m->when_idle;
	job_init(&scrub_job, scrub_step, NULL, SCRUB_WEIGHT);
	return page_alloc(0, OWNER_SHARED, &zero_page);
}

void lifecycle_vm_refused(void) { nr_crashed++; }

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
	char line[64];
	int n = snprintf(line, sizeof(line), "atoll: %u VMs stopped, %u crashed\n",
	                 load_relaxed(&nr_stopped), load_relaxed(&nr_crashed));

	if (atomic_exchange_full(&told, true)) return;
	console_flush();
	console_write(line, (size_t)n);
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

	spin_lock(&vm->lock);
	vm->state = life_of(vm)->doomed ? VM_GONE : VM_STOPPED;
	spin_unlock(&vm->lock);
	atomic_fetch_add_full(&nr_stopped, 1);
	if (failed(vm)) atomic_fetch_add_full(&nr_crashed, 1);
	last_fg = !vm->cfg->background && atomic_fetch_add_full(&nr_foreground, (uint32_t)-1) == 1;
	last = atomic_fetch_add_full(&nr_alive, (uint32_t)-1) == 1;
	if (last || (last_fg && when_idle != IDLE_POWEROFF))
		all_stopped();
	else if (last_fg)
		stop_background();
}

void lifecycle_start_all(void)
{
	booted = true; /* no job runs before this CPU's scheduler does */
	for (unsigned i = 0; i < MAX_VMS; i++)
		if (vms[i] && vms[i]->cfg->autostart) CHECK(vm_start(vms[i]) == HYP_OK);
	if (nr_alive == 0) all_stopped(); /* nothing was let in: the verdict is due at once */
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
	go_on = !l->doomed && !load_relaxed(&going_down);
	if (go_on) {
		vm->state = failed(vm) ? VM_BACKOFF : VM_LOADING;
		vm->restarts = by_hand ? 0 : vm->restarts + 1;
	}
	spin_unlock(&vm->lock);
	if (go_on && failed(vm)) {
		log_info("%s: restart %u of %u in %lu ms", vm->name, vm->restarts,
		         vm->cfg->restart_limit, us / 1000);
		deadline_set(&l->backoff, arch_counter() + arch_us_to_ticks(us));
	}
	return go_on;
}

void life_stopped(struct life *l)
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

const char *stop_reason_name(enum stop_reason r)
{
	/* In the order of the enum. */
	static const char *const names[] = {
	    "-", "off", "reset", "exit", "crash", "stopped by the host", "restarted by the host"};

	_Static_assert(ARRAY_SIZE(names) == STOP_RESTART + 1, "one for each reason");
	return names[r];
}

const char *vm_state_name(const struct vm *vm)
{
	/* In the order of the enum. */
	static const char *const names[] = {"new",        "loading",  "running",
	                                    "paused",     "resuming", "stopping",
	                                    "restarting", "stopped",  "gone"};

	_Static_assert(ARRAY_SIZE(names) == VM_GONE + 1, "one for each state");
	return names[load_relaxed(&vm->state)];
}
