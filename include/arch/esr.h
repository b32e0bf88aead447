/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception syndromes in words, for dumps of EL2 and of guests.
 */
#pragma once

#include <hyp/types.h>

/* "data abort"; never NULL. */
const char *esr_class_name(uint64_t esr);
/* "translation fault": the fault status of an abort's syndrome. */
const char *esr_fault_name(uint64_t esr);
/* The class is an instruction or data abort. */
bool esr_is_abort(uint64_t esr);
