/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What EL2 has of newlib's printf and numbers, against the C library of the build machine.
 * links: lib/newlib.c
 * libs: newlib
 * cflags: -Wno-format -Wno-unknown-warning-option -Wno-format-truncation
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int newlib_snprintf(char *buf, size_t n, const char *fmt, ...);
int newlib_vsnprintf(char *buf, size_t n, const char *fmt, va_list ap);
unsigned long newlib_strtoul(const char *s, char **end, int base);

static unsigned checks;

/* The same arguments through both. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char got_[128], want_[128];                                                        \
		int n_ = newlib_snprintf(got_, sizeof(got_), __VA_ARGS__);                         \
		int m_ = snprintf(want_, sizeof(want_), __VA_ARGS__);                              \
                                                                                                   \
		assert_string_equal(got_, want_);                                                  \
		assert_int_equal(n_, m_);                                                          \
		checks++;                                                                          \
	} while (0)

static void test_integers(void **state)
{
	static const char *const flags[] = {"", "0", "-", "#", "0#", "-0"};
	static const char *const widths[] = {"", "1", "5", "12"}, *const precs[] = {"", ".", ".0",
	                                                                            ".1", ".7"};
	static const int64_t values[] = {0,         1,         -1,        42,        -42,
	                                 INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 0xdeadbeef};
	char f[32];

	(void)state;
	for (unsigned a = 0; a < 6; a++) {
		for (unsigned b = 0; b < 4; b++) {
			for (unsigned c = 0; c < 5; c++) {
				for (unsigned v = 0; v < 10; v++) {
					for (const char *conv = "dxu"; *conv != '\0'; conv++) {
						int n =
						    snprintf(f, sizeof(f), "<%%%s%s%s%c>", flags[a],
						             widths[b], precs[c], *conv);

						assert_in_range(n, 4, 20);
						if (strchr(flags[a], '#') != NULL &&
						    strchr("diu", *conv))
							continue; /* undefined */
						SAME(f, (int)values[v]);
						snprintf(f, sizeof(f), "<%%%s%s%sl%c>", flags[a],
						         widths[b], precs[c], *conv);
						SAME(f, values[v]);
					}
				}
			}
		}
	}
	SAME("%.*d", 5, 4);
	SAME("%#018lx %#lx", 0xabcul, 0ul);
	assert_true(checks > 1500);
}

static void test_text(void **state)
{
	int x;

	(void)state;
	SAME("plain");
	SAME("%%");
	SAME("%s|%10s|%-10s|%.2s|%5.1s|", "abc", "abc", "abc", "abc", "abc");
	SAME("%.*s|", 2, "not ended");
	SAME("%c%3c%-3c|", 'a', 'b', 'c');
	SAME("%s", "");
	SAME("%p", (void *)&x);
	SAME("%d %s %x %lu %c", 1, "two", 3u, 4ul, '5');
}

static void test_bounds(void **state)
{
	char buf[8];

	(void)state;
	for (size_t n = 0; n <= sizeof(buf); n++) {
		memset(buf, 'z', sizeof(buf));
		assert_int_equal(newlib_snprintf(buf, n, "%d", 123456789), 9);
		for (size_t i = n; i < sizeof(buf); i++) assert_int_equal(buf[i], 'z');
		if (n != 0) {
			assert_int_equal(strlen(buf), n - 1);
			assert_memory_equal(buf, "123456789", n - 1);
		}
	}
}

static int list(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = newlib_vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return len;
}

static void test_list(void **state)
{
	char buf[32];

	(void)state;
	assert_int_equal(list(buf, sizeof(buf), "%s %lu", "abc", 7ul), 5);
	assert_string_equal(buf, "abc 7");
	/* What it does not know takes no argument. */
	(void)list(buf, sizeof(buf), "%q %d", 7);
	assert_string_equal(buf, "q 7");
}

static void check_ul(const char *s, int base, unsigned long val, unsigned used)
{
	char *end;

	assert_true(newlib_strtoul(s, &end, base) == val);
	assert_ptr_equal(end, s + used);
}

static void test_strtoul(void **state)
{
	(void)state;
	check_ul("0", 10, 0, 1);
	check_ul("4711:x", 10, 4711, 4);
	check_ul("0x1fG", 0, 0x1f, 4);
	check_ul("ffg", 16, 0xff, 2);
	check_ul("0xAb", 16, 0xab, 4);
	check_ul("18446744073709551615", 10, ULONG_MAX, 20);
	check_ul("18446744073709551616", 10, ULONG_MAX, 20);
	check_ul("99999999999999999999999", 10, ULONG_MAX, 23);
	check_ul("", 10, 0, 0);
	check_ul("x", 10, 0, 0);
	assert_int_equal(newlib_strtoul("12", NULL, 10), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_integers), cmocka_unit_test(test_text),
	    cmocka_unit_test(test_bounds),   cmocka_unit_test(test_list),
	    cmocka_unit_test(test_strtoul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
