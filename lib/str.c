/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: bounded copy, numbers, words.
 */
#include <lib/str.h>

#include <limits.h>
#include <string.h>

bool str_copy(char *dst, const char *src, size_t n)
{
	size_t len = strnlen(src, n);
	bool fits = len < n;

	len = fits ? len : n - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return fits;
}

/* Value of a hexadecimal digit; 16: it is none. */
static unsigned digit(char c)
{
	char lower = (char)(c | 0x20);

	if (c >= '0' && c <= '9') return (unsigned)(c - '0');
	return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : 16;
}

unsigned long strtoul(const char *s, char **end, int base)
{
	unsigned long v = 0, b = base == 0 ? 10 : (unsigned long)base;

	if (base != 10 && s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		b = 16;
		s += 2;
	}
	for (; digit(*s) < b; s++)
		v = v > (ULONG_MAX - digit(*s)) / b ? ULONG_MAX : v * b + digit(*s);
	if (end != NULL) *end = (char *)(uintptr_t)s;
	return v;
}

bool str_to_u64(const char *s, uint64_t *out)
{
	char *end;
	uint64_t v = strtoul(s, &end, 0);
	bool good = end != s && *end == '\0' && v != ULONG_MAX;

	*out = good ? v : *out;
	return good;
}

char *str_word(char **s)
{
	char *word = *s + strspn(*s, " \t"), *end = word + strcspn(word, " \t");

	if (end == word) return NULL;
	*s = end + (*end != '\0');
	*end = '\0';
	return word;
}

bool str_arg_is(const char *args, const char *word, const char *value)
{
	size_t n = strlen(word), len = strlen(value);
	bool is = false;

	for (args += strspn(args, " "); *args; args += strspn(args, " ")) {
		if (strncmp(args, word, n) == 0 && args[n] == '=')
			is = strcspn(args + n + 1, " ") == len &&
			     strncmp(args + n + 1, value, len) == 0;
		args += strcspn(args, " ");
	}
	return is;
}
