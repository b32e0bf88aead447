/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sectors of an SD card that the loader has initialised and left selected behind a host controller
 * of the SD association's kind. Polled: each call may take milliseconds, and ends in any case.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>

#define SDCARD_SECTOR 512u

struct sdcard {
	uint64_t base;  /* registers, mapped */
	unsigned shift; /* what a card counts in: 0 sectors, 9 bytes (cards of up to 2 GB) */
};

/*
 * One sector; data are aligned to 4. Which of the two a card counts in only its initialisation
 * tells: a reader knows it by what it finds there. ENOENT: the loader uses no card there; EINVAL:
 * no such sector; EIO: the card or its controller refused, or did not answer in time. One CPU at a
 * time.
 */
enum hyp_err sdcard_read(const struct sdcard *c, uint64_t number, void *data) __must_check;
enum hyp_err sdcard_write(const struct sdcard *c, uint64_t number, const void *data) __must_check;
