/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception syndromes in words (Arm ARM D19.2.40).
 */
#include <arch/esr.h>

#include <asm/sysreg.h>

const char *esr_class_name(uint64_t esr)
{
	static const struct {
		uint8_t ec;
		const char *name;
	} names[] = {
	    {EC_UNKNOWN, "undefined instruction"},
	    {EC_WFX, "WFI or WFE trapped"},
	    {EC_FP, "FP/SIMD access trapped"},
	    {EC_PAUTH, "pointer authentication trapped"},
	    {EC_BTI, "branch target exception"},
	    {EC_ILLEGAL, "illegal execution state"},
	    {EC_SVC32, "SVC (AArch32)"},
	    {EC_SVC64, "SVC"},
	    {EC_HVC64, "HVC"},
	    {EC_SMC64, "SMC"},
	    {EC_SYS64, "system register trapped"},
	    {EC_SVE, "SVE access trapped"},
	    {EC_IABT_LOWER, "instruction abort of a lower level"},
	    {EC_IABT_SAME, "instruction abort"},
	    {EC_PC_ALIGN, "PC alignment fault"},
	    {EC_DABT_LOWER, "data abort of a lower level"},
	    {EC_DABT_SAME, "data abort"},
	    {EC_SP_ALIGN, "SP alignment fault"},
	    {EC_FP64, "floating-point exception"},
	    {EC_SERROR, "SError"},
	    {EC_BRK64, "BRK"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].ec == FIELD_GET(ESR_EC, esr)) return names[i].name;
	return "exception of another class";
}

const char *esr_fault_name(uint64_t esr)
{
	static const char *const types[] = {"address size fault", "translation fault",
	                                    "access flag fault", "permission fault"};
	uint64_t fsc = FIELD_GET(ESR_FSC, esr);

	if (fsc / 4 < ARRAY_SIZE(types)) return types[fsc / 4]; /* the low bits are the level */
	return (fsc & FSC_TYPE) == FSC_EXTERNAL_WALK ? "external abort on a table walk"
	       : fsc == FSC_EXTERNAL                 ? "external abort"
	       : fsc == FSC_ALIGNMENT                ? "alignment fault"
	                                             : "fault of another kind";
}

bool esr_is_abort(uint64_t esr)
{
	uint64_t from = FIELD_GET(ESR_EC, esr) & ~UINT64_C(1); /* bit 0: from the same level */

	return from == EC_IABT_LOWER || from == EC_DABT_LOWER;
}
