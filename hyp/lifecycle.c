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
#include <lib/printf.h>
#include <lib/str.h>

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

static enum hyp_err map(struct vm *vm, uint64_t to, pa_t p, uint64_t size, enum s2_attr attr)
{
	enum hyp_err err;

	s2_begin(&vm->s2);
	err = s2_map(&vm->s2, ipa(to), p, size, attr);
	s2_commit(&vm->s2);
	return err;
}

/* RAM in the largest blocks there are. What was mapped when this fails, vm_free() gives back. */
static enum hyp_err ram_create(struct vm *vm)
{
	uint64_t done = 0;

	while (done < vm->cfg->memory) {
		unsigned order;
		enum hyp_err err;
		pa_t p;

		TRY(page_alloc_best((vm->cfg->memory - done) / PAGE_SIZE, vm->s2.owner, &p,
		                    &order));
		while (page_scrub_block(p)) {
		}
		err = map(vm, vm->machine->ram_base + done, p, PAGE_SIZE << order, S2_RWX);
		if (err != HYP_OK) {
			page_free(p, order);
			return err;
		}
		done += PAGE_SIZE << order;
	}
	return HYP_OK;
}

static void ram_destroy(struct vm *vm)
{
	uint64_t at = vm->machine->ram_base, end = at + vm->cfg->memory;
	struct s2_walk w;

	/* Unmapped first: no page is free while a TLB may still know it. */
	while (at < end && s2_lookup(&vm->s2, ipa(at), &w) == HYP_OK) {
		unsigned order = w.level == 1 ? 18 : w.level == 2 ? 9 : 0;
		enum hyp_err err;

		s2_begin(&vm->s2);
		err = s2_unmap(&vm->s2, ipa(at), PAGE_SIZE << order);
		s2_commit(&vm->s2);
		CHECK(err == HYP_OK); /* a whole block: nothing to split */
		page_free(w.pa, order);
		at += PAGE_SIZE << order;
	}
}

/* --- creation ---------------------------------------------------------------------------- */

static enum hyp_err machine_create(struct vm *vm)
{
	const struct machine *m = vm->machine;

	TRY(vgic_vm_init(vm, vm->cfg->gic, m->virtio_intid + m->nr_virtio - GIC_FIRST_SPI));
	if (vm->cfg->gic == 2) TRY(map(vm, m->gicc, arch_gic_info()->gicv, GICV_SIZE, S2_DEVICE));
	for (uint64_t off = 0; off < FLASH_ZERO_SIZE; off += PAGE_SIZE)
		TRY(map(vm, m->flash_base + FLASH_ZERO_BASE + off, zero_page, PAGE_SIZE, S2_RO));
	TRY(mmio_add(&vm->mmio, ipa(m->flash_base), m->flash_size, &vflash_ops, vm));
	TRY(vpl011_create(vm));
	TRY(vpl031_create(vm));
	return mmio_add(&vm->mmio, ipa(m->virtio), (uint64_t)m->nr_virtio * 0x200,
	                &vvirtio_empty_ops, vm);
}

/* Everything but vms[slot] and the counters; safe on a VM that was built in part. */
static void vm_free(struct vm *vm)
{
	/* Devices first: their up-calls and deadlines wake vCPUs. */
	if (vm->pl031) vpl031_destroy(vm);
	if (vm->pl011) vpl011_destroy(vm);
	for (unsigned i = 0; i < vm->nr_vcpus && vm->vcpus[i]; i++) vcpu_free(vm->vcpus[i]);
	vgic_vm_fini(vm);
	if (vm->s2.nr_tables != 0) {
		ram_destroy(vm);
		s2_destroy(&vm->s2);
	}
	if (vm->life) life_free(vm->life);
	page_free_hyp(vm, sizeof(*vm));
}

static enum hyp_err vm_build(struct vm *vm)
{
	TRY(s2_create(&vm->s2, (uint16_t)(vm->slot + 1), &life_s2_ops));
	TRY(life_create(vm, bundle));
	TRY(machine_create(vm));
	TRY(ram_create(vm));
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpus[i] = vcpu_alloc(vm, i);
		if (!vm->vcpus[i]) return HYP_ENOMEM;
		sched_vcpu_init(vm->vcpus[i], vm->cfg);
	}
	setway_vm_init(vm);
	return HYP_OK;
}

enum hyp_err lifecycle_create(const struct vm_config *cfg, struct vm **out)
{
	unsigned slot = 0;
	enum hyp_err err;
	struct vm *vm;

	while (slot < MAX_VMS && vms[slot]) slot++;
	if (slot == MAX_VMS) return HYP_EFULL;
	vm = page_alloc_hyp(sizeof(*vm));
	if (!vm) return HYP_ENOMEM;
	vm->lock = SPINLOCK_INIT(LOCK_VM);
	vm->slot = slot;
	vm->cfg = cfg;
	vm->machine = &machine_v1;
	vm->nr_vcpus = cfg->cpus;
	(void)str_copy(vm->name, cfg->name, sizeof(vm->name));
	err = vm_build(vm);
	if (err != HYP_OK) {
		vm_free(vm);
		return err;
	}
	vms[slot] = vm;
	*out = vm;
	return HYP_OK;
}

enum hyp_err lifecycle_init(const struct fit *b, const struct manifest *m)
{
	bundle = b;
	when_idle = m->when_idle;
	for (unsigned i = 0; i < m->nr_vms; i++) nr_crashed += m->vm[i].valid ? 0 : 1;
	return page_alloc(0, OWNER_SHARED, &zero_page);
}

void lifecycle_vm_refused(void) { nr_crashed++; }

/* from -> LOADING, and the job does the rest; no effect in any other state. */
static void load(struct vm *vm, enum vm_state from)
{
	bool go;

	spin_lock(&vm->lock);
	go = vm->state == from;
	if (go) vm->state = VM_LOADING;
	spin_unlock(&vm->lock);
	if (go) job_start(&vm->life->job);
}

bool life_going_down(void) { return load_acquire(&going_down); }

/* --- stop -------------------------------------------------------------------------------- */

static void stop(struct vm *vm, enum stop_reason reason, uint32_t status,
                 const struct crash_info *c)
{
	bool first;

	spin_lock(&vm->lock);
	first = vm->state == VM_RUNNING || vm->state == VM_PAUSED;
	if (first) {
		vm->reason = reason;
		vm->exit_status = status;
		if (c) {
			vm->crash = *c;
			vm->crash.valid = true;
		}
		vm->state = VM_STOPPING;
		for (unsigned i = 0; i < vm->nr_vcpus; i++) vcpu_stop(vm->vcpus[i]);
	}
	spin_unlock(&vm->lock);
	if (!first) return;
	trace_event(TRACE_STOP, vm, c ? c->vcpu : 0, c ? c->esr : 0, c ? c->pc : 0, reason);
	job_start(&vm->life->job);
}

void vm_stop(struct vm *vm, enum stop_reason reason, uint32_t status)
{
	stop(vm, reason, status, NULL);
}

void vm_crash(struct vm *vm, const struct crash_info *c) { stop(vm, STOP_CRASH, 0, c); }

static bool failed(const struct vm *vm)
{
	return vm->reason == STOP_CRASH || (vm->reason == STOP_EXIT && vm->exit_status != 0);
}

/*
 * The last words, once; the host goes off if it is to. Runs in the job of the last VM to stop: two
 * may do so at once.
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
		if (vms[i]) {
			vm_stop(vms[i], STOP_ADMIN, 0);
			load(vms[i], VM_BACKOFF); /* its job sees that the host goes down */
		}
	}
}

void life_stopped_for_good(struct vm *vm)
{
	bool last_fg, last;

	spin_lock(&vm->lock);
	vm->state = VM_STOPPED;
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
	for (unsigned i = 0; i < MAX_VMS; i++) {
		if (vms[i] && vms[i]->cfg->autostart) {
			nr_alive++;
			nr_foreground += vms[i]->cfg->background ? 0 : 1;
			load(vms[i], VM_NEW); /* no job runs before this CPU's scheduler does */
		}
	}
	if (nr_alive == 0) all_stopped(); /* nothing was let in: the verdict is due at once */
}

static void backoff_fire(struct deadline *d, uint64_t now)
{
	struct vm_life *l = container_of(d, struct vm_life, backoff);

	load(l->vm, VM_BACKOFF);
}

const struct deadline_ops life_backoff_ops = {backoff_fire};

/* From the VM's own job: the step that follows sees the new state. */
static void restart(struct vm *vm)
{
	struct vm_life *l = vm->life;
	uint64_t us = MIN((uint64_t)BACKOFF_FIRST_US << MIN(vm->restarts, 16u), BACKOFF_LAST_US);

	vm->restarts++;
	l->dirty = true;
	spin_lock(&vm->lock);
	vm->state = VM_BACKOFF;
	spin_unlock(&vm->lock);
	if (failed(vm)) {
		log_info("%s: restart %u of %u in %lu ms", vm->name, vm->restarts,
		         vm->cfg->restart_limit, us / 1000);
		deadline_set(&l->backoff, arch_counter() + arch_us_to_ticks(us));
	} else {
		load(vm, VM_BACKOFF);
	}
}

bool life_stopped(struct vm *vm)
{
	bool again =
	    vm->reason == STOP_RESET || (failed(vm) && vm->cfg->on_crash == ON_CRASH_RESTART);

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (!vcpu_is_out(vm->vcpus[i])) return false;
	if (vm->reason == STOP_CRASH) crash_explain(vm);
	if (vm->reason == STOP_EXIT)
		log_info("%s: exit(%d)", vm->name, (int)vm->exit_status);
	else
		log_info("%s: %s", vm->name, stop_reason_name(vm->reason));
	if (failed(vm) && vm->cfg->on_crash == ON_CRASH_PANIC)
		panic("VM %s failed and its manifest says on-crash = \"panic\"", vm->name);
	if (again && vm->restarts < vm->cfg->restart_limit) {
		restart(vm);
		return true;
	}
	if (again) {
		log_warn("%s: stays stopped: restart-limit %u is used up", vm->name,
		         vm->cfg->restart_limit);
	}
	life_stopped_for_good(vm);
	return true;
}

void life_load_failed(struct vm *vm, const char *image, const char *why)
{
	log_err("%s: cannot be loaded: %s: %s", vm->name, image, why);
	vm->reason = STOP_CRASH;
	vm->crash = (struct crash_info){.what = "its image cannot be loaded"};
	life_stopped_for_good(vm);
}

const char *stop_reason_name(enum stop_reason r)
{
	static const char *const names[] = {
	    [STOP_NONE] = "-",    [STOP_OFF] = "off",     [STOP_RESET] = "reset",
	    [STOP_EXIT] = "exit", [STOP_CRASH] = "crash", [STOP_ADMIN] = "stopped by the host"};

	return names[r];
}

const char *vm_state_name(const struct vm *vm)
{
	static const char *const names[] = {
	    [VM_NEW] = "new",           [VM_LOADING] = "loading",   [VM_RUNNING] = "running",
	    [VM_PAUSED] = "paused",     [VM_STOPPING] = "stopping", [VM_STOPPED] = "stopped",
	    [VM_BACKOFF] = "restarting"};

	return names[load_relaxed(&vm->state)];
}
