/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Translation tables where none can be: in devices, in the flash, outside RAM, beyond 40 bits, at
 * each level; tables of garbage, translation controls of garbage. The probe itself stands on TTBR1.
 */
#include <inttypes.h>
#include <stdio.h>

#include "hx.h"

#define ALIAS 0xffffff8000000000ul /* TTBR1's 39 bits: the runtime's own map once more */
#define TCR_T1SZ (25ul << 16)
#define TCR_WALK1 (1ul << 24 | 1ul << 26 | 3ul << 28 | 2ul << 30) /* IRGN1, ORGN1, SH1, TG1 4K */
#define TCR_EPD1 (1ul << 23)
#define TABLE 3ul

static struct hx probe;
static uint64_t *table1, *table2; /* of our own, to point from */
static uint64_t target;           /* a word of ours, by its physical address */

/* The probe and all it needs by their TTBR1 addresses. */
static void run_high(uint64_t fn, uint64_t va, uint64_t ttbr0, uint64_t tcr_or, uint64_t tcr_clear)
{
	void (*run)(struct hx *) = (void (*)(struct hx *))((uint64_t)hx_run | ALIAS);

	hx_init(&probe);
	probe.fn = fn == va ? fn : fn | ALIAS;
	probe.x[0] = va;
	probe.x[1] = 0x1234;
	probe.x[3] = 7;
	probe.flags = HX_TABLES;
	probe.ttbr1 = probe.ttbr0;
	probe.ttbr0 = ttbr0;
	probe.tcr = ((probe.tcr & ~TCR_EPD1 & ~tcr_clear) | TCR_T1SZ | TCR_WALK1 | tcr_or);
	/* TTBR1 first, with the old TTBR0: hx_run is called by its high address. */
	sysreg_write(ttbr1_el1, probe.ttbr1);
	isb(); /* the table before its use */
	sysreg_write(tcr_el1, (sysreg_read(tcr_el1) & ~TCR_EPD1) | TCR_T1SZ | TCR_WALK1);
	isb(); /* TTBR1 in use */
	run((struct hx *)((uint64_t)&probe | ALIAS));
}

static const char *words(void)
{
	static char text[96];

	if (probe.vector == HX_RETURNED) {
		snprintf(text, sizeof(text), "returned %" PRIx64, probe.x[1]);
		return text;
	}
	return hx_outcome(&probe);
}

/* A load, a store, a jump, an address translation by a root at ttbr0. */
static void by(const char *name, const char *how, uint64_t ttbr0, uint64_t va)
{
	static const unsigned ops[] = {3, 7};

	for (unsigned i = 0; i < 2; i++) {
		run_high(hx_ops[ops[i]].fn, va, ttbr0, 0, 0);
		hx_line("%s %s, %s: %s", how, name, hx_ops[ops[i]].name,
		        probe.vector == HX_RETURNED && (hx_ops[ops[i]].flags & HX_OP_STORE)
		            ? "returned"
		            : words());
	}
	run_high(va, va, ttbr0, 0, 0);
	hx_line("%s %s, jump: %s", how, name, words());
	for (const struct hx_op *op = hx_ops_more; op < hx_ops_end; op++) {
		if (op->name[0] != 'a' || op->name[1] != 't') continue;
		run_high(op->fn, va, ttbr0, 0, 0);
		hx_line("%s %s, %s: %s", how, name, op->name,
		        probe.vector == HX_RETURNED ? "returned" : hx_outcome(&probe));
		if (probe.vector == HX_RETURNED)
			hx_line("%s %s, %s: PAR %s", how, name, op->name,
			        sysreg_read(par_el1) & 1 ? "fault" : "translated");
	}
}

static const struct place {
	const char *name;
	uint64_t pa;
} places[] = {
    {"flash", 0x00001000},
    {"zero page", 0x04000000},
    {"GICD", 0x08000000},
    {"PL011", 0x09000000},
    {"PL031", 0x09010000},
    {"virtio", 0x0a000000},
    {"hole", 0x0b000000},
    {"below RAM", 0x3ffff000},
    {"4 GiB", 0x100000000},
    {"top of 40 bits", 0xfffffff000},
    {"beyond 40 bits", 0x10000000000},
    {"top of 48 bits", 0xfffffffff000},
};

static void all_places(void)
{
	char how[32];

	for (unsigned i = 0; i <= sizeof(places) / sizeof(places[0]); i++) {
		bool ram = i == sizeof(places) / sizeof(places[0]);
		uint64_t pa = ram ? uk_machine()->ram_base + uk_machine()->ram_size : places[i].pa;
		const char *name = ram ? "past RAM" : places[i].name;

		by(name, "root in", pa, 0x40);
		snprintf(how, sizeof(how), "level 2 in");
		table1[1] = pa | TABLE;
		by(name, how, (uint64_t)table1, 0x40000040);
		snprintf(how, sizeof(how), "level 3 in");
		table1[1] = (uint64_t)table2 | TABLE;
		table2[0] = pa | TABLE;
		by(name, how, (uint64_t)table1, 0x40000040);
	}
}

/* Tables in RAM that are not tables. */
static void garbage(void)
{
	static const uint64_t word[] = {
	    ~0ul, 0x5555555555555555, 0xaaaaaaaaaaaaaaab, 3,
	    1,    0x0000fffffffff003, 0xffff000000000401, 0x4000000000000443};
	char name[32];

	for (unsigned i = 0; i < sizeof(word) / sizeof(word[0]); i++) {
		for (unsigned n = 0; n < 512; n++) table1[n] = word[i];
		snprintf(name, sizeof(name), "%" PRIx64, word[i]);
		by(name, "tables all", (uint64_t)table1, 0x40);
		by(name, "tables all", (uint64_t)table1, 0x7fffffff00);
	}
	/* A table that is its own next level, and leads to itself as a page. */
	for (unsigned n = 0; n < 512; n++) table1[n] = (uint64_t)table1 | TABLE | 1ul << 10;
	run_high(hx_ops[3].fn, 0x40, (uint64_t)table1, 0, 0);
	hx_line("a table of itself, ldr x: %s",
	        probe.vector == HX_RETURNED && probe.x[1] == table1[8] ? "reads itself" : words());
}

/* Translation controls. */
static void controls(void)
{
	static const struct {
		const char *name;
		uint64_t set, clear;
	} tcr[] = {
	    {"T0SZ 0", 0, 63},
	    {"T0SZ 16", 16, 63},
	    {"T0SZ 39", 39, 63},
	    {"T0SZ 63", 63, 63},
	    {"EPD0", 1ul << 7, 0},
	    {"TG0 16K", 2ul << 14, 0},
	    {"TG0 64K", 1ul << 14, 0},
	    {"TG0 reserved", 3ul << 14, 0},
	    {"IPS 0", 0, 7ul << 32},
	    {"IPS 7", 7ul << 32, 0},
	    {"TBI, AS, HA, HD and above", 0x7ful << 36, 0},
	    {"bits 63:44", 0xfffff00000000000ul, 0},
	};
	uint64_t root = sysreg_read(ttbr0_el1);

	for (unsigned i = 0; i < sizeof(tcr) / sizeof(tcr[0]); i++) {
		run_high(hx_ops[3].fn, target, root, tcr[i].set, tcr[i].clear);
		hx_line("TCR %s, ldr x: %s", tcr[i].name, hx_outcome(&probe));
	}
	for (unsigned bit = 0; bit < 12; bit++) {
		run_high(hx_ops[3].fn, target, root | 1ul << bit, 0, 0);
		hx_line("TTBR0 bit %u, ldr x: %s", bit, hx_outcome(&probe));
	}
	run_high(hx_ops[3].fn, target, ~0ul, 0, 0);
	hx_line("TTBR0 ~0, ldr x: %s", hx_outcome(&probe));
}

static void translated(const char *name, uint64_t va)
{
	hx_call(&probe, hx_ops[0].fn, (uint64_t)table1, 0);
	__asm__ volatile("at s1e1r, %0\n\tisb" : : "r"(va) : "memory");
	hx_line("AT of %s: PAR %s", name, sysreg_read(par_el1) & 1 ? "fault" : "translated");
	__asm__ volatile("at s1e0r, %0\n\tisb" : : "r"(va) : "memory");
	hx_line("AT as EL0 of %s: PAR %s", name, sysreg_read(par_el1) & 1 ? "fault" : "translated");
}

int main(void)
{
	static uint64_t word = 0x600d;

	hx_start("translate");
	(void)uk_irq_save();
	table1 = uk_pages_alloc(1);
	table2 = uk_pages_alloc(1);
	if (!table1 || !table2) return 1;
	target = (uint64_t)&word;
	all_places();
	garbage();
	controls();
	translated("our own", target);
	translated("nothing", 0x20);
	translated("a hole", hx_map(0x0b000000, HX_DEVICE_EL0));
	return hx_end();
}
