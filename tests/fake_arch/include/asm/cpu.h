/* SPDX-License-Identifier: Apache-2.0 */
/* Host tests choose which CPU runs by setting this; a test with FAKE_THREADS has one per thread. */
#pragma once

#ifdef FAKE_THREADS
extern _Thread_local struct pcpu *fake_pcpu;
#else
extern struct pcpu *fake_pcpu;
#endif

static inline struct pcpu *this_pcpu(void) { return fake_pcpu; }
