/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snprintf() without floating point, heap or locale.
 */
#include <lib/printf.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct out {
	char *buf;
	size_t size, len; /* len: characters produced, stored or not */
};

struct spec {
	bool left, zero, alt, upper;
	int width, prec; /* prec -1: none given */
	unsigned bytes;  /* size of the integer argument */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size) {
		o->buf[o->len] = c;
	}
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	for (; n > 0; n--) {
		put(o, c);
	}
}

static void put_text(struct out *o, const struct spec *f, const char *s, size_t n)
{
	int fill = f->width - (int)n;

	pad(o, ' ', f->left ? 0 : fill);
	for (size_t i = 0; i < n; i++) {
		put(o, s[i]);
	}
	pad(o, ' ', f->left ? fill : 0);
}

static void put_number(struct out *o, const struct spec *f, uint64_t v, unsigned base,
                       const char *sign)
{
	const char *digits = f->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char tmp[20]; /* UINT64_MAX has 20 decimal digits */
	int n = 0, zeros, slen = (int)strlen(sign);

	while (v != 0) {
		tmp[n++] = digits[v % base];
		v /= base;
	}
	zeros = (f->prec < 0 ? 1 : f->prec) - n;
	if (f->zero && !f->left && f->prec < 0 && f->width - slen - n > zeros) {
		zeros = f->width - slen - n;
	}
	if (zeros < 0) {
		zeros = 0;
	}
	pad(o, ' ', f->left ? 0 : f->width - slen - zeros - n);
	for (int i = 0; i < slen; i++) {
		put(o, sign[i]);
	}
	pad(o, '0', zeros);
	for (int i = n; i > 0; i--) {
		put(o, tmp[i - 1]);
	}
	pad(o, ' ', f->left ? f->width - slen - zeros - n : 0);
}

/* A va_list by reference: passing the list itself on would leave the caller's undefined. */
struct args {
	va_list ap;
};

static uint64_t arg_unsigned(struct args *a, unsigned bytes)
{
	return bytes == 8 ? va_arg(a->ap, uint64_t) : va_arg(a->ap, unsigned);
}

static const char *parse_number(const char *p, struct args *a, int *out)
{
	int v = 0;

	if (*p == '*') {
		*out = va_arg(a->ap, int);
		return p + 1;
	}
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v > 9999 ? v : v * 10 + (*p - '0');
	}
	*out = v;
	return p;
}

/* What stands between '%' and the conversion. */
static const char *parse_spec(const char *p, struct args *a, struct spec *f)
{
	for (;; p++) {
		if (*p == '-') {
			f->left = true;
		} else if (*p == '0') {
			f->zero = true;
		} else if (*p == '#') {
			f->alt = true;
		} else {
			break;
		}
	}
	p = parse_number(p, a, &f->width);
	if (f->width < 0) {
		f->left = true;
		f->width = -f->width;
	}
	if (*p == '.') {
		p = parse_number(p + 1, a, &f->prec);
	}
	for (f->bytes = 4; *p == 'l' || *p == 'z'; p++) {
		f->bytes = 8;
	}
	return p;
}

static bool convert(struct out *o, struct spec *f, char conv, struct args *a)
{
	char c;

	switch (conv) {
	case 'd':
	case 'i': {
		int64_t v = f->bytes == 8 ? va_arg(a->ap, int64_t) : va_arg(a->ap, int);

		put_number(o, f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0 ? "-" : "");
		return true;
	}
	case 'u':
		put_number(o, f, arg_unsigned(a, f->bytes), 10, "");
		return true;
	case 'x':
	case 'X': {
		uint64_t v = arg_unsigned(a, f->bytes);

		f->upper = conv == 'X';
		put_number(o, f, v, 16, !f->alt || v == 0 ? "" : f->upper ? "0X" : "0x");
		return true;
	}
	case 'p':
		put_number(o, f, (uintptr_t)va_arg(a->ap, void *), 16, "0x");
		return true;
	case 's': {
		const char *s = va_arg(a->ap, const char *);

		s = s != NULL ? s : "(null)";
		put_text(o, f, s, f->prec < 0 ? strlen(s) : strnlen(s, (size_t)f->prec));
		return true;
	}
	case 'c':
		c = (char)va_arg(a->ap, int);
		put_text(o, f, &c, 1);
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = n, .len = 0};
	struct args a;

	va_copy(a.ap, ap);
	while (*fmt != '\0') {
		struct spec f = {.prec = -1};
		const char *p;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		p = parse_spec(fmt + 1, &a, &f);
		if (*p != '\0' && convert(&o, &f, *p, &a)) {
			fmt = p + 1;
		} else {
			put(&o, *fmt++);
		}
	}
	va_end(a.ap);
	if (n != 0) {
		buf[o.len < n ? o.len : n - 1] = '\0';
	}
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

	if (*len + 1 >= n) {
		return;
	}
	va_start(ap, fmt);
	*len += (size_t)vsnprintf(buf + *len, n - *len, fmt, ap);
	va_end(ap);
	if (*len >= n) {
		*len = n - 1;
	}
}
