/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SD card driver against a register file: what it writes, that every wait ends in time whatever
 * the card and its controller do, both ways of counting, and that lines are reset after a failure.
 * links: drivers/sdcard.c tests/fake_arch/fake.c tests/fake_arch/timer.c tests/fake_arch/cpu.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <asm/io.h>
#include <arch/sdcard.h>
#include "tests/fake_arch/fake.h"
#include "tests/fake_arch/timer.h"

#define BASE UINT64_C(0xfe340000)
#define SECTORS 64u

/* What goes wrong, in the order in which a transfer comes by it. */
enum fault {
	NONE,
	CLOCK_OFF,
	INHIBITED,
	NO_ANSWER,
	TIMEOUT_ERROR,
	REFUSED,
	NO_DATA,
	DATA_ERROR,
	NO_END,
	END_ERROR,
	NR_FAULTS
};
static enum fault fault;
static uint8_t medium[SECTORS][SDCARD_SECTOR];
static unsigned shift; /* of the card that is there */
static uint32_t regs[16];
static unsigned at, commands;
static bool writing, reset_lines;

#define STATUS regs[0x30 / 4]

static void command(uint32_t val)
{
	uint32_t argument = regs[2], number = argument >> shift;

	commands++;
	assert_int_equal(regs[1], 0x10200); /* one block of 512 */
	assert_int_equal(regs[0x38 / 4], 0);
	assert_true(val == 0x113a0010 || val == 0x183a0000);
	writing = val >> 24 == 24;
	at = 0;
	if (fault == NO_ANSWER) return;
	if (fault == TIMEOUT_ERROR) {
		STATUS |= 0x18000;
		return;
	}
	STATUS |= 1;
	regs[4] = 0x900;
	if (fault == REFUSED || number >= SECTORS || argument != number << shift) {
		regs[4] |= UINT32_C(1) << 30;
		return;
	}
	if (fault != NO_DATA && fault != DATA_ERROR) STATUS |= writing ? 0x10 : 0x20;
	if (fault == DATA_ERROR) STATUS |= 0x208000;
}

static uint32_t *word(void)
{
	uint32_t *w = (uint32_t *)(void *)&medium[regs[2] >> shift][4 * at];

	assert_true(at < SDCARD_SECTOR / 4);
	if (++at == SDCARD_SECTOR / 4 && fault != NO_END)
		STATUS |= fault == END_ERROR ? 0x208002 : 2;
	return w;
}

uint64_t fake_io_read(uint64_t addr, unsigned size)
{
	uint32_t reg = (uint32_t)(addr - BASE);

	assert_true(addr >= BASE && reg < 0x40 && size == 4);
	fake_now += 10; /* a microsecond is a tick */
	if (reg == 0x20) {
		assert_false(writing);
		return *word();
	}
	if (reg == 0x24) return fault == INHIBITED ? 2 : 0;
	if (reg == 0x2c && reset_lines && fault != NO_END) regs[reg / 4] &= ~UINT32_C(0x6000000);
	return regs[reg / 4];
}

void fake_io_write(uint64_t addr, unsigned size, uint64_t val)
{
	uint32_t reg = (uint32_t)(addr - BASE);

	assert_true(addr >= BASE && reg < 0x40 && size == 4);
	if (reg == 0x30) {
		STATUS &= ~(uint32_t)val | 0x8000; /* which only sums up the upper half */
		if (STATUS >> 16 == 0) STATUS &= ~UINT32_C(0x8000);
	} else if (reg == 0x20) {
		assert_true(writing);
		*word() = (uint32_t)val;
	} else {
		regs[reg / 4] = (uint32_t)val;
	}
	if (reg == 0x0c) command((uint32_t)val);
	if (reg == 0x2c) reset_lines = (val & 0x6000000) == 0x6000000;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_timer_reset();
	fake_hz = 1000000;
	memset(regs, 0, sizeof(regs));
	regs[0x2c / 4] = 0xe0707;
	STATUS = 0x3; /* left by the loader */
	shift = commands = 0;
	fault = NONE;
	reset_lines = false;
	for (unsigned i = 0; i < sizeof(medium); i++)
		medium[i / 512][i % 512] = (uint8_t)(i * 7 / 5);
	return 0;
}

static void test_read_and_write(void **state)
{
	uint32_t data[SDCARD_SECTOR / 4], back[SDCARD_SECTOR / 4];

	for (unsigned s = 0; s <= 9; s += 9) {
		const struct sdcard card = {BASE, s};

		setup(state);
		shift = s;
		assert_int_equal(sdcard_read(&card, 5, data), HYP_OK);
		assert_memory_equal(data, medium[5], sizeof(data));
		for (unsigned i = 0; i < ARRAY_SIZE(data); i++) data[i] = ~data[i];
		assert_int_equal(sdcard_write(&card, 63, data), HYP_OK);
		assert_memory_equal(medium[63], data, sizeof(data));
		assert_int_equal(sdcard_read(&card, 63, back), HYP_OK);
		assert_memory_equal(back, data, sizeof(data));
		assert_int_equal(sdcard_read(&card, 64, back), HYP_EIO);
		assert_int_equal(sdcard_read(&card, 5, back), HYP_OK);
		assert_false(reset_lines && regs[0x2c / 4] & 0x6000000);
	}
}

/* A sector that the argument cannot name never becomes another one. */
static void test_too_far(void **state)
{
	const struct sdcard sectors = {BASE, 0}, bytes = {BASE, 9};
	uint32_t data[SDCARD_SECTOR / 4] = {0};

	(void)state;
	assert_int_equal(sdcard_write(&sectors, BIT(32), data), HYP_EINVAL);
	assert_int_equal(sdcard_write(&sectors, UINT64_MAX, data), HYP_EINVAL);
	assert_int_equal(sdcard_write(&bytes, BIT(23), data), HYP_EINVAL);
	assert_int_equal(commands, 0);
}

/* Each fault, reading and writing: an error within the bounds, and the next transfer works. */
static void test_faults(void **state)
{
	const struct sdcard card = {BASE, 0};
	uint32_t data[SDCARD_SECTOR / 4] = {0};
	uint8_t before[SDCARD_SECTOR];

	for (enum fault f = CLOCK_OFF; f < NR_FAULTS; f++) {
		for (unsigned w = 0; w < 2; w++) {
			enum hyp_err err;

			setup(state);
			fault = f;
			memcpy(before, medium[7], sizeof(before));
			if (f == CLOCK_OFF) regs[0x2c / 4] = 0;
			err = w ? sdcard_write(&card, 7, data) : sdcard_read(&card, 7, data);
			assert_int_equal(err, f == CLOCK_OFF ? HYP_ENOENT : HYP_EIO);
			assert_true(fake_now < 1100000); /* two waits at most, one for the reset */
			/* What is said is heard at once. */
			if (f == REFUSED || f == TIMEOUT_ERROR || f == CLOCK_OFF)
				assert_true(fake_now < 1000);
			assert_int_equal(reset_lines, f != CLOCK_OFF);
			if (f < NO_END) assert_memory_equal(before, medium[7], sizeof(before));
			fault = NONE;
			regs[0x2c / 4] = 0xe0707;
			assert_int_equal(sdcard_read(&card, 6, data), HYP_OK);
			assert_memory_equal(data, medium[6], sizeof(data));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_read_and_write, setup),
	    cmocka_unit_test_setup(test_too_far, setup),
	    cmocka_unit_test_setup(test_faults, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
