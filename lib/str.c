/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: bounded copy, text in pieces, numbers, words.
 */
#include <lib/str.h>

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool str_copy(char *dst, const char *src, size_t n)
{
	return (size_t)snprintf(dst, n, "%.*s", (int)n, src) < n;
}

void str_append(char *buf, size_t n, size_t *len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*len += (size_t)vsnprintf(buf + *len, n - *len, fmt, ap);
	va_end(ap);
	*len = *len < n ? *len : n - 1;
}

bool str_to_u64(const char *s, uint64_t *out)
{
	char *end;
	uint64_t v = strtoul(s, &end, s[0] == '0' && (s[1] | 0x20) == 'x' ? 16 : 10);
	/* No blanks, no sign. */
	bool good = *s >= '0' && *s <= '9' && *end == '\0' && v != ULONG_MAX;

	*out = good ? v : *out;
	return good;
}

const char *str_arg(const char *args, const char *word)
{
	const char *value = NULL;
	size_t n = strlen(word);

	for (args += strspn(args, " "); *args; args += strspn(args, " ")) {
		if (strncmp(args, word, n) == 0 && args[n] == '=') value = args + n + 1;
		args += strcspn(args, " ");
	}
	return value;
}

bool str_arg_is(const char *args, const char *word, const char *value)
{
	const char *is = str_arg(args, word);
	size_t n = strlen(value);

	return is && strcspn(is, " ") == n && strncmp(is, value, n) == 0;
}
