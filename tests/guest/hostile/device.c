/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each class of device registers, by every form of access there is: widths, misaligned, pairs,
 * write-back, exclusive, atomic, SIMD, maintenance, jumps. MMU off; on as device and as normal
 * memory for some.
 */
#include <stdio.h>
#include <string.h>

#include "hx.h"

static struct hx probe;

#define V2 1u
#define V3 2u
#define LIVE 4u    /* what it reads depends on time */
#define OUTPUT 8u  /* a store would be seen on the console */
#define NATIVE 16u /* mapped: the hardware's own */

static const struct target {
	const char *name;
	uint64_t addr;
	unsigned flags;
} targets[] = {
    {"flash", 0x00000100, 0},
    {"GICD_CTLR", 0x08000000, 0},
    {"GICD_TYPER", 0x08000004, 0},
    {"GICD_IIDR", 0x08000008, 0},
    {"GICD_IGROUPR1", 0x08000084, 0},
    {"GICD_ISENABLER1", 0x08000104, 0},
    {"GICD_ISPENDR1", 0x08000204, 0},
    {"GICD_ICPENDR1", 0x08000284, 0},
    {"GICD_ISACTIVER1", 0x08000304, 0},
    {"GICD_ICACTIVER1", 0x08000384, 0},
    {"GICD_ICENABLER1", 0x08000184, 0},
    {"GICD_IPRIORITYR8", 0x08000420, 0},
    {"GICD_IPRIORITYR254", 0x080007f8, 0},
    {"GICD_ITARGETSR8", 0x08000820, 0},
    {"GICD_ICFGR2", 0x08000c08, 0},
    {"GICD_NSACR", 0x08000e00, 0},
    {"GICD_SGIR", 0x08000f00, 0},
    {"GICD_CPENDSGIR0", 0x08000f10, 0},
    {"GICD_SPENDSGIR3", 0x08000f2c, 0},
    {"GICD hole", 0x08003000, 0},
    {"GICD_IROUTER33", 0x08006108, V3},
    {"GICD_PIDR2", 0x0800ffe8, V3},
    {"GICD_ICPIDR2", 0x08000fe8, V2},
    {"GICD's end", 0x0800fffc, 0},
    {"GICC_CTLR", 0x08010000, V2 | NATIVE},
    {"GICC_IAR", 0x0801000c, V2 | NATIVE},
    {"GICC_AIAR", 0x08010020, V2 | NATIVE},
    {"GICC hole", 0x08010800, V2 | NATIVE},
    {"GICC_IIDR", 0x080100fc, V2 | NATIVE},
    {"GICC_DIR", 0x08011000, V2},
    {"GICC's end", 0x08011ffc, V2},
    {"GICR_CTLR", 0x080a0000, V3},
    {"GICR_TYPER", 0x080a0008, V3},
    {"GICR_WAKER", 0x080a0014, V3},
    {"GICR_PROPBASER", 0x080a0070, V3},
    {"GICR_PENDBASER", 0x080a0078, V3},
    {"GICR_PIDR2", 0x080affe8, V3},
    {"GICR_ISENABLER0", 0x080b0100, V3},
    {"GICR_IPRIORITYR6", 0x080b0418, V3},
    {"GICR_ICFGR1", 0x080b0c04, V3},
    {"GICR of CPU 1, TYPER", 0x080c0008, V3},
    {"GICR of CPU 1, ISPENDR0", 0x080d0200, V3},
    {"GICR's end", 0x080dfffc, V3},
    {"UARTDR", 0x09000000, OUTPUT},
    {"UARTRSR", 0x09000004, 0},
    {"UARTFR", 0x09000018, LIVE},
    {"UARTLCR_H", 0x0900002c, 0},
    {"UARTIMSC", 0x09000038, 0},
    {"UARTRIS", 0x0900003c, LIVE},
    {"UARTICR", 0x09000044, 0},
    {"UART hole", 0x09000800, 0},
    {"UARTPCellID3", 0x09000ffc, 0},
    {"RTCDR", 0x09010000, LIVE},
    {"RTCMR", 0x09010004, 0},
    {"RTCLR", 0x09010008, LIVE},
    {"RTCIMSC", 0x09010010, 0},
    {"RTCPeriphID0", 0x09010fe0, 0},
    {"virtio 0 magic", 0x0a000000, 0},
    {"virtio 0 QueueNotify", 0x0a000050, 0},
    {"virtio 0 config", 0x0a000100, 0},
    {"virtio 31 end", 0x0a003ffc, 0},
};

static bool probe_one(const struct target *t, const struct hx_op *op, uint64_t addr, bool mmu)
{
	if ((op->flags & HX_OP_STORE) && (t->flags & OUTPUT)) return false;
	hx_do(&probe, op, addr, mmu);
	return true;
}

static bool here(const struct target *t)
{
	return !(t->flags & (uk_machine()->gic_version == 2 ? V3 : V2));
}

static void aligned(const struct target *t, const char *how, uint64_t addr, bool mmu)
{
	for (const struct hx_op *op = hx_ops; op < hx_ops_end; op++)
		if (probe_one(t, op, addr, mmu))
			hx_line("%s%s %s: %s", how, t->name, op->name,
			        hx_result(&probe, op, addr, !(t->flags & LIVE)));
}

/* Misaligned, and aligned in the middle of a register: a line for a run of equal outcomes. */
static void misaligned(const struct target *t, const char *how, uint64_t addr, bool mmu)
{
	char what[64], words[64];

	for (const struct hx_op *op = hx_ops; op < hx_ops_more; op++) {
		struct hx_runs runs = {.what = what};

		snprintf(what, sizeof(what), "%s%s %s, off by", how, t->name, op->name);
		for (unsigned off = 1; off < (op->bytes == 8 ? 8 : 4); off++) {
			if (!probe_one(t, op, addr + off, mmu)) continue;
			if (probe.vector == HX_RETURNED)
				snprintf(words, sizeof(words), "%s",
				         hx_result(&probe, op, addr + off, !(t->flags & LIVE)));
			else
				snprintf(words, sizeof(words), "ESR %08lx FAR %s", probe.esr,
				         probe.far == addr + off ? "there" : "WRONG");
			hx_runs_add(&runs, off, words);
		}
		hx_runs_end(&runs);
	}
}

/* As device memory, and as normal memory, where stage 1 has nothing against misalignment. */
static void mapped(const struct target *t)
{
	static uint64_t device, normal;

	if (!device) {
		device = hx_map(0, HX_DEVICE);
		normal = hx_map(0, HX_NORMAL);
	}
	aligned(t, "device ", device + t->addr, true);
	/* Cacheable accesses to what is mapped are the hardware's business. */
	if (t->flags & NATIVE) return;
	aligned(t, "normal ", normal + t->addr, true);
	misaligned(t, "normal ", normal + t->addr, true);
}

/* Accesses that begin in one page and end in the next: PL011 to nothing, hole to GICR, GICD to
 * GICC. */
static void across(void)
{
	static const struct target edges[] = {
	    {"PL011's end", 0x09001000, OUTPUT},  {"PL011's start", 0x09000000, OUTPUT},
	    {"GICD's end", 0x08010000, V3},       {"GICR's start", 0x080a0000, V3},
	    {"virtio's end", 0x0a004000, 0},      {"zero page's end", 0x04040000, 0},
	    {"zero page's start", 0x04000000, 0}, {"flash's end", 0x08000000, 0},
	};
	uint64_t normal = hx_map(0, HX_NORMAL);

	for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		if (!here(&edges[i])) continue;
		for (const struct hx_op *op = hx_ops; op < hx_ops_end; op++) {
			if (op->bytes < 2 || (op->flags & HX_OP_JUMP) || op->bytes == 64) continue;
			if ((op->flags & HX_OP_STORE) && (edges[i].flags & OUTPUT)) continue;
			hx_do(&probe, op, normal + edges[i].addr - op->bytes / 2, true);
			hx_line(
			    "across %s %s: %s", edges[i].name, op->name,
			    hx_result(&probe, op, normal + edges[i].addr - op->bytes / 2, true));
		}
	}
}

int main(void)
{
	unsigned n = 0;

	hx_start("device");
	for (const struct target *t = targets; t < targets + sizeof(targets) / sizeof(targets[0]);
	     t++) {
		if (!here(t)) continue;
		aligned(t, "", t->addr, false);
		misaligned(t, "", t->addr, false);
		if (n++ % 8 == 0) mapped(t);
	}
	across();
	return hx_end();
}
