/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The A64 load/store decoder: encodings as LLVM 14 assembles them, everything around them refused,
 * and what a load leaves in a register.
 * links: arch/arm64/decode.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <asm/sysreg.h>
#include <asm/trap.h>

enum { LD = 1, SIGN = 2, WIDE = 4, PAIR = 8, PRE = 16, POST = 32 };

static const struct {
	uint32_t insn;
	const char *text;
	unsigned flags, size, rt, rt2, rn;
	int imm;
} good[] = {
    {0x29400861, "ldp w1, w2, [x3]", PAIR | LD, 4, 1, 2, 3, 0},
    {0xa9600861, "ldp x1, x2, [x3, #-512]", PAIR | LD | WIDE, 8, 1, 2, 3, -512},
    {0xa95f8861, "ldp x1, x2, [x3, #504]", PAIR | LD | WIDE, 8, 1, 2, 3, 504},
    {0x295f8861, "ldp w1, w2, [x3, #252]", PAIR | LD, 4, 1, 2, 3, 252},
    {0xa9017ffe, "stp x30, xzr, [sp, #16]", PAIR | WIDE, 8, 30, 31, 31, 16},
    {0x29a014c4, "stp w4, w5, [x6, #-256]!", PAIR | PRE, 4, 4, 5, 6, -256},
    {0xa8c114c4, "ldp x4, x5, [x6], #16", PAIR | LD | WIDE | POST, 8, 4, 5, 6, 16},
    {0xa9ff17e4, "ldp x4, x5, [sp, #-16]!", PAIR | LD | WIDE | PRE, 8, 4, 5, 31, -16},
    {0x69408861, "ldpsw x1, x2, [x3, #4]", PAIR | LD | SIGN | WIDE, 4, 1, 2, 3, 4},
    {0x68ff0861, "ldpsw x1, x2, [x3], #-8", PAIR | LD | SIGN | WIDE | POST, 4, 1, 2, 3, -8},
    {0x69c10861, "ldpsw x1, x2, [x3, #8]!", PAIR | LD | SIGN | WIDE | PRE, 4, 1, 2, 3, 8},
    {0xa8410861, "ldnp x1, x2, [x3, #16]", PAIR | LD | WIDE, 8, 1, 2, 3, 16},
    {0x28000861, "stnp w1, w2, [x3]", PAIR, 4, 1, 2, 3, 0},
    {0xf8008441, "str x1, [x2], #8", WIDE | POST, 8, 1, 0, 2, 8},
    {0xf81f8c41, "str x1, [x2, #-8]!", WIDE | PRE, 8, 1, 0, 2, -8},
    {0xb800445f, "str wzr, [x2], #4", POST, 4, 31, 0, 2, 4},
    {0xf84ff7e1, "ldr x1, [sp], #255", LD | WIDE | POST, 8, 1, 0, 31, 255},
    {0xb8500c41, "ldr w1, [x2, #-256]!", LD | PRE, 4, 1, 0, 2, -256},
    {0x38001441, "strb w1, [x2], #1", POST, 1, 1, 0, 2, 1},
    {0x38401c41, "ldrb w1, [x2, #1]!", LD | PRE, 1, 1, 0, 2, 1},
    {0x389ff441, "ldrsb x1, [x2], #-1", LD | SIGN | WIDE | POST, 1, 1, 0, 2, -1},
    {0x38c01c41, "ldrsb w1, [x2, #1]!", LD | SIGN | PRE, 1, 1, 0, 2, 1},
    {0x78002441, "strh w1, [x2], #2", POST, 2, 1, 0, 2, 2},
    {0x78402c41, "ldrh w1, [x2, #2]!", LD | PRE, 2, 1, 0, 2, 2},
    {0x78802441, "ldrsh x1, [x2], #2", LD | SIGN | WIDE | POST, 2, 1, 0, 2, 2},
    {0x78c02c41, "ldrsh w1, [x2, #2]!", LD | SIGN | PRE, 2, 1, 0, 2, 2},
    {0xb8804441, "ldrsw x1, [x2], #4", LD | SIGN | WIDE | POST, 4, 1, 0, 2, 4},
    {0xb89fcc41, "ldrsw x1, [x2, #-4]!", LD | SIGN | WIDE | PRE, 4, 1, 0, 2, -4},
};

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct ldst d;
		unsigned f = good[i].flags;

		memset(&d, 0xff, sizeof(d));
		if (!decode_ldst(good[i].insn, &d)) fail_msg("not decoded: %s", good[i].text);
		if (!!(d.iss & ESR_WNR) == !!(f & LD) || !!(d.iss & ESR_SSE) != !!(f & SIGN) ||
		    !!(d.iss & ESR_SF) != !!(f & WIDE) || d.n != (f & PAIR ? 2 : 1) ||
		    d.writeback != !!(f & (PRE | POST)) || d.post != !!(f & POST) ||
		    1u << FIELD_GET(ESR_SAS, d.iss) != good[i].size || d.rt[0] != good[i].rt ||
		    d.rn != good[i].rn || d.imm != good[i].imm ||
		    (d.n == 2 && d.rt[1] != good[i].rt2) ||
		    (d.iss & ~(ESR_WNR | ESR_SSE | ESR_SF | ESR_SAS)) != 0)
			fail_msg("wrong: %s", good[i].text);
	}
}

static void test_refused(void **state)
{
	static const struct {
		uint32_t insn;
		const char *text;
	} bad[] = {
	    {0xf9400041, "ldr x1, [x2]"}, /* these have a syndrome */
	    {0xf9400441, "ldr x1, [x2, #8]"},
	    {0xf8636841, "ldr x1, [x2, x3]"},
	    {0xf8403041, "ldur x1, [x2, #3]"},
	    {0xf8400841, "ldtr x1, [x2]"},
	    {0x889ffc41, "stlr w1, [x2]"},
	    {0xc8dffc41, "ldar x1, [x2]"},
	    {0xd9401041, "ldapur x1, [x2, #1]"},
	    {0x3cc10441, "ldr q1, [x2], #16"}, /* SIMD */
	    {0xfc008c41, "str d1, [x2, #8]!"},
	    {0xad400440, "ldp q0, q1, [x2]"},
	    {0x6cc10440, "ldp d0, d1, [x2], #16"},
	    {0x2c000440, "stnp s0, s1, [x2]"},
	    {0x4cdf7020, "ld1 {v0.16b}, [x1], #16"},
	    {0xe400e020, "st1b {z0.b}, p0, [x1]"},
	    {0xc85f7c41, "ldxr x1, [x2]"}, /* exclusives and atomics */
	    {0xc8200861, "stxp w0, x1, x2, [x3]"},
	    {0xc87f8861, "ldaxp x1, x2, [x3]"},
	    {0xc8a17c62, "cas x1, x2, [x3]"},
	    {0x48207c82, "casp x0, x1, x2, x3, [x4]"},
	    {0xf8218062, "swp x1, x2, [x3]"},
	    {0xf8210062, "ldadd x1, x2, [x3]"},
	    {0xf8201c41, "ldraa x1, [x2, #8]!"},
	    {0x69008861, "stgp x1, x2, [x3, #16]"},
	    {0x68808861, "stgp x1, x2, [x3], #16"},
	    {0xd9201441, "stg x1, [x2], #16"},
	    {0xf9800040, "prfm pldl1keep, [x2]"},
	    {0xd50b7421, "dc zva, x1"},
	    {0xd503201f, "nop"},
	    {0, "udf #0"},
	    {0xffffffff, "unallocated"},
	    /* CONSTRAINED UNPREDICTABLE: write-back into a register that is transferred. */
	    {0xf8008442, "str x2, [x2], #8"},
	    {0xb8500c42, "ldr w2, [x2, #-256]!"},
	    {0xa8c11484, "ldp x4, x5, [x4], #16"},
	    {0xa8c114a4, "ldp x4, x5, [x5], #16"},
	    /* A pair loaded into one register. */
	    {0xa9401064, "ldp x4, x4, [x3]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ldst d = {.rn = 77};

		if (decode_ldst(bad[i].insn, &d)) fail_msg("decoded: %s", bad[i].text);
		assert_int_equal(d.rn, 77);
	}
}

/* SP as base is not XZR as register: both are number 31, and never the same one. */
static void test_sp_and_xzr(void **state)
{
	struct ldst d;

	(void)state;
	assert_true(decode_ldst(0xf80087ff, &d)); /* str xzr, [sp], #8 */
	assert_int_equal(d.rt[0], 31);
	assert_int_equal(d.rn, 31);
	assert_true(decode_ldst(0xa8c17fff, &d) ==
	            false);                       /* ldp xzr, xzr, [sp], #16: one register */
	assert_true(decode_ldst(0xa8817fff, &d)); /* stp xzr, xzr, [sp], #16 */
	/* A stored pair may be one register twice. */
	assert_true(decode_ldst(0xa9001064, &d)); /* stp x4, x4, [x3] */
}

/*
 * All 2^13 values of the bits that choose the instruction (31:21, 11:10), registers apart: exactly
 * 19 pairs in 8 encodings each (bits 21 and 11:10 are operands) and 13 forms with write-back,
 * twice.
 */
static void test_space(void **state)
{
	unsigned pairs = 0, singles = 0;

	(void)state;
	for (uint32_t i = 0; i < 1u << 13; i++) {
		struct ldst d;
		uint32_t insn = (i >> 2) << 21 | (i & 3) << 10 | 0x0a << 12 | 7 << 5 | 3;

		if (decode_ldst(insn, &d)) {
			pairs += d.n == 2;
			singles += d.n == 1;
			assert_true(!d.post || d.writeback);
			assert_true(!(d.iss & ESR_SSE) || !(d.iss & ESR_WNR));
			assert_int_equal(insn >> 26 & 1, 0);
		}
	}
	assert_int_equal(pairs, 19 * 8);
	assert_int_equal(singles, 13 * 2);
}

static void test_extend(void **state)
{
	const uint64_t v = UINT64_C(0x8899aabbccddeeff);

	(void)state;
	assert_int_equal(ldst_extend(v, 1, false, false), 0xff);
	assert_int_equal(ldst_extend(v, 1, false, true), 0xff);
	assert_int_equal(ldst_extend(v, 1, true, false), 0xffffffff);
	assert_int_equal(ldst_extend(v, 1, true, true), UINT64_MAX);
	assert_int_equal(ldst_extend(v, 2, false, true), 0xeeff);
	assert_int_equal(ldst_extend(v, 2, true, false), 0xffffeeff);
	assert_int_equal(ldst_extend(v, 2, true, true), UINT64_C(0xffffffffffffeeff));
	assert_int_equal(ldst_extend(v, 4, false, true), 0xccddeeff);
	assert_int_equal(ldst_extend(v, 4, true, false), 0xccddeeff);
	assert_int_equal(ldst_extend(v, 4, true, true), UINT64_C(0xffffffffccddeeff));
	assert_int_equal(ldst_extend(v, 8, false, true), v);
	assert_int_equal(ldst_extend(v, 8, true, true), v);
	assert_int_equal(ldst_extend(0x7f, 1, true, true), 0x7f);
	assert_int_equal(ldst_extend(0x7fff, 2, true, false), 0x7fff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),      cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_sp_and_xzr), cmocka_unit_test(test_space),
	    cmocka_unit_test(test_extend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
