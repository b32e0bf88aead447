/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's side of the management guest: each hypercall with what is right and what is not, and that
 * no key and no alarm is lost at any point where another CPU may cut in.
 * links: hyp/gmem.c hyp/vm.c hyp/deadline.c hyp/pcpu.c hyp/vcpu_wake.c hyp/sched/core.c
 * links: hyp/sched/job.c hyp/sched/vcpu.c stage2/s2.c stage2/vmid.c
 * links: tests/fake_arch/fake.c tests/fake_arch/tlb.c tests/fake_arch/timer.c
 * links: tests/fake_arch/cpu.c
 * cflags: -Dsched_yield=hyp_sched_yield
 */
#include "hyp/management.c" /* its state is to start anew with each test */

#include "tests/unit/s2_env.h"

#include <hyp/irq.h>
#include "tests/fake_arch/clock.h"

#define HOST_PAGE UINT64_C(0x10000000)
#define RAM UINT64_C(0x40000000)
#define RAM_SIZE KiB(512)
#define RAM_PA (GiB(1) + KiB(512))
/* Of what EL2 has, this is in its view. */
#define VIEWED (MANAGEMENT_VIEW + HOST_PAGE)

/* 70,000 bytes, one after the other as the linker has them. */
__asm__(".data\n"
        ".globl management_image, management_image_end\n"
        "management_image: .skip 70000\n"
        "management_image_end: .byte 0\n"
        ".text\n");

/* --- what it asks EL2 for --- */
static struct vm guest, other, first;
static struct vcpu vcpu;
static struct vm_config guest_cfg;
static char heard[64 * 1024]; /* every call that comes out, a line each */
static enum hyp_err answer;

static void __attribute__((format(printf, 1, 2))) hear(const char *fmt, ...)
{
	size_t n = strlen(heard);
	va_list ap;

	va_start(ap, fmt);
	assert_true(n + (size_t)vsnprintf(heard + n, sizeof(heard) - n, fmt, ap) < sizeof(heard));
	va_end(ap);
}

struct host host;
static const struct board some_board = {.power = {{0x9000}, 0x1000}};
const struct board *board = &some_board;
static struct arch_gic_info gic = {.version = 3};

const struct arch_gic_info *arch_gic_info(void) { return &gic; }

struct trace_ring trace_rings[MAX_PCPUS];
static uint64_t slots;

const uint64_t *lifecycle_slots(void) { return &slots; }

void arch_cpu_name(char *buf, size_t n) { snprintf(buf, n, "a CPU"); }

enum hyp_err vm_create_management(const struct vm_config *cfg, struct vm **out)
{
	if (answer != HYP_OK) return answer;
	guest_cfg = *cfg;
	guest.cfg = &guest_cfg;
	*out = &guest;
	return HYP_OK;
}

static const struct console_up *console_up;

void console_set_up(const struct console_up *shell) { console_up = shell; }

void console_write(const char *s, size_t n)
{
	assert_int_equal(strnlen(s, n + 1), n);
	hear("say %zu:%s\n", n, s);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	hear("log %d:%s\n", (int)level, line);
}

static uint64_t written, room;
static uint8_t written_sum;

size_t console_shell_write(const char *s, size_t n)
{
	n = MIN(n, room);
	for (size_t i = 0; i < n; i++) written_sum = (uint8_t)(written_sum * 31 + (uint8_t)s[i]);
	written += n;
	return n;
}

void console_shell_alone(bool on) { hear("alone %d\n", on); }

void console_show_log(void) { hear("show log\n"); }

void console_focus(struct console_port *p)
{
	hear("focus %u\n", container_of(p, struct vm, port)->slot);
}

void console_flush(void) { hear("flush\n"); }

void trace_enable(bool on) { hear("trace %d\n", on); }

void page_counts(uint64_t n[NR_OWNERS])
{
	for (unsigned i = 0; i < NR_OWNERS; i++) n[i] = 1000u + i;
}

void arch_system_off(void) { hear("off\n"); }

void arch_system_reset(void) { hear("reset\n"); }

void lifecycle_vm_refused(void) { hear("refused\n"); }

void lifecycle_start_all(enum when_idle idle) { hear("start all, %d\n", (int)idle); }

#define CHANGE(fn, ...)                                                                            \
	enum hyp_err fn(struct vm *vm, ##__VA_ARGS__)                                              \
	{                                                                                          \
		hear(#fn " %u\n", vm->slot);                                                       \
		return answer;                                                                     \
	}
CHANGE(vm_start)
CHANGE(vm_pause)
CHANGE(vm_resume)
CHANGE(vm_restart)
CHANGE(vm_destroy)

enum hyp_err vm_stop(struct vm *vm, enum stop_reason reason, uint32_t status)
{
	assert_int_equal(reason, STOP_ADMIN);
	hear("vm_stop %u\n", vm->slot);
	return answer;
}

static const struct vm_config *checked;

enum hyp_err config_check(const struct vm_config *c)
{
	checked = c;
	hear("check %s\n", c->name);
	return strcmp(c->name, "bad") == 0 ? HYP_EINVAL : HYP_OK;
}

static uint8_t *tree; /* of the VM that was created: as long as it was said, to the byte */

enum hyp_err vm_create(const struct vm_config *cfg, struct vm **out)
{
	assert_ptr_equal(cfg, checked); /* what was checked, not what the guest may change */
	hear("create %s\n", cfg->name);
	if (answer != HYP_OK) return answer;
	free(tree);
	tree = malloc(MAX(cfg->plan.fdt_size, 1));
	memset(tree, 0, cfg->plan.fdt_size);
	*out = &other;
	return HYP_OK;
}

uint8_t *vm_tree(struct vm *vm)
{
	assert_ptr_equal(vm, &other);
	return tree;
}

static char failed[400];

static void fail_with(const char *why) { snprintf(failed, sizeof(failed), "%s", why); }

static const struct management_up fail_ops = {fail_with};

/* --- the keyboard, and another CPU that cuts in --- */
static char keys[64];
static unsigned keys_in, keys_out;
static bool cutting; /* another CPU presses a key at point number cut_at */
static unsigned cut_at, points;

static void press(char c)
{
	struct pcpu *here = fake_pcpu;

	fake_pcpu = &pcpus[1];
	keys[keys_in++] = c;
	console_up->input(NULL);
	fake_pcpu = here;
}

static void point(void)
{
	if (!cutting || points++ != cut_at) return;
	cutting = false;
	press('k');
}

bool console_shell_getc(uint8_t *c)
{
	bool any;

	point();
	any = keys_out < keys_in;
	if (any) *c = (uint8_t)keys[keys_out++];
	point(); /* after the look */
	return any;
}

/* The barriers are where the protocols are. */
void fake_log_token(const char *token)
{
	if (strcmp(token, "dmb ish") == 0) point();
}

void irq_handle(void) {}

/* --- calls --- */
static uint64_t call(enum management_call fn, uint64_t a1, uint64_t a2, uint64_t a3)
{
	for (unsigned i = 0; i < 31; i++) vcpu.arch.x[i] = 500 + i;
	vcpu.arch.x[1] = a1;
	vcpu.arch.x[2] = a2;
	vcpu.arch.x[3] = a3;
	heard[0] = '\0';
	vcpu.arch.x[0] = management_call(&vcpu, fn);
	assert_int_equal(fake_locks_held(), 0);
	for (unsigned i = 4; i < 31; i++) assert_int_equal(vcpu.arch.x[i], 500 + i);
	return vcpu.arch.x[0];
}

static uint8_t *ram(uint64_t at) { return pa_to_ptr(pa(RAM_PA + (at - RAM))); }

static int setup(void **state)
{
	(void)state;
	clock_reset(1000);
	env_init(40, 8);
	nr_pcpus = 2;
	for (unsigned i = 2; i-- > 0;) {
		pcpus[i] = (struct pcpu){.id = i, .online = true};
		fake_pcpu = &pcpus[i];
		deadline_cpu_init();
		sched_cpu_init();
	}
	fake_ram_add(pa(HOST_PAGE), PAGE_SIZE);
	fake_ram_add(pa(RAM_PA), RAM_SIZE);
	memset(vms, 0, sizeof(vms));
	memset(&guest, 0, sizeof(guest));
	memset(&other, 0, sizeof(other));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&view, 0, sizeof(view));
	answer = HYP_OK;
	failed[0] = heard[0] = '\0';
	keys_in = keys_out = 0;
	cutting = false;
	written = 0;
	written_sum = 0;
	other.slot = 5;
	guest.slot = MANAGEMENT_SLOT;
	guest.vcpus[0] = &vcpu;
	guest.nr_vcpus = 1;
	vcpu.vm = &guest;
	assert_int_equal(s2_create(&guest.s2, 7), HYP_OK);
	assert_int_equal(s2_map(&guest.s2, ipa(RAM), pa(RAM_PA), RAM_SIZE, S2_RWX), HYP_OK);
	assert_int_equal(s2_map(&guest.s2, ipa(VIEWED), pa(HOST_PAGE), PAGE_SIZE, S2_RO), HYP_OK);
	assert_int_equal(management_start(&fail_ops), HYP_OK);
	/* It runs on CPU 0. */
	sched_vcpu_init(&vcpu, &guest_cfg);
	sched_start(&vcpu);
	assert_ptr_equal(sched_next(), &vcpu);
	vcpu.loaded_on = 0;
	vcpu.work = 0;
	fake_pcpu->loaded = &vcpu;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(tree);
	tree = NULL;
	return 0;
}

/* --- tests --- */
static void test_start(void **state)
{
	const struct load_plan *plan = &guest_cfg.plan;
	const struct management_view *at;

	(void)state;
	assert_string_equal(guest_cfg.name, "management");
	assert_int_equal(guest_cfg.memory, MANAGEMENT_RAM);
	assert_int_equal(guest_cfg.cpus, 1);
	assert_int_equal(guest_cfg.priority, SCHED_PRIORITY_MANAGEMENT);
	assert_int_equal(guest_cfg.gic, 3);
	assert_int_equal(plan->n, 1);
	assert_ptr_equal(plan->seg[0].from, management_image);
	assert_int_equal(plan->seg[0].size, 70000);
	assert_int_equal(plan->seg[0].to.raw, RAM);
	assert_int_equal(plan->entry.raw, RAM);
	assert_int_equal(plan->fdt_size, 0);
	at = (const void *)(uintptr_t)call(MANAGEMENT_VIEW_AT, 1, 2, 3);
	assert_ptr_equal(at->host, &host);
	assert_ptr_equal(at->power, &some_board.power);
	assert_ptr_equal(at->vms, vms);
	assert_ptr_equal(at->pcpus, pcpus);
	assert_ptr_equal(at->gic, &gic);
	assert_ptr_equal(at->traces, trace_rings);
	assert_ptr_equal(at->trace_on, &trace_on);
	assert_ptr_equal(at->slots, &slots);
	assert_int_equal(at->counter_hz, fake_hz);
	assert_int_equal(at->nr_pcpus, 2);
	assert_false(at->ready);
	assert_string_equal(at->cpu, "a CPU");
	answer = HYP_ENOMEM;
	assert_int_equal(management_start(&fail_ops), HYP_ENOMEM);
}

/* Where text may lie, and where not; cut at its NUL, at 319 bytes; no byte more is read. */
static void test_text(void **state)
{
	static const enum management_call fns[] = {MANAGEMENT_SAY, MANAGEMENT_LOG};
	static const uint64_t bad[] = {
	    0,       RAM - 1,    RAM + RAM_SIZE, VIEWED - 1,    VIEWED + PAGE_SIZE,
	    BIT(40), UINT64_MAX, UINT64_MAX - 3, BIT(63) + RAM, MANAGEMENT_BASE};
	char want[400];

	(void)state;
	memset(ram(RAM), 'a', RAM_SIZE);
	memset(pa_to_ptr(pa(HOST_PAGE)), 'v', PAGE_SIZE);
	for (unsigned f = 0; f < ARRAY_SIZE(fns); f++) {
		const char *head = f == 0 ? "say 5:" : "log 2:";

		assert_int_equal(call(fns[f], RAM + RAM_SIZE - 5, 5, LOG_INFO), 0);
		snprintf(want, sizeof(want), "%saaaaa\n", head);
		assert_string_equal(heard, want);
		assert_int_equal(call(fns[f], VIEWED + PAGE_SIZE - 5, 5, LOG_INFO), 0);
		snprintf(want, sizeof(want), "%svvvvv\n", head);
		assert_string_equal(heard, want);
		/* Across its end: nothing of it, and no fault. */
		assert_int_equal(call(fns[f], RAM + RAM_SIZE - 5, 6, LOG_INFO), 0);
		assert_string_equal(heard, "");
		(void)call(fns[f], VIEWED + PAGE_SIZE - 319, 320, LOG_INFO);
		assert_string_not_equal(heard, ""); /* cut before */
		(void)call(fns[f], VIEWED + PAGE_SIZE - 318, 320, LOG_INFO);
		assert_string_equal(heard, "");
		for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
			(void)call(fns[f], bad[i], 8, LOG_INFO);
			assert_string_equal(heard, "");
		}
		/* Too long, without any NUL. */
		for (unsigned i = 0; i < 3; i++) {
			static const uint64_t sizes[] = {320, BIT(32) + 4, UINT64_MAX};

			(void)call(fns[f], RAM + 7, sizes[i], LOG_INFO);
			assert_int_equal(strlen(heard), 319 + (f == 0 ? 9 : 7));
		}
		(void)call(fns[f], RAM, 319, LOG_INFO);
		assert_int_equal(strlen(heard), 319 + (f == 0 ? 9 : 7));
		/* Nothing, wherever. */
		assert_int_equal(call(fns[f], 0, 0, LOG_INFO), 0);
		assert_string_equal(heard, f == 0 ? "say 0:\n" : "log 2:\n");
	}
	ram(RAM)[3] = '\0';
	call(MANAGEMENT_SAY, RAM, 8, 0);
	assert_string_equal(heard, "say 3:aaa\n");
	/* It is text, not a format. */
	memcpy(ram(RAM), "%s%n%d", 7);
	call(MANAGEMENT_LOG, RAM, 6, LOG_ERR);
	assert_string_equal(heard, "log 0:%s%n%d\n");
	for (uint64_t level = LOG_DBG + 1; level != 0; level *= 3) {
		call(MANAGEMENT_LOG, RAM, 6, level);
		assert_string_equal(heard, "");
		if (level > BIT(60)) break;
	}
	call(MANAGEMENT_LOG, RAM, 6, BIT(32));
	assert_string_equal(heard, "");
	call(MANAGEMENT_LOG, RAM, 6, UINT64_MAX);
	assert_string_equal(heard, "");
}

/* The shell's text: any bytes, at most 16 KiB at a time, as far as there are some. */
static void test_write(void **state)
{
	/* What it cannot read is taken, and not shown. */
	static const struct {
		uint64_t at, n, room, want, shown;
	} cases[] = {
	    {RAM + 10, 319, 1000, 319, 319},
	    {RAM, 0, 1000, 0, 0},
	    {0, 0, 1000, 0, 0},
	    {RAM, 320, 1000, 320, 320},
	    {RAM + 1, 321, 1000, 320, 320},
	    {RAM, UINT64_MAX, 1000, 320, 320},
	    {RAM + 3, 200, 7, 7, 7},
	    {RAM, 200, 0, 0, 0},
	    {0, 1, 1000, 1, 0},
	    {RAM + RAM_SIZE - 320, 321, 1000, 320, 320},
	    {RAM + RAM_SIZE - 319, 320, 1000, 320, 0},
	    {UINT64_MAX - 10, 100, 1000, 100, 0},
	    {VIEWED, PAGE_SIZE, 1000, 320, 320},
	};

	(void)state;
	for (unsigned i = 0; i < RAM_SIZE; i++) ram(RAM)[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t sum = 0;

		written = written_sum = 0;
		room = cases[i].room;
		assert_int_equal(call(MANAGEMENT_WRITE, cases[i].at, cases[i].n, 0), cases[i].want);
		assert_int_equal(written, cases[i].shown);
		for (uint64_t k = 0; cases[i].at < VIEWED && k < written; k++)
			sum = (uint8_t)(sum * 31 + ram(cases[i].at)[k]);
		assert_int_equal(written_sum, sum);
	}
}

/* The one sentence; no longer when VMs may run. */
static void test_fail(void **state)
{
	(void)state;
	memset(ram(RAM), 'a', 1000);
	strcpy((char *)ram(RAM), "no bundle");
	call(MANAGEMENT_FAIL, 0, 9, 0);
	assert_string_equal(failed, "");
	call(MANAGEMENT_FAIL, RAM, 9, 0);
	assert_string_equal(failed, "no bundle");
	call(MANAGEMENT_FAIL, RAM + 10, 999, 0);
	assert_int_equal(strlen(failed), 319);
	failed[0] = '\0';
	call(MANAGEMENT_READY, IDLE_WAIT, 0, 0);
	call(MANAGEMENT_FAIL, RAM, 9, 0);
	assert_string_equal(failed, "");
}

/* Once; lost before it is a start that failed, and is not tried again; after it nobody is told. */
static void test_ready(void **state)
{
	(void)state;
	assert_int_equal(guest.restarts, guest_cfg.restart_limit);
	assert_int_equal(vcpu.se.budget, 0);
	management_lost();
	assert_string_not_equal(failed, "");
	failed[0] = '\0';
	assert_int_equal(call(MANAGEMENT_READY, IDLE_POWEROFF, 0, 0), 0);
	assert_string_equal(heard, "start all, 1\n");
	assert_true(view.ready);
	assert_int_equal(guest.restarts, 0);
	assert_int_equal(vcpu.se.budget, BUDGET_US);
	assert_int_equal(vcpu.se.period, PERIOD_US);
	/* Again, as its next life says it: no VM starts, and its time is not given anew. */
	guest.restarts = 2;
	vcpu.se.budget_left = 3;
	assert_int_equal(call(MANAGEMENT_READY, IDLE_WAIT, 0, 0), 0);
	assert_string_equal(heard, "");
	assert_true(view.ready);
	assert_int_equal(guest.restarts, 2);
	assert_int_equal(vcpu.se.budget_left, 3);
	management_lost();
	assert_string_equal(failed, "");
	/* What is not one of the two is the harmless one. */
	for (uint64_t x = 2; x != 0; x <<= 7) {
		view.ready = false;
		call(MANAGEMENT_READY, x, 0, 0);
		assert_string_equal(heard, "start all, 0\n");
	}
	view.ready = false;
	call(MANAGEMENT_READY, BIT(32) | IDLE_POWEROFF, 0, 0);
	assert_string_equal(heard, "start all, 0\n");
}

/* A VM's number: one that exists, of the manifest's. */
static void test_change(void **state)
{
	static const char *const names[NR_CHANGES] = {"vm_start",  "vm_stop",    "vm_pause",
	                                              "vm_resume", "vm_restart", "vm_destroy"};
	static const uint64_t no_vm[] = {4,           6,           MAX_VMS - 1, MAX_VMS,
	                                 MAX_VMS + 1, BIT(32) + 5, BIT(63) + 5, UINT64_MAX};
	char want[40];

	(void)state;
	vms[0] = &first; /* what a number that is cut off would find */
	vms[5] = &other;
	for (uint64_t how = 0; how < NR_CHANGES; how++) {
		snprintf(want, sizeof(want), "%s 5\n", names[how]);
		answer = how % 2 ? HYP_EBUSY : HYP_OK;
		assert_int_equal(call(MANAGEMENT_CHANGE, how, 5, 0), answer);
		assert_string_equal(heard, want);
		for (unsigned i = 0; i < ARRAY_SIZE(no_vm); i++) {
			assert_int_equal(call(MANAGEMENT_CHANGE, how, no_vm[i], 0), HYP_ENOENT);
			assert_string_equal(heard, "");
		}
	}
	answer = HYP_OK;
	for (uint64_t how = NR_CHANGES; how != 0; how = how << 1 | 1) {
		assert_int_equal(call(MANAGEMENT_CHANGE, how, 5, 0), HYP_EINVAL);
		assert_string_equal(heard, "");
		if (how == UINT64_MAX) break;
	}
	assert_int_equal(call(MANAGEMENT_CHANGE, BIT(32) | CHANGE_STOP, 5, 0), HYP_EINVAL);
	call(MANAGEMENT_FOCUS, 5, 0, 0);
	assert_string_equal(heard, "focus 5\n");
	for (unsigned i = 0; i < ARRAY_SIZE(no_vm); i++) {
		assert_int_equal(call(MANAGEMENT_FOCUS, no_vm[i], 0, 0), 0);
		assert_string_equal(heard, "");
	}
}

static void test_ipa(void **state)
{
	static const uint64_t holes[] = {0, RAM - 1, RAM + KiB(64), BIT(40), UINT64_MAX};

	(void)state;
	assert_int_equal(s2_create(&other.s2, 7), HYP_OK);
	assert_int_equal(s2_map(&other.s2, ipa(RAM), pa(RAM_PA), KiB(64), S2_RWX), HYP_OK);
	assert_int_equal(s2_map(&other.s2, ipa(GiB(2)), pa(GiB(4)), MiB(2), S2_RO), HYP_OK);
	vms[5] = &other;
	assert_int_equal(call(MANAGEMENT_IPA, 5, RAM + KiB(60) + 6, 0), HYP_OK);
	assert_int_equal(vcpu.arch.x[1], RAM_PA + KiB(60) + 6);
	assert_int_equal(vcpu.arch.x[2], KiB(4) - 6);
	assert_int_equal(vcpu.arch.x[3], 3 << 8 | S2_RWX);
	assert_int_equal(call(MANAGEMENT_IPA, 5, GiB(2), 0), HYP_OK);
	assert_int_equal(vcpu.arch.x[1], GiB(4));
	assert_int_equal(vcpu.arch.x[2], MiB(2));
	assert_int_equal(vcpu.arch.x[3], 2 << 8 | S2_RO);
	for (unsigned i = 0; i < ARRAY_SIZE(holes); i++) {
		assert_int_equal(call(MANAGEMENT_IPA, 5, holes[i], 77), HYP_ENOENT);
		assert_int_equal(vcpu.arch.x[3], 77);
	}
	/* Not its own, nor nobody's. */
	assert_int_equal(call(MANAGEMENT_IPA, MANAGEMENT_SLOT, RAM, 0), HYP_ENOENT);
	assert_int_equal(call(MANAGEMENT_IPA, 4, RAM, 0), HYP_ENOENT);
	assert_int_equal(call(MANAGEMENT_IPA, UINT64_MAX, RAM, 0), HYP_ENOENT);
	s2_destroy(&other.s2);
}

/* config_at: where the config is; what comes of it. */
static uint64_t create_at(uint64_t config_at, uint64_t fdt_at)
{
	return call(MANAGEMENT_CREATE, config_at, fdt_at, 0);
}

static void test_create(void **state)
{
	struct vm_config c = {.name = "vm", .plan.fdt_size = 5000};
	const uint64_t end = RAM + RAM_SIZE;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) ram(RAM + KiB(64))[i] = (uint8_t)(i * 3 + 1);
	memcpy(ram(RAM + 8), &c, sizeof(c));
	assert_int_equal(create_at(RAM + 8, RAM + KiB(64)), HYP_OK);
	assert_string_equal(heard, "check vm\ncreate vm\n");
	assert_int_equal(vcpu.arch.x[1], 5);
	assert_memory_equal(tree, ram(RAM + KiB(64)), 5000);
	/* The one that is checked is EL2's copy. */
	assert_true((const uint8_t *)checked < ram(RAM) || (const uint8_t *)checked >= ram(end));
	/* The config: not there, or not all of it. */
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t bad[] = {0, end - sizeof(c) + 1, end, UINT64_MAX - 100};

		assert_int_equal(create_at(bad[i], RAM), HYP_EPERM);
		assert_string_equal(heard, "");
	}
	memcpy(ram(end - sizeof(c)), &c, sizeof(c));
	assert_int_equal(create_at(end - sizeof(c), RAM), HYP_OK);
	/* Not safe; no room. */
	strcpy(c.name, "bad");
	memcpy(ram(RAM + 8), &c, sizeof(c));
	assert_int_equal(create_at(RAM + 8, RAM), HYP_EINVAL);
	assert_string_equal(heard, "check bad\n");
	strcpy(c.name, "vm");
	memcpy(ram(RAM + 8), &c, sizeof(c));
	answer = HYP_ENOMEM;
	assert_int_equal(create_at(RAM + 8, RAM), HYP_ENOMEM);
	assert_string_equal(heard, "check vm\ncreate vm\n");
	answer = HYP_OK;
	/* A tree that is not there, or not all of it: the VM goes again. */
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t bad[] = {0, end - 4999, end, UINT64_MAX - 100};

		assert_int_equal(create_at(RAM + 8, bad[i]), HYP_EPERM);
		assert_string_equal(heard, "check vm\ncreate vm\nvm_destroy 5\n");
	}
	assert_int_equal(create_at(RAM + 8, end - 5000), HYP_OK);
	/* None is asked for: then it may be anywhere. */
	c.plan.fdt_size = 0;
	memcpy(ram(RAM + 8), &c, sizeof(c));
	assert_int_equal(create_at(RAM + 8, 0), HYP_OK);
	assert_string_equal(heard, "check vm\ncreate vm\n");
}

/* All counts at once, into RAM of its own that lies in one page; nowhere else, and nothing beside.
 */
static void test_pages(void **state)
{
	const uint64_t size = NR_OWNERS * sizeof(uint64_t);
	static const uint64_t bad[] = {
	    0,       RAM - 8, RAM + RAM_SIZE, RAM + RAM_SIZE - 8, RAM + PAGE_SIZE - 8,
	    RAM + 4, VIEWED,  UINT64_MAX - 7,
	};
	uint64_t *n = (uint64_t *)(void *)ram(RAM + PAGE_SIZE - size);

	(void)state;
	memset(ram(RAM), 0xaa, 2 * PAGE_SIZE);
	assert_int_equal(call(MANAGEMENT_PAGES, RAM + PAGE_SIZE - size, 0, 0), HYP_OK);
	for (unsigned i = 0; i < NR_OWNERS; i++) assert_int_equal(n[i], 1000 + i);
	assert_int_equal(*ram(RAM + PAGE_SIZE - size - 1), 0xaa);
	assert_int_equal(*ram(RAM + PAGE_SIZE), 0xaa);
	memset(ram(RAM), 0xaa, RAM_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(call(MANAGEMENT_PAGES, bad[i], 0, 0), HYP_OK);
	for (uint64_t i = 0; i < RAM_SIZE; i++) assert_int_equal(*ram(RAM + i), 0xaa);
}

static void test_others(void **state)
{
	(void)state;
	call(MANAGEMENT_REFUSED, 0, 0, 0);
	assert_string_equal(heard, "refused\n");
	call(MANAGEMENT_ALONE, BIT(40), 0, 0);
	assert_string_equal(heard, "alone 1\n");
	call(MANAGEMENT_ALONE, 0, 1, 0);
	assert_string_equal(heard, "alone 0\n");
	call(MANAGEMENT_TRACE, BIT(40), 0, 0);
	assert_string_equal(heard, "trace 1\n");
	call(MANAGEMENT_TRACE, 0, 1, 0);
	assert_string_equal(heard, "trace 0\n");
	call(MANAGEMENT_SHOW_LOG, 0, 0, 0);
	assert_string_equal(heard, "show log\n");
	assert_int_equal(call(MANAGEMENT_POWER, 0, 0, 0), 0);
	assert_string_equal(heard, "flush\noff\n");
	assert_int_equal(call(MANAGEMENT_POWER, 1, 0, 0), 0);
	assert_string_equal(heard, "flush\nreset\n");
	assert_true(call(NR_MANAGEMENT_CALLS, 0, 0, 0) == SMCCC_RET_NOT_SUPPORTED);
	assert_string_equal(heard, "");
}

/* The way out of the trap: it goes on at once, or when somebody wakes it. */
static bool goes_on(void)
{
	if (vcpu.state == VCPU_BLOCKED) return false;
	assert_ptr_equal(sched_next(), &vcpu);
	assert_int_equal(vcpu.state, VCPU_RUNNING);
	vcpu.work &= ~VCPU_WORK_VGIC; /* as vgic_load() */
	return true;
}

/* What the guest does: asks until there is one. */
static int key_of_guest(void)
{
	for (unsigned tries = 0; tries < 3; tries++) {
		uint64_t x0 = call(MANAGEMENT_KEY, 0, 0, 0);

		if (x0 <= UINT8_MAX) return (int)x0;
		assert_true((int64_t)x0 < 0);
		if (!goes_on()) return -1; /* asleep */
	}
	fail();
	return 0;
}

static void test_key(void **state)
{
	unsigned n;

	/* Before, at each point of the call, at each barrier of its sleep, and after. */
	for (n = 0;; n++) {
		int key;

		setup(state);
		points = 0;
		cut_at = n;
		cutting = true;
		key = key_of_guest();
		if (cutting) break;
		if (key < 0) {
			assert_true(goes_on()); /* the key has woken it */
			key = key_of_guest();
		}
		assert_int_equal(key, 'k');
		assert_int_equal(keys_out, 1);
		/* And the next wait is one. */
		assert_int_equal(key_of_guest(), -1);
		assert_int_equal(vcpu.state, VCPU_BLOCKED);
	}
	assert_true(n >= 3);
	/* Asleep: then it comes. And one more while it runs is there for the next call. */
	cutting = false;
	assert_int_equal(vcpu.state, VCPU_BLOCKED);
	press('\xff');
	press('b');
	assert_true(goes_on());
	assert_int_equal(key_of_guest(), 0xff);
	assert_int_equal(key_of_guest(), 'b');
	/* No alarm of an earlier sleep is left. */
	setup(state);
	call(MANAGEMENT_SLEEP, 1000, 0, 0);
	press('x');
	assert_true(goes_on());
	assert_int_equal(key_of_guest(), 'x');
	assert_int_equal(key_of_guest(), -1);
	clock_advance(2000000);
	assert_int_equal(vcpu.state, VCPU_BLOCKED);
}

/* Only where it holds no pointer of EL2's: asleep in a call, or not running at all. */
static void test_rests(void **state)
{
	(void)state;
	assert_int_equal(vcpu.state, VCPU_RUNNING);
	assert_false(management_rests());
	call(MANAGEMENT_SLEEP, 1000, 0, 0);
	assert_true(management_rests());
	press('k'); /* awake, and has not run yet: it goes on with what it will look up */
	assert_int_equal(vcpu.state, VCPU_READY);
	assert_false(management_rests());
	assert_true(goes_on());
	assert_int_equal(key_of_guest(), 'k');
	assert_false(management_rests());
	assert_int_equal(key_of_guest(), -1);
	assert_true(management_rests());
	press('k');
	assert_true(goes_on());
	sched_off(&vcpu);
	assert_int_equal(vcpu.state, VCPU_OFF);
	assert_true(management_rests());
}

/* At most as long as it says, at most a second, and a key ends it. */
static void test_sleep(void **state)
{
	static const struct {
		uint64_t us, want;
	} naps[] = {{1, 1},
	            {20000, 20000},
	            {1000000, 1000000},
	            {1000001, 1000000},
	            {BIT(40), 1000000},
	            {UINT64_MAX, 1000000}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(naps); i++) {
		assert_int_equal(call(MANAGEMENT_SLEEP, naps[i].us, 0, 0), 0);
		assert_false(goes_on());
		clock_advance(naps[i].want - 1);
		assert_false(goes_on());
		clock_advance(1);
		assert_true(goes_on());
	}
	call(MANAGEMENT_SLEEP, 0, 0, 0);
	clock_advance(0);
	assert_true(goes_on());
	for (unsigned n = 0;; n++) {
		setup(state);
		points = 0;
		cut_at = n;
		cutting = true;
		call(MANAGEMENT_SLEEP, 500000, 0, 0);
		if (cutting) {
			assert_true(n >= 1);
			break;
		}
		assert_true(goes_on()); /* no nap that began before the key goes on after it */
		assert_int_equal(key_of_guest(), 'k');
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_start), TEST(test_text),   TEST(test_write), TEST(test_fail),
	    TEST(test_ready), TEST(test_change), TEST(test_ipa),   TEST(test_create),
	    TEST(test_pages), TEST(test_others), TEST(test_key),   TEST(test_sleep),
	    TEST(test_rests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
