/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vCPU that is out, as text for the shell: registers, backtrace, both stages of the translation
 * of an address. Guest memory is read by gmem only and believed in nothing: every loop has a bound.
 */
#include "shell.h"

#include <hyp/gmem.h>
#include "loader.h"
#include <hyp/vm.h>

#define MAX_FRAMES 32u
#define SYMBOL_MAX 64u

/* VMSAv8-64, stage 1 (Arm ARM D8.2, D8.3; D17.2.131 for TCR_EL1: of TTBR1 it is 16 bits higher). */
#define SCTLR_M BIT(0)
#define TCR_TSZ GENMASK(5, 0)
#define TCR_EPD BIT(7)
#define TCR_TG GENMASK(15, 14)
#define TCR_TBI0 BIT(37)
#define TCR_TBI1 BIT(38)
#define VA_HIGH BIT(55)
#define S1_VALID BIT(0)
#define S1_TABLE BIT(1) /* at level 3: page */
#define S1_ATTR GENMASK(4, 2)
#define S1_AP_EL0 BIT(6)
#define S1_AP_RO BIT(7)
#define S1_AF BIT(10)
#define S1_NG BIT(11)
#define S1_PXN BIT(53)
#define S1_UXN BIT(54)
#define MIN_VA_BITS 16u
#define MAX_VA_BITS 48u

static void show_leaf(const uint64_t *sr, uint64_t desc, unsigned shift)
{
	const char *rw = (desc & S1_AP_RO) != 0 ? "r" : "rw";

	shell_out("  %lu KiB, EL1 %s%s, EL0 %s%s%s%s, memory attribute %#lx\n", BIT(shift) >> 10,
	          rw, (desc & S1_PXN) != 0 ? "" : "x", (desc & S1_AP_EL0) != 0 ? rw : "-",
	          (desc & S1_UXN) != 0 ? "" : "x", (desc & S1_AF) != 0 ? "" : ", not accessed",
	          (desc & S1_NG) != 0 ? ", not global" : "",
	          sr[SR_MAIR_EL1] >> 8 * FIELD_GET(S1_ATTR, desc) & 0xff);
}

/* Where v would find va. show: tells of every step. False: a fault. */
static bool stage1(struct vcpu *v, uint64_t va, bool show, uint64_t *out)
{
	static const uint8_t grains[2][4] = {{12, 16, 14, 0}, {0, 14, 12, 16}};
	const uint64_t *sr = v->arch.sr;
	bool high = (va & VA_HIGH) != 0, tbi = sr[SR_TCR_EL1] & (high ? TCR_TBI1 : TCR_TBI0);
	uint64_t tcr = sr[SR_TCR_EL1] >> (high ? 16 : 0),
	         table = sr[high ? SR_TTBR1_EL1 : SR_TTBR0_EL1] & GENMASK(47, 0),
	         unused = (high ? ~va : va) & (tbi ? GENMASK(55, 0) : UINT64_MAX);
	/* log2 of the granule, of the half that va is in, of the entries of a table */
	unsigned grain = grains[high][FIELD_GET(TCR_TG, tcr)],
	         bits = 64 - (unsigned)FIELD_GET(TCR_TSZ, tcr), stride = grain - 3, top = bits;
	const char *why = NULL;

	*out = va;
	if ((sr[SR_SCTLR_EL1] & SCTLR_M) == 0) {
		if (show) shell_out("stage 1 is off\n");
		return true;
	}
	if (grain == 0 || bits > MAX_VA_BITS || bits < MIN_VA_BITS || bits <= grain)
		why = "TCR_EL1 has a reserved granule or size";
	else if ((tcr & TCR_EPD) != 0)
		why = "TCR_EL1 switches off the walks of this half";
	else if (unused >> bits != 0)
		why = "the address is in neither half";
	if (show && why != NULL) shell_out("stage 1: %s\n", why);
	if (why != NULL) return false;
	if (show) shell_out("stage 1: %u bits, granule of %lu KiB\n", bits, BIT(grain) >> 10);
	/* At most levels 0 to 3. */
	for (unsigned level = 4 - (bits - grain + stride - 1) / stride;; level++) {
		unsigned shift = grain + (3 - level) * stride;
		uint64_t index = (va & GENMASK(top - 1, shift)) / BIT(shift), at, desc;

		/* A table has the alignment of its size, at least 64 bytes. */
		at = (table & ~(MAX(BIT(top - shift) * 8, 64u) - 1)) + index * 8;
		if (gmem_read(&v->vm->s2, ipa(at), &desc, sizeof(desc)) != HYP_OK) {
			if (show) shell_out("  level %u: %#lx is not in RAM\n", level, at);
			return false;
		}
		if (show) shell_out("  level %u: at %#lx %#018lx\n", level, at, desc);
		/* A block: at levels 1 and 2, with larger granules at 2. At level 3 it is reserved.
		 */
		if ((desc & S1_VALID) == 0 ||
		    ((desc & S1_TABLE) == 0 && (level == 3 || level < (grain == 12 ? 1u : 2u)))) {
			if (show) shell_out("  not valid\n");
			return false;
		}
		if (level == 3 || (desc & S1_TABLE) == 0) {
			*out = (desc & GENMASK(47, shift)) | (va & (BIT(shift) - 1));
			if (show) show_leaf(sr, desc, shift);
			return true;
		}
		table = desc & GENMASK(47, grain);
		top = shift;
	}
}

void dump_address(struct vcpu *v, uint64_t va)
{
	static const char *const attrs[] = {
	    [S2_RWX] = "RAM, rwx", [S2_RO] = "RAM, read-only", [S2_DEVICE] = "device"};
	struct s2_walk w;
	uint64_t at, word;

	if (!stage1(v, va, true, &at)) return;
	if (s2_lookup(&v->vm->s2, ipa(at), &w) != HYP_OK) {
		shell_out("stage 2: IPA %#lx is not mapped\n", at);
		return;
	}
	shell_out("stage 2: IPA %#lx, level %u, %s, PA %#lx\n", at, w.level, attrs[w.attr],
	          pa_raw(w.pa));
	for (unsigned i = 0; i < 4; i++)
		if (gmem_read(&v->vm->s2, ipa(at + 8 * i), &word, sizeof(word)) == HYP_OK)
			shell_out(i < 3 ? "%016lx " : "%016lx\n", word);
}

static void show_code(struct vcpu *v, const char *what, uint64_t at)
{
	const struct vm_config *cfg = v->vm->cfg;
	char name[SYMBOL_MAX];
	uint64_t off;

	shell_out("%s %#018lx", what, at);
	if (loader_symbol(&cfg->files[FILE_IMAGE], cfg->plan.entry, at, name, sizeof(name), &off) ==
	    HYP_OK)
		shell_out(" %s+%#lx", name, off);
	shell_out("\n");
}

/* By the frame records that x29 leads to (AAPCS64 6.4.6): the caller's, and where it returns to. */
static void backtrace(struct vcpu *v)
{
	uint64_t fp = v->arch.x[29], at, record[2];

	show_code(v, "  pc", v->arch.pc);
	show_code(v, "  lr", v->arch.x[30]);
	for (unsigned i = 0; i < MAX_FRAMES && fp != 0 && fp % 8 == 0; i++) {
		/* A record that crosses a page is read where its first byte is: wrong at worst. */
		if (!stage1(v, fp, false, &at) ||
		    gmem_read(&v->vm->s2, ipa(at), record, sizeof(record)) != HYP_OK)
			break;
		if (record[1] != 0) show_code(v, "    ", record[1]);
		if (record[0] <= fp) break; /* stacks grow down: callers lie above */
		fp = record[0];
	}
}

void dump_registers(struct vcpu *v)
{
#define NAME(reg, ...) #reg,
	static const char *const names[] = {FOR_EACH_SR(NAME)};
	const struct arch_vcpu *a = &v->arch;

	shell_out("%s vCPU %u: pstate %#lx\n", v->vm->name, v->id, a->pstate);
	for (unsigned i = 0; i < 31; i++)
		shell_out("%s x%-2u %016lx%s", i % 4 == 0 ? " " : "", i, a->x[i],
		          i % 4 == 3 || i == 30 ? "\n" : "");
	for (unsigned i = 0; i < SR_COUNT; i++)
		shell_out("  %-14s %016lx%s", names[i], a->sr[i],
		          i % 3 == 2 || i + 1 == SR_COUNT ? "\n" : "");
	backtrace(v);
}
