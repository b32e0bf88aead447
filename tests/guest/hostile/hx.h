/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the hostile guests share: probes, which run one thing and survive it, and a line for each of
 * them that tests/qemu/test_hostile.py compares with a committed list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uk.h>
#include <uk_arch.h>

#include "hx_offsets.h"

#define HX_RETURNED (~0ul)
#define HX_TABLES (1ul << HX_F_TABLES_BIT)
#define HX_ERET (1ul << HX_F_ERET_BIT)

/* PSTATE.D, I and F masked, SErrors taken at once. */
#define HX_DAIF_DEFAULT 0x2c0ul
#define HX_SCTLR_M 1ul

#define HX_EC(c) ((unsigned)((c)->esr >> 26 & 63)) /* ESR_ELx.EC */
#define HX_EC_SVC 0x15u

/*
 * One probe. In: what x0 to x7 hold, the function, the state it runs in (hx_init() fills in the
 * runtime's own). Out: x0 to x3, and HX_RETURNED or the vector and what the exception said.
 */
struct hx {
	uint64_t x[8];
	uint64_t fn;
	uint64_t flags; /* HX_TABLES: TTBR, TCR, MAIR are new. HX_ERET: enter fn with pstate */
	uint64_t pstate;
	uint64_t daif, sctlr, ttbr0, ttbr1, tcr, mair, mdscr;
	uint64_t vector, esr, far, elr, spsr;
	uint64_t pad;
	uint64_t saved[32];
} __attribute__((aligned(64)));

struct hx_op {
	const char *name;
	uint64_t fn, flags, bytes;
};
#define HX_OP_STORE 1ul
#define HX_OP_NODATA 2ul
#define HX_OP_JUMP 4ul
/* Plain loads and stores of 1, 2, 4, 8 bytes, then all others from hx_ops_more. */
extern const struct hx_op hx_ops[], hx_ops_more[], hx_ops_end[];

void hx_run(struct hx *c);
void hx_init(struct hx *c);
/* HVC or SMC with x0 to x29 from there, and their values afterwards. */
void hx_hvc(uint64_t x[30]);
void hx_smc(uint64_t x[30]);

/* fn(a, b), in the runtime's state. True: it returned. */
bool hx_call(struct hx *c, uint64_t fn, uint64_t a, uint64_t b);
/* The operation at addr, its data registers with a pattern; mmu: off for the time of it, or on. */
bool hx_do(struct hx *c, const struct hx_op *op, uint64_t addr, bool mmu);

/* Lines begin with '@' and the program's name: what is not such a line is not compared. */
void hx_start(const char *name);
void hx_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What happened, in words: "returned", or vector, ESR, and FAR where it means something. */
const char *hx_outcome(const struct hx *c);
/* As hx_outcome(), with the values that op loaded; show: else only that it returned. */
const char *hx_result(const struct hx *c, const struct hx_op *op, uint64_t addr, bool show);
/* "name: end N lines"; for main() to return. */
int hx_end(void);

/*
 * Runs of equal outcomes: hx_runs_add() for each number, in ascending order; a line for each run
 * when it ends. The words are compared as text.
 */
struct hx_runs {
	const char *what;
	char words[64];
	uint64_t first, last, step;
	bool any;
};
void hx_runs_add(struct hx_runs *r, uint64_t n, const char *words);
void hx_runs_end(struct hx_runs *r);

enum hx_map { HX_DEVICE, HX_NORMAL, HX_EXEC, HX_EXEC_EL0, HX_DEVICE_EL0 };
/* The GiB of physical memory with pa, at an address of its own; gives pa's address there. */
uint64_t hx_map(uint64_t pa, enum hx_map how);
/* The same in the one GiB that is left for AArch32: below 4 GiB. Once. */
uint64_t hx_map_low(uint64_t pa, enum hx_map how);
/* n instructions, then RET, where they can be executed by EL1 (el0: by EL0). */
uint64_t hx_code(const uint32_t *insns, unsigned n, bool el0);
