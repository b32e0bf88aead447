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
#include <hyp/host.h>
#include <hyp/job.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/page.h>
#include <hyp/pcpu.h>
#include <hyp/sched.h>
#include <hyp/vcpu.h>
#include <hyp/vgic.h>
#include <hyp/vm.h>
#include <lib/printf.h>
#include <lib/str.h>
#include <string.h>

#define LINE_MAX 640u /* room for a VM's bootargs */
#define INPUT_MAX 1024u
#define PROMPT "atoll> "
#define SHELL_WEIGHT 1000u

struct verb {
	const char *name, *usage, *help;
	bool (*fn)(void); /* true: it waits for something and is to be called again */
	bool json;
};
extern const struct verb shell_verbs[];

/* The job's alone, but for the ring of input. */
static struct {
	struct job job;
	uint8_t input[INPUT_MAX];
	uint32_t in_head, in_tail; /* shared: bytes given by the console, taken by the job */
	char line[LINE_MAX], last[LINE_MAX];
	unsigned len;
	const struct verb *verb; /* runs; NULL: a line is being typed */
	char *args;              /* what follows it in line */
	struct vm *vm;           /* what it works on, once it waits */
	bool json, comma;
	uint8_t prev, esc;                     /* last byte; progress within an ANSI sequence */
	const char *cols;                      /* of the table being shown */
	uint64_t top_at, idle_seen[MAX_PCPUS]; /* when `top` last looked, and what it saw */
	struct vm_config cfg;
	char text[KiB(4)];
} sh;

void shell_out(const char *fmt, ...)
{
	char buf[200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	console_shell_write(buf, MIN((size_t)n, sizeof(buf) - 1));
}

/* --- what verbs report: text, or JSON on one line ----------------------------------------- */

/* A cell: a string, or a number where that is NULL. */
struct val {
	const char *s;
	uint64_t n;
};
#define S(x)                                                                                       \
	{                                                                                          \
		.s = (x)                                                                           \
	}
#define N(x)                                                                                       \
	{                                                                                          \
		.n = (x)                                                                           \
	}

/* A column: "name:width", width -N: to the left, 0: as wide as it is; then 'x': hexadecimal, 'p':
 * tenths. The name is the key in JSON. */
struct column {
	const char *name;
	size_t len;
	uint64_t width;
	bool left;
	char kind;
};

static bool next_column(const char **spec, struct column *c)
{
	const char *p = *spec, *end = strchr(p, ':');
	char *kind;

	if (end == NULL) return false;
	*c = (struct column){.name = p, .len = (size_t)(end - p), .left = end[1] == '-'};
	c->width = strtoul(end + 1 + c->left, &kind, 10);
	c->kind = *kind;
	*spec = strchr(kind, ' ') != NULL ? strchr(kind, ' ') + 1 : "";
	return true;
}

/* Text as it is shown, in sh.text: guests' and users' bytes reach no terminal unseen. */
static size_t set_text(const char *s, size_t max)
{
	size_t n = 0;

	for (; max-- != 0 && *s != '\0'; s++) {
		bool plain = *s >= ' ' && *s < 0x7f && !(sh.json && (*s == '"' || *s == '\\'));

		str_append(sh.text, sizeof(sh.text), &n,
		           plain     ? "%c"
		           : sh.json ? "\\u%04x"
		                     : "?",
		           (uint8_t)*s);
	}
	sh.text[n] = '\0';
	return n;
}

static size_t set_value(const struct column *c, const struct val *v)
{
	char buf[24];

	if (v->s != NULL) return set_text(v->s, SIZE_MAX);
	if (c->kind == 'p')
		snprintf(buf, sizeof(buf), "%lu.%lu", v->n / 10, v->n % 10);
	else
		snprintf(buf, sizeof(buf), c->kind == 'x' ? "0x%lx" : "%lu", v->n);
	return set_text(buf, sizeof(buf));
}

static void blanks(uint64_t width, size_t used)
{
	for (; used < width; used++) shell_out(" ");
}

/* Opens a JSON object or array, as the member `key` or (NULL) as an element. */
static void begin(const char *key, char bracket)
{
	if (!sh.json) return;
	shell_out(sh.comma ? "," : "");
	if (key != NULL) shell_out("\"%s\":", key);
	shell_out("%c", bracket);
	sh.comma = false;
}

static void end(char bracket)
{
	if (sh.json) shell_out("%c", bracket);
	sh.comma = true;
}

static void write_text(size_t n) { console_shell_write(sh.text, n); }

/* The members of the object that is open; as text a line for each. */
static void fields(const char *spec, const struct val *v)
{
	struct column c;

	for (; next_column(&spec, &c); v++) {
		bool quoted = v->s != NULL || c.kind == 'x';

		if (sh.json)
			shell_out(quoted ? "%s\"%.*s\":\"" : "%s\"%.*s\":", sh.comma ? "," : "",
			          (int)c.len, c.name);
		else
			shell_out("%-15.*s ", (int)c.len, c.name);
		write_text(set_value(&c, v));
		shell_out(!sh.json ? "\n" : quoted ? "\"" : "");
		sh.comma = true;
	}
}

/* A line of a table; v NULL: its head. */
static void line(const struct val *v)
{
	const char *spec = sh.cols;
	struct column c;

	while (next_column(&spec, &c)) {
		size_t n = v == NULL ? set_text(c.name, c.len) : set_value(&c, v++);

		if (!c.left) blanks(c.width, n);
		write_text(n);
		if (*spec != '\0') blanks(c.left ? MAX(c.width, n) + 1 : n + 1, n);
	}
	shell_out("\n");
}

static void table(const char *key, const char *cols)
{
	sh.cols = cols;
	begin(key, '[');
	if (!sh.json) line(NULL);
}

static void row(const struct val *v)
{
	if (sh.json) {
		begin(NULL, '{');
		fields(sh.cols, v);
		end('}');
	} else {
		line(v);
	}
}
#define ROW(...) row((const struct val[]){__VA_ARGS__})
#define FIELDS(cols, ...) fields(cols, (const struct val[]){__VA_ARGS__})

/* Why a verb does nothing. Returns false, as what a verb that is over does. */
static bool refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool refuse(const char *fmt, ...)
{
	char buf[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	begin(NULL, '{');
	if (sh.json)
		FIELDS("error:0", S(buf));
	else
		shell_out("%s\n", buf);
	end('}');
	return false;
}

/* --- verbs --------------------------------------------------------------------------------- */

/* The VM that the next word names; NULL: there is none, which was said. */
static struct vm *vm_arg(void)
{
	const char *word = str_word(&sh.args);
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

static bool verb_list(void)
{
	table(NULL,
	      "id:2 name:-16 state:-10 vcpus:5 memory_kib:10 cpu_ms:9 restarts:8 last_stop:0");
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm *vm = vms[i];
		uint64_t ran = 0;

		for (unsigned j = 0; vm != NULL && j < vm->nr_vcpus; j++)
			ran += sched_run_ticks(vm->vcpus[j]);
		if (vm != NULL)
			ROW(N(i), S(vm->name), S(vm_state_name(vm)), N(vm->nr_vcpus),
			    N(vm->cfg->memory >> 10), N(ms(ran)), N(vm->restarts),
			    S(stop_reason_name(vm->reason)));
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
	FIELDS("id:0 name:0 state:0 last_stop:0 exit_status:0 restarts:0 restart_limit:0 "
	       "image:0 ramdisk:0 bootargs:0 memory_kib:0 gic:0 background:0 autostart:0",
	       N(vm->slot), S(vm->name), S(vm_state_name(vm)), S(stop_reason_name(vm->reason)),
	       N(vm->exit_status), N(vm->restarts), N(c->restart_limit), S(c->image), S(c->ramdisk),
	       S(c->bootargs), N(c->memory >> 10), N(vm->vgic.version), N(c->background),
	       N(c->autostart));
	if (c->sched == SCHED_FIXED)
		FIELDS("sched:0 priority:0 budget_us:0 period_us:0", S("fixed"), N(c->priority),
		       N(c->budget_us), N(c->period_us));
	else
		FIELDS("sched:0 weight:0", S("fair"), N(c->weight));
	if (vm->crash.valid)
		FIELDS("crash:0 crash_pc:0x crash_vcpu:0", S(vm->crash.what), N(vm->crash.pc),
		       N(vm->crash.vcpu));
	FIELDS("out_queued:0 in_queued:0 in_dropped:0", N(vm->port.head - vm->port.tail),
	       N(vm->port.rx_head - vm->port.rx_tail), N(vm->port.rx_dropped));
	table("vcpus", "vcpu:4 state:-7 cpu:3 affinity:8x run_ms:9");
	for (unsigned i = 0; (v = next_vcpu(vm, &i)) != NULL;)
		ROW(N(v->id), S(vcpu_state_name(v)), N(v->cpu), N(v->affinity),
		    N(ms(sched_run_ticks(v))));
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

/* The VM that a verb is asked about, NULL: all. False: there is none of that name. */
static bool one_or_all(struct vm **one)
{
	*one = NULL;
	return *sh.args == '\0' || (*one = vm_arg()) != NULL;
}

static bool verb_stats(void)
{
	const struct vcpu *v;
	struct vm *one;

	if (!one_or_all(&one)) return false;
	begin(NULL, '{');
	table("vcpus", "vm:-16 vcpu:4 run_ms:8 steal_ms:8 exits:8 mmio:8 sysreg:8 hvc:7 wfi:7 "
	               "irq:7 wakes:7 wake_us:7 wake_us_max:11");
	for (unsigned i = 0; (v = next_vcpu(one, &i)) != NULL;) {
		const struct vcpu_stats *s = &v->stats;

		ROW(S(v->vm->name), N(v->id), N(ms(sched_run_ticks(v))), N(ms(s->steal_ticks)),
		    N(s->nr_exits), N(s->nr_mmio), N(s->nr_sysreg), N(s->nr_hvc), N(s->nr_wfi),
		    N(s->nr_irq), N(s->nr_wakes),
		    N(us(s->wake_ticks_sum / MAX(s->nr_wakes, UINT64_C(1)))),
		    N(us(s->wake_ticks_max)));
	}
	end(']');
	table("cpus", "cpu:3 up_ms:9 idle_ms:9 interrupts:10 switches:9");
	for (unsigned i = 0; i < nr_pcpus; i++)
		ROW(N(i), N(ms(arch_counter())), N(ms(sched_idle_ticks(i))), N(pcpus[i].nr_irqs),
		    N(pcpus[i].nr_switches));
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
	uint64_t now = arch_counter(), elapsed = now - sh.top_at;
	struct vcpu *v;

	sh.top_at = now;
	begin(NULL, '{');
	FIELDS("interval_ms:0", N(ms(elapsed)));
	table("vcpus", "vm:-16 vcpu:4 cpu:3 state:-7 percent:7p");
	for (unsigned i = 0; (v = next_vcpu(NULL, &i)) != NULL;)
		ROW(S(v->vm->name), N(v->id), N(v->cpu), S(vcpu_state_name(v)),
		    N(share(sched_run_ticks(v), &v->stats.run_seen, elapsed)));
	end(']');
	table("cpus", "cpu:3 idle_percent:12p");
	for (unsigned i = 0; i < nr_pcpus; i++)
		ROW(N(i), N(share(sched_idle_ticks(i), &sh.idle_seen[i], elapsed)));
	end(']');
	end('}');
	return false;
}

static bool verb_sched(void)
{
	const struct vcpu *v;

	table(NULL, "vm:-16 vcpu:4 cpu:3 state:-7 class:-5 weight:6 priority:8 budget_us:9 "
	            "period_us:9 run_ms:9 steal_ms:8");
	for (unsigned i = 0; (v = next_vcpu(NULL, &i)) != NULL;) {
		const struct vm_config *c = v->vm->cfg;
		bool fixed = c->sched == SCHED_FIXED;

		ROW(S(v->vm->name), N(v->id), N(v->cpu), S(vcpu_state_name(v)),
		    S(fixed ? "fixed" : "fair"), N(fixed ? 0 : c->weight), N(c->priority),
		    N(c->budget_us), N(c->period_us), N(ms(sched_run_ticks(v))),
		    N(ms(v->stats.steal_ticks)));
	}
	end(']');
	return false;
}

/* Of v (NULL: those that are no vCPU's own), from `from` on. */
static void irq_rows(struct vm *vm, struct vcpu *v, uint32_t from, uint32_t to)
{
	struct vgic_irq q;
	bool pending;

	for (; from < to; from++)
		if (vgic_peek(vm, v, from, &q, &pending))
			ROW(N(q.intid), N(q.on_list != NULL ? q.on_list->id : q.target), N(pending),
			    N(q.active), N(q.in_lr), N(q.enabled), S(q.edge ? "edge" : "level"),
			    N(q.priority), N(q.group1));
}

static bool verb_irq(void)
{
	struct vm *vm = vm_arg();

	if (vm == NULL) return false;
	table(NULL, "intid:5 vcpu:4 pending:7 active:6 in_lr:5 enabled:7 trigger:-7 priority:8x "
	            "group:5");
	for (unsigned i = 0; i < vm->nr_vcpus; i++) irq_rows(vm, vm->vcpus[i], 0, VGIC_NR_PRIVATE);
	irq_rows(vm, NULL, VGIC_NR_PRIVATE, VGIC_NR_PRIVATE + vm->vgic.nr_spis);
	end(']');
	return false;
}

static bool verb_mem(void)
{
	struct page_stats st;

	page_get_stats(&st);
	begin(NULL, '{');
	FIELDS("total_kib:0 guests_kib:0 hypervisor_kib:0 free_kib:0 dirty_kib:0 reserved_kib:0",
	       N(st.total * 4), N(st.guest * 4), N(st.hyp * 4), N(st.free * 4), N(st.dirty * 4),
	       N(st.reserved * 4));
	end('}');
	return false;
}

static bool verb_log(void)
{
	uint64_t pos = 0;
	size_t n;

	while ((n = log_read(&pos, sh.text, sizeof(sh.text))) != 0) write_text(n);
	return false;
}

static bool verb_version(void)
{
	char cpu[48];

	arch_cpu_name(cpu, sizeof(cpu));
	begin(NULL, '{');
	FIELDS("version:0 board:0 cpus:0 cpu:0 gic:0 up_ms:0", S(ATOLL_VERSION), S(host.model),
	       N(nr_pcpus), S(cpu), N(arch_gic_info()->version), N(ms(arch_counter())));
	end('}');
	return false;
}

static bool verb_help(void)
{
	const char *word = str_word(&sh.args);

	table(NULL, "verb:-8 arguments:-24 what:-0");
	for (const struct verb *v = shell_verbs; v->name != NULL; v++)
		if (word == NULL || strcmp(word, v->name) == 0)
			ROW(S(v->name), S(v->usage), S(v->help));
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
    {"console", "VM", "give the keyboard to a VM (back: Ctrl-] h)", verb_console, false},
    {"top", "", "share of the CPUs since the last top", verb_top, true},
    {"stats", "[VM]", "run and steal time, exits by kind, wake-up latency", verb_stats, true},
    {"sched", "", "classes and parameters of all vCPUs", verb_sched, true},
    {"irq", "VM", "a VM's interrupts that are not idle", verb_irq, true},
    {"mem", "", "physical memory by owner", verb_mem, true},
    {"log", "", "the last 16 KiB of the hypervisor's log", verb_log, false},
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
	console_shell_write(sh.line, sh.len);
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
	uint32_t at = sh.in_tail;
	bool waits;

	if (sh.verb == NULL) {
		if (at == load_acquire(&sh.in_head)) return false;
		store_release(&sh.in_tail, at + 1);
		if (!key(sh.input[at % INPUT_MAX])) return true;
	}
	console_shell_alone(true);
	waits = sh.verb != NULL && sh.verb->fn();
	if (!waits) {
		sh.verb = NULL;
		shell_out(sh.json && sh.comma ? "\n" PROMPT : PROMPT);
	}
	console_shell_alone(false);
	return true;
}

static const struct job_ops shell_ops = {"shell", shell_step, NULL};

void shell_init(void) { job_init(&sh.job, &shell_ops, NULL, SHELL_WEIGHT); }

void shell_input(uint8_t c)
{
	uint32_t at = sh.in_head;

	if (at - load_acquire(&sh.in_tail) == INPUT_MAX) return;
	sh.input[at % INPUT_MAX] = c;
	store_release(&sh.in_head, at + 1);
	job_start(&sh.job);
}
