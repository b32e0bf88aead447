/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: formatted on the stack, kept in a ring for the shell, shown on the console.
 */
#include <hyp/log.h>

#include <arch/cpu.h>
#include <arch/spinlock.h>
#include <arch/timer.h>
#include <hyp/console.h>
#include <hyp/pcpu.h>
#include <lib/printf.h>
#include <string.h>

#define LOG_RING KiB(16)
#define LOG_LINE 320u

static spinlock_t log_lock = SPINLOCK_INIT(LOCK_LOG);
static char ring[LOG_RING] GUARDED_BY(log_lock);
static uint64_t ring_head GUARDED_BY(log_lock); /* bytes ever written */
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

enum log_level log_guest_level(void) { return guest_level; }

static void ring_put(const char *s, size_t n)
{
	spin_lock(&log_lock);
	for (size_t i = 0; i < n; i++) ring[ring_head++ % LOG_RING] = s[i];
	spin_unlock(&log_lock);
}

void log_vwrite(enum log_level level, const char *who, const char *fmt, va_list ap)
{
	const char *color = console_color() ? levels[level].color : "";
	/* Before the timer's rate is known any rate will do. */
	uint64_t hz = arch_counter_hz() != 0 ? arch_counter_hz() : 1000000, now = arch_counter();
	const struct pcpu *p = this_pcpu();
	char buf[LOG_LINE];
	const size_t n = sizeof(buf) - 8,
	             start = strlen(color); /* room for the end of the colour */
	size_t len = 0;

	str_append(buf, n, &len, "%s[%lu.%06lu cpu%u] %s%s%s", color, (unsigned long)(now / hz),
	           (unsigned long)(now % hz * 1000000 / hz), p != NULL ? p->id : 0,
	           levels[level].word, who != NULL ? who : "", who != NULL ? ": " : "");
	len += (size_t)vsnprintf(buf + len, n - len, fmt, ap);
	if (len >= n) {
		len = n - 1;
		buf[len - 1] = buf[len - 2] = buf[len - 3] = '.';
	}
	buf[len] = '\n';
	if (console_ready()) ring_put(buf + start, len - start + 1);
	len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s\n", start != 0 ? "\033[0m" : "");
	console_write(buf, len);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > host_level) return;
	va_start(ap, fmt);
	log_vwrite(level, NULL, fmt, ap);
	va_end(ap);
}

size_t log_read(uint64_t *pos, char *buf, size_t n)
{
	size_t len = 0;

	spin_lock(&log_lock);
	if (ring_head - *pos > LOG_RING || *pos > ring_head) {
		*pos = ring_head > LOG_RING ? ring_head - LOG_RING : 0;
		/* The oldest line is cut unless nothing was overwritten yet. */
		while (*pos != 0 && *pos != ring_head && ring[(*pos)++ % LOG_RING] != '\n') {
		}
	}
	while (len < n && *pos != ring_head) buf[len++] = ring[(*pos)++ % LOG_RING];
	spin_unlock(&log_lock);
	return len;
}
