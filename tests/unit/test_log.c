/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: form, levels, rate limit of a guest's messages.
 * links: hyp/log.c lib/str.c tests/fake_arch/fake.c tests/fake_arch/timer.c
 * links: tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/timer.h>
#include <hyp/console.h>
#include <hyp/log.h>
#include <hyp/pcpu.h>
#include <hyp/vm.h>
#include <tests/fake_arch/fake.h>
#include <tests/fake_arch/timer.h>

static char shown[65536];
static size_t shown_len;
bool console_color;

void console_write(const char *s, size_t n)
{
	static spinlock_t console = {.cls = LOCK_CONSOLE};

	spin_lock(&console);
	spin_unlock(&console);
	assert_true(shown_len + n < sizeof(shown));
	memcpy(shown + shown_len, s, n);
	shown_len += n;
	shown[shown_len] = '\0';
}

static struct pcpu cpu = {.id = 3};

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_timer_reset();
	fake_pcpu = &cpu;
	fake_hz = 1000000;
	fake_now = 12000345;
	shown_len = 0;
	shown[0] = '\0';
	console_color = false;
	log_set_levels(LOG_INFO, LOG_WARN);
	return 0;
}

static void test_form(void **state)
{
	(void)state;
	log_info("VM %s has %u vCPUs", "a", 2);
	log_warn("careful");
	log_err("bad");
	log_dbg("not shown");
	assert_string_equal(shown,
	                    "[12.000345 cpu3] VM a has 2 vCPUs\n[12.000345 cpu3] warning: careful\n"
	                    "[12.000345 cpu3] error: bad\n");
	shown_len = 0;
	log_set_levels(LOG_DBG, LOG_WARN);
	log_dbg("x");
	log_set_levels(LOG_ERR, LOG_WARN);
	log_warn("y");
	assert_string_equal(shown, "[12.000345 cpu3] debug: x\n");
}

static void test_color(void **state)
{
	(void)state;
	console_color = true;
	log_err("bad");
	log_info("good");
	assert_string_equal(shown,
	                    "\033[31m[12.000345 cpu3] error: bad\033[0m\n[12.000345 cpu3] good\n");
}

static void test_early(void **state)
{
	(void)state;
	/* Before there is a CPU, a timer, a lock. */
	fake_pcpu = NULL;
	fake_hz = 0;
	fake_now = 1500000;
	log_err("early");
	assert_string_equal(shown, "[1.500000 cpu0] error: early\n");
}

static void test_long_line(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned n = 200; n < 500; n++) {
		shown_len = 0;
		log_info("%.*s", (int)n, text);
		assert_true(shown_len < 330);
		assert_int_equal(shown[shown_len - 1], '\n');
		if (strspn(shown + 17, "x") != n) {
			assert_true(n > 280);
			assert_memory_equal(shown + shown_len - 4, "...\n", 4);
		}
		console_color = n % 2 != 0; /* room for the colour as well */
	}
}

static unsigned count(const char *what)
{
	unsigned n = 0;

	for (const char *p = shown; (p = strstr(p, what)) != NULL; p++) n++;
	return n;
}

static void test_guest(void **state)
{
	static struct vm vm = {.name = "uboot"}, other = {.name = "b"};

	(void)state;
	log_guest(&vm, LOG_INFO, "below the level");
	assert_int_equal(shown_len, 0);
	for (unsigned i = 0; i < 100; i++) log_guest(&vm, LOG_WARN, "boo %u", i);
	assert_int_equal(count("warning: uboot: boo "), 10);
	assert_non_null(strstr(shown, "boo 9\n"));
	/* One VM's noise is not another's silence. */
	log_guest(&other, LOG_ERR, "once");
	assert_int_equal(count("error: b: once\n"), 1);
	/* Then 5 a second, and the dropped ones are told. */
	shown_len = 0;
	fake_now += 200000;
	log_guest(&vm, LOG_WARN, "later");
	log_guest(&vm, LOG_WARN, "too early");
	assert_int_equal(count("uboot: 90 messages dropped\n"), 1);
	assert_int_equal(count("uboot: later\n"), 1);
	assert_int_equal(count("too early"), 0);
	shown_len = 0;
	for (unsigned i = 0; i < 1000; i++) {
		fake_now += 10000;
		log_guest(&vm, LOG_WARN, "steady");
	}
	assert_in_range(count("uboot: steady"), 49, 51);
	/* Silence fills the bucket again, no further than 10. */
	fake_now += 3600 * UINT64_C(1000000);
	shown_len = 0;
	shown[0] = '\0';
	for (unsigned i = 0; i < 100; i++) log_guest(&vm, LOG_WARN, "again");
	assert_int_equal(count("uboot: again"), 10);
}

/* The counter is young when the first guests start. */
static void test_guest_at_boot(void **state)
{
	static struct vm vm = {.name = "early"};

	(void)state;
	fake_now = 5;
	for (unsigned i = 0; i < 100; i++) log_guest(&vm, LOG_WARN, "boo");
	assert_int_equal(count("early: boo"), 10);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    T(test_form),      T(test_color), T(test_early),
	    T(test_long_line), T(test_guest), T(test_guest_at_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
