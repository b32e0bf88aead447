/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of events: order over CPUs, filters, what fits, what is overwritten, who is told.
 * links: hyp/trace.c hyp/trace_text.c arch/arm64/esr.c tests/fake_arch/fake.c tests/fake_arch/timer.c
 * links: tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arch/gic.h>
#include <arch/trap.h>
#include <hyp/pcpu.h>
#include <hyp/trace.h>
#include <hyp/vm.h>
#include <string.h>
#include "tests/fake_arch/fake.h"
#include "tests/fake_arch/timer.h"

static struct pcpu cpus[2] = {{.id = 0}, {.id = 1}};
static struct vm vm[2] = {{.slot = 0}, {.slot = 1}};
static unsigned nr_sgis;
static int exits = -1;
static char buf[65536];

void arch_gic_send_sgi_others(enum gic_sgi sgi)
{
	assert_int_equal(sgi, GIC_SGI_KICK);
	nr_sgis++;
}

void arch_trace_exits(bool on) { exits = on; }

static void event(unsigned cpu, uint64_t when, unsigned slot, uint64_t pc)
{
	fake_pcpu = &cpus[cpu];
	fake_now = when;
	trace_event(TRACE_SYNC, &vm[slot], 3, UINT64_C(0x5a000000), pc, 0x77);
}

/* The PCs of the lines in buf, as a string. */
static const char *pcs(int cpu, const struct vm *of, size_t n)
{
	static char out[4096];
	const char *line = trace_text(trace_rings, cpu, of, buf, n);
	size_t at = 0;

	assert_true(line >= buf && (line == buf + n || buf[n - 1] == '\0'));
	for (; line < buf + n; line += strlen(line) + 1) {
		assert_non_null(strstr(line, " pc "));
		at +=
		    (size_t)sprintf(out + at, "%lx ", strtoul(strstr(line, " pc ") + 4, NULL, 16));
	}
	out[at] = '\0';
	return out;
}

static void order_and_filters(void **state)
{
	assert_string_equal(pcs(-1, NULL, sizeof(buf)), "");
	event(0, 1000000001, 0, 1);
	event(1, 1000000002, 1, 2);
	event(1, 1000000002, 0, 3);
	event(0, 1500000003, 1, 4);
	assert_string_equal(pcs(0, NULL, sizeof(buf)), "1 4 ");
	assert_string_equal(pcs(1, NULL, sizeof(buf)), "2 3 ");
	assert_string_equal(pcs(-1, NULL, sizeof(buf)), "1 2 3 4 ");
	assert_string_equal(pcs(-1, &vm[1], sizeof(buf)), "2 4 ");
	assert_string_equal(pcs(1, &vm[0], sizeof(buf)), "3 ");
	assert_string_equal(trace_text(trace_rings, 0, &vm[1], buf, sizeof(buf)),
	                    "[1.500000 cpu0] VM 1 vCPU 3: exit, HVC pc 4 esr 5a000000 arg 77");
}

static void the_newest_fit(void **state)
{
	size_t len = strlen("[1.500000 cpu0] VM 1 vCPU 3: exit, HVC pc 4 esr 5a000000 arg 77") + 1;

	assert_string_equal(pcs(-1, NULL, 2 * len), "3 4 ");
	assert_string_equal(pcs(-1, NULL, 2 * len - 1), "4 ");
	assert_string_equal(pcs(-1, NULL, 1), "");
	assert_string_equal(pcs(-1, NULL, 0), "");
}

/* Old ones go; the one that may be in change is not shown. */
static void wraps(void **state)
{
	char want[4096] = "";

	for (unsigned i = 0; i < 200; i++) event(0, 2000000000 + i, 0, 0x100 + i);
	for (unsigned i = 200 - 63; i < 200; i++)
		(void)sprintf(want + strlen(want), "%x ", 0x100 + i);
	assert_string_equal(pcs(0, NULL, sizeof(buf)), want);
}

static void on_and_off(void **state)
{
	assert_false(trace_on);
	trace_enable(true);
	assert_int_equal(nr_sgis, 1);
	assert_int_equal(exits, 1);
	assert_true(trace_on);
	trace_enable(false);
	assert_int_equal(nr_sgis, 2);
	assert_int_equal(exits, 0);
	exits = -1;
	trace_cpu_update(); /* the other CPU, when the SGI has arrived */
	assert_int_equal(exits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(order_and_filters),
	    cmocka_unit_test(the_newest_fit),
	    cmocka_unit_test(wraps),
	    cmocka_unit_test(on_and_off),
	};

	fake_hz = 1000000000;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
