/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: bounded copy, numbers, sizes, words.
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

/* Digits of s up to *end; false on none and on overflow. */
static bool number(const char *s, const char **end, uint64_t *out)
{
	unsigned base = 10;
	uint64_t v = 0;
	const char *first;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	for (first = s;; s++) {
		char lower = (char)(*s | 0x20);
		unsigned d;

		if (*s >= '0' && *s <= '9') {
			d = (unsigned)(*s - '0');
		} else if (base == 16 && lower >= 'a' && lower <= 'f') {
			d = (unsigned)(lower - 'a') + 10;
		} else {
			break;
		}
		if (v > (UINT64_MAX - d) / base) {
			return false;
		}
		v = v * base + d;
	}
	*end = s;
	*out = v;
	return s != first;
}

bool str_to_u64(const char *s, uint64_t *out)
{
	uint64_t v;

	if (!number(s, &s, &v) || *s != '\0') {
		return false;
	}
	*out = v;
	return true;
}

bool str_to_size(const char *s, uint64_t *out)
{
	unsigned shift = 0;
	uint64_t v;

	if (!number(s, &s, &v)) {
		return false;
	}
	if (*s != '\0') {
		shift = *s == 'K' ? 10 : *s == 'M' ? 20 : *s == 'G' ? 30 : 64;
		s++;
	}
	if (*s != '\0' || shift == 64 || v > UINT64_MAX >> shift) {
		return false;
	}
	*out = v << shift;
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
