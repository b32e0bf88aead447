/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception syndromes in words (Arm ARM D19.2.40).
 */
#include <arch/trap.h>

#include <asm/sysreg.h>

const char *esr_class_name(uint64_t esr)
{
#define CLASS_NAME(ec, id, text) [ec] = (text),
	static const char *const names[64] = {ESR_CLASSES(CLASS_NAME)};
	const char *name = names[FIELD_GET(ESR_EC, esr)];

	return name ? name : "exception of another class";
}

const char *esr_fault_name(uint64_t esr)
{
	static const char *const types[] = {"address size fault", "translation fault",
	                                    "access flag fault", "permission fault"};
	uint64_t fsc = FIELD_GET(ESR_FSC, esr);

	if (fsc / 4 < ARRAY_SIZE(types)) return types[fsc / 4]; /* the low bits are the level */
	return (fsc & FSC_TYPE) == FSC_EXTERNAL_WALK ? "external abort on a table walk"
	       : fsc == FSC_EXTERNAL                 ? "external abort"
	       : fsc == 0x21                         ? "alignment fault"
	                                             : "fault of another kind";
}

bool esr_is_abort(uint64_t esr)
{
	uint64_t from = FIELD_GET(ESR_EC, esr) & ~UINT64_C(1); /* bit 0: from the same level */

	return from == EC_IABT_LOWER || from == EC_DABT_LOWER;
}
