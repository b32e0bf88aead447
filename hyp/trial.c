/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An update on trial: looks ten times a second whether the VMs are well, and confirms by writing
 * one sector of the card.
 */
#include <arch/mm.h>
#include <arch/sdcard.h>
#include <hyp/atomic.h>
#include <hyp/check.h>
#include <hyp/deadline.h>
#include <hyp/host.h>
#include <hyp/lifecycle.h>
#include <hyp/log.h>
#include <hyp/trial.h>
#include <lib/str.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "atoll=state\n" /* what the sector begins with, or it is left alone */
#define LOOK_US 100000u

static struct sdcard card;
static struct deadline next_look;
static uint64_t sector;      /* of the state file */
static uint64_t settle, end; /* ticks for which a VM is to run; counter value: too late */
static char id[16];          /* slot and serial number, as in b8 */
static bool on;              /* shared */
static bool started;         /* shared: there are VMs to look at */

bool trial_is_on(void) { return load_acquire(&on); }

void trial_vms_started(void) { store_release(&started, true); }

/* Whether each VM that was to start has ended well, or runs and has said so or for long enough. */
static bool all_well(uint64_t now)
{
	if (!load_acquire(&started)) return false;
	for (unsigned i = 0; i < MAX_VMS; i++) {
		const struct vm *vm = load_acquire(&vms[i]);
		uint32_t state = vm ? load_acquire(&vm->state) : VM_NEW;
		bool ended = state == VM_STOPPED; /* badly: lifecycle_any_failed() */

		if (!vm || !vm->cfg->autostart) continue;
		if ((!ended && state != VM_RUNNING) ||
		    !(vm->cfg->reports_health ? load_relaxed(&vm->healthy)
		                              : ended || now >= vm->cntvoff + settle))
			return false;
	}
	return true;
}

/*
 * The one write: some milliseconds with interrupts masked, once after an update. A card writes
 * sectors whole, or the loader sees by the contents that it did not.
 */
static void confirm(void)
{
	_Alignas(4) char text[SDCARD_SECTOR] = {0};
	_Alignas(4) char back[SDCARD_SECTOR];

	snprintf(text, sizeof(text), MAGIC "atoll_check=%s\natoll_confirmed=%s\natoll_good=%c\n",
	         id, id + 1, id[0]);
	if (sdcard_write(&card, sector, text) != HYP_OK ||
	    sdcard_read(&card, sector, back) != HYP_OK || memcmp(text, back, sizeof(text)) != 0)
		panic("update %s: the card does not take the confirmation", id);
	log_info("update %s: confirmed", id);
	(void)atomic_exchange_full(&on, false);
	lifecycle_check_idle();
}

static void look(struct deadline *d, uint64_t now)
{
	bool well = all_well(now);

	if (lifecycle_any_failed()) panic("update %s: a VM failed", id);
	if (well)
		confirm();
	else if (now >= end)
		panic("update %s: its VMs are not well in time", id);
	else
		deadline_set(d, now + arch_us_to_ticks(LOOK_US));
}

static const struct deadline_ops look_ops = {look};

static uint64_t number(const char *word, uint64_t otherwise)
{
	const char *value = str_arg(host.bootargs, word);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

enum hyp_err trial_start(void)
{
	const char *arg = str_arg(host.bootargs, "trial");
	_Alignas(4) char text[SDCARD_SECTOR];

	if (!arg) return HYP_OK;
	(void)str_copy(id, arg, MIN(strcspn(arg, " ") + 1, sizeof(id)));
	sector = number("state-sector", UINT64_MAX);
	settle = number("trial-settle", 10) * arch_counter_hz();
	end = number("trial-deadline", 60) * arch_counter_hz() + arch_counter();
	for (unsigned i = 0; i < 2 * HOST_MAX_SDHCI; i++) {
		const struct host_range *r = &host.sdhci[i / 2];

		card = (struct sdcard){pa_raw(r->base), i % 2 ? 9 : 0};
		if (r->size == 0 || arch_mm_map(r->base, r->size, MM_DEVICE) != HYP_OK ||
		    sdcard_read(&card, sector, text) != HYP_OK ||
		    memcmp(text, MAGIC, strlen(MAGIC)) != 0)
			continue;
		log_info("update %s: on trial", id);
		on = true;
		deadline_init(&next_look, &look_ops);
		deadline_set(&next_look, 0); /* due with the first guest */
		return HYP_OK;
	}
	return HYP_ENOENT;
}
