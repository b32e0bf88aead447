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
		for (; n != 0 && MISALIGNED(d) != 0; n--) {
			*d++ = *s++;
		}
		for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD, s += 4 * WORD) {
			const uint64_t *ws = (const void *)s;
			uint64_t *wd = (void *)d;
			uint64_t a = ws[0], b = ws[1], c = ws[2], e = ws[3];

			wd[0] = a;
			wd[1] = b;
			wd[2] = c;
			wd[3] = e;
		}
		for (; n >= WORD; n -= WORD, d += WORD, s += WORD) {
			*(uint64_t *)(void *)d = *(const uint64_t *)(const void *)s;
		}
	}
	for (; n != 0; n--) {
		*d++ = *s++;
	}
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
	while (n != 0) {
		n--;
		d[n] = s[n];
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint8_t *d = dst, b = (uint8_t)c;
	uint64_t w = b * UINT64_C(0x0101010101010101);

	for (; n != 0 && MISALIGNED(d) != 0; n--) {
		*d++ = b;
	}
	for (; n >= WORD; n -= WORD, d += WORD) {
		*(uint64_t *)(void *)d = w;
	}
	for (; n != 0; n--) {
		*d++ = b;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n != 0; n--, p++, q++) {
		if (*p != *q) {
			return *p - *q;
		}
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const uint8_t *p = s;

	for (; n != 0; n--, p++) {
		if (*p == (uint8_t)c) {
			return (void *)(uintptr_t)p;
		}
	}
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0') {
		n++;
	}
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0') {
		n++;
	}
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n != 0; n--, a++, b++) {
		if (*a != *b || *a == '\0') {
			return (uint8_t)*a - (uint8_t)*b;
		}
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++) {
		if (*s == '\0') {
			return NULL;
		}
	}
	return (char *)(uintptr_t)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	for (;; s++) {
		if (*s == (char)c) {
			last = s;
		}
		if (*s == '\0') {
			return (char *)(uintptr_t)last;
		}
	}
}

unsigned long strtoul(const char *s, char **end, int base)
{
	const char *rest;
	uint64_t v;

	if (!str_number(s, (unsigned)base, &rest, &v)) {
		v = ULONG_MAX;
	}
	if (end != NULL) {
		*end = (char *)(uintptr_t)rest;
	}
	return v;
}
