/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickless deadline queues: each CPU's CNTHP is set to its earliest deadline, or off. A deadline
 * fires once, on the CPU it was set on, from the interrupt path of EL2, with no lock held.
 */
#pragma once

#include <arch/timer.h>
#include <lib/list.h>

struct deadline;

struct deadline_ops {
	/*
	 * Bounded. May set the same deadline again. A cancel or set on another CPU can race with
	 * firing: the handler looks at its object's state and tolerates a late call.
	 */
	void (*fire)(struct deadline *d, uint64_t now);
};

struct deadline {
	const struct deadline_ops *ops;
	struct list_node node;
	uint64_t when; /* TIMER_NEVER: in no queue */
};

void deadline_init(struct deadline *d, const struct deadline_ops *ops);
/* Queues d on this CPU for counter value `when` (in the past: fires at once, from the interrupt
 * path; TIMER_NEVER: cancels), moving it if it is queued anywhere. Any context but with no pcpu
 * lock held. Of two calls at once for one deadline either may win. */
void deadline_set(struct deadline *d, uint64_t when);
/* Not queued afterwards; may still be firing on another CPU. */
static inline void deadline_cancel(struct deadline *d) { deadline_set(d, TIMER_NEVER); }
/* The CNTHP interrupt of this CPU: fires everything due (at most 64 a call), rearms. */
void deadline_irq(void);
void deadline_cpu_init(void);
