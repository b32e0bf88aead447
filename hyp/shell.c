/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management shell: line editing and a table of verbs. Runs in the console's interrupt; what a
 * verb prints is bounded by MAX_VMS and the console's queue.
 */
#include <hyp/shell.h>

#include <arch/cpu.h>
#include <arch/timer.h>
#include <gen/version.h>
#include <hyp/console.h>
#include <hyp/host.h>
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

#define LINE_MAX 80u
#define PROMPT "atoll> "

struct verb {
	const char *name, *usage, *help;
	void (*fn)(void);
};
extern const struct verb shell_verbs[];

/* The console's interrupt runs on one CPU at a time. */
static struct {
	char line[LINE_MAX], last[LINE_MAX];
	unsigned len;
	char *args;        /* of the verb that runs: what follows it in line */
	uint8_t prev, esc; /* last byte; progress within an ANSI sequence */
	char text[KiB(4)]; /* for describing functions */
} sh;

typedef unsigned long long ull;

static void out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void out(const char *fmt, ...)
{
	char buf[200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	console_shell_write(buf, MIN((size_t)n, sizeof(buf) - 1));
}

/* The VM that the next word names; NULL: there is none, which was said. */
static struct vm *vm_arg(void)
{
	const char *word = str_word(&sh.args);
	struct vm *vm = word != NULL ? vm_find(word) : NULL;

	if (word == NULL)
		out("which VM? (number or name; `list` shows them)\n");
	else if (vm == NULL)
		out("no VM is called '%s'; `list` shows them\n", word);
	return vm;
}

static ull ms(uint64_t ticks) { return ticks / MAX(arch_counter_hz() / 1000, UINT64_C(1)); }

static ull us(uint64_t ticks) { return ticks / MAX(arch_counter_hz() / 1000000, UINT64_C(1)); }

static void verb_list(void)
{
	out(" id name             state       vCPUs     memory   CPU time  last stop\n");
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm *vm = vms[i];
		ull ran = 0;

		for (unsigned j = 0; vm != NULL && j < vm->nr_vcpus; j++)
			ran += ms(sched_run_ticks(vm->vcpus[j]));
		if (vm != NULL) {
			out(" %2u %-16s %-11s %5u %6llu KiB %6llu.%03llu  %s\n", i, vm->name,
			    vm_state_name(vm), vm->nr_vcpus, (ull)vm->cfg->memory >> 10, ran / 1000,
			    ran % 1000, stop_reason_name(vm->reason));
		}
	}
}

static void verb_info(void)
{
	const struct vm *vm = vm_arg();
	const struct vm_config *c;

	if (vm == NULL) return;
	c = vm->cfg;
	out("%s: %s, last stop: %s, exit status %d, %u restarts of %u\n", vm->name,
	    vm_state_name(vm), stop_reason_name(vm->reason), (int)vm->exit_status, vm->restarts,
	    c->restart_limit);
	if (vm->crash.valid) {
		out("  crash    %s, pc %#llx, vCPU %u\n", vm->crash.what, (ull)vm->crash.pc,
		    vm->crash.vcpu);
	}
	out("  image    %s %s\n  bootargs %.150s\n", c->image, c->ramdisk, c->bootargs);
	out("  machine  %llu KiB, GICv%u%s%s\n", (ull)c->memory >> 10, vm->vgic.version,
	    c->background ? ", background" : "", c->autostart ? "" : ", no autostart");
	if (c->sched == SCHED_FIXED) {
		out("  sched    fixed, priority %u, budget %u us of %u us\n", c->priority,
		    c->budget_us, c->period_us);
	} else {
		out("  sched    fair, weight %u\n", c->weight);
	}
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		const struct vcpu *v = vm->vcpus[i];

		out("  vCPU %-2u  %-7s on CPU %u of mask %#llx, ran %llu ms\n", i,
		    vcpu_state_name(v), v->cpu, (ull)v->affinity, ms(sched_run_ticks(v)));
	}
	out("  console  %u bytes queued, %u typed and not read, %u typed and dropped\n",
	    vm->port.head - vm->port.tail, vm->port.rx_head - vm->port.rx_tail,
	    vm->port.rx_dropped);
}

static void verb_console(void)
{
	struct vm *vm = vm_arg();

	if (vm != NULL) console_focus(&vm->port);
}

static void verb_stats(void)
{
	const struct vm *one = NULL;

	if (*sh.args != '\0' && (one = vm_arg()) == NULL) return;
	out(" VM           vCPU    run ms steal ms    exits     MMIO  sysreg     hvc     wfi     "
	    "irq wake us\n");
	for (unsigned i = 0; i < MAX_VMS; i++) {
		bool shown = vms[i] != NULL && (one == NULL || one == vms[i]);

		for (unsigned j = 0; shown && j < vms[i]->nr_vcpus; j++) {
			const struct vcpu *v = vms[i]->vcpus[j];
			const struct vcpu_stats *s = &v->stats;

			out(" %-14s %2u %9llu %8llu %8llu %8llu %7llu %7llu %7llu %7llu %6llu\n",
			    vms[i]->name, j, ms(sched_run_ticks(v)), ms(s->steal_ticks),
			    (ull)s->nr_exits, (ull)s->nr_mmio, (ull)s->nr_sysreg, (ull)s->nr_hvc,
			    (ull)s->nr_wfi, (ull)s->nr_irq, us(s->wake_ticks_max));
		}
	}
	for (unsigned i = 0; one == NULL && i < nr_pcpus; i++) {
		const struct pcpu *p = &pcpus[i];

		out(" CPU %-2u idle %llu ms of %llu, interrupts %llu, switches %llu\n", i,
		    ms(p->idle_ticks), ms(arch_counter()), (ull)p->nr_irqs, (ull)p->nr_switches);
	}
}

static void verb_sched(void)
{
	out("%-20s %3s %3s %-8s %-9s %10s %10s %8s %8s\n", "VM", "id", "cpu", "state", "class",
	    "run ms", "steal ms", "wake us", "max us");
	for (unsigned i = 0; i < MAX_VMS; i++) {
		for (unsigned j = 0; vms[i] != NULL && j < vms[i]->nr_vcpus; j++) {
			const struct vcpu *v = vms[i]->vcpus[j];
			const struct vcpu_stats *s = &v->stats;
			bool fixed = v->se.cls == SCHED_FIXED;

			out("%-20s %3u %3u %-8s %-5s%4u %10llu %10llu %8llu %8llu\n", vms[i]->name,
			    j, v->cpu, vcpu_state_name(v), fixed ? "fixed" : "fair",
			    fixed ? v->se.priority : v->se.weight, ms(sched_run_ticks(v)),
			    ms(s->steal_ticks),
			    us(s->wake_ticks_sum / MAX(s->nr_wakes, UINT64_C(1))),
			    us(s->wake_ticks_max));
		}
	}
}

static void verb_irq(void)
{
	struct vm *vm = vm_arg();
	size_t n = vm != NULL ? vgic_describe(vm, sh.text, sizeof(sh.text)) : 0;

	console_shell_write(sh.text, n);
	if (vm != NULL && (n == 0 || sh.text[n - 1] != '\n')) out("%s\n", n == 0 ? "all idle" : "");
}

static void verb_mem(void)
{
	struct page_stats st;

	page_get_stats(&st);
	out("KiB: %llu in all, %llu guests, %llu hypervisor, %llu free, %llu to be scrubbed, %llu "
	    "reserved\n",
	    (ull)st.total * 4, (ull)st.guest * 4, (ull)st.hyp * 4, (ull)st.free * 4,
	    (ull)st.dirty * 4, (ull)st.reserved * 4);
}

static void verb_log(void)
{
	uint64_t pos = 0;
	size_t n;

	while ((n = log_read(&pos, sh.text, sizeof(sh.text))) != 0) console_shell_write(sh.text, n);
}

static void verb_version(void)
{
	char cpu[48];

	arch_cpu_name(cpu, sizeof(cpu));
	out("Atoll %s on %s, %u CPUs (%s)\n", ATOLL_VERSION, host.model, nr_pcpus, cpu);
}

static void verb_help(void)
{
	const char *word = str_word(&sh.args);

	for (const struct verb *v = shell_verbs; v->name != NULL; v++)
		if (word == NULL || strcmp(word, v->name) == 0)
			out("  %-8s %-9s %s\n", v->name, v->usage, v->help);
}

static void verb_reboot(void)
{
	console_flush();
	arch_system_reset();
	out("this board cannot be reset by software\n");
}

static void verb_poweroff(void)
{
	console_flush();
	arch_system_off();
	out("this board cannot be switched off by software\n");
}

const struct verb shell_verbs[] = {
    {"list", "", "all VMs: state, memory, CPU time", verb_list},
    {"info", "VM", "a VM's configuration and state", verb_info},
    {"console", "VM", "give the keyboard to a VM (back: Ctrl-] h)", verb_console},
    {"stats", "[VM]", "run and steal time, exits by kind, wake-up latency", verb_stats},
    {"sched", "", "the run queues", verb_sched},
    {"irq", "VM", "a VM's interrupts that are not idle", verb_irq},
    {"mem", "", "physical memory by owner", verb_mem},
    {"log", "", "the last 16 KiB of the hypervisor's log", verb_log},
    {"version", "", "version, board, CPUs", verb_version},
    {"help", "[VERB]", "this list", verb_help},
    {"reboot", "", "reset the machine", verb_reboot},
    {"poweroff", "", "switch the machine off", verb_poweroff},
    {NULL, NULL, NULL, NULL},
};

static void run(char *line)
{
	const char *word = str_word(&line);
	const struct verb *v = shell_verbs;

	if (word == NULL) return;
	while (v->name != NULL && strcmp(v->name, word) != 0) v++;
	sh.args = line;
	if (v->name == NULL) {
		out("no such command: '%s'; `help` lists them\n", word);
		return;
	}
	v->fn();
}

/* Shows an empty line again, with text (may be sh.line itself) in it. */
static void set_line(const char *text)
{
	for (; sh.len > 0; sh.len--) out("\b \b");
	(void)str_copy(sh.line, text, sizeof(sh.line));
	sh.len = (unsigned)strlen(sh.line);
	out("%s", sh.line);
}

static void enter(void)
{
	sh.line[sh.len] = '\0';
	out("\n");
	if (sh.len != 0) (void)str_copy(sh.last, sh.line, sizeof(sh.last));
	sh.len = 0;
	run(sh.line);
	out(PROMPT);
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

void shell_input(uint8_t c)
{
	bool lf = c == '\n' && sh.prev == '\r';

	sh.prev = c;
	if (lf || ansi(c)) return;
	if (c == 0) {
		sh.len = 0;
		out(PROMPT);
	} else if (c == '\r' || c == '\n') {
		enter();
	} else if ((c == '\b' || c == 0x7f) && sh.len > 0) {
		sh.len--;
		out("\b \b");
	} else if (c == 0x15 || c == 0x03) { /* Ctrl-U, Ctrl-C */
		set_line("");
	} else if (c >= ' ' && c < 0x7f && sh.len + 1 < sizeof(sh.line)) {
		sh.line[sh.len++] = (char)c;
		out("%c", c);
	}
}
