/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: bounded copy, numbers, words.
 */
#include <lib/str.h>

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

bool str_number(const char *s, unsigned base, const char **end, uint64_t *out)
{
	bool fits = true;
	uint64_t v = 0;

	if (base != 10 && s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (base == 0) {
		base = 10;
	}
	for (; digit(*s) < base; s++) {
		fits = fits && v <= (UINT64_MAX - digit(*s)) / base;
		v = v * base + digit(*s);
	}
	*end = s;
	*out = v;
	return fits;
}

bool str_to_u64(const char *s, uint64_t *out)
{
	const char *end;
	uint64_t v;
	bool good = str_number(s, 0, &end, &v) && end != s && *end == '\0';

	*out = good ? v : *out;
	return good;
}

static bool blank(char c) { return c == ' ' || c == '\t'; }

char *str_word(char **s)
{
	char *word = *s, *p;

	while (blank(*word)) word++;
	for (p = word; *p != '\0' && !blank(*p); p++) {
	}
	if (p == word) return NULL;
	*s = *p != '\0' ? p + 1 : p;
	*p = '\0';
	return word;
}

bool str_arg(const char *args, const char *word, char *buf, size_t n)
{
	size_t len = strlen(word);
	bool found = false;

	for (; args != NULL; args = strchr(args, ' ')) {
		args += *args == ' ';
		if (strncmp(args, word, len) == 0 && args[len] == '=') {
			const char *value = args + len + 1, *end = strchr(value, ' ');
			size_t size = end != NULL ? (size_t)(end - value) : strlen(value);

			size = size < n ? size : n - 1;
			memcpy(buf, value, size);
			buf[size] = '\0';
			found = true;
		}
	}
	return found;
}
