/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management shell on the host console (Ctrl-] h).
 */
#pragma once

#include <hyp/types.h>

/* A byte typed while the shell has the keyboard; 0: it has just got it. Console up-call: one CPU at
 * a time, no locks held. */
void shell_input(uint8_t c);
