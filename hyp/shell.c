/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management shell: line editing and a table of verbs, all of it in one job. What a verb
 * reports it names by columns, from which both the text and, with --json, the JSON are made.
 */
#include <hyp/shell.h>

#include <arch/cpu.h>
#include <arch/gic.h>
#include <arch/timer.h>
#include <gen/version.h>
#include <hyp/atomic.h>
#include <hyp/console.h>
#include <hyp/deadline.h>
#include <hyp/fit.h>
#include <hyp/host.h>
#include <hyp/job.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/trace.h>
#include <hyp/vcpu.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>
#include <lib/printf.h>
#include <lib/str.h>
#include <string.h>

#define LINE_MAX 640u /* room for a VM's bootargs */
#define INPUT_MAX 1024u
#define OUT_MAX KiB(8) /* bytes of one shell_out() */
#define PROMPT "atoll> "
#define SHELL_WEIGHT 1000u
#define POLL_US 500u

struct verb {
	const char *name, *usage, *help;
	bool (*fn)(void); /* true: it waits for something and is to be called again */
	bool json;
};
extern const struct verb shell_verbs[];

/* The job's alone, but for the ring of input. */
static struct {
	struct job job;
	struct deadline poll; /* a verb that waits looks again */
	uint8_t input[INPUT_MAX];
	uint32_t in_head, in_tail; /* shared: bytes given by the console, taken by the job */
	char line[LINE_MAX], last[LINE_MAX];
	unsigned len;
	const struct verb *verb; /* runs; NULL: a line is being typed */
	char *args;              /* what follows it in line */
	struct vm *vm;           /* what it waits for: good while it is vms[slot] */
	uint32_t slot;
	char name[CONFIG_NAME_MAX]; /* of vm */
	bool destroys;              /* what it waits for is that vm is gone */
	struct vcpu *vcpu;          /* dump: of vm; NULL: was shown */
	const char *address;        /* dump: may be NULL */
	uint64_t at;                /* the same as a number */
	bool paused;                /* dump: goes on afterwards */
	const struct fit *bundle;
	bool json, comma;
	uint8_t prev, esc;                     /* last byte; progress within an ANSI sequence */
	bool headed;                           /* the table being shown has its head */
	uint64_t top_at, idle_seen[MAX_PCPUS]; /* when `top` last looked, and what it saw */
	struct vm_config cfg;
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

/* An object or an array begins: the member `key`, or (NULL) an element. As text an array is a
 * table. */
static void begin(const char *key, char bracket)
{
	sh.headed = false;
	if (!sh.json) return;
	shell_out(sh.comma ? "," : "");
	if (key != NULL) shell_out("\"%s\":", key);
	shell_out("%c", bracket);
	sh.comma = false;
}

static void end(char bracket)
{
	if (sh.json)
		shell_out("%c", bracket);
	else if (bracket == ']' && !sh.headed)
		shell_out("none\n");
	sh.comma = true;
}

/* s in sh.text, fit for a terminal and for JSON, whatever guests and users put into it. */
static void set_text(const char *s, size_t max)
{
	size_t n = 0;

	sh.text[0] = '\0';
	for (; max-- != 0 && *s != '\0'; s++) {
		bool plain = *s >= ' ' && *s < 0x7f && !(sh.json && (*s == '"' || *s == '\\'));
		const char *fmt = plain ? "%c" : sh.json ? "\\u%04x" : "?";

		str_append(sh.text, sizeof(sh.text), &n, fmt, (uint8_t)*s);
	}
}

/* The list of arguments lies in a struct: only so can it be handed on by reference. */
struct args {
	va_list ap;
};

/* One character of a format, or a conversion and its argument; in a table's head (a NULL) sh.text.
 * Returns what follows. */
static const char *put_piece(const char *p, struct args *a)
{
	char spec[12], c;
	bool wide = false;
	size_t n = 0;

	if (*p != '%') {
		if (a != NULL) shell_out("%c", *p);
		return p + 1;
	}
	do {
		c = *p++;
		wide = wide || c == 'l';
		if (strchr("lsux", c) == NULL) spec[n++] = c;
	} while (strchr("sux", c) == NULL);
	(void)str_copy(spec + n,
	               a == NULL || c == 's' ? "s"
	               : c == 'u'            ? "lu"
	                                     : "lx",
	               sizeof(spec) - n);
	if (a != NULL && c != 's') {
		uint64_t v = wide ? va_arg(a->ap, uint64_t) : va_arg(a->ap, unsigned);

		shell_out(!sh.json ? spec : c == 'x' ? "\"%#lx\"" : "%lu", v);
	} else {
		if (a != NULL) set_text(va_arg(a->ap, const char *), SIZE_MAX);
		shell_out(sh.json ? "\"%s\"" : spec, sh.text);
		sh.text[0] = '\0'; /* a head stands over the first conversion */
	}
	return p;
}

/*
 * What is reported is described by one format, of "key:CONVERSIONS" with blanks between: members of
 * an object in JSON; as text the columns of a table, whose head are the keys, or a line each.
 */
enum layout { HEAD, ROW, FIELDS };

static void put_cells(enum layout how, const char *fmt, struct args *a)
{
	while (*fmt != '\0') {
		int len = (int)(strchr(fmt, ':') - fmt);

		if (how == HEAD)
			set_text(fmt, (size_t)len);
		else if (sh.json)
			shell_out("%s\"%.*s\":", sh.comma ? "," : "", len, fmt);
		else if (how == FIELDS)
			shell_out("%-15.*s ", len, fmt);
		for (fmt += len + 1; *fmt != '\0' && *fmt != ' ';) fmt = put_piece(fmt, a);
		fmt += *fmt == ' ';
		sh.comma = true;
		if (!sh.json) shell_out(how == FIELDS || *fmt == '\0' ? "\n" : " ");
	}
}

static void fields(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void fields(const char *fmt, ...)
{
	struct args a;

	va_start(a.ap, fmt);
	put_cells(FIELDS, fmt, &a);
	va_end(a.ap);
}

static void row(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void row(const char *fmt, ...)
{
	struct args a;

	if (!sh.json && !sh.headed) put_cells(HEAD, fmt, NULL);
	begin(NULL, '{');
	va_start(a.ap, fmt);
	put_cells(ROW, fmt, &a);
	va_end(a.ap);
	end('}');
	sh.headed = true;
}

/* Why a verb does nothing. Returns false, as what a verb that is over does. */
static bool refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool refuse(const char *fmt, ...)
{
	char buf[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	begin(NULL, '{');
	if (sh.json)
		fields("error:%s", buf);
	else
		shell_out("%s\n", buf);
	end('}');
	return false;
}

/* --- verbs --------------------------------------------------------------------------------- */

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

static struct vm *vm_arg(void) { return vm_named(str_word(&sh.args)); }

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

static bool verb_list(void)
{
	begin(NULL, '[');
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm *vm = vms[i];
		uint64_t ran = 0;

		for (unsigned j = 0; vm != NULL && j < vm->nr_vcpus; j++)
			ran += sched_run_ticks(vm->vcpus[j]);
		if (vm != NULL)
			row("id:%2u name:%-16s state:%-10s vcpus:%5u memory_kib:%10lu cpu_ms:%9lu "
			    "restarts:%8u last_stop:%s",
			    i, vm->name, vm_state_name(vm), vm->nr_vcpus, vm->cfg->memory >> 10,
			    ms(ran), vm->restarts, stop_reason_name(vm->reason));
	}
	end(']');
	return false;
}

static bool verb_info(void)
{
	const struct vm *vm = vm_arg();
	const struct vm_config *c;
	const struct vcpu *v;

	if (vm == NULL) return false;
	c = vm->cfg;
	begin(NULL, '{');
	fields("id:%u name:%s state:%s last_stop:%s exit_status:%u restarts:%u restart_limit:%u "
	       "image:%s ramdisk:%s bootargs:%s memory_kib:%lu gic:%u background:%u autostart:%u",
	       vm->slot, vm->name, vm_state_name(vm), stop_reason_name(vm->reason), vm->exit_status,
	       vm->restarts, c->restart_limit, c->image, c->ramdisk, c->bootargs, c->memory >> 10,
	       vm->vgic.version, c->background, c->autostart);
	if (c->sched == SCHED_FIXED)
		fields("sched:%s priority:%u budget_us:%u period_us:%u", "fixed", c->priority,
		       c->budget_us, c->period_us);
	else
		fields("sched:%s weight:%u", "fair", c->weight);
	if (vm->crash.valid)
		fields("crash:%s crash_pc:%#lx crash_vcpu:%u", vm->crash.what, vm->crash.pc,
		       vm->crash.vcpu);
	fields("out_queued:%u in_queued:%u in_dropped:%u", vm->port.head - vm->port.tail,
	       vm->port.rx_head - vm->port.rx_tail, vm->port.rx_dropped);
	begin("vcpus", '[');
	for (unsigned i = 0; (v = next_vcpu(vm, &i)) != NULL;)
		row("vcpu:%4u state:%-7s cpu:%3u affinity:%#8lx run_ms:%9lu", v->id,
		    vcpu_state_name(v), v->cpu, v->affinity, ms(sched_run_ticks(v)));
	end(']');
	end('}');
	return false;
}

static bool verb_console(void)
{
	struct vm *vm = vm_arg();

	if (vm != NULL) console_focus(&vm->port);
	return false;
}

static bool verb_stats(void)
{
	const struct vm *one = NULL;
	const struct vcpu *v;

	if (*sh.args != '\0' && (one = vm_arg()) == NULL) return false;
	begin(NULL, '{');
	begin("vcpus", '[');
	for (unsigned i = 0; (v = next_vcpu(one, &i)) != NULL;) {
		const struct vcpu_stats *s = &v->stats;

		row("vm:%-16s vcpu:%4u run_ms:%8lu steal_ms:%8lu exits:%8lu mmio:%8lu sysreg:%8lu "
		    "hvc:%7lu wfi:%7lu irq:%7lu wakes:%7lu wake_us:%7lu wake_us_max:%11lu",
		    v->vm->name, v->id, ms(sched_run_ticks(v)), ms(s->steal_ticks), s->nr_exits,
		    s->nr_mmio, s->nr_sysreg, s->nr_hvc, s->nr_wfi, s->nr_irq, s->nr_wakes,
		    us(s->wake_ticks_sum / MAX(s->nr_wakes, UINT64_C(1))), us(s->wake_ticks_max));
	}
	end(']');
	begin("cpus", '[');
	for (unsigned i = 0; i < nr_pcpus; i++)
		row("cpu:%3u up_ms:%9lu idle_ms:%9lu interrupts:%10lu switches:%9lu", i,
		    ms(arch_counter()), ms(sched_idle_ticks(i)), pcpus[i].nr_irqs,
		    pcpus[i].nr_switches);
	end(']');
	end('}');
	return false;
}

/* Of the time since the last `top`, in thousandths; *seen: the ticks until then. */
static uint64_t share(uint64_t ticks, uint64_t *seen, uint64_t elapsed)
{
	/* Another CPU may account what it ran just now: the next look makes up for it. */
	uint64_t n = ticks > *seen ? (ticks - *seen) * 1000 / MAX(elapsed, UINT64_C(1)) : 0;

	*seen = ticks;
	return MIN(n, UINT64_C(1000));
}

static bool verb_top(void)
{
	uint64_t now = arch_counter(), elapsed = now - sh.top_at, n;
	struct vcpu *v;

	sh.top_at = now;
	begin(NULL, '{');
	fields("interval_ms:%lu", ms(elapsed));
	begin("vcpus", '[');
	for (unsigned i = 0; (v = next_vcpu(NULL, &i)) != NULL;) {
		n = share(sched_run_ticks(v), &v->stats.run_seen, elapsed);
		row("vm:%-16s vcpu:%4u cpu:%3u state:%-7s percent:%5lu.%lu", v->vm->name, v->id,
		    v->cpu, vcpu_state_name(v), n / 10, n % 10);
	}
	end(']');
	begin("cpus", '[');
	for (unsigned i = 0; i < nr_pcpus; i++) {
		n = share(sched_idle_ticks(i), &sh.idle_seen[i], elapsed);
		row("cpu:%3u idle_percent:%10lu.%lu", i, n / 10, n % 10);
	}
	end(']');
	end('}');
	return false;
}

static bool verb_sched(void)
{
	const struct vcpu *v;

	begin(NULL, '[');
	for (unsigned i = 0; (v = next_vcpu(NULL, &i)) != NULL;) {
		const struct vm_config *c = v->vm->cfg;
		bool fixed = c->sched == SCHED_FIXED;

		row("vm:%-16s vcpu:%4u cpu:%3u state:%-7s class:%-5s weight:%6u priority:%8u "
		    "budget_us:%9u period_us:%9u run_ms:%9lu steal_ms:%8lu",
		    v->vm->name, v->id, v->cpu, vcpu_state_name(v), fixed ? "fixed" : "fair",
		    fixed ? 0 : c->weight, c->priority, c->budget_us, c->period_us,
		    ms(sched_run_ticks(v)), ms(v->stats.steal_ticks));
	}
	end(']');
	return false;
}

static bool verb_irq(void)
{
	struct vm *vm = vm_arg();
	struct vgic_irq q;
	bool pending;

	if (vm == NULL) return false;
	begin(NULL, '[');
	/* Each vCPU's own, then those of all. */
	for (unsigned i = 0; i < MAX_VCPUS * VGIC_NR_PRIVATE + vm->vgic.nr_spis; i++) {
		unsigned id = i / VGIC_NR_PRIVATE;
		bool spi = id >= MAX_VCPUS;
		uint32_t intid = spi ? i - (MAX_VCPUS - 1) * VGIC_NR_PRIVATE : i % VGIC_NR_PRIVATE;

		if (vgic_peek(vm, spi || id >= vm->nr_vcpus ? NULL : vm->vcpus[id], intid, &q,
		              &pending))
			row("intid:%5u vcpu:%4u pending:%7u active:%6u in_lr:%5u enabled:%7u "
			    "trigger:%-7s "
			    "priority:%#8x group:%5u",
			    q.intid, q.on_list != NULL ? q.on_list->id : q.target, pending,
			    q.active, q.in_lr, q.enabled, q.edge ? "edge" : "level", q.priority,
			    q.group1);
	}
	end(']');
	return false;
}

static bool verb_mem(void)
{
	struct page_stats st;

	page_get_stats(&st);
	begin(NULL, '{');
	fields("total_kib:%lu guests_kib:%lu hypervisor_kib:%lu free_kib:%lu dirty_kib:%lu "
	       "reserved_kib:%lu",
	       st.total * 4, st.guest * 4, st.hyp * 4, st.free * 4, st.dirty * 4, st.reserved * 4);
	end('}');
	return false;
}

static bool verb_log(void)
{
	uint32_t pos = 0;
	size_t n;

	while ((n = console_read_back(&pos, sh.lines, sizeof(sh.lines))) != 0)
		shell_out("%.*s", (int)n, sh.lines);
	return false;
}

/* "on", "off"; else what was recorded: all, of a VM, or of "cpu N". */
static bool verb_trace(void)
{
	const char *word = str_word(&sh.args), *arg;
	const struct vm *vm = NULL;
	char *at = sh.lines, *eol;
	uint64_t cpu = UINT64_MAX;

	if (word != NULL && strcmp(word, "cpu") == 0) {
		arg = str_word(&sh.args);
		if (arg == NULL || !str_to_u64(arg, &cpu) || cpu >= nr_pcpus)
			return refuse("which CPU? (0 to %u)", nr_pcpus - 1);
	} else if (word != NULL && (strcmp(word, "on") == 0 || strcmp(word, "off") == 0)) {
		trace_enable(word[1] == 'n');
	} else if (word != NULL && (vm = vm_named(word)) == NULL) {
		return false;
	}
	(void)trace_text((int)cpu, vm, sh.lines, sizeof(sh.lines));
	begin(NULL, '{');
	fields("exits:%s", trace_on ? "recorded" : "not recorded");
	begin("events", '[');
	for (; (eol = strchr(at, '\n')) != NULL; at = eol + 1) {
		*eol = '\0';
		row("event:%s", at);
	}
	end(']');
	end('}');
	return false;
}

/* --- verbs that change VMs, and wait until that is done ------------------------------------- */

/* A verb that waits is called again: is what it waits for still there? */
static bool still_there(void) { return vms[sh.slot] == sh.vm; }

/* Neither its state nor a vCPU is on its way to something else. */
static bool settled(const struct vm *vm)
{
	uint32_t state = load_acquire(&vm->state);

	for (unsigned i = 0; state != VM_RUNNING && i < vm->nr_vcpus; i++)
		if (!vcpu_is_out(vm->vcpus[i])) return false;
	return state != VM_LOADING && state != VM_STOPPING && state != VM_RESUMING;
}

static void wait_for(struct vm *vm)
{
	sh.vm = vm;
	sh.slot = vm->slot;
	sh.destroys = false;
	(void)str_copy(sh.name, vm->name, sizeof(sh.name));
}

static bool wrong_state(const struct vm *vm, enum vm_state to)
{
	static const char *const remedies[] = {[VM_NEW] = "start it first",
	                                       [VM_LOADING] = "wait",
	                                       [VM_RUNNING] = "stop it first",
	                                       [VM_PAUSED] = "resume it first",
	                                       [VM_RESUMING] = "wait",
	                                       [VM_STOPPING] = "wait",
	                                       [VM_BACKOFF] = "stop it first",
	                                       [VM_STOPPED] = "start it first",
	                                       [VM_GONE] = "it is being destroyed"};
	uint32_t state = load_relaxed(&vm->state);

	if (state == to) return refuse("%s is %s already", vm->name, vm_state_name(vm));
	return refuse("%s is %s: %s", vm->name, vm_state_name(vm), remedies[state]);
}

static enum hyp_err stop(struct vm *vm) { return vm_stop(vm, STOP_ADMIN, 0); }

static const struct change {
	const char *verb;
	enum hyp_err (*change)(struct vm *vm);
	enum vm_state to;
} changes[] = {
    {"start", vm_start, VM_RUNNING},     {"stop", stop, VM_STOPPED},
    {"pause", vm_pause, VM_PAUSED},      {"resume", vm_resume, VM_RUNNING},
    {"restart", vm_restart, VM_RUNNING}, {"destroy", vm_destroy, VM_GONE},
};

/* Waits for sh.vm, and tells what has become of it. */
static bool outcome(void)
{
	bool there = still_there();

	if (there && (!settled(sh.vm) || sh.destroys)) return true;
	if (!there && vm_slot_used(sh.slot)) return true; /* its memory is not back yet */
	begin(NULL, '{');
	if (sh.json)
		fields("name:%s state:%s", sh.name, there ? vm_state_name(sh.vm) : "gone");
	else
		shell_out("%s is %s\n", sh.name, there ? vm_state_name(sh.vm) : "gone");
	end('}');
	return false;
}

static bool verb_change(void)
{
	const struct change *c = changes;
	struct vm *vm;

	if (sh.vm != NULL) return outcome();
	vm = vm_arg();
	if (vm == NULL) return false;
	while (strcmp(c->verb, sh.verb->name) != 0) c++;
	if (c->change(vm) != HYP_OK) return wrong_state(vm, c->to);
	wait_for(vm);
	sh.destroys = c->to == VM_GONE;
	return true;
}

/* The files that images can be made of. */
static bool refuse_create(const char *name, const char *why)
{
	const char *file;
	size_t n = 0;

	for (unsigned i = 0; (file = fit_name(sh.bundle, i)) != NULL; i++)
		if (strcmp(file, "manifest") != 0)
			str_append(sh.lines, sizeof(sh.lines), &n, " %s", file);
	return refuse("%s is not created: %s; the bundle has%s", name, why,
	              n != 0 ? sh.lines : " no file");
}

static bool verb_create(void)
{
	const char *name;
	enum hyp_err err;
	struct vm *vm;

	if (sh.vm != NULL) return outcome();
	name = str_word(&sh.args);
	if (name == NULL) return refuse("which name? (create NAME image=FILE memory=KIB ...)");
	err = config_create(name, sh.args, &sh.cfg);
	if (err == HYP_EINVAL) return refuse_create(name, "see the log");
	if (err == HYP_ENOENT)
		return refuse_create(
		    name, "the manifest has no such node: say at least image= and memory=");
	if (err == HYP_OK) err = vm_create(&sh.cfg, &vm);
	if (err != HYP_OK) return refuse("%s is not created: %s", name, hyp_err_str(err));
	if (sh.cfg.autostart) err = vm_start(vm);
	wait_for(vm);
	return true;
}

/* dump VM [VCPU [ADDRESS]] */
static bool dump_args(void)
{
	struct vm *vm = vm_arg();
	const char *word = str_word(&sh.args);
	uint64_t id = 0;

	if (vm == NULL) return false;
	if (word != NULL && (!str_to_u64(word, &id) || id >= vm->nr_vcpus))
		return refuse("which vCPU? (%s has 0 to %u)", vm->name, vm->nr_vcpus - 1);
	sh.address = str_word(&sh.args);
	if (sh.address != NULL && !str_to_u64(sh.address, &sh.at))
		return refuse("which address? ('%.32s' is no number)", sh.address);
	sh.vcpu = vm->vcpus[id];
	sh.paused = false;
	wait_for(vm);
	return true;
}

/*
 * A VM that runs is paused for it: with all vCPUs out, registers and memory fit together, and its
 * time stands still, so that it does not notice. One that does not run is shown as it was left.
 */
static bool verb_dump(void)
{
	if (sh.vm == NULL && !dump_args()) return false;
	if (!still_there()) return refuse("%s is gone", sh.name);
	if (sh.vcpu == NULL) return !settled(sh.vm);
	sh.paused = sh.paused || vm_pause(sh.vm) == HYP_OK;
	if (load_relaxed(&sh.vm->state) == VM_RUNNING || !settled(sh.vm)) return true;
	if (sh.address != NULL)
		dump_address(sh.vcpu, sh.at);
	else
		dump_registers(sh.vcpu);
	sh.vcpu = NULL;
	if (sh.paused && vm_resume(sh.vm) != HYP_OK) shell_out("it has stopped meanwhile\n");
	return true;
}

static bool verb_version(void)
{
	char cpu[48];

	arch_cpu_name(cpu, sizeof(cpu));
	begin(NULL, '{');
	fields("version:%s board:%s cpus:%u cpu:%s gic:%u up_ms:%lu", ATOLL_VERSION, host.model,
	       nr_pcpus, cpu, arch_gic_info()->version, ms(arch_counter()));
	end('}');
	return false;
}

static bool verb_help(void)
{
	const char *word = str_word(&sh.args);

	begin(NULL, '[');
	for (const struct verb *v = shell_verbs; v->name != NULL; v++)
		if (word == NULL || strcmp(word, v->name) == 0)
			row("verb:%-8s arguments:%-20s what:%s", v->name, v->usage, v->help);
	end(']');
	return false;
}

static bool verb_reboot(void)
{
	console_flush();
	arch_system_reset();
	return refuse("this board cannot be reset by software");
}

static bool verb_poweroff(void)
{
	console_flush();
	arch_system_off();
	return refuse("this board cannot be switched off by software");
}

const struct verb shell_verbs[] = {
    {"list", "", "all VMs: state, memory, CPU time", verb_list, true},
    {"info", "VM", "a VM's configuration and state", verb_info, true},
    {"create", "NAME [WORD=VALUE...]", "a VM of the manifest's words, or its node", verb_create,
     true},
    {"start", "VM", "load and run a VM that is new or stopped", verb_change, true},
    {"stop", "VM", "stop a VM, as if it were switched off", verb_change, true},
    {"pause", "VM", "hold a VM; its time stands still", verb_change, true},
    {"resume", "VM", "let a paused VM go on", verb_change, true},
    {"restart", "VM", "stop and start a VM", verb_change, true},
    {"destroy", "VM", "stop a VM and give back its memory", verb_change, true},
    {"console", "VM", "give the keyboard to a VM (back: Ctrl-] h)", verb_console, false},
    {"top", "", "share of the CPUs since the last top", verb_top, true},
    {"stats", "[VM]", "run and steal time, exits by kind, wake-up latency", verb_stats, true},
    {"sched", "", "classes and parameters of all vCPUs", verb_sched, true},
    {"irq", "VM", "a VM's interrupts that are not idle", verb_irq, true},
    {"mem", "", "physical memory by owner", verb_mem, true},
    {"log", "", "the last 16 KiB of the hypervisor's log", verb_log, false},
    {"trace", "[on|off|VM|cpu N]", "the last exits and events", verb_trace, true},
    {"dump", "VM [VCPU [ADDRESS]]", "registers and backtrace; how an address is translated",
     verb_dump, false},
    {"version", "", "version, board, CPUs", verb_version, true},
    {"help", "[VERB]", "this list", verb_help, true},
    {"reboot", "", "reset the machine", verb_reboot, false},
    {"poweroff", "", "switch the machine off", verb_poweroff, false},
    {NULL, NULL, NULL, NULL, false},
};

/* --- the line ------------------------------------------------------------------------------ */

/* Takes --json out of the line; true: it was there. */
static bool take_json(char *line)
{
	for (char *at = strchr(line, ' '); at != NULL; at = strchr(at + 1, ' ')) {
		if (strncmp(at, " --json", 7) == 0 && (at[7] == '\0' || at[7] == ' ')) {
			memset(at, ' ', 7);
			return true;
		}
	}
	return false;
}

/* A line was typed: its verb is to run. */
static void start_verb(void)
{
	const struct verb *v = shell_verbs;
	char *line = sh.line;
	const char *word;

	sh.json = take_json(line);
	sh.comma = false;
	sh.vm = NULL;
	word = str_word(&line);
	if (word == NULL) return;
	while (v->name != NULL && strcmp(v->name, word) != 0) v++;
	while (*line == ' ') line++;
	sh.args = line;
	if (v->name == NULL)
		refuse("no such command: '%.32s'; `help` lists them", word);
	else if (sh.json && !v->json)
		refuse("`%s` has nothing to say in JSON", word);
	else
		sh.verb = v;
}

/* Shows an empty line again, with text (may be sh.line itself) in it. */
static void set_line(const char *text)
{
	for (; sh.len > 0; sh.len--) shell_out("\b \b");
	(void)str_copy(sh.line, text, sizeof(sh.line));
	sh.len = (unsigned)strlen(sh.line);
	shell_out("%s", sh.line);
}

static void enter(void)
{
	sh.line[sh.len] = '\0';
	shell_out("\n");
	if (sh.len != 0) (void)str_copy(sh.last, sh.line, sizeof(sh.last));
	sh.len = 0;
	start_verb();
}

/* True: the byte belongs to an ANSI sequence, of which only "up" means something. */
static bool ansi(uint8_t c)
{
	bool last = sh.esc == 2 && c >= '@';

	if (sh.esc == 0 && c != 0x1b) return false;
	if (last && c == 'A') set_line(sh.last);
	sh.esc = last || (sh.esc == 1 && c != '[' && c != 'O') ? 0 : sh.esc == 0 ? 1 : 2;
	return true;
}

/* True: a line is complete. */
static bool key(uint8_t c)
{
	bool lf = c == '\n' && sh.prev == '\r';

	sh.prev = c;
	if (lf || ansi(c)) return false;
	if (c == 0) {
		sh.len = 0;
		shell_out(PROMPT);
	} else if (c == '\r' || c == '\n') {
		enter();
		return true;
	} else if ((c == '\b' || c == 0x7f) && sh.len > 0) {
		sh.len--;
		shell_out("\b \b");
	} else if (c == 0x15 || c == 0x03) { /* Ctrl-U, Ctrl-C */
		set_line("");
	} else if (c >= ' ' && c < 0x7f && sh.len + 1 < sizeof(sh.line)) {
		sh.line[sh.len++] = (char)c;
		shell_out("%c", c);
	}
	return false;
}

/* A turn of the verb that runs, or a key. */
static bool shell_step(struct job *j)
{
	bool more = true, over = sh.verb != NULL;
	uint32_t at = sh.in_tail;

	if (!over) {
		if (at == load_acquire(&sh.in_head)) return false;
		store_release(&sh.in_tail, at + 1);
		over = key(sh.input[at % INPUT_MAX]);
		flush();
	}
	console_shell_alone(true);
	if (sh.verb != NULL && sh.verb->fn()) {
		deadline_set(&sh.poll, arch_counter() + arch_us_to_ticks(POLL_US));
		more = over = false;
	}
	if (over) {
		sh.verb = NULL;
		shell_out(sh.json && sh.comma ? "\n" PROMPT : PROMPT);
	}
	flush();
	console_shell_alone(false);
	return more;
}

static void poll_fire(struct deadline *d, uint64_t now) { job_start(&sh.job); }

static const struct deadline_ops poll_ops = {poll_fire};
static const struct job_ops shell_ops = {"shell", shell_step, NULL};

void shell_init(const struct fit *bundle)
{
	sh.bundle = bundle;
	deadline_init(&sh.poll, &poll_ops);
	job_init(&sh.job, &shell_ops, NULL, SHELL_WEIGHT);
}

void shell_input(uint8_t c)
{
	uint32_t at = sh.in_head;

	if (at - load_acquire(&sh.in_tail) == INPUT_MAX) return;
	sh.input[at % INPUT_MAX] = c;
	store_release(&sh.in_head, at + 1);
	job_start(&sh.job);
}
