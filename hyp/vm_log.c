/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines that a guest caused: a bucket of 10 tokens per VM, filled again at 5 a second.
 */
#include <hyp/log.h>

#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/vm.h>
#include <lib/printf.h>

#define BURST 10u
#define PER_SECOND 5u

/* A token, if there is one. *dropped: lines not shown since the last one that was. */
static bool take_token(struct vm *vm, uint32_t *dropped) EXCLUDES(vm->lock)
{
	uint64_t now = arch_counter(), period = arch_counter_hz() / PER_SECOND;
	uint64_t full = load_relaxed(&vm->log_refill), next;

	/*
	 * log_refill is when the bucket will be full again, so that one CAS takes a token: each
	 * puts it off by a period, and BURST periods ahead the bucket is empty.
	 */
	do {
		next = MAX(full, now) + period;
		if (next - now > BURST * period) {
			(void)atomic_fetch_add_full(&vm->log_dropped, 1u);
			return false;
		}
	} while (!atomic_cas_full(&vm->log_refill, &full, next));
	*dropped = atomic_exchange_full(&vm->log_dropped, 0u);
	return true;
}

void log_guest(struct vm *vm, enum log_level level, const char *fmt, ...)
{
	uint32_t dropped;
	va_list ap;

	if (level > log_guest_level() || !take_token(vm, &dropped)) return;
	if (dropped != 0) log_write(level, "%s: %u messages dropped", vm->name, dropped);
	va_start(ap, fmt);
	log_vwrite(level, vm->name, fmt, ap);
	va_end(ap);
}
