/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/printf.c against the C library's snprintf.
 * links: lib/printf.c
 * cflags: -Dsnprintf=atoll_snprintf -Dvsnprintf=atoll_vsnprintf -Wno-format
 * cflags: -Wno-unknown-warning-option -Wno-format-truncation
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/printf.h>

static unsigned checks;

/* The same arguments through both. */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char got_[128], want_[128];                                                        \
		int n_ = snprintf(got_, sizeof(got_), __VA_ARGS__);                                \
		int m_ = __builtin_snprintf(want_, sizeof(want_), __VA_ARGS__);                    \
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
						int n = __builtin_snprintf(
						    f, sizeof(f), "<%%%s%s%s%c>", flags[a],
						    widths[b], precs[c], *conv);

						assert_in_range(n, 4, 20);
						if (strchr(flags[a], '#') != NULL &&
						    strchr("diu", *conv))
							continue; /* undefined */
						SAME(f, (int)values[v]);
						__builtin_snprintf(f, sizeof(f), "<%%%s%s%sl%c>",
						                   flags[a], widths[b], precs[c],
						                   *conv);
						SAME(f, values[v]);
						__builtin_snprintf(f, sizeof(f), "<%%%s%s%sll%c>",
						                   flags[a], widths[b], precs[c],
						                   *conv);
						SAME(f, values[v]);
					}
				}
			}
		}
	}
	SAME("%zu %zx", sizeof(f), (size_t)SIZE_MAX);
	SAME("%.*d", 5, 4);
	assert_true(checks > 2000);
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
		assert_int_equal(snprintf(buf, n, "%d", 123456789), 9);
		for (size_t i = n; i < sizeof(buf); i++) assert_int_equal(buf[i], 'z');
		if (n != 0) {
			assert_int_equal(strlen(buf), n - 1);
			assert_memory_equal(buf, "123456789", n - 1);
		}
	}
	assert_int_equal(snprintf(NULL, 0, "%s", "abc"), 3);
}

static void test_odd_formats(void **state)
{
	char buf[32];

	(void)state;
	/* What it does not know stays visible and takes no argument. */
	snprintf(buf, sizeof(buf), "%q %d", 7);
	assert_string_equal(buf, "%q 7");
	snprintf(buf, sizeof(buf), "50%");
	assert_string_equal(buf, "50%");
	snprintf(buf, sizeof(buf), "%s", (const char *)NULL);
	assert_string_equal(buf, "(null)");
}

static void test_append(void **state)
{
	char buf[10];
	size_t len = 0;

	(void)state;
	str_append(buf, sizeof(buf), &len, "%s", "abc");
	str_append(buf, sizeof(buf), &len, "%d", 45);
	assert_string_equal(buf, "abc45");
	assert_int_equal(len, 5);
	str_append(buf, sizeof(buf), &len, "%s", "0123456789");
	assert_string_equal(buf, "abc450123");
	assert_int_equal(len, 9);
	str_append(buf, sizeof(buf), &len, "more");
	assert_int_equal(len, 9);
	assert_string_equal(buf, "abc450123");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_integers), cmocka_unit_test(test_text),
	    cmocka_unit_test(test_bounds),   cmocka_unit_test(test_odd_formats),
	    cmocka_unit_test(test_append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
