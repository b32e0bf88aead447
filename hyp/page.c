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
#include <hyp/log.h>
#include <hyp/page.h>

/* Of the first frame of a block; those inside are garbage. 16 bytes (design section 8). */
struct frame {
	uint32_t next, prev; /* list of free blocks (frame numbers, 0: end) */
	uint16_t owner, ref;
	uint8_t order;
	bool dirty;        /* allocated, but page_scrub_block() has not finished */
	uint16_t reserved; /* 0 */
};
_Static_assert(sizeof(struct frame) == 16, "design section 8: at most 16 bytes a frame");

/* What a block is, by its owner; free ones are on a list. */
enum kind { CLEAN, DIRTY, NR_LISTS, RESERVED = NR_LISTS, HYP, GUEST, NR_KINDS };

struct bank {
	uint64_t first, end; /* frame numbers: physical address / 4 KiB */
	struct frame *table; /* of first */
};

/* Scrubbed in one step: 64 KiB. */
#define SCRUB_ORDER 4u
/* Frame numbers are 32 bits in the table. */
#define FRAME_MAX (UINT64_C(1) << 32)

static spinlock_t page_lock = SPINLOCK_INIT(LOCK_PAGE);
static struct bank banks[HOST_MAX_BANKS];
static unsigned nr_banks;
static uint32_t lists[NR_LISTS][PAGE_MAX_ORDER + 1] GUARDED_BY(page_lock);
static uint64_t total GUARDED_BY(page_lock), count[NR_KINDS] GUARDED_BY(page_lock); /* pages */

/* Frames [first, end). */
struct span {
	uint64_t first, end;
};

/* [base, base + size) in frames, rounded outwards; no wrap. */
static struct span span_of(pa_t base, uint64_t size)
{
	uint64_t last = size == 0 ? pa_raw(base) : pa_raw(base) + size - 1;

	if (last < pa_raw(base)) {
		last = UINT64_MAX;
	}
	return (struct span){pa_raw(base) / PAGE_SIZE, last / PAGE_SIZE + (size != 0)};
}

static struct bank *bank_of(uint64_t f)
{
	for (unsigned i = 0; i < nr_banks; i++) {
		if (f >= banks[i].first && f < banks[i].end) {
			return &banks[i];
		}
	}
	return NULL;
}

static struct frame *frame_at(uint64_t f)
{
	struct bank *b = bank_of(f);

	CHECK(b != NULL);
	return &b->table[f - b->first];
}

static bool inside(const struct bank *b, uint64_t f, unsigned order)
{
	return f >= b->first && f + BIT(order) <= b->end;
}

/*
 * First frame of the block that f is in; NULL if f is no RAM. From the root of the tree down: an
 * entry is looked at only when the block above it is split (or sticks out of the bank), so it is
 * a valid one.
 */
static struct frame *leaf_of(uint64_t f, uint64_t *first)
{
	struct bank *b = bank_of(f);

	for (unsigned o = PAGE_MAX_ORDER; b != NULL; o--) {
		uint64_t base = ALIGN_DOWN(f, BIT(o));

		if (inside(b, base, o) && b->table[base - b->first].order == o) {
			*first = base;
			return &b->table[base - b->first];
		}
		CHECK(o != 0);
	}
	return NULL;
}

static enum kind kind_of(uint16_t owner)
{
	switch (owner) {
	case OWNER_NONE:
		return CLEAN;
	case OWNER_DIRTY:
		return DIRTY;
	case OWNER_RESERVED:
		return RESERVED;
	case OWNER_HYP:
		return HYP;
	default:
		return GUEST;
	}
}

/* Makes f a block of that order and owner, on the list of its kind if it is a free one. */
static void set_leaf(uint64_t f, unsigned order, uint16_t owner, uint16_t ref, bool dirty)
    REQUIRES(page_lock)
{
	struct frame *e = frame_at(f);
	enum kind k = kind_of(owner);

	*e = (struct frame){.owner = owner, .ref = ref, .order = (uint8_t)order, .dirty = dirty};
	count[k] += BIT(order);
	if (k < NR_LISTS) {
		uint32_t *head = &lists[k][order];

		e->next = *head;
		if (*head != 0) {
			frame_at(*head)->prev = (uint32_t)f;
		}
		*head = (uint32_t)f;
	}
}

/* The reverse: the block's entry is about to become something else. */
static void clear_leaf(struct frame *e) REQUIRES(page_lock)
{
	enum kind k = kind_of(e->owner);

	count[k] -= BIT(e->order);
	if (k >= NR_LISTS) {
		return;
	}
	if (e->next != 0) {
		frame_at(e->next)->prev = e->prev;
	}
	if (e->prev != 0) {
		frame_at(e->prev)->next = e->next;
	} else {
		lists[k][e->order] = e->next;
	}
}

/* Splits the block that f is in until one of that order, or less, begins at f. */
static struct frame *carve(uint64_t f, unsigned order) REQUIRES(page_lock)
{
	uint64_t first = 0;
	struct frame *e = leaf_of(f, &first);

	CHECK(e != NULL);
	while (e->order > order || first != f) {
		struct frame old = *e;
		uint64_t half;

		CHECK(old.order != 0);
		half = first + BIT(old.order - 1);
		clear_leaf(e);
		set_leaf(first, old.order - 1u, old.owner, old.ref, old.dirty);
		set_leaf(half, old.order - 1u, old.owner, old.ref, old.dirty);
		first = f >= half ? half : first;
		e = frame_at(first);
	}
	return e;
}

/* What begins at the other half of the block that f would join; NULL: there is no such block. */
static struct frame *buddy_of(const struct bank *b, uint64_t f, unsigned order)
{
	if (order == PAGE_MAX_ORDER || !inside(b, ALIGN_DOWN(f, BIT(order + 1)), order + 1)) {
		return NULL;
	}
	return &b->table[(f ^ BIT(order)) - b->first];
}

/* Adds a free block, clean or dirty, and joins it with its buddies of the same kind. */
static void release(uint64_t f, unsigned order, uint16_t owner) REQUIRES(page_lock)
{
	const struct bank *b = bank_of(f);
	struct frame *e = buddy_of(b, f, order);

	while (e != NULL && e->order == order && e->owner == owner) {
		clear_leaf(e);
		f = ALIGN_DOWN(f, BIT(++order));
		e = buddy_of(b, f, order);
	}
	set_leaf(f, order, owner, 0, false);
}

/* Clean blocks below `order` whose buddy is dirty become dirty, so that they can join. */
static void mix(unsigned order) REQUIRES(page_lock)
{
	for (unsigned o = 0; o < order; o++) {
		uint32_t next;

		for (uint32_t f = lists[CLEAN][o]; f != 0; f = next) {
			struct frame *e = frame_at(f);
			const struct frame *buddy = buddy_of(bank_of(f), f, o);

			next = e->next;
			if (buddy != NULL && buddy->order == o && buddy->owner == OWNER_DIRTY) {
				clear_leaf(e);
				release(f, o, OWNER_DIRTY);
			}
		}
	}
}

/* Takes a block from the lists for owner, from a clean one if any is big enough. False: none. */
static bool take(unsigned order, uint16_t owner, uint64_t *f) REQUIRES(page_lock)
{
	for (unsigned l = CLEAN; l < NR_LISTS; l++) {
		for (unsigned o = order; o <= PAGE_MAX_ORDER; o++) {
			if (lists[l][o] != 0) {
				*f = lists[l][o];
				clear_leaf(carve(*f, order));
				set_leaf(*f, order, owner, 1, l == DIRTY);
				return true;
			}
		}
	}
	return false;
}

/* One step of scrubbing an allocated block. e->next counts the frames that are done. */
bool page_scrub_block(pa_t base)
{
	uint64_t f = pa_raw(base) / PAGE_SIZE, first, n;
	struct frame *e;
	void *p;

	spin_lock(&page_lock);
	e = leaf_of(f, &first);
	CHECK(e != NULL && first == f && e->ref != 0);
	n = e->dirty ? MIN(BIT(e->order) - e->next, BIT(SCRUB_ORDER)) : 0;
	p = pa_to_ptr(pa((f + e->next) * PAGE_SIZE));
	spin_unlock(&page_lock);
	if (n == 0) {
		return false;
	}
	/* Without the lock: the block is the caller's. */
	arch_scrub(p, n * PAGE_SIZE);
	spin_lock(&page_lock);
	e->next += (uint32_t)n;
	if (e->next == BIT(e->order)) {
		e->next = 0;
		e->dirty = false;
	}
	n = e->dirty;
	spin_unlock(&page_lock);
	return n != 0;
}

/* Takes the largest block there is, of order max down to min. */
static enum hyp_err grab(unsigned max, unsigned min, uint16_t owner, pa_t *out, unsigned *order)
{
	unsigned o = max;
	uint64_t f;
	bool ok;

	if (max > PAGE_MAX_ORDER || kind_of(owner) < NR_LISTS) {
		return HYP_EINVAL;
	}
	spin_lock(&page_lock);
	ok = take(o, owner, &f);
	while (!ok && o > min) {
		ok = take(--o, owner, &f);
	}
	if (!ok) {
		mix(o);
		ok = take(o, owner, &f);
	}
	spin_unlock(&page_lock);
	if (!ok) {
		return HYP_ENOMEM;
	}
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

enum hyp_err page_alloc_best(uint64_t pages_wanted, uint16_t owner, pa_t *out, unsigned *order)
{
	unsigned o = PAGE_MAX_ORDER;

	if (pages_wanted == 0) {
		return HYP_EINVAL;
	}
	while (BIT(o) > pages_wanted) {
		o--;
	}
	return grab(o, 0, owner, out, order);
}

void page_free(pa_t base, unsigned order)
{
	uint64_t f = pa_raw(base) / PAGE_SIZE;
	uint64_t end = f + BIT(order);

	CHECK(order <= PAGE_MAX_ORDER && IS_ALIGNED(pa_raw(base), PAGE_SIZE << order));
	spin_lock(&page_lock);
	while (f < end) {
		struct frame *e = carve(f, order);
		unsigned o = e->order;

		CHECK(e->ref != 0); /* freed twice, or never allocated */
		if (--e->ref == 0) {
			clear_leaf(e);
			release(f, o, OWNER_DIRTY);
		}
		f += BIT(o);
	}
	spin_unlock(&page_lock);
}

static unsigned order_of(uint64_t size)
{
	unsigned o = 0;

	while ((PAGE_SIZE << o) < size && o <= PAGE_MAX_ORDER) {
		o++;
	}
	return o;
}

void *page_alloc_hyp(uint64_t size)
{
	pa_t p;

	if (size == 0 || page_alloc(order_of(size), OWNER_HYP, &p) != HYP_OK) {
		return NULL;
	}
	return pa_to_ptr(p);
}

void page_free_hyp(void *p, uint64_t size)
{
	page_free(ptr_to_pa(p), order_of(size));
}

/* A copy of what the table says of the page. */
static struct frame look_up(pa_t p)
{
	struct frame copy = {.owner = OWNER_RESERVED};
	uint64_t first;
	const struct frame *e;

	spin_lock(&page_lock);
	e = leaf_of(pa_raw(p) / PAGE_SIZE, &first);
	if (e != NULL) {
		copy = *e;
	}
	spin_unlock(&page_lock);
	return copy;
}

uint16_t page_owner_of(pa_t p)
{
	struct frame e = look_up(p);

	return e.dirty ? (uint16_t)OWNER_DIRTY : e.owner;
}

uint16_t page_refcount(pa_t p)
{
	return look_up(p).ref;
}

bool page_owned_by(pa_t p, uint64_t size, uint16_t owner)
{
	struct span s = span_of(p, size);
	uint64_t first;
	bool ok = size != 0;

	spin_lock(&page_lock);
	while (ok && s.first < s.end) {
		const struct frame *e = leaf_of(s.first, &first);

		ok = e != NULL && e->owner == owner && !e->dirty;
		s.first = ok ? first + BIT(e->order) : s.end;
	}
	spin_unlock(&page_lock);
	return ok;
}

enum hyp_err page_ref(pa_t p)
{
	uint64_t f = pa_raw(p) / PAGE_SIZE, first;
	struct frame *e;
	enum hyp_err err = HYP_OK;

	spin_lock(&page_lock);
	e = leaf_of(f, &first);
	if (e == NULL || e->ref == 0 || e->dirty) {
		err = HYP_ENOENT;
	} else if (e->ref == UINT16_MAX) {
		err = HYP_EFULL;
	} else {
		carve(f, 0)->ref++;
	}
	spin_unlock(&page_lock);
	return err;
}

bool page_scrub_step(void)
{
	uint64_t f = 0;
	unsigned o = 0;

	spin_lock(&page_lock);
	/* The smallest first: the remains of what is half done, and joins come early. */
	while (o <= PAGE_MAX_ORDER && lists[DIRTY][o] == 0) {
		o++;
	}
	if (o <= PAGE_MAX_ORDER) {
		f = lists[DIRTY][o];
		o = MIN(o, SCRUB_ORDER);
		clear_leaf(carve(f, o));
		set_leaf(f, o, OWNER_HYP, 1, true);
	}
	spin_unlock(&page_lock);
	if (f == 0) {
		return false;
	}
	(void)page_scrub_block(pa(f * PAGE_SIZE));
	spin_lock(&page_lock);
	clear_leaf(frame_at(f));
	release(f, o, OWNER_NONE);
	f = count[DIRTY];
	spin_unlock(&page_lock);
	return f != 0;
}

void page_get_stats(struct page_stats *st)
{
	spin_lock(&page_lock);
	*st = (struct page_stats){.total = total,
	                          .free = count[CLEAN],
	                          .dirty = count[DIRTY],
	                          .hyp = count[HYP],
	                          .guest = count[GUEST],
	                          .reserved = count[RESERVED]};
	spin_unlock(&page_lock);
}

uint64_t page_count_owned(uint16_t owner)
{
	uint64_t n = 0, first;

	spin_lock(&page_lock);
	for (unsigned i = 0; i < nr_banks; i++) {
		for (uint64_t f = banks[i].first; f < banks[i].end;) {
			const struct frame *e = leaf_of(f, &first);

			n += e->owner == owner ? BIT(e->order) : 0;
			f += BIT(e->order);
		}
	}
	spin_unlock(&page_lock);
	return n;
}

/* Is the leaf at f right, apart from its list? */
static bool leaf_ok(const struct bank *b, uint64_t f, const struct frame *e)
{
	bool is_free = kind_of(e->owner) < NR_LISTS;
	const struct frame *buddy = buddy_of(b, f, e->order);

	if (is_free && buddy != NULL && buddy->order == e->order && buddy->owner == e->owner) {
		return false; /* should be one block */
	}
	return (e->ref == 0) == (is_free || e->owner == OWNER_RESERVED) &&
	       (e->ref != 0 || !e->dirty);
}

/* Walks the free lists: well linked, and all of what is free is on the right one. */
static bool lists_ok(void) REQUIRES(page_lock)
{
	uint64_t pages[NR_LISTS] = {0};

	for (unsigned i = 0; i < NR_LISTS * (PAGE_MAX_ORDER + 1); i++) {
		unsigned l = i % NR_LISTS, o = i / NR_LISTS;
		uint32_t prev = 0;

		for (uint32_t f = lists[l][o]; f != 0; f = frame_at(f)->next) {
			uint64_t first = 0;
			const struct frame *e = leaf_of(f, &first);

			if (e == NULL || first != f || e->order != o || e->prev != prev ||
			    kind_of(e->owner) != l || pages[l] > total) {
				return false;
			}
			pages[l] += BIT(o);
			prev = f;
		}
	}
	return pages[CLEAN] == count[CLEAN] && pages[DIRTY] == count[DIRTY];
}

bool page_check(void)
{
	uint64_t pages[NR_KINDS] = {0}, sum = 0, first = 0;
	bool ok;

	spin_lock(&page_lock);
	ok = lists_ok();
	for (unsigned i = 0; ok && i < nr_banks; i++) {
		for (uint64_t f = banks[i].first; ok && f < banks[i].end;) {
			const struct frame *e = leaf_of(f, &first);

			ok = first == f && leaf_ok(&banks[i], f, e);
			pages[kind_of(e->owner)] += BIT(e->order);
			f += BIT(e->order);
		}
	}
	for (unsigned k = 0; k < NR_KINDS; k++) {
		ok = ok && pages[k] == count[k];
		sum += pages[k];
	}
	ok = ok && sum == total;
	spin_unlock(&page_lock);
	if (!ok) {
		log_err("page: the frame table is broken near frame 0x%llx",
		        (unsigned long long)first);
	}
	return ok;
}

/* All that is not to be handed out. */
static unsigned busy_spans(const struct host *h, pa_t image_start, pa_t image_end, struct span *s)
{
	unsigned n = 0;

	s[n++] = span_of(image_start, pa_raw(image_end) - pa_raw(image_start));
	s[n++] = span_of(h->fdt.base, h->fdt.size);
	s[n++] = span_of(h->initrd.base, h->initrd.size);
	for (unsigned i = 0; i < h->nr_reserved; i++) {
		s[n++] = span_of(h->reserved[i].base, h->reserved[i].size);
	}
	return n;
}

/* Adds a bank's whole pages but page 0 (EL2's NULL, and the end of a list here). */
static void bank_add(const struct host_range *r) REQUIRES(page_lock)
{
	struct span s = span_of(r->base, r->size);
	struct bank *b = &banks[nr_banks];

	s.first += pa_raw(r->base) % PAGE_SIZE != 0;
	s.end -= r->size != 0 && (pa_raw(r->base) + r->size) % PAGE_SIZE != 0;
	s.first = MAX(s.first, 1);
	s.end = MIN(s.end, FRAME_MAX);
	for (unsigned i = 0; i < nr_banks; i++) {
		if (s.first < banks[i].end && banks[i].first < s.end) {
			log_warn("page: RAM banks overlap, one is ignored");
			return;
		}
	}
	if (s.first < s.end) {
		*b = (struct bank){.first = s.first, .end = s.end};
		nr_banks++;
		total += s.end - s.first;
	}
}

/* The highest gap of n frames in b between the busy spans; 0: none. */
static uint64_t gap_in(const struct bank *b, uint64_t n, const struct span *busy, unsigned nr_busy)
{
	uint64_t end = b->end;

	while (end - b->first >= n) {
		uint64_t lower = end;

		for (unsigned i = 0; i < nr_busy; i++) {
			if (busy[i].first < end && busy[i].end > end - n) {
				lower = MIN(lower, busy[i].first);
			}
		}
		if (lower == end) {
			return end - n;
		}
		if (lower <= b->first) {
			break;
		}
		end = lower;
	}
	return 0;
}

/* The order of the largest block that can begin at f and ends by end. */
static unsigned fit(uint64_t f, uint64_t end)
{
	unsigned o = PAGE_MAX_ORDER;

	while (!IS_ALIGNED(f, BIT(o)) || f + BIT(o) > end) {
		o--;
	}
	return o;
}

/* Gives the part of a span that is RAM to owner. */
static void punch(struct span s, uint16_t owner, uint16_t ref) REQUIRES(page_lock)
{
	for (unsigned i = 0; i < nr_banks; i++) {
		uint64_t f = MAX(s.first, banks[i].first);
		uint64_t end = MIN(s.end, banks[i].end);

		while (f < end) {
			struct frame *e = carve(f, fit(f, end));
			unsigned o = e->order;

			if (e->owner == OWNER_DIRTY) {
				clear_leaf(e);
				set_leaf(f, o, owner, ref, false);
			}
			f += BIT(o);
		}
	}
}

/* Where the frame table of n frames goes: at the top of the largest bank that has room; 0: none. */
static uint64_t place_table(uint64_t n, const struct span *busy, unsigned nr_busy)
{
	uint64_t at = 0, largest = 0;

	for (unsigned i = 0; i < nr_banks; i++) {
		uint64_t gap = gap_in(&banks[i], n, busy, nr_busy);

		if (gap != 0 && banks[i].end - banks[i].first > largest) {
			largest = banks[i].end - banks[i].first;
			at = gap;
		}
	}
	return at;
}

/* A bank of dirty memory. */
static void bank_start(struct bank *b, struct frame *table) REQUIRES(page_lock)
{
	b->table = table;
	for (uint64_t f = b->first; f < b->end;) {
		unsigned o = fit(f, b->end);

		set_leaf(f, o, OWNER_DIRTY, 0, false);
		f += BIT(o);
	}
}

enum hyp_err page_init(const struct host *h, pa_t image_start, pa_t image_end)
{
	struct span busy[HOST_MAX_RESERVED + 3];
	unsigned nr_busy = busy_spans(h, image_start, image_end, busy);
	uint64_t n, at;

	spin_lock(&page_lock);
	nr_banks = 0;
	total = 0;
	memset(count, 0, sizeof(count));
	memset(lists, 0, sizeof(lists));
	for (unsigned i = 0; i < h->nr_ram; i++) {
		bank_add(&h->ram[i]);
	}
	n = (total * sizeof(struct frame) + PAGE_MASK) / PAGE_SIZE;
	at = place_table(n, busy, nr_busy);
	if (at != 0) {
		struct frame *table = pa_to_ptr(pa(at * PAGE_SIZE));

		for (unsigned i = 0; i < nr_banks; i++) {
			bank_start(&banks[i], table);
			table += banks[i].end - banks[i].first;
		}
		for (unsigned i = 0; i < nr_busy; i++) {
			punch(busy[i], OWNER_RESERVED, 0);
		}
		punch((struct span){at, at + n}, OWNER_HYP, 1);
	}
	spin_unlock(&page_lock);
	return at != 0 ? HYP_OK : HYP_ENOMEM;
}
