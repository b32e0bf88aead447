/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snprintf() without floating point, heap or locale.
 */
#include <lib/printf.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The list of arguments lies in a struct: only so can it be handed on by reference. */
struct out {
	char *buf;
	size_t size, len; /* len: characters produced, stored or not */
	va_list ap;
};

struct spec {
	bool left, zero, alt, wide; /* alt: #; wide: the argument has 64 bits */
	int width, prec;            /* prec -1: none given */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size) o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	for (; n > 0; n--) put(o, c);
}

/* Blanks up to the width, sign, zeros and n characters of s. */
static void put_field(struct out *o, const struct spec *f, const char *sign, int zeros,
                      const char *s, int n)
{
	int fill = f->width - (int)strlen(sign) - zeros - n;

	pad(o, ' ', f->left ? 0 : fill);
	while (*sign != '\0') put(o, *sign++);
	pad(o, '0', zeros);
	while (n-- > 0) put(o, *s++);
	pad(o, ' ', f->left ? fill : 0);
}

static void put_number(struct out *o, const struct spec *f, uint64_t v, unsigned base,
                       const char *sign)
{
	char tmp[20]; /* UINT64_MAX has 20 decimal digits */
	int at = sizeof(tmp), digits = f->prec < 0 ? 1 : f->prec;

	if (f->zero && !f->left && f->prec < 0 && f->width > (int)strlen(sign))
		digits = f->width - (int)strlen(sign);
	for (; v != 0; v /= base) tmp[--at] = "0123456789abcdef"[v % base];
	digits -= (int)sizeof(tmp) - at;
	put_field(o, f, sign, digits > 0 ? digits : 0, tmp + at, (int)sizeof(tmp) - at);
}

static const char *parse_number(const char *p, int *val)
{
	for (*val = 0; *p >= '0' && *p <= '9'; p++)
		*val = *val > 9999 ? *val : *val * 10 + (*p - '0');
	return p;
}

/* What stands between '%' and the conversion. */
static const char *parse_spec(const char *p, struct out *o, struct spec *f)
{
	for (; *p == '-' || *p == '0' || *p == '#'; p++) {
		f->left = f->left || *p == '-';
		f->zero = f->zero || *p == '0';
		f->alt = f->alt || *p == '#';
	}
	p = parse_number(p, &f->width);
	if (p[0] == '.' && p[1] == '*') {
		f->prec = va_arg(o->ap, int);
		p += 2;
	} else if (*p == '.') {
		p = parse_number(p + 1, &f->prec);
	}
	for (; *p == 'l' || *p == 'z'; p++) f->wide = true;
	return p;
}

static bool convert(struct out *o, const struct spec *f, char conv)
{
	const char *s;
	int64_t i;
	uint64_t v;
	char c;

	switch (conv) {
	case 'd':
		i = f->wide ? va_arg(o->ap, int64_t) : va_arg(o->ap, int);
		put_number(o, f, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, 10, i < 0 ? "-" : "");
		return true;
	case 'u':
	case 'x':
		v = f->wide ? va_arg(o->ap, uint64_t) : va_arg(o->ap, unsigned);
		put_number(o, f, v, conv == 'u' ? 10 : 16, f->alt && v != 0 ? "0x" : "");
		return true;
	case 'p': put_number(o, f, (uintptr_t)va_arg(o->ap, void *), 16, "0x"); return true;
	case 's':
		s = va_arg(o->ap, const char *);
		s = s != NULL ? s : "(null)";
		put_field(o, f, "", 0, s,
		          (int)strnlen(s, f->prec < 0 ? SIZE_MAX : (size_t)f->prec));
		return true;
	case 'c':
	case '%':
		c = conv == 'c' ? (char)va_arg(o->ap, int) : '%';
		put_field(o, f, "", 0, &c, 1);
		return true;
	}
	return false;
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = n};

	va_copy(o.ap, ap);
	while (*fmt != '\0') {
		struct spec f = {.prec = -1};
		const char *p = *fmt == '%' ? parse_spec(fmt + 1, &o, &f) : fmt;

		if (p != fmt && convert(&o, &f, *p))
			fmt = p + 1;
		else
			put(&o, *fmt++);
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
