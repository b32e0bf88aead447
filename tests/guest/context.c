/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL1 registers and active priorities belong to the vCPU: what this program puts into each (seed=N)
 * is there after others ran on the same host CPU. us=N: how long.
 */
#include <stdio.h>
#include <string.h>

#include "tg.h"
#include "tg_gic.h"

/* Each with bits that are storage on every Armv8.0 CPU and enable nothing. */
#define REGISTERS(X)                                                                               \
	X(tpidr_el0, ~0ul)                                                                         \
	X(tpidrro_el0, ~0ul)                                                                       \
	X(contextidr_el1, 0xfffffffful)                                                            \
	X(far_el1, ~0ul)                                                                           \
	X(elr_el1, ~0ul)                                                                           \
	X(esr_el1, 0xfffffffful)                                                                   \
	X(par_el1, 0x0000fffffffff000ul)                                                           \
	X(cntkctl_el1, 0x3fful)                                                                    \
	X(csselr_el1, 0x1ul)                                                                       \
	X(mdscr_el1, 1ul << 12)                                                                    \
	X(dbgbvr0_el1, 0x0000fffffffffffcul)                                                       \
	X(dbgbvr1_el1, 0x0000fffffffffffcul)                                                       \
	X(dbgwvr0_el1, 0x0000fffffffffffcul)                                                       \
	X(dbgwvr1_el1, 0x0000fffffffffffcul)                                                       \
	X(dbgbcr0_el1, 0x6ul)                                                                      \
	X(dbgwcr1_el1, 0x1fe0ul)                                                                   \
	X(cntp_cval_el0, ~0ul)                                                                     \
	X(mair_el1, 0xffffffffff000000ul)

static uint64_t state;

static uint64_t next(void)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return state ^ state >> 29;
}

enum {
#define X(reg, mask) R_##reg,
	REGISTERS(X)
#undef X
	    NR_REGS
};

static const char *const names[] = {
#define X(reg, mask) #reg,
    REGISTERS(X)
#undef X
};

static const uint64_t masks[] = {
#define X(reg, mask) mask,
    REGISTERS(X)
#undef X
};

static void write_all(const uint64_t *val)
{
#define X(reg, mask) sysreg_write(reg, val[R_##reg]);
	REGISTERS(X)
#undef X
	isb(); /* written */
}

static void read_all(uint64_t *val)
{
#define X(reg, mask) val[R_##reg] = sysreg_read(reg);
	REGISTERS(X)
#undef X
}

/* SGIs of this CPU to itself. */
#define URGENT 1u
#define WAITS 2u
static unsigned not_taken, running_wrong, came_early, came_late;

/* A handler of that priority begins, and what comes meanwhile is less urgent. */
static uint32_t handler_begin(uint8_t priority)
{
	uint32_t iar;

	g_set_priority(URGENT, priority);
	g_sgi_self(URGENT);
	not_taken += g_ack(&iar) != URGENT;
	g_sgi_self(WAITS);
	return iar;
}

/* It was not to be taken within, though this vCPU has lost its host CPU; afterwards it is. */
static void handler_end(uint32_t iar, uint8_t priority)
{
	running_wrong += g_rpr() != priority;
	came_early += g_ack(NULL) != G_NONE;
	g_eoi(iar);
	came_late += g_ack(&iar) != WAITS;
	g_eoi(iar);
}

int main(int argc, char **argv)
{
	uint64_t end = uk_ticks() + uk_arg_u64(argc, argv, "us", 400000) * uk_tick_hz() / 1000000;
	uint64_t in[NR_REGS], was[NR_REGS], out[NR_REGS], daif;
	unsigned rounds = 0, wrong[NR_REGS] = {0};

	tg_start("context");
	state = uk_arg_u64(argc, argv, "seed", 1);
	/* No exception in between: its own would change ESR, ELR, FAR. */
	daif = uk_irq_save();
	read_all(was);
	g_cpu_init();
	g_set_preempt_bits(3);
	g_set_priority(WAITS, 0xc0);
	g_enable(URGENT);
	g_enable(WAITS);
	while (uk_ticks() < end || rounds < 20) {
		uint8_t priority = (uint8_t)(rounds * 8 % 0xc0);
		uint32_t iar = handler_begin(priority);

		for (unsigned r = 0; r < NR_REGS; r++)
			in[r] = (was[r] & ~masks[r]) | (next() & masks[r]);
		write_all(in);
		tg_spin_us(rounds & 1 ? 6000 : 100); /* longer than a slice every other time */
		read_all(out);
		for (unsigned r = 0; r < NR_REGS; r++)
			wrong[r] += (out[r] & masks[r]) != (in[r] & masks[r]);
		handler_end(iar, priority);
		rounds++;
	}
	write_all(was);
	uk_irq_restore(daif);
	for (unsigned r = 0; r < NR_REGS; r++) tg_eq(wrong[r], 0, names[r]);
	tg_eq(not_taken, 0, "an urgent SGI is taken");
	tg_eq(running_wrong, 0, "the running priority");
	tg_eq(came_early, 0, "nothing less urgent is taken in its handler");
	tg_eq(came_late, 0, "it is taken afterwards");
	return tg_end();
}
