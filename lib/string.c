/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and string functions. Accesses are aligned to their size, so that they work with the MMU
 * off, when all memory is Device (Arm ARM D5.2.9). Compiled so that loops stay loops.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/str.h>

#define WORD sizeof(uint64_t)
#define MISALIGNED(p) ((uintptr_t)(p) & (WORD - 1))

/* Upwards; right also for overlapping areas when d is below s. */
static void copy_up(uint8_t *d, const uint8_t *s, size_t n)
{
	if (MISALIGNED(d) == MISALIGNED(s)) {
		for (; n != 0 && MISALIGNED(d) != 0; n--) *d++ = *s++;
		for (; n >= WORD; n -= WORD, d += WORD, s += WORD)
			*(uint64_t *)(void *)d = *(const uint64_t *)(const void *)s;
	}
	for (; n != 0; n--) *d++ = *s++;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	copy_up(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	/* d is below s (the difference wraps) or beyond its end. */
	if ((uintptr_t)d - (uintptr_t)s >= n) {
		copy_up(d, s, n);
		return dst;
	}
	while (n-- != 0) d[n] = s[n];
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst, *const end = d + n;
	uint64_t w = (uint8_t)c * UINT64_C(0x0101010101010101);

	while (d < end) {
		if (MISALIGNED(d) == 0 && (size_t)(end - d) >= WORD) {
			*(uint64_t *)(void *)d = w;
			d += WORD;
		} else {
			*d++ = (uint8_t)c;
		}
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n != 0; n--, p++, q++)
		if (*p != *q) return *p - *q;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const uint8_t *p = s;

	for (; n != 0; n--, p++)
		if (*p == (uint8_t)c) return (void *)(uintptr_t)p;
	return NULL;
}

size_t strnlen(const char *s, size_t max)
{
	const char *end = memchr(s, '\0', max);

	return end != NULL ? (size_t)(end - s) : max;
}

size_t strlen(const char *s) { return strnlen(s, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n != 0; n--, a++, b++)
		if (*a != *b || *a == '\0') return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

char *strchr(const char *s, int c) { return memchr(s, c, strlen(s) + 1); }

char *strrchr(const char *s, int c)
{
	for (size_t n = strlen(s) + 1; n-- != 0;)
		if (s[n] == (char)c) return (char *)(uintptr_t)(s + n);
	return NULL;
}

unsigned long strtoul(const char *s, char **end, int base)
{
	const char *rest;
	uint64_t v;
	bool fits = str_number(s, (unsigned)base, &rest, &v);

	if (end != NULL) *end = (char *)(uintptr_t)rest;
	return fits ? v : ULONG_MAX;
}
