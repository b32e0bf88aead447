/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-in: tests/fake_arch/tlb.c logs descriptor writes and refuses a missing break. */
#pragma once

void pte_store(uint64_t *pte, uint64_t desc);
