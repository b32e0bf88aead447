/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/str.c: numbers, words, bounded copies.
 * links: lib/str.c hyp/err.c
 * cflags: -Dstrtoul=atoll_strtoul -fno-builtin
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
	                                  "18446744073709551615",
	                                  "18446744073709551616",
	                                  "0x10000000000000000"};
	uint64_t v = 42;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(str_to_u64(bad[i], &v));
		assert_true(v == 42); /* written only on success */
	}
	assert_true(str_to_u64("18446744073709551614", &v) && v == UINT64_MAX - 1);
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

static void test_args(void **state)
{
	static const char args[] = " a=x  loglvl=debug when-idle=wait when-idle=poweroff b= =c";

	(void)state;
	assert_true(str_arg_is(args, "a", "x") && str_arg_is(args, "loglvl", "debug"));
	assert_true(str_arg_is(args, "b", "") && str_arg_is(args, "", "c"));
	/* The last one counts, and whole words only. */
	assert_true(str_arg_is(args, "when-idle", "poweroff"));
	assert_false(str_arg_is(args, "when-idle", "wait"));
	assert_false(str_arg_is(args, "when-idle", "power"));
	assert_false(str_arg_is(args, "idle", "poweroff"));
	assert_false(str_arg_is(args, "loglvl", "debugs") || str_arg_is(args, "c", ""));
	assert_false(str_arg_is("", "a", "") || str_arg_is("a", "a", "") ||
	             str_arg_is("a ", "b", ""));
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
	    cmocka_unit_test(test_strtoul),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_copy_and_words),
	    cmocka_unit_test(test_args),
	    cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
