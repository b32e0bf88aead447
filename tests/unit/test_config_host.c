/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host facts from device trees: QEMU's own, a Raspberry Pi's shape, each refusal, damaged trees.
 * links: hyp/config_host.c hyp/tree.c lib/str.c tests/fake_arch/fake.c
 * libs: fdt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <arch/mm.h>
#include <hyp/config.h>
#include <hyp/host.h>
#include <hyp/vm.h>
#include <libfdt.h>

struct vm *vms[MAX_VMS];
static struct host h;
static struct host_range image; /* where Atoll would lie */
static const char *why;

/* The output of a command that writes $OUT, in a buffer of exactly its totalsize (for ASan). */
static void *blob_of(const char *command)
{
	char path[] = "/tmp/atoll-test-XXXXXX", line[512];
	struct fdt_header head;
	void *blob = NULL;
	FILE *f;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	snprintf(line, sizeof(line), "OUT=%s; %s", path, command);
	assert_int_equal(system(line), 0);
	f = fopen(path, "rb"); /* QEMU renamed another file to it */
	assert_non_null(f);
	assert_int_equal(fread(&head, sizeof(head), 1, f), 1);
	assert_int_equal(fdt_magic(&head), FDT_MAGIC);
	assert_int_equal(posix_memalign(&blob, 8, fdt_totalsize(&head)), 0);
	rewind(f);
	assert_int_equal(fread(blob, fdt_totalsize(&head), 1, f), 1);
	fclose(f);
	unlink(path);
	return blob;
}

static void *tree(const char *dts)
{
	char path[] = "/tmp/atoll-test-XXXXXX", line[128];
	int fd = mkstemp(path);
	void *blob;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, dts, strlen(dts)), strlen(dts));
	close(fd);
	snprintf(line, sizeof(line), "dtc -q -I dts -O dtb -o $OUT %s", path);
	blob = blob_of(line);
	unlink(path);
	return blob;
}

static enum hyp_err parse(void *blob)
{
	enum hyp_err err;

	why = NULL;
	err = config_host_init(blob, image, &h, &why);
	free(blob);
	assert_int_equal(err == HYP_OK, why == NULL);
	return err;
}

static void assert_refused(const char *dts, const char *word)
{
	assert_int_equal(parse(tree(dts)), HYP_EINVAL);
	if (strstr(why, word) == NULL) fail_msg("\"%s\" does not say \"%s\"", why, word);
}

static void assert_range(struct host_range r, uint64_t base, uint64_t size)
{
	assert_int_equal(pa_raw(r.base), base);
	assert_int_equal(r.size, size);
}

static void *qemu(const char *machine)
{
	char line[400];

	snprintf(line, sizeof(line),
	         "qemu-system-aarch64 -M virt,virtualization=on,dumpdtb=$OUT,%s -cpu cortex-a72 "
	         "-m 768M -nic none -display none -append 'a=1 when-idle=poweroff' "
	         "-kernel /etc/passwd -initrd /etc/passwd >/dev/null 2>&1",
	         machine);
	return blob_of(line);
}

static struct host_range range(uint64_t base, uint64_t size)
{
	return (struct host_range){pa(base), size};
}

static void check_virt_common(unsigned cpus)
{
	assert_string_equal(h.compatible, "linux,dummy-virt");
	assert_string_equal(h.bootargs, "a=1 when-idle=poweroff");
	assert_int_equal(h.nr_ram, 1);
	assert_range(h.ram[0], GiB(1), MiB(768));
	assert_int_equal(h.uart.type, HOST_UART_PL011);
	assert_range(h.uart.regs, 0x09000000, 0x1000);
	assert_int_equal(h.uart.clock_hz, 24000000);
	assert_int_equal(h.uart.intid, 33);
	assert_int_equal(h.timer.virt_intid, 27);
	assert_int_equal(h.timer.hyp_intid, 26);
	assert_int_equal(h.gic.maint_intid, 25);
	assert_range(h.gic.gicd, 0x08000000, 0x10000);
	assert_true(h.initrd.size > 10);
	assert_true(pa_raw(h.initrd.base) >= GiB(1) + MiB(128));
	assert_true(h.psci_smc);
	assert_int_equal(h.nr_cpus, cpus);
	for (unsigned i = 0; cpus > 1 && i < cpus; i++)
		assert_int_equal(h.cpus[i].enable, HOST_ENABLE_PSCI);
}

static void test_qemu_v2(void **state)
{
	(void)state;
	image = range(GiB(1) + MiB(2), MiB(1));
	assert_int_equal(parse(qemu("gic-version=2 -smp 4")), HYP_OK);
	check_virt_common(4);
	assert_int_equal(h.gic.version, 2);
	assert_range(h.gic.gicc, 0x08010000, 0x10000);
	assert_range(h.gic.gich, 0x08030000, 0x10000);
	assert_range(h.gic.gicv, 0x08040000, 0x10000);
	assert_int_equal(h.cpus[3].mpidr, 3);
	assert_int_equal(parse(qemu("gic-version=2 -smp 1")), HYP_OK);
	check_virt_common(1);
}

static void test_qemu_v3(void **state)
{
	(void)state;
	image = range(GiB(1) + MiB(2), MiB(1));
	assert_int_equal(parse(qemu("gic-version=3 -smp 12")), HYP_OK);
	check_virt_common(12);
	assert_int_equal(h.gic.version, 3);
	assert_int_equal(h.gic.nr_gicr, 1);
	assert_range(h.gic.gicr[0], 0x080a0000, 0xf60000);
	assert_int_equal(h.nr_cpus_ignored, 0);
	assert_int_equal(parse(qemu("gic-version=3 -smp 20")), HYP_OK);
	assert_int_equal(h.nr_cpus, MAX_PCPUS);
	assert_int_equal(h.nr_cpus_ignored, 20 - MAX_PCPUS);
}

#define HEAD                                                                                       \
	"/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; compatible = \"x,y\"; "            \
	"interrupt-parent = <&gic>;"
#define MEMORY "memory@0 { device_type = \"memory\"; reg = <0 0x40000000 0 0x10000000>; };"
#define GICV2                                                                                      \
	"gic: gic@8000000 { compatible = \"arm,gic-400\"; interrupt-controller; #interrupt-cells " \
	"= <3>;"                                                                                   \
	"reg = <0 0x8000000 0 0x1000 0 0x8010000 0 0x2000 0 0x8030000 0 0x2000 0 0x8040000 0 "     \
	"0x2000>;"                                                                                 \
	"interrupts = <1 9 4>; };"
#define TIMER                                                                                      \
	"timer { compatible = \"arm,armv8-timer\"; interrupts = <1 13 4 1 14 4 1 11 4 1 10 4>; };"
#define CPUS                                                                                       \
	"cpus { #address-cells = <1>; #size-cells = <0>; cpu@0 { device_type = \"cpu\"; reg = "    \
	"<0>; }; };"

/*
 * The 8 GiB board: three banks, the one above 4 GiB in entries of 32-bit sizes that join, one not
 * page-aligned; reservations that overlap, touch, stick out, and lie across two banks' ends.
 */
#define BIG_PI(chosen)                                                                             \
	"/dts-v1/; /memreserve/ 0 0x1000; /memreserve/ 0x800 0x2000; /memreserve/ 0x3b3ff000 "     \
	"0x4c02000;"                                                                               \
	"/ { #address-cells = <2>; #size-cells = <1>; compatible = \"raspberrypi,4-model-b\"; "    \
	"interrupt-parent = <&gic>;"                                                               \
	"memory@0 { device_type = \"memory\"; reg = <0 0 0x3b400000>, <0 0x40000000 0xbc000000>, " \
	"<1 0 0x80000000>, <1 0x80000000 0x7ffffe00>; };"                                          \
	"reserved-memory { #address-cells = <2>; #size-cells = <1>; ranges;"                       \
	" a@40000000 { reg = <0 0x40000000 0x100000>; no-map; };"                                  \
	" b@40080000 { reg = <0 0x40080000 0x100000 1 0x7ffff000 0x2000>; };"                      \
	" c@1 { reg = <1 0xffffe000 0x10000>; status = \"disabled\"; }; };"                        \
	"chosen { " chosen " }; " CPUS                                                             \
	"gic: gic@ff841000 { compatible = \"arm,gic-400\"; #interrupt-cells = <3>; interrupts = "  \
	"<1 9 4>; reg = <0 0xff841000 0x1000>, <0 0xff842000 0x2000>, <0 0xff844000 0x2000>, "     \
	"<0 0xff846000 0x2000>; };" TIMER " };"
#define INITRD(start, end) "linux,initrd-start = <" start ">; linux,initrd-end = <" end ">;"

static void test_big_pi(void **state)
{
	(void)state;
	image = range(0x80000, MiB(1));
	assert_int_equal(parse(tree(BIG_PI(INITRD("1 0x20000000", "1 0x90000000")))), HYP_OK);
	assert_int_equal(h.nr_ram, 3);
	assert_range(h.ram[0], 0, 0x3b400000);
	assert_range(h.ram[1], 0x40000000, 0xbc000000);
	assert_range(h.ram[2], GiB(4), GiB(4) - 0x1000);
	assert_int_equal(h.nr_reserved, 6);
	assert_range(h.reserved[2], 0x3b3ff000, 0x4c02000);
	assert_range(h.reserved[5], GiB(6) - 0x1000, 0x2000);
	assert_range(h.initrd, GiB(4) + 0x20000000, 0x70000000); /* over the entries' border */
}

/* Atoll and its bundle are in RAM, and do not overlap. */
static void test_places(void **state)
{
	static const struct {
		const char *dts;
		struct host_range image;
		const char *word; /* NULL: good */
	} cases[] = {
	    {BIG_PI(""), {{0x3b300000}, 0x100000}, NULL},
	    {BIG_PI(""), {{0x3b300000}, 0x101000}, "Atoll lies outside"},
	    {BIG_PI(""), {{0x3ffff000}, 0x100000}, "Atoll lies outside"},
	    {BIG_PI(""), {{GiB(8)}, 0x100000}, "Atoll lies outside"},
	    {BIG_PI(""), {{0xfc000000}, 0x100000}, "Atoll lies outside"},
	    {BIG_PI(""), {{GiB(5)}, 0x100000}, NULL},
	    {BIG_PI(INITRD("0x3b000000", "0x3b400000")), {{0x80000}, 0x100000}, NULL},
	    {BIG_PI(INITRD("0x3b000000", "0x3b400001")), {{0x80000}, 0x100000}, "no RAM"},
	    {BIG_PI(INITRD("0x3b400000", "0x3b500000")), {{0x80000}, 0x100000}, "no RAM"},
	    {BIG_PI(INITRD("2 0", "2 0x1000")), {{0x80000}, 0x100000}, "no RAM"},
	    {BIG_PI(INITRD("0x3b400000", "0x3b3fffff")), {{0x80000}, 0x100000}, "no range"},
	    {BIG_PI(INITRD("0", "0x10000 1")), {{0x80000}, 0x100000}, "no range"},
	    {BIG_PI(INITRD("0x3b400000", "0x3b400000")), {{0x80000}, 0x100000}, NULL},
	    {BIG_PI(INITRD("0x180000", "0x190000")), {{0x80000}, 0x100000}, NULL},
	    {BIG_PI(INITRD("0x17ffff", "0x190000")), {{0x80000}, 0x100000}, "over Atoll"},
	    {BIG_PI(INITRD("0x70000", "0x80000")), {{0x80000}, 0x100000}, NULL},
	    {BIG_PI(INITRD("0x70000", "0x80001")), {{0x80000}, 0x100000}, "over Atoll"},
	    {BIG_PI(INITRD("0x90000", "0x90010")), {{0x80000}, 0x100000}, "over Atoll"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		image = cases[i].image;
		if (cases[i].word != NULL)
			assert_refused(cases[i].dts, cases[i].word);
		else
			assert_int_equal(parse(tree(cases[i].dts)), HYP_OK);
	}
}

/* The tree itself has a place as well. */
static void test_bundle_over_tree(void **state)
{
	/* Where a board may have RAM. */
	uint64_t *blob = mmap((void *)(uintptr_t)GiB(1), KiB(64), PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *made = tree(BIG_PI(INITRD("1 0", "1 0x1000")));
	uint64_t at = (uintptr_t)memcpy(blob, made, fdt_totalsize(made)),
	         size = fdt_totalsize(made);
	static const int64_t offset[] = {-0x1000, -0xfff, 0, 8};
	int node = fdt_path_offset(blob, "/chosen"), memory = fdt_path_offset(blob, "/memory@0");

	(void)state;
	free(made);
	assert_int_equal(at, GiB(1));
	/* RAM is around the blob: 2 address cells, 1 size cell. */
	fdt_setprop_inplace_u32(blob, memory, "reg", 0);
	for (unsigned i = 0; i < 12; i++) {
		static const fdt32_t zero;

		fdt_setprop_inplace_namelen_partial(blob, memory, "reg", 3, i * 4, &zero, 4);
	}
	for (unsigned i = 0; i < 2; i++) {
		fdt64_t base = cpu_to_fdt64(ALIGN_DOWN(at, PAGE_SIZE) - MiB(16) + i * MiB(64));
		fdt32_t len = cpu_to_fdt32(MiB(64));

		fdt_setprop_inplace_namelen_partial(blob, memory, "reg", 3, i * 12, &base, 8);
		fdt_setprop_inplace_namelen_partial(blob, memory, "reg", 3, i * 12 + 8, &len, 4);
	}
	image = range(at - MiB(8), MiB(1));
	for (size_t i = 0; i < ARRAY_SIZE(offset); i++) {
		fdt_setprop_inplace_u64(blob, node, "linux,initrd-start", at + (uint64_t)offset[i]);
		fdt_setprop_inplace_u64(blob, node, "linux,initrd-end",
		                        at + (uint64_t)offset[i] + 0x1000);
		assert_int_equal(config_host_init(blob, image, &h, &why),
		                 i == 0 ? HYP_OK : HYP_EINVAL);
		if (i != 0) assert_non_null(strstr(why, "over Atoll or the device tree"));
	}
	fdt_setprop_inplace_u64(blob, node, "linux,initrd-start", at + size);
	fdt_setprop_inplace_u64(blob, node, "linux,initrd-end", at + size + 1);
	assert_int_equal(config_host_init(blob, image, &h, &why), HYP_OK);
	munmap(blob, KiB(64));
}

/* stdout-path as path or alias, with and without options; both kinds; clocks. */
static void test_stdout(void **state)
{
	static const struct {
		const char *path, *serial0, *serial1;
		enum host_uart_type type;
		uint32_t shift, hz;
	} cases[] = {
	    {"serial0:115200n8", "", "", HOST_UART_PL011, 0, 48000000},
	    {"serial1:115200n8", "", "", HOST_UART_8250, 2, 500000000},
	    {"serial1", "", "", HOST_UART_8250, 2, 500000000},
	    {"/soc/b:9600", "", "", HOST_UART_8250, 2, 500000000},
	    {"/soc/a", "", "", HOST_UART_PL011, 0, 48000000},
	    /* What the board's own property says stands over the clock and the kind. */
	    {"serial0", "clock-frequency = <3000000>;", "", HOST_UART_PL011, 0, 3000000},
	    {"serial1", "", "reg-shift = <0>;", HOST_UART_8250, 0, 500000000},
	    {"serial1", "", "clocks = <&prov 5>;", HOST_UART_8250, 2, 0}, /* the firmware's */
	    {"serial0", "", "compatible = \"snps,dw-apb-uart\";", HOST_UART_PL011, 0, 48000000},
	    {"serial1", "", "compatible = \"snps,dw-apb-uart\";", HOST_UART_8250, 0, 500000000},
	    /* No stdout-path that leads anywhere: the first PL011 that is enabled, if any. */
	    {"serial9:115200n8", "", "", HOST_UART_PL011, 0, 48000000},
	    {"/soc/nowhere", "", "", HOST_UART_PL011, 0, 48000000},
	    {"", "", "", HOST_UART_PL011, 0, 48000000},
	    {"", "status = \"disabled\";", "", HOST_UART_NONE, 0, 0},
	    {"serial0", "compatible = \"x,unknown\";", "", HOST_UART_NONE, 0, 48000000},
	};
	char dts[4000];

	(void)state;
	image = range(0x40200000, MiB(1));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(dts, sizeof(dts),
		         HEAD MEMORY CPUS GICV2 TIMER
		         "aliases { serial0 = \"/soc/a\"; serial1 = \"/soc/b\"; };"
		         "chosen { stdout-path = \"%s\"; };"
		         "c48: c48 { clock-frequency = <48000000>; };"
		         "c500: c500 { clock-frequency = <500000000>; }; prov: prov { };"
		         "soc { #address-cells = <1>; #size-cells = <1>;"
		         " ranges = <0x7e000000 0 0xfe000000 0x1000000>;"
		         " a { reg = <0x7e201000 0x200>; interrupts = <0 121 4>; compatible = "
		         "\"arm,pl011\", \"arm,primecell\"; clocks = <&c48>; };"
		         " b { reg = <0x7e215040 0x40>; interrupts = <0 93 4>; compatible = "
		         "\"brcm,bcm2835-aux-uart\"; clocks = <&c500 0>; }; }; }; / { soc { a { %s "
		         "}; b { %s }; }; };",
		         cases[i].path, cases[i].serial0, cases[i].serial1);
		assert_int_equal(parse(tree(dts)), HYP_OK);
		assert_int_equal(h.uart.type, cases[i].type);
		if (h.uart.type == HOST_UART_NONE) continue;
		assert_int_equal(h.uart.reg_shift, cases[i].shift);
		assert_int_equal(h.uart.clock_hz, cases[i].hz);
		assert_int_equal(h.uart.intid, 32 + (h.uart.type == HOST_UART_PL011 ? 121 : 93));
		assert_int_equal(pa_raw(h.uart.regs.base),
		                 h.uart.type == HOST_UART_PL011 ? 0xfe201000 : 0xfe215040);
	}
}

/* What BCM2711 trees look like: everything on a bus with ranges, spin-table, an alias. */
static void test_pi(void **state)
{
	(void)state;
	image = range(0x80000, MiB(1));
	assert_int_equal(
	    parse(tree(
	        "/dts-v1/; /memreserve/ 0 0x1000;"
	        "/ { #address-cells = <2>; #size-cells = <1>; interrupt-parent = <&gic>;"
	        "model = \"Raspberry Pi 4 Model B\";"
	        "compatible = \"raspberrypi,4-model-b\", \"brcm,bcm2711\";"
	        "aliases { serial0 = &uart0; serial1 = &uart1; };"
	        "chosen { stdout-path = \"serial1:115200n8\"; linux,initrd-start = <0x2000000>;"
	        " linux,initrd-end = <0 0x2100000>; bootargs = \"console=plain\"; };"
	        "memory@0 { device_type = \"memory\"; reg = <0 0x40000000 0xbc000000>, <0 0 "
	        "0x3b400000>; };"
	        "reserved-memory { #address-cells = <2>; #size-cells = <1>; ranges;"
	        " atf@0 { reg = <0 0 0x80000>; no-map; }; cma { size = <0x4000000>; reusable; }; };"
	        "cpus { #address-cells = <1>; #size-cells = <0>;"
	        " cpu@0 { device_type = \"cpu\"; reg = <0>; enable-method = \"spin-table\"; "
	        "cpu-release-addr = <0 0xd8>; };"
	        " cpu@1 { device_type = \"cpu\"; reg = <1>; enable-method = \"spin-table\"; "
	        "cpu-release-addr = <0 0xe0>; };"
	        " cpu@2 { device_type = \"cpu\"; reg = <2>; status = \"fail\"; };"
	        " cpu@3 { device_type = \"cpu\"; reg = <3>; enable-method = \"psci\"; }; };"
	        "clk: clk { #clock-cells = <0>; clock-frequency = <48000000>; };"
	        "soc { #address-cells = <1>; #size-cells = <1>;"
	        " ranges = <0x7e000000 0 0xfe000000 0x1800000>, <0x7c000000 0 0xfc000000 "
	        "0x2000000>,"
	        "  <0x40000000 0 0xff800000 0x800000>;"
	        " uart0: serial@7e201000 { compatible = \"arm,pl011\", \"arm,primecell\"; reg = "
	        "<0x7e201000 0x200>;"
	        "  interrupts = <0 121 4>; clocks = <&clk>; };"
	        " uart1: serial@7e215040 { compatible = \"brcm,bcm2835-aux-uart\"; reg = "
	        "<0x7e215040 0x40>;"
	        "  interrupts = <0 93 4>; };"
	        " mmcnr: mmc@7e300000 { compatible = \"brcm,bcm2835-sdhci\"; reg = <0x7e300000 "
	        "0x100>; };"
	        " gic: interrupt-controller@40041000 { compatible = \"arm,gic-400\"; "
	        "interrupt-controller;"
	        "  #interrupt-cells = <3>; interrupts = <1 9 0xf04>;"
	        "  reg = <0x40041000 0x1000>, <0x40042000 0x2000>, <0x40044000 0x2000>, "
	        "<0x40046000 0x2000>; };"
	        "};"
	        "emmc2bus { #address-cells = <2>; #size-cells = <1>;"
	        " ranges = <0 0x7e000000 0 0xfe000000 0x1800000>;"
	        " mmc@7e340000 { compatible = \"brcm,bcm2711-emmc2\"; reg = <0 0x7e340000 "
	        "0x100>; }; };"
	        "timer { compatible = \"arm,armv8-timer\"; clock-frequency = <54000000>;"
	        " interrupts = <1 13 0xf08>, <1 14 0xf08>, <1 11 0xf08>, <1 10 0xf08>; };"
	        "};")),
	    HYP_OK);
	assert_string_equal(h.model, "Raspberry Pi 4 Model B");
	assert_string_equal(h.compatible, "raspberrypi,4-model-b");
	assert_int_equal(h.nr_ram, 2);
	assert_range(h.ram[0], 0x40000000, 0xbc000000);
	assert_range(h.ram[1], 0, 0x3b400000);
	assert_int_equal(h.nr_reserved, 2); /* /memreserve/ and atf; cma has no place */
	assert_range(h.reserved[0], 0, 0x1000);
	assert_range(h.reserved[1], 0, 0x80000);
	assert_range(h.initrd, 0x2000000, 0x100000); /* 4 and 8 bytes */
	assert_int_equal(h.uart.type, HOST_UART_8250);
	assert_int_equal(h.uart.reg_shift, 2);
	assert_range(h.uart.regs, 0xfe215040, 0x40);
	assert_int_equal(h.uart.intid, 32 + 93);
	assert_range(h.sdhci[0], 0xfe340000, 0x100);
	assert_range(h.sdhci[1], 0xfe300000, 0x100);
	assert_range(h.gic.gicd, 0xff841000, 0x1000);
	assert_range(h.gic.gicv, 0xff846000, 0x2000);
	assert_int_equal(h.gic.maint_intid, 25);
	assert_int_equal(h.timer.clock_hz, 54000000);
	assert_false(h.psci_smc);
	assert_int_equal(h.nr_cpus, 3);
	assert_int_equal(h.nr_cpus_ignored, 1);
	assert_int_equal(h.cpus[1].enable, HOST_ENABLE_SPIN_TABLE);
	assert_int_equal(pa_raw(h.cpus[1].release), 0xe0);
	assert_int_equal(h.cpus[2].mpidr, 3);
	assert_int_equal(h.cpus[2].enable, HOST_ENABLE_NONE); /* psci without firmware */
}

static void test_gicv3_regions(void **state)
{
	(void)state;
	image = range(0x40200000, MiB(1));
	assert_int_equal(
	    parse(tree(HEAD MEMORY CPUS TIMER
	               "psci { compatible = \"arm,psci-1.0\"; method = \"hvc\"; };"
	               "gic: gic@1 { compatible = \"arm,gic-v3\"; interrupt-controller; "
	               "#interrupt-cells = <4>;"
	               "#redistributor-regions = <2>; redistributor-stride = <0 0x40000>; "
	               "interrupts = <1 9 4 0>;"
	               "reg = <0 0x1000000 0 0x10000 0x10 0 0 0x80000 0x20 0 0 0x80000>; };"
	               "};")),
	    HYP_EINVAL); /* the timer's cells are three, the GIC's four: interrupts mean something
	                    else */
	assert_non_null(strstr(why, "timer"));
	assert_int_equal(h.gic.nr_gicr, 2);
	assert_range(h.gic.gicr[1], UINT64_C(0x2000000000), 0x80000);
	assert_int_equal(h.gic.gicr_stride, 0x40000);
	assert_true(h.psci_hvc);
	assert_false(h.psci_smc);
}

static void test_banks(void **state)
{
	(void)state;
	image = range(0x100000, 0x1000);
	assert_int_equal(
	    parse(tree(
	        HEAD CPUS TIMER GICV2
	        "memory@1 { device_type = \"memory\"; status = \"disabled\"; reg = <0 0x80000000 0 "
	        "0x1000>; };"
	        "memory@2 { device_type = \"memory\"; reg = <0 0x3800 0 0x4400 0 0x5000 0 0x1000"
	        " 0 0x100000 0 0x1000 0 0x8000 0 0x1000 0 0x20000 0 0x800 0x7f 0xffffe000 0 "
	        "0x4000 0x80 0x4000 0 0x1000 0xffffffff 0xfffff000 0 0x2000>; };"
	        "};")),
	    HYP_OK);
	/* 3800-7c00 keeps 4000-7000, swallows 5000; 8000 stays alone; 20000 has no whole page; what
	 * lies above 512 GiB the management guest would not see. */
	assert_int_equal(h.nr_ram, 4);
	assert_range(h.ram[0], 0x4000, 0x3000);
	assert_range(h.ram[1], 0x100000, 0x1000);
	assert_range(h.ram[2], 0x8000, 0x1000);
	assert_range(h.ram[3], UINT64_C(0x7fffffe000), 0x2000);
	image = range(0x2000, 0x1000);
	assert_int_equal(
	    parse(tree(
	        HEAD CPUS TIMER GICV2
	        "memory@0 { device_type = \"memory\"; reg = <0 0x1000 0 0x1000 0 0x3000 0 0x1000"
	        " 0 0x2000 0 0x1000 0 0 0 0x1000>; }; };")),
	    HYP_OK);
	assert_int_equal(h.nr_ram, 1); /* the last joins all */
	assert_range(h.ram[0], 0, 0x4000);
}

static void test_refusals(void **state)
{
	(void)state;
	image = range(0x40200000, MiB(1));
	assert_refused(HEAD CPUS TIMER GICV2 "};", "RAM");
	assert_refused(HEAD MEMORY TIMER GICV2 "};", "/cpus");
	assert_refused(HEAD MEMORY CPUS TIMER "gic: gic { compatible = \"arm,gic-v9\"; }; };",
	               "interrupt controller");
	assert_refused(HEAD MEMORY CPUS TIMER
	               "gic: gic { compatible = \"arm,gic-400\"; #interrupt-cells = <3>;"
	               "reg = <0 0x8000000 0 0x1000 0 0x8010000 0 0x2000>; }; };",
	               "virtualization");
	assert_refused(HEAD MEMORY CPUS TIMER
	               "gic: gic { compatible = \"arm,gic-v3\"; #interrupt-cells = <3>; reg = <0 "
	               "0x8000000 0 0x1000>;"
	               "interrupts = <1 9 4>; }; };",
	               "interrupt controller's registers");
	assert_refused(HEAD MEMORY CPUS TIMER
	               "gic: gic { compatible = \"arm,gic-v3\"; #interrupt-cells = <3>; "
	               "#redistributor-regions = <99>;"
	               "reg = <0 0x8000000 0 0x1000>; interrupts = <1 9 4>; }; };",
	               "too many");
	assert_refused(HEAD MEMORY CPUS GICV2 "};", "timer");
	assert_refused(
	    HEAD MEMORY CPUS GICV2
	    "timer { compatible = \"arm,armv8-timer\"; interrupts = <1 13 4 1 14 4 1 11 4>; }; };",
	    "hypervisor timer");
	assert_refused(HEAD MEMORY CPUS GICV2 TIMER
	               "chosen { linux,initrd-start = <0x2000>; linux,initrd-end = <0x1000>; }; };",
	               "initrd");
	assert_refused(
	    HEAD MEMORY CPUS GICV2 TIMER
	    "reserved-memory { #address-cells = <2>; #size-cells = <2>; ranges; a@0 { reg = <"
	    "0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 "
	    "1 "
	    "0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 "
	    "1 "
	    "0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 1 0 0 0 "
	    "1 "
	    ">; }; }; };",
	    "reserved-memory");
	/* Nothing wrong: the refusals above come from what each leaves out. */
	assert_int_equal(parse(tree(HEAD MEMORY CPUS GICV2 TIMER "};")), HYP_OK);
	assert_int_equal(h.uart.type, HOST_UART_NONE);
}

/* An alias that names itself, or has no end: libfdt alone would not come back. */
static void test_aliases(void **state)
{
	(void)state;
	image = range(0x40200000, MiB(1));
	for (unsigned i = 0; i < 3; i++) {
		static const char *const trees[] = {
		    HEAD MEMORY CPUS GICV2 TIMER "chosen { stdout-path = \"a\"; };"
		                                 "aliases { a = \"b\"; b = \"a\"; }; };",
		    HEAD MEMORY CPUS GICV2 TIMER "chosen { stdout-path = \"a:115200\"; };"
		                                 "aliases { a = [2f 70]; }; };",
		    HEAD MEMORY CPUS GICV2 TIMER
		    "chosen { stdout-path = \"a:115200\"; }; aliases { a = \"/p\"; };"
		    "p { compatible = \"ns16550a\"; reg = <0 0x9000 0 0x100>; }; };"};

		assert_int_equal(parse(tree(trees[i])), HYP_OK);
		assert_int_equal(h.uart.type, i == 2 ? HOST_UART_8250 : HOST_UART_NONE);
	}
}

static void test_no_tree(void **state)
{
	static const uint64_t zero[8];
	uint64_t *blob = tree(HEAD MEMORY CPUS GICV2 TIMER "};");

	(void)state;
	assert_int_equal(config_fdt_size(NULL), 0);
	assert_int_equal(config_fdt_size(zero), 0);
	assert_int_equal(config_fdt_size((const char *)blob + 4), 0); /* not aligned */
	assert_int_equal(config_fdt_size(blob), fdt_totalsize(blob));
	fdt_set_totalsize(blob, MiB(4) + 1);
	assert_int_equal(config_fdt_size(blob), 0);
	assert_int_equal(config_host_init(zero, image, &h, &why), HYP_EINVAL);
	free(blob);
}

/* Damage of the structure that libfdt alone would follow: it must end in a sentence, in bounds. */
static void test_damaged(void **state)
{
	char *good = tree(HEAD MEMORY CPUS GICV2 TIMER "chosen { bootargs = \"x\"; }; };");
	uint32_t size = fdt_totalsize(good), at = fdt_off_dt_struct(good),
	         len = fdt_size_dt_struct(good);
	uint64_t seed = 1;
	unsigned refused = 0;

	(void)state;
	image = range(0x40200000, MiB(1));
	for (uint32_t cut = 0; cut < len; cut += 4) { /* the structure ends early */
		char *bad = NULL;

		assert_int_equal(posix_memalign((void **)&bad, 8, size), 0);
		memcpy(bad, good, size);
		fdt_set_size_dt_struct(bad, cut);
		assert_int_equal(parse(bad), HYP_EINVAL);
	}
	for (unsigned i = 0; i < 20000; i++) { /* words anywhere replaced by awkward values */
		static const uint32_t values[] = {
		    0, 1, 2, 3, 9, 4, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
		char *bad = NULL;
		fdt32_t val;

		assert_int_equal(posix_memalign((void **)&bad, 8, size), 0);
		memcpy(bad, good, size);
		for (unsigned n = 0; n <= i % 3; n++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			val = cpu_to_fdt32(values[(seed >> 40) % ARRAY_SIZE(values)]);
			/* Not totalsize, which is the buffer's size here. */
			memcpy(bad + 8 + (seed >> 16) % ((size - 8) / 4) * 4, &val, 4);
		}
		refused += parse(bad) != HYP_OK;
	}
	assert_true(refused > 5000);
	assert_in_range(at, sizeof(struct fdt_header), size);
	free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_qemu_v2), cmocka_unit_test(test_qemu_v3),
	    cmocka_unit_test(test_pi),      cmocka_unit_test(test_gicv3_regions),
	    cmocka_unit_test(test_banks),   cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_aliases), cmocka_unit_test(test_no_tree),
	    cmocka_unit_test(test_damaged), cmocka_unit_test(test_big_pi),
	    cmocka_unit_test(test_places),  cmocka_unit_test(test_bundle_over_tree),
	    cmocka_unit_test(test_stdout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
