/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The management guest (guests/management): a VM of Atoll's own, part of its image, that reads the
 * bundle and the manifest, makes VMs of them, and is the shell. It sees what EL2 sees, read-only,
 * and asks by hypercall for what is to change. Both are built together: none of this is an ABI.
 */
#pragma once

#include <hyp/config.h>
#include <hyp/err.h>
#include <hyp/types.h>

/* In its IPA space, where physical address 0 is; its RAM is where every VM's is. */
#define MANAGEMENT_VIEW BIT(39)
#define MANAGEMENT_RAM KiB(512)
/* Where it has that itself (guests/management/management.lds). */
#define MANAGEMENT_BASE UINT64_C(0xffffff8000000000)

/*
 * Function ids, by HVC; NOT_SUPPORTED for every other VM. Text is given as IPA in x1 and length in
 * x2. Results are in x0, of those that say so an enum hyp_err.
 */
struct vcpu;

#define MANAGEMENT_CALLS 0xc6000100u /* and the number of one of these */
enum management_call {
	MANAGEMENT_VIEW_AT, /* x0: address of the struct management_view */
	MANAGEMENT_SAY,     /* EL2's own output: whole lines, at most 319 bytes */
	MANAGEMENT_LOG,     /* x3: enum log_level; a line of the log */
	MANAGEMENT_FAIL,    /* a sentence: Atoll cannot start. Not after READY */
	MANAGEMENT_CREATE,  /* x1: IPA of a struct vm_config, x2: of its device tree. hyp_err; x1:
	                       the new VM's number */
	MANAGEMENT_REFUSED, /* a VM of the manifest was */
	MANAGEMENT_READY,   /* x1: enum when_idle. The manifest's VMs exist: they start */
	MANAGEMENT_CHANGE,  /* x1: enum management_change, x2: VM. hyp_err */
	MANAGEMENT_FOCUS,   /* x1: VM that gets the keyboard */
	MANAGEMENT_KEY,     /* x0: the next byte typed for the shell; negative: after a wait */
	MANAGEMENT_SLEEP,   /* x1: us, at most */
	MANAGEMENT_WRITE,   /* the shell's text; x0: how many bytes there was room for */
	MANAGEMENT_ALONE,   /* x1: 0, 1: console_shell_alone() */
	MANAGEMENT_SHOW_LOG,
	MANAGEMENT_TRACE, /* x1: 0, 1 */
	MANAGEMENT_PAGES, /* x1: IPA of a uint64_t [NR_OWNERS], in one page: page_counts(). hyp_err
	                   */
	MANAGEMENT_IPA,   /* x1: VM, x2: IPA. hyp_err; x1: physical address, x2: bytes left in its
	                     block, x3: level << 8 | enum s2_attr */
	MANAGEMENT_POWER, /* x1: 0 off, 1 reset. Returns if the board cannot */
	NR_MANAGEMENT_CALLS
};

enum management_change {
	CHANGE_START,
	CHANGE_STOP,
	CHANGE_PAUSE,
	CHANGE_RESUME,
	CHANGE_RESTART,
	CHANGE_DESTROY,
	NR_CHANGES
};

/* Where what it looks at is. */
struct management_view {
	const struct host *host;
	const struct host_range *power; /* the board's registers for that */
	struct vm *const *vms;          /* MAX_VMS */
	const struct pcpu *pcpus;
	const struct arch_gic_info *gic;
	const struct trace_ring *traces;
	const bool *trace_on;
	const uint64_t *slots; /* bit: still used */
	uint64_t counter_hz;
	unsigned nr_pcpus;
	bool ready; /* MANAGEMENT_READY was said in an earlier life */
	char cpu[48];
};

/*
 * Boot CPU, once, when all it looks at is there: it is created and will run. fail: what
 * MANAGEMENT_FAIL calls with the sentence.
 */
struct management_up {
	void (*fail)(const char *why);
};
enum hyp_err management_start(const struct management_up *with) __must_check;

/* It failed once too often. What runs goes on; before MANAGEMENT_READY the start has failed. */
void management_lost(void);

/* It waits: when it goes on it looks at vms[] anew. */
bool management_rests(void);

/* v is the management guest's. Its x0. */
uint64_t management_call(struct vcpu *v, enum management_call fn);
