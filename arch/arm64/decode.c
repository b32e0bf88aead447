/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoder for the A64 loads and stores that compilers emit for device memory without a syndrome:
 * pairs and write-back forms. Pure.
 */
#include <asm/sysreg.h>
#include <asm/trap.h>

static uint32_t bits(uint32_t insn, unsigned hi, unsigned lo)
{
	return (insn >> lo) & ((1u << (hi - lo + 1)) - 1);
}

bool decode_ldst(uint32_t insn, struct ldst *out)
{
	/* C6.2.164 LDP: opc 101 V=0 0 mode L imm7 Rt2 Rn Rt; opc 00 = 32, 10 = 64, 01 with L =
	 * LDPSW. */
	bool pair = (insn & 0x3e000000) == 0x28000000, load, sign, wide;
	uint32_t size = bits(insn, 31, 30), opc = bits(insn, 23, 22), mode = bits(insn, 24, 23);
	struct ldst d = {.n = pair ? 2 : 1,
	                 .rt = {(uint8_t)bits(insn, 4, 0), (uint8_t)bits(insn, 14, 10)},
	                 .rn = (uint8_t)bits(insn, 9, 5)};

	if (pair) {
		load = bits(insn, 22, 22) != 0;
		sign = size == 1;
		wide = size != 0;
		/* Unallocated, STGP. */
		if (size == 3 || (sign && (!load || mode == 0))) return false;
		size = size == 2 ? 3 : 2;
		d.post = mode == 1;
		d.writeback = mode == 1 || mode == 3;
		d.imm = ((int32_t)(bits(insn, 21, 15) << 25) >> 25) * (1 << size);
	} else {
		/*
		 * C6.2.166 LDR (immediate), pre and post index: size 111 V=0 00 opc 0 imm9 x1 Rn
		 * Rt. opc: 0 store, 1 load, 2 load signed to 64, 3 load signed to 32 bits.
		 */
		if ((insn & 0x3f200400) != 0x38000400 || opc > (size == 3 ? 1 : size == 2 ? 2 : 3))
			return false;
		load = opc != 0;
		sign = opc >= 2;
		wide = opc == 2 || size == 3;
		d.post = bits(insn, 11, 11) == 0;
		d.writeback = true;
		d.imm = (int32_t)(bits(insn, 20, 12) << 23) >> 23;
	}
	d.iss = FIELD_PREP(ESR_SAS, size) | (sign ? ESR_SSE : 0) | (wide ? ESR_SF : 0) |
	        (load ? 0 : ESR_WNR);
	/* CONSTRAINED UNPREDICTABLE: write-back into a register of the access, a pair of one. */
	if (d.writeback && d.rn != 31 && (d.rn == d.rt[0] || (pair && d.rn == d.rt[1])))
		return false;
	if (pair && load && d.rt[0] == d.rt[1]) return false;
	*out = d;
	return true;
}
