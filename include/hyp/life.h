/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between hyp/lifecycle.c (states and policy), hyp/load_job.c (the job of a VM, which does all that
 * takes time) and hyp/crash.c.
 */
#pragma once

#include <hyp/deadline.h>
#include <hyp/fit.h>
#include <hyp/job.h>
#include <hyp/loader.h>
#include <hyp/vm.h>

/* What the job does next while the VM is NEW (RAM only), LOADING, or GONE (from UNLINK on). */
enum life_phase {
	LIFE_RAM,
	LIFE_VERIFY,
	LIFE_PLAN,
	LIFE_ZERO,
	LIFE_COPY,
	LIFE_START,
	LIFE_UNLINK,
	LIFE_GRACE,
	LIFE_FREE,
	LIFE_FREED,
};

enum load_file { FILE_IMAGE, FILE_RAMDISK, FILE_OVERLAY, NR_FILES };

/* A VM with what its life needs: one allocation. Less `doomed`, all is the job's alone. */
struct life {
	struct vm vm;
	struct vm_config cfg;
	struct job job;
	struct deadline backoff;
	bool doomed; /* to be destroyed once it has stopped (vm->lock) */
	bool frozen; /* its time stands still */
	bool dirty;  /* RAM was written: it is zeroed before the next load */
	enum life_phase phase;
	unsigned file; /* being verified, or segment being copied */
	uint64_t at;   /* progress in bytes */
	uint64_t ram;  /* bytes of RAM mapped */
	pa_t block;    /* being scrubbed, mapped next; 0: none */
	unsigned block_order;
	struct fit_image files[NR_FILES]; /* size 0: not given */
	struct fit_verify verify;
	struct load_plan plan;
	uint8_t *fdt; /* GFDT_MAX_SIZE bytes while loading */
	uint64_t fdt_size;
	uint64_t passes[MAX_PCPUS]; /* of each CPU when the VM was unlinked */
};

static inline struct life *life_of(struct vm *vm) { return container_of(vm, struct life, vm); }

/* load_job.c. */
/* The job, and its last access. */
bool life_step(struct job *j);
void life_done(struct job *j);
/* Finds its files in the bundle. */
enum hyp_err life_find_files(struct life *l, const struct fit *bundle) __must_check;
/* One step of giving the VM its RAM; it is over when l->phase is not LIFE_RAM any more. */
enum hyp_err life_ram_step(struct life *l) __must_check;

/* lifecycle.c. */
/* The job, every vCPU is out: what follows by the policy. */
void life_stopped(struct life *l);
/* The job, nobody knows the VM any more, or vm_create(), nobody knows it yet, and it may be built
 * in part: takes back a block of RAM; false: there was none left, all but the life itself is back.
 */
bool life_free_step(struct life *l);

/* hyp/crash.c: one screen of why, where, registers of the vCPU at fault, its last events, the
 * manifest node. All vCPUs are out. */
void crash_explain(const struct vm *vm);
