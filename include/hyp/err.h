/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes (rule 11). Out-parameters are written only on HYP_OK.
 */
#pragma once

enum hyp_err {
	HYP_OK = 0,
	HYP_EINVAL,   /* an argument or an input is malformed */
	HYP_ENOMEM,   /* no memory left */
	HYP_ENOENT,   /* not there */
	HYP_EEXIST,   /* already there, overlaps */
	HYP_ERANGE,   /* outside the allowed range */
	HYP_EPERM,    /* not allowed */
	HYP_EBUSY,    /* not now */
	HYP_ENOTSUP,  /* the host or this version cannot */
	HYP_ECORRUPT, /* a checksum or a structure is broken */
	HYP_EFULL,    /* a bounded table is full */
	HYP_EIO,      /* a device does not do it */
};

#define __must_check __attribute__((warn_unused_result))

/* Propagates any error of expr, a call that returns enum hyp_err and holds no resource. */
#define TRY(expr)                                                                                  \
	do {                                                                                       \
		enum hyp_err try_err_ = (expr);                                                    \
		if (try_err_ != HYP_OK) {                                                          \
			return try_err_;                                                           \
		}                                                                                  \
	} while (0)

/* A word for logs: "out of memory". */
const char *hyp_err_str(enum hyp_err err);
