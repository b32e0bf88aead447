/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shell's dump: walks of all granules and sizes against a table builder, what is reserved or
 * outside RAM, backtraces over good and hostile frame records.
 * links: guests/management/dump.c hyp/gmem.c stage2/s2.c stage2/vmid.c tests/fake_arch/fake.c
 * links: tests/fake_arch/tlb.c
 */
#include "s2_env.h"
#include <hyp/gmem.h>
#include "guests/management/shell.h"
#include <hyp/vm.h>

#define RAM UINT64_C(0x40000000)
#define SIZE MiB(4)
#define SCTLR_M 1u

static struct vm vm;
static struct vm_config config;
static struct vcpu vcpu;
static char text[8192];

void shell_out(const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
}

/* Addresses in a page have a name. */
enum hyp_err loader_symbol(const struct fit_image *image, ipa_t entry, uint64_t at, char *name,
                           size_t n, uint64_t *offset)
{
	assert_ptr_equal(image, &config.files[FILE_IMAGE]);
	assert_int_equal(ipa_raw(entry), RAM);
	if (at / PAGE_SIZE != 0x1234) return HYP_ENOENT;
	snprintf(name, n, "function");
	*offset = at % PAGE_SIZE;
	return HYP_OK;
}

/* IPA RAM + x is host RAM + x, but for a hole of a page at 1 MiB. */
static int setup(void **state)
{
	struct s2 *s = &vm.s2;

	env_init(40, 8);
	fake_ram_add(pa(RAM), SIZE);
	memset(pa_to_ptr(pa(RAM)), 0, SIZE);
	vm = (struct vm){.cfg = &config};
	assert_int_equal(s2_create(s, 7), HYP_OK);
	assert_int_equal(s2_map(s, ipa(RAM), pa(RAM), MiB(1), S2_RWX), HYP_OK);
	assert_int_equal(s2_map(s, ipa(RAM + MiB(1) + PAGE_SIZE), pa(RAM + MiB(1) + PAGE_SIZE),
	                        SIZE - MiB(1) - PAGE_SIZE, S2_RWX),
	                 HYP_OK);
	vcpu = (struct vcpu){.vm = &vm};
	strcpy(vm.name, "web");
	config.plan.entry = ipa(RAM);
	text[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	s2_destroy(&vm.s2);
	return 0;
}

static uint64_t *ram(uint64_t at) { return pa_to_ptr(pa(at)); }

static const char *dump(uint64_t va)
{
	text[0] = '\0';
	dump_address(&vcpu, va);
	return text;
}

static void has(const char *what)
{
	if (strstr(text, what) == NULL) fail_msg("no '%s' in:\n%s", what, text);
}

/* One way from va to `to`, built by the numbers alone: levels[] are the index bits of each table.
 */
static void map(unsigned grain, unsigned bits, uint64_t va, uint64_t to, unsigned last,
                uint64_t attr)
{
	bool high = (va >> 55 & 1) != 0;
	unsigned stride = grain - 3, level = 3;
	uint64_t table = RAM + MiB(2), tg = high ? (grain == 12   ? 2
	                                            : grain == 14 ? 1
	                                                          : 3)
	                                         : (grain == 12   ? 0
	                                            : grain == 14 ? 2
	                                                          : 1);

	while (grain + (4 - level) * stride < bits) level--;
	vcpu.arch.sr[SR_SCTLR_EL1] = SCTLR_M;
	vcpu.arch.sr[SR_TCR_EL1] =
	    high ? (64 - bits) << 16 | tg << 30 | 1 << 7 : (64 - bits) | tg << 14 | 1 << 23;
	vcpu.arch.sr[high ? SR_TTBR1_EL1 : SR_TTBR0_EL1] =
	    table | UINT64_C(5) << 48 | 1; /* ASID, CnP */
	for (;; level++) {
		unsigned shift = grain + (3 - level) * stride;
		unsigned top = level == 3 || shift + stride < bits ? shift + stride : bits;
		uint64_t n = bits < top ? bits : top;
		uint64_t *entry = ram(table) + (va >> shift & (BIT(n - shift) - 1));

		if (level == last) {
			*entry = (to & ~(BIT(shift) - 1)) | attr | (level == 3 ? 3 : 1);
			return;
		}
		table += KiB(128);
		*entry = table | 3;
	}
}

static void test_granules(void **state)
{
	static const struct {
		unsigned grain, bits, last;
		uint64_t va;
	} cases[] = {
	    {12, 48, 3, 0x123456789abc},     {12, 39, 3, 0x7654321abc},
	    {12, 39, 2, 0x7654321abc},       {12, 39, 1, 0x7654321abc},
	    {12, 25, 3, 0x1234abc},          {12, 48, 3, 0xffff923456789abc},
	    {14, 48, 3, 0x123456789abc},     {14, 47, 2, 0x123456789abc},
	    {14, 36, 3, 0xffffffff12345abc}, {16, 48, 3, 0x123456789abc},
	    {16, 42, 2, 0x3456789abc},       {16, 42, 3, 0xffffff3456789abc},
	    {16, 29, 3, 0x1234abcd},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned shift = cases[i].grain + (3 - cases[i].last) * (cases[i].grain - 3);
		uint64_t to = RAM, off = cases[i].va & (BIT(shift) - 1);
		char words[64];

		memset(ram(RAM + MiB(2)), 0, MiB(2));
		map(cases[i].grain, cases[i].bits, cases[i].va, to, cases[i].last, BIT(10));
		dump(cases[i].va);
		snprintf(words, sizeof(words), "stage 1: %u bits, granule of %lu KiB\n",
		         cases[i].bits, BIT(cases[i].grain) >> 10);
		has(words);
		snprintf(words, sizeof(words), "  %lu KiB, EL1 rwx, EL0 -x,", BIT(shift) >> 10);
		has(words);
		snprintf(words, sizeof(words), "stage 2: IPA %#lx", (to & ~(BIT(shift) - 1)) | off);
		has(words);
		/* The next page is nowhere. */
		dump(cases[i].va ^ BIT(shift));
		has("  not valid\n");
	}
}

static void test_attributes(void **state)
{
	vcpu.arch.sr[SR_MAIR_EL1] = 0x4400ff;
	map(12, 39, 0x1000, RAM + 0x3000, 3,
	    BIT(6) | BIT(7) | BIT(11) | BIT(53) | BIT(54) | 2 << 2);
	ram(RAM + 0x3000)[1] = 0x1122334455667788;
	dump(0x1000);
	has("EL1 r, EL0 r, not accessed, not global, memory attribute 0x44\n");
	has("stage 2: IPA 0x40003000, level 3, RAM, rwx, PA 0x40003000\n");
	has("0000000000000000 1122334455667788 ");
	vcpu.arch.sr[SR_TCR_EL1] |= UINT64_C(1) << 37; /* TBI0 */
	dump(0xab00000000001000);
	has("stage 2: IPA 0x40003000");
}

static void test_refused(void **state)
{
	uint64_t *sr = vcpu.arch.sr;

	dump(RAM + 8);
	has("stage 1 is off\nstage 2: IPA 0x40000008, level ");
	dump(0x9000000);
	has("stage 2: IPA 0x9000000 is not mapped\n");
	dump(UINT64_MAX);
	has("stage 2: IPA 0xffffffffffffffff is not mapped\n");
	map(12, 39, 0x1000, RAM, 3, 0);
	dump(BIT(39));
	has("the address is in neither half\n");
	dump(UINT64_MAX);
	has("stage 1: "); /* TTBR1 with a size of 64 bits */
	sr[SR_TCR_EL1] |= BIT(7);
	dump(0x1000);
	has("switches off the walks of this half\n");
	for (uint64_t tsz = 0; tsz < 64; tsz++) {
		for (uint64_t tg = 0; tg < 4; tg++) {
			sr[SR_TCR_EL1] = tsz | tg << 14 | tsz << 16 | tg << 30;
			for (unsigned bit = 0; bit < 64; bit++) {
				dump(BIT(bit));
				dump(~BIT(bit));
			}
		}
	}
	sr[SR_TCR_EL1] = 25 | 3 << 14;
	dump(0x1000);
	has("reserved granule or size\n");
}

static void test_hostile_tables(void **state)
{
	uint64_t *root = ram(RAM + MiB(2));

	map(12, 48, 0, RAM, 3, 0);
	root[0] = 1; /* a block at level 0 */
	dump(0);
	has("  not valid\n");
	root[0] = (RAM + MiB(1)) | 3; /* a table where nothing is mapped */
	dump(0);
	has("  level 1: 0x40100000 is not in RAM\n");
	root[0] = UINT64_C(0xffffffffffff) | 3; /* beyond all */
	dump(0);
	has(" is not in RAM\n");
	root[0] = (RAM + MiB(2)) | 3; /* itself: four levels, no more */
	dump(0);
	has("  level 3: at 0x40200000 ");
	map(12, 48, 0, RAM, 3, 0);
	*ram(RAM + MiB(2) + 3 * KiB(128)) = RAM | 1; /* reserved at level 3 */
	dump(0);
	has("  not valid\n");
}

static unsigned lines_of_frames(void)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, "\n     0x")) != NULL; p++) n++;
	return n;
}

static void backtrace(uint64_t fp)
{
	text[0] = '\0';
	vcpu.arch.x[29] = fp;
	dump_registers(&vcpu);
}

static void test_backtrace(void **state)
{
	uint64_t *stack = ram(RAM);

	vcpu.arch.pc = 0x1234008;
	vcpu.arch.x[30] = 0x5678;
	vcpu.arch.pstate = 0x3c5;
	vcpu.arch.sr[SR_ESR_EL1] = 0x96000046;
	stack[0] = RAM + 0x100;
	stack[1] = 0x1234010;
	stack[0x20] = 0;
	stack[0x21] = 0x1234020;
	backtrace(RAM);
	has("web vCPU 0: pstate 0x3c5\n");
	has("ESR_EL1        0000000096000046");
	has("  pc 0x0000000001234008 function+0x8\n  lr 0x0000000000005678\n");
	has("     0x0000000001234010 function+0x10\n     0x0000000001234020 function+0x20\n");
	assert_int_equal(lines_of_frames(), 2);
	/* Through stage 1. */
	map(12, 39, 0x7000, RAM, 3, 0);
	stack[0] = 0x7100;
	backtrace(0x7000);
	assert_int_equal(lines_of_frames(), 2);
	vcpu.arch.sr[SR_SCTLR_EL1] = 0;
	/* A record that leads to itself, or back; that is not aligned; outside RAM; over its end.
	 */
	stack[0] = RAM;
	backtrace(RAM);
	assert_int_equal(lines_of_frames(), 1);
	stack[0x20] = RAM;
	backtrace(RAM + 0x100);
	assert_int_equal(lines_of_frames(), 1);
	backtrace(RAM + 4);
	assert_int_equal(lines_of_frames(), 0);
	backtrace(0x9000000);
	assert_int_equal(lines_of_frames(), 0);
	backtrace(RAM + MiB(1) - 8);
	assert_int_equal(lines_of_frames(), 0);
	backtrace(UINT64_MAX - 7);
	assert_int_equal(lines_of_frames(), 0);
	/* A chain without an end. */
	for (unsigned i = 0; i < 1000; i++) {
		stack[2 * i] = RAM + 16 * i + 16;
		stack[2 * i + 1] = 0x1000 + i;
	}
	backtrace(RAM);
	assert_int_equal(lines_of_frames(), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_granules, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_attributes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_hostile_tables, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_backtrace, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
