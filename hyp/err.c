/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words for error codes.
 */
#include <hyp/err.h>

const char *hyp_err_str(enum hyp_err err)
{
	switch (err) {
	case HYP_OK:
		return "no error";
	case HYP_EINVAL:
		return "malformed";
	case HYP_ENOMEM:
		return "out of memory";
	case HYP_ENOENT:
		return "not there";
	case HYP_EEXIST:
		return "already there";
	case HYP_ERANGE:
		return "out of range";
	case HYP_EPERM:
		return "not allowed";
	case HYP_EBUSY:
		return "busy";
	case HYP_ENOTSUP:
		return "not supported";
	case HYP_ECORRUPT:
		return "corrupt";
	case HYP_EFULL:
		return "table full";
	}
	return "unknown error";
}
