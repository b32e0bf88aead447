/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of stage 2: table memory that can fail on demand and refuses to take back a table
 * that a TLB still leads to. Include it once in a test.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arch/mm.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <hyp/s2.h>
#include "tests/fake_arch/fake.h"

#define ENV_BASE UINT64_C(0x8000000)
#define ENV_PAGES 4096u
/* Pages of the host that nobody may map. */
#define ENV_FORBIDDEN UINT64_C(0x5555000)

static uint8_t env_used[ENV_PAGES];
static unsigned env_live;      /* table pages in use */
static int env_fail_after;     /* this many allocations succeed; < 0: all */
static unsigned env_max_order; /* largest allocation seen */

static enum hyp_err env_alloc(unsigned order, pa_t *out)
{
	unsigned n = 1u << order;

	if (env_fail_after == 0) return HYP_ENOMEM;
	env_fail_after -= env_fail_after > 0;
	env_max_order = MAX(env_max_order, order);
	for (unsigned i = 0; i < ENV_PAGES; i += n) {
		bool used = false;

		for (unsigned k = 0; k < n; k++) used = used || env_used[i + k] != 0;
		if (!used) {
			memset(&env_used[i], 1, n);
			env_live += n;
			*out = pa(ENV_BASE + i * PAGE_SIZE);
			for (unsigned k = 0; k < n * 512; k++)
				assert_int_equal(((uint64_t *)pa_to_ptr(*out))[k], 0);
			return HYP_OK;
		}
	}
	return HYP_ENOMEM;
}

static void env_free(pa_t t, unsigned order)
{
	unsigned i = (unsigned)((t.raw - ENV_BASE) / PAGE_SIZE);

	assert_true(t.raw % (PAGE_SIZE << order) == 0 && i < ENV_PAGES);
	for (unsigned k = 0; k < 1u << order; k++) {
		assert_int_equal(env_used[i + k], 1);
		assert_false(fake_tlb_refers(pa(t.raw + k * PAGE_SIZE)));
		env_used[i + k] = 0;
		env_live--;
	}
	fake_logf("free 0x%llx", (unsigned long long)t.raw);
	memset(pa_to_ptr(t), 0, PAGE_SIZE << order);
}

static bool env_may_map(uint16_t owner, pa_t p, uint64_t size, enum s2_attr attr)
{
	assert_int_equal(owner, 7);
	/* Another's page may be read. */
	return attr == S2_RO || p.raw + size <= ENV_FORBIDDEN || p.raw > ENV_FORBIDDEN;
}

static const struct s2_mem_ops env_ops = {env_alloc, env_free, env_may_map};

static inline void env_init(unsigned pa_bits, unsigned vmid_bits)
{
	fake_reset();
	fake_tlb_reset();
	fake_ram_add(pa(ENV_BASE), ENV_PAGES * PAGE_SIZE);
	memset(env_used, 0, sizeof(env_used));
	env_live = 0;
	env_fail_after = -1;
	env_max_order = 0;
	assert_int_equal(s2_init(pa_bits, vmid_bits, &env_ops), HYP_OK);
}
