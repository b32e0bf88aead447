/* SPDX-License-Identifier: Apache-2.0 */
/* Included by the compiler before every EL2 file: also what is only declared is ours, so no access
 * goes through a GOT (code that runs before the image has relocated itself may then use C data). */
#pragma once
#pragma GCC visibility push(hidden)
