/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data and instruction aborts of a guest with any syndrome, any instruction at its PC and any
 * registers: the decoder against a table of the encodings by mnemonic, and what a load or store
 * leaves in registers and device against what the Arm ARM says of it.
 * links: arch/arm64/decode.c arch/arm64/trap_abort.c hyp/mmio.c
 * links: tests/fake_arch/fake.c tests/fake_arch/sysreg.c
 * covers: arch/arm64/decode.c arch/arm64/trap_abort.c
 * flags: -max_len=256 -runs=60000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asm/sysreg.h>
#include <asm/trap.h>
#include <hyp/gmem.h>
#include <hyp/mmio.h>
#include <hyp/vm.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/fake_sysreg.h>
#include "tests/fuzz/fuzz.h"

#define DEV UINT64_C(0x09000000)
#define RAM UINT64_C(0x40000000)
#define CODE (RAM + 0x1000)

/* --- C6.2: LDP, STP, LDPSW, LDNP, STNP; LDR, STR and their narrow kin with write-back --- */
enum { LOAD = 1, PAIR = 2, SIGN = 4, X = 8, WB = 16, POST = 32 };
static const struct {
	uint32_t mask, bits;
	unsigned size, flags;
} forms[] = {
#define PAIRS(mode, f)                                                                             \
	{0xffc00000, 0x28000000 | (mode) << 23, 4, PAIR | (f)},                                    \
	    {0xffc00000, 0x28400000 | (mode) << 23, 4, PAIR | LOAD | (f)},                         \
	    {0xffc00000, 0xa8000000 | (mode) << 23, 8, PAIR | X | (f)},                            \
	{                                                                                          \
		0xffc00000, 0xa8400000 | (mode) << 23, 8, PAIR | LOAD | X | (f)                    \
	}
#define LDPSW(mode, f)                                                                             \
	{                                                                                          \
		0xffc00000, 0x68400000 | (mode) << 23, 4, PAIR | LOAD | SIGN | X | (f)             \
	}
    PAIRS(0u, 0),
    PAIRS(1u, WB | POST),
    PAIRS(2u, 0),
    PAIRS(3u, WB),
    LDPSW(1u, WB | POST),
    LDPSW(2u, 0),
    LDPSW(3u, WB),
#define ONE(bits, size, f)                                                                         \
	{0xffe00c00, (bits) | 0x400, size, WB | POST | (f)},                                       \
	{                                                                                          \
		0xffe00c00, (bits) | 0xc00, size, WB | (f)                                         \
	}
    ONE(0x38000000, 1, 0),               /* STRB */
    ONE(0x38400000, 1, LOAD),            /* LDRB */
    ONE(0x38800000, 1, LOAD | SIGN | X), /* LDRSB Xt */
    ONE(0x38c00000, 1, LOAD | SIGN),     /* LDRSB Wt */
    ONE(0x78000000, 2, 0),               /* STRH and so on */
    ONE(0x78400000, 2, LOAD),
    ONE(0x78800000, 2, LOAD | SIGN | X),
    ONE(0x78c00000, 2, LOAD | SIGN),
    ONE(0xb8000000, 4, 0),
    ONE(0xb8400000, 4, LOAD),
    ONE(0xb8800000, 4, LOAD | SIGN | X),
    ONE(0xf8000000, 8, X),
    ONE(0xf8400000, 8, LOAD | X),
};

struct op {
	unsigned rt, rt2, rn, size, flags;
	int64_t imm;
};

static bool model_decode(uint32_t insn, struct op *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		bool pair = forms[i].flags & PAIR;

		if ((insn & forms[i].mask) != forms[i].bits) continue;
		*o = (struct op){insn & 31,
		                 pair ? insn >> 10 & 31 : 32,
		                 insn >> 5 & 31,
		                 forms[i].size,
		                 forms[i].flags,
		                 pair ? (int64_t)(insn >> 15 & 127) : (int64_t)(insn >> 12 & 511)};
		o->imm -= pair ? (o->imm >= 64 ? 128 : 0) : (o->imm >= 256 ? 512 : 0);
		o->imm *= pair ? (int64_t)o->size : 1;
		/* CONSTRAINED UNPREDICTABLE (K1.1): not emulated. */
		if ((o->flags & WB) && o->rn != 31 && (o->rn == o->rt || o->rn == o->rt2))
			return false;
		return !((o->flags & (PAIR | LOAD)) == (PAIR | LOAD) && o->rt == o->rt2);
	}
	return false;
}

/* --- the machine --- */
static const struct machine machine = {.ram_base = RAM};
static struct vm_config cfg = {.memory = MiB(1)};
static struct vm vm;
static struct vcpu vcpu;
static uint32_t code;
static bool mapped, code_there;
static unsigned nr_serrors;

static struct access {
	bool write;
	uint64_t off, val;
	unsigned size;
} done[3];
static unsigned nr_done;
static uint64_t answers[2];
static enum mmio_result results[2];

static enum mmio_result device(bool write, uint32_t off, unsigned size, uint64_t *val)
{
	unsigned n = nr_done++;

	EXPECT(n < 2 && off + size <= PAGE_SIZE && off % size == 0);
	done[n] = (struct access){write, off, *val, size};
	if (!write) *val = answers[n] & (~UINT64_C(0) >> (64 - 8 * size));
	if (write) EXPECT((done[n].val & ~(~UINT64_C(0) >> (64 - 8 * size))) == 0);
	return results[n];
}

static enum mmio_result dev_read(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                 uint64_t *val)
{
	return device(false, off, size, val);
}

static enum mmio_result dev_write(struct vcpu *v, void *dev, uint32_t off, unsigned size,
                                  uint64_t val)
{
	return device(true, off, size, &val);
}

static const struct mmio_ops ops = {15, dev_read, dev_write};

enum hyp_err gmem_read(struct s2 *s, ipa_t from, void *to, uint64_t n)
{
	EXPECT(n == 4);
	if (!code_there) return HYP_EPERM;
	memcpy(to, &code, 4);
	return HYP_OK;
}

enum hyp_err s2_lookup(struct s2 *s, ipa_t at, struct s2_walk *out)
{
	EXPECT(ipa_raw(at) - RAM < cfg.memory);
	return mapped ? HYP_OK : HYP_EPERM;
}

enum trap_result trap_serror(struct vcpu *v, uint64_t esr)
{
	nr_serrors++;
	return TRAP_RESUME;
}

static uint64_t extend(uint64_t val, unsigned size, unsigned flags)
{
	if (size < 8) {
		val &= (UINT64_C(1) << 8 * size) - 1;
		if ((flags & SIGN) && (val >> (8 * size - 1) & 1)) val |= ~UINT64_C(0) << 8 * size;
	}
	return flags & X ? val : val & UINT32_MAX;
}

/* An abort on the decoded instruction at the device: everything is known. */
static void check_decoded(const struct op *o, const uint64_t *before, uint64_t base, uint64_t far,
                          uint64_t fipa, enum trap_result r)
{
	uint64_t at = base + (o->flags & POST ? 0 : (uint64_t)o->imm), want[31];
	unsigned n = o->flags & PAIR ? 2 : 1, regs[2] = {o->rt, o->rt2}, ok = 0;

	memcpy(want, before, sizeof(want));
	if (at != far || (fipa & PAGE_MASK) + n * o->size > PAGE_SIZE || fipa % o->size != 0) {
		EXPECT(r == TRAP_ABORT && nr_done == 0);
	} else {
		while (ok < n && results[ok] == MMIO_OK) ok++;
		EXPECT(nr_done == MIN(ok + 1, n));
		for (unsigned i = 0; i < nr_done; i++) {
			EXPECT(done[i].write == !(o->flags & LOAD) && done[i].size == o->size);
			EXPECT(done[i].off == fipa - DEV + i * o->size);
			if (done[i].write)
				EXPECT(done[i].val ==
				       extend(regs[i] == 31 ? 0 : before[regs[i]], o->size, X));
		}
		if (ok == n) {
			EXPECT(r == TRAP_ADVANCE);
			for (unsigned i = 0; (o->flags & LOAD) && i < n; i++)
				if (regs[i] != 31)
					want[regs[i]] = extend(answers[i], o->size, o->flags);
			if ((o->flags & WB) && o->rn != 31) want[o->rn] = base + (uint64_t)o->imm;
			if ((o->flags & WB) && o->rn == 31)
				EXPECT(fake_sr(SP_EL0) + fake_sr(SP_EL1) - 0x1000 - 0x2000 ==
				       (uint64_t)o->imm);
		} else {
			EXPECT(r == (results[ok] == MMIO_HOLD    ? TRAP_RESCHED
			             : results[ok] == MMIO_AGAIN ? TRAP_RESUME
			                                         : TRAP_ABORT));
		}
	}
	EXPECT(memcmp(want, vcpu.arch.x, sizeof(want)) == 0);
}

static uint64_t input(const uint8_t **p, const uint8_t *end, unsigned n)
{
	uint64_t val = 0;

	for (unsigned i = 0; i < n && *p < end; i++) val |= (uint64_t) * (*p)++ << 8 * i;
	return val;
}

static uint64_t translate(const char *op, uint64_t va)
{
	return va >> 63 ? PAR_F : va & PAR_PA; /* flat below */
}

static void one(const uint8_t **p, const uint8_t *end)
{
	static const uint64_t modes[] = {PSR_M_EL1H, PSR_M_EL1T, PSR_M_EL0T, PSR_AARCH32};
	static const enum mmio_result kinds[] = {MMIO_OK, MMIO_ABORT, MMIO_AGAIN, MMIO_HOLD};
	uint64_t how = input(p, end, 1), far, esr, before[31], base;
	struct op o;
	struct ldst d;
	bool known, anything;
	enum trap_result r;

	code = (uint32_t)input(p, end, 4);
	/* Most of the time one of the forms, with what the input says of its other fields. */
	if (how & 1) {
		unsigned f = (unsigned)(code % ARRAY_SIZE(forms));

		code = forms[f].bits | ((uint32_t)input(p, end, 4) & ~forms[f].mask);
	}
	known = model_decode(code, &o);
	EXPECT(decode_ldst(code, &d) == known);
	if (known) {
		EXPECT(d.rt[0] == o.rt && d.rn == o.rn && d.imm == o.imm);
		EXPECT(1u << FIELD_GET(ESR_SAS, d.iss) == o.size);
		EXPECT(d.n == (o.flags & PAIR ? 2 : 1) && !!(d.iss & ESR_WNR) == !(o.flags & LOAD));
		EXPECT(d.writeback == !!(o.flags & WB) && (d.n == 1 || d.rt[1] == o.rt2));
		EXPECT(!d.writeback || d.post == !!(o.flags & POST));
	}
	for (unsigned i = 0; i < 31; i++)
		vcpu.arch.x[i] = UINT64_C(0x9182736455463728) * (i + 1) ^ code;
	answers[0] = input(p, end, 4) * UINT64_C(0x100000001);
	answers[1] = ~answers[0];
	results[0] = kinds[how >> 1 & 3];
	results[1] = kinds[how >> 3 & 3];
	mapped = how >> 5 & 1;
	code_there = (how >> 6 & 3) != 3;
	nr_done = nr_serrors = 0;
	fake_sysreg_reset();
	fake_at_hook = translate;
	fake_sr_set(SP_EL0, 0x1000);
	fake_sr_set(SP_EL1, 0x2000);
	fake_sr_set(PAR_EL1, 0x77);
	fake_sr_set(ELR_EL2, CODE);
	fake_sr_set(SPSR_EL2, modes[input(p, end, 1) & 3]);
	/* Where: in the device or near it, or anywhere; the base register such that it fits. */
	far = DEV + (input(p, end, 2) & 0x1fff);
	esr = FIELD_PREP(ESR_EC, EC_DABT_LOWER) | FSC_TRANSLATION | 3;
	if (how & 1) far &= ~UINT64_C(7);
	anything = input(p, end, 1) & 1;
	if (anything) {
		esr = FIELD_PREP(ESR_EC, input(p, end, 1) & 1 ? EC_DABT_LOWER : EC_IABT_LOWER) |
		      (input(p, end, 4) & GENMASK(25, 0));
		if (FIELD_GET(ESR_EC, esr) == EC_IABT_LOWER) esr &= ~ESR_ISV; /* RES0 there */
		far = input(p, end, 6);
		if (how & 2) far = RAM + (far & 0x1fffff);
		vcpu.mmio_last = how & 4 ? &vm.mmio.r[0] : NULL;
	}
	fake_sr_set(FAR_EL2, far);
	fake_sr_set(HPFAR_EL2, (far & GENMASK(47, 12)) >> 8);
	if (known && o.rn != 31)
		vcpu.arch.x[o.rn] =
		    far - (o.flags & POST ? 0 : (uint64_t)o.imm) + (input(p, end, 1) == 7);
	base = !known                            ? 0
	       : o.rn != 31                      ? vcpu.arch.x[o.rn]
	       : fake_sr(SPSR_EL2) == PSR_M_EL1H ? 0x2000
	                                         : 0x1000;
	memcpy(before, vcpu.arch.x, sizeof(before));
	r = trap_abort(&vcpu, esr);
	EXPECT(r == TRAP_RESUME || r == TRAP_ADVANCE || r == TRAP_ABORT || r == TRAP_RESCHED);
	EXPECT(fake_sr(PAR_EL1) == 0x77 && fake_locks_held() == 0);
	EXPECT(nr_serrors <= 1 && (nr_serrors == 0 || r == TRAP_RESUME));
	if (FIELD_GET(ESR_EC, esr) == EC_IABT_LOWER) EXPECT(nr_done == 0 && r != TRAP_ADVANCE);
	if (anything) {
		/* Registers other than Rt are never touched when the syndrome says what it is. */
		for (unsigned i = 0; (esr & ESR_ISV) && i < 31; i++)
			if (i != FIELD_GET(ESR_SRT, esr)) EXPECT(vcpu.arch.x[i] == before[i]);
		return;
	}
	if (far - DEV >= PAGE_SIZE || !known || !code_there || fake_sr(SPSR_EL2) == PSR_AARCH32) {
		EXPECT(r == TRAP_ABORT && nr_done == 0);
		return;
	}
	check_decoded(&o, before, base, far, far, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	fake_reset();
	fake_log_on(false);
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vm.machine = &machine;
	vm.cfg = &cfg;
	vcpu.vm = &vm;
	EXPECT(mmio_add(&vm.mmio, ipa(DEV), PAGE_SIZE, &ops, NULL) == HYP_OK);
	while (data < end) one(&data, end);
	return 0;
}
