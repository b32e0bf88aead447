/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GIC's registers by one set of names for GICv2 and GICv3, beneath the runtime's driver: with
 * PSTATE.I set a test acknowledges by itself and sees every state in between. Private interrupts
 * are those of the calling CPU.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bit-per-interrupt registers, GICD and GICR_SGI offset (IHI 0048B 4.3, IHI 0069 12.9, 12.11). */
enum g_bits {
	G_GROUP = 0x080,
	G_SETENABLE = 0x100,
	G_CLEARENABLE = 0x180,
	G_SETPENDING = 0x200,
	G_CLEARPENDING = 0x280,
	G_SETACTIVE = 0x300,
	G_CLEARACTIVE = 0x380,
};

#define G_NONE 1023u

bool g_is_v3(void);
void g_cpu_init(void); /* on every CPU that uses the rest */
uint64_t g_dist(void);
uint64_t g_private(void); /* frame with this CPU's SGI and PPI registers; GICD on GICv2 */
uint64_t g_redist(unsigned cpu);
unsigned g_nr_intids(void);

bool g_get(unsigned intid, enum g_bits set);
void g_put(unsigned intid, enum g_bits what);
static inline void g_enable(unsigned intid) { g_put(intid, G_SETENABLE); }
void g_disable(unsigned intid);
static inline void g_pend(unsigned intid) { g_put(intid, G_SETPENDING); }
static inline void g_unpend(unsigned intid) { g_put(intid, G_CLEARPENDING); }
static inline bool g_pending(unsigned intid) { return g_get(intid, G_SETPENDING); }
static inline bool g_active(unsigned intid) { return g_get(intid, G_SETACTIVE); }
void g_set_priority(unsigned intid, uint8_t priority);
uint8_t g_priority(unsigned intid);
void g_set_edge(unsigned intid, bool edge);
void g_set_target(unsigned intid, unsigned cpu);

/* The CPU interface. g_ack() gives the INTID; *iar, when wanted, what EOI and DIR take. */
unsigned g_ack(uint32_t *iar);
void g_eoi(uint32_t iar);
void g_dir(uint32_t iar);
void g_set_pmr(uint8_t mask);
uint8_t g_pmr(void);
uint8_t g_rpr(void);
unsigned g_hppi(void);
void g_set_eoimode(bool split);
/* Binary point such that bits 7:lowest of a priority preempt. */
void g_set_preempt_bits(unsigned lowest);

void g_sgi(unsigned cpu, unsigned intid);
void g_sgi_self(unsigned intid);
void g_sgi_others(unsigned intid);
