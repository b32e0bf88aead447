/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: formatted on the stack; the console keeps the last of them for the shell. Those that a
 * guest caused are limited in number.
 */
#include <hyp/log.h>

#include <arch/cpu.h>
#include <arch/timer.h>
#include <hyp/atomic.h>
#include <hyp/console.h>
#include <hyp/pcpu.h>
#include <lib/str.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_LINE 320u
/* Of a VM's messages: a bucket of 10 tokens, filled again at 5 a second. */
#define BURST 10u
#define PER_SECOND 5u

static enum log_level host_level = LOG_INFO, guest_level = LOG_WARN;

static const struct {
	const char *word, *color;
} levels[] = {
    [LOG_ERR] = {"error: ", "\033[31m"},
    [LOG_WARN] = {"warning: ", "\033[33m"},
    [LOG_INFO] = {"", ""},
    [LOG_DBG] = {"debug: ", "\033[2m"},
};

void log_set_levels(enum log_level host, enum log_level guest)
{
	host_level = host;
	guest_level = guest;
}

static void vwrite(enum log_level level, const char *who, const char *fmt, va_list ap)
{
	const char *color = console_color ? levels[level].color : "";
	/* Before the timer's rate is known any rate will do. */
	uint64_t hz = arch_counter_hz() != 0 ? arch_counter_hz() : 1000000, now = arch_counter();
	const struct pcpu *p = this_pcpu();
	char buf[LOG_LINE];
	const size_t n = sizeof(buf) - 8; /* room for the end of the colour */
	size_t len = 0;

	str_append(buf, n, &len, "%s[%lu.%06lu cpu%u] %s%s%s", color, (unsigned long)(now / hz),
	           (unsigned long)(now % hz * 1000000 / hz), p != NULL ? p->id : 0,
	           levels[level].word, who != NULL ? who : "", who != NULL ? ": " : "");
	len += (size_t)vsnprintf(buf + len, n - len, fmt, ap);
	if (len >= n) {
		len = n - 1;
		buf[len - 1] = buf[len - 2] = buf[len - 3] = '.';
	}
	str_append(buf, sizeof(buf), &len, *color != '\0' ? "\033[0m\n" : "\n");
	console_write(buf, len);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > host_level) return;
	va_start(ap, fmt);
	vwrite(level, NULL, fmt, ap);
	va_end(ap);
}

/* A token, if there is one. *dropped: lines not shown since the last one that was. */
static bool take_token(struct log_limit *l, uint32_t *dropped)
{
	uint64_t now = arch_counter(), period = arch_counter_hz() / PER_SECOND;
	uint64_t full = load_relaxed(&l->refill), next;

	/*
	 * refill is when the bucket will be full again, so that one CAS takes a token: each
	 * puts it off by a period, and BURST periods ahead the bucket is empty.
	 */
	do {
		next = MAX(full, now) + period;
		if (next - now > BURST * period) {
			(void)atomic_fetch_add_full(&l->dropped, 1u);
			return false;
		}
	} while (!atomic_cas_full(&l->refill, &full, next));
	*dropped = atomic_exchange_full(&l->dropped, 0u);
	return true;
}

void log_limited(struct log_limit *l, const char *who, enum log_level level, const char *fmt, ...)
{
	uint32_t dropped;
	va_list ap;

	if (level > guest_level || !take_token(l, &dropped)) return;
	if (dropped != 0) log_write(level, "%s: %u messages dropped", who, dropped);
	va_start(ap, fmt);
	vwrite(level, who, fmt, ap);
	va_end(ap);
}
