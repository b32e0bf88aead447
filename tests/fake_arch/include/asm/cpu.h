/* SPDX-License-Identifier: Apache-2.0 */
/* Host tests choose which CPU runs by setting this. */
#pragma once

extern struct pcpu *fake_pcpu;

static inline struct pcpu *this_pcpu(void)
{
	return fake_pcpu;
}
