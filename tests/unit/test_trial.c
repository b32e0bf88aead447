/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An update on trial: when it is confirmed and by which bytes, when it fails, and that nothing is
 * written without the magic, or without a trial.
 * links: hyp/deadline.c hyp/pcpu.c lib/str.c
 * links: tests/fake_arch/fake.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hyp/trial.c" /* its state is to start anew with each test */

#include <hyp/vm.h>
#include "tests/fake_arch/clock.h"

#define SECOND 1000000u

struct host host;
struct vm *vms[MAX_VMS];
static struct vm vm[3];
static struct vm_config cfg[3];
static char medium[SDCARD_SECTOR];
static const struct sdcard there = {0xfe300000, 9}; /* the last that is looked at */
static bool vm_failed, write_fails, write_lost;
static unsigned writes, reads, idles;

enum hyp_err arch_mm_map(pa_t at, uint64_t size, enum mm_attr attr)
{
	assert_true(size == 0x100 && attr == MM_DEVICE);
	return HYP_OK;
}

static bool is_there(const struct sdcard *c, uint64_t n)
{
	return c->base == there.base && c->shift == there.shift && n == 6501;
}

enum hyp_err sdcard_read(const struct sdcard *c, uint64_t n, void *data)
{
	reads++;
	memset(data, 0x5a, SDCARD_SECTOR);
	if (c->base != there.base) return HYP_ENOENT;
	if (is_there(c, n)) memcpy(data, medium, SDCARD_SECTOR);
	return HYP_OK;
}

enum hyp_err sdcard_write(const struct sdcard *c, uint64_t n, const void *data)
{
	assert_true(is_there(c, n));
	writes++;
	if (!write_lost) memcpy(medium, data, SDCARD_SECTOR);
	return write_fails ? HYP_EIO : HYP_OK;
}

bool lifecycle_any_failed(void) { return vm_failed; }

void lifecycle_check_idle(void)
{
	assert_false(trial_is_on());
	idles++;
}

static int setup(void **state)
{
	(void)state;
	clock_reset(1000);
	nr_pcpus = 1;
	on = started = vm_failed = write_fails = write_lost = false;
	writes = reads = idles = 0;
	memset(vms, 0, sizeof(vms));
	memset(&host, 0, sizeof(host));
	host.sdhci[0] = (struct host_range){pa(0xfe340000), 0x100};
	host.sdhci[1] = (struct host_range){pa(there.base), 0x100};
	strcpy(host.bootargs, "a=b trial=b12 state-sector=6501 panic=reboot");
	memset(medium, 0, sizeof(medium));
	strcpy(medium, "atoll=state\natoll_good=a\n");
	for (unsigned i = 0; i < ARRAY_SIZE(vm); i++) {
		cfg[i] = (struct vm_config){.autostart = true};
		vm[i] = (struct vm){.cfg = &cfg[i], .state = VM_RUNNING};
		vms[2 * i] = &vm[i];
	}
	return 0;
}

/* The VMs start: from now on time counts. */
static void start(void)
{
	assert_int_equal(trial_start(), HYP_OK);
	trial_vms_started();
	assert_int_equal(writes, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(vm); i++) vm[i].cntvoff = fake_now;
}

static void assert_confirmed(void)
{
	assert_int_equal(writes, 1);
	assert_int_equal(idles, 1);
	assert_false(trial_is_on());
	assert_string_equal(medium,
	                    "atoll=state\natoll_check=b12\natoll_confirmed=12\natoll_good=b\n");
	for (size_t i = strlen(medium); i < sizeof(medium); i++) assert_int_equal(medium[i], 0);
	clock_advance(100 * SECOND);
	assert_int_equal(writes, 1); /* never again */
}

static void assert_fails_in(uint64_t us, const char *word)
{
	assert_true(fake_panics(clock_advance(us)));
	assert_non_null(strstr(fake_panic_msg, word));
}

static void test_no_trial(void **state)
{
	(void)state;
	strcpy(host.bootargs, "state-sector=6501");
	start();
	clock_advance(100 * SECOND);
	assert_int_equal(reads + writes + idles, 0);
	assert_false(trial_is_on());
}

static void test_nowhere(void **state)
{
	medium[0] = 'A';
	assert_int_equal(trial_start(), HYP_ENOENT);
	setup(state);
	strcpy(host.bootargs, "trial=b12 state-sector=6502");
	assert_int_equal(trial_start(), HYP_ENOENT);
	setup(state);
	strcpy(host.bootargs, "trial=b12");
	assert_int_equal(trial_start(), HYP_ENOENT);
	setup(state);
	host.sdhci[1].size = 0;
	assert_int_equal(trial_start(), HYP_ENOENT);
	assert_int_equal(writes, 0);
	assert_false(trial_is_on());
}

/* The management guest has still to create them: that none is ill says nothing. */
static void test_before_the_first(void **state)
{
	(void)state;
	memset(vms, 0, sizeof(vms));
	assert_int_equal(trial_start(), HYP_OK);
	clock_advance(9 * SECOND);
	assert_true(trial_is_on() && writes == 0);
	for (unsigned i = 0; i < ARRAY_SIZE(vm); i++) {
		vms[i] = &vm[i];
		vm[i].cntvoff = fake_now;
	}
	trial_vms_started();
	clock_advance(9 * SECOND + 900000);
	assert_int_equal(writes, 0);
	clock_advance(200000);
	assert_confirmed();
	setup(state);
	memset(vms, 0, sizeof(vms));
	assert_int_equal(trial_start(), HYP_OK);
	assert_fails_in(61 * SECOND, "not well in time");
	assert_int_equal(writes, 0);
}

/* Ten seconds of each VM's last start, by default. */
static void test_running(void **state)
{
	(void)state;
	start();
	clock_advance(9 * SECOND);
	vm[1].cntvoff = fake_now;
	vm[2].cfg = &(struct vm_config){.autostart = false};
	vm[2].state = VM_NEW;
	clock_advance(9 * SECOND + 900000);
	assert_true(trial_is_on() && writes == 0);
	clock_advance(200000);
	assert_confirmed();
}

static void test_ended(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) vm[i].state = VM_STOPPED;
	start();
	clock_advance(1);
	assert_confirmed();
}

static void test_reports(void **state)
{
	start();
	cfg[1].reports_health = true;
	vm[0].state = vm[1].state = VM_STOPPED; /* to end well is not enough */
	clock_advance(30 * SECOND);
	assert_int_equal(writes, 0);
	vm[1].healthy = true;
	vm[1].state = VM_BACKOFF;
	clock_advance(SECOND);
	assert_int_equal(writes, 0);
	vm[1].state = VM_RUNNING;
	clock_advance(SECOND);
	assert_confirmed();
	setup(state);
	cfg[1].reports_health = true;
	strcat(host.bootargs, " trial-settle=1 trial-deadline=4");
	start();
	clock_advance(3 * SECOND + 900000);
	assert_fails_in(200000, "b12: its VMs are not well in time");
	assert_int_equal(writes, 0);
}

static void test_failures(void **state)
{
	start();
	clock_advance(SECOND);
	vm_failed = true;
	assert_fails_in(200000, "b12: a VM failed");
	setup(state);
	start();
	vm[0].state = VM_LOADING;
	assert_fails_in(61 * SECOND, "not well in time");
	assert_int_equal(writes, 0);
	for (unsigned lost = 0; lost < 2; lost++) {
		setup(state);
		start();
		*(lost ? &write_lost : &write_fails) = true;
		assert_fails_in(11 * SECOND, "does not take");
		assert_int_equal(idles, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_no_trial, setup),
	    cmocka_unit_test_setup(test_nowhere, setup),
	    cmocka_unit_test_setup(test_before_the_first, setup),
	    cmocka_unit_test_setup(test_running, setup),
	    cmocka_unit_test_setup(test_ended, setup),
	    cmocka_unit_test_setup(test_reports, setup),
	    cmocka_unit_test_setup(test_failures, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
