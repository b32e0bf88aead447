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

	if (c >= '0' && c <= '9') {
		return (unsigned)(c - '0');
	}
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

	if (!str_number(s, 0, &end, &v) || end == s || *end != '\0') {
		return false;
	}
	*out = v;
	return true;
}

char *str_word(char **s)
{
	char *p = *s, *word;

	while (*p == ' ' || *p == '\t') {
		p++;
	}
	word = p;
	while (*p != '\0' && *p != ' ' && *p != '\t') {
		p++;
	}
	if (p == word) {
		return NULL;
	}
	if (*p != '\0') {
		*p++ = '\0';
	}
	*s = p;
	return word;
}

bool str_arg(const char *args, const char *word, char *buf, size_t n)
{
	size_t len = strlen(word), end;
	bool found = false;

	while (*args) {
		end = strchr(args, ' ') ? (size_t)(strchr(args, ' ') - args) : strlen(args);
		if (end > len && strncmp(args, word, len) == 0 && args[len] == '=') {
			size_t size = end - len - 1 < n ? end - len - 1 : n - 1;

			memcpy(buf, args + len + 1, size);
			buf[size] = 0;
			found = true;
		}
		args += end;
		args += *args != 0;
	}
	return found;
}
