/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long random walks of the real vGIC beside gic_spec.c, both versions, 1, 2, 4 and 16 list
 * registers, more interrupts than the model checker has. Usage: vgic_random [STEPS [SEED]]; the
 * steps are of one configuration, the seed is printed.
 * links: tests/model/world.c tests/model/gic_spec.c hyp/vgic/vgic.c hyp/vgic/irq.c hyp/vgic/regs.c
 * links: hyp/mmio.c tests/fake_arch/gic.c tests/fake_arch/fake.c tests/fake_arch/vgic_host.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define NR_IRQS 12u
#define HISTORY 60u

static uint64_t state;

static unsigned pick(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(state >> 33) % n;
}

static struct action random_action(const struct scenario *sc)
{
	static const uint8_t masks[] = {0xf8, 0xf8, 0xf8, 0x90, 0x50};
	struct action act = {0};
	unsigned weight = pick(100);

	if (weight < 20) {
		act = (struct action){OP_LINE, (uint8_t)pick(NR_IRQS), (uint8_t)pick(2), 0};
		if (sc->irq[act.a].intid < 16) act.op = OP_SGI;
	} else if (weight < 40) {
		act = (struct action){OP_ACK, (uint8_t)pick(2), 0, 0};
	} else if (weight < 56) {
		act = (struct action){OP_EOI, (uint8_t)pick(2), 0, 0};
	} else if (weight < 66) {
		act = (struct action){OP_DIR, (uint8_t)pick(2), (uint8_t)pick(NR_IRQS), 0};
	} else if (weight < 78) {
		act = (struct action){OP_EXIT, (uint8_t)pick(2), 0, 0};
	} else if (weight < 84) {
		act = (struct action){(uint8_t)(pick(3) ? OP_LOAD : OP_PUT), (uint8_t)pick(2),
		                      (uint8_t)pick(2), 0};
	} else if (weight < 88) {
		act =
		    (struct action){(uint8_t)(pick(4) ? OP_READ : OP_WFI), (uint8_t)pick(2), 0, 0};
	} else if (weight < 90) {
		act = (struct action){OP_PMR, (uint8_t)pick(2), masks[pick(sizeof(masks))], 0};
	} else {
		act = (struct action){(uint8_t)(OP_ENABLE + pick(OP_CTLR - OP_ENABLE + 1)),
		                      (uint8_t)pick(NR_IRQS), (uint8_t)pick(2), (uint8_t)pick(2)};
		if (act.op == OP_PRIORITY) act.b = (uint8_t)(0x20 + 0x20 * pick(6));
		if (act.op == OP_CTLR) act.b = pick(6) ? 3 : (uint8_t)pick(4);
		if (act.op == OP_ENABLE) act.b = pick(3) != 0;
	}
	return act;
}

/* SPIs, both vCPUs' timers, SGIs: types, priorities and targets by chance. */
static void random_scenario(struct scenario *sc)
{
	sc->nr_irqs = NR_IRQS;
	for (unsigned i = 0; i < NR_IRQS; i++) {
		struct world_irq *q = &sc->irq[i];

		*q = (struct world_irq){.intid = (uint16_t)(32 + i),
		                        .cpu = 0xff,
		                        .edge = (uint8_t)pick(2),
		                        .target = (uint8_t)pick(2),
		                        .group = (uint8_t)pick(2),
		                        .enabled = 1,
		                        .priority = (uint8_t)(0x20 + 0x20 * pick(6))};
		if (i < 6) {
			/* SGI 1, SGI 5 and the timer of each vCPU. */
			q->cpu = q->target = i % 2;
			q->intid = (uint16_t[]){1, 5, TIMER_INTID}[i / 2];
			q->edge = i < 4;
		}
	}
}

static bool walk(const struct scenario *sc, unsigned steps, uint64_t *done)
{
	struct action last[HISTORY];
	uint64_t n = 0;

	world_start(sc);
	for (unsigned tries = 0; tries < steps; tries++) {
		struct action act = random_action(sc);

		if (!world_do(act)) continue;
		last[n++ % HISTORY] = act;
		if (world_violation) {
			const char *why = world_violation;

			for (uint64_t i = n > HISTORY ? n - HISTORY : 0; i < n; i++)
				printf("    %s\n", world_print(last[i % HISTORY]));
			world_dump();
			printf("    => %s\n", why);
			return false;
		}
	}
	*done += n;
	return true;
}

int main(int argc, char **argv)
{
	static const unsigned lrs[] = {1, 2, 4, 16};
	unsigned steps = argc > 1 ? (unsigned)atoi(argv[1]) : 100000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1, total = 0;
	bool ok = true;

	for (unsigned version = 2; version <= 3; version++) {
		for (unsigned l = 0; l < 4; l++) {
			uint64_t done = 0;
			bool good = true;
			char name[64];

			/* A fresh machine now and then: other types and priorities. */
			for (unsigned round = 0; round * 2000 < steps && good; round++) {
				struct scenario sc = {.name = "random",
				                      .version = version,
				                      .nr_lrs = lrs[l],
				                      .calm = 1,
				                      .split = round % 2,
				                      .unlinked = version == 2 && round % 3 == 0};

				state = seed * 1000003 + version * 131 + l * 17 +
				        round * UINT64_C(0x9e3779b9);
				random_scenario(&sc);
				good = walk(&sc, 2000, &done);
				if (!good)
					printf("    seed %llu, round %u, EOImode %u\n",
					       (unsigned long long)seed, round, sc.split);
			}
			snprintf(name, sizeof(name), "v%u, %u list registers", version, lrs[l]);
			printf("%s %s: %llu actions\n", good ? "ok" : "FAILED", name,
			       (unsigned long long)done);
			fflush(stdout);
			ok &= good;
			total += done;
		}
	}
	printf("seed %llu, %llu actions\n", (unsigned long long)seed, (unsigned long long)total);
	return ok ? 0 : 1;
}
