/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees that EL2 did not make: the host's, whose facts must be in their bounds, and overlays for
 * a guest's. The first byte says which.
 * links: guests/management/assign.c guests/management/gfdt.c hyp/config_host.c hyp/tree.c
 * links: lib/str.c tests/fake_arch/fake.c
 * libs: fdt
 * covers: guests/management/assign.c guests/management/gfdt.c hyp/config_host.c hyp/tree.c
 * flags: -max_len=8192 -runs=4000
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hyp/config.h>
#include "guests/management/fit.h"
#include "guests/management/gfdt.h"
#include "guests/management/manifest.h"
#include <hyp/host.h>
#include <hyp/tree.h>
#include <hyp/vm.h>
#include "tests/fuzz/fuzz.h"

#define LIMIT BIT(48)
const struct machine machine_v1 = {
    .ram_base = 0x40000000,
    .gicd = 0x08000000,
    .gicc = 0x08010000,
    .gicr = 0x080a0000,
    .pl011 = 0x09000000,
    .pl031 = 0x09010000,
    .pl011_intid = 33,
    .pl031_intid = 34,
    .assign_intid = 144,
};
struct vm *vms[MAX_VMS];

uint64_t vm_vcpu_mpidr(unsigned gic_version, unsigned id)
{
	return BIT(31) | (id / (gic_version == 2 ? 8 : 16)) << 8 | id % (gic_version == 2 ? 8 : 16);
}

static void check_ranges(const struct host_range *r, unsigned n, unsigned max)
{
	EXPECT(n <= max);
	for (unsigned i = 0; i < n; i++)
		EXPECT(pa_raw(r[i].base) < LIMIT && r[i].size <= LIMIT - pa_raw(r[i].base));
}

/* Devices of any tree: inside their window, and the guest's tree is as sound as the host's. */
static void check_devices(const void *fdt)
{
	static _Alignas(8) uint8_t buf[KiB(16)];
	struct manifest m = {.host_tree = fdt};
	struct vm_config cfg = {.memory = MiB(64), .cpus = 1, .gic = 3};
	const struct vm_assign *a = &cfg.assign;
	char path[128];
	const char *why;
	uint64_t n;

	for (int node = 0, i = 0; node >= 0 && i < 64 && a->nr_devs < ASSIGN_MAX; i++) {
		struct vm_assign before = *a;

		if (fdt_get_path(fdt, node, path, sizeof(path)) == 0 &&
		    config_assign(&m, path, true, &cfg.assign))
			cfg.assign = before;
		node = fdt_next_node(fdt, node, NULL);
	}
	EXPECT(a->nr_regs <= ASSIGN_MAX && a->nr_irqs <= ASSIGN_MAX && a->nr_devs <= a->nr_regs);
	for (unsigned i = 0; i < a->nr_regs; i++) {
		EXPECT(a->reg[i].ipa >= ASSIGN_BASE && a->reg[i].size > 0);
		EXPECT(a->reg[i].size <= ASSIGN_BASE + ASSIGN_SIZE - a->reg[i].ipa);
		EXPECT(i == 0 || a->reg[i].ipa / PAGE_SIZE >
		                     (a->reg[i - 1].ipa + a->reg[i - 1].size - 1) / PAGE_SIZE);
		EXPECT(a->reg[i].pa < LIMIT && a->reg[i].size <= LIMIT - a->reg[i].pa);
	}
	for (unsigned i = 0; i < a->nr_irqs; i++)
		EXPECT(a->irq[i].intid >= 32 && a->irq[i].intid < 1020);
	if (gfdt_build(&cfg, &machine_v1, buf, gfdt_room(&cfg), &n, &why) == HYP_OK)
		EXPECT(n <= gfdt_room(&cfg) && tree_check(buf, n, &why) == HYP_OK);
}

static void check_host(const void *fdt, struct host_range image)
{
	static struct host h;
	const char *why;
	bool good = config_host_init(fdt, image, &h, &why) == HYP_OK;

	EXPECT(good == (why == NULL));
	/* What was found until then is used for the sentence, so it holds in any case. */
	EXPECT(strnlen(h.model, HOST_STRING_MAX) < HOST_STRING_MAX);
	EXPECT(strnlen(h.compatible, HOST_STRING_MAX) < HOST_STRING_MAX);
	EXPECT(strnlen(h.bootargs, HOST_BOOTARGS_MAX) < HOST_BOOTARGS_MAX);
	check_ranges(h.ram, h.nr_ram, HOST_MAX_BANKS);
	check_ranges(h.reserved, h.nr_reserved, HOST_MAX_RESERVED);
	check_ranges(h.gic.gicr, h.gic.nr_gicr, HOST_MAX_BANKS);
	check_ranges(&h.uart.regs, 1, 1);
	check_ranges(&h.gic.gicd, 1, 1);
	check_ranges(&h.initrd, 1, 1);
	for (unsigned i = 0; i < h.nr_ram; i++) {
		uint64_t lo = pa_raw(h.ram[i].base), hi = lo + h.ram[i].size;

		EXPECT(IS_ALIGNED(lo, PAGE_SIZE) && IS_ALIGNED(hi, PAGE_SIZE) && lo < hi);
		for (unsigned k = 0; k < i; k++)
			EXPECT(hi < pa_raw(h.ram[k].base) ||
			       lo > pa_raw(h.ram[k].base) + h.ram[k].size);
	}
	EXPECT(h.nr_cpus <= MAX_PCPUS);
	for (unsigned i = 0; i < h.nr_cpus; i++)
		EXPECT(IS_ALIGNED(pa_raw(h.cpus[i].release), 8) &&
		       (h.cpus[i].mpidr & ~(GENMASK(39, 32) | GENMASK(23, 0))) == 0);
	if (!good) return;
	EXPECT(pa_raw(h.initrd.base) + h.initrd.size <= pa_raw(image.base) ||
	       pa_raw(h.initrd.base) >= pa_raw(image.base) + image.size || h.initrd.size == 0);
	EXPECT(h.nr_ram > 0 && (h.gic.version == 2 || h.gic.version == 3));
	EXPECT(h.gic.version == 2 || h.gic.nr_gicr > 0);
	EXPECT(h.gic.maint_intid >= 16 && h.gic.maint_intid < 1020);
	EXPECT(h.timer.virt_intid >= 16 && h.timer.virt_intid < 1020);
	EXPECT(h.timer.hyp_intid >= 16 && h.timer.hyp_intid < 1020 && h.uart.intid < 1020);
	check_devices(fdt);
}

/* The result is a sound tree within its bound that says what the configuration says. */
static void check_overlay(const uint8_t *data, size_t size, uint8_t how)
{
	static _Alignas(8) uint8_t buf[KiB(64)];
	struct vm_config cfg = {.memory = MiB(64), .cpus = 1 + how % 8, .gic = how & 1 ? 3 : 2};
	uint64_t room, n = 0;
	const char *why = NULL;
	enum hyp_err err;

	if (tree_check(data, size, &why) != HYP_OK) return;
	cfg.files[FILE_OVERLAY] = (struct fit_image){.data = data, .size = size};
	cfg.files[FILE_RAMDISK].size = how & 4 ? 4096 : 0;
	room = gfdt_room(&cfg);
	memset(cfg.bootargs, 'x', how & 16 ? sizeof(cfg.bootargs) - 1 : how % 8);
	memset(buf + room, 0xa5, sizeof(buf) - room);
	err = gfdt_build(&cfg, &machine_v1, buf, room, &n, &why);
	for (uint64_t i = room; i < room + 64 && i < sizeof(buf); i++) EXPECT(buf[i] == 0xa5);
	if (err == HYP_OK)
		EXPECT(n <= room && tree_check(buf, n, &why) == HYP_OK);
	else
		EXPECT(err == HYP_ENOMEM || (err == HYP_EINVAL && strstr(why, "; ")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	uint64_t tree;

	if (size < 2) return 0;
	copy = malloc(size - 1); /* ends where it ends */
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 0x80) {
		check_overlay(copy, size - 1, data[0]);
	} else if (size > sizeof(struct fdt_header)) {
		/* How much is there, only its header can say: let it be right. */
		tree = config_fdt_size(copy);
		if (tree > 0) fdt_set_totalsize(copy, (uint32_t)MIN(tree, size - 1));
		check_host(copy, (struct host_range){pa(0x40200000), MiB(1)});
		check_host(copy, (struct host_range){pa(0x80000), MiB(1)});
	}
	free(copy);
	return 0;
}
