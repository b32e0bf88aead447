/* SPDX-License-Identifier: Apache-2.0 */
/* Host stand-ins: tests/fake_arch checks double locking, unlocking of free locks and lock order. */
#pragma once

void spin_lock(spinlock_t *l) ACQUIRES(*l);
void spin_unlock(spinlock_t *l) RELEASES(*l);
