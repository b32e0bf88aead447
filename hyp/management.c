/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's side of the management guest: its creation, and its hypercalls. What it asks for is
 * believed as little as what any guest does.
 */
#include <hyp/management.h>

#include <arch/barrier.h>
#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/mm.h>
#include <arch/timer.h>
#include <hyp/board.h>
#include <hyp/console.h>
#include <hyp/deadline.h>
#include <hyp/gmem.h>
#include <hyp/hvc.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/trace.h>

#include <string.h>

#define TEXT_MAX 320u
/* Of each period, on top of all VMs' own: what a verb of the shell may take from fixed ones. */
#define BUDGET_US 1000u
#define PERIOD_US 10000u

/* Its image, in Atoll's (scripts/mk/el2.mk). */
extern const uint8_t management_image[], management_image_end[];

static const struct management_up *up;
static struct vm *self;
static struct management_view view;
static struct vm_config incoming; /* its one vCPU is the only caller */
static struct deadline alarm;

static void alarm_fire(struct deadline *d, uint64_t now)
{
	vcpu_kick(self->vcpus[0], VCPU_WORK_VGIC);
}

static void input(struct console_port *p) { alarm_fire(NULL, 0); }

static const struct deadline_ops alarm_ops = {alarm_fire};
static const struct console_up console_ops = {.input = input};

enum hyp_err management_start(const struct management_up *with)
{
	struct vm_config *cfg = &incoming;
	uint64_t size = (uintptr_t)management_image_end - (uintptr_t)management_image;

	up = with;
	view = (struct management_view){.host = &host,
	                                .power = &board->power,
	                                .vms = vms,
	                                .pcpus = pcpus,
	                                .gic = arch_gic_info(),
	                                .traces = trace_rings,
	                                .trace_on = &trace_on,
	                                .slots = lifecycle_slots(),
	                                .counter_hz = arch_counter_hz(),
	                                .nr_pcpus = nr_pcpus};
	arch_cpu_name(view.cpu, sizeof(view.cpu));
	/* Before all others: it is how they are stopped. */
	*cfg = (struct vm_config){.name = "management",
	                          .memory = MANAGEMENT_RAM,
	                          .cpus = 1,
	                          .affinity = UINT64_MAX,
	                          .sched = SCHED_FIXED,
	                          .priority = SCHED_PRIORITY_MANAGEMENT,
	                          .gic = arch_gic_info()->version,
	                          .on_crash = ON_CRASH_RESTART,
	                          .restart_limit = 3};
	cfg->plan.seg[cfg->plan.n++] =
	    (struct load_segment){ipa(machine_v1.ram_base), management_image, size};
	cfg->plan.entry = ipa(machine_v1.ram_base);
	TRY(vm_create_management(cfg, &self));
	/* No second try before READY: there would be two VMs of each. */
	self->restarts = cfg->restart_limit;
	deadline_init(&alarm, &alarm_ops);
	console_set_up(&console_ops);
	return HYP_OK;
}

void management_lost(void)
{
	if (!view.ready) up->fail("the management guest failed while it made the VMs");
}

bool management_rests(void)
{
	uint32_t state = load_acquire(&self->vcpus[0]->state);

	return state == VCPU_BLOCKED || state == VCPU_OFF;
}

/* A VM of the manifest, by the number that was given. */
static struct vm *vm_of(uint64_t slot)
{
	return slot < MAX_VMS ? load_acquire(&vms[array_index_nospec(slot, MAX_VMS)]) : NULL;
}

/* Text of the guest's, as a string of at most TEXT_MAX - 1 bytes. */
static enum hyp_err text(uint64_t at, uint64_t n, char *buf)
{
	n = MIN(n, TEXT_MAX - 1u);
	buf[n] = '\0';
	return gmem_read(&self->s2, ipa(at), buf, n);
}

static enum hyp_err create(uint64_t at, uint64_t fdt, uint64_t *slot)
{
	struct vm *vm;
	enum hyp_err err;

	TRY(gmem_read(&self->s2, ipa(at), &incoming, sizeof(incoming)));
	TRY(config_check(&incoming));
	TRY(vm_create(&incoming, &vm));
	*slot = vm->slot;
	/* It has not started: nobody has looked at it yet. */
	err = gmem_read(&self->s2, ipa(fdt), vm_tree(vm), incoming.plan.fdt_size);
	if (err != HYP_OK) (void)vm_destroy(vm);
	return err;
}

static enum hyp_err change(uint64_t how, uint64_t slot)
{
	struct vm *vm = vm_of(slot);

	if (vm == NULL) return HYP_ENOENT;
	switch (how) {
	case CHANGE_START: return vm_start(vm);
	case CHANGE_STOP: return vm_stop(vm, STOP_ADMIN, 0);
	case CHANGE_PAUSE: return vm_pause(vm);
	case CHANGE_RESUME: return vm_resume(vm);
	case CHANGE_RESTART: return vm_restart(vm);
	case CHANGE_DESTROY: return vm_destroy(vm);
	default: return HYP_EINVAL;
	}
}

static enum hyp_err translate(uint64_t slot, uint64_t at, uint64_t *x)
{
	struct vm *vm = vm_of(slot);
	struct s2_walk w;

	if (vm == NULL) return HYP_ENOENT;
	TRY(s2_lookup(&vm->s2, ipa(at), &w));
	x[1] = pa_raw(w.pa);
	x[2] = w.len;
	x[3] = (uint64_t)w.level << 8 | w.attr;
	return HYP_OK;
}

/* How much was taken: it is the guest that waits for the UART. */
static uint64_t write_text(uint64_t at, uint64_t n)
{
	char buf[TEXT_MAX];

	n = MIN(n, sizeof(buf));
	return gmem_read(&self->s2, ipa(at), buf, n) == HYP_OK ? console_shell_write(buf, n) : n;
}

static enum hyp_err count_pages(uint64_t at)
{
	uint64_t room = NR_OWNERS * sizeof(uint64_t);
	void *p;

	if (!IS_ALIGNED(at, sizeof(uint64_t))) return HYP_EINVAL;
	TRY(gmem_pin(&self->s2, ipa(at), true, &p, &room));
	if (room < NR_OWNERS * sizeof(uint64_t)) return HYP_EINVAL;
	page_counts(p);
	return HYP_OK;
}

static void sleep_until(struct vcpu *v, uint64_t when)
{
	deadline_set(&alarm, when);
	sched_block(v);
}

static uint64_t next_key(struct vcpu *v)
{
	uint8_t c;

	if (console_shell_getc(&c)) return c;
	sleep_until(v, TIMER_NEVER);
	return UINT64_MAX;
}

uint64_t management_call(struct vcpu *v, enum management_call fn)
{
	uint64_t *x = v->arch.x;
	char buf[TEXT_MAX];
	struct vm *vm;

	switch (fn) {
	case MANAGEMENT_VIEW_AT: return (uintptr_t)&view;
	case MANAGEMENT_SAY:
		if (text(x[1], x[2], buf) == HYP_OK) console_write(buf, strlen(buf));
		break;
	case MANAGEMENT_LOG:
		if (text(x[1], x[2], buf) == HYP_OK && x[3] <= LOG_DBG)
			log_write((enum log_level)x[3], "%s", buf);
		break;
	case MANAGEMENT_FAIL:
		if (!view.ready && text(x[1], x[2], buf) == HYP_OK) up->fail(buf);
		break;
	case MANAGEMENT_CREATE: return create(x[1], x[2], &x[1]);
	case MANAGEMENT_REFUSED: lifecycle_vm_refused(); break;
	case MANAGEMENT_READY:
		if (view.ready) break;
		view.ready = true;
		self->restarts = 0;
		sched_limit(v, BUDGET_US, PERIOD_US);
		lifecycle_start_all(x[1] == IDLE_POWEROFF ? IDLE_POWEROFF : IDLE_WAIT);
		break;
	case MANAGEMENT_CHANGE: return change(x[1], x[2]);
	case MANAGEMENT_FOCUS:
		vm = vm_of(x[1]);
		if (vm != NULL) console_focus(&vm->port);
		break;
	case MANAGEMENT_KEY: return next_key(v);
	case MANAGEMENT_SLEEP:
		sleep_until(v, arch_counter() + arch_us_to_ticks(MIN(x[1], UINT64_C(1000000))));
		break;
	case MANAGEMENT_WRITE: return write_text(x[1], x[2]);
	case MANAGEMENT_ALONE: console_shell_alone(x[1] != 0); break;
	case MANAGEMENT_SHOW_LOG: console_show_log(); break;
	case MANAGEMENT_TRACE: trace_enable(x[1] != 0); break;
	case MANAGEMENT_PAGES: return count_pages(x[1]);
	case MANAGEMENT_IPA: return translate(x[1], x[2], x);
	case MANAGEMENT_POWER:
		console_flush();
		if (x[1] == 0)
			arch_system_off();
		else
			arch_system_reset();
		break;
	case NR_MANAGEMENT_CALLS: return SMCCC_RET_NOT_SUPPORTED;
	}
	return 0;
}
