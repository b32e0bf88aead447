/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads, stores, jumps and all else that has an address, everywhere outside RAM, with the MMU on
 * and off; virtual addresses that no table maps; accesses across the end of RAM.
 */
#include <stdio.h>
#include <string.h>

#include "hx.h"

#define GICR_STRIDE 0x20000u

static struct hx probe;

/* Those that every address is tried with; the device guest tries all. */
static bool wanted(const struct hx_op *op)
{
	static const char *const names[] = {
	    "ldrb w",  "ldr w",  "ldr x",    "str w",   "str x",     "ldr w post",
	    "ldp x",   "stp x",  "ldxr w",   "stxr",    "swpal x",   "ldr q",
	    "str q",   "dc zva", "dc civac", "dc ivac", "jump",      "ldar w",
	    "ic ivau", "prfm",   "at s1e1r", "ldtr w",  "ld1 4x16b",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(op->name, names[i]) == 0) return true;
	return false;
}

static bool is_jump(const struct hx_op *op) { return (op->flags & HX_OP_JUMP) != 0; }

/* All operations at an address, by its name; exec: the same address where jumps may go. */
static void at(const char *name, uint64_t addr, uint64_t exec, bool mmu)
{
	for (const struct hx_op *op = hx_ops; op < hx_ops_end; op++) {
		uint64_t to = is_jump(op) ? exec : addr;

		if (!wanted(op)) continue;
		hx_do(&probe, op, to, mmu);
		hx_line("%s %s %s: %s", mmu ? "on" : "off", name, op->name,
		        hx_result(&probe, op, to, true));
	}
}

/* Physical: with the MMU off, and through a mapping of its GiB. */
static void physical(const char *name, uint64_t pa)
{
	static uint64_t gib = ~0ul, device, exec;

	if (gib != pa >> 30) {
		gib = pa >> 30;
		device = hx_map(pa, HX_DEVICE) >> 30 << 30;
		exec = hx_map(pa, HX_EXEC) >> 30 << 30;
	}
	at(name, pa, pa, false);
	at(name, device | (pa & 0x3fffffff), exec | (pa & 0x3fffffff), true);
}

static void outside(void)
{
	const struct uk_machine *m = uk_machine();
	uint64_t end = m->ram_base + m->ram_size;

	physical("flash", 0);
	physical("flash's zero page", 0x04000040);
	physical("flash's last", 0x07ffffc0);
	physical("past GICD", 0x08010000 + (m->gic_version == 2 ? 0x10000 : 0));
	physical("below GICR", 0x0809ffc0);
	if (m->gic_version == 2)
		physical("GICR's place", 0x080a0000);
	else
		physical("past GICR", 0x080a0000 + GICR_STRIDE * m->nr_cpus);
	physical("past PL011", 0x09001000);
	physical("past PL031", 0x09011000);
	physical("QEMU's fw_cfg", 0x09020000);
	physical("QEMU's GPIO", 0x09030000);
	physical("past virtio-mmio", 0x0a004000);
	physical("QEMU's platform bus", 0x0c000000);
	physical("QEMU's PCIe window", 0x10000000);
	physical("QEMU's PCIe ECAM", 0x3f000000);
	physical("below RAM", m->ram_base - 64);
	physical("past RAM", end);
	physical("past RAM by 2 MiB", end + 0x200000);
	physical("host's RAM by number", 0x48000000);
	physical("third GiB", 0x80000000);
	physical("4 GiB", 0x100000000);
	physical("512 GiB", 0x8000000000);
	physical("top of 40 bits", 0xffffffffc0);
	physical("40 bits", 0x10000000000);
	physical("44 bits", 0x100000000000);
	physical("top of 48 bits", 0xffffffffffc0);
}

/* Virtual addresses without a table; MMU off: beyond any physical address. */
static void virtual(void)
{
	static const struct {
		const char *name;
		uint64_t va;
	} all[] = {
	    {"va page 0", 0x40},
	    {"va last of TTBR0", 0x7fffffffc0},
	    {"va past TTBR0", 0x8000000000},
	    {"va 47 bits", 0x7fffffffffc0},
	    {"va 48 bits", 0x1000000000000},
	    {"va middle", 0x8000000000000000},
	    {"va first of TTBR1", 0xffff000000000000},
	    {"va tagged", 0x5500000000000040},
	    {"va last", 0xffffffffffffffc0},
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		at(all[i].name, all[i].va, all[i].va, true);
		at(all[i].name, all[i].va, all[i].va, false);
	}
}

/* Half inside: normal memory, then device memory without alignment faults from stage 1. */
static void across_the_end(void)
{
	static const char *const names[] = {"ldr x",      "str x",     "ldp x",
	                                    "stp x",      "ldr q",     "str q",
	                                    "ldr w post", "ld1 4x16b", "st4 4s post"};
	const struct uk_machine *m = uk_machine();
	uint64_t end = hx_map(m->ram_base, HX_NORMAL) - m->ram_base + m->ram_base + m->ram_size;

	for (const struct hx_op *op = hx_ops; op < hx_ops_end; op++) {
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strcmp(op->name, names[i]) != 0) continue;
			hx_do(&probe, op, end - 2, true);
			hx_line("across the end of RAM %s: %s", op->name,
			        hx_result(&probe, op, end - 2, false));
		}
	}
}

/* The whole space by steps: what answers to a load. Pages of the first 4 GiB, then GiBs. */
static void sweep(void)
{
	struct hx_runs runs = {.what = "sweep"};

	for (uint64_t pa = 0; pa < 1ul << 40; pa += pa < 1ul << 31 ? 0x4000 : 1ul << 30) {
		char words[64];

		if (pa - uk_machine()->ram_base < uk_machine()->ram_size) {
			hx_runs_add(&runs, pa, "RAM");
			continue;
		}
		hx_do(&probe, &hx_ops[2], pa, false);
		snprintf(words, sizeof(words), "%s", probe.vector == HX_RETURNED ? "answers" : "");
		if (probe.vector != HX_RETURNED) {
			bool same = probe.far == pa;

			snprintf(words, sizeof(words), "ESR %08lx%s", probe.esr,
			         same ? "" : " FAR wrong");
		}
		hx_runs_add(&runs, pa, words);
	}
	hx_runs_end(&runs);
}

int main(void)
{
	hx_start("memory");
	outside();
	virtual();
	across_the_end();
	sweep();
	return hx_end();
}
