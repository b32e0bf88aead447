/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rings of events say, as text: readers look at a ring's head again after they have copied
 * an entry.
 */
#include <hyp/trace.h>

#include <arch/barrier.h>
#include <arch/timer.h>
#include <arch/trap.h>
#include <hyp/atomic.h>
#include <hyp/vm.h>
#include <stdio.h>
#include <string.h>

/* Entry number i of r. False: it was never written, or is overwritten by now. */
static bool entry_get(const struct trace_ring *r, uint64_t i, struct trace_entry *out)
{
	uint64_t head = load_acquire(&r->head);

	if (i >= head || head - i >= TRACE_ENTRIES) return false; /* the oldest may be in change */
	*out = r->e[i % TRACE_ENTRIES];
	smp_rmb(); /* the copy before the second look at the head */
	return load_relaxed(&r->head) - i < TRACE_ENTRIES;
}

static int entry_line(unsigned cpu, const struct trace_entry *e, char *buf, size_t n)
{
	/* By enum trace_kind. */
	static const char *const kinds[] = {"exit", "interrupt", "switch to", "inject", "stop"};
	uint64_t hz = arch_counter_hz();
	bool esr = e->esr != 0;

	return snprintf(buf, n, "[%lu.%06lu cpu%u] VM %u vCPU %u: %s%s%s pc %lx esr %lx arg %lx",
	                e->when / hz, e->when % hz * 1000000 / hz, cpu, e->slot, e->vcpu,
	                kinds[e->kind], esr ? ", " : "", esr ? esr_class_name(e->esr) : "", e->pc,
	                e->esr, e->arg);
}

const char *trace_text(const struct trace_ring *rings, int cpu, const struct vm *vm, char *buf,
                       size_t n)
{
	uint64_t pos[MAX_PCPUS]; /* the next to look at is below it */

	for (unsigned c = 0; c < MAX_PCPUS; c++)
		pos[c] = cpu < 0 || c == (unsigned)cpu ? load_acquire(&rings[c].head) : 0;
	for (;;) { /* the newest first, from the end of buf */
		struct trace_entry e, last = {0};
		unsigned of = MAX_PCPUS;
		char line[160];
		size_t len;

		for (unsigned c = 0; c < MAX_PCPUS; c++) {
			if (!entry_get(&rings[c], pos[c] - 1, &e) || e.when < last.when) continue;
			last = e;
			of = c;
		}
		if (of == MAX_PCPUS) break;
		pos[of]--;
		if (vm && last.slot != vm->slot) continue;
		len = (size_t)entry_line(of, &last, line, sizeof(line)) + 1;
		if (len > n) break;
		n -= len;
		memcpy(buf + n, line, len);
	}
	return buf + n;
}
