/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile management guest: any bytes as the configurations of two VMs. What config_check() lets
 * pass goes through EL2's own code that uses it: nothing outside of bundle and RAM is copied or
 * hashed, and no VM gets what EL2, the firmware or the other one has.
 * Input: a byte for the host, then changes of two good configurations.
 * links: hyp/config.c hyp/tree.c hyp/vm.c hyp/verify.c hyp/mmio.c hyp/vdev/assigned.c
 * links: hyp/sched/core.c hyp/sched/vcpu.c hyp/deadline.c hyp/pcpu.c
 * links: lib/sha256.c lib/crc32.c tests/fake_arch/crc32.c tests/fake_arch/fake.c
 * links: tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * libs: fdt
 * cflags: -Dsched_yield=hyp_sched_yield
 * covers: hyp/config.c hyp/vdev/assigned.c
 * flags: -max_len=512 -runs=30000
 */
#include <string.h>
#include <sys/mman.h>

#include <arch/mm.h>
#include <hyp/board.h>
#include <hyp/irq.h>
#include <hyp/sched.h>
#include <hyp/verify.h>
#include <hyp/vm.h>
#include "hyp/sched/rq.h"
#include "tests/fake_arch/fake.h"
#include "tests/fuzz/fuzz.h"
#include "tests/mmio_access.h"

#define RAM UINT64_C(0x40000000)
#define BUNDLE UINT64_C(0x200000000000) /* always there: inputs have pointers */
#define BUNDLE_SIZE KiB(8)
#define NR_IRQS 288u
#define NR 2u

static const struct board this_board = {.power = {{0xfe100000}, 0x24}};
const struct board *board = &this_board;
struct host host;

static struct arch_gic_info gic = {.nr_irqs = NR_IRQS};
static struct vm machines[NR];
static struct vm_config cfgs[NR];
static struct vcpu vcpus[NR];
static unsigned me; /* which of them is at hand */

/* What each VM got hold of. */
static struct grant {
	struct host_range r;
	unsigned vm;
	bool trapped;
} grants[NR * ASSIGN_MAX];
static unsigned nr_grants;
static uint8_t irq_of[NR_IRQS]; /* 1 + VM */

static struct host_range range(uint64_t base, uint64_t size)
{
	return (struct host_range){pa(base), size};
}

static bool overlap(const struct host_range *a, uint64_t at, uint64_t size)
{
	return a->size != 0 && size != 0 && pa_raw(a->base) <= at + (size - 1) &&
	       at <= pa_raw(a->base) + (a->size - 1);
}

/* None of it is EL2's or the firmware's. */
static void check_free(uint64_t at, uint64_t size)
{
	const struct host_range *const one[] = {&host.uart.regs, &board->power,  &host.sdhci[0],
	                                        &host.sdhci[1],  &host.gic.gicd, &host.gic.gicc,
	                                        &host.gic.gich,  &host.gic.gicv, &host.gic.gicr[0],
	                                        &host.ram[0],    &host.ram[1],   &host.reserved[0]};

	EXPECT(at + size > at);
	for (unsigned i = 0; i < ARRAY_SIZE(one); i++) EXPECT(!overlap(one[i], at, size));
}

static void grant(uint64_t at, uint64_t size, bool trapped)
{
	check_free(at, size);
	for (unsigned i = 0; i < nr_grants; i++)
		EXPECT(grants[i].vm == me || !overlap(&grants[i].r, at, size));
	EXPECT(nr_grants < ARRAY_SIZE(grants));
	grants[nr_grants++] = (struct grant){range(at, size), me, trapped};
}

/* --- what is below --- */
const struct arch_gic_info *arch_gic_info(void) { return &gic; }

enum hyp_err arch_mm_map(pa_t at, uint64_t size, enum mm_attr attr)
{
	EXPECT(attr == MM_DEVICE);
	grant(pa_raw(at), size, true);
	return HYP_OK;
}

enum hyp_err s2_map(struct s2 *s, ipa_t to, pa_t p, uint64_t size, enum s2_attr attr)
{
	EXPECT(s == &machines[me].s2 && attr == S2_DEVICE);
	EXPECT(((ipa_raw(to) | pa_raw(p) | size) & PAGE_MASK) == 0 && size != 0);
	EXPECT(ipa_raw(to) >= ASSIGN_BASE && size <= ASSIGN_SIZE);
	EXPECT(ipa_raw(to) - ASSIGN_BASE <= ASSIGN_SIZE - size);
	EXPECT(assigned_may_map(&cfgs[me].assign, p, size));
	grant(pa_raw(p), size, false);
	return HYP_OK;
}

static void access(uint64_t at, unsigned size)
{
	bool own = false;

	EXPECT(at % size == 0);
	check_free(at, size);
	for (unsigned i = 0; i < nr_grants; i++) {
		const struct grant *g = &grants[i];

		EXPECT(g->vm == me || !overlap(&g->r, at, size));
		own = own || (g->vm == me && g->trapped && at >= pa_raw(g->r.base) &&
		              at + size <= pa_raw(g->r.base) + g->r.size);
	}
	EXPECT(own);
}

uint64_t fake_io_read(uint64_t at, unsigned size)
{
	access(at, size);
	return 0;
}

void fake_io_write(uint64_t at, unsigned size, uint64_t val) { access(at, size); }

static void check_irq(uint32_t intid)
{
	EXPECT(intid >= GIC_FIRST_SPI && intid < NR_IRQS);
	EXPECT(intid != host.uart.intid && intid != host.gic.maint_intid);
}

void arch_gic_set_edge(uint32_t intid, bool edge) { check_irq(intid); }

void vgic_link_spi(struct vm *vm, uint32_t intid, uint32_t pintid, bool edge)
{
	check_irq(pintid);
	EXPECT(vm == &machines[me] && intid >= machine_v1.assign_intid);
	EXPECT(intid < machine_v1.assign_intid + ASSIGN_MAX && irq_of[pintid] == 0);
	irq_of[pintid] = (uint8_t)(1 + me);
}

void arch_gic_enable(uint32_t intid) { EXPECT(intid < NR_IRQS && irq_of[intid] == 1 + me); }
void arch_gic_disable(uint32_t intid) { EXPECT(intid < NR_IRQS && irq_of[intid] == 1 + me); }

void vgic_inject_spi(struct vm *vm, uint32_t intid)
{
	EXPECT(vm == &machines[me] && intid - machine_v1.assign_intid < cfgs[me].assign.nr_irqs);
}

/* The scheduler never runs here. */
void irq_handle(void) {}
void arch_cpu_idle(void) {}
void vcpu_wake(struct vcpu *v) {}
void job_run(struct rq *rq) {}

/* --- what is let pass, as EL2 uses it --- */

/* As hyp/lifecycle.c copies: image, ramdisk, tree, and the tree again. */
static void load(const struct vm_config *c)
{
	static uint8_t piece[BUNDLE_SIZE];
	struct load_plan plan = c->plan;
	uint8_t *tree = malloc(plan.fdt_size + 1);

	if (plan.fdt_size != 0)
		plan.seg[plan.n++] = (struct load_segment){plan.fdt, tree, plan.fdt_size};
	if (plan.fdt_size != 0 && plan.fdt_at_base)
		plan.seg[plan.n++] = (struct load_segment){ipa(RAM), tree, plan.fdt_size};
	for (unsigned i = 0; i < plan.n; i++) {
		const struct load_segment *s = &plan.seg[i];

		EXPECT(s->size != 0 && ipa_raw(s->to) >= RAM && s->size <= c->memory);
		EXPECT(ipa_raw(s->to) - RAM <= c->memory - s->size);
		if (s->from != tree) memcpy(piece, s->from, s->size); /* the sanitizer looks */
	}
	free(tree);
}

static void hash(const struct vm_config *c)
{
	struct verify v;
	const char *why;

	for (const struct fit_image *f = c->files; f < c->files + NR_FILES; f++) {
		if (f->size == 0) continue;
		verify_init(&v, f, c->verify == VERIFY_SHA256);
		while (verify_step(&v)) {
		}
		if (verify_done(&v, &why) != HYP_OK) EXPECT(why != NULL);
	}
}

static void schedule(const struct vm_config *c)
{
	struct vcpu *v = &vcpus[me];
	const struct sched_ent *e = &v->se;

	sched_vcpu_init(v, c);
	EXPECT(v->affinity != 0 && (v->affinity & ~(BIT(nr_pcpus) - 1)) == 0);
	EXPECT(e->weight != 0 && e->slice != 0 && e->rank <= SCHED_PRIORITY_MANAGEMENT);
	EXPECT(e->rank != 0 || (e->vslice != 0 && e->weight <= 10000 && e->budget == 0));
	EXPECT(e->budget == 0 || (e->budget <= e->period && e->period >= 100));
}

/* The guest at the edges of what it has of each device, and behind them. */
static void use_devices(const struct vm_assign *a)
{
	struct vm *vm = &machines[me];
	uint64_t val;

	for (const struct mmio_region *r = vm->mmio.r; r < vm->mmio.r + vm->mmio.n; r++)
		for (uint64_t n = 0; n < 128; n++) {
			uint64_t at = r->base + (n & 64 ? r->size - 8 : 0) + (n >> 2 & 15);

			val = UINT64_MAX;
			(void)mmio_access(&vcpus[me], at, n & 64, 1u << (n & 3), &val);
			(void)mmio_access(&vcpus[me], at, !(n & 64), 1u << (n & 3), &val);
		}
	assigned_start(vm);
	for (unsigned i = 0; i < a->nr_irqs; i++) assigned_irq(a->irq[i].intid);
	assigned_stop(vm);
}

/* Each flag is read as hyp/lifecycle.c, hyp/trial.c and the management guest do. */
static void read_flags(const struct vm_config *c)
{
	static const char *const policy[] = {"stop", "restart", "panic"};
	volatile unsigned n = 0;

	n += (c->background ? 0u : 1u) + c->autostart + c->console + c->reports_health + c->vpl011 +
	     c->allow_unsafe_dma + c->plan.fdt_at_base;
	EXPECT(n <= 7 && policy[c->on_crash][0] != '\0');
	EXPECT(strlen(c->name) < sizeof(c->name) && strlen(c->image) < sizeof(c->image));
	EXPECT(strlen(c->ramdisk) < sizeof(c->ramdisk));
	EXPECT(strlen(c->fdt_overlay) < sizeof(c->fdt_overlay));
	EXPECT(c->cpus >= 1 && c->cpus <= (gic.version == 2 ? 8u : MAX_VCPUS));
	EXPECT(c->gic == gic.version && c->memory >= PAGE_SIZE && c->memory % PAGE_SIZE == 0);
	EXPECT(c->memory <= BIT(39) - RAM && c->plan.fdt_size <= KiB(64));
}

static void use(struct vm_config *c)
{
	struct vm *vm = &machines[me];
	unsigned had = nr_grants;

	read_flags(c);
	load(c);
	hash(c);
	schedule(c);
	*vm = (struct vm){.cfg = c, .machine = &machine_v1, .slot = me};
	vcpus[me].vm = vm;
	if (assigned_create(vm, &c->assign) == HYP_OK) {
		use_devices(&c->assign);
		vms[me] = vm;
		return;
	}
	/* It is taken apart again. */
	nr_grants = had;
	for (unsigned i = 0; i < NR_IRQS; i++) irq_of[i] = irq_of[i] == 1 + me ? 0 : irq_of[i];
}

/* --- the input --- */

static void make_host(void)
{
	static void *bundle;

	if (bundle == NULL) {
		bundle = mmap((void *)(BUNDLE - PAGE_SIZE), BUNDLE_SIZE + 2 * PAGE_SIZE, PROT_NONE,
		              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		EXPECT(bundle == (void *)(BUNDLE - PAGE_SIZE));
		EXPECT(mprotect((void *)BUNDLE, BUNDLE_SIZE, PROT_READ | PROT_WRITE) == 0);
	}
	host = (struct host){
	    .ram = {range(RAM, GiB(1)), range(GiB(8), GiB(1))},
	    .nr_ram = 2,
	    .reserved = {range(0x3000, 0x1000)},
	    .nr_reserved = 1,
	    .initrd = range(BUNDLE, BUNDLE_SIZE),
	    .uart = {.regs = range(0xfe215040, 0x40), .intid = 125},
	    .sdhci = {range(0xfe340000, 0x100), range(0xfe300000, 0x100)},
	    .gic = {.gicd = range(0xff841000, 0x1000), .nr_gicr = gic.version == 3},
	};
	if (gic.version == 3) {
		host.gic.gicr[0] = range(0xff900000, 0x20000);
		return;
	}
	host.gic.gicc = range(0xff842000, 0x2000);
	host.gic.gich = range(0xff844000, 0x2000);
	host.gic.gicv = range(0xff846000, 0x2000);
	host.gic.maint_intid = 200;
}

static void make_good(struct vm_config *c, unsigned i, bool fixed)
{
	uint64_t dev = i == 0 ? 0xfe201000 : 0xfe215000; /* that is beside the UART */
	const uint8_t *file = (const uint8_t *)BUNDLE;

	*c = (struct vm_config){
	    .name = "web",
	    .image = "image",
	    .memory = MiB(64),
	    .cpus = 2,
	    .sched = fixed ? SCHED_FIXED : SCHED_FAIR,
	    .weight = 100,
	    .gic = gic.version,
	    .assign = {.nr_devs = 1,
	               .nr_regs = 2,
	               .nr_irqs = 2,
	               .reg = {{.pa = dev,
	                        .ipa = ASSIGN_BASE,
	                        .size = 0x40,
	                        .trapped = true,
	                        .ruled = i == 0},
	                       {.pa = 0xfe400020 + i * (PAGE_SIZE + 0x40),
	                        .ipa = ASSIGN_BASE + PAGE_SIZE + 0x20 + i * 0x40,
	                        .size = 0x20}},
	               .irq = {{.intid = 150 + i}, {.intid = 152 + i, .edge = true}}},
	    .assign_rules = {.n = 1, .rule = {{.off = 8, .size = 16, .read = 0xff, .write = 0xf0}}},
	    .files = {{.data = file, .size = 64, .has_crc32 = true}},
	    .plan = {.n = 1,
	             .seg = {{ipa(RAM + 0x1000), file, 64}},
	             .entry = ipa(RAM + 0x1000),
	             .fdt = ipa(RAM + MiB(32)),
	             .fdt_size = 4096,
	             .fdt_at_base = true},
	};
}

static uint64_t take(const uint8_t **p, const uint8_t *end, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n && *p < end; i++) v |= (uint64_t) * (*p)++ << (8 * i);
	return v;
}

/* A place in the configurations: anywhere, or a word of what is about devices, or of the plan. */
static uint8_t *place(unsigned where, const uint8_t **p, const uint8_t *end)
{
	struct vm_config *c = &cfgs[where & 1];
	size_t devices = offsetof(struct vm_config, assign),
	       files = offsetof(struct vm_config, files);
	size_t at;

	if ((where & 3) == 3) return (uint8_t *)cfgs + take(p, end, 2) % (sizeof(cfgs) - 8);
	at = take(p, end, 1) * 4;
	if ((where & 3) == 2) return (uint8_t *)c + files + at % (sizeof(*c) - files - 7);
	return (uint8_t *)c + devices + at % (files - devices);
}

/* One change: other bytes, a bit more or less, or what is at another place. */
static void vary(const uint8_t **p, const uint8_t *end)
{
	unsigned op = (unsigned)take(p, end, 1), n = 1 + (op >> 4 & 7);
	uint8_t *to = place(op >> 2, p, end);
	uint64_t word;

	memcpy(&word, to, 8);
	if ((op & 3) == 0) {
		word = take(p, end, n);
	} else if ((op & 3) == 1) {
		uint8_t by = (uint8_t)take(p, end, 1);

		n = 8;
		word += ((by & 8 ? -UINT64_C(1) : 1) << (by & 7)) << (by >> 4 << 2);
	} else {
		n = op & 128 ? 4 : 8;
		memcpy(&word, place(op >> 4, p, end), 8);
	}
	memcpy(to, &word, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	unsigned how = (unsigned)take(&data, end, 1);

	fake_reset();
	nr_pcpus = 4;
	nr_grants = 0;
	memset(irq_of, 0, sizeof(irq_of));
	memset(vms, 0, sizeof(vms));
	gic.version = how & 1 ? 2 : 3;
	make_host();
	for (unsigned i = 0; i < NR; i++) make_good(&cfgs[i], i, (how & 2) != 0);
	while (data < end) vary(&data, end);
	for (me = 0; me < NR; me++)
		if (config_check(&cfgs[me]) == HYP_OK) use(&cfgs[me]);
	return 0;
}
