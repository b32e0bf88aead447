/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One screen about a VM that crashed.
 */
#pragma once

struct vm;

/* Why, where, registers of the vCPU at fault, the manifest node, the policy. All vCPUs are out. */
void crash_explain(const struct vm *vm);
