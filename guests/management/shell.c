/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management shell: line editing and a table of verbs. What a verb
 * reports it names by columns, from which both the text and, with --json, the JSON are made.
 */
#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/timer.h>
#include <gen/version.h>
#include <hyp/atomic.h>
#include <hyp/console.h>
#include <hyp/host.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/trace.h>
#include <lib/str.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fit.h"
#include "management.h"
#include "manifest.h"
#include "shell.h"

#define LINE_MAX 640u  /* room for a VM's bootargs */
#define OUT_MAX KiB(8) /* bytes of one shell_out() */
#define PROMPT "atoll> "
#define POLL_US 500u /* a verb that waits looks again */

struct verb {
	const char *name, *usage, *help;
	void (*fn)(struct vm *vm); /* the one that `usage` begins with */
	char json; /* '{' or '[': how its report begins; 0: it has none, only text */
	/* Of those that change a VM: how, and what it is to become. */
	enum hyp_err (*change)(struct vm *vm);
	enum vm_state to;
};
extern const struct verb shell_verbs[];

static struct {
	char line[LINE_MAX], last[LINE_MAX];
	unsigned len;
	uint8_t prev, esc; /* last byte; progress within an ANSI sequence */
	bool waits;        /* a verb, for vm to be at rest; else a line is being typed */
	const struct verb *verb;
	char *args;    /* what follows it in line; NULL: nothing more */
	struct vm *vm; /* which a verb waits for: good while it is vms[slot] */
	uint32_t slot;
	char name[CONFIG_NAME_MAX]; /* of vm */
	struct vcpu *vcpu;          /* irq, dump: of vm */
	const char *address;        /* dump: may be NULL */
	uint64_t at;                /* the same as a number */
	bool paused;                /* irq, dump: goes on afterwards */
	const struct fit *bundle;
	bool refused, json, brace, comma;
	bool table, headed; /* report: in a table, whose head was shown */
	/* When `top` last looked, and what it saw. */
	uint64_t top_at, idle_seen[MAX_PCPUS], run_seen[MAX_VMS][MAX_VCPUS];
	struct vm_config cfg;
	_Alignas(1024) uint64_t pages[NR_OWNERS];            /* mem; EL2 wants it in one page */
	char out[KiB(16)], text[OUT_MAX / 2], lines[KiB(8)]; /* to be shown; a cell; of a verb */
	size_t out_len;
} sh;

/* A verb's text goes out at once, so that no guest's comes in between. */
static void flush(void)
{
	console_shell_write(sh.out, sh.out_len);
	sh.out_len = 0;
}

void shell_out(const char *fmt, ...)
{
	size_t room = sizeof(sh.out) - sh.out_len;
	va_list ap;

	va_start(ap, fmt);
	sh.out_len += MIN((size_t)vsnprintf(sh.out + sh.out_len, room, fmt, ap), room - 1);
	va_end(ap);
	if (sh.out_len > sizeof(sh.out) - OUT_MAX) flush();
}

/* --- what verbs report: text, or JSON on one line ----------------------------------------- */

/* s in sh.text, fit for a terminal and for JSON, whatever guests and users put into it. */
static void set_text(const char *s)
{
	size_t n = 0;

	sh.text[0] = '\0';
	for (; *s != '\0'; s++) {
		bool plain = *s >= ' ' && *s < 0x7f && !(sh.json && (*s == '"' || *s == '\\'));
		const char *fmt = plain ? "%c" : sh.json ? "\\u%04x" : "?";

		str_append(sh.text, sizeof(sh.text), &n, fmt, (uint8_t)*s);
	}
}

/*
 * What is reported is described by one format, of "key:CONVERSION" with blanks between: members of
 * an object in JSON; as text a line each, or the columns of a table, whose head are the keys (no
 * ap). %s, left aligned; %u, %lu; %x, %lx, shown with 0x.
 */
static void put_cells(const char *fmt, va_list *ap)
{
	for (const char *next; *fmt != '\0'; fmt = next) {
		size_t end = strcspn(fmt, " ");
		int len = (int)strcspn(fmt, ":"), width;
		const char *spec = fmt + len + 1, conv = fmt[end - 1];
		bool wide = fmt[end - 2] == 'l';

		next = fmt + end + (fmt[end] != '\0');
		width = (int)strtoul(spec + strspn(spec, "%-#"), NULL, 10);
		if (ap == NULL)
			(void)snprintf(sh.text, sizeof(sh.text), "%.*s", len, fmt);
		else if (conv == 's')
			set_text(va_arg(*ap, const char *));
		else
			(void)snprintf(sh.text, sizeof(sh.text), conv == 'u' ? "%lu" : "%#lx",
			               wide ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned));
		if (sh.json)
			shell_out(conv == 'u' ? "%s\"%.*s\":%s" : "%s\"%.*s\":\"%s\"",
			          sh.comma ? "," : "", len, fmt, sh.text);
		else if (!sh.table)
			shell_out("%-15.*s %s\n", len, fmt, sh.text);
		else
			shell_out("%*s%s", conv == 's' ? -width : width, sh.text,
			          *next != '\0' ? " " : "\n");
		sh.comma = true;
	}
}

/* Members of the object that a verb reports, or of one more object of its array (text: a row). */
static void report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void report(const char *fmt, ...)
{
	bool object = sh.table && sh.json;
	va_list ap;

	if (object) {
		shell_out(sh.comma ? ",{" : "{");
		sh.comma = false;
	} else if (sh.table && !sh.headed) {
		put_cells(fmt, NULL);
	}
	sh.headed = true;
	va_start(ap, fmt);
	put_cells(fmt, &ap);
	va_end(ap);
	if (object) shell_out("}");
}

static void end_table(void)
{
	if (!sh.table) return;
	if (sh.json)
		shell_out("]");
	else if (!sh.headed)
		shell_out("none\n");
	sh.table = false;
	sh.comma = true;
}

/* What is reported from here on are rows: an array, which is the member `key`. */
static void begin_table(const char *key)
{
	end_table();
	if (sh.json) shell_out("%s\"%s\":[", sh.comma ? "," : "", key);
	sh.table = true;
	sh.headed = sh.comma = false;
}

/* Why a verb does nothing, instead of its report. */
static void refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void refuse(const char *fmt, ...)
{
	char buf[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	set_text(buf);
	if (sh.json) sh.out_len = 0; /* the report's first bracket */
	shell_out(sh.json ? "{\"error\":\"%s\"" : "%s\n", sh.text);
	sh.refused = true;
	sh.brace = sh.json;
	sh.table = false;
}

/* --- verbs --------------------------------------------------------------------------------- */

/* The next word of the line; NULL: there is none. */
static char *next_word(void) { return strtok_r(NULL, " \t", &sh.args); }

/* The VM that a word names; NULL: there is none, which was said. */
static struct vm *vm_named(const char *word)
{
	struct vm *vm = word != NULL ? vm_find(word) : NULL;

	if (word == NULL)
		refuse("which VM? (number or name; `list` shows them)");
	else if (vm == NULL)
		refuse("no VM is called '%.32s'; `list` shows them", word);
	return vm;
}

/* The next vCPU of `one`, or of all VMs, from *i on. */
static struct vcpu *next_vcpu(const struct vm *one, unsigned *i)
{
	for (; *i < MAX_VMS * MAX_VCPUS; (*i)++) {
		const struct vm *vm = vms[*i / MAX_VCPUS];
		unsigned id = *i % MAX_VCPUS;

		if (vm != NULL && (one == NULL || vm == one) && id < vm->nr_vcpus) {
			(*i)++;
			return vm->vcpus[id];
		}
	}
	return NULL;
}

static uint64_t ms(uint64_t ticks) { return ticks / MAX(arch_counter_hz() / 1000, UINT64_C(1)); }

static uint64_t us(uint64_t ticks) { return ticks / MAX(arch_counter_hz() / 1000000, UINT64_C(1)); }

static void verb_list(struct vm *vm)
{
	for (unsigned i = 0; i < MAX_VMS; i++) {
		uint64_t ran = 0;

		vm = vms[i];
		for (unsigned j = 0; vm != NULL && j < vm->nr_vcpus; j++)
			ran += sched_run_ticks(vm->vcpus[j]);
		if (vm != NULL)
			report(
			    "id:%2u name:%-16s state:%-10s vcpus:%5u memory_kib:%10lu cpu_ms:%9lu "
			    "restarts:%8u last_stop:%s",
			    i, vm->name, vm_state_name(vm), vm->nr_vcpus, vm->cfg->memory >> 10,
			    ms(ran), vm->restarts, stop_reason_name(vm->reason));
	}
}

static void verb_info(struct vm *vm)
{
	const struct vm_config *c = vm->cfg;
	const char *what = load_relaxed(&vm->crash.what); /* a new life forgets it */
	const struct vcpu *v;

	report("id:%u name:%s state:%s last_stop:%s exit_status:%u restarts:%u restart_limit:%u "
	       "image:%s ramdisk:%s bootargs:%s memory_kib:%lu gic:%u background:%u autostart:%u",
	       vm->slot, vm->name, vm_state_name(vm), stop_reason_name(vm->reason), vm->exit_status,
	       vm->restarts, c->restart_limit, c->image, c->ramdisk, c->bootargs, c->memory >> 10,
	       vm->vgic.version, c->background, c->autostart);
	report("sched:%s weight:%u priority:%u budget_us:%u period_us:%u",
	       c->sched == SCHED_FIXED ? "fixed" : "fair", c->weight, c->priority, c->budget_us,
	       c->period_us);
	if (what != NULL)
		report("crash:%s crash_pc:%#lx crash_vcpu:%u", what, vm->crash.pc, vm->crash.vcpu);
	report("out_queued:%u in_queued:%u in_dropped:%u", vm->port.head - vm->port.tail,
	       vm->port.rx_head - vm->port.rx_tail, vm->port.rx_dropped);
	begin_table("vcpus");
	for (unsigned i = 0; (v = next_vcpu(vm, &i)) != NULL;)
		report("vcpu:%4u state:%-7s cpu:%3u affinity:%#8lx run_ms:%9lu", v->id,
		       vcpu_state_name(v), v->cpu, v->affinity, ms(sched_run_ticks(v)));
}

static void verb_console(struct vm *vm) { console_focus(&vm->port); }

static void verb_stats(struct vm *vm)
{
	const struct vcpu *v;

	begin_table("vcpus");
	for (unsigned i = 0; (v = next_vcpu(vm, &i)) != NULL;) {
		const struct vcpu_stats *s = &v->stats;

		report(
		    "vm:%-16s vcpu:%4u run_ms:%8lu steal_ms:%8lu exits:%8lu mmio:%8lu sysreg:%8lu "
		    "hvc:%7lu wfi:%7lu irq:%7lu wakes:%7lu wake_us:%7lu wake_us_max:%11lu",
		    v->vm->name, v->id, ms(sched_run_ticks(v)), ms(s->steal_ticks), s->nr_exits,
		    s->nr_mmio, s->nr_sysreg, s->nr_hvc, s->nr_wfi, s->nr_irq, s->nr_wakes,
		    us(s->wake_ticks_sum / MAX(s->nr_wakes, UINT64_C(1))), us(s->wake_ticks_max));
	}
	begin_table("cpus");
	for (unsigned i = 0; i < nr_pcpus; i++)
		report("cpu:%3u up_ms:%9lu idle_ms:%9lu interrupts:%10lu switches:%9lu", i,
		       ms(arch_counter()), ms(sched_idle_ticks(i)), view->pcpus[i].nr_irqs,
		       view->pcpus[i].nr_switches);
}

/* Since the last `top`, which saw *seen. Another CPU may account what it ran only just now: then
 * the next look makes up for it. */
static uint64_t since_top(uint64_t ticks, uint64_t *seen)
{
	uint64_t n = ticks > *seen ? ticks - *seen : 0;

	*seen = ticks;
	return n;
}

static void verb_top(struct vm *vm)
{
	uint64_t now = arch_counter(), all = MAX(now - sh.top_at, UINT64_C(1)), n;
	struct vcpu *v;

	sh.top_at = now;
	report("interval_us:%lu", us(all));
	begin_table("vcpus");
	for (unsigned i = 0; (v = next_vcpu(NULL, &i)) != NULL;) {
		n = since_top(sched_run_ticks(v), &sh.run_seen[v->vm->slot][v->id]);
		report("vm:%-16s vcpu:%4u cpu:%3u state:%-7s run_us:%9lu percent:%7lu", v->vm->name,
		       v->id, v->cpu, vcpu_state_name(v), us(n), MIN(n * 100 / all, UINT64_C(100)));
	}
	begin_table("cpus");
	for (unsigned i = 0; i < nr_pcpus; i++) {
		n = since_top(sched_idle_ticks(i), &sh.idle_seen[i]);
		report("cpu:%3u idle_us:%9lu idle_percent:%12lu", i, us(n),
		       MIN(n * 100 / all, UINT64_C(100)));
	}
}

static void verb_sched(struct vm *vm)
{
	const struct vcpu *v;

	for (unsigned i = 0; (v = next_vcpu(NULL, &i)) != NULL;) {
		const struct vm_config *c = v->vm->cfg;

		report("vm:%-16s vcpu:%4u cpu:%3u state:%-7s class:%-5s weight:%6u priority:%8u "
		       "budget_us:%9u period_us:%9u run_ms:%9lu steal_ms:%8lu",
		       v->vm->name, v->id, v->cpu, vcpu_state_name(v),
		       c->sched == SCHED_FIXED ? "fixed" : "fair", c->weight, c->priority,
		       c->budget_us, c->period_us, ms(sched_run_ticks(v)),
		       ms(v->stats.steal_ticks));
	}
}

static void verb_mem(struct vm *vm)
{
	const uint64_t *n = sh.pages;
	uint64_t guests = 0, all = 0, hyp;

	page_counts(sh.pages);
	hyp = n[OWNER_HYP] + n[OWNER_SHARED] + n[MANAGEMENT_SLOT + 1];
	for (unsigned i = 1; i <= MAX_VMS; i++) guests += n[i];
	for (unsigned i = 0; i < NR_OWNERS; i++) all += n[i];
	report("total_kib:%lu guests_kib:%lu hypervisor_kib:%lu free_kib:%lu dirty_kib:%lu "
	       "reserved_kib:%lu",
	       all * 4, guests * 4, hyp * 4, n[OWNER_NONE] * 4, n[OWNER_DIRTY] * 4,
	       n[OWNER_RESERVED] * 4);
}

static void verb_log(struct vm *vm) { console_show_log(); }

/* "on", "off"; else what was recorded: all, of a VM, or of "cpu N". */
static void verb_trace(struct vm *vm)
{
	const char *word = next_word(), *arg;
	uint64_t cpu = UINT64_MAX;

	if (word != NULL && strcmp(word, "cpu") == 0) {
		arg = next_word();
		if (arg == NULL || !str_to_u64(arg, &cpu) || cpu >= nr_pcpus) {
			refuse("which CPU? (0 to %u)", nr_pcpus - 1);
			return;
		}
	} else if (word != NULL && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)) {
		trace_enable(word[1] == 'n');
	} else if (word != NULL && (vm = vm_named(word)) == NULL) {
		return;
	}
	report("exits:%s", trace_on ? "recorded" : "not recorded");
	begin_table("events");
	for (const char *line = trace_text(view->traces, (int)cpu, vm, sh.lines, sizeof(sh.lines));
	     line < sh.lines + sizeof(sh.lines); line += strlen(line) + 1)
		report("event:%s", line);
}

/* --- verbs that change VMs, and wait until that is done ------------------------------------- */

static void wait_for(struct vm *vm)
{
	sh.vm = vm;
	sh.slot = vm->slot;
	sh.waits = true;
	(void)str_copy(sh.name, vm->name, sizeof(sh.name));
}

static bool still_there(void) { return vms[sh.slot] == sh.vm; }

/* Neither the VM's state nor a vCPU is on its way to something else; or its memory is back. */
static bool at_rest(void)
{
	uint32_t state;

	if (!still_there()) return !vm_slot_used(sh.slot);
	state = load_acquire(&sh.vm->state);
	for (unsigned i = 0; state != VM_RUNNING && i < sh.vm->nr_vcpus; i++)
		if (!vcpu_is_out(sh.vm->vcpus[i])) return false;
	return state != VM_LOADING && state != VM_STOPPING && state != VM_RESUMING &&
	       sh.verb->to != VM_GONE;
}

/* What has become of it. */
static void outcome(struct vm *vm)
{
	const char *state = still_there() ? vm_state_name(vm) : "gone";

	if (sh.json)
		report("name:%s state:%s", sh.name, state);
	else
		shell_out("%s is %s\n", sh.name, state);
}

static enum hyp_err stop(struct vm *vm) { return vm_stop(vm, STOP_ADMIN, 0); }

static void verb_change(struct vm *vm)
{
	static const char *const hints[] = {[VM_NEW] = ": start it first",
	                                    [VM_STOPPED] = ": start it first",
	                                    [VM_PAUSED] = ": resume it first",
	                                    [VM_STOPPING] = ": wait",
	                                    [VM_GONE] = NULL};
	const char *hint;
	uint32_t state;

	if (sh.verb->change(vm) == HYP_OK) {
		wait_for(vm);
		return;
	}
	state = load_relaxed(&vm->state);
	hint = hints[state] != NULL ? hints[state] : ": stop it first";
	refuse("%s is %s%s", vm->name, vm_state_name(vm), state == sh.verb->to ? " already" : hint);
}

/* With the files that images can be made of. */
static void refuse_create(const char *name, const char *why)
{
	const char *file;
	size_t n = 0;

	sh.lines[0] = '\0';
	for (unsigned i = 0; (file = fit_name(sh.bundle, i)) != NULL; i++)
		if (strcmp(file, "manifest") != 0)
			str_append(sh.lines, sizeof(sh.lines), &n, " %s", file);
	refuse("%s is not created: %s; the bundle has%s", name, why, sh.lines);
}

static void verb_create(struct vm *vm)
{
	char none[] = "";
	const char *name = next_word();
	enum hyp_err err;

	if (name == NULL) {
		refuse("which name? (create NAME image=FILE memory=KIB ...)");
		return;
	}
	err = config_create(name, sh.args != NULL ? sh.args : none, &sh.cfg);
	if (err == HYP_EINVAL)
		refuse_create(name, "see the log");
	else if (err == HYP_ENOENT)
		refuse_create(name,
		              "the manifest has no such node: say at least image= and memory=");
	else if (err != HYP_OK || (err = management_create(&sh.cfg, &vm)) != HYP_OK)
		refuse("%s is not created: %s", name, hyp_err_str(err));
	else if (sh.cfg.autostart && vm_start(vm) != HYP_OK)
		refuse("%s is created, but does not start", name);
	else
		wait_for(vm);
}

static void show_irqs(struct vm *vm)
{
	const struct vgic_irq *q;

	/* Each vCPU's own, then those of all. */
	for (unsigned i = 0; i <= vm->nr_vcpus; i++) {
		struct vcpu *v = i < vm->nr_vcpus ? vm->vcpus[i] : NULL;
		uint32_t id = v != NULL ? 0 : VGIC_NR_PRIVATE;

		for (; id < VGIC_NR_PRIVATE + (v != NULL ? 0 : vm->vgic.nr_spis); id++)
			if ((q = vgic_peek(vm, v, id)) != NULL)
				report("intid:%5u vcpu:%4u pending:%7u active:%6u enabled:%7u "
				       "trigger:%-7s priority:%#8x group:%5u",
				       id,
				       q->on_list != NULL ? q->on_list->id
				       : q->to != NULL    ? q->to->id
				                          : 0,
				       vgic_irq_pending(q), q->active, q->enabled,
				       q->edge ? "edge" : "level", q->priority, q->group1);
	}
}

/*
 * A VM that runs is paused for it: with all vCPUs out nothing is left in a CPU's registers, and all
 * that is shown fits together. Its time stands still, so that it does not notice. One that does not
 * run is shown as it was left.
 */
static void look(struct vm *vm)
{
	if (sh.vcpu == NULL) return; /* was shown, and the VM goes on */
	if (!still_there()) {
		refuse("%s is gone", sh.name);
		return;
	}
	if (load_relaxed(&vm->state) == VM_RUNNING) {
		sh.paused = vm_pause(vm) == HYP_OK;
		sh.waits = true;
		return;
	}
	if (sh.verb->json != '\0')
		show_irqs(vm);
	else if (sh.address != NULL)
		dump_address(sh.vcpu, sh.at);
	else
		dump_registers(sh.vcpu);
	/* EBUSY: it was stopped meanwhile. */
	sh.waits = sh.paused && vm_resume(vm) == HYP_OK;
	sh.vcpu = NULL;
}

/* irq VM, dump VM [VCPU [ADDRESS]] */
static void verb_look(struct vm *vm)
{
	const char *word = next_word();
	uint64_t id = 0;

	sh.address = next_word();
	if (word != NULL && (!str_to_u64(word, &id) || id >= vm->nr_vcpus)) {
		refuse("which vCPU? (%s has 0 to %u)", vm->name, vm->nr_vcpus - 1);
	} else if (sh.address != NULL && !str_to_u64(sh.address, &sh.at)) {
		refuse("which address? ('%.32s' is no number)", sh.address);
	} else {
		sh.vcpu = vm->vcpus[id];
		sh.paused = false;
		wait_for(vm);
	}
}

static void verb_version(struct vm *vm)
{
	char cpu[48];

	arch_cpu_name(cpu, sizeof(cpu));
	report("version:%s board:%s cpus:%u cpu:%s gic:%u up_ms:%lu", ATOLL_VERSION, host.model,
	       nr_pcpus, cpu, arch_gic_info()->version, ms(arch_counter()));
}

static void verb_help(struct vm *vm)
{
	const char *word = next_word();

	for (const struct verb *v = shell_verbs; v->name != NULL; v++)
		if (word == NULL || strcmp(word, v->name) == 0)
			report("verb:%-8s arguments:%-20s what:%s", v->name, v->usage, v->help);
}

static void verb_power(struct vm *vm)
{
	bool off = sh.verb->name[0] == 'p';

	if (off)
		arch_system_off();
	else
		arch_system_reset();
	refuse("this board cannot be %s by software", off ? "switched off" : "reset");
}

const struct verb shell_verbs[] = {
    {"list", "", "all VMs: state, memory, CPU time", verb_list, .json = '['},
    {"info", "VM", "a VM's configuration and state", verb_info, .json = '{'},
    {"create", "NAME [WORD=VALUE...]", "a VM of the manifest's words, or its node", verb_create,
     .json = '{'},
    {"start", "VM", "load and run a VM that is new or stopped", verb_change, '{', vm_start,
     VM_RUNNING},
    {"stop", "VM", "stop a VM, as if it were switched off", verb_change, '{', stop, VM_STOPPED},
    {"pause", "VM", "hold a VM; its time stands still", verb_change, '{', vm_pause, VM_PAUSED},
    {"resume", "VM", "let a paused VM go on", verb_change, '{', vm_resume, VM_RUNNING},
    {"restart", "VM", "stop and start a VM", verb_change, '{', vm_restart, VM_RUNNING},
    {"destroy", "VM", "stop a VM and give back its memory", verb_change, '{', vm_destroy, VM_GONE},
    {"console", "VM", "give the keyboard to a VM (back: Ctrl-] h)", .fn = verb_console},
    {"top", "", "share of the CPUs since the last top", verb_top, .json = '{'},
    {"stats", "[VM]", "run and steal time, exits by kind, wake-up latency", verb_stats,
     .json = '{'},
    {"sched", "", "classes and parameters of all vCPUs", verb_sched, .json = '['},
    {"irq", "VM", "a VM's interrupts that are not idle", verb_look, .json = '['},
    {"mem", "", "physical memory by owner", verb_mem, .json = '{'},
    {"log", "", "the last 16 KiB of the hypervisor's log", .fn = verb_log},
    {"trace", "[on|off|VM|cpu N]", "the last exits and events", verb_trace, .json = '{'},
    {"dump", "VM [VCPU [ADDRESS]]", "registers and backtrace; how an address is translated",
     .fn = verb_look},
    {"version", "", "version, board, CPUs", verb_version, .json = '{'},
    {"help", "[VERB]", "this list", verb_help, .json = '['},
    {"reboot", "", "reset the machine", .fn = verb_power},
    {"poweroff", "", "switch the machine off", .fn = verb_power},
    {.name = NULL},
};

/* --- the line ------------------------------------------------------------------------------ */

/* Takes --json out of the line; true: it was there. */
static bool take_json(void)
{
	for (char *at = sh.line; (at = strchr(at, ' ')) != NULL; at++)
		if (strncmp(at, " --json", 7) == 0 && (at[7] == '\0' || at[7] == ' '))
			return memset(at, ' ', 7) != NULL;
	return false;
}

/* A line was typed: its verb runs, with the VM that its usage begins with. */
static void start_verb(void)
{
	const struct verb *v = shell_verbs;
	const char *word;
	struct vm *vm = NULL;

	sh.json = take_json();
	sh.refused = sh.brace = sh.comma = sh.table = sh.headed = false;
	sh.args = sh.line;
	word = next_word();
	if (word == NULL) return;
	while (v->name != NULL && strcmp(v->name, word) != 0) v++;
	if (v->name == NULL)
		refuse("no such command: '%.32s'; `help` lists them", word);
	else if (sh.json && v->json == '\0')
		refuse("`%s` has nothing to say in JSON", word);
	else if (strncmp(v->usage + (v->usage[0] == '['), "VM", 2) == 0 &&
	         ((word = next_word()) != NULL || v->usage[0] == 'V'))
		vm = vm_named(word);
	if (sh.refused) return;
	sh.verb = v;
	sh.table = v->json == '[';
	sh.brace = sh.json && !sh.table;
	if (sh.json) shell_out("%c", v->json);
	v->fn(vm);
}

static void erase(unsigned n)
{
	for (; n > 0 && sh.len > 0; n--) {
		sh.len--;
		shell_out("\b \b");
	}
}

static void insert(uint8_t c)
{
	if (c < ' ' || c >= 0x7f || sh.len + 1 == sizeof(sh.line)) return;
	sh.line[sh.len++] = (char)c;
	shell_out("%c", c);
}

/* An ANSI sequence begins or goes on: only "up" means something, the line before. */
static void ansi(uint8_t c)
{
	bool up = sh.esc == 2 && c == 'A';

	if (up) erase(LINE_MAX);
	for (const char *p = sh.last; up && *p != '\0'; p++) insert((uint8_t)*p);
	if (c == 0x1b)
		sh.esc = 1;
	else if (sh.esc == 1)
		sh.esc = c == '[' || c == 'O' ? 2 : 0;
	else
		sh.esc = c < '@' ? 2 : 0;
}

/* True: a line is complete. */
static bool key(uint8_t c)
{
	bool lf = c == '\n' && sh.prev == '\r';

	sh.prev = c;
	if (lf) return false;
	if (c == 0x1b || sh.esc != 0) {
		ansi(c);
	} else if (c == 0) {
		sh.len = 0;
		shell_out(PROMPT);
	} else if (c == '\r' || c == '\n') {
		sh.line[sh.len] = '\0';
		if (sh.len != 0) (void)str_copy(sh.last, sh.line, sizeof(sh.last));
		sh.len = 0;
		shell_out("\n");
		flush(); /* what a refusal drops is the verb's own */
		return true;
	} else if (c == '\b' || c == 0x7f) {
		erase(1);
	} else if (c == 0x15 || c == 0x03) { /* Ctrl-U, Ctrl-C */
		erase(LINE_MAX);
	} else {
		insert(c);
	}
	return false;
}

/* A key, or another look of the verb that waits. */
static void turn(void)
{
	bool first = !sh.waits;

	if (!first) {
		management_sleep(POLL_US);
	} else if (!key(management_key())) {
		flush();
		return;
	}
	management_refresh();
	console_shell_alone(true);
	if (first) {
		start_verb();
	} else if (at_rest()) {
		sh.waits = false;
		if (sh.verb->fn == verb_look)
			look(sh.vm);
		else
			outcome(sh.vm);
	}
	if (!sh.waits) {
		end_table();
		shell_out("%s%s" PROMPT, sh.brace ? "}" : "", sh.json ? "\n" : "");
		flush();
	}
	console_shell_alone(false);
}

noreturn void shell_run(const struct fit *bundle)
{
	sh.bundle = bundle;
	console_shell_alone(false); /* a verb of an earlier life has not said so */
	for (;;) turn();
}
