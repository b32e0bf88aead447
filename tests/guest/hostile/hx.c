/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes and their lines: see hx.h.
 */
#include "hx.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(offsetof(struct hx, x) == HX_X, "hx_offsets.h");
_Static_assert(offsetof(struct hx, fn) == HX_FN, "hx_offsets.h");
_Static_assert(offsetof(struct hx, flags) == HX_FLAGS, "hx_offsets.h");
_Static_assert(offsetof(struct hx, pstate) == HX_PSTATE, "hx_offsets.h");
_Static_assert(offsetof(struct hx, daif) == HX_DAIF, "hx_offsets.h");
_Static_assert(offsetof(struct hx, sctlr) == HX_SCTLR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, ttbr0) == HX_TTBR0, "hx_offsets.h");
_Static_assert(offsetof(struct hx, ttbr1) == HX_TTBR1, "hx_offsets.h");
_Static_assert(offsetof(struct hx, tcr) == HX_TCR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, mair) == HX_MAIR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, mdscr) == HX_MDSCR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, vector) == HX_VECTOR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, esr) == HX_ESR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, far) == HX_FAR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, elr) == HX_ELR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, spsr) == HX_SPSR, "hx_offsets.h");
_Static_assert(offsetof(struct hx, saved) == HX_SAVE, "hx_offsets.h");
_Static_assert(sizeof(struct hx) == HX_SIZE, "hx_offsets.h");

/* Stage-1 block of 1 GiB (Arm ARM D5.3): valid, ISH, AF, nG. */
#define BLOCK (1ul | 3ul << 8 | 1ul << 10 | 1ul << 11)
#define BLOCK_DEVICE (1ul << 2)
#define BLOCK_EL0 (1ul << 6)
#define BLOCK_RO (2ul << 6)
#define BLOCK_PXN (1ul << 53)
#define BLOCK_UXN (1ul << 54)
#define GIB_SHIFT 30u
#define NR_ROOT 512u
#define FIRST_FREE 300u /* far above what RAM takes */
#define LOW_FREE 3u

static const char *prog;
static unsigned lines;

void hx_start(const char *name) { prog = name; }

void hx_line(const char *fmt, ...)
{
	va_list ap;

	printf("@%s ", prog);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	lines++;
}

int hx_end(void)
{
	printf("@%s end %u lines\n", prog, lines);
	return 0;
}

void hx_init(struct hx *c)
{
	*c = (struct hx){
	    .daif = HX_DAIF_DEFAULT,
	    .sctlr = sysreg_read(sctlr_el1),
	    .ttbr0 = sysreg_read(ttbr0_el1),
	    .ttbr1 = sysreg_read(ttbr1_el1),
	    .tcr = sysreg_read(tcr_el1),
	    .mair = sysreg_read(mair_el1),
	    .mdscr = sysreg_read(mdscr_el1),
	};
}

bool hx_call(struct hx *c, uint64_t fn, uint64_t a, uint64_t b)
{
	hx_init(c);
	c->fn = fn;
	c->x[0] = a;
	c->x[1] = b;
	hx_run(c);
	return c->vector == HX_RETURNED;
}

bool hx_do(struct hx *c, const struct hx_op *op, uint64_t addr, bool mmu)
{
	hx_init(c);
	if (!mmu) c->sctlr &= ~HX_SCTLR_M;
	c->fn = op->fn;
	c->x[0] = addr;
	c->x[1] = 0x0123456789abcdef;
	c->x[2] = 0xfedcba9876543210;
	c->x[3] = 7;
	hx_run(c);
	return c->vector == HX_RETURNED;
}

const char *hx_outcome(const struct hx *c)
{
	static char words[96];
	static const char *const kinds[] = {"", " IRQ", " FIQ", " SError"};
	/* By vector / 4: from SP_EL0, where the runtime is; SP_EL1; EL0 in AArch64, in AArch32. */
	static const char *const from[] = {"", " at EL1h", " at EL0", " at EL0/32"};
	unsigned ec = HX_EC(c);
	/* Aborts, PC alignment, watchpoint (Arm ARM D13.2.41). */
	bool far = ec == 0x20 || ec == 0x21 || ec == 0x22 || ec == 0x24 || ec == 0x25 ||
	           ec == 0x34 || ec == 0x35;
	int n;

	if (c->vector == HX_RETURNED) return "returned";
	n = snprintf(words, sizeof(words), "ESR %08" PRIx64 "%s%s", c->esr, kinds[c->vector & 3],
	             from[c->vector >> 2 & 3]);
	if (far && (c->vector & 3) == 0)
		snprintf(words + n, sizeof(words) - (size_t)n, " FAR %" PRIx64, c->far);
	return words;
}

const char *hx_result(const struct hx *c, const struct hx_op *op, uint64_t addr, bool show)
{
	static char words[128];
	int n;

	if (c->vector != HX_RETURNED) return hx_outcome(c);
	n = snprintf(words, sizeof(words), "returned");
	if (show && !(op->flags & (HX_OP_STORE | HX_OP_NODATA)))
		n += snprintf(words + n, sizeof(words) - (size_t)n, " %" PRIx64, c->x[1]);
	if (show && c->x[2] != 0xfedcba9876543210)
		n += snprintf(words + n, sizeof(words) - (size_t)n, " %" PRIx64, c->x[2]);
	/* After LDXR both are right: an interrupt may have come in between. */
	if (c->x[3] != 7 && strcmp(op->name, "ldxr stxr") == 0)
		n += snprintf(words + n, sizeof(words) - (size_t)n, " status 0 or 1");
	else if (c->x[3] != 7)
		n += snprintf(words + n, sizeof(words) - (size_t)n, " status %" PRIx64, c->x[3]);
	if (c->x[0] != addr)
		snprintf(words + n, sizeof(words) - (size_t)n, " base %+" PRId64,
		         (int64_t)(c->x[0] - addr));
	return words;
}

void hx_runs_add(struct hx_runs *r, uint64_t n, const char *words)
{
	if (!r->any || strcmp(r->words, words) != 0) {
		hx_runs_end(r);
		r->any = true;
		r->first = n;
		snprintf(r->words, sizeof(r->words), "%s", words);
	}
	r->last = n;
}

void hx_runs_end(struct hx_runs *r)
{
	if (r->any && r->first == r->last)
		hx_line("%s %" PRIx64 ": %s", r->what, r->first, r->words);
	else if (r->any)
		hx_line("%s %" PRIx64 "-%" PRIx64 ": %s", r->what, r->first, r->last, r->words);
	r->any = false;
}

static uint64_t map_at(unsigned n, uint64_t pa, enum hx_map how)
{
	static const uint64_t attr[] = {
	    [HX_DEVICE] = BLOCK_DEVICE | BLOCK_PXN | BLOCK_UXN,
	    [HX_NORMAL] = BLOCK_PXN | BLOCK_UXN,
	    [HX_EXEC] = BLOCK_RO | BLOCK_UXN,
	    [HX_EXEC_EL0] = BLOCK_RO | BLOCK_EL0 | BLOCK_PXN,
	    [HX_DEVICE_EL0] = BLOCK_DEVICE | BLOCK_EL0 | BLOCK_PXN | BLOCK_UXN,
	};
	uint64_t *root = (uint64_t *)(sysreg_read(ttbr0_el1) & 0x0000fffffffff000ul);
	uint64_t va = (uint64_t)n << GIB_SHIFT;
	uint64_t mask = (1ul << GIB_SHIFT) - 1;

	root[n] = (pa & ~mask) | BLOCK | attr[how];
	/* The entry before its first walk; it was invalid, so no TLB holds it. */
	__asm__ volatile("dsb ish\n\tisb" : : : "memory");
	return va | (pa & mask);
}

uint64_t hx_map(uint64_t pa, enum hx_map how)
{
	static unsigned next = FIRST_FREE;

	if (next == NR_ROOT) uk_crash("hx_map: no root entry is left");
	return map_at(next++, pa, how);
}

uint64_t hx_map_low(uint64_t pa, enum hx_map how) { return map_at(LOW_FREE, pa, how); }

#define INSN_RET 0xd65f03c0u

uint64_t hx_code(const uint32_t *insns, unsigned n, bool el0)
{
	static uint64_t exec[2];
	static uint8_t *page;
	static unsigned used = UK_PAGE_SIZE;
	uint32_t *at;

	if (used + (n + 1) * 4 > UK_PAGE_SIZE) {
		page = uk_pages_alloc(1);
		if (!page) uk_crash("hx_code: no memory");
		used = 0;
	}
	at = (uint32_t *)(void *)(page + used);
	used += (n + 1) * 4;
	memcpy(at, insns, n * 4);
	at[n] = INSN_RET;
	for (unsigned i = 0; i <= n; i++)
		__asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0"
		                 :
		                 : "r"(at + i)
		                 : "memory");
	/* New instructions are in memory, and nothing old is in the way, before they are fetched.
	 */
	__asm__ volatile("dsb ish\n\tisb" : : : "memory");
	if (exec[el0] == 0)
		exec[el0] = hx_map((uint64_t)at, el0 ? HX_EXEC_EL0 : HX_EXEC) - (uint64_t)at;
	return exec[el0] + (uint64_t)at;
}
