/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoder for the A64 loads and stores that compilers emit for device memory without a syndrome:
 * pairs and write-back forms. Pure.
 */
#include <asm/trap.h>

/* C6.2.164 LDP: opc 101 V=0 0 mode L imm7 Rt2 Rn Rt; opc 00 = 32, 10 = 64, 01 with L = LDPSW. */
#define PAIR_MASK 0x3e000000u
#define PAIR_BITS 0x28000000u
/* C6.2.166 LDR (immediate), pre and post index: size 111 V=0 00 opc 0 imm9 x1 Rn Rt. */
#define WB_MASK 0x3f200400u
#define WB_BITS 0x38000400u

static uint32_t bits(uint32_t insn, unsigned hi, unsigned lo)
{
	return (insn >> lo) & ((1u << (hi - lo + 1)) - 1);
}

bool decode_ldst(uint32_t insn, struct ldst *out)
{
	struct ldst d = {.rt = (uint8_t)bits(insn, 4, 0), .rn = (uint8_t)bits(insn, 9, 5)};
	uint32_t size = bits(insn, 31, 30), opc = bits(insn, 23, 22), mode = bits(insn, 24, 23);

	d.pair = (insn & PAIR_MASK) == PAIR_BITS;
	if (d.pair) {
		d.load = bits(insn, 22, 22) != 0;
		if (size == 3 || (size == 1 && (!d.load || mode == 0)))
			return false; /* unallocated, STGP */
		d.sign = size == 1;
		d.wide = size != 0;
		d.size = size == 2 ? 8 : 4;
		d.post = mode == 1;
		d.writeback = mode == 1 || mode == 3;
		d.imm = ((int32_t)(bits(insn, 21, 15) << 25) >> 25) * (int32_t)d.size;
		d.rt2 = (uint8_t)bits(insn, 14, 10);
	} else {
		/* opc: 0 store, 1 load, 2 load signed to 64, 3 load signed to 32 bits. */
		if ((insn & WB_MASK) != WB_BITS || (opc == 2 && size == 3) ||
		    (opc == 3 && size >= 2))
			return false;
		d.load = opc != 0;
		d.sign = opc >= 2;
		d.wide = opc == 2 || size == 3;
		d.size = (uint8_t)(1u << size);
		d.post = bits(insn, 11, 11) == 0;
		d.writeback = true;
		d.imm = (int32_t)(bits(insn, 20, 12) << 23) >> 23;
	}
	/* Write-back into a transferred register is CONSTRAINED UNPREDICTABLE: not emulated. */
	if (d.writeback && d.rn != 31 && (d.rn == d.rt || (d.pair && d.rn == d.rt2))) return false;
	if (d.pair && d.load && d.rt == d.rt2) return false;
	*out = d;
	return true;
}
