/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between hyp/lifecycle.c and hyp/load_job.c: the job of a VM that loads, starts and, once its
 * vCPUs are out, applies the policy.
 */
#pragma once

#include <hyp/deadline.h>
#include <hyp/err.h>
#include <hyp/fit.h>
#include <hyp/job.h>
#include <hyp/loader.h>

struct vm;

enum load_phase { LOAD_VERIFY, LOAD_PLAN, LOAD_ZERO, LOAD_COPY, LOAD_START };

enum load_file { FILE_IMAGE, FILE_RAMDISK, FILE_OVERLAY, NR_FILES };

/* The job's alone. */
struct vm_life {
	struct job job;
	struct vm *vm;
	const struct fit *bundle;
	struct deadline backoff;
	bool dirty; /* RAM was used: it is zeroed before the next load */
	enum load_phase phase;
	unsigned file;                    /* being verified, or segment being copied */
	uint64_t at;                      /* progress in bytes */
	struct fit_image files[NR_FILES]; /* size 0: not given */
	struct fit_verify verify;
	struct load_plan plan;
	uint8_t *fdt; /* GFDT_MAX_SIZE bytes while loading */
	uint64_t fdt_size;
};

enum hyp_err life_create(struct vm *vm, const struct fit *bundle) __must_check;
void life_free(struct vm_life *l);

extern const struct deadline_ops life_backoff_ops;
/* The host goes off: what is not running is not to start. */
bool life_going_down(void);
void life_stopped_for_good(struct vm *vm);
/* Once every vCPU is out: the policy, and true. */
bool life_stopped(struct vm *vm);
/* The image is at fault: the VM has stopped for good. */
void life_load_failed(struct vm *vm, const char *image, const char *why);

/* hyp/crash.c: one screen of why, where, registers of the vCPU at fault, the manifest node, the
 * policy. All vCPUs are out. */
void crash_explain(const struct vm *vm);
