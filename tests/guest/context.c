/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL1 registers belong to the vCPU: what this program puts into each (seed=N) is there after others
 * ran on the same host CPU. us=N: how long.
 */
#include <stdio.h>
#include <string.h>

#include "tg.h"

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
	while (uk_ticks() < end || rounds < 20) {
		for (unsigned r = 0; r < NR_REGS; r++)
			in[r] = (was[r] & ~masks[r]) | (next() & masks[r]);
		write_all(in);
		tg_spin_us(rounds & 1 ? 6000 : 100); /* longer than a slice every other time */
		read_all(out);
		for (unsigned r = 0; r < NR_REGS; r++)
			wrong[r] += (out[r] & masks[r]) != (in[r] & masks[r]);
		rounds++;
	}
	write_all(was);
	uk_irq_restore(daif);
	for (unsigned r = 0; r < NR_REGS; r++) tg_eq(wrong[r], 0, names[r]);
	return tg_end();
}
