/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snprintf() without floating point, heap or locale.
 */
#include <lib/printf.h>

#include <lib/str.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The list of arguments lies in a struct: only so can it be handed on by reference. */
struct out {
	char *buf;
	size_t size, len; /* len: characters produced, stored or not */
	va_list ap;
	/* Of one conversion. alt: #; wide: the argument has 64 bits; prec -1: none given. */
	bool left, zero, alt, wide;
	int width, prec;
};

static void put(struct out *o, char c, int n)
{
	for (; n > 0; n--, o->len++)
		if (o->len + 1 < o->size) o->buf[o->len] = c;
}

/* Blanks up to the width, sign, zeros and n characters of s. */
static void put_field(struct out *o, const char *sign, int zeros, const char *s, int n)
{
	int fill = o->width - (int)strlen(sign) - zeros - n;

	put(o, ' ', o->left ? 0 : fill);
	while (*sign != '\0') put(o, *sign++, 1);
	put(o, '0', zeros);
	while (n-- > 0) put(o, *s++, 1);
	put(o, ' ', o->left ? fill : 0);
}

static void put_number(struct out *o, uint64_t v, unsigned base, const char *sign)
{
	char tmp[20]; /* UINT64_MAX has 20 decimal digits */
	int n = 0, digits = o->prec < 0 ? 1 : o->prec;

	if (o->zero && !o->left && o->prec < 0 && o->width > (int)strlen(sign))
		digits = o->width - (int)strlen(sign);
	for (; v != 0; v /= base) tmp[sizeof(tmp) - (size_t)++n] = "0123456789abcdef"[v % base];
	put_field(o, sign, digits > n ? digits - n : 0, tmp + sizeof(tmp) - n, n);
}

/* What stands between '%' and the conversion. */
static const char *parse_spec(const char *p, struct out *o)
{
	char *end;

	o->left = o->zero = o->alt = o->wide = false;
	for (; *p == '-' || *p == '0' || *p == '#'; p++)
		*(*p == '-' ? &o->left : *p == '0' ? &o->zero : &o->alt) = true;
	o->width = (int)strtoul(p, &end, 10);
	o->prec = -1;
	if (end[0] == '.' && end[1] == '*') {
		o->prec = va_arg(o->ap, int);
		end += 2;
	} else if (*end == '.') {
		o->prec = (int)strtoul(end + 1, &end, 10);
	}
	for (; *end == 'l' || *end == 'z'; end++) o->wide = true;
	return end;
}

static bool convert(struct out *o, char conv)
{
	const char *s;
	int64_t i;
	uint64_t v;

	switch (conv) {
	case 'd':
		i = o->wide ? va_arg(o->ap, int64_t) : va_arg(o->ap, int);
		put_number(o, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, 10, i < 0 ? "-" : "");
		return true;
	case 'u':
	case 'x':
		v = o->wide ? va_arg(o->ap, uint64_t) : va_arg(o->ap, unsigned);
		put_number(o, v, conv == 'u' ? 10 : 16, o->alt && v != 0 ? "0x" : "");
		return true;
	case 'p': put_number(o, (uintptr_t)va_arg(o->ap, void *), 16, "0x"); return true;
	case 's':
		s = va_arg(o->ap, const char *);
		s = s != NULL ? s : "(null)";
		put_field(o, "", 0, s, (int)strnlen(s, o->prec < 0 ? SIZE_MAX : (size_t)o->prec));
		return true;
	case 'c': conv = (char)va_arg(o->ap, int); /* fall through */
	case '%': put_field(o, "", 0, &conv, 1); return true;
	}
	return false;
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = n};

	va_copy(o.ap, ap);
	while (*fmt != '\0') {
		const char *p = *fmt == '%' ? parse_spec(fmt + 1, &o) : fmt;

		if (p != fmt && convert(&o, *p))
			fmt = p + 1;
		else
			put(&o, *fmt++, 1);
	}
	va_end(o.ap);
	if (n != 0) buf[o.len < n ? o.len : n - 1] = '\0';
	return (int)o.len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len;
}

void str_append(char *buf, size_t n, size_t *len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*len += (size_t)vsnprintf(buf + *len, n - *len, fmt, ap);
	va_end(ap);
	*len = *len < n ? *len : n - 1;
}
