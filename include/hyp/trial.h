/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An update on trial (docs/raspberry-pi-4.md): the loader has counted this boot as an attempt, and
 * goes back to the bundle before it unless EL2 confirms this one on the card. In bootargs:
 * trial=SLOT+SERIAL, state-sector=N, panic=reboot; in seconds trial-settle=, trial-deadline=.
 */
#pragma once

#include <hyp/err.h>
#include <hyp/types.h>

/*
 * Boot CPU, before the others start. As soon as VMs run they are looked after: the update is
 * confirmed when they are well, else a panic resets the machine. Without trial= nothing is done.
 * ENOENT: no card has in that sector what may be written over.
 */
enum hyp_err trial_start(void) __must_check;
/* Neither confirmed nor failed. Ends with a call of lifecycle_check_idle(). */
bool trial_is_on(void);
/* All VMs of the manifest that there are were created and told to start. */
void trial_vms_started(void);
