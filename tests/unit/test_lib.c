/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/str.c: numbers, bounded copies, text in pieces, words of the command line.
 * links: lib/str.c hyp/err.c
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

static void test_copy(void **state)
{
	char buf[8];

	(void)state;
	memset(buf, 'z', sizeof(buf));
	assert_true(str_copy(buf, "abc", 4));
	assert_string_equal(buf, "abc");
	assert_int_equal(buf[4], 'z');
	assert_false(str_copy(buf, "abcd", 4));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, "a", 1));
	assert_string_equal(buf, "");
	/* A source without an end is read no further than it must be. */
	assert_false(str_copy(buf, (const char[]){'a', 'b', 'c', 'd'}, 4));
	assert_string_equal(buf, "abc");
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
	assert_null(str_arg(args, "idle"));
	assert_int_equal(strncmp(str_arg(args, "when-idle"), "poweroff b= ", 12), 0);
	assert_false(str_arg_is("", "a", "") || str_arg_is("a", "a", "") ||
	             str_arg_is("a ", "b", ""));
}

static void test_err(void **state)
{
	(void)state;
	for (int e = HYP_OK; e <= HYP_EIO; e++) {
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
	    cmocka_unit_test(test_numbers), cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_append),  cmocka_unit_test(test_args),
	    cmocka_unit_test(test_err),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
