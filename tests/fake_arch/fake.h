/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake arch's own interface, for host tests: a log of tokens (barriers, TLBI, PTE writes, cache
 * operations), RAM at physical addresses, this CPU, checked locks, expected panics.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>

#include <hyp/types.h>

/* Forgets log, held locks, RAM and switches. Call it at the start of each test. */
void fake_reset(void);

/*
 * The log. Tokens: barriers by their mnemonic; "tlbi range vmid=%u ipa=0x%llx pages=%llu",
 * "tlbi vmid=%u", "tlbi all", "tlbi local"; "pte table=0x%llx idx=%u
 * old=0x%llx new=0x%llx"; "cleaninval 0x<pa> <size>", "zero ...", "ic all". Off:
 * nothing recorded.
 */
void fake_log_on(bool on);
void fake_log_token(const char *token);
void fake_logf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fake_log_clear(void);
unsigned fake_log_count(void);
/* "" beyond the end. */
const char *fake_log_at(unsigned i);
/* Index of the first token at or after `from` that starts with prefix, or -1. */
int fake_log_find(const char *prefix, unsigned from);
/* How many tokens start with prefix. */
unsigned fake_log_matches(const char *prefix);
void fake_log_print(void);

/*
 * RAM at [base, base + size), zeroed; lazily backed, so it may be large. All of it lies below
 * FAKE_PA_LIMIT; an access to a PA that is not RAM is a SIGSEGV.
 */
#define FAKE_PA_LIMIT GiB(64)
void fake_ram_add(pa_t base, uint64_t size);
bool fake_is_ram(pa_t base, uint64_t size);

/* Locks the current CPU (fake_pcpu) holds. */
unsigned fake_locks_held(void);

/*
 * fake_panics(statement): true if the statement panicked. A panic nobody expects aborts the test
 * program with its message on stderr. The message is in fake_panic_msg afterwards.
 */
extern jmp_buf fake_panic_jmp;
extern bool fake_panic_expected;
extern char fake_panic_msg[256];
#define fake_panics(stmt)                                                                          \
	({                                                                                         \
		volatile bool fake_p_ = true;                                                      \
		fake_panic_expected = true;                                                        \
		if (setjmp(fake_panic_jmp) == 0) {                                                 \
			stmt;                                                                      \
			fake_p_ = false;                                                           \
		}                                                                                  \
		fake_panic_expected = false;                                                       \
		fake_p_;                                                                           \
	})

/* log_write() of the fake prints to stderr only when this is set; it counts always. */
extern bool fake_log_verbose;
extern unsigned fake_log_lines;

/*
 * tlb.c: a TLB as hostile as the architecture permits: every descriptor a walk has seen, leaf or
 * table, stays cached until a TLBI for it. fake_tlb_translate() is a guest's access: true, and the
 * leaf descriptor with its level, or false for a translation fault. It walks from level 1.
 */
struct fake_tlb_hit {
	uint64_t desc;
	unsigned level;
	pa_t pa; /* of that byte */
};
bool fake_tlb_translate(uint64_t vttbr, ipa_t ipa, struct fake_tlb_hit *out);
/* A cached table descriptor points at this page: it must not be freed yet. */
bool fake_tlb_refers(pa_t table);
void fake_tlb_reset(void);
extern uint64_t fake_vttbr; /* what arch_vttbr_write() wrote last */
