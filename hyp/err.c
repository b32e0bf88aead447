/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words for error codes.
 */
#include <hyp/err.h>
#include <hyp/types.h>

const char *hyp_err_str(enum hyp_err err)
{
	static const char *const words[] = {
	    [HYP_OK] = "no error",           [HYP_EINVAL] = "malformed",
	    [HYP_ENOMEM] = "out of memory",  [HYP_ENOENT] = "not there",
	    [HYP_EEXIST] = "already there",  [HYP_ERANGE] = "out of range",
	    [HYP_EPERM] = "not allowed",     [HYP_EBUSY] = "busy",
	    [HYP_ENOTSUP] = "not supported", [HYP_ECORRUPT] = "corrupt",
	    [HYP_EFULL] = "table full",      [HYP_EIO] = "input or output error",
	};

	return (unsigned)err < ARRAY_SIZE(words) ? words[err] : "unknown error";
}
