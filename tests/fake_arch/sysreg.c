/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fake arch: system registers and AT. Writes are tokens of the log: "msr NAME 0x<value>", "at op".
 */
#include <stdlib.h>
#include <string.h>

#include <asm/maint.h>
#include <asm/sysreg.h>
#include "fake.h"
#include "fake_sysreg.h"

#define MAX_REGS 256u
static struct {
	const char *name;
	uint64_t val;
	unsigned reads, writes;
} regs[MAX_REGS];
static unsigned nr_regs;

uint64_t (*fake_at_hook)(const char *op, uint64_t va);

void fake_sysreg_reset(void)
{
	nr_regs = 0;
	fake_at_hook = NULL;
}

/* FNV-1a */
uint64_t fake_sysreg_poison(const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++) h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return h;
}

static unsigned index_of(const char *name)
{
	unsigned i = 0;

	while (i < nr_regs && strcmp(regs[i].name, name) != 0) i++;
	if (i == MAX_REGS) abort();
	if (i == nr_regs) {
		nr_regs++;
		regs[i].name = name; /* a string literal of sysreg_read() and its like */
		regs[i].val = fake_sysreg_poison(name);
		regs[i].reads = regs[i].writes = 0;
	}
	return i;
}

void fake_sysreg_set(const char *name, uint64_t val) { regs[index_of(name)].val = val; }

uint64_t fake_sysreg_get(const char *name) { return regs[index_of(name)].val; }

unsigned fake_sysreg_reads(const char *name) { return regs[index_of(name)].reads; }

unsigned fake_sysreg_writes(const char *name) { return regs[index_of(name)].writes; }

uint64_t fake_sysreg_read(const char *name)
{
	unsigned i = index_of(name);

	regs[i].reads++;
	return regs[i].val;
}

void fake_sysreg_write(const char *name, uint64_t val)
{
	unsigned i = index_of(name);

	regs[i].writes++;
	regs[i].val = val;
	fake_logf("msr %s 0x%llx", name, (unsigned long long)val);
}

void fake_at(const char *op, uint64_t va)
{
	fake_logf("at %s", op);
	fake_sysreg_set("PAR_EL1", fake_at_hook ? fake_at_hook(op, va) : va & PAR_PA);
}
