/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame table and buddy allocator (contract in include/hyp/page.h). The table is the leaves of one
 * binary tree for each bank: only the first frame of a block has a valid entry, which says order
 * and owner of the whole block. So setting up a bank costs a few dozen writes, however big it is.
 */
#include <string.h>

#include <arch/cache.h>
#include <arch/mm.h>
#include <arch/spinlock.h>
#include <hyp/check.h>
#include <hyp/page.h>

/* Of the first frame of a block; those inside are garbage. 16 bytes. */
struct frame {
	uint32_t next, prev; /* list of free blocks (frame numbers, 0: end) */
	uint16_t owner, ref;
	uint8_t order;
	bool dirty; /* allocated, but page_scrub_block() has not finished */
};
_Static_assert(sizeof(struct frame) == 16, "at most 16 bytes a frame");

/* Free blocks: on lists[CLEAN] if nobody's, on lists[DIRTY] if not scrubbed yet. */
enum { CLEAN, DIRTY, NR_LISTS };

/* Frame numbers: physical address / 4 KiB. */
struct span {
	uint64_t first, end;
};

struct bank {
	struct span in;
	struct frame *table; /* of in.first */
};

/* Scrubbed in one step: 64 KiB. */
#define SCRUB_ORDER 4u
/* Frame numbers are 32 bits in the table. */
#define FRAME_MAX (UINT64_C(1) << 32)

static spinlock_t page_lock = SPINLOCK_INIT(LOCK_PAGE);
static struct bank banks[HOST_MAX_BANKS];
static unsigned nr_banks;
static uint32_t lists[NR_LISTS][PAGE_MAX_ORDER + 1] GUARDED_BY(page_lock);
static uint64_t count[NR_OWNERS] GUARDED_BY(page_lock); /* pages */

static bool is_free(uint16_t owner) { return owner == OWNER_NONE || owner == OWNER_DIRTY; }

/* [base, base + size) in frames, rounded outwards; no wrap. */
static struct span span_of(pa_t base, uint64_t size)
{
	uint64_t end = pa_raw(base) + MIN(size, UINT64_MAX - pa_raw(base));

	return (struct span){pa_raw(base) / PAGE_SIZE, end / PAGE_SIZE + (end % PAGE_SIZE != 0)};
}

/* Entry of the naturally aligned block of that order around f; NULL: not all of it is RAM. */
static struct frame *block_at(uint64_t f, unsigned order)
{
	uint64_t base = ALIGN_DOWN(f, BIT(order));

	for (struct bank *b = banks; b < &banks[nr_banks]; b++)
		if (base >= b->in.first && base + BIT(order) <= b->in.end)
			return &b->table[base - b->in.first];
	return NULL;
}

static struct frame *frame_at(uint64_t f)
{
	struct frame *e = block_at(f, 0);

	CHECK(e != NULL);
	return e;
}

/*
 * First frame of the block that f is in; NULL if f is no RAM. From the root of the tree down: an
 * entry is looked at only when the block above it is split (or sticks out of the bank), so it is
 * a valid one.
 */
static struct frame *leaf_of(uint64_t f)
{
	for (unsigned o = PAGE_MAX_ORDER + 1; o-- > 0;) {
		struct frame *e = block_at(f, o);

		if (e != NULL && e->order == o) return e;
	}
	return NULL;
}

/* Makes f a block of that order and owner, on the list of its kind if it is a free one. */
static void set_leaf(uint64_t f, unsigned order, uint16_t owner, uint16_t ref, bool dirty)
    REQUIRES(page_lock)
{
	struct frame *e = frame_at(f);
	uint32_t *list = &lists[owner == OWNER_DIRTY][order];

	*e = (struct frame){.owner = owner, .ref = ref, .order = (uint8_t)order, .dirty = dirty};
	count[owner] += BIT(order);
	if (is_free(owner)) {
		e->next = *list;
		*list = (uint32_t)f;
		if (e->next != 0) frame_at(e->next)->prev = (uint32_t)f;
	}
}

/* The reverse: the block's entry is about to become something else. */
static void clear_leaf(struct frame *e) REQUIRES(page_lock)
{
	uint32_t *list = &lists[e->owner == OWNER_DIRTY][e->order];

	count[e->owner] -= BIT(e->order);
	if (!is_free(e->owner)) return;
	*(e->prev != 0 ? &frame_at(e->prev)->next : list) = e->next;
	if (e->next != 0) frame_at(e->next)->prev = e->prev;
}

/* Splits the block that f is in until one of that order, or less, begins at f. */
static struct frame *carve(uint64_t f, unsigned order) REQUIRES(page_lock)
{
	struct frame *e = leaf_of(f);

	CHECK(e != NULL);
	while (e->order > order || !IS_ALIGNED(f, BIT(e->order))) {
		struct frame old = *e;
		uint64_t first = ALIGN_DOWN(f, BIT(old.order--));

		clear_leaf(e);
		set_leaf(first, old.order, old.owner, old.ref, old.dirty);
		set_leaf(first + BIT(old.order), old.order, old.owner, old.ref, old.dirty);
		e = leaf_of(f);
	}
	return e;
}

/* What begins at the other half of the block that f would join; NULL: there is no such block. */
static struct frame *buddy_of(uint64_t f, unsigned order)
{
	return order < PAGE_MAX_ORDER && block_at(f, order + 1) ? frame_at(f ^ BIT(order)) : NULL;
}

/* Adds a free block, clean or dirty, and joins it with its buddies of the same kind. */
static void release(uint64_t f, unsigned order, uint16_t owner) REQUIRES(page_lock)
{
	struct frame *e = buddy_of(f, order);

	while (e != NULL && e->order == order && e->owner == owner) {
		clear_leaf(e);
		f = ALIGN_DOWN(f, BIT(++order));
		e = buddy_of(f, order);
	}
	set_leaf(f, order, owner, 0, false);
}

/* The smallest block on a list, of at least that order; 0: none. */
static uint32_t smallest(unsigned list, unsigned order) REQUIRES(page_lock)
{
	while (order < PAGE_MAX_ORDER && lists[list][order] == 0) order++;
	return lists[list][order];
}

/* In debug builds: is a block that is said to be clean zero? */
static bool proven_clean(uint64_t f, unsigned order)
{
	const uint64_t *p = pa_to_ptr(pa(f * PAGE_SIZE)), *end = p;

	if (CONFIG_DEBUG) end += (PAGE_SIZE << order) / 8;
	while (p < end && *p == 0) p++;
	return p == end;
}

/* f, the first of a free block of at least that order, for owner. */
static void give(uint64_t f, unsigned order, uint16_t owner, bool dirty) REQUIRES(page_lock)
{
	clear_leaf(carve(f, order));
	set_leaf(f, order, owner, 1, dirty);
	CHECK(dirty || proven_clean(f, order));
}

/* Without the lock: the block and its entry are the caller's. e->next counts what is done. */
bool page_scrub_block(pa_t base)
{
	struct frame *e = frame_at(pa_raw(base) / PAGE_SIZE);
	uint32_t n;

	CHECK(e->ref != 0);
	if (!e->dirty) return false;
	n = (uint32_t)MIN(BIT(e->order) - e->next, BIT(SCRUB_ORDER));
	arch_scrub((uint8_t *)pa_to_ptr(base) + e->next * PAGE_SIZE, n * PAGE_SIZE);
	e->next += n;
	e->dirty = e->next != BIT(e->order);
	return e->dirty;
}

/* Takes the largest block there is, of order max down to min, a clean one if there are both. */
static enum hyp_err grab(unsigned max, unsigned min, uint16_t owner, pa_t *out, unsigned *order)
{
	unsigned o = max + 1;
	uint64_t f = 0, clean = 0;

	if (max > PAGE_MAX_ORDER || is_free(owner)) return HYP_EINVAL;
	spin_lock(&page_lock);
	while (f == 0 && o > min) {
		clean = smallest(CLEAN, --o);
		f = clean != 0 ? clean : smallest(DIRTY, o);
	}
	if (f != 0) give(f, o, owner, clean == 0);
	spin_unlock(&page_lock);
	if (f == 0) return HYP_ENOMEM;
	*out = pa(f * PAGE_SIZE);
	*order = o;
	return HYP_OK;
}

enum hyp_err page_alloc(unsigned order, uint16_t owner, pa_t *out)
{
	TRY(grab(order, order, owner, out, &order));
	while (page_scrub_block(*out)) {
	}
	return HYP_OK;
}

/* Order of the largest block of at most n pages; n > 0. */
static unsigned order_within(uint64_t n)
{
	return MIN(63 - (unsigned)__builtin_clzll(n), PAGE_MAX_ORDER);
}

enum hyp_err page_alloc_best(uint64_t pages_wanted, uint16_t owner, pa_t *out, unsigned *order)
{
	if (pages_wanted == 0) return HYP_EINVAL;
	return grab(order_within(pages_wanted), 0, owner, out, order);
}

void page_free(pa_t base, unsigned order)
{
	uint64_t f = pa_raw(base) / PAGE_SIZE;
	struct frame *e;

	CHECK(order <= PAGE_MAX_ORDER && IS_ALIGNED(pa_raw(base), PAGE_SIZE << order));
	spin_lock(&page_lock);
	e = carve(f, order);
	/* Not freed twice, never reserved, not more than was allocated. */
	CHECK(e->order == order && e->ref != 0);
	if (--e->ref == 0) {
		clear_leaf(e);
		release(f, order, OWNER_DIRTY);
	}
	spin_unlock(&page_lock);
}

static unsigned order_of(uint64_t size)
{
	return size <= PAGE_SIZE ? 0 : 64 - (unsigned)__builtin_clzll((size - 1) >> PAGE_SHIFT);
}

void *page_alloc_hyp(uint64_t size)
{
	pa_t p;

	if (size == 0 || page_alloc(order_of(size), OWNER_HYP, &p) != HYP_OK) return NULL;
	return pa_to_ptr(p);
}

void page_free_hyp(void *p, uint64_t size) { page_free(ptr_to_pa(p), order_of(size)); }

bool page_owned_by(pa_t p, uint64_t size, uint16_t owner)
{
	struct span s = span_of(p, size);
	bool ok = size != 0;

	spin_lock(&page_lock);
	while (ok && s.first < s.end) {
		const struct frame *e = leaf_of(s.first);

		ok = e != NULL && e->owner == owner && !e->dirty;
		s.first = ok ? ALIGN_DOWN(s.first, BIT(e->order)) + BIT(e->order) : s.end;
	}
	spin_unlock(&page_lock);
	return ok;
}

void page_ref(pa_t p)
{
	struct frame *e;

	spin_lock(&page_lock);
	e = leaf_of(pa_raw(p) / PAGE_SIZE);
	CHECK(e != NULL && e->order == 0 && e->ref != 0 && e->ref != UINT16_MAX);
	e->ref++;
	spin_unlock(&page_lock);
}

bool page_scrub_step(void)
{
	unsigned o = 0;
	uint64_t f;

	spin_lock(&page_lock);
	/* The smallest first: the remains of what is half done, and joins come early. */
	f = smallest(DIRTY, 0);
	if (f != 0) {
		o = MIN(frame_at(f)->order, SCRUB_ORDER);
		give(f, o, OWNER_HYP, true);
	}
	spin_unlock(&page_lock);
	if (f == 0) return false;
	(void)page_scrub_block(pa(f * PAGE_SIZE));
	spin_lock(&page_lock);
	clear_leaf(frame_at(f));
	release(f, o, OWNER_NONE);
	spin_unlock(&page_lock);
	return true;
}

void page_counts(uint64_t n[NR_OWNERS])
{
	spin_lock(&page_lock);
	memcpy(n, count, sizeof(count));
	spin_unlock(&page_lock);
}

uint64_t page_count(uint16_t owner)
{
	uint64_t n[NR_OWNERS];

	page_counts(n);
	return n[owner];
}

/*
 * Where the run of frames that f begins ends: all of them in busy[*in], or, if *in is nr_busy, none
 * in any.
 */
static uint64_t run_end(uint64_t f, uint64_t end, const struct span *busy, unsigned nr_busy,
                        unsigned *in)
{
	*in = nr_busy;
	for (unsigned i = 0; i < nr_busy; i++) {
		if (f >= busy[i].end || busy[i].first == busy[i].end) continue;
		if (f >= busy[i].first) *in = i;
		end = MIN(end, f < busy[i].first ? busy[i].first : busy[i].end);
	}
	return end;
}

/* Makes all of a bank blocks: dirty, reserved, or the frame table (busy[0]). */
static void bank_fill(const struct bank *b, const struct span *busy, unsigned nr_busy)
    REQUIRES(page_lock)
{
	unsigned order, in;

	for (uint64_t f = b->in.first; f < b->in.end; f += BIT(order)) {
		uint64_t n = run_end(f, b->in.end, busy, nr_busy, &in) - f;

		order = MIN((unsigned)__builtin_ctzll(f), order_within(n));
		set_leaf(f, order,
		         in == nr_busy ? OWNER_DIRTY
		         : in == 0     ? OWNER_HYP
		                       : OWNER_RESERVED,
		         in == 0, false);
	}
}

enum hyp_err page_init(const struct host *h, pa_t image_start, pa_t image_end)
{
	/* All that is not to be handed out; the first is the frame table. */
	struct span busy[HOST_MAX_RESERVED + 4] = {
	    {0, 0},
	    span_of(image_start, pa_raw(image_end) - pa_raw(image_start)),
	    span_of(h->fdt.base, h->fdt.size),
	    span_of(h->initrd.base, h->initrd.size)};
	unsigned nr_busy = h->nr_reserved + 4, in;
	uint64_t frames = 0, n, end;
	struct frame *table;

	for (unsigned i = 0; i < h->nr_reserved; i++)
		busy[i + 4] = span_of(h->reserved[i].base, h->reserved[i].size);
	spin_lock(&page_lock);
	memset(count, 0, sizeof(count));
	memset(lists, 0, sizeof(lists));
	nr_banks = h->nr_ram;
	for (unsigned i = 0; i < nr_banks; i++) {
		struct span s = span_of(h->ram[i].base, h->ram[i].size);

		/* Page 0 is EL2's NULL, and the end of a list here. */
		s.first = MAX(s.first, 1);
		s.end = MAX(MIN(s.end, FRAME_MAX), s.first);
		banks[i].in = s;
		frames += s.end - s.first;
	}
	n = (frames * sizeof(struct frame) + PAGE_MASK) / PAGE_SIZE;
	/* The table goes as high as there is room. */
	for (struct bank *b = banks; b < &banks[nr_banks]; b++) {
		for (uint64_t f = b->in.first; f < b->in.end; f = end) {
			end = run_end(f, b->in.end, busy, nr_busy, &in);
			if (in == nr_busy && end - f >= n) busy[0].first = end - n;
		}
	}
	busy[0].end = busy[0].first + n;
	table = pa_to_ptr(pa(busy[0].first * PAGE_SIZE));
	for (unsigned i = 0; busy[0].first != 0 && i < nr_banks; i++) {
		banks[i].table = table;
		table += banks[i].in.end - banks[i].in.first;
		bank_fill(&banks[i], busy, nr_busy);
	}
	spin_unlock(&page_lock);
	return busy[0].first != 0 ? HYP_OK : HYP_ENOMEM;
}
