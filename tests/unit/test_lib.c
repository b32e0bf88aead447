/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/string.c and lib/str.c: against plain loops, at every alignment, with guard bytes.
 * links: lib/string.c lib/str.c hyp/err.c
 * cflags: -Dmemcpy=atoll_memcpy -Dmemmove=atoll_memmove -Dmemset=atoll_memset
 * cflags: -Dmemcmp=atoll_memcmp -Dmemchr=atoll_memchr -Dstrlen=atoll_strlen -Dstrnlen=atoll_strnlen
 * cflags: -Dstrcmp=atoll_strcmp -Dstrncmp=atoll_strncmp -Dstrchr=atoll_strchr
 * -Dstrrchr=atoll_strrchr cflags: -Dstrtoul=atoll_strtoul -fno-builtin
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hyp/err.h>
#include <lib/str.h>

#define N 160u
static uint8_t a[N], b[N], want[N];

static void fill(void)
{
	for (unsigned i = 0; i < N; i++) {
		a[i] = want[i] = (uint8_t)(i * 7 + 1);
		b[i] = (uint8_t)(0xff - i);
	}
}

static void check(const uint8_t *got)
{
	for (unsigned i = 0; i < N; i++) assert_int_equal(got[i], want[i]);
}

static void test_memcpy(void **state)
{
	(void)state;
	for (unsigned to = 0; to < 17; to++) {
		for (unsigned from = 0; from < 17; from++) {
			for (unsigned n = 0; n < 90; n++) {
				fill();
				for (unsigned i = 0; i < n; i++) want[to + i] = b[from + i];
				assert_ptr_equal(memcpy(a + to, b + from, n), a + to);
				check(a);
			}
		}
	}
}

static void test_memmove(void **state)
{
	(void)state;
	for (unsigned to = 0; to < 60; to++) {
		for (unsigned from = 0; from < 60; from++) {
			for (unsigned n = 0; n < 90; n += 7) {
				fill();
				for (unsigned i = 0; i < n; i++) want[to + i] = a[from + i];
				assert_ptr_equal(memmove(a + to, a + from, n), a + to);
				check(a);
			}
		}
	}
}

static void test_memset(void **state)
{
	(void)state;
	for (unsigned to = 0; to < 17; to++) {
		for (unsigned n = 0; n < 90; n++) {
			fill();
			for (unsigned i = 0; i < n; i++) want[to + i] = 0xa5;
			assert_ptr_equal(memset(a + to, 0x1a5, n), a + to);
			check(a);
		}
	}
}

static void test_compare(void **state)
{
	(void)state;
	assert_int_equal(memcmp("abc", "abd", 2), 0);
	assert_true(memcmp("abc", "abd", 3) < 0);
	assert_true(memcmp("\x80", "\x7f", 1) > 0); /* unsigned */
	assert_int_equal(memcmp("x", "y", 0), 0);
	assert_int_equal(strcmp("", ""), 0);
	assert_int_equal(strcmp("same", "same"), 0);
	assert_true(strcmp("same", "samex") < 0);
	assert_true(strcmp("\xff", "a") > 0);
	assert_int_equal(strncmp("same", "samex", 4), 0);
	assert_true(strncmp("same", "samex", 5) < 0);
	assert_int_equal(strncmp("ab\0x", "ab\0y", 4), 0);
	assert_int_equal(strncmp("x", "y", 0), 0);
}

static void test_search(void **state)
{
	const char *s = "hello";

	(void)state;
	assert_ptr_equal(memchr(s, 'l', 5), s + 2);
	assert_null(memchr(s, 'o', 4));
	assert_ptr_equal(memchr(s, 0x100 + 'h', 5), s);
	assert_ptr_equal(strchr(s, 'l'), s + 2);
	assert_ptr_equal(strrchr(s, 'l'), s + 3);
	assert_ptr_equal(strchr(s, 0), s + 5);
	assert_ptr_equal(strrchr(s, 0), s + 5);
	assert_null(strchr(s, 'x'));
	assert_null(strrchr(s, 'x'));
	assert_int_equal(strlen(s), 5);
	assert_int_equal(strlen(""), 0);
	assert_int_equal(strnlen(s, 3), 3);
	assert_int_equal(strnlen(s, 9), 5);
}

static void check_ul(const char *s, int base, unsigned long val, unsigned used)
{
	char *end;

	assert_true(strtoul(s, &end, base) == val);
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
	assert_int_equal(strtoul("12", NULL, 10), 12);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {"",
	                                  "x",
	                                  "0x",
	                                  "1 ",
	                                  " 1",
	                                  "-1",
	                                  "1.5",
	                                  "12a",
	                                  "18446744073709551616",
	                                  "0x10000000000000000"};
	uint64_t v = 42;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(str_to_u64(bad[i], &v));
		assert_true(v == 42); /* written only on success */
	}
	assert_true(str_to_u64("18446744073709551615", &v) && v == UINT64_MAX);
	assert_true(str_to_u64("0xDEADbeef", &v) && v == 0xdeadbeef);
	assert_true(str_to_u64("007", &v) && v == 7);
}

static void test_copy_and_words(void **state)
{
	char buf[8], line[] = "  info\tvm0  x ", *p = line;

	(void)state;
	memset(buf, 'z', sizeof(buf));
	assert_true(str_copy(buf, "abc", 4));
	assert_string_equal(buf, "abc");
	assert_int_equal(buf[4], 'z');
	assert_false(str_copy(buf, "abcd", 4));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, "a", 1));
	assert_string_equal(buf, "");
	assert_string_equal(str_word(&p), "info");
	assert_string_equal(str_word(&p), "vm0");
	assert_string_equal(str_word(&p), "x");
	assert_null(str_word(&p));
	assert_null(str_word(&p));
}

static void test_err(void **state)
{
	(void)state;
	for (int e = HYP_OK; e <= HYP_EFULL; e++) {
		assert_string_not_equal(hyp_err_str((enum hyp_err)e), "unknown error");
		for (int f = HYP_OK; f < e; f++) {
			assert_string_not_equal(hyp_err_str((enum hyp_err)e),
			                        hyp_err_str((enum hyp_err)f));
		}
	}
	assert_string_equal(hyp_err_str((enum hyp_err)999), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_memcpy),  cmocka_unit_test(test_memmove),
	    cmocka_unit_test(test_memset),  cmocka_unit_test(test_compare),
	    cmocka_unit_test(test_search),  cmocka_unit_test(test_strtoul),
	    cmocka_unit_test(test_numbers), cmocka_unit_test(test_copy_and_words),
	    cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
