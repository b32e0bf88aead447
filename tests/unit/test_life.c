/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs come and go at run time, with the real page allocator and stage 2: every allocation fails
 * once, then a thousand rounds at random. No page in two VMs, none that is not clean, none lost.
 * links: hyp/gmem.c hyp/setway.c hyp/crash.c hyp/vm.c hyp/deadline.c hyp/pcpu.c hyp/mmio.c
 * links: arch/arm64/esr.c stage2/s2.c stage2/vmid.c
 * links: lib/str.c tests/fake_arch/fake.c tests/fake_arch/tlb.c
 * links: tests/fake_arch/timer.c tests/fake_arch/cpu.c
 * cflags: -DCONFIG_DEBUG=1
 */
#define page_alloc real_page_alloc
#define page_alloc_best real_page_alloc_best
#define page_alloc_hyp real_page_alloc_hyp
#define page_free real_page_free
#define page_free_hyp real_page_free_hyp
#include "tests/unit/page_env.h"
#undef page_alloc
#undef page_alloc_best
#undef page_alloc_hyp
#undef page_free
#undef page_free_hyp

enum hyp_err page_alloc(unsigned order, uint16_t owner, pa_t *out);
enum hyp_err page_alloc_best(uint64_t want, uint16_t owner, pa_t *out, unsigned *order);
void *page_alloc_hyp(uint64_t size);
void page_free(pa_t base, unsigned order);
void page_free_hyp(void *p, uint64_t size);
#include "hyp/lifecycle.c"
#include "tests/unit/life_env.h"

#define HOST GiB(1)
#define HOST_SIZE MiB(24)

/* --- pages: the real ones, which can fail --- */
static int fail_at;        /* the allocation after this many fails; < 0: none */
static unsigned fail_rate; /* one of so many fails; 0: none */
static unsigned failed_ones;

static bool fails(void)
{
	bool now = fail_at == 0 || (fail_rate != 0 && (unsigned)rand() % fail_rate == 0);

	fail_at -= fail_at >= 0;
	failed_ones += now;
	return now;
}

enum hyp_err page_alloc(unsigned order, uint16_t owner, pa_t *out)
{
	return fails() ? HYP_ENOMEM : real_page_alloc(order, owner, out);
}

enum hyp_err page_alloc_best(uint64_t want, uint16_t owner, pa_t *out, unsigned *order)
{
	return fails() ? HYP_ENOMEM : real_page_alloc_best(want, owner, out, order);
}

void *page_alloc_hyp(uint64_t size) { return fails() ? NULL : real_page_alloc_hyp(size); }

void page_free(pa_t base, unsigned order)
{
	env_forget(base, PAGE_SIZE << order);
	real_page_free(base, order);
}

void page_free_hyp(void *p, uint64_t size)
{
	env_forget(ptr_to_pa(p), size);
	real_page_free_hyp(p, size);
}

/* --- what must hold at any time --- */
static const uint8_t zeros[PAGE_SIZE];

/* Pages of RAM that the VM has mapped: its own, each once, and clean unless it has run. */
static uint64_t check_ram(struct vm *vm, uint8_t *seen)
{
	struct life *l = life_of(vm);
	uint64_t n = 0;

	for (uint64_t at = 0; at < vm->cfg->memory; at += PAGE_SIZE) {
		struct s2_walk w;
		uint64_t f;

		if (s2_lookup(&vm->s2, ipa(RAM + at), &w) != HYP_OK) continue;
		f = (w.pa.raw - HOST) / PAGE_SIZE;
		assert_true(f < HOST_SIZE / PAGE_SIZE && seen[f] == 0);
		seen[f] = 1;
		assert_int_equal(page_owner_of(w.pa), vm->slot + 1);
		if (!l->dirty) assert_memory_equal(pa_to_ptr(w.pa), zeros, PAGE_SIZE);
		n++;
	}
	assert_int_equal(n, l->ram / PAGE_SIZE);
	return n;
}

/* The model: no page is in two VMs but the shared one, what is free is clean. */
static void check_all(void)
{
	static uint8_t seen[HOST_SIZE / PAGE_SIZE];

	memset(seen, 0, sizeof(seen));
	assert_true(page_check());
	for (unsigned i = 0; i < MAX_VMS; i++) {
		struct s2_walk w;
		uint64_t own;

		if (!vms[i]) continue;
		own = check_ram(vms[i], seen);
		if (life_of(vms[i])->block.raw != 0) own += BIT(life_of(vms[i])->block_order);
		assert_int_equal(page_count((uint16_t)(i + 1)), own);
		assert_int_equal(s2_lookup(&vms[i]->s2, ipa(0x04000000), &w), HYP_OK);
		assert_int_equal(page_owner_of(w.pa), OWNER_SHARED);
	}
	for (uint64_t f = 0; f < HOST_SIZE / PAGE_SIZE; f++) {
		pa_t p = pa(HOST + f * PAGE_SIZE);

		if (page_owner_of(p) == OWNER_NONE)
			assert_memory_equal(pa_to_ptr(p), zeros, PAGE_SIZE);
	}
}

/* The guest writes what nobody else is to see. */
static void scribble(struct vm *vm)
{
	for (unsigned n = 0; n < 8; n++) {
		struct s2_walk w;

		assert_int_equal(s2_lookup(&vm->s2,
		                           ipa(RAM + (uint64_t)rand() %
		                                         (vm->cfg->memory / PAGE_SIZE) * PAGE_SIZE),
		                           &w),
		                 HYP_OK);
		memset(pa_to_ptr(w.pa), 0xcc, PAGE_SIZE);
	}
}

/* --- frame table before and after --- */
static struct frame before[HOST_SIZE / PAGE_SIZE];
static uint64_t free_before, blocks_before;

/* Free blocks: as many and as large again, when all is whole again. */
static uint64_t blocks(void)
{
	uint64_t h = 0;

	for (uint64_t f = HOST / PAGE_SIZE; f < (HOST + HOST_SIZE) / PAGE_SIZE;) {
		const struct frame *e = leaf_of(f);

		if (e->owner == OWNER_NONE) h = h * 31 + f * 20 + e->order;
		f += BIT(e->order);
	}
	return h;
}

static void remember(void)
{
	run_jobs();
	while (page_scrub_step()) {
	}
	for (unsigned f = 0; f < ARRAY_SIZE(before); f++)
		before[f] = look_up(pa(HOST + f * PAGE_SIZE));
	free_before = page_count(OWNER_NONE);
	blocks_before = blocks();
}

static void assert_nothing_lost(void)
{
	run_jobs();
	check_all();
	for (unsigned i = 0; i < MAX_VMS; i++) assert_null(vms[i]);
	for (unsigned f = 0; f < ARRAY_SIZE(before); f++) {
		struct frame now = look_up(pa(HOST + f * PAGE_SIZE));

		assert_int_equal(now.owner, before[f].owner);
		assert_int_equal(now.ref, before[f].ref); /* the shared page has no user */
	}
	assert_int_equal(page_count(OWNER_NONE), free_before);
	assert_int_equal(blocks(), blocks_before);
	assert_int_equal(objects, 0);
	assert_int_equal(nr_jobs, 1); /* the scrub */
}

/* --- tests --- */
static struct vm_config cfg;

static int setup(void **state)
{
	static bool once;
	static struct host h;

	(void)state;
	fail_at = -1;
	fail_rate = 0;
	cfg = (struct vm_config){.name = "vm",
	                         .image = "image",
	                         .memory = KiB(612),
	                         .cpus = 2,
	                         .gic = 3,
	                         .weight = 100,
	                         .background = true};
	file_index = 1000;
	plan_image(&cfg);
	if (once) return 0;
	once = true;
	clock_reset(1000);
	fake_tlb_reset();
	fake_log_on(false);
	fake_ram_add(pa(HOST), HOST_SIZE);
	memset(pa_to_ptr(pa(HOST)), 0xa5, HOST_SIZE);
	for (unsigned i = 0; i < IMAGE_SIZE; i++) file_data[i] = (uint8_t)(i % 251 + 1);
	nr_pcpus = 1;
	h.nr_ram = 1;
	h.ram[0] = (struct host_range){pa(HOST), HOST_SIZE};
	assert_int_equal(page_init(&h, pa(HOST), pa(HOST + PAGE_SIZE)), HYP_OK);
	assert_int_equal(s2_init(40, 8, &life_s2_ops), HYP_OK);
	assert_int_equal(lifecycle_init(), HYP_OK);
	lifecycle_start_all(IDLE_WAIT);
	remember();
	return 0;
}

/* Allocation number n fails, for each n that there is, up to the running VM; then all is undone. */
static void test_each_failure(void **state)
{
	unsigned refused = 0, dropped = 0, stopped = 0;

	(void)state;
	for (int n = 0;; n++) {
		struct vm *vm = NULL;
		enum hyp_err err;

		failed_ones = 0;
		fail_at = n;
		err = create_with_tree(&cfg, &vm);
		if (err == HYP_OK) {
			/* Started at once, or once it has its RAM. */
			if (n % 2 == 0) assert_int_equal(vm_start(vm), HYP_OK);
			run_jobs();
			if (n % 2 != 0 && vms[0]) assert_int_equal(vm_start(vm), HYP_OK);
			run_jobs();
		} else {
			assert_int_equal(err, HYP_ENOMEM);
			refused++;
		}
		fail_at = -1;
		check_all();
		if (!vms[0]) {
			dropped += err == HYP_OK;
		} else if (failed_ones != 0) {
			assert_int_equal(vms[0]->state, VM_STOPPED);
			stopped++;
			/* A second start gets what the first could not. */
			assert_int_equal(vm_start(vm), HYP_OK);
			run_jobs();
			assert_int_equal(vms[0]->state, VM_RUNNING);
		}
		if (vms[0]) assert_int_equal(vm_destroy(vm), HYP_OK);
		assert_nothing_lost();
		if (failed_ones == 0) break;
	}
	assert_true(refused > 4 && dropped > 1 && stopped > 2);
}

/* More memory than there is, less what others still wait for; more VMs than slots. */
static void test_too_much(void **state)
{
	uint64_t has[NR_OWNERS];
	struct vm *vm, *first;

	(void)state;
	cfg.memory = HOST_SIZE;
	assert_int_equal(create_with_tree(&cfg, &vm), HYP_ENOMEM);
	cfg.memory = HOST_SIZE / 2;
	assert_int_equal(create_with_tree(&cfg, &first), HYP_OK);
	assert_int_equal(create_with_tree(&cfg, &vm), HYP_ENOMEM); /* not one page was taken yet */
	assert_int_equal(vm_destroy(first), HYP_OK);
	assert_int_equal(vm_destroy(first), HYP_EBUSY);
	assert_nothing_lost();
	/* A block that is being scrubbed for one is not counted against another a second time. */
	cfg.memory = MiB(8);
	assert_int_equal(create_with_tree(&cfg, &first), HYP_OK);
	assert_true(step_job(&first->job));
	page_counts(has);
	assert_true(has[first->slot + 1] != 0);
	cfg.memory =
	    (has[OWNER_NONE] + has[OWNER_DIRTY] + has[first->slot + 1] + 1) * PAGE_SIZE - MiB(8);
	assert_int_equal(create_with_tree(&cfg, &vm), HYP_ENOMEM);
	cfg.memory -= PAGE_SIZE;
	assert_int_equal(create_with_tree(&cfg, &vm), HYP_OK);
	assert_int_equal(vm_destroy(first), HYP_OK);
	assert_int_equal(vm_destroy(vm), HYP_OK);
	assert_nothing_lost();
	cfg.memory = KiB(4);
	cfg.cpus = 1;
	for (unsigned i = 0; i < MAX_VMS; i++)
		assert_int_equal(create_with_tree(&cfg, &vm), HYP_OK);
	assert_int_equal(create_with_tree(&cfg, &vm), HYP_EFULL);
	run_jobs();
	for (unsigned i = 0; i < MAX_VMS; i++) assert_int_equal(vm_destroy(vms[i]), HYP_OK);
	assert_nothing_lost();
}

static void random_request(void)
{
	struct vm *vm = vms[rand() % 6];
	const struct crash_info c = {.what = "a test", .pc = 1};

	if (!vm) return;
	switch (rand() % 10) {
	case 0: assert_true(vm_pause(vm) == HYP_OK || vm->state != VM_RUNNING); break;
	case 1:
	case 2: assert_true(vm_resume(vm) == HYP_OK || vm->state != VM_PAUSED); break;
	case 3: (void)vm_stop(vm, STOP_EXIT, (uint32_t)rand() % 2); break;
	case 4: vm_crash(vm, &c); break;
	case 5: (void)vm_stop(vm, STOP_RESET, 0); break;
	case 6: assert_true(vm_restart(vm) == HYP_OK || vm->state >= VM_STOPPING); break;
	case 7:
		if (vm->state == VM_RUNNING) (void)setway_flushed(vm->vcpus[0]);
		break;
	default: assert_true(vm_start(vm) == HYP_OK || vm->state != VM_STOPPED); break;
	}
}

/* A thousand come and go; one allocation of fifty fails; requests at any moment of their lives. */
static void test_rounds(void **state)
{
	unsigned created = 0, rounds = 0;

	(void)state;
	srand(7);
	failed_ones = 0;
	while (created < 1000) {
		struct vm *vm;
		uint64_t pages =
		    rand() % 4 == 0 ? 1 + (uint64_t)rand() % 2000 : 64 + (uint64_t)rand() % 200;

		rounds++;
		said[0] = '\0';
		fail_rate = 50;
		cfg.memory = MAX(pages * PAGE_SIZE, KiB(256));
		cfg.cpus = 1 + (uint32_t)rand() % 4;
		cfg.on_crash = rand() % 2 ? ON_CRASH_RESTART : ON_CRASH_STOP;
		cfg.restart_limit = (uint32_t)rand() % 4;
		cfg.background = rand() % 2;
		created += create_with_tree(&cfg, &vm) == HYP_OK;
		for (unsigned i = 0; i < 40; i++) {
			if (rand() % 4 == 0) random_request();
			for (unsigned k = 0; k < 12 && nr_jobs != 0; k++)
				(void)step_job(jobs[(unsigned)rand() % nr_jobs]);
			if (rand() % 8 == 0) clock_advance(20000);
		}
		for (unsigned i = 0; i < MAX_VMS; i++)
			if (vms[i] && vms[i]->state == VM_RUNNING) scribble(vms[i]);
		if (rand() % 8 == 0) check_all();
		/* At most six at a time. */
		vm = vms[rand() % 6];
		if (vm) (void)vm_destroy(vm);
		while (vms[5]) {
			(void)vm_destroy(vms[5]);
			run_jobs();
		}
		if (rounds % 50 == 0) {
			fail_rate = 0;
			for (unsigned i = 0; i < MAX_VMS; i++)
				if (vms[i]) (void)vm_destroy(vms[i]);
			assert_nothing_lost();
		}
	}
	fail_rate = 0;
	for (unsigned i = 0; i < MAX_VMS; i++)
		if (vms[i]) (void)vm_destroy(vms[i]);
	assert_nothing_lost();
	assert_true(failed_ones > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_each_failure, setup),
	    cmocka_unit_test_setup(test_too_much, setup),
	    cmocka_unit_test_setup(test_rounds, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
