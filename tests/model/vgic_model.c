/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model checker of the vGIC: explores small configurations of the real code to a fixed point,
 * breadth first, against gic_spec.c. Usage: vgic_model [--all] [-v] [NAME]; without --all the
 * scenarios that `make test` runs.
 * links: tests/model/world.c tests/model/gic_spec.c hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c
 * links: hyp/mmio.c tests/fake_arch/gic.c tests/fake_arch/fake.c tests/fake_arch/vgic_host.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

#define MAX_STATES (1u << 25) /* of one scenario; v2-sgi of `make test-all` has 24 million */
#define MAX_ACTIONS 64u

/* What a scenario does besides ACK, EOI, DIR, EXIT and READ. */
#define LINES 1u  /* devices */
#define SGIS 2u   /* to each interrupt that is one, from both vCPUs */
#define SWITCH 4u /* vCPUs leave their CPUs and come back on any */
#define WFI 8u
#define PMR 16u
#define ENABLE 32u
#define PEND 64u
#define ACTIVE 128u
#define PRIORITY 256u
#define TARGET 512u
#define GROUPS 1024u /* GICD_CTLR and the group of the first interrupt */

static struct action acts[MAX_ACTIONS];
static unsigned nr_acts;

static void add(enum op op, unsigned a, unsigned b, unsigned c)
{
	if (nr_acts == MAX_ACTIONS) abort();
	acts[nr_acts++] = (struct action){(uint8_t)op, (uint8_t)a, (uint8_t)b, (uint8_t)c};
}

static void actions(const struct scenario *sc, unsigned what)
{
	nr_acts = 0;
	for (unsigned v = 0; v < WORLD_CPUS; v++) {
		add(OP_EXIT, v, 0, 0);
		add(OP_ACK, v, 0, 0);
		add(OP_EOI, v, 0, 0);
		if (what & SWITCH) {
			add(OP_PUT, v, 0, 0);
			add(OP_LOAD, v, v, 0);
			add(OP_LOAD, v, !v, 0);
		}
		if (what & WFI) add(OP_WFI, v, 0, 0);
	}
	add(OP_READ, 0, 0, 0);
	if (what & PMR) {
		add(OP_PMR, 0, 0xf8, 0);
		add(OP_PMR, 0, 0x90, 0);
	}
	for (unsigned i = 0; i < sc->nr_irqs; i++) {
		const struct world_irq *q = &sc->irq[i];
		unsigned by = q->cpu == 0xff ? 1 : q->cpu; /* who writes: not its first target */

		if (q->intid < 16) {
			if (what & SGIS) {
				add(OP_SGI, i, 0, 0);
				add(OP_SGI, i, 1, 0);
			}
		} else if (what & LINES) {
			add(OP_LINE, i, 1, 0);
			add(OP_LINE, i, 0, 0);
		}
		for (unsigned v = 0; sc->split && v < WORLD_CPUS; v++)
			if (q->cpu == 0xff || q->cpu == v) add(OP_DIR, v, i, 0);
		for (unsigned on = 0; on < 2; on++) {
			if (what & ENABLE) add(OP_ENABLE, i, on, by);
			if (what & PEND) add(OP_PEND, i, on, by);
			if (what & ACTIVE) add(OP_ACTIVE, i, on, by);
			if (what & PRIORITY) add(OP_PRIORITY, i, on ? 0x60 : 0xa0, by);
			if ((what & TARGET) && q->cpu == 0xff) add(OP_TARGET, i, on, !by);
		}
	}
	if (what & GROUPS) {
		add(OP_GROUP, 0, 0, sc->irq[0].cpu == 0xff ? 1 : sc->irq[0].cpu);
		add(OP_GROUP, 0, 1, sc->irq[0].cpu == 0xff ? 1 : sc->irq[0].cpu);
		add(OP_CTLR, 0, 1, 0);
		add(OP_CTLR, 0, 3, 0);
	}
}

/* States seen: 64 bits of hash each, open addressing; how each was reached; snapshots to expand. */
static uint64_t *table;
static uint32_t table_size;
static uint32_t *parent;
static uint8_t *how;
static uint32_t nr_states;

static uint64_t hash(const uint8_t *p, unsigned n)
{
	uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15), w;

	for (unsigned i = 0; i < n; i += 8) {
		w = 0;
		memcpy(&w, p + i, n - i < 8 ? n - i : 8);
		h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return (h ^ h >> 29) | 1;
}

/* True: new. */
static bool insert(uint64_t h)
{
	uint32_t at = (uint32_t)(h >> 20) & (table_size - 1);

	for (; table[at] != 0; at = (at + 1) & (table_size - 1))
		if (table[at] == h) return false;
	table[at] = h;
	return true;
}

static bool verbose;

static void print_trace(const void *start, uint32_t state, struct action last)
{
	struct action path[4096];
	unsigned n = 0;

	for (; state != 0 && n < 4096; state = parent[state]) path[n++] = acts[how[state]];
	const char *why = world_violation;

	world_restore(start);
	while (n-- > 0) {
		printf("    %s\n", world_print(path[n]));
		world_do(path[n]);
		if (verbose) world_dump();
	}
	printf("    %s\n    => %s\n", world_print(last), why);
}

/* Breadth first: the first violation has the shortest trace. Returns false after one. */
static bool explore(const struct scenario *sc)
{
	static uint8_t bytes[WORLD_BYTES];
	unsigned size;
	void **snaps, *start;
	bool ok = true;

	memset(table, 0, table_size * sizeof(table[0]));
	world_start(sc);
	size = world_snap_size();
	snaps = calloc(MAX_STATES, sizeof(snaps[0]));
	nr_states = 1;
	insert(hash(bytes, world_serialise(bytes)));
	snaps[0] = malloc(size);
	world_save(snaps[0]);
	start = malloc(size);
	world_save(start);
	for (uint32_t s = 0; s < nr_states && ok; s++) {
		bool fresh = false;

		for (unsigned i = 0; i < nr_acts; i++) {
			if (!fresh) world_restore(snaps[s]);
			fresh = !world_do(acts[i]);
			if (fresh) continue;
			if (world_violation) {
				printf("%s: VIOLATION\n", sc->name);
				print_trace(start, s, acts[i]);
				ok = false;
				break;
			}
			if (!insert(hash(bytes, world_serialise(bytes)))) continue;
			if (nr_states == MAX_STATES) {
				printf("%s: more than %u states\n", sc->name, MAX_STATES);
				ok = false;
				break;
			}
			parent[nr_states] = s;
			how[nr_states] = (uint8_t)i;
			snaps[nr_states] = malloc(size);
			world_save(snaps[nr_states++]);
		}
		free(snaps[s]);
		snaps[s] = NULL;
	}
	for (uint32_t s = 0; s < nr_states; s++) free(snaps[s]);
	free(snaps);
	free(start);
	return ok;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Three SPIs: e edge, l level; their priorities and targets. */
#define SPI3(t0, t1, t2, p0, p1, p2, d0, d1, d2)                                                   \
	.nr_irqs = 3, .irq = {{32, 0xff, (t0) == 'e', p0, d0, 1, 1},                               \
	                      {33, 0xff, (t1) == 'e', p1, d1, 1, 1},                               \
	                      {34, 0xff, (t2) == 'e', p2, d2, 1, 1}}
#define TIMER(c)                                                                                   \
	{                                                                                          \
		TIMER_INTID, c, 0, 0x80, c, 1, 1                                                   \
	}
#define SGI(id, c, p)                                                                              \
	{                                                                                          \
		id, c, 1, p, c, 1, 1                                                               \
	}
#define SPI(id, t, p, d)                                                                           \
	{                                                                                          \
		id, 0xff, (t) == 'e', p, d, 1, 1                                                   \
	}

static const struct {
	struct scenario sc;
	unsigned what;
	bool all; /* `make test-all` only */
} list[] = {
#include "scenarios.def"
};

int main(int argc, char **argv)
{
	bool all = false, ok = true;
	const char *only = NULL;
	uint64_t total = 0;
	unsigned n = 0;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--all") == 0)
			all = true;
		else if (strcmp(argv[i], "-v") == 0)
			verbose = true;
		else
			only = argv[i];
	table_size = 2 * MAX_STATES;
	table = calloc(table_size, sizeof(table[0]));
	parent = calloc(MAX_STATES, sizeof(parent[0]));
	how = calloc(MAX_STATES, 1);
	for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		double start = seconds();
		bool good;

		if (only ? strcmp(only, list[i].sc.name) != 0 : list[i].all && !all) continue;
		actions(&list[i].sc, list[i].what);
		good = explore(&list[i].sc);
		printf("%s %s: %u states, %u actions, %.1f s\n", good ? "ok" : "FAILED",
		       list[i].sc.name, nr_states, nr_acts, seconds() - start);
		fflush(stdout);
		ok &= good;
		total += nr_states;
		n++;
	}
	printf("%u scenarios, %llu states, %.1f s\n", n, (unsigned long long)total, seconds());
	return ok && n != 0 ? 0 : 1;
}
