/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SD card behind a standard host controller (SD Host Controller Simplified Specification 3.00,
 * chapter 2): one sector at a time, polled, the data by the CPU's own loads and stores.
 */
#include <arch/barrier.h>
#include <asm/io.h>
#include <arch/sdcard.h>
#include <arch/timer.h>

/* Registers as words: the BCM2711's take no narrower writes. */
#define BLOCK 0x04 /* size and number of blocks */
#define ARGUMENT 0x08
#define COMMAND 0x0c /* transfer mode and command */
#define RESPONSE 0x10
#define DATA 0x20
#define PRESENT 0x24
#define CLOCK 0x2c  /* with software reset in the top byte */
#define STATUS 0x30 /* errors in the upper half; a bit written as 1 is cleared */
#define STATUS_ENABLE 0x34
#define SIGNAL_ENABLE 0x38

#define PRESENT_INHIBIT (BIT32(0) | BIT32(1)) /* a command, or data, are under way */
#define CLOCK_TO_CARD BIT32(2)
#define RESET_LINES (BIT32(25) | BIT32(26)) /* of command and data */
#define STATUS_COMMAND BIT32(0)
#define STATUS_TRANSFER BIT32(1) /* of a write: the card is not busy any more */
#define STATUS_WRITE_READY BIT32(4)
#define STATUS_READ_READY BIT32(5)
#define STATUS_ERROR BIT32(15)
#define STATUS_ALL UINT32_C(0xffff0033)

/* 48 bits of response with CRC and index checked, data follow; Physical Layer 4.7.4. */
#define WITH_DATA (UINT32_C(0x3a) << 16)
#define READ_SINGLE (UINT32_C(17) << 24 | WITH_DATA | BIT32(4))
#define WRITE_SINGLE (UINT32_C(24) << 24 | WITH_DATA)
/* Card status in the response (Physical Layer 4.10.1), less what is about an earlier command. */
#define CARD_ERRORS UINT32_C(0xfe380000)

#define LIMIT_US 500000u /* the longest that a card may be busy with a write (4.6.2.2) */

static uint32_t get(const struct sdcard *c, unsigned reg) { return io_read32(c->base + reg); }

static void put(const struct sdcard *c, unsigned reg, uint32_t val)
{
	io_write32(c->base + reg, val);
}

/* Until any of `bits` is set, or none is; false: an error, or too long. */
static bool wait(const struct sdcard *c, unsigned reg, uint32_t bits, bool set)
{
	uint64_t start = arch_counter();
	bool late = false;

	while (((get(c, reg) & bits) != 0) != set) {
		if (late || (get(c, STATUS) & STATUS_ERROR) != 0) return false;
		late = arch_counter() - start > arch_us_to_ticks(LIMIT_US); /* one look more */
		cpu_relax();
	}
	return true;
}

static bool transfer(const struct sdcard *c, uint32_t command, uint32_t argument, uint32_t *in,
                     const uint32_t *out)
{
	put(c, SIGNAL_ENABLE, 0);
	put(c, STATUS_ENABLE, STATUS_ALL);
	put(c, STATUS, STATUS_ALL);
	if (!wait(c, PRESENT, PRESENT_INHIBIT, false)) return false;
	put(c, BLOCK, 1u << 16 | SDCARD_SECTOR);
	put(c, ARGUMENT, argument);
	put(c, COMMAND, command);
	if (!wait(c, STATUS, STATUS_COMMAND, true) || (get(c, RESPONSE) & CARD_ERRORS) != 0 ||
	    !wait(c, STATUS, in ? STATUS_READ_READY : STATUS_WRITE_READY, true))
		return false;
	for (unsigned i = 0; i < SDCARD_SECTOR / 4; i++)
		if (in)
			in[i] = get(c, DATA);
		else
			put(c, DATA, out[i]);
	return wait(c, STATUS, STATUS_TRANSFER, true) && (get(c, STATUS) & STATUS_ERROR) == 0;
}

static enum hyp_err sector(const struct sdcard *c, uint32_t command, uint64_t number, void *in,
                           const void *out)
{
	if ((get(c, CLOCK) & CLOCK_TO_CARD) == 0) return HYP_ENOENT;
	if (number > UINT32_MAX >> c->shift) return HYP_EINVAL;
	if (transfer(c, command, (uint32_t)(number << c->shift), in, out)) return HYP_OK;
	/* 3.10: the lines are reset, or nothing more can be sent. */
	put(c, STATUS, STATUS_ALL);
	put(c, CLOCK, get(c, CLOCK) | RESET_LINES);
	(void)wait(c, CLOCK, RESET_LINES, false);
	return HYP_EIO;
}

enum hyp_err sdcard_read(const struct sdcard *c, uint64_t number, void *data)
{
	return sector(c, READ_SINGLE, number, data, NULL);
}

enum hyp_err sdcard_write(const struct sdcard *c, uint64_t number, const void *data)
{
	return sector(c, WRITE_SINGLE, number, NULL, data);
}
