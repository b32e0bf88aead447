/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every offset of GICD, GICC and GICR with every size, read, then written with all ones and zeros,
 * then what is left of it; SGIs to nobody and everybody; interrupt acknowledges and ends that
 * nobody asked for. Needs 2 vCPUs.
 */
#include <stdio.h>
#include <string.h>

#include "../tg_gic.h"
#include "hx.h"

#define GICD_CPENDSGIR 0xf10u
#define GICC_ABPR 0x1cu

static struct hx probe;

/* The same in one line for a run of offsets. LIVE: values may differ from time to time. */
static void words_of(char *words, size_t n, const struct hx_op *op, uint64_t addr)
{
	if (probe.vector != HX_RETURNED)
		snprintf(words, n, "ESR %08lx%s", probe.esr, probe.far == addr ? "" : " FAR wrong");
	else if (op->flags & HX_OP_STORE)
		snprintf(words, n, "written");
	else
		snprintf(words, n, "%lx", probe.x[1]);
}

static void sweep(const char *what, const struct hx_op *op, uint64_t base, uint64_t size,
                  uint64_t value)
{
	char name[64], words[64];
	struct hx_runs runs = {.what = name};

	snprintf(name, sizeof(name), "%s %s", what, op->name);
	for (uint64_t off = 0; off < size; off += op->bytes) {
		hx_init(&probe);
		probe.fn = op->fn;
		probe.x[0] = base + off;
		probe.x[1] = value;
		hx_run(&probe);
		words_of(words, sizeof(words), op, base + off);
		hx_runs_add(&runs, off, words);
	}
	hx_runs_end(&runs);
}

/* ops: four loads and four stores, of 1, 2, 4, 8 bytes. abpr: GICC_ABPR, 0: there is none. */
static void frame(const char *what, uint64_t base, uint64_t size, uint64_t abpr)
{
	char name[48];

	for (unsigned i = 0; i < 4; i++) sweep(what, &hx_ops[i], base, size, 0);
	snprintf(name, sizeof(name), "%s ones", what);
	for (unsigned i = 4; i < 8; i++) sweep(name, &hx_ops[i], base, size, ~0ul);
	snprintf(name, sizeof(name), "%s then", what);
	sweep(name, &hx_ops[2], base, size, 0);
	snprintf(name, sizeof(name), "%s zeros", what);
	for (unsigned i = 4; i < 8; i++) sweep(name, &hx_ops[i], base, size, 0);
	/* QEMU takes less than a virtual interface's least here, until a switch loads it again. */
	if (abpr != 0) hx_call(&probe, hx_ops[6].fn, abpr, 7);
	snprintf(name, sizeof(name), "%s at last", what);
	sweep(name, &hx_ops[2], base, size, 0);
}

/* One instruction with x0 as its register. */
static bool insn(uint32_t code) { return hx_call(&probe, hx_code(&code, 1, false), probe.x[0], 0); }

#define MSR(op1, crn, crm, op2)                                                                    \
	(0xd5100000u | 1u << 19 | (op1) << 16 | (crn) << 12 | (crm) << 8 | (op2) << 5)

static void icc_write(const char *name, uint32_t code, uint64_t value)
{
	probe.x[0] = value;
	insn(code);
	hx_line("%s %lx: %s", name, value, hx_outcome(&probe));
}

static const uint64_t garbage[] = {
    0,
    1,
    15,
    16,
    27,
    31,
    32,
    95,
    96,
    1019,
    1020,
    1021,
    1022,
    1023,
    1024,
    8191,
    8192,
    0xffffff,
    0x1000000,
    0x0f000001,
    0x0000ff000f00ffff,
    0x10000000000,
    0x10001ffff,
    0xff00000000000001,
    0xaaaaaaaaaaaaaaaa,
    ~0ul,
};
#define NR_GARBAGE (sizeof(garbage) / sizeof(garbage[0]))

static void icc(void)
{
	static const struct {
		const char *name;
		uint32_t code;
	} regs[] = {
	    {"ICC_PMR", MSR(0, 4, 6, 0)},       {"ICC_EOIR0", MSR(0, 12, 8, 1)},
	    {"ICC_BPR0", MSR(0, 12, 8, 3)},     {"ICC_AP0R0", MSR(0, 12, 8, 4)},
	    {"ICC_AP0R3", MSR(0, 12, 8, 7)},    {"ICC_AP1R0", MSR(0, 12, 9, 0)},
	    {"ICC_DIR", MSR(0, 12, 11, 1)},     {"ICC_SGI1R", MSR(0, 12, 11, 5)},
	    {"ICC_ASGI1R", MSR(0, 12, 11, 6)},  {"ICC_SGI0R", MSR(0, 12, 11, 7)},
	    {"ICC_EOIR1", MSR(0, 12, 12, 1)},   {"ICC_BPR1", MSR(0, 12, 12, 3)},
	    {"ICC_CTLR", MSR(0, 12, 12, 4)},    {"ICC_SRE", MSR(0, 12, 12, 5)},
	    {"ICC_IGRPEN0", MSR(0, 12, 12, 6)}, {"ICC_IGRPEN1", MSR(0, 12, 12, 7)},
	    {"ICC_IAR1", MSR(0, 12, 12, 0)},    {"ICC_RPR", MSR(0, 12, 11, 3)},
	};

	for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		for (unsigned g = 0; g < NR_GARBAGE; g++)
			icc_write(regs[i].name, regs[i].code, garbage[g]);
}

static void mmio_garbage(const char *name, uint64_t addr)
{
	for (unsigned g = 0; g < NR_GARBAGE; g++) {
		hx_call(&probe, hx_ops[6].fn, addr, garbage[g]);
		hx_line("%s %lx: %s", name, garbage[g] & 0xffffffff, hx_outcome(&probe));
	}
}

/* After all that the machine still takes an SGI to itself. */
static void still_works(void)
{
	uint32_t iar;
	unsigned got = G_NONE;

	for (unsigned i = 0; i < 32; i++) {
		g_disable(i);
		g_unpend(i);
		g_put(i, G_CLEARACTIVE);
		g_set_priority(i, 0x80);
		g_put(i, G_GROUP);
	}
	if (g_is_v3()) {
		/* Active priorities that nobody will ever end. */
		sysreg_write(icc_ap0r0_el1, 0);
		sysreg_write(icc_ap1r0_el1, 0);
		sysreg_write(icc_igrpen1_el1, 1);
		mmio_write32(g_private() + G_GROUP, ~0u);
		isb(); /* enabled */
	} else {
		mmio_write32(g_private() + G_GROUP, 0);
		for (unsigned i = 0; i < 4; i++)
			mmio_write32(g_dist() + GICD_CPENDSGIR + 4 * i, ~0u);
		mmio_write32(uk_machine()->gicc_base + 0xd0, 0);
		mmio_write32(uk_machine()->gicc_base, 1);
	}
	mmio_write32(g_dist(), g_is_v3() ? 2 : 1);
	g_set_pmr(0xff);
	g_set_eoimode(false);
	g_set_preempt_bits(3);
	g_enable(5);
	for (unsigned n = 0; n < 40 && got == G_NONE; n++) {
		g_sgi_self(5);
		for (unsigned spin = 0; spin < 100 && got >= 1020; spin++) got = g_ack(&iar);
		if (got < 1020) g_eoi(iar);
	}
	hx_line("at the end: SGI %u acknowledged", got);
}

int main(void)
{
	const struct uk_machine *m = uk_machine();
	uint64_t daif = uk_irq_save();

	hx_start("gicregs");
	g_cpu_init();
	if (m->gic_version == 2) {
		frame("GICD", m->gicd_base, 0x10000, 0);
		frame("GICC", m->gicc_base, 0x2000, m->gicc_base + GICC_ABPR);
		mmio_garbage("GICD_SGIR", m->gicd_base + 0xf00);
		mmio_garbage("GICC_EOIR", m->gicc_base + 0x10);
		mmio_garbage("GICC_AEOIR", m->gicc_base + 0x24);
		mmio_garbage("GICC_DIR", m->gicc_base + 0x1000);
		mmio_garbage("GICC_CTLR", m->gicc_base);
		mmio_garbage("GICC_DIR split", m->gicc_base + 0x1000);
		mmio_garbage("GICC_APR0", m->gicc_base + 0xd0);
	} else {
		frame("GICD", m->gicd_base, 0x10000, 0);
		frame("GICR 0", m->gicr_base, 0x20000, 0);
		frame("GICR 1", m->gicr_base + 0x20000, 0x20000, 0);
		icc();
	}
	still_works();
	uk_irq_restore(daif);
	return hx_end();
}
